//! `Delete`: slivers go, whatever their state, and free all they held.

use super::selection::{Selection, Together};
use super::transition::{Cause, Outcome, Step, Work};
use crate::refusal::Refusal;
use crate::vocabulary::Call;

/// The arguments of `Delete`.
#[derive(Debug, Clone)]
pub struct Delete {
    /// The slivers.
    pub selection: Selection,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// An operator of this aggregate is deleting: allowed in a slice that is shut down, too.
    pub operator: bool,
}

pub(super) fn run(call: &Delete, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    if !call.operator {
        work.check_not_shut_down()?;
    }
    let targets =
        work.select(Some((Call::Delete, Together::SameState)), &call.selection, call.best_effort)?;
    work.each(targets, call.best_effort, |_| Ok(Step::Depart(Cause::Deleted)))
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::fixtures::*;
    use super::*;
    use crate::sliver::AllocationStatus::Unallocated;

    fn deleted(name: &str, freed: i64) {
        let mut stage = Stage::mixed();
        let expires = stage.get(name).expires;
        let done = stage.does(Event::Delete(delete(slivers(&[name]))));
        assert_eq!((done.report[0].status, done.report[0].expires), (Unallocated, Some(expires)));
        assert_eq!(done.departed[0].cause, Cause::Deleted);
        assert_eq!(done.held["cores"], -freed);
        assert_eq!(stage.state(name), Unallocated);
        assert_eq!(stage.is_refused(Event::Delete(delete(slivers(&[name])))).geni_code(), 12);
    }

    #[test]
    fn delete_of_an_unknown_sliver_or_an_empty_slice_finds_nothing() {
        assert_eq!(Stage::mixed().is_refused(Event::Delete(delete(slivers(&["x"])))).geni_code(), 12);
        assert_eq!(Stage::empty().is_refused(Event::Delete(delete(Selection::Slice))).geni_code(), 12);
    }

    #[test]
    fn delete_works_on_an_allocated_sliver() {
        deleted("a", 1);
    }

    #[test]
    fn delete_works_on_a_provisioned_sliver() {
        deleted("p", 1);
    }

    // Change set C: delete in any state; both holdings are freed.
    #[test]
    fn delete_works_on_an_updating_sliver() {
        deleted("u", 5);
    }

    #[test]
    fn delete_of_the_slice_leaves_nothing_behind() {
        let mut stage = Stage::mixed();
        let done = stage.does(Event::Delete(delete(Selection::Slice)));
        assert!(done.slice.is_gone() && done.slice.frames.is_empty());
        assert_eq!(done.departed.len(), 3);
        assert_eq!(stage.cores(), 0);
    }

    #[test]
    fn one_unknown_sliver_saves_all_unless_best_effort() {
        let mut stage = Stage::mixed();
        assert_eq!(stage.is_refused(Event::Delete(delete(slivers(&["a", "x"])))).geni_code(), 12);
        let done =
            stage.does(Event::Delete(Delete { best_effort: true, ..delete(slivers(&["a", "x", "a"])) }));
        assert_eq!(done.report.len(), 2);
        assert!(done.report[1].refusal.is_some());
        assert_eq!(stage.slice.slivers.len(), 2);
    }

    #[test]
    fn single_allocation_wants_all_slivers_of_a_state() {
        let mut stage = Stage::mixed();
        stage.policy.single_allocation = true;
        stage.does(Event::Allocate(allocate(vec![node("b", "b")])));
        assert_eq!(stage.is_refused(Event::Delete(delete(slivers(&["a"])))).geni_code(), 13);
        stage.does(Event::Delete(delete(slivers(&["a", "b"]))));
        stage.does(Event::Delete(delete(Selection::Slice)));
    }
}
