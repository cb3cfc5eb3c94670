//! The clock by which slivers are lent, which does not follow every jump of the machine's own.
//!
//! A wall clock that is wrong for a moment would expire what nobody can bring back. So two clocks are read together: the
//! wall clock, which tells the date and may be set, and the monotonic clock, which only tells how much time has passed
//! and is never set. When the wall clock moves by more than five minutes against the monotonic one, it is not believed:
//! time goes on from the last moment at which they agreed, by the monotonic clock alone, and nothing expires that has
//! not expired by both. That ends when the wall clock comes back, when the jump has lasted for the configured time, or
//! when an operator confirms the wall clock.
//!
//! The monotonic clock stands still while a machine is suspended. A machine that wakes after days looks as one whose
//! wall clock is wrong: what expired meanwhile goes a little later.

use crate::time::Clock;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tracing::{info, warn};

/// Both clocks, read together: the date, and the time that has passed since some moment.
pub type Clocks = Arc<dyn Fn() -> (DateTime<Utc>, TimeDelta) + Send + Sync>;

/// The largest move of the wall clock against the monotonic one that is believed at once: more than any correction of a
/// clock that is kept by a time service.
const BELIEVED: TimeDelta = TimeDelta::minutes(5);
/// How often the two clocks are set equal, so that small corrections do not add up to a jump.
const BETWEEN_AGREEMENTS: TimeDelta = TimeDelta::hours(1);

/// The machine's clocks.
#[must_use]
pub fn system_clocks() -> Clocks {
    let start = Instant::now();
    Arc::new(move || (Utc::now(), passed_since(start)))
}

/// Clocks that are ahead of others by the numbers of seconds in two files, which are read again every time: `both` moves
/// time itself, `wall` only what the wall clock shows.
#[must_use]
pub fn ahead(clocks: Clocks, both: Option<std::path::PathBuf>, wall: Option<std::path::PathBuf>) -> Clocks {
    let seconds = |file: &Option<std::path::PathBuf>| {
        let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        TimeDelta::seconds(text.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
    };
    Arc::new(move || {
        let (date, passed) = clocks();
        let (both, wall) = (seconds(&both), seconds(&wall));
        (date + both + wall, passed + both)
    })
}

fn passed_since(start: Instant) -> TimeDelta {
    TimeDelta::from_std(start.elapsed()).unwrap_or(TimeDelta::MAX)
}

/// A clock that watches for jumps of the wall clock.
pub struct GuardedClock {
    clocks: Clocks,
    /// How long a jump has to last until it is believed.
    believed_after: TimeDelta,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// When the two clocks agreed.
    agreed: (DateTime<Utc>, TimeDelta),
    jump: Option<Jump>,
}

#[derive(Debug, Clone, Copy)]
struct Jump {
    /// By how much the wall clock is ahead of what is believed.
    ahead: TimeDelta,
    /// The monotonic clock when this was first seen.
    since: TimeDelta,
}

/// One reading.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// What the wall clock shows.
    wall: DateTime<Utc>,
    /// The time that is believed.
    believed: DateTime<Utc>,
}

impl GuardedClock {
    /// Clocks that agree now; a jump that lasts for `believed_after` is believed.
    #[must_use]
    pub fn new(clocks: Clocks, believed_after: TimeDelta) -> Self {
        let agreed = clocks();
        Self { clocks, believed_after, state: Mutex::new(State { agreed, jump: None }) }
    }

    /// A wall clock that is always believed.
    #[must_use]
    pub fn steady(wall: Clock) -> Self {
        let start = wall();
        let clocks: Clocks = Arc::new(move || {
            let now = wall();
            (now, now - start)
        });
        Self::new(clocks, TimeDelta::zero())
    }

