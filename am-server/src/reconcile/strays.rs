//! Volumes that bear a name of ours and belong to no sliver.

use super::compare::ORPHANS;
use super::volumes::{read_name, storage};
use super::{Reconciler, finished};
use crate::cloud::Cloud;
use crate::grant::Grant;
use crate::grant::instance::InstanceDetail;
use drivers::{ComputeDriver, Verb, Volume};
use state::Sliver;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use tokio::task::JoinSet;
use tracing::info;
use urn::Urn;

/// Volumes of ours that no sliver is known to have yet, by the token of the sliver that they are named after.
#[derive(Default)]
pub(super) struct Strays(HashMap<String, Vec<(Cloud, u32, Volume)>>);

impl Strays {
    /// Whether there are any that are named after this sliver.
    pub(super) fn has(&self, token: &str) -> bool {
        self.0.contains_key(token)
    }

    /// Takes out those whose token is not wanted.
    pub(super) fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.0.retain(|token, _| wanted(token));
    }

    /// Takes out those that the sliver has or may get; in doubt all.
    fn claim(&mut self, token: &str, sliver: Option<&Sliver>) {
        let Some(numbers) = sliver.and_then(numbers_of) else {
            self.0.remove(token);
            return;
        };
        if let Some(all) = self.0.get_mut(token) {
            all.retain(|(cloud, number, _)| !numbers.contains(&(cloud.name.clone(), *number)));
        }
    }
}

impl Reconciler {
    /// All volumes of ours. Listed before the slivers, as instances are.
    pub(super) async fn list_volumes(&self) -> Strays {
        let mut listing = JoinSet::new();
        let clouds = self.inventory.clouds().iter();
        for cloud in clouds.filter(|cloud| cloud.driver.capabilities().gives_volumes()).cloned() {
            listing.spawn(async move {
                let question = |driver: Arc<dyn ComputeDriver>| async move { driver.storage_volumes().await };
                let answer = cloud.ask(storage(Verb::Index), question).await;
                Some((cloud, answer?.ok()?))
            });
        }
        let mut strays = Strays::default();
        for (cloud, volumes) in finished(listing).await.into_iter().flatten() {
            for volume in volumes {
                let named = volume.name.as_deref().and_then(read_name);
                if let Some((token, number)) = named.filter(|(token, _)| token.starts_with(&self.prefix)) {
                    strays.0.entry(token.to_owned()).or_default().push((cloud.clone(), number, volume));
                }
            }
        }
        strays
    }

    /// Takes out the volumes that these slivers of a slice have.
    pub(super) async fn claim_volumes(&self, slice: &Urn, slivers: &[Urn], strays: &mut Strays) {
        let found = self.slices.slice(slice).await;
        for urn in slivers {
            let sliver = found.as_ref().ok().and_then(|slice| slice.sliver(urn));
            strays.claim(&self.token(urn), sliver);
        }
    }

    /// Destroys those that the last comparison found, too. One comparison alone may be wrong.
    pub(super) fn destroy_stray_volumes(self: &Arc<Self>, strays: Strays) {
        let strays: Vec<_> = strays.0.into_values().flatten().collect();
        let names: HashSet<_> =
            strays.iter().map(|(cloud, _, volume)| (cloud.name.clone(), volume.id.clone())).collect();
        let before =
            std::mem::replace(&mut *self.stray_volumes.lock().unwrap_or_else(PoisonError::into_inner), names);
        for (cloud, _, volume) in strays {
            let (driver, id, name) = (&cloud.name, &volume.id, &volume.name);
            if before.contains(&(driver.clone(), id.clone())) {
                info!(driver, volume = id, name, "belongs to no sliver: destroying it");
                let (this, cloud, volume) = (Arc::clone(self), cloud.clone(), volume.clone());
                self.under_way.spawn(async move {
                    let _place = cloud.lane.enter(ORPHANS).await;
                    this.discard(&cloud, &volume).await;
                });
            } else {
                info!(
                    driver,
                    volume = id,
                    name,
                    "belongs to no sliver: destroyed if the next comparison says so, too"
                );
            }
        }
    }
}

/// Driver and number of the volumes that a sliver has or may get; `None` if that cannot be told. One that is in no
/// configuration any more is the sliver's as long as it is noted: the plan takes it away when its time has come, which
/// is not while the slice is shut down.
fn numbers_of(sliver: &Sliver) -> Option<HashSet<(String, u32)>> {
    let mut numbers = HashSet::new();
    if let Some(noted) = InstanceDetail::of(sliver) {
        numbers.extend(noted.volume_numbers().map(|number| (noted.built.driver.clone(), number)));
    }
    for configuration in sliver.configurations() {
        if let Grant::Node(grant) = Grant::of(configuration).ok()? {
            numbers.extend(grant.volumes.iter().map(|volume| (grant.driver.clone(), volume.number)));
        }
    }
    Some(numbers)
}
