//! Every workload with 1, 8 and 64 clients, on kept and on new connections.

use super::Bench;
use super::site::{STATUS_SIZES, Site, user_credential};
use crate::experimenter::{Held, Slices, mint_access};
use crate::load::{self, Load};
use crate::report::{Cell, Report};
use crate::wire::{Client, Connections, Endpoint};
use crate::workload::{Workload, allocate, delete};
use crate::{Failure, documents};
use std::sync::Arc;
use std::time::Duration;

/// How many clients at once.
const CLIENTS: [usize; 3] = [1, 8, 64];

/// All workloads on an aggregate of ours.
pub(super) async fn local(
    bench: &mut Bench<'_>,
    site: &Site,
    slices: &Arc<Slices>,
    status: Vec<(usize, Arc<Workload>)>,
    time: Duration,
) -> Result<(), Failure> {
    let credential = user_credential(&site.folder)?;
    let own = Arc::new(Slices::new(mint_access(&site.folder, "update", 64)?)?);
    let mut workloads = reading(&credential);
    workloads.extend(status.into_iter().map(|(size, status)| (format!("Status of {size}"), status)));
    workloads.push(("Allocate+Provision+Delete".to_owned(), Arc::new(Workload::Cycle(Arc::clone(slices)))));
    workloads
        .push(("Update+Cancel".to_owned(), Arc::new(Workload::update_cancel(&site.endpoint, own).await?)));
    all(&mut bench.report, &site.endpoint, &workloads, time).await
}

/// What can be done at another aggregate with the credentials there are. What that aggregate does not do, as Update
/// before version 4, is left out and said. The slices are left empty.
pub(super) async fn remote(
    report: &mut Report,
    endpoint: &Endpoint,
    held: Held,
    time: Duration,
    only: Option<&str>,
) -> Result<(), Failure> {
    let wanted =
        |name: &str| only.is_none_or(|word| name.to_ascii_lowercase().contains(&word.to_ascii_lowercase()));
    let any = held.user.as_deref().or_else(|| held.slices.first().map(|slice| slice.credential.as_str()));
    let mut workloads = match any {
        Some(credential) => reading(credential),
        None => vec![("GetVersion".to_owned(), Arc::new(Workload::get_version()))],
    };
    workloads.retain(|(name, _)| wanted(name));
    all(report, endpoint, &workloads, time).await?;
    if held.slices.is_empty() {
        return Ok(());
    }
    let slices = Arc::new(Slices::new(held.slices)?);
    let mut client = Client::new(endpoint.clone(), Connections::Kept);
    for (number, size) in STATUS_SIZES.into_iter().enumerate() {
        let (name, slice) = (format!("Status of {size}"), slices.of(number));
        if !wanted(&name) {
            continue;
        }
        if let Err(failure) = client.call(allocate(slice, &documents::plain(size))).await {
            leave_out(&name, &failure);
            continue;
        }
        let status = [(name, Arc::new(Workload::status(slice)))];
        let measured = all(report, endpoint, &status, time).await;
        client.call(delete(slice)).await?;
        measured?;
    }
    let cycle = "Allocate+Provision+Delete";
    if wanted(cycle) {
        let cycle = [(cycle.to_owned(), Arc::new(Workload::Cycle(Arc::clone(&slices))))];
        all(report, endpoint, &cycle, time).await?;
    }
    let update = "Update+Cancel";
    if wanted(update) {
        let measured = match Workload::update_cancel(endpoint, Arc::clone(&slices)).await {
            Ok(workload) => all(report, endpoint, &[(update.to_owned(), Arc::new(workload))], time).await,
            Err(failure) => {
                leave_out(update, &failure);
                Ok(())
            }
        };
        for number in 0..slices.len() {
            // Where Update could not even begin there may be nothing to delete.
            let _ = client.call(delete(slices.of(number))).await;
        }
        measured?;
    }
    Ok(())
}

fn leave_out(name: &str, failure: &Failure) {
    eprintln!("bench: {name} is left out: {failure}");
}

fn reading(credential: &str) -> Vec<(String, Arc<Workload>)> {
    vec![
        ("GetVersion".to_owned(), Arc::new(Workload::get_version())),
        ("ListResources, plain".to_owned(), Arc::new(Workload::list_resources(credential, false))),
        ("ListResources, compressed".to_owned(), Arc::new(Workload::list_resources(credential, true))),
    ]
}

async fn all(
    report: &mut Report,
    endpoint: &Endpoint,
    workloads: &[(String, Arc<Workload>)],
    time: Duration,
) -> Result<(), Failure> {
    for (name, workload) in workloads {
        for connections in [Connections::Kept, Connections::New] {
            for clients in CLIENTS {
                // Two clients that change one slice would measure how they wait for each other.
                if workload.slices().is_some_and(|slices| slices < clients) {
                    continue;
                }
                let load = Load { connections, clients, warm_up: time / 4, time };
                let outcome = load::run(endpoint, workload, load).await?;
                report.cell(Cell { operation: name.clone(), connections, clients, outcome });
            }
        }
    }
    Ok(())
}
