//! Time passes. What has expired is dropped before any event, so that nothing is left to do here but to say
//! what remains.

use super::transition::{Outcome, Work};

pub(super) fn run(work: &Work<'_>) -> Vec<Outcome> {
    work.slice.slivers.iter().map(Outcome::of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::super::{Cause, Event, Selection, status};
    use crate::sliver::AllocationStatus::Unallocated;
    use chrono::TimeDelta;

    fn expired(name: &str, freed: i64) {
        let mut stage = Stage::mixed();
        stage.does(Event::Renew(renew(slivers(&[name]), at(300))));
        stage.passes(TimeDelta::seconds(299));
        assert!(stage.does(Event::Expire).is_noop());
        stage.passes(TimeDelta::seconds(1));
        // Not reported although nothing has cleared it away yet.
        assert_eq!(stage.state(name), Unallocated);
        assert_eq!(status(&stage.slice, &slivers(&[name]), stage.now).unwrap_err().geni_code(), 12);
        let done = stage.does(Event::Expire);
        assert_eq!(done.departed[0].sliver.urn, sliver(name));
        assert_eq!(done.departed[0].cause, Cause::Expired);
        assert_eq!(done.held["cores"], -freed);
        assert_eq!(done.report.len(), 2);
    }

    #[test]
    fn expiry_ends_an_allocated_sliver() {
        expired("a", 1);
    }

    #[test]
    fn expiry_ends_a_provisioned_sliver() {
        expired("p", 1);
    }

    // Change set C: it does not go back to provisioned.
    #[test]
    fn expiry_ends_an_updating_sliver_and_frees_both_its_holdings() {
        expired("u", 5);
    }

    #[test]
    fn fractions_of_a_second_do_not_matter() {
        let mut stage = Stage::mixed();
        stage.passes(TimeDelta::milliseconds(599_999));
        assert!(stage.does(Event::Expire).is_noop());
        stage.passes(TimeDelta::milliseconds(1));
        assert_eq!(stage.does(Event::Expire).departed.len(), 1);
    }

    #[test]
    fn when_all_have_expired_the_slice_is_gone() {
        let mut stage = Stage::mixed();
        stage.passes(TimeDelta::days(7));
        assert!(status(&stage.slice, &Selection::Slice, stage.now).is_err());
        assert!(stage.does(Event::Expire).slice.is_gone());
    }
}
