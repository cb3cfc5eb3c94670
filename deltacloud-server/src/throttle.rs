//! Failed logins: passwords cannot be guessed quickly, and an operator sees that somebody tries.
//!
//! Each address may be wrong a few times at once, and then only now and again; until it may be wrong again its passwords
//! are not looked at. Nobody waits for that, so neither a thread nor a connection's place is held. The same wrong
//! password shown again teaches nothing and costs nothing: a program with an old password does not lock out those who
//! share its address.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Different wrong passwords that an address may show at once.
const AT_ONCE: u32 = 10;
/// After which time it may show another.
const EACH: Duration = Duration::from_secs(6);
/// Wrong passwords that are recognised when they are shown again.
const RECOGNISED: usize = 8;
/// Addresses that are remembered. The ones that have been quiet for longest are forgotten first.
const ADDRESSES: usize = 4096;
/// Lines in the log about one address in each [`LOG_PERIOD`].
const LINES: u32 = 2;
const LOG_PERIOD: Duration = Duration::from_secs(1);

/// What is remembered of an address.
#[derive(Debug)]
struct Record {
    /// Since when it may be wrong once more for each [`EACH`] that has passed, up to [`AT_ONCE`] times.
    allowed_since: Instant,
    /// When it was last wrong.
    last: Instant,
    /// What it has shown last, as keyed hashes.
    shown: [u64; RECOGNISED],
    next_shown: usize,
    /// The lines of the log's current period, and the failures that have had none.
    period: Instant,
    lines: u32,
    unlogged: u64,
}

/// The addresses that logins have failed from.
#[derive(Debug, Default)]
pub struct Throttle {
    records: Mutex<HashMap<IpAddr, Record>>,
    keyed: RandomState,
}

/// What is to be logged about a failure: nothing, or a line that tells how many before it had none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLine {
    /// The address has had its lines for now.
    Spared,
    /// A line; so many failures of this address were not logged before it.
    Due {
        /// How many.
        unlogged: u64,
    },
}

/// Those who share a network's prefix are one: an IPv6 network has more addresses than could be remembered.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(four) => IpAddr::V4(four),
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & (!0 << 64))),
    }
}

impl Throttle {
    /// How long this address has to wait before its passwords are looked at; nothing for most.
    pub fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = records.get(&key(address))?.allowed_since + EACH;
        (allowed > now).then(|| allowed - now)
    }

    /// Takes note of a failed login with these credentials.
    pub fn failed(&self, address: IpAddr, credentials: &[u8], now: Instant) -> LogLine {
        let shown = self.keyed.hash_one(credentials);
        let key = key(address);
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() >= ADDRESSES && !records.contains_key(&key) {
            forget_half(&mut records);
        }
        let record = records.entry(key).or_insert_with(|| Record {
            allowed_since: now - EACH * AT_ONCE,
            last: now,
            shown: [0; RECOGNISED],
            next_shown: 0,
            period: now,
            lines: 0,
            unlogged: 0,
        });
        record.last = now;
        if !record.shown.contains(&shown) {
            record.shown[record.next_shown % RECOGNISED] = shown;
            record.next_shown = (record.next_shown + 1) % RECOGNISED;
            record.allowed_since = record.allowed_since.max(now - EACH * AT_ONCE) + EACH;
        }
        record.line(now)
    }

    /// Takes note of a request that was refused without a look at its password.
    pub fn refused(&self, address: IpAddr, now: Instant) -> LogLine {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.get_mut(&key(address)).map_or(LogLine::Spared, |record| record.line(now))
    }
}

impl Record {
    fn line(&mut self, now: Instant) -> LogLine {
        if now.duration_since(self.period) >= LOG_PERIOD {
            (self.period, self.lines) = (now, 0);
        }
        if self.lines >= LINES {
            self.unlogged += 1;
            return LogLine::Spared;
        }
        self.lines += 1;
        LogLine::Due { unlogged: std::mem::take(&mut self.unlogged) }
    }
}

