//! Every operation with 1, 8 and 64 clients, on kept and on new connections.

use super::Bench;
use super::calls::{Site, user_credential};
use crate::Failure;
use crate::experimenter::{Held, Slices, mint_access};
use crate::load::{self, Load};
use crate::operations::Operation;
use crate::report::{Cell, Report};
use crate::wire::{Connections, Target};
use std::sync::Arc;
use std::time::Duration;

/// How many clients at once.
const CLIENTS: [usize; 3] = [1, 8, 64];

/// All operations on an aggregate of ours.
pub(super) async fn local(
    bench: &mut Bench<'_>,
    site: &Site,
    slices: &Arc<Slices>,
    status: Vec<(usize, Arc<Operation>)>,
    time: Duration,
) -> Result<(), Failure> {
    let credential = user_credential(&site.folder)?;
    let own = Arc::new(Slices::new(mint_access(&site.folder, "update", 64)?)?);
    let mut operations = reading(&credential);
    operations.extend(status.into_iter().map(|(size, status)| (format!("Status of {size}"), status)));
    operations.push(("Allocate+Provision+Delete".to_owned(), Arc::new(Operation::Cycle(Arc::clone(slices)))));
    operations
        .push(("Update+Cancel".to_owned(), Arc::new(Operation::update_cancel(&site.target, own).await?)));
    all(&mut bench.report, &site.target, &operations, time).await
}

/// What can be done at another aggregate with the credentials there are.
pub(super) async fn remote(
    report: &mut Report,
    target: &Target,
    held: Held,
    time: Duration,
    only: Option<&str>,
) -> Result<(), Failure> {
    let mut operations = Vec::new();
    let any = held.user.as_deref().or_else(|| held.slices.first().map(|slice| slice.credential.as_str()));
    match any {
        Some(credential) => operations.extend(reading(credential)),
        None => operations.push(("GetVersion".to_owned(), Arc::new(Operation::get_version()))),
    }
    if !held.slices.is_empty() {
        let slices = Arc::new(Slices::new(held.slices)?);
        operations.push(("Allocate+Provision+Delete".to_owned(), Arc::new(Operation::Cycle(slices))));
    }
    if let Some(word) = only {
        operations.retain(|(name, _)| name.to_ascii_lowercase().contains(&word.to_ascii_lowercase()));
    }
    all(report, target, &operations, time).await
}

fn reading(credential: &str) -> Vec<(String, Arc<Operation>)> {
    vec![
        ("GetVersion".to_owned(), Arc::new(Operation::get_version())),
        ("ListResources, plain".to_owned(), Arc::new(Operation::list_resources(credential, false))),
        ("ListResources, compressed".to_owned(), Arc::new(Operation::list_resources(credential, true))),
    ]
}

async fn all(
    report: &mut Report,
    target: &Target,
    operations: &[(String, Arc<Operation>)],
    time: Duration,
) -> Result<(), Failure> {
    for (name, operation) in operations {
        for connections in [Connections::Kept, Connections::New] {
            for clients in CLIENTS {
                // Two clients that change one slice would measure how they wait for each other.
                if let Operation::Cycle(slices) = &**operation
                    && slices.len() < clients
                {
                    continue;
                }
                let load = Load { connections, clients, warm_up: time / 4, time };
                let outcome = load::run(target, operation, load).await?;
                report.cell(Cell { operation: name.clone(), connections, clients, outcome });
            }
        }
    }
    Ok(())
}
