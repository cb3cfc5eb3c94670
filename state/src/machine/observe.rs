//! What the reconciler saw in the cloud. The operational states follow from it.

use super::transition::{Outcome, Work};
use crate::operational::{Instance, Power};
use crate::sliver::Allocation;
use std::collections::HashMap;
use urn::Urn;

/// What was seen of one sliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The sliver.
    pub sliver: Urn,
    /// Its instance; `None` if the cloud has none.
    pub instance: Option<Instance>,
    /// What is wrong, for people; `None` clears what was wrong before.
    pub error: Option<String>,
    /// The power state that it stays in, where its cloud cannot bring it into the one that is wanted: that wish is
    /// dropped.
    pub stays: Option<Power>,
}

/// A round of sightings.
#[derive(Debug, Clone)]
pub struct Observe {
    /// In any order; of two about one sliver the later counts.
    pub sightings: Vec<Sighting>,
}

/// Never refused, not even when shut down: what is seen is so. Sightings of slivers that went meanwhile, or
/// that are merely allocated, are ignored.
pub(super) fn run(call: &Observe, work: &mut Work<'_>) -> Vec<Outcome> {
    let seen: HashMap<&Urn, &Sighting> =
        call.sightings.iter().map(|sighting| (&sighting.sliver, sighting)).collect();
    let mut report = Vec::with_capacity(seen.len());
    for sliver in &mut work.slice.slivers {
        let Some(sighting) = seen.get(&sliver.urn) else { continue };
        if matches!(sliver.allocation, Allocation::Allocated(_)) {
            continue;
        }
        let power = sighting.stays.unwrap_or(sliver.power);
        let changed =
            sliver.instance != sighting.instance || sliver.error != sighting.error || sliver.power != power;
        if changed {
            sliver.power = power;
            sliver.instance.clone_from(&sighting.instance);
            sliver.error.clone_from(&sighting.error);
        }
        report.push(Outcome { changed, ..Outcome::of(sliver) });
    }
    report
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::fixtures::*;
    use super::*;
    use crate::operational::{Operational, Phase, Revision};

    #[test]
    fn what_is_seen_of_slivers_that_went_or_were_never_built_is_ignored() {
        let mut stage = Stage::mixed();
        let before = stage.slice.clone();
        for name in ["a", "x"] {
            assert!(stage.sees(name, Some(Phase::Running), Revision::default()).is_noop());
        }
        assert_eq!(stage.slice, before);
    }

    #[test]
    fn seeing_the_same_again_changes_nothing() {
        let mut stage = Stage::operational(Operational::Ready);
        let done = stage.get("p").wanted;
        let seen = stage.sees("p", Some(Phase::Running), done);
        assert!(seen.is_noop() && !seen.report[0].changed);
    }

    #[test]
    fn an_updating_sliver_goes_on_being_built_as_granted() {
        let mut stage = Stage::operational(Operational::PendingAllocation);
        stage.does(Event::Update(update(slivers(&["p"]), &[("p", configuration("p", 4))])));
        let done = stage.get("p").wanted;
        let seen = stage.sees("p", Some(Phase::Stopped), done);
        assert_eq!(seen.report[0].operational, Operational::NotReady);
    }

    #[test]
    fn trouble_is_shown_until_it_is_over() {
        let mut stage = Stage::operational(Operational::NotReady);
        let instance = stage.get("p").instance.clone();
        let sighting = Sighting {
            sliver: sliver("p"),
            instance,
            error: Some("the cloud did not answer".into()),
            stays: None,
        };
        let seen = stage.does(Event::Observe(Observe { sightings: vec![sighting] }));
        assert_eq!(seen.report[0].error.as_deref(), Some("the cloud did not answer"));
        stage.settle();
        assert_eq!(stage.get("p").error, None);
    }

    #[test]
    fn a_wish_that_the_cloud_cannot_fulfil_is_dropped() {
        let mut stage = Stage::operational(Operational::Ready);
        stage.acts("geni_stop");
        assert!(!stage.get("p").is_settled());
        let instance = stage.get("p").instance.clone();
        let error = Some("its cloud cannot stop it".to_owned());
        let sighting = Sighting { sliver: sliver("p"), instance, error, stays: Some(Power::Running) };
        let seen = stage.does(Event::Observe(Observe { sightings: vec![sighting] }));
        assert_eq!(seen.report[0].operational, Operational::Ready);
        assert_eq!(seen.report[0].error.as_deref(), Some("its cloud cannot stop it"));
        assert!(stage.get("p").is_settled());
    }

    #[test]
    fn an_instance_that_vanished_is_to_be_built_again() {
        let mut stage = Stage::operational(Operational::Ready);
        stage.sees("p", None, Revision::default());
        assert_eq!(stage.get("p").operational(), Operational::PendingAllocation);
        assert!(!stage.get("p").is_settled());
    }
}
