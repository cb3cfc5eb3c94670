//! One node: its instance is brought a step nearer to what the sliver wants.

use super::drift;
use super::job::{Job, given_up, stalled, tell_refusal};
use super::volumes::{self, Volumes};
use super::{Reconciler, act, addresses, instances, operation};
use crate::cloud::Cloud;
use crate::cloud::lane::Place;
use crate::grant::built::Built;
use crate::grant::built::user_data;
use crate::grant::instance::{InstanceDetail, Shown};
use crate::grant::waiting::WAITING;
use crate::grant::{Grant, NodeGrant};
use crate::plan::{self, Modify, Next, Wanted};
use drivers::{
    Capabilities, ComputeDriver, CreateInstance, Disruption, DriverError, Instance as Machine,
    InstanceAction, InstanceState, ProfileChoice, Verb,
};
use rspec::{Guarantee, Node};
use state::{Configuration, Instance, Operational, Phase, Power, Revision, Sighting, Sliver};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;
use tracing::{error, info, warn};
use urn::Urn;

/// The user data of a configuration, or why there is none.
fn user_data_of(configuration: &Configuration, grant: &NodeGrant) -> Result<String, String> {
    let unusable = |error: &dyn std::fmt::Display| format!("its user data cannot be made: {error}");
    let node = Node::from_fragment(&configuration.rspec).map_err(|error| unusable(&error))?;
    user_data(&node, grant).map_err(|error| unusable(&error))
}

impl Reconciler {
    /// Takes the next step for a node that is to be there. None when nothing can be said.
    pub(super) async fn bring_node(
        &self,
        slice: &Urn,
        sliver: &Sliver,
        place: Option<Place>,
        (power, configuration, revision): (Power, &Configuration, Revision),
    ) -> Option<Sighting> {
        let vanished = sliver.instance.as_ref().is_some_and(|instance| instance.vanished);
        if sliver.operational() == Operational::Failed && !vanished {
            // Given up until something else is wanted.
            return None;
        }
        let Ok(Grant::Node(grant)) = Grant::of(configuration) else {
            warn!(sliver = %sliver.urn, "its stored configuration cannot be read");
            return stalled(sliver, "its stored configuration cannot be read".to_owned());
        };
        let inventory = self.inventory.current();
        let noted = InstanceDetail::of(sliver);
        // A move to another driver begins where the instance is.
        let home = noted.as_ref().map_or(grant.driver.as_str(), |noted| noted.built.driver.as_str());
        let Some(cloud) = inventory.cloud(home).or_else(|| inventory.cloud(&grant.driver)) else {
            return stalled(sliver, format!("waiting for driver {home}, which is not configured any more"));
        };
        let user_data = match user_data_of(configuration, &grant) {
            Ok(user_data) => user_data,
            Err(_) if sliver.is_settled() => return None,
            Err(reason) => return Some(given_up(sliver, revision, reason)),
        };
        let target = Built::of(&grant, &user_data);
        let job = Job {
            sliver,
            cloud,
            grant: &grant,
            user_data: &user_data,
            target: &target,
            power,
            revision,
            noted,
            place: Mutex::new(place),
            refused: AtomicBool::new(false),
        };
        let seen = self.look_and_step(slice, &job).await;
        self.note_refusal(&job, seen.as_ref());
        seen
    }

    /// A sliver whose driver refuses backs off; one that came nearer to what is wanted does not.
    fn note_refusal(&self, job: &Job<'_>, seen: Option<&Sighting>) {
        let sliver = &job.sliver.urn;
        if job.refused.load(Ordering::Relaxed) {
            let refusals = self.with_rechecks(|table, pause| table.refused(sliver, Instant::now(), pause));
            let reason = seen.and_then(|seen| seen.error.as_deref()).unwrap_or_default();
            tell_refusal(refusals, sliver, reason);
        } else if seen.is_some_and(|seen| seen.instance != job.sliver.instance) {
            self.with_rechecks(|table, _| table.progressed(sliver));
        }
    }

    /// Looks at the instance and its volumes, and takes the next step.
    async fn look_and_step(&self, slice: &Urn, job: &Job<'_>) -> Option<Sighting> {
        let (sliver, cloud) = (job.sliver, job.cloud);
        let machine = match self.find(sliver, cloud).await {
            Some(Ok(machine)) => machine,
            // A sliver that is as it should be has nothing to wait for.
            Some(Err(_)) if sliver.is_settled() => return None,
            Some(Err(error)) => return Some(job.refused(error)),
            None => return None,
        };
        if machine.is_none() && job.in_place() {
            return self.not_there(job, "instance");
        }
        let volumes = match self.volumes_of(job).await {
            Some(Ok(volumes)) => volumes,
            Some(Err(_)) if sliver.is_settled() => return None,
            Some(Err(error)) => return Some(job.refused(error)),
            None => return None,
        };
        if let Some(name) = job.lost(&volumes) {
            return self.not_there(job, &format!("volume {name:?}"));
        }
        self.with_missing(|missing, _| missing.forget(&sliver.urn));
        Some(self.step(slice, job, machine, volumes).await)
    }

