//! Dates as the AM API writes them: RFC 3339, in UTC, whole seconds.
//!
//! Callers are met more than halfway: any offset, a fraction of a second, lower-case `t` and `z`, a
//! missing zone (taken as UTC, as Omni's `--no-tz` means it). What is no date at all is an error and
//! never a crash.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, SubsecRound, Utc};

/// A clock: the only place the service learns the time from, so that tests can set it.
pub type Clock = std::sync::Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The machine's clock.
#[must_use]
pub fn system_clock() -> Clock {
    std::sync::Arc::new(|| Utc::now().trunc_subsecs(0))
}

/// A text that is not a date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a date and time; write it like 2030-01-31T12:00:00Z")]
pub struct NotATime(String);

/// Reads a date and time; a fraction of a second is dropped.
///
/// # Errors
/// [`NotATime`].
pub fn parse(text: &str) -> Result<DateTime<Utc>, NotATime> {
    let trimmed = text.trim();
    let wrong = || NotATime(trimmed.chars().take(60).collect());
    if !trimmed.is_ascii() || trimmed.len() > 60 {
        return Err(wrong());
    }
    let upper = trimmed.to_ascii_uppercase();
    let time = DateTime::parse_from_rfc3339(&upper)
        .map(|time| time.with_timezone(&Utc))
        .or_else(|_| {
            NaiveDateTime::parse_from_str(&upper, "%Y-%m-%dT%H:%M:%S%.f").map(|naive| naive.and_utc())
        })
        .or_else(|_| {
            NaiveDateTime::parse_from_str(&upper, "%Y-%m-%d %H:%M:%S%.f").map(|naive| naive.and_utc())
        })
        .map_err(|_| wrong())?;
    // Beyond the years that RFC 3339 can write, a date read here could not be written again.
    if !(0..=9999).contains(&chrono::Datelike::year(&time)) {
        return Err(wrong());
    }
    // A leap second reads as the second before it with a fraction of one second or more.
    DateTime::from_timestamp(time.timestamp(), 0).ok_or_else(wrong)
}

/// Writes a moment as `2030-01-31T12:00:00Z`.
#[must_use]
pub fn format(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_usual_spellings_are_one_moment() {
        for text in [
            "2030-01-31T12:00:00Z",
            "2030-01-31t12:00:00z",
            "2030-01-31T12:00:00.999Z",
            "2030-01-31T12:00:00+00:00",
            "2030-01-31T13:30:00+01:30",
            "2030-01-31T07:00:00-05:00",
            "2030-01-31T12:00:00",
            "2030-01-31 12:00:00",
            " 2030-01-31T12:00:00Z ",
        ] {
            assert_eq!(format(parse(text).unwrap()), "2030-01-31T12:00:00Z", "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2030-02-30T00:00:00Z",
            "2030-01-01T24:00:00Z",
            "2030-13-01T00:00:00Z",
            "1234567890",
            "2030-01-31",
            "2030-01-31T12:00:00+99:00",
            "99999-01-01T00:00:00Z",
            "2030-01-31T12:00:00Ż",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn odd_but_real_moments_are_read() {
        assert_eq!(format(parse("9999-12-31T23:59:59Z").unwrap()), "9999-12-31T23:59:59Z");
        assert_eq!(format(parse("2016-12-31T23:59:60Z").unwrap()), "2016-12-31T23:59:59Z");
        assert!(parse("9999-12-31T23:59:59-01:00").is_err());
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn written_moments_are_read_again(seconds in 0i64..253_402_300_799) {
            let time = DateTime::from_timestamp(seconds, 0).unwrap();
            prop_assert_eq!(parse(&format(time)).unwrap(), time);
        }
    }
}
