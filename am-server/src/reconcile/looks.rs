//! What the reconciler remembers of its looks at slivers. Only in memory: after a start everything is looked at anew.

use state::{Power, Revision, Sliver};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;
use urn::Urn;

/// What was wanted of a sliver when it was looked at; `None` for one that is gone.
type Wish = Option<(Revision, Power, bool)>;

/// When each sliver was last looked at, and for what: every save wakes the reconciler, and the clouds must not be
/// asked about everything each time.
#[derive(Debug, Default)]
pub(super) struct Looks(HashMap<Urn, (Instant, Wish)>);

impl Looks {
    /// Whether the sliver is to be looked at: something else is wanted of it than at the last look, or that is as long
    /// ago as `pause`. If so, this is the look.
    pub(super) fn is_due(&mut self, sliver: &Sliver, now: Instant, pause: Duration) -> bool {
        self.is_due_for(&sliver.urn, Some((sliver.wanted, sliver.power, sliver.suspended)), now, pause)
    }

    /// As [`Looks::is_due`], for a sliver that is gone.
    pub(super) fn is_due_departed(&mut self, sliver: &Urn, now: Instant, pause: Duration) -> bool {
        self.is_due_for(sliver, None, now, pause)
    }

    fn is_due_for(&mut self, sliver: &Urn, wish: Wish, now: Instant, pause: Duration) -> bool {
        let rests =
            self.0.get(sliver).is_some_and(|(last, then)| *then == wish && now.duration_since(*last) < pause);
        if !rests {
            self.0.insert(sliver.clone(), (now, wish));
        }
        !rests
    }

    /// Forgets looks that are as long ago as `pause`: they hold nothing back any more.
    pub(super) fn tidy(&mut self, now: Instant, pause: Duration) {
        self.0.retain(|_, (last, _)| now.duration_since(*last) < pause);
    }
}

/// Slivers whose instance was not there at the last look. One such answer may be wrong.
#[derive(Debug, Default)]
pub(super) struct Missing(HashMap<Urn, Instant>);

impl Missing {
    /// The instance is not there at `now`; whether it was not there `pause` earlier either, nor in between.
    pub(super) fn is_confirmed(&mut self, sliver: &Urn, now: Instant, pause: Duration) -> bool {
        let since = *self.0.entry(sliver.clone()).or_insert(now);
        let confirmed = now > since && now.duration_since(since) >= pause;
        if confirmed {
            self.0.remove(sliver);
        }
        confirmed
    }

    /// It is there, or nobody asks any more.
    pub(super) fn forget(&mut self, sliver: &Urn) {
        self.0.remove(sliver);
    }

    /// Those to be looked at once more.
    pub(super) fn due(&self, now: Instant, pause: Duration) -> Vec<Urn> {
        let late = |since: &Instant| now.duration_since(*since) >= pause;
        self.0.iter().filter(|(_, since)| late(since)).map(|(sliver, _)| sliver.clone()).collect()
    }

    /// When the next has to be looked at once more.
    pub(super) fn next(&self, pause: Duration) -> Option<Instant> {
        self.0.values().min().map(|since| *since + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    fn urn() -> Urn {
        Urn::parse("urn:publicid:IDN+am.example.net+sliver+a").unwrap()
    }

    #[test]
    fn a_sliver_rests_after_a_look_unless_something_else_is_wanted() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        let wish =
            |configuration| Some((Revision { configuration, ..Revision::default() }, Power::Running, false));
        assert!(looks.is_due_for(&urn(), wish(1), start, PAUSE), "new work is picked up at once");
        assert!(!looks.is_due_for(&urn(), wish(1), start + PAUSE / 2, PAUSE));
        assert!(looks.is_due_for(&urn(), wish(2), start + PAUSE / 2, PAUSE), "so is a new wish");
        assert!(!looks.is_due_for(&urn(), wish(2), start + PAUSE, PAUSE));
        assert!(looks.is_due_departed(&urn(), start + PAUSE, PAUSE), "and an end");
        assert!(looks.is_due_departed(&urn(), start + 2 * PAUSE, PAUSE));
        assert!(looks.is_due_departed(&urn(), start + 2 * PAUSE, Duration::ZERO));
        looks.tidy(start + 3 * PAUSE, PAUSE);
        assert!(looks.0.is_empty());
    }

    #[test]
    fn absence_counts_when_it_lasts() {
        let (mut missing, start) = (Missing::default(), Instant::now());
        assert!(!missing.is_confirmed(&urn(), start, PAUSE));
        assert!(!missing.is_confirmed(&urn(), start + PAUSE / 2, PAUSE));
        assert!(missing.due(start + PAUSE / 2, PAUSE).is_empty());
        assert_eq!(missing.next(PAUSE), Some(start + PAUSE));
        assert_eq!(missing.due(start + PAUSE, PAUSE), [urn()]);
        missing.forget(&urn());
        assert!(!missing.is_confirmed(&urn(), start + PAUSE, PAUSE), "it was there in between");
        assert!(missing.is_confirmed(&urn(), start + 2 * PAUSE, PAUSE));
    }
}
