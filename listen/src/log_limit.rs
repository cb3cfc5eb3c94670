//! Log lines that strangers cause: some a second for each address, some more in all.

use crate::address::Address;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines a second about one address.
const EACH: u32 = 3;
/// Lines a second about all addresses.
const ALL: u32 = 50;
const SECOND: Duration = Duration::from_secs(1);

/// Says whether one more line may be logged about an address, and how many were not.
#[derive(Debug, Default)]
pub struct LogLimit(Mutex<Window>);

/// One second, and what was logged in it.
#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    all: u32,
    /// At most [`ALL`] of them.
    each: HashMap<Address, u32>,
    withheld: u64,
}

impl LogLimit {
    /// Counts one line about `address` at the time `now`: `Some` when it may be logged, with the number of lines that
    /// were withheld since the last one was logged.
    pub fn admit(&self, address: IpAddr, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.is_none_or(|began| now.saturating_duration_since(began) >= SECOND) {
            window.began = Some(now);
            window.all = 0;
            window.each.clear();
        }
        let address = Address::from(address);
        let logged = window.each.get(&address).copied().unwrap_or(0);
        if window.all == ALL || logged == EACH {
            window.withheld += 1;
            return None;
        }
        window.all += 1;
        window.each.insert(address, logged + 1);
        Some(std::mem::take(&mut window.withheld))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn one_address_has_some_lines_a_second() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        for _ in 0..EACH {
            assert_eq!(limit.admit(address(1), start), Some(0));
        }
        for _ in 0..10 {
            assert_eq!(limit.admit(address(1), start + SECOND / 2), None);
        }
        assert_eq!(limit.admit(address(2), start + SECOND / 2), Some(10));
        assert_eq!(limit.admit(address(1), start + SECOND), Some(0));
    }

    #[test]
    fn many_addresses_have_not_so_many_together() {
        let (limit, start) = (LogLimit::default(), Instant::now());
        let logged = (0..10_000).filter(|n| limit.admit(address(*n), start).is_some()).count();
        assert_eq!(logged, ALL as usize);
        assert!(limit.0.lock().unwrap().each.len() <= ALL as usize);
        assert_eq!(limit.admit(address(1), start + SECOND), Some(10_000 - u64::from(ALL)));
    }
}
