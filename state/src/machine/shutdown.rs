//! `Shutdown`: the slice is frozen and cut off; everything is kept for whoever has to look into it.

use super::transition::{Outcome, Work};
use crate::slice::Stop;
use urn::Urn;

/// The arguments of `Shutdown`.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// The caller.
    pub by: Urn,
}

/// Never refused: a slice that is shut down stays so, and one that has nothing here gets nothing any more.
pub(super) fn run(call: &Shutdown, work: &mut Work<'_>) -> Vec<Outcome> {
    if work.slice.shutdown.is_none() {
        work.slice.shutdown = Some(Stop { by: call.by.clone(), at: work.now });
    }
    for sliver in work.slice.slivers.iter_mut().filter(|sliver| !sliver.suspended) {
        sliver.suspended = true;
        // What an earlier shutdown stopped may have been started since.
        if let Some(instance) = &mut sliver.instance {
            instance.halted = false;
        }
    }
    work.slice.slivers.iter().map(|sliver| Outcome { changed: true, ..Outcome::of(sliver) }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::super::{Delete, Event, Restore, Selection};
    use super::*;
    use crate::goal::Goal;
    use crate::operational::{Operational, Phase};
    use crate::sliver::AllocationStatus::{Allocated, Provisioned, Updating};
    use chrono::TimeDelta;

    fn shutdown() -> Event {
        Event::Shutdown(Shutdown { by: urn("user", "operator") })
    }

    #[test]
    fn shutdown_of_a_slice_that_has_nothing_here_keeps_it_from_getting_anything() {
        let mut stage = Stage::empty();
        let done = stage.does(shutdown());
        assert!(done.shutdown_changed && !done.slice.is_gone());
        assert_eq!(stage.is_refused(Event::Allocate(allocate(vec![node("a", "a")]))).geni_code(), 3);
    }

    fn frozen(name: &str) {
        let mut stage = Stage::mixed();
        let (state, expires) = (stage.state(name), stage.get(name).expires);
        stage.does(shutdown());
        stage.passes(TimeDelta::days(100));
        stage.does(Event::Expire);
        assert_eq!((stage.state(name), stage.get(name).expires), (state, expires));
        let one = || slivers(&[name]);
        for event in [
            Event::Allocate(allocate(vec![node("n", "n")])),
            Event::Provision(provision(one())),
            Event::Renew(renew(one(), at(101 * 86_400))),
            Event::Update(update(one(), &[])),
            Event::Cancel(cancel(one())),
            Event::Delete(delete(one())),
            Event::Operate(operate(one(), "geni_start")),
        ] {
            assert_eq!(stage.is_refused(event).geni_code(), 3);
        }
    }

    // AM API v3, Shutdown: kept for forensics.
    #[test]
    fn shutdown_freezes_an_allocated_sliver() {
        frozen("a");
    }

    #[test]
    fn shutdown_freezes_a_provisioned_sliver() {
        frozen("p");
    }

    #[test]
    fn shutdown_freezes_an_updating_sliver() {
        frozen("u");
    }

    #[test]
    fn shutdown_cuts_off_what_runs() {
        let mut stage = Stage::operational(Operational::Ready);
        let done = stage.does(shutdown());
        assert_eq!(done.changed, [sliver("p")]);
        assert_eq!(stage.get("p").goal(), Goal::Halted);
        assert_eq!(stage.get("p").operational(), Operational::Stopping);
        assert!(!stage.get("p").is_settled());
        let wanted = stage.get("p").wanted;
        stage.sees("p", Some(Phase::Stopped), wanted);
        assert!(stage.get("p").is_settled());
    }

    #[test]
    fn a_failed_sliver_and_one_never_seen_have_to_be_looked_at() {
        for state in [Operational::Failed, Operational::PendingAllocation] {
            let mut stage = Stage::operational(state);
            stage.does(shutdown());
            assert!(!stage.get("p").is_settled());
            stage.settle();
            stage.does(Event::Restore(Restore));
            stage.does(shutdown());
            assert!(!stage.get("p").is_settled(), "it may have been started in between");
        }
    }

    #[test]
    fn a_second_shutdown_changes_nothing() {
        let mut stage = Stage::mixed();
        stage.does(shutdown());
        stage.passes(TimeDelta::minutes(1));
        assert!(stage.does(shutdown()).is_noop());
        assert_eq!(stage.slice.shutdown.as_ref().unwrap().at, at(0));
    }

    #[test]
    fn restore_gives_everything_back_as_it_was() {
        let mut stage = Stage::mixed();
        let before = stage.slice.clone();
        stage.does(shutdown());
        stage.does(Event::Restore(Restore));
        assert_eq!(stage.slice, before);
        assert!(stage.does(Event::Restore(Restore)).is_noop());
    }

    #[test]
    fn restore_ends_what_expired_meanwhile() {
        let mut stage = Stage::mixed();
        stage.does(shutdown());
        stage.passes(TimeDelta::minutes(11));
        let done = stage.does(Event::Restore(Restore));
        assert_eq!(done.departed.len(), 1);
        assert_eq!((stage.state("p"), stage.state("u")), (Provisioned, Updating));
    }

    #[test]
    fn operators_may_delete_from_a_slice_that_is_shut_down() {
        let mut stage = Stage::mixed();
        stage.does(shutdown());
        assert_eq!(stage.state("a"), Allocated);
        stage.does(Event::Delete(Delete { operator: true, ..delete(Selection::Slice) }));
        assert!(stage.slice.slivers.is_empty() && !stage.slice.is_gone(), "still shut down");
        assert!(stage.does(Event::Restore(Restore)).slice.is_gone());
    }
}
