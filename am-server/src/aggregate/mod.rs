//! What an aggregate does: one file per call of the AM API, named as the call.
//!
//! Every call goes the same way. It is admitted ([`Aggregate::admit`]): the URNs it names are read, the slice they
//! belong to is found, and the caller's credentials are held against it, in this one place. Then it
//! either reads the slice, or changes it in one transaction ([`Aggregate::transact`]): load, pure transition,
//! save. No call talks to a driver; what a transition wants of the clouds is found by the reconciler.

pub mod allocate;
pub mod answer;
pub mod caller;
pub mod cancel;
pub mod delete;
pub mod describe;
pub mod get_version;
pub mod grant;
pub mod inventory;
pub mod list_resources;
pub mod manifest;
pub mod perform_operational_action;
pub mod placement;
pub mod provision;
pub mod renew;
pub mod shutdown;
pub mod status;
pub mod stock;
pub mod update;
pub mod users;
pub mod waiting;

mod admission;
mod budget;
mod demands;
mod ends;
mod locks;
mod ssh_key;
mod volumes;

pub use admission::{Admitted, SliceIdentity};

use crate::clock::GuardedClock;
use crate::cloud::Cloud;
use crate::config::Config;
use crate::error::{CallError, GeniCode, database, refused};
use crate::metrics::Metrics;
use answer::{SliverEntry, Slivers};
use budget::Budgets;
use caller::CredentialText;
use chrono::{DateTime, Utc};
use credentials::{TrustRoots, Verifier};
use inventory::{Inventory, ReadyAdvertisement};
use locks::SliceLocks;
use state::{Event, Ledger, Policy, Slice, Sliver, Store, StoreError, Transition};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::Semaphore;
use urn::{Authority, Urn};

/// Calls whose large credentials are verified at once.
const VERIFYING: usize = 2;
/// How often a transaction is tried again when another one was faster.
const ATTEMPTS: usize = 16;

/// What most calls name: slivers, and the right to them.
#[derive(Debug, Clone)]
pub struct SliverRequest {
    /// One slice URN, or the URNs of slivers of one slice.
    pub urns: Vec<String>,
    /// What the caller shows for it.
    pub credentials: Vec<CredentialText>,
}

/// The aggregate.
pub struct Aggregate {
    config: Config,
    authority: Authority,
    principal: credentials::Aggregate,
    policy: Policy,
    limits: rspec::Limits,
    verifier: Arc<Verifier>,
    /// Places for large credentials being verified.
    verifying: Arc<Semaphore>,
    /// What callers may have verified anew.
    budgets: Arc<Budgets>,
    store: Arc<dyn Store>,
    clouds: Vec<Cloud>,
    inventory: RwLock<Arc<Inventory>>,
    /// Held by whoever puts another inventory in place.
    restocking: tokio::sync::Mutex<()>,
    advertisement: Mutex<Option<Arc<ReadyAdvertisement>>>,
    locks: SliceLocks,
    clock: Arc<GuardedClock>,
    metrics: Arc<Metrics>,
}

/// Why the aggregate cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A URN in the configuration.
    #[error(transparent)]
    Urn(#[from] urn::UrnError),
}

