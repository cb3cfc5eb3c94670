//! An operator releases the name of a slice that was shut down: nothing is kept for anybody any more.

use super::transition::{Cause, Departure, Outcome, Work};

/// The arguments of a release.
#[derive(Debug, Clone, Copy, Default)]
pub struct Release;

/// Never refused: whether there is a shutdown to end is for the one to know who releases.
pub(super) fn run(_: &Release, work: &mut Work<'_>) -> Vec<Outcome> {
    work.slice.shutdown = None;
    let slivers = std::mem::take(&mut work.slice.slivers);
    let report = slivers.iter().map(Outcome::departed).collect();
    work.departed.extend(slivers.into_iter().map(|sliver| Departure { sliver, cause: Cause::Deleted }));
    report
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::super::{Event, Shutdown};
    use super::*;

    #[test]
    fn a_release_leaves_nothing_and_frees_what_was_held() {
        let mut stage = Stage::mixed();
        let held: usize = stage.slice.slivers.len();
        stage.does(Event::Shutdown(Shutdown { by: urn("user", "operator") }));
        let done = stage.does(Event::Release(Release));
        assert!(done.slice.is_gone() && done.shutdown_changed);
        assert_eq!((done.departed.len(), done.report.len()), (held, held));
        assert!(done.departed.iter().all(|departure| departure.cause == Cause::Deleted));
        assert!(done.held["cores"] < 0);
        stage.does(Event::Allocate(allocate(vec![node("n", "n")])));
    }
}
