//! The reconciler: the one path by which anything happens in a cloud.
//!
//! Calls write down what is wanted; this task makes it so. It takes no input: it is nudged, or its timer runs
//! out, and then it compares what every unsettled sliver should be with what its driver says it is, and takes
//! the next step. A start after a crash, an answer that got lost, an expiry and a plain Provision therefore
//! are all the same to it. Every so often it compares everything with everything: instances of ours that
//! belong to no sliver are destroyed, slivers whose instance vanished fail. What cannot be undone is done only when
//! a second look says the same as the first. A driver that does not answer is left alone ([`crate::cloud::breaker`]) but
//! for a probe from time to time, and what waits for it waits.

mod compare;
mod drift;
mod halt;
mod job;
mod node;
mod recheck;
mod steps;
mod strays;
#[cfg(test)]
mod tests;
mod tombstones;
mod unreadable;
mod volumes;

use crate::config::ReconcileSection;
use crate::error::CallError;
use crate::grant::instance::InstanceDetail;
use crate::inventory::refresh::LiveInventory;
use crate::metrics::Metrics;
use crate::slices::Slices;
use chrono::{DateTime, Utc};
use drivers::{Collection, DriverError, Instance as Machine, InstanceAction, Operation, Verb};
use recheck::{RecheckTable, SuspectedMissing};
use sha2::{Digest, Sha256};
use state::{Instance, Phase, Sighting, Sliver, StoreError, Whereabouts};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use steps::UnderWay;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::error;
use urn::{Authority, Urn};

/// Slivers looked at in one page of a pass.
const PAGE: usize = 1000;
/// How long steps under way are waited for when the service ends.
const LAST_PATIENCE: Duration = Duration::from_secs(10);
/// How many pauses between looks an instance has to be missing before that is believed.
const LOOKS_TO_BELIEVE: u32 = 5;

/// The reconciler.
pub struct Reconciler {
    slices: Arc<Slices>,
    inventory: Arc<LiveInventory>,
    metrics: Arc<Metrics>,
    under_way: Arc<UnderWay>,
    prefix: String,
    /// How long a sliver that is being worked on rests between two looks.
    busy: Duration,
    /// The time between two full comparisons.
    full: Duration,
    rechecks: Mutex<RecheckTable>,
    missing: Mutex<SuspectedMissing>,
    /// In which shape the instances of settled slivers were seen by the last full comparison.
    compared: Mutex<drift::Compared>,
    /// Driver and id of the instances that the last comparison did not account for.
    strangers: Mutex<HashSet<(String, String)>>,
    /// The same of volumes.
    stray_volumes: Mutex<HashSet<(String, String)>>,
    /// Tombstones that cannot be cleared away while the service is configured as it is, and why.
    blocked: Mutex<HashMap<Urn, String>>,
    /// How many those are, by the reason, as last said in the log.
    blocked_told: Mutex<BTreeMap<String, usize>>,
}

/// What a pass left to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Left {
    slivers: usize,
    departed: usize,
}

impl Reconciler {
    /// A reconciler of these slices with the drivers of `inventory`. The `authority` is part of the names of instances.
    #[must_use]
    pub fn new(
        slices: Arc<Slices>,
        inventory: Arc<LiveInventory>,
        metrics: Arc<Metrics>,
        authority: &Authority,
        settings: &ReconcileSection,
    ) -> Arc<Self> {
        let prefix = token_prefix(authority.as_str(), slices.store().installation());
        let busy = Duration::from_secs_f64(settings.busy_seconds);
        let full = Duration::from_secs_f64(settings.full_seconds);
        Arc::new(Self {
            slices,
            inventory,
            metrics,
            full,
            under_way: Arc::default(),
            prefix,
            busy,
            rechecks: Mutex::default(),
            missing: Mutex::default(),
            compared: Mutex::default(),
            strangers: Mutex::default(),
            stray_volumes: Mutex::default(),
            blocked: Mutex::default(),
            blocked_told: Mutex::default(),
        })
    }

