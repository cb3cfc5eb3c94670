//! The reconciler: the one path by which anything happens in a cloud.
//!
//! Calls write down what is wanted; this task makes it so. It takes no input: it is nudged, or its timer runs
//! out, and then it compares what every unsettled sliver should be with what its driver says it is, and takes
//! the next step. A start after a crash, an answer that got lost, an expiry and a plain Provision therefore
//! are all the same to it. Every so often it compares everything with everything: instances of ours that
//! belong to no sliver are destroyed, slivers whose instance vanished fail.

mod backoff;
mod node;

use crate::aggregate::Aggregate;
use crate::aggregate::error::CallError;
use crate::aggregate::grant::Grant;
use crate::aggregate::inventory::Cloud;
use crate::aggregate::manifest::InstanceDetail;
use backoff::Backoff;
use chrono::{DateTime, Utc};
use drivers::{DriverError, Instance as Machine, InstanceAction, InstanceState, Step as Way};
use sha2::{Digest, Sha256};
use state::{
    AllocationStatus, DepartedSliver, Event, Goal, Instance, Observe, Operational, Phase, Power,
    ResourceKind, Sighting, Sliver, StoreError,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};
use urn::Urn;

/// Slivers looked at in one page of a pass.
const PAGE: usize = 1000;
/// Driver calls under way at once.
const PARALLEL: usize = 16;

/// The reconciler.
pub struct Reconciler {
    aggregate: Arc<Aggregate>,
    backoff: Mutex<BTreeMap<String, Backoff>>,
    /// Places for driver work under way.
    places: Arc<Semaphore>,
    prefix: String,
}

/// What a pass left to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Left {
    slivers: usize,
    departed: usize,
}

impl Reconciler {
    /// A reconciler for `aggregate`.
    #[must_use]
    pub fn new(aggregate: Arc<Aggregate>) -> Arc<Self> {
        let prefix = token_prefix(aggregate.authority().as_str());
        Arc::new(Self {
            aggregate,
            backoff: Mutex::new(BTreeMap::new()),
            places: Arc::new(Semaphore::new(PARALLEL)),
            prefix,
        })
    }

    /// Works until `stop` turns true.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let settings = self.aggregate.config().reconcile.clone();
        let busy = Duration::from_secs_f64(settings.busy_seconds);
        let full = Duration::from_secs_f64(settings.full_seconds);
        let mut changes = self.aggregate.store().changes();
        let mut next_full = Instant::now();
        loop {
            changes.mark_unchanged();
            if Instant::now() >= next_full {
                self.compare_everything().await;
                next_full = Instant::now() + full;
            }
            let left = self.pass().await;
            let mut wake = next_full;
            if left != Left::default() {
                wake = wake.min(Instant::now() + busy);
            }
            if let Some(expiry) = self.until_next_expiry().await {
                wake = wake.min(Instant::now() + expiry);
            }
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// One round over all that is not as it should be.
    async fn pass(self: &Arc<Self>) -> Left {
        self.aggregate.expire_due().await;
        let departed = self.clear_departed().await;
        let slivers = self.work_on_unsettled().await;
        Left { slivers, departed }
    }

    async fn until_next_expiry(&self) -> Option<Duration> {
        let next = self.aggregate.store().next_expiry().await.map_err(log_store).ok()??;
        // Never at once: an expiry that cannot be carried out must not make the loop spin.
        Some((next - self.aggregate.now()).to_std().unwrap_or_default().max(Duration::from_millis(200)))
    }

    /// Takes one step for each sliver that is not settled; the number of those that are still not.
    async fn work_on_unsettled(self: &Arc<Self>) -> usize {
        let mut after: Option<Urn> = None;
        let mut left = 0;
        loop {
            let page = match self.aggregate.store().unsettled(after.as_ref(), PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    log_store(error);
                    return left + 1;
                }
            };
            let Some(last) = page.last() else { return left };
            after = Some(last.sliver.clone());
            left += page.len();
            let mut by_slice: BTreeMap<Urn, HashSet<Urn>> = BTreeMap::new();
            for unsettled in page {
                by_slice.entry(unsettled.slice).or_default().insert(unsettled.sliver);
            }
            self.work_on_slices(by_slice).await;
        }
    }

