//! How much of a processor each caller's new credentials may take.
//!
//! A client certificate is enough to have credentials looked at, long before any right is shown. Their work is counted in
//! steps, each about a nanosecond. Every caller has a store of them, which fills again at a share of one processor. The
//! caller who empties it is told to come back; the others do not notice. Credentials that are remembered cost nothing.

use chrono::{DateTime, Utc};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use urn::Urn;

/// The steps in a second of one processor.
const STEPS_PER_SECOND: u64 = 1_000_000_000;
/// How many seconds' share may be used at once: clients come in bursts.
const SECONDS_AHEAD: u64 = 4;
/// The most callers that are kept account of. With more of them, the one seen last counts as new.
const MAX_CALLERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);

/// The accounts of all callers.
#[derive(Debug)]
pub(super) struct Budgets {
    per_second: u64,
    callers: Mutex<LruCache<Urn, Account>>,
}

#[derive(Debug)]
struct Account {
    left: u64,
    /// When `left` was true.
    at: DateTime<Utc>,
}

impl Budgets {
    /// Accounts that fill at this share of a processor, in percent.
    pub(super) fn new(percent: u8) -> Self {
        let per_second = STEPS_PER_SECOND / 100 * u64::from(percent);
        Self { per_second, callers: Mutex::new(LruCache::new(MAX_CALLERS)) }
    }

    fn most(&self) -> u64 {
        self.per_second * SECONDS_AHEAD
    }

    /// Takes steps from a caller's account, before the work is begun; what was too much comes back with [`Self::settle`].
    /// Work that is larger than any account needs a full one.
    ///
    /// # Errors
    /// The seconds after which there will be enough.
    pub(super) fn take(&self, caller: &Urn, steps: u64, now: DateTime<Utc>) -> Result<(), u64> {
        let most = self.most();
        let steps = steps.min(most);
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let account = callers.get_or_insert_mut(caller.clone(), || Account { left: most, at: now });
        // A clock that goes back fills nothing.
        let seconds = u64::try_from((now - account.at).num_seconds()).unwrap_or(0);
        account.left = account.left.saturating_add(seconds.saturating_mul(self.per_second)).min(most);
        account.at = now;
        match account.left.checked_sub(steps) {
            Some(left) => {
                account.left = left;
                Ok(())
            }
            None => Err((steps - account.left).div_ceil(self.per_second)),
        }
    }

    /// Puts right what was taken, now that the work is done.
    pub(super) fn settle(&self, caller: &Urn, taken: u64, spent: u64) {
        let most = self.most();
        let taken = taken.min(most);
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = callers.get_mut(caller) {
            account.left = account.left.saturating_add(taken).min(most).saturating_sub(spent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    const SHARE: u64 = STEPS_PER_SECOND / 10;

    fn user(name: &str) -> Urn {
        format!("urn:publicid:IDN+ch.example.org+user+{name}").parse().unwrap()
    }

    fn start() -> DateTime<Utc> {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn each_caller_has_an_account_that_fills_again() {
        let budgets = Budgets::new(10);
        let (alice, bob) = (user("alice"), user("bob"));
        assert_eq!(budgets.take(&alice, 3 * SHARE, start()), Ok(()));
        assert_eq!(budgets.take(&alice, 3 * SHARE, start()), Err(2));
        assert_eq!(budgets.take(&alice, SHARE, start()), Ok(()));
        assert_eq!(budgets.take(&alice, 1, start()), Err(1));
        assert_eq!(budgets.take(&bob, 4 * SHARE, start()), Ok(()), "another caller has another account");
        let later = start() + TimeDelta::seconds(2);
        assert_eq!(budgets.take(&alice, 2 * SHARE, later), Ok(()));
        assert_eq!(budgets.take(&alice, 1, later), Err(1));
        let much_later = start() + TimeDelta::days(2);
        assert_eq!(budgets.take(&alice, 4 * SHARE, much_later), Ok(()));
        assert_eq!(
            budgets.take(&alice, 1, much_later),
            Err(1),
            "no more than four seconds' share is saved up"
        );
    }

    #[test]
    fn what_was_not_needed_comes_back_and_what_was_too_little_is_paid() {
        let budgets = Budgets::new(10);
        let alice = user("alice");
        budgets.take(&alice, 4 * SHARE, start()).unwrap();
        budgets.settle(&alice, 4 * SHARE, SHARE);
        assert_eq!(budgets.take(&alice, 3 * SHARE, start()), Ok(()));
        budgets.settle(&alice, 3 * SHARE, 5 * SHARE);
        assert_eq!(budgets.take(&alice, 1, start()), Err(1));
        budgets.settle(&alice, 0, u64::MAX);
        assert_eq!(budgets.take(&alice, 4 * SHARE, start()), Err(4));
    }

    #[test]
    fn one_that_is_larger_than_an_account_needs_a_full_one() {
        let budgets = Budgets::new(1);
        let alice = user("alice");
        assert_eq!(budgets.take(&alice, u64::MAX, start()), Ok(()));
        assert_eq!(budgets.take(&alice, u64::MAX, start()), Err(SECONDS_AHEAD));
        assert_eq!(budgets.take(&alice, u64::MAX, start() + TimeDelta::seconds(3)), Err(1));
        assert_eq!(budgets.take(&alice, u64::MAX, start() + TimeDelta::seconds(4)), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_fills_nothing() {
        let budgets = Budgets::new(10);
        let alice = user("alice");
        budgets.take(&alice, 4 * SHARE, start()).unwrap();
        assert_eq!(budgets.take(&alice, SHARE, start() - TimeDelta::days(1)), Err(1));
        assert_eq!(budgets.take(&alice, SHARE, start() - TimeDelta::days(1) + TimeDelta::seconds(1)), Ok(()));
    }
}