    /// What to say of an instance or volume that was there, was not asked to go, and is not listed.
    fn not_there(&self, job: &Job<'_>, what: &str) -> Option<Sighting> {
        let sliver = job.sliver;
        if sliver.operational() == Operational::Failed {
            self.with_missing(|missing, _| missing.forget(&sliver.urn));
            return None;
        }
        if !self.with_missing(|missing, pause| missing.is_confirmed(&sliver.urn, Instant::now(), pause)) {
            return stalled(sliver, format!("its {what} is not to be seen in the cloud; looking again"));
        }
        let failed = job.failed(format!(
            "its {what} vanished from the cloud (noticed at {}); Delete it, or Update and Provision it to have it built anew",
            crate::time::format(self.now())
        ));
        let instance = failed.instance.map(|instance| Instance { vanished: true, ..instance });
        Some(Sighting { instance, ..failed })
    }

    /// The sliver's instance at this cloud, if there is one that is not finished.
    pub(super) async fn find(
        &self,
        sliver: &Sliver,
        cloud: &Cloud,
    ) -> Option<Result<Option<Machine>, DriverError>> {
        let token = self.token(&sliver.urn);
        let question = |driver: Arc<dyn ComputeDriver>| async move { driver.instance_named(&token).await };
        let found = cloud.ask(instances(Verb::Show), question).await?;
        Some(found.map(|machine| machine.filter(|machine| machine.state != InstanceState::Finish)))
    }

