//! Steps: each is a task of its own, in the lane of the driver that it is about.
//!
//! A round of the reconciler starts what is due and waits for none of it, so that a slow driver holds up nothing at
//! another one. One sliver has one step under way at most: a tombstone is never cleared while a creation for it may still
//! be on its way. What was seen of the slivers of one slice is saved together as far as it comes together.

use super::{Reconciler, link_sighting, log_call, log_store};
use crate::cloud::Cloud;
use crate::cloud::lane::Place;
use crate::grant::Grant;
use crate::grant::instance::InstanceDetail;
use crate::slices::SliceIdentity;
use state::{
    DepartedSliver, Event, Goal, Ledger, Observe, Phase, Power, ResourceKind, Sighting, Slice, Sliver,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::error;
use urn::Urn;

/// How old a sliver may be when a step for it begins. One that waited longer for its place is read again: something else
/// may be wanted of it by now.
const FRESH: Duration = Duration::from_millis(200);
/// How long the first result of a slice waits for others to be saved with.
const GATHER: Duration = Duration::from_millis(4);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Slivers with a step under way, the tasks, and the results that are not saved yet.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    slivers: Mutex<HashSet<Urn>>,
    tasks: Mutex<JoinSet<()>>,
    /// The service ends: what has not begun does not begin any more.
    closing: AtomicBool,
    sightings: Gathered<Urn, Sighting>,
    cleared: Gathered<(), Urn>,
}

/// The right to work on one sliver.
#[derive(Debug)]
pub(super) struct Claim {
    under_way: Arc<UnderWay>,
    sliver: Urn,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.under_way.slivers).remove(&self.sliver);
    }
}

impl UnderWay {
    /// The right to work on a sliver; `None` while a step for it is under way.
    pub(super) fn claim(self: &Arc<Self>, sliver: &Urn) -> Option<Claim> {
        let is_new = lock(&self.slivers).insert(sliver.clone());
        is_new.then(|| Claim { under_way: Arc::clone(self), sliver: sliver.clone() })
    }

    /// Starts a task, and takes note of those that ended.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while let Some(ended) = tasks.try_join_next() {
            note_end(ended);
        }
        tasks.spawn(task);
    }

    /// Lets no further step begin.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether steps may begin.
    pub(super) fn is_open(&self) -> bool {
        !self.closing.load(Ordering::Relaxed)
    }

    /// Waits until no task is under way, `patience` at most; the rest is broken off. What it asked for may have happened,
    /// as after a crash.
    pub(super) async fn finish(&self, patience: Duration) {
        let all = async {
            loop {
                // Tasks may start others.
                let mut tasks = std::mem::take(&mut *lock(&self.tasks));
                if tasks.is_empty() {
                    return;
                }
                while let Some(ended) = tasks.join_next().await {
                    note_end(ended);
                }
            }
        };
        drop(tokio::time::timeout(patience, all).await);
    }
}

/// What is for the log of a task that ended: a panic. The end of the service cancels what is under way, and the next start
/// takes it up again.
fn note_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && !error.is_cancelled()
    {
        error!(%error, "a step of the reconciler ended early");
    }
}

/// Results that come one by one and are saved together: whoever brings the first one of a key saves, and takes along what
/// comes meanwhile. Each brings the claim of its sliver, which is given up once it is saved.
#[derive(Debug)]
struct Gathered<K, V>(Mutex<HashMap<K, Vec<(V, Claim)>>>);

impl<K, V> Default for Gathered<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, V> Gathered<K, V> {
    /// Brings a result; the saver's part if nobody saves for this key yet.
    fn bring(&self, key: &K, value: V, claim: Claim) -> Option<Saver<'_, K, V>> {
        let mut all = lock(&self.0);
        if let Some(waiting) = all.get_mut(key) {
            waiting.push((value, claim));
            return None;
        }
        all.insert(key.clone(), vec![(value, claim)]);
        Some(Saver { all: self, key: key.clone(), ended: false })
    }
}

/// The part of the one who saves. Dropped, also by a panic, it lets another one do so.
struct Saver<'a, K: Clone + Eq + Hash, V> {
    all: &'a Gathered<K, V>,
    key: K,
    ended: bool,
}

impl<K: Clone + Eq + Hash, V> Saver<'_, K, V> {
    /// The next results to be saved; `None` ends the part: whoever comes then is the first again.
    fn take(&mut self) -> Option<(Vec<V>, Vec<Claim>)> {
        let mut all = lock(&self.all.0);
        let waiting = all.get_mut(&self.key).map(std::mem::take).filter(|waiting| !waiting.is_empty());
        if waiting.is_none() {
            all.remove(&self.key);
            self.ended = true;
        }
        Some(waiting?.into_iter().unzip())
    }
}

impl<K: Clone + Eq + Hash, V> Drop for Saver<'_, K, V> {
    fn drop(&mut self) {
        // After the last `take` another one may save already, and has an entry of its own.
        if !self.ended {
            let left = lock(&self.all.0).remove(&self.key);
            drop(left);
        }
    }
}

