//! `Cancel` (AM API v4 draft, change set C): allocated slivers go, updating ones are again exactly what they
//! were before the first `Update` since they were last provisioned.

use super::selection::{Selection, Together};
use super::transition::{Cause, Outcome, Step, Work};
use crate::refusal::Refusal;
use crate::sliver::Allocation;
use crate::vocabulary::Call;
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

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::fixtures::*;
    use super::*;
    use crate::operational::Operational;
    use crate::sliver::AllocationStatus::{Provisioned, Unallocated};

    #[test]
    fn cancel_of_an_unknown_sliver_or_an_empty_slice_finds_nothing() {
        assert_eq!(Stage::mixed().is_refused(Event::Cancel(cancel(slivers(&["x"])))).geni_code(), 12);
        assert_eq!(Stage::empty().is_refused(Event::Cancel(cancel(Selection::Slice))).geni_code(), 12);
    }

    // Change set C, Cancel.
    #[test]
    fn cancel_of_an_allocated_sliver_is_its_end() {
        let mut stage = Stage::mixed();
        let done = stage.does(Event::Cancel(cancel(slivers(&["a"]))));
        assert_eq!(done.report[0].status, Unallocated);
        assert_eq!(done.report[0].expires, Some(at(600)));
        assert_eq!(done.departed[0].cause, Cause::Cancelled);
        assert_eq!(done.held["cores"], -1);
        assert_eq!(stage.state("a"), Unallocated);
    }

    #[test]
    fn cancel_leaves_a_provisioned_sliver_unchanged() {
        let mut stage = Stage::mixed();
        let done = stage.does(Event::Cancel(cancel(slivers(&["p"]))));
        assert!(done.is_noop());
        assert_eq!((done.report[0].status, done.report[0].changed), (Provisioned, false));
    }

    #[test]
    fn cancel_returns_an_updating_sliver_to_its_granted_configuration() {
        let mut stage = Stage::operational(Operational::Ready);
        let (before, cores) = (stage.slice.clone(), stage.cores());
        stage.does(Event::Update(update(Selection::Slice, &[("p", configuration("q", 9))])));
        assert_ne!(stage.slice, before);
        assert_eq!(stage.cores(), 9);
        let done = stage.does(Event::Cancel(cancel(Selection::Slice)));
        assert_eq!(stage.slice, before, "attributes, expiry, operational state and frames");
        assert_eq!(stage.cores(), cores);
        assert_eq!(done.report[0].status, Provisioned);
    }

    #[test]
    fn cancel_goes_back_to_what_was_provisioned_however_many_updates_followed() {
        let mut stage = Stage::operational(Operational::NotReady);
        let before = stage.slice.clone();
        for cores in [2, 3, 4] {
            stage.does(Event::Update(update(Selection::Slice, &[("p", configuration("p", cores))])));
        }
        stage.does(Event::Update(update(Selection::Slice, &[])));
        stage.does(Event::Cancel(cancel(Selection::Slice)));
        assert_eq!(stage.slice, before);
    }

    #[test]
    fn a_renewal_during_the_update_outlasts_its_cancelling() {
        let mut stage = Stage::mixed();
        stage.does(Event::Renew(renew(slivers(&["u"]), at(86_400))));
        stage.does(Event::Cancel(cancel(slivers(&["u"]))));
        assert_eq!(stage.get("u").expires, at(86_400));
    }

    #[test]
    fn cancel_of_a_whole_slice_leaves_what_was_provisioned() {
        let mut stage = Stage::mixed();
        let done = stage.does(Event::Cancel(cancel(Selection::Slice)));
        let states: Vec<_> = done.report.iter().map(|outcome| outcome.status).collect();
        assert_eq!(states, [Unallocated, Provisioned, Provisioned]);
        assert_eq!(stage.cores(), 2);
        assert_eq!(stage.slice.frames.len(), 1, "the update's frame went with it");
    }

    #[test]
    fn best_effort_cancels_what_it_can() {
        let mut stage = Stage::mixed();
        let call = Cancel { best_effort: true, ..cancel(slivers(&["x", "u"])) };
        let done = stage.does(Event::Cancel(call));
        assert!(done.report[0].refusal.is_some());
        assert_eq!(stage.state("u"), Provisioned);
    }

    #[test]
    fn single_allocation_wants_every_allocated_and_updating_sliver() {
        let mut stage = Stage::mixed();
        stage.policy.single_allocation = true;
        assert_eq!(stage.is_refused(Event::Cancel(cancel(slivers(&["u", "p"])))).geni_code(), 13);
        stage.tries(Event::Cancel(cancel(slivers(&["u", "a"])))).unwrap();
        stage.tries(Event::Cancel(cancel(Selection::Slice))).unwrap();
    }
}