    async fn work_on_slices(self: &Arc<Self>, slices: BTreeMap<Urn, HashSet<Urn>>) {
        let mut tasks = JoinSet::new();
        for (slice, slivers) in slices {
            tasks.spawn(Arc::clone(self).work_on_slice(slice, slivers));
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn work_on_slice(self: Arc<Self>, urn: Urn, names: HashSet<Urn>) {
        let slice = match self.aggregate.slice(&urn).await {
            Ok(slice) => slice,
            Err(error) => return log_call(&urn, &error),
        };
        let mut tasks = JoinSet::new();
        for sliver in slice.slivers.iter().filter(|sliver| names.contains(&sliver.urn)) {
            let (this, sliver) = (Arc::clone(&self), sliver.clone());
            tasks.spawn(async move {
                let _place = this.places.acquire().await;
                this.work_on(&sliver).await
            });
        }
        let mut sightings = Vec::new();
        while let Some(done) = tasks.join_next().await {
            sightings.extend(done.ok().flatten());
        }
        self.observe(&urn, sightings).await;
    }

    /// Writes down what was seen.
    async fn observe(&self, slice: &Urn, sightings: Vec<Sighting>) {
        if sightings.is_empty() {
            return;
        }
        let event = |_: &_, _: &_| Ok(Event::Observe(Observe { sightings: sightings.clone() }));
        if let Err(error) = self.aggregate.transact(slice, event).await {
            log_call(slice, &error);
        }
    }

    /// Takes the next step for one sliver and says what it is then.
    async fn work_on(&self, sliver: &Sliver) -> Option<Sighting> {
        match (sliver.resource, sliver.goal()) {
            (_, Goal::Absent) => None,
            (ResourceKind::Link, Goal::Halted) => Some(link_sighting(sliver, Phase::Stopped)),
            (ResourceKind::Link, Goal::Present { power, .. }) => Some(link_sighting(
                sliver,
                match power {
                    Power::Running => Phase::Running,
                    Power::Stopped => Phase::Stopped,
                },
            )),
            (ResourceKind::Node, Goal::Halted) => self.halt_node(sliver).await,
            (ResourceKind::Node, Goal::Present { power, configuration, revision }) => {
                self.work_on_node(sliver, power, &configuration, revision).await
            }
        }
    }

    /// Destroys what was built for slivers that are gone; the number of those that are not done with.
    async fn clear_departed(self: &Arc<Self>) -> usize {
        let mut after: Option<Urn> = None;
        let mut left = 0;
        loop {
            let page = match self.aggregate.store().departed(after.as_ref(), PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    log_store(error);
                    return left + 1;
                }
            };
            let Some(last) = page.last() else { return left };
            after = Some(last.sliver.clone());
            let count = page.len();
            let mut tasks = JoinSet::new();
            for sliver in page {
                let this = Arc::clone(self);
                tasks.spawn(async move {
                    let _place = this.places.acquire().await;
                    this.clear(&sliver).await.then_some(sliver.sliver)
                });
            }
            let mut gone: Vec<Urn> = Vec::new();
            while let Some(done) = tasks.join_next().await {
                gone.extend(done.ok().flatten());
            }
            left += count - gone.len();
            if !gone.is_empty()
                && let Err(error) = self.aggregate.store().forget_departed(&gone).await
            {
                log_store(error);
                left += gone.len();
            }
        }
    }

    /// Takes the next step to clear one departed sliver away; whether nothing is left of it.
    async fn clear(&self, departed: &DepartedSliver) -> bool {
        let granted = match Grant::of(&departed.configuration) {
            Ok(Grant::Link(_)) => return true,
            Ok(Grant::Node(grant)) => grant.driver.clone(),
            Err(error) => {
                error!(sliver = %departed.sliver, %error, "a departed sliver cannot be cleared away");
                return false;
            }
        };
        // A sliver that went in the middle of a move to another driver may have an instance at either.
        let noted = departed.instance.as_ref().and_then(|instance| InstanceDetail::read(&instance.detail));
        let elsewhere = noted.map(|noted| noted.built.driver).filter(|driver| *driver != granted);
        let mut cleared = true;
        for driver in std::iter::once(granted).chain(elsewhere) {
            cleared &= self.clear_at(departed, &driver).await;
        }
        cleared
    }

    /// Takes the next step to clear one departed sliver away from one driver; whether nothing is left of it there.
    async fn clear_at(&self, departed: &DepartedSliver, driver: &str) -> bool {
        let inventory = self.aggregate.inventory();
        let Some(cloud) = inventory.cloud(driver) else {
            warn!(sliver = %departed.sliver, driver, "its driver is not configured any more: its instance stays");
            return false;
        };
        let result = self
            .ask(cloud, |driver| async move { driver.instance_named(&self.token(&departed.sliver)).await })
            .await;
        match result {
            Some(Ok(None)) => true,
            Some(Ok(Some(machine))) => self.destroy(cloud, &machine).await,
            Some(Err(_)) | None => false,
        }
    }

    /// Takes the next step to destroy an instance; whether it is gone.
    async fn destroy(&self, cloud: &Cloud, machine: &Machine) -> bool {
        match cloud.driver.instance_states().step(&machine.state, &InstanceState::Finish) {
            Way::Done => true,
            Way::Wait => false,
            Way::Act(action) => {
                let done =
                    self.ask(cloud, |driver| async move { act(&*driver, &machine.id, action).await }).await;
                match done {
                    Some(Ok(_)) => {
                        debug!(driver = cloud.name, instance = machine.id, %action, "toward the end of an instance");
                        false
                    }
                    Some(Err(DriverError::NotFound { .. })) => true,
                    _ => false,
                }
            }
            Way::Impossible => {
                warn!(driver = cloud.name, instance = machine.id, state = %machine.state, "cannot be destroyed from this state");
                false
            }
        }
    }

    /// Compares all instances with all slivers.
    async fn compare_everything(self: &Arc<Self>) {
        if let Err(error) = self.aggregate.refresh_inventory().await {
            warn!(%error, "the drivers could not be asked what they have");
        }
        let store = self.aggregate.store();
        // The instances are listed before the slivers: one that is created in between is then in neither list or in
        // both, never an instance without a sliver.
        let mut listed = Vec::new();
        for offer in &self.aggregate.inventory().offers {
            if let Some(Ok(machines)) =
                self.ask(&offer.cloud, |driver| async move { driver.instances().await }).await
            {
                listed.push((offer.cloud.clone(), machines));
            }
        }
        let live = listed
            .iter()
            .flat_map(|(cloud, machines)| machines.iter().map(move |machine| (cloud, machine)))
            .filter(|(_, machine)| machine.state != InstanceState::Finish);
        let mut unclaimed: HashMap<&str, Vec<(&Cloud, &Machine)>> = HashMap::new();
        let mut present: HashSet<(&str, bool)> = HashSet::new();
        for (cloud, machine) in live {
            present.insert((machine.name.as_str(), machine.state == InstanceState::Running));
            if machine.name.starts_with(&self.prefix) {
                unclaimed.entry(machine.name.as_str()).or_default().push((cloud, machine));
            }
        }
        let mut after: Option<Urn> = None;
        loop {
            // Page by page: all slivers there are may be more than fit into memory comfortably.
            let page = match store.roster(after.as_ref(), PAGE).await {
                Ok(page) => page,
                Err(error) => return log_store(error),
            };
            let Some(last) = page.last() else { break };
            after = Some(last.sliver.clone());
            let mut suspects: BTreeMap<Urn, HashSet<Urn>> = BTreeMap::new();
            for entry in page {
                let token = self.token(&entry.sliver);
                unclaimed.remove(token.as_str());
                if entry.resource == ResourceKind::Node
                    && entry.status != AllocationStatus::Allocated
                    && matches!(entry.operational, Operational::Ready | Operational::NotReady)
                {
                    let running = entry.operational == Operational::Ready;
                    // Only a driver that answered can tell that an instance is not there.
                    if !present.contains(&(token.as_str(), running)) {
                        suspects.entry(entry.slice).or_default().insert(entry.sliver);
                    }
                }
            }
            self.work_on_slices(suspects).await;
        }
        for (cloud, machine) in unclaimed.into_values().flatten() {
            info!(
                driver = cloud.name,
                instance = machine.id,
                name = machine.name,
                "belongs to no sliver: destroying it"
            );
            self.destroy(cloud, machine).await;
        }
    }

    /// Asks a driver something, unless it has been failing and is to be left alone for a while.
    async fn ask<T, F>(
        &self,
        cloud: &Cloud,
        question: impl FnOnce(Arc<dyn drivers::ComputeDriver>) -> F,
    ) -> Option<Result<T, DriverError>>
    where
        F: Future<Output = Result<T, DriverError>>,
    {
        let now = self.aggregate.now();
        if !self.with_backoff(&cloud.name, |backoff| backoff.may_ask(now)) {
            return None;
        }
        let answer = question(Arc::clone(&cloud.driver)).await;
        match &answer {
            Err(error) if error.is_retryable() || *error == DriverError::Unauthorised => {
                warn!(driver = cloud.name, %error, "driver failed");
                self.with_backoff(&cloud.name, |backoff| backoff.failed(now));
            }
            _ => self.with_backoff(&cloud.name, Backoff::answered),
        }
        Some(answer)
    }

    fn with_backoff<T>(&self, driver: &str, change: impl FnOnce(&mut Backoff) -> T) -> T {
        let mut all = self.backoff.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(driver.to_owned()).or_default())
    }

