//! How much of a processor each caller's new credentials may take.
//!
//! A client certificate is enough to have credentials looked at, long before any right is shown. Their work is counted in
//! steps, each about a nanosecond. Every caller has a store of them, which fills again at a share of one processor. The
//! caller who empties it is told to come back; the others do not notice. Credentials that are remembered cost nothing.
//!
//! What a credential costs is known only when it has been verified. What it costs beyond the estimate is a debt, which
//! the share pays off first: else somebody whose credentials look cheap and are not would have many shares.

use chrono::{DateTime, Utc};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use urn::Urn;

/// The steps in a second of one processor.
const STEPS_PER_SECOND: u64 = 1_000_000_000;
/// How many seconds' share may be used at once: clients come in bursts.
const SECONDS_AHEAD: u64 = 4;
/// How many seconds' share a caller can owe at most: nobody is kept out for longer than a minute.
const SECONDS_OWED: u64 = 56;
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
    /// Negative is a debt.
    left: i64,
    /// When `left` was true.
    at: DateTime<Utc>,
}

impl Budgets {
    /// Accounts that fill at this share of a processor, in percent.
    pub(super) fn new(percent: u8) -> Arc<Self> {
        let per_second = STEPS_PER_SECOND / 100 * u64::from(percent);
        Arc::new(Self { per_second, callers: Mutex::new(LruCache::new(MAX_CALLERS)) })
    }

    fn most(&self) -> u64 {
        self.per_second * SECONDS_AHEAD
    }

    /// Takes steps from a caller's account, before the work is begun. Work that is larger than any account needs a full
    /// one.
    ///
    /// # Errors
    /// The seconds after which there will be enough.
    pub(super) fn take(self: &Arc<Self>, caller: &Urn, steps: u64, now: DateTime<Utc>) -> Result<Taken, u64> {
        let most = self.most();
        let steps = steps.min(most);
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let account = callers.get_or_insert_mut(caller.clone(), || Account { left: signed(most), at: now });
        // A clock that goes back fills nothing.
        let seconds = u64::try_from((now - account.at).num_seconds()).unwrap_or(0);
        let filled = account.left.saturating_add(signed(seconds.saturating_mul(self.per_second)));
        account.left = filled.min(signed(most));
        account.at = now;
        if account.left < signed(steps) {
            return Err(account.left.abs_diff(signed(steps)).div_ceil(self.per_second));
        }
        account.left -= signed(steps);
        Ok(Taken { budgets: Arc::clone(self), caller: caller.clone(), left: steps })
    }

    /// Changes a caller's account by some steps and gives what is there now.
    fn change(&self, caller: &Urn, by: i64) -> i64 {
        let (least, most) = (-signed(self.per_second * SECONDS_OWED), signed(self.most()));
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.get_mut(caller).map_or(0, |account| {
            account.left = account.left.saturating_add(by).clamp(least, most);
            account.left
        })
    }
}

fn signed(steps: u64) -> i64 {
    i64::try_from(steps).unwrap_or(i64::MAX)
}

/// Steps that were taken for some work. The work holds it, since it may go on when nobody waits for it any more; what
/// was not used goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    budgets: Arc<Budgets>,
    caller: Urn,
    /// What was taken and is not used yet.
    left: u64,
}

impl Taken {
    /// Pays for work that was done, at once: others of the same caller may be under way.
    pub(super) fn pay(&mut self, steps: u64) {
        let beyond = steps.saturating_sub(self.left);
        self.left -= steps - beyond;
        if beyond > 0 {
            self.budgets.change(&self.caller, -signed(beyond));
        }
    }