impl Aggregate {
    /// Puts the aggregate together and reads what its drivers have. One that is silent is no reason not to start.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: Config,
        verifier: Arc<Verifier>,
        store: Arc<dyn Store>,
        clouds: Vec<Cloud>,
        clock: Arc<GuardedClock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let authority = config.authority();
        let urn = Urn::new(&authority, "authority", "am")?;
        let operators = config.aggregate.operators.clone();
        let inventory = Inventory::new(&config, stock::at_start(&*store, &clouds).await?);
        store.set_totals(&inventory.totals(config.vlans())).await?;
        let policy = Policy {
            allocated_for: config.policy.allocated_for(),
            provisioned_for: config.policy.provisioned_for(),
            max_lifetime: config.policy.renewal_for(),
            single_allocation: config.policy.single_allocation,
            allocate: config.policy.allocate_mode().unwrap_or(Policy::default().allocate),
        };
        let budgets = Budgets::new(config.limits.caller_processor_percent);
        let limits = rspec::Limits { max_bytes: config.limits.body_bytes, ..rspec::Limits::default() };
        Ok(Self {
            config,
            authority,
            principal: credentials::Aggregate { urn, operators },
            policy,
            limits,
            verifier,
            verifying: Arc::new(Semaphore::new(VERIFYING)),
            budgets,
            store,
            clouds,
            inventory: RwLock::new(Arc::new(inventory)),
            restocking: tokio::sync::Mutex::default(),
            advertisement: Mutex::new(None),
            locks: SliceLocks::default(),
            clock,
            metrics,
        })
    }

    /// Now, in whole seconds.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The clock, which may have doubts about the time. Credentials and certificates are judged by
    /// [`GuardedClock::latest`], expiry by [`GuardedClock::earliest`].
    #[must_use]
    pub fn clock(&self) -> &Arc<GuardedClock> {
        &self.clock
    }

    /// Whom the aggregate trusts.
    #[must_use]
    pub fn trust(&self) -> Arc<TrustRoots> {
        self.verifier.roots()
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How often credentials were verified.
    #[must_use]
    pub fn verified_credentials(&self) -> credentials::Verifications {
        self.verifier.verifications()
    }

    /// The aggregate's own URN.
    #[must_use]
    pub fn urn(&self) -> &Urn {
        &self.principal.urn
    }

    /// The authority of the URNs it gives out.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The rules slivers are lent by.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What there is to lend.
    #[must_use]
    pub fn inventory(&self) -> Arc<Inventory> {
        Arc::clone(&self.inventory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The slice as it was last saved, or an empty one.
    pub(crate) async fn slice(&self, urn: &Urn) -> Result<Arc<Slice>, CallError> {
        let stored = self.store.slice(urn).await.map_err(database)?;
        Ok(stored.unwrap_or_else(|| Arc::new(Slice::new(urn.clone(), self.now()))))
    }

    /// Changes a slice in one transaction: loads it, lets `event` say what happens to it, applies that and saves
    /// the result. Calls on one slice come one after the other; what another process or a race for capacity
    /// spoils is tried again from the start.
    pub(crate) async fn transact<F>(&self, admitted: &Admitted, event: F) -> Result<Transition, CallError>
    where
        F: Fn(&Slice, &Ledger) -> Result<Event, CallError> + Send,
    {
        self.transact_as(&admitted.slice, &admitted.identity, event).await
    }

    /// As [`Aggregate::transact`], for the aggregate's own work on a slice, whichever it is.
    pub(crate) async fn transact_own<F>(&self, urn: &Urn, event: F) -> Result<Transition, CallError>
    where
        F: Fn(&Slice, &Ledger) -> Result<Event, CallError> + Send,
    {
        self.transact_as(urn, &SliceIdentity::Any, event).await
    }

    async fn transact_as<F>(
        &self,
        urn: &Urn,
        identity: &SliceIdentity,
        event: F,
    ) -> Result<Transition, CallError>
    where
        F: Fn(&Slice, &Ledger) -> Result<Event, CallError> + Send,
    {
        let mut cleared = false;
        for _ in 0..ATTEMPTS {
            let turn = self.locks.take(urn).await;
            let spoilt = match self.attempt(urn, identity, &event, self.now()).await {
                Ok(transition) => return Ok(transition),
                Err(spoilt) => spoilt,
            };
            drop(turn);
            match spoilt {
                Spoilt::Race => {}
                // What has expired may still be held: with that out of the way there may be room.
                Spoilt::NoRoom(_) if !cleared => {
                    self.expire_due().await;
                    cleared = true;
                }
                Spoilt::NoRoom(error) | Spoilt::For(error) => return Err(error),
            }
        }
        Err(CallError::new(GeniCode::Busy, format!("slice {urn} is being changed by other calls; try again")))
    }

    async fn attempt<F>(
        &self,
        urn: &Urn,
        identity: &SliceIdentity,
        event: &F,
        now: DateTime<Utc>,
    ) -> Result<Transition, Spoilt>
    where
        F: Fn(&Slice, &Ledger) -> Result<Event, CallError> + Send,
    {
        let slice = self.slice(urn).await.map_err(Spoilt::For)?;
        identity.check(&slice, now).map_err(Spoilt::For)?;
        let slice = identity.known(slice, now);
        let event = event(&slice, &self.store.ledger()).map_err(|error| match error.code() {
            GeniCode::TooBig | GeniCode::VlanUnavailable => Spoilt::NoRoom(error),
            _ => Spoilt::For(error),
        })?;
        let transition = state::apply(&slice, &event, now, &self.policy)
            .map_err(|refusal| Spoilt::For(refused(refusal)))?;
        match self.store.save(&transition).await {
            Ok(_) => Ok(transition),
            // Placement saw room that is gone by now: the next attempt sees what is left, or that nothing is.
            Err(StoreError::Conflict { .. } | StoreError::Exhausted { .. }) => Err(Spoilt::Race),
            Err(error) => Err(Spoilt::For(database(error))),
        }
    }

    /// Lets the time pass for all slices with slivers that have expired.
    pub(crate) async fn expire_due(&self) {
        let now = self.clock.earliest();
        let due = match self.store.due(now).await {
            Ok(due) => due,
            Err(error) => return tracing::error!(%error, "what has expired cannot be found"),
        };
        for slice in due {
            let turn = self.locks.take(&slice).await;
            match self.attempt(&slice, &SliceIdentity::Any, &|_: &Slice, _: &_| Ok(Event::Expire), now).await
            {
                Ok(transition) => {
                    tracing::info!(%slice, slivers = transition.departed.len(), "slivers expired")
                }
                Err(Spoilt::For(error) | Spoilt::NoRoom(error)) => {
                    tracing::error!(%slice, %error, "slivers cannot expire");
                }
                // Someone else changed the slice, and thereby dropped what had expired.
                Err(Spoilt::Race) => {}
            }
            drop(turn);
        }
    }
}

/// Why an attempt at a transaction did not succeed.
enum Spoilt {
    /// Another transaction was faster; the next attempt may succeed.
    Race,
    /// There is no room for what is wanted.
    NoRoom(CallError),
    /// For good.
    For(CallError),
}

/// The slivers of a slice by name.
fn by_name(slice: &Slice) -> HashMap<&Urn, &Sliver> {
    slice.slivers.iter().map(|sliver| (&sliver.urn, sliver)).collect()
}

/// The slivers of a transition's report that exist after it.
fn remaining(transition: &Transition) -> Vec<&Sliver> {
    let by_name = by_name(&transition.slice);
    transition.report.iter().filter_map(|outcome| by_name.get(&outcome.urn).copied()).collect()
}

/// The slivers of a transition's report.
fn slivers(slice: &Urn, transition: &Transition) -> Slivers {
    Slivers { slice: slice.clone(), slivers: transition.report.iter().map(SliverEntry::of).collect() }
}