    /// The name of a sliver's instance: ours among everything else in the cloud, and the same for every attempt.
    fn token(&self, sliver: &Urn) -> String {
        format!("{}{}", self.prefix, sliver.name())
    }

    fn now(&self) -> DateTime<Utc> {
        self.aggregate.now()
    }
}

/// Carries out one action.
async fn act(
    driver: &dyn drivers::ComputeDriver,
    id: &str,
    action: InstanceAction,
) -> Result<Option<Machine>, DriverError> {
    match action {
        InstanceAction::Start => driver.start_instance(id).await.map(Some),
        InstanceAction::Stop => driver.stop_instance(id).await.map(Some),
        InstanceAction::Reboot => driver.reboot_instance(id).await.map(Some),
        InstanceAction::Destroy => driver.destroy_instance(id).await.map(|()| None),
        // Nothing leads from an instance that exists to its creation.
        InstanceAction::Create => Ok(None),
    }
}

/// A link has nothing in a cloud: it is at once what it shall be.
fn link_sighting(sliver: &Sliver, phase: Phase) -> Sighting {
    Sighting {
        sliver: sliver.urn.clone(),
        instance: Some(Instance { phase, done: sliver.wanted, detail: serde_json::Value::Null }),
        error: None,
    }
}

/// What the names of an aggregate's instances begin with: another aggregate on the same cloud has another.
fn token_prefix(authority: &str) -> String {
    let digest = Sha256::digest(authority.to_ascii_lowercase().as_bytes());
    format!("am{:02x}{:02x}{:02x}{:02x}-", digest[0], digest[1], digest[2], digest[3])
}

fn log_store(error: StoreError) {
    error!(%error, "the reconciler cannot use the database");
}

fn log_call(slice: &Urn, error: &CallError) {
    error!(%slice, %error, "the reconciler cannot change a slice");
}

/// Addresses to log in by: public ones first.
fn addresses(machine: &Machine) -> Vec<drivers::InstanceAddress> {
    machine.public_addresses.iter().chain(&machine.private_addresses).cloned().collect()
}

/// What is stored of an instance.
fn detail(detail: &InstanceDetail) -> serde_json::Value {
    serde_json::to_value(detail).unwrap_or_default()
}