impl Reconciler {
    /// Starts a step for each of these slivers, unless one is under way or the last one for the same wish is less than
    /// `pause` ago. Without a pause each is due.
    pub(super) async fn start_steps(self: &Arc<Self>, slices: BTreeMap<Urn, HashSet<Urn>>, pause: Duration) {
        for (urn, names) in slices {
            let slice = match self.slices.slice(&urn).await {
                Ok(slice) => slice,
                Err(error) => {
                    log_call(&urn, &error);
                    continue;
                }
            };
            for sliver in slice.slivers.iter().filter(|sliver| names.contains(&sliver.urn)) {
                let Some(claim) = self.under_way.claim(&sliver.urn) else { continue };
                if self.with_rechecks(|table, _| table.is_due(sliver, Instant::now(), pause)) {
                    let (this, urn, sliver) = (Arc::clone(self), urn.clone(), sliver.clone());
                    self.under_way.spawn(async move { this.step_for(urn, sliver, claim).await });
                }
            }
        }
    }

    /// Takes one step for a sliver and saves what was seen.
    async fn step_for(self: Arc<Self>, slice: Urn, sliver: Sliver, claim: Claim) {
        let Some(sighting) = self.work_on(&slice, sliver).await else { return };
        let Some(mut saver) = self.under_way.sightings.bring(&slice, sighting, claim) else { return };
        tokio::time::sleep(GATHER).await;
        while let Some((sightings, claims)) = saver.take() {
            self.observe(&slice, sightings).await;
            // Only now may others work on them: what they read then is what was seen.
            drop(claims);
        }
    }

    /// Writes down what was seen.
    async fn observe(&self, slice: &Urn, sightings: Vec<Sighting>) {
        let events =
            |_: &Slice, _: &Ledger| Ok(vec![Event::Observe(Observe { sightings: sightings.clone() })]);
        if let Err(error) = self.slices.transact(slice, &SliceIdentity::Any, events).await {
            log_call(slice, &error);
        }
    }

    /// Starts a step to clear away this tombstone, unless one is under way or was taken a moment ago.
    pub(super) fn start_clearing(self: &Arc<Self>, tombstone: DepartedSliver) {
        let Some(claim) = self.under_way.claim(&tombstone.sliver) else { return };
        let now = Instant::now();
        if self.with_rechecks(|table, pause| table.is_due_tombstone(&tombstone.sliver, now, pause)) {
            let this = Arc::clone(self);
            self.under_way.spawn(async move { this.clearing(tombstone, claim).await });
        }
    }

    async fn clearing(self: Arc<Self>, tombstone: DepartedSliver, claim: Claim) {
        if !self.clear(&tombstone).await {
            return;
        }
        let Some(mut saver) = self.under_way.cleared.bring(&(), tombstone.sliver, claim) else { return };
        tokio::time::sleep(GATHER).await;
        while let Some((gone, claims)) = saver.take() {
            if let Err(error) = self.slices.store().forget_departed(&gone).await {
                log_store(error);
            }
            drop(claims);
        }
    }

    /// Takes the next step for one sliver and says what it is then.
    async fn work_on(&self, slice: &Urn, sliver: Sliver) -> Option<Sighting> {
        match (sliver.resource, sliver.goal()) {
            (_, Goal::Absent) => None,
            (ResourceKind::Link, Goal::Halted) => Some(link_sighting(&sliver, Phase::Stopped)),
            (ResourceKind::Link, Goal::Present { power, .. }) => Some(link_sighting(
                &sliver,
                match power {
                    Power::Running => Phase::Running,
                    Power::Stopped => Phase::Stopped,
                },
            )),
            (ResourceKind::Node, _) => {
                let begun = Instant::now();
                let place = match self.home_of(&sliver) {
                    Some(cloud) => Some(cloud.lane.enter(slice.as_str()).await),
                    // Its driver is not configured any more: nothing is asked of it.
                    None => None,
                };
                if !self.under_way.is_open() {
                    return None;
                }
                let sliver =
                    if begun.elapsed() < FRESH { sliver } else { self.again(slice, &sliver.urn).await? };
                self.work_on_node(slice, &sliver, place).await
            }
        }
    }

    async fn work_on_node(&self, slice: &Urn, sliver: &Sliver, place: Option<Place>) -> Option<Sighting> {
        match sliver.goal() {
            Goal::Absent => None,
            Goal::Halted => {
                // Each of its drivers is asked in its own lane.
                drop(place);
                self.with_missing(|missing, _| missing.forget(&sliver.urn));
                self.halt_node(slice, sliver).await
            }
            Goal::Present { power, configuration, revision } => {
                self.bring_node(slice, sliver, place, (power, &configuration, revision)).await
            }
        }
    }

    /// The cloud that a node's next step is about: where its instance is, or where it is to be.
    fn home_of(&self, sliver: &Sliver) -> Option<Cloud> {
        let inventory = self.inventory.current();
        let noted = InstanceDetail::of(sliver).map(|noted| noted.built.driver);
        let granted = match sliver.granted().map(|it| Grant::of(it)) {
            Some(Ok(Grant::Node(grant))) => Some(grant.driver.clone()),
            _ => None,
        };
        noted.into_iter().chain(granted).find_map(|driver| inventory.cloud(&driver).cloned())
    }

    /// Whether what is wanted of the sliver since `begun` is still wanted: asked again only after a long wait for a place.
    pub(super) async fn still_wants(&self, slice: &Urn, sliver: &Sliver, begun: Instant) -> bool {
        self.under_way.is_open()
            && (begun.elapsed() < FRESH
                || self.again(slice, &sliver.urn).await.is_some_and(|now| now.goal() == sliver.goal()))
    }

    /// The sliver as it is now.
    async fn again(&self, slice: &Urn, sliver: &Urn) -> Option<Sliver> {
        match self.slices.slice(slice).await {
            Ok(slice) => slice.sliver(sliver).cloned(),
            Err(error) => {
                log_call(slice, &error);
                None
            }
        }
    }
}
