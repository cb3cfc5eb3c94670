//! `Describe` and `Status`: the live slivers that a selection names. They change nothing.

use super::selection::{Selection, Target, Together, check_together};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::slice::Slice;
use crate::sliver::Sliver;
use crate::time::whole_seconds;
use crate::vocabulary::Call;
use chrono::{DateTime, Utc};

/// The slivers that `Describe` is about. A slice that has nothing here is described as empty.
///
/// Whether a shut down slice may be read is for the caller to say: operators may, experimenters may not (see
/// [`Slice::check_not_shut_down`]).
///
/// # Errors
/// [`Refusal::NothingNamed`], [`Refusal::UnknownSliver`]; [`Refusal::PartialSet`] at a
/// `geni_single_allocation` aggregate.
pub fn describe<'a>(
    slice: &'a Slice,
    selection: &Selection,
    now: DateTime<Utc>,
    policy: &Policy,
) -> Result<Vec<&'a Sliver>, Refusal> {
    let now = whole_seconds(now);
    let targets = match selection.targets(slice, now) {
        Err(Refusal::NothingHere { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    let slivers = found(slice, &targets)?;
    if policy.single_allocation {
        check_together(Call::Describe, Together::SameState, selection, &targets, slice, now)?;
    }
    Ok(slivers)
}

/// The slivers that `Status` is about.
///
/// # Errors
/// [`Refusal::NothingNamed`], [`Refusal::NothingHere`], [`Refusal::UnknownSliver`].
pub fn status<'a>(
    slice: &'a Slice,
    selection: &Selection,
    now: DateTime<Utc>,
) -> Result<Vec<&'a Sliver>, Refusal> {
    found(slice, &selection.targets(slice, whole_seconds(now))?)
}

fn found<'a>(slice: &'a Slice, targets: &[Target]) -> Result<Vec<&'a Sliver>, Refusal> {
    targets
        .iter()
        .map(|target| match target {
            Target::Live(at) => Ok(&slice.slivers[*at]),
            Target::Unknown(urn) => Err(Refusal::UnknownSliver { sliver: urn.clone() }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::super::{Event, Outcome};
    use super::*;
    use crate::operational::Operational;
    use crate::sliver::{AllocationStatus, NextAllocation};
    use chrono::TimeDelta;

    #[test]
    fn reading_an_unknown_sliver_finds_nothing() {
        let stage = Stage::mixed();
        let named = slivers(&["p", "x"]);
        assert_eq!(status(&stage.slice, &named, stage.now).unwrap_err().geni_code(), 12);
        assert_eq!(describe(&stage.slice, &named, stage.now, &stage.policy).unwrap_err().geni_code(), 12);
        assert_eq!(
            describe(&stage.slice, &slivers(&[]), stage.now, &stage.policy).unwrap_err().geni_code(),
            1
        );
    }

    #[test]
    fn a_slice_without_slivers_is_described_as_empty_but_has_no_status() {
        let stage = Stage::empty();
        assert!(describe(&stage.slice, &Selection::Slice, stage.now, &stage.policy).unwrap().is_empty());
        assert_eq!(status(&stage.slice, &Selection::Slice, stage.now).unwrap_err().geni_code(), 12);
    }

    fn seen(name: &str) -> Outcome {
        let stage = Stage::mixed();
        let found = status(&stage.slice, &slivers(&[name, name]), stage.now).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(describe(&stage.slice, &slivers(&[name]), stage.now, &stage.policy).unwrap(), found);
        Outcome::of(found[0])
    }

    #[test]
    fn an_allocated_sliver_is_next_provisioned() {
        let outcome = seen("a");
        assert_eq!(outcome.status, AllocationStatus::Allocated);
        assert_eq!(outcome.next.map(NextAllocation::as_str), Some("geni_provisioned"));
        assert_eq!(outcome.operational, Operational::PendingAllocation);
    }

    #[test]
    fn a_provisioned_sliver_has_nothing_next() {
        let outcome = seen("p");
        assert_eq!((outcome.status, outcome.next), (AllocationStatus::Provisioned, None));
    }

    #[test]
    fn an_updating_sliver_has_the_operational_state_it_had() {
        let outcome = seen("u");
        assert_eq!(outcome.status, AllocationStatus::Updating);
        assert_eq!(
            (outcome.next, outcome.operational),
            (Some(NextAllocation::Provisioned), Operational::NotReady)
        );
    }

    // Change set C, geni_cancelled.
    #[test]
    fn cancelled_shows_what_would_remain() {
        let mut stage = Stage::mixed();
        stage.does(Event::Update(update(slivers(&["p"]), &[])));
        let remaining: Vec<Outcome> = stage.slice.slivers.iter().filter_map(Outcome::of_cancelled).collect();
        assert_eq!(remaining.len(), 2);
        for outcome in remaining {
            assert_eq!((outcome.status, outcome.next), (AllocationStatus::Provisioned, None));
            assert_eq!(outcome.expires, Some(at(7 * 86_400)));
        }
    }

    #[test]
    fn single_allocation_describes_all_slivers_of_a_state_or_none() {
        let mut stage = Stage::mixed();
        stage.policy.single_allocation = true;
        stage.does(Event::Allocate(allocate(vec![node("b", "b")])));
        let describes = |names: &[&str]| describe(&stage.slice, &slivers(names), stage.now, &stage.policy);
        assert_eq!(describes(&["a"]).unwrap_err().geni_code(), 13);
        assert_eq!(describes(&["a", "b"]).unwrap().len(), 2);
        assert_eq!(
            status(&stage.slice, &slivers(&["a"]), stage.now).unwrap().len(),
            1,
            "Status is not bound"
        );
    }

    #[test]
    fn expired_slivers_are_not_there() {
        let mut stage = Stage::mixed();
        stage.passes(TimeDelta::seconds(600));
        assert_eq!(status(&stage.slice, &Selection::Slice, stage.now).unwrap().len(), 2);
        assert!(describe(&stage.slice, &slivers(&["a"]), stage.now, &stage.policy).is_err());
    }
}
