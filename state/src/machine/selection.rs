//! Which slivers a call is about.

use crate::refusal::Refusal;
use crate::slice::Slice;
use crate::sliver::{AllocationStatus, Sliver};
use crate::vocabulary::Call;
use chrono::{DateTime, Utc};
use std::collections::HashSet;
use urn::Urn;

/// The `urns` argument, read: one slice, or slivers of one slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The slice: all its slivers here.
    Slice,
    /// These slivers; one named twice counts once.
    Slivers(Vec<Urn>),
}

/// Which slivers have to be named together at a `geni_single_allocation` aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Together {
    /// Each one is for itself.
    Free,
    /// All that are in a state of which one is named (AM API v3).
    SameState,
    /// All that are allocated or updating (change set C: `Provision`, `Cancel`).
    Pending,
    /// All (change set C: `Update`).
    All,
}

/// A named sliver that may or may not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A live sliver, by its place in [`Slice::slivers`].
    Live(usize),
    /// No live sliver of this slice.
    Unknown(Urn),
}

impl Selection {
    /// The targets in the order in which they are reported: of the slice, or as named.
    ///
    /// # Errors
    /// [`Refusal::NothingNamed`] for an empty list, [`Refusal::NothingHere`] for a slice without live
    /// slivers.
    pub(super) fn targets(&self, slice: &Slice, now: DateTime<Utc>) -> Result<Vec<Target>, Refusal> {
        let frozen = slice.shutdown.is_some();
        let is_live = |sliver: &Sliver| frozen || sliver.expires > now;
        match self {
            Self::Slice => {
                let all: Vec<Target> = (0..slice.slivers.len())
                    .filter(|at| is_live(&slice.slivers[*at]))
                    .map(Target::Live)
                    .collect();
                if all.is_empty() { Err(Refusal::NothingHere { slice: slice.urn.clone() }) } else { Ok(all) }
            }
            Self::Slivers(urns) if urns.is_empty() => Err(Refusal::NothingNamed),
            Self::Slivers(urns) => {
                let places: std::collections::HashMap<&Urn, usize> =
                    slice.slivers.iter().enumerate().map(|(at, sliver)| (&sliver.urn, at)).collect();
                let mut seen = HashSet::new();
                Ok(urns
                    .iter()
                    .filter(|urn| seen.insert(*urn))
                    .map(|urn| match places.get(urn) {
                        Some(at) if is_live(&slice.slivers[*at]) => Target::Live(*at),
                        _ => Target::Unknown(urn.clone()),
                    })
                    .collect())
            }
        }
    }
}

/// Refuses a list that leaves out slivers which have to be named together.
///
/// # Errors
/// [`Refusal::PartialSet`] with those that are missing.
pub(super) fn check_together(
    call: Call,
    rule: Together,
    selection: &Selection,
    targets: &[Target],
    slice: &Slice,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    if *selection == Selection::Slice || rule == Together::Free {
        return Ok(());
    }
    let named: Vec<&Sliver> = targets
        .iter()
        .filter_map(|target| match target {
            Target::Live(at) => slice.slivers.get(*at),
            Target::Unknown(_) => None,
        })
        .collect();
    let states: HashSet<AllocationStatus> = named.iter().map(|sliver| sliver.status()).collect();
    let names: HashSet<&Urn> = named.iter().map(|sliver| &sliver.urn).collect();
    let missing: Vec<Urn> = slice
        .live(now)
        .filter(|sliver| match rule {
            Together::Free => false,
            Together::SameState => states.contains(&sliver.status()),
            Together::Pending => sliver.status() != AllocationStatus::Provisioned,
            Together::All => true,
        })
        .filter(|sliver| !names.contains(&sliver.urn))
        .map(|sliver| sliver.urn.clone())
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Refusal::PartialSet { call, missing }) }
}
