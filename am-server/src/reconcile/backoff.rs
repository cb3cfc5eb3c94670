//! Leaving a failing driver alone for a while, longer each time.

use chrono::{DateTime, TimeDelta, Utc};

/// The longest time a driver is left alone, in seconds.
const LONGEST: i64 = 60;

/// How a driver has been doing.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<DateTime<Utc>>,
}

impl Backoff {
    /// Whether it may be asked now.
    pub(super) fn may_ask(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// It failed. Several failures at one moment count as one: they are calls that were under way together.
    pub(super) fn failed(&mut self, now: DateTime<Utc>) {
        if self.may_ask(now) {
            self.failures = self.failures.saturating_add(1);
            let seconds =
                1i64.checked_shl(self.failures.saturating_sub(1)).unwrap_or(LONGEST).clamp(1, LONGEST);
            self.until = Some(now + TimeDelta::seconds(seconds));
        }
    }

    /// It answered.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_driver_is_left_alone_ever_longer_and_forgiven_at_once() {
        let start = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let mut backoff = Backoff::default();
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..9 {
            backoff.failed(now);
            backoff.failed(now);
            let wait = (1..).find(|s| backoff.may_ask(now + TimeDelta::seconds(*s))).unwrap();
            waits.push(wait);
            now += TimeDelta::seconds(wait);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        backoff.answered();
        assert!(backoff.may_ask(start));
    }
}
