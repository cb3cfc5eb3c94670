//! Time passes. What has expired is dropped before any event, so that nothing is left to do here but to say
//! what remains.

use super::transition::{Outcome, Work};

pub(super) fn run(work: &Work<'_>) -> Vec<Outcome> {
    work.slice.slivers.iter().map(Outcome::of).collect()
}
