//! An operator lifts a shutdown. Slivers whose time passed meanwhile go at once; the others are again what
//! they were, running if they were running.

use super::transition::{Outcome, Work};

/// The arguments of a restore.
#[derive(Debug, Clone, Copy, Default)]
pub struct Restore;

/// Never refused: a slice that is not shut down stays as it is.
pub(super) fn run(_: &Restore, work: &mut Work<'_>) -> Vec<Outcome> {
    work.slice.shutdown = None;
    for sliver in &mut work.slice.slivers {
        sliver.suspended = false;
        if let Some(instance) = &mut sliver.instance {
            instance.halted = false;
        }
    }
    work.drop_expired();
    work.slice.slivers.iter().map(Outcome::of).collect()
}
