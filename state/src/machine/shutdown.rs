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
    for sliver in &mut work.slice.slivers {
        sliver.suspended = true;
    }
    work.slice.slivers.iter().map(|sliver| Outcome { changed: true, ..Outcome::of(sliver) }).collect()
}
