//! Whole seconds and additions that cannot overflow.

use chrono::{DateTime, TimeDelta, Utc};

/// The time without its fraction of a second: the AM API and the database know whole seconds only.
pub(crate) fn whole_seconds(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(time)
}

/// `from + by` in whole seconds; the latest time that can be written where the sum is out of range.
pub(crate) fn later(from: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    whole_seconds(from.checked_add_signed(by).unwrap_or(DateTime::<Utc>::MAX_UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_dropped_and_sums_do_not_overflow() {
        let time = DateTime::from_timestamp(100, 999_999_999).unwrap();
        assert_eq!(whole_seconds(time).timestamp_subsec_nanos(), 0);
        assert_eq!(later(time, TimeDelta::seconds(5)).timestamp(), 105);
        assert!(later(time, TimeDelta::MAX) > time);
    }
}