    /// Whether the caller may go on with what was taken.
    ///
    /// # Errors
    /// The caller is in debt: the seconds after which it is paid off.
    pub(super) fn may_go_on(&self) -> Result<(), u64> {
        match self.budgets.change(&self.caller, 0) {
            0.. => Ok(()),
            debt => Err(debt.unsigned_abs().div_ceil(self.budgets.per_second)),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.budgets.change(&self.caller, signed(self.left));
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

    /// Takes steps and keeps them.
    fn spend(budgets: &Arc<Budgets>, caller: &Urn, steps: u64, now: DateTime<Utc>) -> Result<(), u64> {
        budgets.take(caller, steps, now).map(|mut taken| taken.pay(taken.left))
    }

    #[test]
    fn each_caller_has_an_account_that_fills_again() {
        let budgets = Budgets::new(10);
        let (alice, bob) = (user("alice"), user("bob"));
        assert_eq!(spend(&budgets, &alice, 3 * SHARE, start()), Ok(()));
        assert_eq!(spend(&budgets, &alice, 3 * SHARE, start()), Err(2));
        assert_eq!(spend(&budgets, &alice, SHARE, start()), Ok(()));
        assert_eq!(spend(&budgets, &alice, 1, start()), Err(1));
        assert_eq!(spend(&budgets, &bob, 4 * SHARE, start()), Ok(()), "another caller has another account");
        let later = start() + TimeDelta::seconds(2);
        assert_eq!(spend(&budgets, &alice, 2 * SHARE, later), Ok(()));
        assert_eq!(spend(&budgets, &alice, 1, later), Err(1));
        let much_later = start() + TimeDelta::days(2);
        assert_eq!(spend(&budgets, &alice, 4 * SHARE, much_later), Ok(()));
        assert_eq!(
            spend(&budgets, &alice, 1, much_later),
            Err(1),
            "no more than four seconds' share is saved up"
        );
    }

    #[test]
    fn what_was_not_needed_comes_back() {
        let budgets = Budgets::new(10);
        let alice = user("alice");
        let mut taken = budgets.take(&alice, 4 * SHARE, start()).unwrap();
        taken.pay(SHARE);
        assert!(spend(&budgets, &alice, 1, start()).is_err());
        drop(taken);
        assert_eq!(spend(&budgets, &alice, 3 * SHARE, start()), Ok(()));
        assert_eq!(spend(&budgets, &alice, 1, start()), Err(1));
    }

    // Else credentials that cost forty times what they look like would have forty shares.
    #[test]
    fn what_costs_more_than_was_taken_is_a_debt() {
        let budgets = Budgets::new(10);
        let alice = user("alice");
        let mut one = budgets.take(&alice, SHARE, start()).unwrap();
        let two = budgets.take(&alice, SHARE, start()).unwrap();
        assert_eq!((one.may_go_on(), two.may_go_on()), (Ok(()), Ok(())));
        one.pay(3 * SHARE);
        assert_eq!(two.may_go_on(), Ok(()));
        one.pay(5 * SHARE);
        assert_eq!(two.may_go_on(), Err(5), "also for what is under way already");
        drop((one, two));
        assert_eq!(spend(&budgets, &alice, SHARE, start()), Err(5));
        assert_eq!(spend(&budgets, &alice, SHARE, start() + TimeDelta::seconds(4)), Err(1));
        assert_eq!(spend(&budgets, &alice, SHARE, start() + TimeDelta::seconds(5)), Ok(()));
        budgets.take(&alice, 0, start()).unwrap().pay(u64::MAX);
        assert_eq!(
            spend(&budgets, &alice, 4 * SHARE, start()),
            Err(SECONDS_OWED + SECONDS_AHEAD),
            "nobody is kept out for ever"
        );
    }

    #[test]
    fn one_that_is_larger_than_an_account_needs_a_full_one() {
        let budgets = Budgets::new(1);
        let alice = user("alice");
        assert_eq!(spend(&budgets, &alice, u64::MAX, start()), Ok(()));
        assert_eq!(spend(&budgets, &alice, u64::MAX, start()), Err(SECONDS_AHEAD));
        assert_eq!(spend(&budgets, &alice, u64::MAX, start() + TimeDelta::seconds(3)), Err(1));
        assert_eq!(spend(&budgets, &alice, u64::MAX, start() + TimeDelta::seconds(4)), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_fills_nothing() {
        let budgets = Budgets::new(10);
        let alice = user("alice");
        spend(&budgets, &alice, 4 * SHARE, start()).unwrap();
        let before = start() - TimeDelta::days(1);
        assert_eq!(spend(&budgets, &alice, SHARE, before), Err(1));
        assert_eq!(spend(&budgets, &alice, SHARE, before + TimeDelta::seconds(1)), Ok(()));
    }
}
