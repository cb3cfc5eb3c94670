//! The recheck table: when each sliver was last worked on, for what wish, and when that is due again. Only in memory: after
//! a start everything is due.
//!
//! A sliver whose cloud refuses a step waits twice as long each time ([`MAX_BACKOFF`] at most), with jitter, so that thousands that failed
//! together do not come back together. Another wish is due at once and begins anew.

use state::{Power, Revision, Sliver};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;
use tokio::time::Instant;
use urn::Urn;

/// The longest that a sliver waits for its next step, however often its cloud refused.
pub(super) const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// The wish for which a sliver was worked on; `None` for one that is gone.
type Wish = Option<(Revision, Power, bool)>;

#[derive(Debug)]
struct Entry {
    last: Instant,
    wish: Wish,
    /// Refusals in a row.
    refusals: u32,
    /// When it is due again after a refusal.
    not_before: Option<Instant>,
}

/// The table. Every save wakes the reconciler, and the clouds must not be asked about everything each time.
#[derive(Debug, Default)]
pub(super) struct RecheckTable(HashMap<Urn, Entry>);

impl RecheckTable {
    /// Whether the sliver is due: something else is wanted of it than the last time, or that is as long ago as `pause` and
    /// its back-off is over. Without a pause it is due in any case. If so, it counts as worked on now.
    pub(super) fn is_due(&mut self, sliver: &Sliver, now: Instant, pause: Duration) -> bool {
        self.is_due_for(&sliver.urn, Some((sliver.wanted, sliver.power, sliver.suspended)), now, pause)
    }

    /// As [`RecheckTable::is_due`], for a sliver that is gone.
    pub(super) fn is_due_tombstone(&mut self, sliver: &Urn, now: Instant, pause: Duration) -> bool {
        self.is_due_for(sliver, None, now, pause)
    }

    fn is_due_for(&mut self, sliver: &Urn, wish: Wish, now: Instant, pause: Duration) -> bool {
        match self.0.get_mut(sliver) {
            Some(entry) if entry.wish == wish => {
                let backs_off = entry.not_before.is_some_and(|not_before| now < not_before);
                let rests = !pause.is_zero() && (backs_off || now.duration_since(entry.last) < pause);
                if !rests {
                    entry.last = now;
                }
                !rests
            }
            _ => {
                self.0.insert(sliver.clone(), Entry { last: now, wish, refusals: 0, not_before: None });
                true
            }
        }
    }

    /// The sliver's cloud refused a step: it waits twice as long as the last time, beginning with `pause`.
    /// Gives how often it was refused in a row.
    pub(super) fn refused(&mut self, sliver: &Urn, now: Instant, pause: Duration) -> u32 {
        let Some(entry) = self.0.get_mut(sliver) else { return 1 };
        entry.refusals = entry.refusals.saturating_add(1);
        entry.not_before = Some(now + jittered(backoff(pause, entry.refusals)));
        entry.refusals
    }

    /// How often the sliver was refused in a row.
    #[cfg(test)]
    pub(super) fn refusals(&self, sliver: &Urn) -> u32 {
        self.0.get(sliver).map_or(0, |entry| entry.refusals)
    }

    /// The sliver came a step nearer to what is wanted.
    pub(super) fn progressed(&mut self, sliver: &Urn) {
        if let Some(entry) = self.0.get_mut(sliver) {
            (entry.refusals, entry.not_before) = (0, None);
        }
    }

    /// Forgets entries that hold nothing back any more. How often a sliver was refused is kept a while longer than the
    /// longest back-off.
    pub(super) fn tidy(&mut self, now: Instant, pause: Duration) {
        self.0.retain(|_, entry| {
            let keep = if entry.refusals > 0 { pause + 2 * MAX_BACKOFF } else { pause };
            now.duration_since(entry.last) < keep
        });
    }
}

/// How long a sliver waits after so many refusals in a row.
fn backoff(pause: Duration, refusals: u32) -> Duration {
    2u32.checked_pow(refusals.saturating_sub(1))
        .and_then(|times| pause.checked_mul(times))
        .unwrap_or(MAX_BACKOFF)
        .min(MAX_BACKOFF)
}