    async fn step(
        &self,
        slice: &Urn,
        job: &Job<'_>,
        machine: Option<Machine>,
        mut volumes: Volumes,
    ) -> Sighting {
        let done = job.done();
        let in_place = job.in_place();
        let driver = &job.cloud.driver;
        let built = match (&job.noted, &machine) {
            (Some(noted), Some(machine)) if noted.id == machine.id => {
                let built = drift::as_shown(job, noted.built.clone(), machine);
                already_done(built, machine, job.target, driver.capabilities())
            }
            // One that was created although no answer came is taken for what it says it is.
            (_, Some(machine)) => as_found(job, machine),
            (_, None) => job.target.clone(),
        };
        let built = match &machine {
            Some(machine) => {
                let at_boot = driver.capabilities().costs.storage_volume == Disruption::NextBoot;
                let noted = job.noted.as_ref().filter(|noted| at_boot && noted.id == machine.id);
                let noted = noted.map(|noted| noted.volumes.as_slice());
                Built { volumes: volumes::present(&volumes, machine, &job.target.volumes, noted), ..built }
            }
            None => built,
        };
        if machine.is_none() {
            // What goes with an instance that is replaced goes before the next one comes, which may be elsewhere.
            for (_, volume) in volumes.iter().filter(|(number, _)| !job.target.volumes.contains(number)) {
                match self.discard(job.cloud, volume).await {
                    Some(Ok(())) => {}
                    Some(Err(error)) => return job.refused_for_now(error),
                    None => return job.as_before(),
                }
            }
        }
        // What does not run learns at its next boot all there is to know.
        let runs = machine.as_ref().is_some_and(|machine| machine.state == InstanceState::Running);
        let reboot_due = runs && job.noted.as_ref().is_some_and(|noted| noted.reboot_due);
        let wanted = Wanted {
            target: job.target,
            power: job.power,
            restart: reboot_due || (done.configuration > 0 && done.restarts != job.revision.restarts),
            configure: !in_place,
            promised: job.grant.preserve.unwrap_or(Guarantee::None),
            anew: job.has_failed() && !in_place,
        };
        let next =
            plan::next(machine.as_ref(), &built, &wanted, driver.capabilities(), driver.instance_states());
        let noted = |machine: &Machine, volumes: &Volumes, built: Built, reboot_due| InstanceDetail {
            id: machine.id.clone(),
            name: machine.name.clone(),
            addresses: addresses(machine),
            volumes: volumes::noted(volumes, machine),
            built,
            reboot_due,
            creations: job.creations(&machine.id, false),
            shown: drift::to_note(job, machine),
        };
        if let (Next::Create | Next::End(_), Some(reason)) = (&next, job.too_many_creations()) {
            self.metrics.recreation_stopped(&job.cloud.name);
            return job.failed(reason);
        }
        match (next, machine) {
            (Next::Create, _) => self.create(slice, job, done).await,
            (Next::Stuck(reason), _) => job.failed(reason),
            (Next::CannotStop(reason), Some(machine)) => {
                info!(sliver = %job.sliver.urn, driver = job.cloud.name, reason, "the sliver keeps running");
                let noted = noted(&machine, &volumes, built, reboot_due);
                let seen = job.sighting(Phase::Running, job.revision, &noted);
                Sighting { error: Some(reason), stays: Some(Power::Running), ..seen }
            }
            (Next::Settled, Some(machine)) => {
                let phase =
                    if machine.state == InstanceState::Running { Phase::Running } else { Phase::Stopped };
                let drift = drift::told(job, &built);
                self.note_drift(job, drift.as_ref());
                let error = drift.or_else(|| job.accounts_stay(&built, done));
                let noted = noted(&machine, &volumes, built, false);
                Sighting { error, ..job.sighting(phase, job.revision, &noted) }
            }
            (Next::Wait, Some(machine)) => {
                job.sighting(Phase::Busy, done, &noted(&machine, &volumes, built, reboot_due))
            }
            (Next::Act(InstanceAction::Destroy), Some(machine)) => {
                // The plan ends instances by [`Next::End`] only. Should it fail to, nothing is destroyed.
                error!(sliver = %job.sliver.urn, instance = machine.id, "the plan would destroy an instance that is to be kept");
                job.as_before()
            }
            (step @ (Next::Act(action) | Next::End(action)), Some(machine)) => {
                let ends = matches!(step, Next::End(_));
                let id = &machine.id;
                info!(sliver = %job.sliver.urn, driver = job.cloud.name, instance = id, %action, "next step");
                let question =
                    |driver: Arc<dyn ComputeDriver>| async move { act(&*driver, id, action).await };
                match job.cloud.ask(operation(action), question).await {
                    None => job.as_before(),
                    Some(Err(error)) => job.refused(error),
                    Some(Ok(after)) => {
                        let rebooted = action == InstanceAction::Reboot;
                        let done = Revision {
                            restarts: if rebooted { job.revision.restarts } else { done.restarts },
                            ..done
                        };
                        let after = after.unwrap_or(machine);
                        let mut noted = noted(&after, &volumes, built, reboot_due && !rebooted);
                        noted.creations.ending |= ends;
                        job.sighting(Phase::Busy, done, &noted)
                    }
                }
            }
            (Next::Modify { modify, boots, then_reboot }, Some(machine)) => {
                info!(sliver = %job.sliver.urn, driver = job.cloud.name, instance = machine.id, ?modify, "next step");
                match self.modify(job, &machine, &mut volumes, modify).await {
                    None => job.as_before(),
                    Some(Err(error)) if matches!(modify, Modify::Attach(_) | Modify::Detach(_)) => {
                        job.refused_for_now(error)
                    }
                    Some(Err(error)) => job.refused(error),
                    Some(Ok(after)) => {
                        let built = modified(&built, job.target, modify);
                        let reboot_due = (reboot_due && !boots) || then_reboot;
                        job.sighting(Phase::Busy, done, &noted(&after, &volumes, built, reboot_due))
                    }
                }
            }
            // The plan asks for nothing but a creation where there is no instance.
            (
                Next::Settled
                | Next::Wait
                | Next::Act(_)
                | Next::End(_)
                | Next::CannotStop(_)
                | Next::Modify { .. },
                None,
            ) => job.waiting(WAITING.to_owned()),
        }
    }

    async fn create(&self, slice: &Urn, job: &Job<'_>, done: Revision) -> Sighting {
        let inventory = self.inventory.current();
        let Some(cloud) = inventory.cloud(&job.grant.driver) else {
            return job.failed(format!("driver {} is not configured any more", job.grant.driver));
        };
        let mut request = CreateInstance::new(self.token(&job.sliver.urn), &job.grant.image);
        request.realm_id = Some(job.grant.realm.clone());
        request.hardware_profile_id = Some(job.grant.profile.clone());
        request.user_data = Some(job.user_data.to_owned());
        // A move goes on in the lane of the other driver.
        let _there = if cloud.name == job.cloud.name {
            None
        } else {
            drop(job.place.lock().unwrap_or_else(PoisonError::into_inner).take());
            let begun = Instant::now();
            let place = cloud.lane.enter(slice.as_str()).await;
            if !self.still_wants(slice, job.sliver, begun).await {
                return job.as_before();
            }
            Some(place)
        };
        info!(sliver = %job.sliver.urn, driver = cloud.name, name = request.name, "creating an instance");
        let question = |driver: Arc<dyn ComputeDriver>| async move { driver.create_instance(&request).await };
        match cloud.ask(instances(Verb::Create), question).await {
            None => job.as_before(),
            Some(Err(error)) => job.refused(error),
            Some(Ok(machine)) => {
                let noted = InstanceDetail {
                    id: machine.id.clone(),
                    name: machine.name.clone(),
                    addresses: addresses(&machine),
                    volumes: Vec::new(),
                    built: Built { volumes: Default::default(), ..job.target.clone() },
                    reboot_due: false,
                    creations: job.creations(&machine.id, true),
                    shown: Some(Shown::of(&machine)),
                };
                // A fresh instance has nothing to be restarted for.
                let done = Revision { restarts: job.revision.restarts, users: job.revision.users, ..done };
                job.sighting(Phase::Busy, done, &noted)
            }
        }
    }

