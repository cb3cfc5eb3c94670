//! The transactor: every change of a slice is one transaction, made here.
//!
//! A transaction loads the slice, lets its caller say what happens to it, applies those events as one pure transition,
//! and saves the result over the version it has read. Transactions on one slice come one after the other.

mod identity;
mod locks;
#[cfg(test)]
mod tests;

pub use identity::SliceIdentity;

use crate::clock::GuardedClock;
use crate::error::{CallError, GeniCode, database, refused};
use chrono::{DateTime, Utc};
use locks::SliceLocks;
use state::{Event, Ledger, Policy, Slice, Store, StoreError, Transition};
use std::sync::Arc;
use urn::Urn;

/// How often a transaction is tried again when another one was faster.
const ATTEMPTS: usize = 16;

/// The slices of an aggregate.
pub struct Slices {
    store: Arc<dyn Store>,
    clock: Arc<GuardedClock>,
    policy: Policy,
    locks: SliceLocks,
}

impl Slices {
    /// The slices in `store`, lent by the rules of `policy`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<GuardedClock>, policy: Policy) -> Self {
        Self { store, clock, policy, locks: SliceLocks::default() }
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The rules slivers are lent by.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The clock, which may have doubts about the time. Credentials and certificates are judged by
    /// [`GuardedClock::latest`], expiry by [`GuardedClock::earliest`].
    #[must_use]
    pub fn clock(&self) -> &Arc<GuardedClock> {
        &self.clock
    }

    /// Now, in whole seconds.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The slice as it was last saved, or an empty one.
    ///
    /// # Errors
    /// The store cannot read it (geni_code 9).
    pub async fn slice(&self, urn: &Urn) -> Result<Arc<Slice>, CallError> {
        let stored = self.store.slice(urn).await.map_err(database)?;
        Ok(stored.unwrap_or_else(|| Arc::new(Slice::new(urn.clone(), self.now()))))
    }

    /// Changes a slice in one transaction. `events` says what happens to the slice as it is now: all of it is applied
    /// in this order and saved together, or nothing is. An attempt that another process or a race for capacity
    /// spoils starts again with the slice as it is then.
    ///
    /// # Errors
    /// The error that `events` gave; the refusal of one of its events; another slice of that name is here (geni_code
    /// 3); the store failed (9); other calls were faster every time (14). The slice is as it was.
    pub async fn transact<F>(
        &self,
        urn: &Urn,
        identity: &SliceIdentity,
        events: F,
    ) -> Result<Transition, CallError>
    where
        F: Fn(&Slice, &Ledger) -> Result<Vec<Event>, CallError> + Send,
    {
        let mut cleared = false;
        for _ in 0..ATTEMPTS {
            let turn = self.locks.take(urn).await;
            let failed = match self.attempt(urn, identity, &events, self.now()).await {
                Ok(transition) => return Ok(transition),
                Err(failed) => failed,
            };
            drop(turn);
            match failed {
                AttemptError::Race => {}
                // Expired slivers may still hold capacity: once they are gone there may be room.
                AttemptError::NoRoom(_) if !cleared => {
                    self.expire_due().await;
                    cleared = true;
                }
                AttemptError::NoRoom(error) | AttemptError::Final(error) => return Err(error),
            }
        }
        Err(CallError::new(GeniCode::Busy, format!("slice {urn} is being changed by other calls; try again")))
    }

    async fn attempt<F>(
        &self,
        urn: &Urn,
        identity: &SliceIdentity,
        events: &F,
        now: DateTime<Utc>,
    ) -> Result<Transition, AttemptError>
    where
        F: Fn(&Slice, &Ledger) -> Result<Vec<Event>, CallError> + Send,
    {
        let slice = self.slice(urn).await.map_err(AttemptError::Final)?;
        identity.check(&slice, now).map_err(AttemptError::Final)?;
        let slice = identity.known(slice, now);
        let events = events(&slice, &self.store.ledger()).map_err(|error| match error.code() {
            GeniCode::TooBig | GeniCode::VlanUnavailable => AttemptError::NoRoom(error),
            _ => AttemptError::Final(error),
        })?;
        let transition = state::apply_all(&slice, &events, now, &self.policy)
            .map_err(|refusal| AttemptError::Final(refused(refusal)))?;
        match self.store.save(&transition).await {
            Ok(_) => Ok(transition),
            // Placement saw room that is gone by now: the next attempt sees what is left, or that nothing is.
            Err(StoreError::Conflict { .. } | StoreError::Exhausted { .. }) => Err(AttemptError::Race),
            Err(error) => Err(AttemptError::Final(database(error))),
        }
    }

    /// Drops the expired slivers of all slices.
    pub async fn expire_due(&self) {
        let now = self.clock.earliest();
        let due = match self.store.due(now).await {
            Ok(due) => due,
            Err(error) => {
                return tracing::error!(%error, "the store cannot list the slices with expired slivers");
            }
        };
        let expire = |_: &Slice, _: &Ledger| Ok(vec![Event::Expire]);
        for slice in due {
            let turn = self.locks.take(&slice).await;
            match self.attempt(&slice, &SliceIdentity::Any, &expire, now).await {
                Ok(transition) => {
                    tracing::info!(%slice, slivers = transition.departed.len(), "slivers expired");
                }
                Err(AttemptError::Final(error) | AttemptError::NoRoom(error)) => {
                    tracing::error!(%slice, %error, "slivers cannot expire");
                }
                // Another transaction changed the slice, and thereby dropped its expired slivers.
                Err(AttemptError::Race) => {}
            }
            drop(turn);
        }
    }
}

/// Why an attempt at a transaction did not succeed.
enum AttemptError {
    /// Another transaction was faster; the next attempt may succeed.
    Race,
    /// There is no room for what is wanted.
    NoRoom(CallError),
    /// No further attempt would succeed.
    Final(CallError),
}
