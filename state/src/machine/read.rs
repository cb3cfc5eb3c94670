//! `Describe` and `Status`: the live slivers that a selection names. They change nothing.

use super::Call;
use super::selection::{Selection, Target, Together, check_together};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::slice::Slice;
use crate::sliver::Sliver;
use crate::time::whole_seconds;
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
