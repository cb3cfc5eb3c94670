//! What the reconciler saw in the cloud. The operational states follow from it.

use super::transition::{Outcome, Work};
use crate::operational::Instance;
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
        let changed = sliver.instance != sighting.instance || sliver.error != sighting.error;
        if changed {
            sliver.instance.clone_from(&sighting.instance);
            sliver.error.clone_from(&sighting.error);
        }
        report.push(Outcome { changed, ..Outcome::of(sliver) });
    }
    report
}
