//! Drift: an instance that somebody changed in its cloud, past the aggregate.
//!
//! The reconciler notes how the cloud shows an instance (hardware profile, image, realm) once what was wanted is in
//! place. An instance that is shown otherwise later, and not as it was granted, has drifted: its sliver says so, and what
//! it is built as follows the cloud. So the next Update promises truly what putting it right costs, and the Provision
//! after it does put it right. Until then nothing is done to the instance: nobody asked for it.

use super::Reconciler;
use super::job::Job;
use crate::grant::built::Built;
use crate::grant::instance::{InstanceDetail, Shown};
use drivers::Instance as Machine;
use state::Sliver;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::PoisonError;
use tracing::warn;
use urn::Urn;

/// How instances are shown in the cloud now: by name, a digest of driver, hardware profile, image and realm.
pub(super) type Shapes<'a> = HashMap<&'a str, u64>;

/// Slivers whose instance is shown in a shape that was compared before: digests of both, so that the memory stays small.
pub(super) type Compared = HashMap<u64, u64>;

fn digest(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn shape(driver: &str, shown: &Shown) -> u64 {
    digest((driver, &shown.profile, &shown.image, &shown.realm))
}

/// Adds an instance to the shapes. Several of one name make a shape that none of them has alone.
pub(super) fn add<'a>(shapes: &mut Shapes<'a>, driver: &str, machine: &'a Machine) {
    let seen = shape(driver, &Shown::of(machine));
    shapes.entry(machine.name.as_str()).and_modify(|it| *it = it.wrapping_add(seen)).or_insert(seen);
}

/// What an instance is built as, given how the cloud shows it now. A word that the cloud leaves out says nothing.
pub(super) fn as_shown(job: &Job<'_>, built: Built, machine: &Machine) -> Built {
    let Some(before) =
        job.noted.as_ref().filter(|noted| noted.id == machine.id).and_then(|it| it.shown.clone())
    else {
        return built;
    };
    if !job.in_place() || job.has_failed() {
        return built;
    }
    let now = Shown::of(machine);
    let part = |built: String, before: &str, now: &str, granted: &str| {
        if now == before {
            // As it was put in place, whatever the cloud calls that.
            granted.to_owned()
        } else if now.is_empty() {
            built
        } else {
            now.to_owned()
        }
    };
    let target = job.target;
    Built {
        profile: part(built.profile.clone(), &before.profile, &now.profile, &target.profile),
        image: part(built.image.clone(), &before.image, &now.image, &target.image),
        realm: part(built.realm.clone(), &before.realm, &now.realm, &target.realm),
        ..built
    }
}

/// How the cloud shows the instance, for comparing later: as it was once put in place, or as it is while it is not.
pub(super) fn to_note(job: &Job<'_>, machine: &Machine) -> Option<Shown> {
    let before = job.noted.as_ref().filter(|noted| noted.id == machine.id && job.in_place());
    before.and_then(|noted| noted.shown.clone()).or_else(|| Some(Shown::of(machine)))
}

/// What is told of an instance that is not what was put in place, if it drifted.
pub(super) fn told(job: &Job<'_>, built: &Built) -> Option<String> {
    let target = job.target;
    let parts = [
        ("hardware profile", &built.profile, &target.profile),
        ("image", &built.image, &target.image),
        ("realm", &built.realm, &target.realm),
    ];
    let differing: Vec<String> = parts
        .into_iter()
        .filter(|(_, has, granted)| has != granted)
        .map(|(what, has, granted)| format!("{what} {has} instead of {granted}"))
        .collect();
    if !job.in_place() || differing.is_empty() {
        return None;
    }
    Some(format!(
        "the instance was changed in the cloud: it has {}; Update and Provision put it right",
        differing.join(", ")
    ))
}

impl Reconciler {
    /// Counts and logs drift that its sliver did not tell before.
    pub(super) fn note_drift(&self, job: &Job<'_>, told: Option<&String>) {
        if let Some(reason) = told
            && job.sliver.error.as_ref() != Some(reason)
        {
            let (sliver, driver) = (&job.sliver.urn, &job.cloud.name);
            warn!(%sliver, driver, reason, "the instance of a settled sliver drifted");
            self.metrics.drifted(driver);
        }
    }

    /// Which of these settled slivers, by slice, have an instance that is shown in another shape than the one noted. Each
    /// shape of an instance is compared once: slices are loaded only for those that are new or changed.
    pub(super) async fn drifted(
        &self,
        settled: BTreeMap<Urn, Vec<Urn>>,
        shapes: &Shapes<'_>,
    ) -> BTreeMap<Urn, HashSet<Urn>> {
        let mut suspects: BTreeMap<Urn, HashSet<Urn>> = BTreeMap::new();
        for (slice, slivers) in settled {
            let new: Vec<(Urn, u64)> = {
                let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
                slivers
                    .into_iter()
                    .filter_map(|sliver| {
                        let seen = *shapes.get(self.token(&sliver).as_str())?;
                        (compared.insert(digest(&sliver), seen) != Some(seen)).then_some((sliver, seen))
                    })
                    .collect()
            };
            if new.is_empty() {
                continue;
            }
            let Ok(loaded) = self.slices.slice(&slice).await else { continue };
            for (sliver, seen) in new {
                if loaded.sliver(&sliver).is_some_and(|it| is_shown_otherwise(it, seen)) {
                    suspects.entry(slice.clone()).or_default().insert(sliver);
                }
            }
        }
        suspects
    }

    /// Forgets the shapes of slivers that are not settled any more, or are gone.
    pub(super) fn forget_shapes(&self, settled: &HashSet<u64>) {
        self.compared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|sliver, _| settled.contains(sliver));
    }
}

/// The key of a sliver among the compared shapes.
pub(super) fn key(sliver: &Urn) -> u64 {
    digest(sliver)
}

/// Whether a sliver's instance is shown in another shape than the one that was noted. One whose shape was never noted is
/// looked at once, and so is one that tells a trouble: it may have been put right in its cloud.
fn is_shown_otherwise(sliver: &Sliver, seen: u64) -> bool {
    let Some(noted) = InstanceDetail::of(sliver) else { return false };
    sliver.error.is_some()
        || noted.shown.as_ref().is_none_or(|shown| shape(&noted.built.driver, shown) != seen)
}
