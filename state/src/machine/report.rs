//! The reports of several events as one.

use super::transition::Outcome;
use crate::slice::Slice;
use std::collections::HashMap;
use urn::Urn;

/// What the events of a transition have reported so far.
#[derive(Default)]
pub(super) struct Report {
    outcomes: Vec<Outcome>,
    /// Where each sliver stands in `outcomes`. Filled when a second event reports: one report is taken as it is.
    places: HashMap<Urn, usize>,
    /// How many events have reported.
    events: usize,
}

impl Report {
    /// Adds what one more event has reported.
    pub(super) fn add(&mut self, outcomes: Vec<Outcome>) {
        self.events += 1;
        if self.events == 1 {
            self.outcomes = outcomes;
            return;
        }
        if self.events == 2 {
            self.places = self.outcomes.iter().enumerate().map(|(at, one)| (one.urn.clone(), at)).collect();
        }
        for outcome in outcomes {
            match self.places.get(&outcome.urn).and_then(|at| self.outcomes.get_mut(*at)) {
                Some(earlier) => {
                    *earlier = Outcome { changed: earlier.changed || outcome.changed, ..outcome }
                }
                None => {
                    self.places.insert(outcome.urn.clone(), self.outcomes.len());
                    self.outcomes.push(outcome);
                }
            }
        }
    }

    /// The report about `slice` as the events left it.
    pub(super) fn finish(mut self, slice: &Slice) -> Vec<Outcome> {
        if self.events > 1 {
            // A later event may have changed a sliver that it did not name.
            let live: HashMap<&Urn, _> = slice.slivers.iter().map(|one| (&one.urn, one)).collect();
            for outcome in &mut self.outcomes {
                if let Some(sliver) = live.get(&outcome.urn) {
                    let (changed, refusal) = (outcome.changed, outcome.refusal.take());
                    *outcome = Outcome { changed, refusal, ..Outcome::of(sliver) };
                }
            }
        }
        self.outcomes
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::super::{Event, Selection, apply_all};
    use crate::operational::Operational;
    use crate::refusal::Refusal;
    use crate::sliver::AllocationStatus::{Provisioned, Unallocated};
    use crate::sliver::{Configuration, Sliver};

    fn create() -> [Event; 2] {
        [
            Event::Allocate(allocate(vec![node("n", "n"), node("m", "m")])),
            Event::Provision(provision(Selection::Slice)),
        ]
    }

    #[test]
    fn several_events_are_one_transition() {
        let stage = Stage::empty();
        let done = apply_all(&stage.slice, &create(), stage.now, &stage.policy).unwrap();
        assert_eq!(done.slice.version, stage.slice.version);
        assert_eq!(done.changed, [sliver("n"), sliver("m")]);
        assert_eq!(done.held["cores"], 2);
        assert_eq!(done.added_frames, [1]);
        // The same as one after the other.
        let mut one_by_one = Stage::empty();
        for event in create() {
            one_by_one.does(event);
        }
        assert_eq!(done.slice, one_by_one.slice);
    }

    #[test]
    fn the_report_has_one_entry_per_sliver_as_it_is_in_the_end() {
        let stage = Stage::mixed();
        let events = [
            Event::Renew(renew(slivers(&["p"]), at(500))),
            Event::Allocate(allocate(vec![node("n", "n")])),
            Event::Provision(provision(slivers(&["n"]))),
            Event::Delete(delete(slivers(&["a"]))),
        ];
        let done = apply_all(&stage.slice, &events, stage.now, &stage.policy).unwrap();
        let told: Vec<_> = done.report.iter().map(|one| (one.urn.name(), one.status, one.changed)).collect();
        assert_eq!(told, [("p", Provisioned, true), ("n", Provisioned, true), ("a", Unallocated, true)]);
        assert_eq!(done.report[1].operational, Operational::PendingAllocation);
        assert_eq!(done.departed.len(), 1);
        for outcome in &done.report[..2] {
            let sliver = done.slice.sliver(&outcome.urn).map(Sliver::status);
            assert_eq!(Some(outcome.status), sliver);
        }
    }

    #[test]
    fn a_refusal_of_a_later_event_refuses_all() {
        let stage = Stage::empty();
        let [allocated, provisioned] = create();
        let started = Event::Operate(operate(Selection::Slice, "geni_start"));
        let before = stage.slice.clone();
        let refused =
            apply_all(&stage.slice, &[allocated.clone(), provisioned, started], stage.now, &stage.policy);
        assert!(matches!(refused, Err(Refusal::StillPending { .. })), "{refused:?}");
        let twice = apply_all(&stage.slice, &[allocated.clone(), allocated], stage.now, &stage.policy);
        assert!(matches!(twice, Err(Refusal::NameInUse { .. })), "{twice:?}");
        assert_eq!(stage.slice, before);
    }

    #[test]
    fn what_an_event_made_is_there_for_the_next_one() {
        let stage = Stage::empty();
        let larger = Configuration { ..configuration("n", 3) };
        let events = [
            Event::Allocate(allocate(vec![node("n", "n")])),
            Event::Update(update(Selection::Slice, &[("n", larger)])),
            Event::Delete(delete(Selection::Slice)),
        ];
        let updated = apply_all(&stage.slice, &events[..2], stage.now, &stage.policy).unwrap();
        assert_eq!(updated.held["cores"], 3);
        let gone = apply_all(&stage.slice, &events, stage.now, &stage.policy).unwrap();
        assert_eq!(gone.held.get("cores").copied().unwrap_or_default(), 0);
        assert!(gone.slice.slivers.is_empty());
    }

    #[test]
    fn no_event_changes_nothing() {
        let stage = Stage::mixed();
        let done = apply_all(&stage.slice, &[], stage.now, &stage.policy).unwrap();
        assert!(done.is_noop() && done.report.is_empty());
        assert_eq!(done.slice, stage.slice);
    }
}