    /// The time, in whole seconds.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.read().believed
    }

    /// The time that is past beyond doubt: the earlier one of the believed and the wall clock's. Nothing expires before
    /// it is over by this.
    #[must_use]
    pub fn earliest(&self) -> DateTime<Utc> {
        let reading = self.read();
        reading.believed.min(reading.wall)
    }

    /// The time that may have come: the later one of the believed and the wall clock's. Certificates and credentials are
    /// good only while they are good by this.
    #[must_use]
    pub fn latest(&self) -> DateTime<Utc> {
        let reading = self.read();
        reading.believed.max(reading.wall)
    }

    /// By how much the wall clock is ahead of the time that is believed; `None` while it is believed.
    #[must_use]
    pub fn jump(&self) -> Option<TimeDelta> {
        self.read();
        self.state().jump.map(|jump| jump.ahead)
    }

    /// An operator says that the wall clock is right.
    pub fn confirm(&self) {
        let agreed = (self.clocks)();
        let mut state = self.state();
        match state.jump {
            Some(jump) => warn!(
                ahead_seconds = jump.ahead.num_seconds(),
                "an operator confirmed the wall clock: expiry follows it again"
            ),
            None => info!("an operator confirmed the wall clock, which had not jumped"),
        }
        *state = State { agreed, jump: None };
    }

    fn read(&self) -> Reading {
        // Read under the lock: readings that overtake each other would look like jumps.
        let mut state = self.state();
        let (wall, passed) = (self.clocks)();
        let expected = state.agreed.0 + (passed - state.agreed.1);
        let ahead = wall - expected;
        let is_small = ahead.abs() <= BELIEVED;
        match &mut state.jump {
            None if is_small => {
                if passed - state.agreed.1 >= BETWEEN_AGREEMENTS {
                    state.agreed = (wall, passed);
                }
            }
            None => {
                state.jump = Some(Jump { ahead, since: passed });
                warn!(
                    ahead_seconds = ahead.num_seconds(),
                    believed_after_seconds = self.believed_after.num_seconds(),
                    "the wall clock jumped against the monotonic clock: expiry is held back until it has come back, \
                     lasted, or is confirmed by an operator with SIGUSR1"
                );
            }
            Some(_) if is_small => {
                state.jump = None;
                info!("the wall clock came back: expiry follows it again");
            }
            Some(jump) => {
                if (ahead - jump.ahead).abs() > BELIEVED {
                    *jump = Jump { ahead, since: passed };
                    warn!(ahead_seconds = ahead.num_seconds(), "the wall clock jumped again");
                } else if passed - jump.since >= self.believed_after {
                    warn!(
                        ahead_seconds = ahead.num_seconds(),
                        "the jump of the wall clock has lasted: expiry follows it again"
                    );
                    *state = State { agreed: (wall, passed), jump: None };
                }
            }
        }
        let believed = if state.jump.is_some() { expected } else { wall };
        Reading { wall: wall.trunc_subsecs(0), believed: believed.trunc_subsecs(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering};

    const MINUTE: i64 = 60;
    const DAY: i64 = 24 * 60 * MINUTE;

    /// Clocks that are set by hand, in seconds since the start.
    struct Stage {
        hands: Arc<(AtomicI64, AtomicI64)>,
        clock: GuardedClock,
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_900_000_000 + seconds, 0).unwrap()
    }

    impl Stage {
        fn new() -> Self {
            let hands = Arc::new((AtomicI64::new(0), AtomicI64::new(0)));
            let read = Arc::clone(&hands);
            let clocks: Clocks = Arc::new(move || {
                let [wall, passed] = [&read.0, &read.1].map(|hand| hand.load(Ordering::SeqCst));
                (at(wall), TimeDelta::seconds(passed))
            });
            Self { hands, clock: GuardedClock::new(clocks, TimeDelta::minutes(60)) }
        }

        /// Time passes, and the wall clock shows something else besides.
        fn passes(&self, seconds: i64, jump: i64) {
            self.hands.0.fetch_add(seconds + jump, Ordering::SeqCst);
            self.hands.1.fetch_add(seconds, Ordering::SeqCst);
        }

        fn shows(&self, now: i64, earliest: i64, latest: i64) {
            let shown = (self.clock.now(), self.clock.earliest(), self.clock.latest());
            assert_eq!(shown, (at(now), at(earliest), at(latest)));
        }
    }

    #[test]
    fn time_that_passes_is_no_jump() {
        let stage = Stage::new();
        stage.passes(8 * DAY, 0);
        stage.shows(8 * DAY, 8 * DAY, 8 * DAY);
        assert_eq!(stage.clock.jump(), None);
    }

    #[test]
    fn five_minutes_are_believed_and_more_are_not() {
        for sign in [1, -1] {
            let stage = Stage::new();
            let small = sign * 5 * MINUTE;
            stage.passes(10, small);
            stage.shows(10 + small, 10 + small, 10 + small);
            stage.passes(0, sign);
            assert_eq!(stage.clock.jump(), Some(TimeDelta::seconds(small + sign)));
            let wall = 10 + small + sign;
            stage.shows(10, wall.min(10), wall.max(10));
        }
    }

    #[test]
    fn a_clock_that_is_wrong_for_a_moment_leaves_no_trace() {
        let stage = Stage::new();
        stage.passes(1, 8 * DAY);
        stage.shows(1, 1, 8 * DAY + 1);
        stage.passes(2, -8 * DAY);
        stage.shows(3, 3, 3);
        assert_eq!(stage.clock.jump(), None);
    }

    #[test]
    fn a_jump_that_lasts_is_believed() {
        let stage = Stage::new();
        stage.passes(0, 8 * DAY);
        assert!(stage.clock.jump().is_some());
        stage.passes(60 * MINUTE - 1, 0);
        stage.shows(60 * MINUTE - 1, 60 * MINUTE - 1, 8 * DAY + 60 * MINUTE - 1);
        // Another jump meanwhile begins anew.
        stage.passes(0, DAY);
        assert_eq!(stage.clock.jump(), Some(TimeDelta::days(9)));
        stage.passes(60 * MINUTE - 1, 0);
        assert!(stage.clock.jump().is_some());
        stage.passes(1, 0);
        assert_eq!(stage.clock.jump(), None);
        stage.shows(9 * DAY + 120 * MINUTE - 1, 9 * DAY + 120 * MINUTE - 1, 9 * DAY + 120 * MINUTE - 1);
        // And it is the new measure.
        stage.passes(10, 0);
        assert_eq!(stage.clock.jump(), None);
    }

    #[test]
    fn an_operator_may_confirm_the_wall_clock() {
        let stage = Stage::new();
        stage.passes(5, 8 * DAY);
        assert!(stage.clock.jump().is_some());
        stage.clock.confirm();
        assert_eq!(stage.clock.jump(), None);
        stage.shows(8 * DAY + 5, 8 * DAY + 5, 8 * DAY + 5);
        stage.clock.confirm();
        assert_eq!(stage.clock.jump(), None);
    }

    #[test]
    fn small_corrections_do_not_add_up_to_a_jump() {
        let stage = Stage::new();
        for _ in 0..100 {
            stage.passes(60 * MINUTE, MINUTE);
            assert_eq!(stage.clock.jump(), None);
        }
        // But those of one hour do.
        stage.passes(1, 4 * MINUTE);
        assert_eq!(stage.clock.jump(), None);
        stage.passes(1, 4 * MINUTE);
        assert_eq!(stage.clock.jump(), Some(TimeDelta::minutes(8)));
    }
}
