//! The comparison of all instances with all slivers.

use super::drift::{self, Shapes};
use super::strays::Strays;
use super::{PAGE, Reconciler, finished, instances, log_store};
use crate::cloud::Cloud;
use crate::grant::Grant;
use crate::grant::instance::InstanceDetail;
use chrono::TimeDelta;
use drivers::{ComputeDriver, Instance as Machine, InstanceState, Verb};
use state::{AllocationStatus, Operational, ResourceKind, Sliver};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};
use urn::Urn;

/// How long it is known of a sliver that went, and to which slice it belonged. Names are random, so that none is given
/// again by accident after that.
const REMEMBERED: TimeDelta = TimeDelta::days(90);
/// The most slivers forgotten in one go: whoever saves something waits for it.
const MOST_DROPPED: usize = 1000;

/// Whose turn it is in a lane when what belongs to no sliver is destroyed.
pub(super) const ORPHANS: &str = "orphans";

/// Instances that bear a name of ours, by that name.
type Unclaimed<'a> = HashMap<&'a str, Vec<(&'a Cloud, &'a Machine)>>;

/// What the drivers that answered have.
pub(super) struct Seen {
    machines: Vec<(Cloud, Vec<Machine>)>,
    volumes: Strays,
}

impl Reconciler {
    /// Asks all drivers what they have. May take as long as the slowest of them, and changes nothing.
    pub(super) async fn look_around(self: Arc<Self>) -> Seen {
        if let Err(error) = self.inventory.refresh().await {
            warn!(%error, "what the drivers have cannot be noted");
        }
        let mut listing = JoinSet::new();
        for cloud in self.inventory.clouds().iter().cloned() {
            let question = |driver: Arc<dyn ComputeDriver>| async move { driver.instances().await };
            listing.spawn(async move {
                let answer = cloud.ask(instances(Verb::Index), question).await;
                Some((cloud, answer?.ok()?))
            });
        }
        let machines = finished(listing).await.into_iter().flatten().collect();
        Seen { machines, volumes: self.list_volumes().await }
    }

