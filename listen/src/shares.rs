//! Something of which there is a certain amount in all, and at most so much for each caller.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An amount that callers share: nobody can take all of it.
#[derive(Debug)]
pub struct Shares<K> {
    all: Arc<Semaphore>,
    own: usize,
    each: Mutex<Each<K>>,
}

/// The shares that are in use.
#[derive(Debug)]
struct Each<K> {
    known: HashMap<K, Weak<Semaphore>>,
    /// Shares nobody uses are forgotten when there are so many: rarely enough that each costs little.
    sweep_at: usize,
}

/// The fewest shares that are looked through.
const SWEEP: usize = 64;

/// One caller's share; clones are the same share.
#[derive(Debug, Clone)]
pub struct Share {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// A part of a share, given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    own: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
}

impl<K: Eq + Hash> Shares<K> {
    /// `all` units, of which each caller gets `own` at most.
    #[must_use]
    pub fn new(all: usize, own: usize) -> Self {
        let each = Each { known: HashMap::new(), sweep_at: SWEEP };
        Self { all: Arc::new(Semaphore::new(all)), own: own.min(all), each: Mutex::new(each) }
    }

    /// The share of one caller.
    #[must_use]
    pub fn of(&self, caller: K) -> Share {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let own = each.known.get(&caller).and_then(Weak::upgrade).unwrap_or_else(|| {
            if each.known.len() >= each.sweep_at {
                each.known.retain(|_, share| share.strong_count() > 0);
                each.sweep_at = (2 * each.known.len()).max(SWEEP);
            }
            let own = Arc::new(Semaphore::new(self.own));
            each.known.insert(caller, Arc::downgrade(&own));
            own
        });
        Share { own, all: Arc::clone(&self.all) }
    }
}

impl Share {
    /// Takes `units` as soon as they are free. A caller who holds some must not wait for more: two that do so can
    /// wait for each other.
    pub async fn take(&self, units: u32) -> Held {
        let take = |of: &Arc<Semaphore>| Arc::clone(of).acquire_many_owned(units);
        loop {
            // Semaphores of a share are never closed.
            if let Ok(own) = take(&self.own).await
                && let Ok(all) = take(&self.all).await
            {
                return Held { own, all };
            }
            std::future::pending::<()>().await;
        }
    }
}

impl Held {
    /// Gives back all but `units`.
    pub fn keep(&mut self, units: usize) {
        for held in [&mut self.own, &mut self.all] {
            drop(held.split(held.num_permits().saturating_sub(units)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn at_once(share: &Share, units: u32) -> Option<Held> {
        tokio::time::timeout(Duration::ZERO, share.take(units)).await.ok()
    }

    #[tokio::test]
    async fn one_caller_cannot_take_all() {
        let shares = Shares::new(10, 6);
        let (alice, bob) = (shares.of("alice"), shares.of("bob"));
        let _first = at_once(&alice, 6).await.unwrap();
        assert!(at_once(&shares.of("alice"), 1).await.is_none());
        let _second = at_once(&bob, 4).await.unwrap();
        assert!(at_once(&bob, 1).await.is_none(), "all are taken");
    }

    #[tokio::test]
    async fn what_is_not_needed_is_given_back() {
        let shares = Shares::new(10, 10);
        let share = shares.of("alice");
        let mut held = at_once(&share, 10).await.unwrap();
        held.keep(3);
        let rest = at_once(&share, 7).await.unwrap();
        assert!(at_once(&share, 1).await.is_none());
        drop((held, rest));
        assert!(at_once(&share, 10).await.is_some());
    }

    #[tokio::test]
    async fn callers_who_are_gone_are_forgotten() {
        let shares = Shares::new(10, 5);
        let kept = shares.of(1_000_000);
        let _held = at_once(&kept, 5).await.unwrap();
        for n in 0..10_000 {
            let _ = shares.of(n);
        }
        assert!(shares.each.lock().unwrap().known.len() <= 2 * SWEEP);
        assert!(at_once(&shares.of(1_000_000), 1).await.is_none(), "who holds something is not forgotten");
    }
}