    async fn modify(
        &self,
        job: &Job<'_>,
        machine: &Machine,
        volumes: &mut Volumes,
        modify: Modify,
    ) -> Option<Result<Machine, DriverError>> {
        match modify {
            Modify::Attach(number) => {
                return Some(self.attach(job, machine, volumes, number).await?.map(|volume| {
                    volumes.insert(number, volume);
                    machine.clone()
                }));
            }
            Modify::Detach(number) => {
                let Some(volume) = volumes.get(&number) else { return Some(Ok(machine.clone())) };
                return Some(self.discard(job.cloud, volume).await?.map(|()| {
                    volumes.remove(&number);
                    machine.clone()
                }));
            }
            Modify::Resize | Modify::SetUserData | Modify::Rebuild | Modify::Replace => {}
        }
        let id = machine.id.as_str();
        let verb = match modify {
            Modify::Resize => Verb::Resize,
            Modify::SetUserData => Verb::SetUserData,
            Modify::Rebuild => Verb::Rebuild,
            Modify::Replace | Modify::Attach(_) | Modify::Detach(_) => Verb::Show,
        };
        let question = |driver: Arc<dyn ComputeDriver>| async move {
            match modify {
                Modify::Resize => {
                    let choice = ProfileChoice { id: job.grant.profile.clone(), values: Default::default() };
                    driver.resize_instance(id, &choice).await
                }
                Modify::SetUserData => driver.set_user_data(id, Some(job.user_data)).await,
                Modify::Rebuild => driver.rebuild_instance(id, &job.grant.image).await,
                // A replacement is planned as destruction and creation; volumes are no change of the instance itself.
                Modify::Replace | Modify::Attach(_) | Modify::Detach(_) => driver.instance(id).await,
            }
        };
        job.cloud.ask(instances(verb), question).await
    }
}

/// What an instance that was never noted was built as, as far as the cloud tells.
fn as_found(job: &Job<'_>, machine: &Machine) -> Built {
    let user_data = machine.user_data.as_deref().unwrap_or(job.user_data);
    let grant = NodeGrant {
        realm: machine.realm_id.clone(),
        image: machine.image_id.clone(),
        profile: machine.hardware_profile.id.clone(),
        ..job.grant.clone()
    };
    Built::of(&grant, user_data)
}

/// What a noted instance is built as, with what was done to it without the answer being noted: a modification that
/// the cloud shows as done is not asked for again. User data, and what only a boot makes real, are: a reboot has to
/// follow those.
fn already_done(noted: Built, machine: &Machine, target: &Built, capabilities: &Capabilities) -> Built {
    let resized = machine.hardware_profile.id == target.profile
        && capabilities.costs.resize != Disruption::NextBoot
        && machine.hardware_profile.values.is_empty();
    let rebuilt = machine.image_id == target.image;
    Built {
        profile: if resized { target.profile.clone() } else { noted.profile },
        image: if rebuilt { target.image.clone() } else { noted.image },
        ..noted
    }
}

/// What an instance is built as after one modification.
fn modified(built: &Built, target: &Built, modify: Modify) -> Built {
    match modify {
        Modify::Resize => Built { profile: target.profile.clone(), ..built.clone() },
        Modify::SetUserData => {
            Built { user_data: target.user_data.clone(), mounts: target.mounts.clone(), ..built.clone() }
        }
        Modify::Rebuild => Built { image: target.image.clone(), ..built.clone() },
        Modify::Attach(number) => {
            let mut volumes = built.volumes.clone();
            volumes.insert(number);
            Built { volumes, ..built.clone() }
        }
        Modify::Detach(number) => {
            let volumes = built.volumes.iter().copied().filter(|it| *it != number).collect();
            Built { volumes, ..built.clone() }
        }
        Modify::Replace => built.clone(),
    }
}

#[cfg(test)]
pub(super) mod tests;
