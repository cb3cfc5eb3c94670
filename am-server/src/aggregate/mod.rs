//! What an aggregate does: one file per call of the AM API, named as the call.
//!
//! Every call goes the same way. It is admitted ([`Aggregate::admit`]): the URNs it names are read, the slice they
//! belong to is found, and the caller's credentials are held against it, in this one place. Then it
//! either reads the slice, or changes it in one transaction ([`Slices::transact`]): load, pure transition,
//! save. No call talks to a driver; what a transition wants of the clouds is found by the reconciler.

pub mod allocate;
pub mod answer;
pub mod caller;
pub mod cancel;
pub mod delete;
pub mod describe;
pub mod get_version;
pub mod list_resources;
pub mod manifest;
pub mod perform_operational_action;
pub mod provision;
pub mod renew;
pub mod shutdown;
pub mod status;
pub mod update;

mod admission;
mod budget;
mod demands;

pub use admission::Admitted;

use crate::clock::GuardedClock;
use crate::cloud::Cloud;
use crate::config::Config;
use crate::error::CallError;
use crate::grant::waiting::waits_for;
use crate::inventory::Inventory;
use crate::inventory::advertisement::ReadyAdvertisement;
use crate::inventory::refresh::LiveInventory;
use crate::metrics::Metrics;
use crate::slices::Slices;
use answer::{SliverEntry, Slivers};
use budget::Budgets;
use caller::CredentialText;
use chrono::{DateTime, Utc};
use credentials::{TrustRoots, Verifier};
use state::{Event, Ledger, Outcome, Policy, Slice, Sliver, Store, StoreError, Transition};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use urn::{Authority, Urn};

/// Calls whose large credentials are verified at once.
const VERIFYING: usize = 2;

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
    config: Arc<Config>,
    authority: Authority,
    principal: credentials::Aggregate,
    limits: rspec::Limits,
    verifier: Arc<Verifier>,
    /// Places for large credentials being verified.
    verifying: Arc<Semaphore>,
    /// What callers may have verified anew.
    budgets: Arc<Budgets>,
    slices: Arc<Slices>,
    inventory: Arc<LiveInventory>,
    advertisement: Mutex<Option<Arc<ReadyAdvertisement>>>,
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
        let config = Arc::new(config);
        let inventory = LiveInventory::start(Arc::clone(&config), Arc::clone(&store), clouds).await?;
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
            limits,
            verifier,
            verifying: Arc::new(Semaphore::new(VERIFYING)),
            budgets,
            slices: Arc::new(Slices::new(store, clock, policy)),
            inventory: Arc::new(inventory),
            advertisement: Mutex::new(None),
            metrics,
        })
    }

    /// Now, in whole seconds.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.slices.now()
    }

    /// The clock, which may have doubts about the time. Credentials and certificates are judged by
    /// [`GuardedClock::latest`], expiry by [`GuardedClock::earliest`].
    #[must_use]
    pub fn clock(&self) -> &Arc<GuardedClock> {
        self.slices.clock()
    }

    /// Whom the aggregate trusts.
    #[must_use]
    pub fn trust(&self) -> Arc<TrustRoots> {
        self.verifier.roots()
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
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
        self.slices.store()
    }

    /// The rules slivers are lent by.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.slices.policy()
    }

    /// What there is to lend.
    #[must_use]
    pub fn inventory(&self) -> Arc<Inventory> {
        self.inventory.current()
    }

    /// The drivers behind the aggregate.
    #[must_use]
    pub fn clouds(&self) -> &[Cloud] {
        self.inventory.clouds()
    }

    /// The inventory in force, which the reconciler refreshes.
    #[must_use]
    pub fn live_inventory(&self) -> &Arc<LiveInventory> {
        &self.inventory
    }

    /// A sliver as Status and Describe tell it.
    fn entry(&self, sliver: &Sliver, outcome: &Outcome) -> SliverEntry {
        let entry = SliverEntry::of(outcome);
        match waits_for(self.clouds(), sliver) {
            Some(error) => SliverEntry { error, ..entry },
            None => entry,
        }
    }

    /// The slices and their transactions.
    #[must_use]
    pub fn slices(&self) -> &Arc<Slices> {
        &self.slices
    }

    /// Changes the slice of an admitted call by one event, in one transaction ([`Slices::transact`]).
    async fn transact<F>(&self, admitted: &Admitted, event: F) -> Result<Transition, CallError>
    where
        F: Fn(&Slice, &Ledger) -> Result<Event, CallError> + Send,
    {
        let events = move |slice: &Slice, held: &Ledger| Ok(vec![event(slice, held)?]);
        self.slices.transact(&admitted.slice, &admitted.identity, events).await
    }
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
