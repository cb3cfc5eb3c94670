//! `Cancel` (AM API v4 draft, change set C): allocated slivers go, updating ones are again exactly what they
//! were before the first `Update` since they were last provisioned.

use super::Call;
use super::selection::{Selection, Together};
use super::transition::{Cause, Outcome, Step, Work};
use crate::refusal::Refusal;
use crate::sliver::Allocation;
use std::sync::Arc;

/// The arguments of `Cancel`.
#[derive(Debug, Clone)]
pub struct Cancel {
    /// Slivers that are neither allocated nor updating are ignored.
    pub selection: Selection,
    /// `geni_best_effort`.
    pub best_effort: bool,
}

pub(super) fn run(call: &Cancel, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    let targets = work.select(Some((Call::Cancel, Together::Pending)), &call.selection, call.best_effort)?;
    let report = work.each(targets, call.best_effort, |sliver| match &sliver.allocation {
        Allocation::Allocated(_) => Ok(Step::Depart(Cause::Cancelled)),
        Allocation::Provisioned(_) => Ok(Step::Keep),
        Allocation::Updating { granted, .. } => {
            sliver.allocation = Allocation::Provisioned(Arc::clone(granted));
            Ok(Step::Change)
        }
    })?;
    work.check_client_ids()?;
    Ok(report)
}
