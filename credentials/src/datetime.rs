//! The dates of credentials: `xs:dateTime`, where a missing zone means UTC.

use chrono::{DateTime, Duration, NaiveDate, Utc};

/// Reads an `xs:dateTime`. A fraction of a second is cut off, which ends a credential earlier, never
/// later. `24:00:00` is the next midnight, as XML Schema has it.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(digits(text, 0..4)?).ok()?,
        digits(text, 5..7)?,
        digits(text, 8..10)?,
    )?;
    let (hour, minute, second) = (digits(text, 11..13)?, digits(text, 14..16)?, digits(text, 17..19)?);
    let marks = [(4, "-"), (7, "-"), (13, ":"), (16, ":")];
    if marks.iter().any(|(at, mark)| text.get(*at..*at + 1) != Some(mark))
        || !matches!(text.get(10..11), Some("T" | "t"))
    {
        return None;
    }
    let (local, fraction_allowed) = match (hour, minute, second) {
        (24, 0, 0) => (date.succ_opt()?.and_hms_opt(0, 0, 0)?, false),
        _ => (date.and_hms_opt(hour, minute, second)?, true),
    };
    let mut zone = text.get(19..)?;
    if let Some(fraction) = zone.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        let (fraction, rest) = fraction.split_at(end);
        if fraction.is_empty() || (!fraction_allowed && fraction.bytes().any(|b| b != b'0')) {
            return None;
        }
        zone = rest;
    }
    local.and_utc().checked_sub_signed(offset(zone)?)
}

/// How far a zone is ahead of UTC.
fn offset(zone: &str) -> Option<Duration> {
    let ahead = match zone.get(..1) {
        None | Some("Z" | "z") if zone.len() <= 1 => return Some(Duration::zero()),
        Some("+") => 1,
        Some("-") => -1,
        _ => return None,
    };
    let (hours, minutes) = (digits(zone, 1..3)?, digits(zone, 4..6)?);
    let within = minutes < 60 && (hours < 14 || (hours == 14 && minutes == 0));
    (zone.len() == 6 && zone.get(3..4) == Some(":") && within)
        .then(|| Duration::minutes(ahead * i64::from(hours * 60 + minutes)))
}

fn digits(text: &str, range: std::ops::Range<usize>) -> Option<u32> {
    let part = text.get(range)?;
    if part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_fractions_and_midnight() {
        for (text, utc) in [
            ("2026-12-16T19:35:01Z", "2026-12-16T19:35:01Z"),
            ("2026-12-16T19:35:01", "2026-12-16T19:35:01Z"),
            (" \n2026-12-16t19:35:01z ", "2026-12-16T19:35:01Z"),
            ("2026-12-16T19:35:01.999999", "2026-12-16T19:35:01Z"),
            ("2026-12-16T19:35:01.5+02:30", "2026-12-16T17:05:01Z"),
            ("2026-12-31T23:00:00-05:00", "2027-01-01T04:00:00Z"),
            ("2026-12-31T24:00:00Z", "2027-01-01T00:00:00Z"),
            ("2026-12-31T24:00:00.00", "2027-01-01T00:00:00Z"),
            ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(parse(text), Some(utc.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in [
            "",
            "2026",
            "2026-12-16",
            "2026-12-16 19:35:01Z",
            "2026-12-16T19:35Z",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-12-16T25:00:00Z",
            "2026-12-16T24:00:01Z",
            "2026-12-16T24:00:00.1Z",
            "2026-12-16T19:60:01Z",
            "2026-12-16T19:35:60Z",
            "2026-12-16T19:35:01.Z",
            "2026-12-16T19:35:01+2:00",
            "2026-12-16T19:35:01+15:00",
            "2026-12-16T19:35:01+14:01",
            "2026-12-16T19:35:01+02:60",
            "2026-12-16T19:35:01+0200",
            "2026-12-16T19:35:01ZZ",
            "2026-12-16T19:35:01 UTC",
            "+026-12-16T19:35:01Z",
            "２026-12-16T19:35:01Z",
            "12026-12-16T19:35:01Z",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