    /// Compares what was seen with all slivers: slivers that are not as they are said to be are looked at, instances that
    /// no sliver accounts for are destroyed when the comparison before this one found them, too.
    ///
    /// The instances were listed before the slivers are: one that was created in between is in neither list or in both,
    /// never an instance without a sliver. One whose sliver went in between is gone by the next comparison.
    pub(super) async fn compare(self: &Arc<Self>, seen: Seen) {
        let store = self.slices.store();
        let Seen { machines: listed, volumes: mut strays } = seen;
        let live = listed
            .iter()
            .flat_map(|(cloud, machines)| machines.iter().map(move |machine| (cloud, machine)))
            .filter(|(_, machine)| machine.state != InstanceState::Finish);
        let mut unclaimed = Unclaimed::new();
        let mut present: HashSet<(&str, bool)> = HashSet::new();
        let (mut shapes, mut settled_keys) = (Shapes::new(), HashSet::new());
        for (cloud, machine) in live {
            present.insert((machine.name.as_str(), machine.state == InstanceState::Running));
            if machine.name.starts_with(&self.prefix) {
                drift::add(&mut shapes, &cloud.name, machine);
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
            let mut to_claim: BTreeMap<Urn, Vec<Urn>> = BTreeMap::new();
            let mut with_volumes: BTreeMap<Urn, Vec<Urn>> = BTreeMap::new();
            let mut settled: BTreeMap<Urn, Vec<Urn>> = BTreeMap::new();
            for entry in page {
                let token = self.token(&entry.sliver);
                // Only a driver that answered can tell that an instance is not there.
                let is_suspect = match entry.operational {
                    Operational::Ready => !present.contains(&(token.as_str(), true)),
                    Operational::NotReady => !present.contains(&(token.as_str(), false)),
                    // It may have failed for nothing but that its instance was not to be seen.
                    Operational::Failed => {
                        [true, false].iter().any(|it| present.contains(&(token.as_str(), *it)))
                    }
                    // Of a slice that is shut down, with an instance that showed up after all.
                    Operational::PendingAllocation => present.contains(&(token.as_str(), true)),
                    _ => false,
                };
                if is_suspect
                    && entry.resource == ResourceKind::Node
                    && entry.status != AllocationStatus::Allocated
                {
                    suspects.entry(entry.slice.clone()).or_default().insert(entry.sliver.clone());
                } else if matches!(entry.operational, Operational::Ready | Operational::NotReady)
                    && entry.resource == ResourceKind::Node
                {
                    settled_keys.insert(drift::key(&entry.sliver));
                    settled.entry(entry.slice.clone()).or_default().push(entry.sliver.clone());
                }
                if strays.has(&token) {
                    with_volumes.entry(entry.slice.clone()).or_default().push(entry.sliver.clone());
                }
                if self.inventory.clouds().len() > 1 && unclaimed.contains_key(token.as_str()) {
                    to_claim.entry(entry.slice).or_default().push(entry.sliver);
                } else {
                    unclaimed.remove(token.as_str());
                }
            }
            for (slice, slivers) in with_volumes {
                self.claim_volumes(&slice, &slivers, &mut strays).await;
            }
            for (slice, slivers) in to_claim {
                self.claim(&slice, &slivers, &mut unclaimed).await;
            }
            for (slice, slivers) in self.drifted(settled, &shapes).await {
                suspects.entry(slice).or_default().extend(slivers);
            }
            self.start_steps(suspects, Duration::ZERO).await;
        }
        self.forget_shapes(&settled_keys);
        let left_alone = self.left_alone();
        unclaimed.retain(|token, _| !left_alone.has(token));
        strays.retain(|token| !left_alone.has(token));
        self.destroy_strangers(unclaimed);
        self.destroy_stray_volumes(strays);
        self.drop_long_departed().await;
    }

    /// Forgets slivers that went long ago and of which nothing is left, so that the list of them does not grow without
    /// end. Should something of one show up all the same, it bears our name and belongs to no sliver: it is destroyed.
    async fn drop_long_departed(&self) {
        // All that are due: as many went 90 days ago as may go today. Saves get their turn between two batches.
        let mut forgotten = 0;
        loop {
            match self.slices.store().drop_departed(self.now() - REMEMBERED, MOST_DROPPED).await {
                Ok(slivers) => {
                    forgotten += slivers;
                    if slivers < MOST_DROPPED {
                        break;
                    }
                }
                Err(error) => return log_store(error),
            }
        }
        if forgotten > 0 {
            debug!(slivers = forgotten, "slivers that went long ago are forgotten");
        }
    }

    /// Takes from `unclaimed` what belongs to these slivers: the instances at drivers that they know of.
    async fn claim(&self, slice: &Urn, slivers: &[Urn], unclaimed: &mut Unclaimed<'_>) {
        let found = self.slices.slice(slice).await;
        for urn in slivers {
            let sliver = found.as_ref().ok().and_then(|slice| slice.sliver(urn));
            let token = self.token(urn);
            match sliver.and_then(drivers_of) {
                Some(drivers) => {
                    if let Some(machines) = unclaimed.get_mut(token.as_str()) {
                        machines.retain(|(cloud, _)| !drivers.contains(&cloud.name));
                    }
                }
                // In doubt it is the sliver's.
                None => drop(unclaimed.remove(token.as_str())),
            }
        }
    }

    /// Destroys those that the last comparison did not account for either. One comparison alone may be wrong.
    fn destroy_strangers(self: &Arc<Self>, unclaimed: Unclaimed<'_>) {
        let strangers: Vec<_> = unclaimed.into_values().flatten().collect();
        let names =
            strangers.iter().map(|(cloud, machine)| (cloud.name.clone(), machine.id.clone())).collect();
        let before =
            std::mem::replace(&mut *self.strangers.lock().unwrap_or_else(PoisonError::into_inner), names);
        for (cloud, machine) in strangers {
            let (driver, instance, name) = (&cloud.name, &machine.id, &machine.name);
            if before.contains(&(driver.clone(), instance.clone())) {
                info!(driver, instance, name, "belongs to no sliver: destroying it");
                let (this, cloud, machine) = (Arc::clone(self), cloud.clone(), machine.clone());
                self.under_way.spawn(async move {
                    let _place = cloud.lane.enter(ORPHANS).await;
                    this.destroy(&cloud, &machine).await;
                });
            } else {
                info!(
                    driver,
                    instance, name, "belongs to no sliver: destroyed if the next comparison says so, too"
                );
            }
        }
    }
}

/// The drivers at which a sliver may have an instance; `None` if that cannot be told.
fn drivers_of(sliver: &Sliver) -> Option<HashSet<String>> {
    let noted = InstanceDetail::of(sliver).map(|noted| noted.built.driver);
    let mut drivers: HashSet<String> = noted.into_iter().collect();
    for configuration in sliver.configurations() {
        if let Grant::Node(grant) = Grant::of(configuration).ok()? {
            drivers.insert(grant.driver.clone());
        }
    }
    Some(drivers)
}