/// Forgets the half that has been quiet for longest, so that a full memory is sorted once for many newcomers.
fn forget_half(records: &mut HashMap<IpAddr, Record>) {
    let mut times: Vec<Instant> = records.values().map(|record| record.last).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    records.retain(|_, record| record.last > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    fn start() -> Instant {
        // Far enough from the beginning of the clock for times before it.
        Instant::now() + EACH * AT_ONCE * 2
    }

    #[test]
    fn an_address_may_be_wrong_a_few_times_and_then_now_and_again() {
        let (throttle, now) = (Throttle::default(), start());
        for attempt in 0..AT_ONCE {
            assert_eq!(throttle.wait(address(1), now), None, "{attempt}");
            throttle.failed(address(1), &attempt.to_be_bytes(), now);
        }
        assert_eq!(throttle.wait(address(1), now), Some(EACH));
        assert_eq!(throttle.wait(address(2), now), None, "another address is not concerned");
        let later = now + EACH;
        assert_eq!(throttle.wait(address(1), later), None);
        throttle.failed(address(1), b"one more", later);
        assert_eq!(throttle.wait(address(1), later), Some(EACH));
        // After a long time it may do as at first, and no more.
        let much_later = later + EACH * AT_ONCE * 50;
        for attempt in 0..AT_ONCE {
            assert_eq!(throttle.wait(address(1), much_later), None, "{attempt}");
            throttle.failed(address(1), &(attempt + 100).to_be_bytes(), much_later);
        }
        assert!(throttle.wait(address(1), much_later).is_some());
    }

    #[test]
    fn the_same_wrong_password_again_costs_nothing() {
        let (throttle, now) = (Throttle::default(), start());
        for _ in 0..1000 {
            throttle.failed(address(1), b"an old password", now);
        }
        assert_eq!(throttle.wait(address(1), now), None);
    }

    #[test]
    fn the_memory_is_bounded_and_those_at_it_now_are_remembered() {
        let (throttle, now) = (Throttle::default(), start());
        let guess = |number: u32, at: Instant| {
            for attempt in 0..AT_ONCE {
                throttle.failed(address(number), &attempt.to_be_bytes(), at);
            }
        };
        for number in 0..3 * u32::try_from(ADDRESSES).unwrap() {
            throttle.failed(address(number), b"x", now + Duration::from_millis(number.into()));
            guess(u32::MAX, now + Duration::from_millis(number.into()));
            assert!(throttle.records.lock().unwrap().len() <= ADDRESSES);
        }
        let end = now + Duration::from_millis(3 * ADDRESSES as u64);
        assert!(throttle.wait(address(u32::MAX), end).is_some());
    }

    #[test]
    fn an_ipv6_network_is_one_and_an_ipv4_address_in_ipv6_is_itself() {
        let (throttle, now) = (Throttle::default(), start());
        for attempt in 0..AT_ONCE {
            throttle.failed(format!("2001:db8::{attempt}").parse().unwrap(), &[attempt as u8], now);
            throttle.failed("::ffff:192.0.2.1".parse().unwrap(), &[attempt as u8], now);
        }
        assert!(throttle.wait("2001:db8::ffff".parse().unwrap(), now).is_some());
        assert!(throttle.wait("2001:db8:0:1::1".parse().unwrap(), now).is_none());
        assert!(throttle.wait("192.0.2.1".parse().unwrap(), now).is_some());
        assert!(throttle.wait("::ffff:192.0.2.2".parse().unwrap(), now).is_none());
    }

    #[test]
    fn an_address_has_some_lines_a_second_and_the_next_tells_what_had_none() {
        let (throttle, now) = (Throttle::default(), start());
        let due = |unlogged| LogLine::Due { unlogged };
        let mut lines: Vec<_> = (0..7).map(|attempt| throttle.failed(address(1), &[attempt], now)).collect();
        assert_eq!(lines.drain(..2).collect::<Vec<_>>(), [due(0), due(0)]);
        assert!(lines.iter().all(|line| *line == LogLine::Spared));
        assert_eq!(throttle.failed(address(2), b"x", now), due(0));
        assert_eq!(throttle.refused(address(1), now + LOG_PERIOD), due(5));
    }
}