    /// Works until `stop` turns true.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let full = self.full;
        let mut changes = self.slices.store().changes();
        // When to look at everything; None while that is being done.
        let mut next_full = Some(Instant::now());
        let mut seen = None;
        let mut probes = JoinSet::new();
        let mut looking = JoinSet::new();
        loop {
            changes.mark_unchanged();
            let begun = Instant::now();
            self.send_probes(&mut probes);
            // Only what was seen is compared here: a driver that takes its time holds up nobody else.
            if next_full.is_some_and(|due| Instant::now() >= due) {
                looking.spawn(Arc::clone(&self).look_around());
                next_full = None;
            }
            if let Some(seen) = seen.take() {
                self.compare(seen).await;
                next_full = Some(Instant::now() + full);
            }
            let left = self.pass().await;
            let worked = begun.elapsed();
            self.metrics.round(worked);
            let mut wake = next_full.unwrap_or_else(|| Instant::now() + full);
            if left != Left::default() {
                wake = wake.min(Instant::now() + self.busy);
            }
            if let Some(look) = self.with_missing(|missing, pause| missing.next(pause)) {
                // Never at once: a driver that does not answer must not make the loop spin.
                wake = wake.min(look.max(Instant::now() + self.busy));
            }
            if let Some(expiry) = self.until_next_expiry().await {
                wake = wake.min(Instant::now() + expiry);
            }
            if let Some(probe) = self.until_next_probe() {
                wake = wake.min(Instant::now() + probe);
            }
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                Some(looked) = looking.join_next() => {
                    match looked {
                        Ok(all) => seen = Some(all),
                        Err(error) => {
                            error!(%error, "a look at all drivers ended early");
                            next_full = Some(Instant::now() + full);
                        }
                    }
                }
                // A driver may answer again: what waited for it goes on.
                Some(_) = probes.join_next() => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
                _ = stop.wait_for(|stop| *stop) => break,
            }
            // Steps end one by one, and each wakes this loop: it rests as long as it worked.
            tokio::time::sleep(worked.min(self.busy)).await;
        }
        self.under_way.close();
        self.under_way.finish(LAST_PATIENCE).await;
    }

    /// Sends the probes that are due. Nothing waits for them: a driver that takes its time to fail must not hold up the
    /// work on the others.
    fn send_probes(&self, probes: &mut JoinSet<()>) {
        for cloud in self.inventory.clouds() {
            if let Some(pass) = cloud.breaker.probe() {
                let (inventory, cloud) = (Arc::clone(&self.inventory), cloud.clone());
                probes.spawn(async move {
                    if let Err(error) = inventory.probe(&cloud, pass).await {
                        log_store(error);
                    }
                });
            }
        }
    }

    /// How long until the next probe is due.
    fn until_next_probe(&self) -> Option<Duration> {
        let next = self.inventory.clouds().iter().filter_map(|cloud| cloud.breaker.until_probe()).min()?;
        // The clock knows whole seconds only.
        Some(next.max(Duration::from_millis(200)))
    }

    /// One round over all that is not as it should be: what is due is started, and nothing waits for a driver.
    async fn pass(self: &Arc<Self>) -> Left {
        self.slices.expire_due().await;
        let departed = self.clear_tombstones().await;
        let slivers = self.work_on_unsettled().await;
        self.look_again_for_missing().await;
        self.with_rechecks(|table, pause| table.tidy(Instant::now(), pause));
        Left { slivers, departed }
    }

    async fn until_next_expiry(&self) -> Option<Duration> {
        let next = self.slices.store().next_expiry().await.map_err(log_store).ok()??;
        // Never at once: an expiry that cannot be carried out must not make the loop spin.
        Some(
            (next - self.slices.clock().earliest())
                .to_std()
                .unwrap_or_default()
                .max(Duration::from_millis(200)),
        )
    }

    /// Looks once more at slivers whose instance was not there.
    async fn look_again_for_missing(self: &Arc<Self>) {
        let mut by_slice: BTreeMap<Urn, HashSet<Urn>> = BTreeMap::new();
        for sliver in self.with_missing(|missing, pause| missing.due(Instant::now(), pause)) {
            match self.slices.store().slice_of(&sliver).await {
                Ok(Some(Whereabouts::Here(slice))) => {
                    by_slice.entry(slice).or_default().insert(sliver);
                }
                Ok(_) => self.with_missing(|missing, _| missing.forget(&sliver)),
                Err(error) => log_store(error),
            }
        }
        self.start_steps(by_slice, Duration::ZERO).await;
    }

    /// Starts a step for each sliver that is not settled; the number of those.
    async fn work_on_unsettled(self: &Arc<Self>) -> usize {
        let mut after: Option<Urn> = None;
        let mut left = 0;
        loop {
            let page = match self.slices.store().unsettled(after.as_ref(), PAGE).await {
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
            self.start_steps(by_slice, self.busy).await;
        }
    }

    fn with_rechecks<T>(&self, work: impl FnOnce(&mut RecheckTable, Duration) -> T) -> T {
        work(&mut self.rechecks.lock().unwrap_or_else(PoisonError::into_inner), self.busy)
    }

    fn with_missing<T>(&self, work: impl FnOnce(&mut SuspectedMissing, Duration) -> T) -> T {
        work(&mut self.missing.lock().unwrap_or_else(PoisonError::into_inner), self.busy * LOOKS_TO_BELIEVE)
    }

    /// The name of a sliver's instance: ours among everything else in the cloud, and the same for every attempt.
    fn token(&self, sliver: &Urn) -> String {
        format!("{}{}", self.prefix, sliver.name())
    }

    fn now(&self) -> DateTime<Utc> {
        self.slices.now()
    }
}

/// An operation on instances.
const fn instances(verb: Verb) -> Operation {
    Operation::new(Collection::Instances, verb)
}

/// The operation that an action is.
fn operation(action: InstanceAction) -> Operation {
    instances(match action {
        InstanceAction::Create => Verb::Create,
        InstanceAction::Start => Verb::Start,
        InstanceAction::Stop => Verb::Stop,
        InstanceAction::Reboot => Verb::Reboot,
        InstanceAction::Destroy => Verb::Destroy,
    })
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
        instance: Some(Instance {
            halted: sliver.suspended,
            ..Instance::new(phase, sliver.wanted, serde_json::Value::Null)
        }),
        error: None,
        stays: None,
    }
}

/// What the names of an installation's instances begin with: another aggregate on the same cloud has another, and so
/// has the same aggregate with another database.
fn token_prefix(authority: &str, installation: &str) -> String {
    let mut hash = Sha256::new().chain_update(authority.to_ascii_lowercase());
    if !installation.is_empty() {
        hash = hash.chain_update([0]).chain_update(installation);
    }
    let digest = hash.finalize();
    format!("am{:02x}{:02x}{:02x}{:02x}-", digest[0], digest[1], digest[2], digest[3])
}

/// What came of all these tasks, except of those that ended in a panic, which is for the log.
async fn finished<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut all = Vec::with_capacity(tasks.len());
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(value) => all.push(value),
            // The end of the service cancels what is under way: the next start takes it up again.
            Err(error) if error.is_cancelled() => {}
            Err(error) => error!(%error, "a step of the reconciler ended early"),
        }
    }
    all
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
