//! What one step for a node needs to know, and the ways in which it can end.

use super::detail;
use super::volumes::Volumes;
use crate::cloud::Cloud;
use crate::cloud::lane::Place;
use crate::grant::NodeGrant;
use crate::grant::built::Built;
use crate::grant::instance::{Creations, InstanceDetail};
use crate::grant::waiting::WAITING;
use drivers::DriverError;
use state::{Instance, Phase, Power, Revision, Sighting, Sliver};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::warn;
use urn::Urn;

/// The most instances that are created for one configuration of a sliver. A cloud may lose one; a sliver whose instances
/// come and go for ever is stopped.
const MAX_CREATIONS: u32 = 3;

/// What one step needs to know.
pub(super) struct Job<'a> {
    pub(super) sliver: &'a Sliver,
    pub(super) cloud: &'a Cloud,
    pub(super) grant: &'a NodeGrant,
    pub(super) user_data: &'a str,
    pub(super) target: &'a Built,
    pub(super) power: Power,
    pub(super) revision: Revision,
    /// What was noted of the instance before, if it was ever seen.
    pub(super) noted: Option<InstanceDetail>,
    /// The place in the lane of `cloud`.
    pub(super) place: Mutex<Option<Place>>,
    /// Whether the driver refused something.
    pub(super) refused: AtomicBool,
}

/// As before, with a word on what it waits for; nothing for a sliver that is as it should be.
pub(super) fn stalled(sliver: &Sliver, reason: String) -> Option<Sighting> {
    if sliver.is_settled() {
        return None;
    }
    let instance = sliver.instance.clone();
    Some(Sighting { sliver: sliver.urn.clone(), instance, error: Some(reason), stays: None })
}

/// Given up: nothing that is wanted now will be tried again.
pub(super) fn given_up(sliver: &Sliver, revision: Revision, reason: String) -> Sighting {
    let detail = sliver.instance.as_ref().map(|instance| instance.detail.clone()).unwrap_or_default();
    Sighting {
        sliver: sliver.urn.clone(),
        instance: Some(Instance::new(Phase::Failed, revision, detail)),
        error: Some(reason),
        stays: None,
    }
}

impl Job<'_> {
    /// How much of what was wanted is done already.
    pub(super) fn done(&self) -> Revision {
        self.sliver.instance.as_ref().map(|instance| instance.done).unwrap_or_default()
    }

    /// Whether what is wanted was built, whatever became of it.
    pub(super) fn in_place(&self) -> bool {
        self.noted.is_some() && self.done().configuration == self.revision.configuration
    }

    /// Whether it was given up, for what is wanted now or for what was wanted before.
    pub(super) fn has_failed(&self) -> bool {
        self.sliver.instance.as_ref().is_some_and(|instance| instance.phase == Phase::Failed)
    }

    /// The name of a volume that it had and should have, if one is not there: an empty one in its place, without a
    /// word, would not be the same. That holds while a change is put in place, too; only who failed, and is provisioned
    /// again, was told that it is made anew.
    pub(super) fn lost(&self, volumes: &Volumes) -> Option<&str> {
        let had = self.noted.as_ref().filter(|_| self.in_place() || !self.has_failed())?;
        let lost = |number: u32| self.target.volumes.contains(&number) && !volumes.contains_key(&number);
        let lost = had.volumes.iter().find(|it| lost(it.number))?;
        self.grant.volumes.iter().find(|it| it.number == lost.number).map(|it| it.name.as_str())
    }

    pub(super) fn sighting(&self, phase: Phase, done: Revision, noted: &InstanceDetail) -> Sighting {
        Sighting {
            sliver: self.sliver.urn.clone(),
            instance: Some(Instance::new(phase, done, detail(noted))),
            error: None,
            stays: None,
        }
    }

    /// Given up: nothing that is wanted now will be tried again.
    pub(super) fn failed(&self, reason: String) -> Sighting {
        warn!(sliver = %self.sliver.urn, driver = self.cloud.name, reason, "sliver failed");
        given_up(self.sliver, self.revision, reason)
    }

    /// How often an instance was created for what is wanted, once the sliver has the instance of this id; `created`:
    /// by a creation that was answered just now.
    pub(super) fn creations(&self, id: &str, created: bool) -> Creations {
        let noted = self.noted.as_ref();
        let before = noted.map(|noted| noted.creations).unwrap_or_default();
        let is_same_wish = before.configuration == self.revision.configuration;
        let is_another = noted.is_none_or(|noted| noted.id != id) || (created && before.ending);
        Creations {
            configuration: self.revision.configuration,
            count: if is_same_wish { before.count } else { 0 } + u32::from(is_another),
            ending: before.ending && !is_another,
        }
    }

    /// Why no further instance is created for what is wanted, if there were too many of them already.
    pub(super) fn too_many_creations(&self) -> Option<String> {
        let creations = self.noted.as_ref()?.creations;
        let is_too_many =
            creations.configuration == self.revision.configuration && creations.count >= MAX_CREATIONS;
        is_too_many.then(|| {
            format!(
                "{} instances were created for the same configuration, and none of them stayed; no other one is created or destroyed until the sliver is deleted, or provisioned after an Update",
                creations.count
            )
        })
    }

    /// What is to be told of accounts that were to be changed and stay as they are.
    pub(super) fn accounts_stay(&self, built: &Built, done: Revision) -> Option<String> {
        let asked = self.in_place() && done.users != self.revision.users;
        (asked && built.user_data != self.target.user_data).then(|| {
            "geni_update_users: the cloud cannot change the accounts of an instance without building it anew; they stay as they were".to_owned()
        })
    }

    /// As before, with a word on what it waits for.
    pub(super) fn waiting(&self, reason: String) -> Sighting {
        Sighting {
            sliver: self.sliver.urn.clone(),
            instance: self.sliver.instance.clone(),
            error: Some(reason),
            stays: None,
        }
    }

    /// As before: nothing was seen. That its driver does not answer and is left alone is told as long as it is so
    /// ([`crate::grant::waiting::waits_for`]), and noted nowhere.
    pub(super) fn as_before(&self) -> Sighting {
        Sighting { error: self.sliver.error.clone(), ..self.waiting(String::new()) }
    }

    /// As [`Job::refused`], of a volume: clouds take their time to make one, and to let go of one.
    pub(super) fn refused_for_now(&self, error: DriverError) -> Sighting {
        match error {
            DriverError::Conflict { .. } => self.waiting(format!("{WAITING}: {error}")),
            other => self.refused(other),
        }
    }

    /// What an error of the driver means for the sliver.
    pub(super) fn refused(&self, error: DriverError) -> Sighting {
        if !matches!(error, DriverError::WrongState { .. } | DriverError::NotFound { .. }) {
            self.refused.store(true, Ordering::Relaxed);
        }
        match error {
            DriverError::Invalid { .. } | DriverError::Unsupported { .. } | DriverError::Conflict { .. } => {
                self.failed(error.to_string())
            }
            DriverError::Backend { .. } if !error.is_retryable() => self.failed(error.to_string()),
            // It moved meanwhile, or there is no room, or the driver is down: what to do shows the next time.
            DriverError::WrongState { .. } | DriverError::NotFound { .. } => self.as_before(),
            other => self.waiting(format!("{WAITING}: {other}")),
        }
    }
}

/// Tells the log of refusals in a row: of the first, and then each time that there are twice as many.
pub(super) fn tell_refusal(refusals: u32, sliver: &Urn, reason: &str) {
    if refusals.is_power_of_two() {
        warn!(%sliver, refusals, reason, "the driver refuses a step for a sliver");
    }
}