/// Three quarters of it to all of it.
fn jittered(whole: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1024;
    whole - whole.mul_f64(random as f64 / 4096.0)
}

/// Slivers whose instance was not there when it was last looked for: suspected missing. One such answer may be wrong.
#[derive(Debug, Default)]
pub(super) struct SuspectedMissing(HashMap<Urn, Instant>);

impl SuspectedMissing {
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

    /// Those to be looked for once more.
    pub(super) fn due(&self, now: Instant, pause: Duration) -> Vec<Urn> {
        let late = |since: &Instant| now.duration_since(*since) >= pause;
        self.0.iter().filter(|(_, since)| late(since)).map(|(sliver, _)| sliver.clone()).collect()
    }

    /// When the next has to be looked for once more.
    pub(super) fn next(&self, pause: Duration) -> Option<Instant> {
        self.0.values().min().map(|since| *since + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAUSE: Duration = Duration::from_secs(1);

    fn urn() -> Urn {
        Urn::parse("urn:publicid:IDN+am.example.net+sliver+a").unwrap()
    }

    fn wish(configuration: u32) -> Wish {
        Some((Revision { configuration, ..Revision::default() }, Power::Running, false))
    }

    #[test]
    fn a_sliver_rests_after_a_step_unless_something_else_is_wanted() {
        let (mut table, start) = (RecheckTable::default(), Instant::now());
        assert!(table.is_due_for(&urn(), wish(1), start, PAUSE), "new work is picked up at once");
        assert!(!table.is_due_for(&urn(), wish(1), start + PAUSE / 2, PAUSE));
        assert!(table.is_due_for(&urn(), wish(2), start + PAUSE / 2, PAUSE), "so is a new wish");
        assert!(!table.is_due_for(&urn(), wish(2), start + PAUSE, PAUSE));
        assert!(table.is_due_tombstone(&urn(), start + PAUSE, PAUSE), "and an end");
        assert!(table.is_due_tombstone(&urn(), start + 2 * PAUSE, PAUSE));
        assert!(table.is_due_tombstone(&urn(), start + 2 * PAUSE, Duration::ZERO));
        table.tidy(start + 3 * PAUSE, PAUSE);
        assert!(table.0.is_empty());
    }

    #[test]
    fn refusals_make_it_wait_longer_and_a_new_wish_begins_anew() {
        let (mut table, mut now) = (RecheckTable::default(), Instant::now());
        assert!(table.is_due_for(&urn(), wish(1), now, PAUSE));
        let mut attempts = 0;
        let day = now + Duration::from_secs(24 * 3600);
        while now < day {
            if table.is_due_for(&urn(), wish(1), now, PAUSE) {
                attempts += 1;
                table.refused(&urn(), now, PAUSE);
            }
            table.tidy(now, PAUSE);
            now += PAUSE;
        }
        assert!((280..420).contains(&attempts), "{attempts} attempts in a day");
        assert!(table.is_due_for(&urn(), wish(2), now, PAUSE), "a new wish does not wait");
        assert!(table.is_due_for(&urn(), wish(2), now + PAUSE, PAUSE), "nor has it been refused");
        for expected in [1, 2] {
            assert_eq!(table.refused(&urn(), now + PAUSE, PAUSE), expected);
        }
        assert!(!table.is_due_for(&urn(), wish(2), now + PAUSE * 2, PAUSE));
        table.progressed(&urn());
        assert!(table.is_due_for(&urn(), wish(2), now + PAUSE * 2, PAUSE));
    }

    proptest! {
        #[test]
        fn a_back_off_grows_and_has_a_bound(pause in 1u64..10_000, refusals in 0u32..200) {
            let pause = Duration::from_millis(pause);
            prop_assert!(backoff(pause, refusals) <= backoff(pause, refusals + 1));
            prop_assert!(backoff(pause, refusals) <= MAX_BACKOFF);
            let waits = jittered(backoff(pause, refusals));
            prop_assert!(waits <= backoff(pause, refusals) && waits >= backoff(pause, refusals) / 2);
        }
    }

    #[test]
    fn absence_counts_when_it_lasts() {
        let (mut missing, start) = (SuspectedMissing::default(), Instant::now());
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
