//! Volumes: made and attached, detached and destroyed, step by step with the instances they belong to.
//!
//! A volume is named after its sliver and its number, as an instance after its sliver: a creation whose answer was lost
//! gives the same volume when it is asked for again. What there is of the volumes that a sliver has or shall have, the
//! cloud is asked each time; a sliver without volumes costs no question. What a crash left of a change that was taken
//! back is found when the sliver goes, or by the comparison of everything.

use super::Reconciler;
use super::job::Job;
use super::tombstones::Cleared;
use crate::cloud::Cloud;
use crate::grant::NodeGrant;
use crate::grant::instance::AttachedVolume;
use drivers::{Collection, CreateVolume, DriverError, Instance as Machine, Operation, Verb, Volume};
use std::collections::{BTreeMap, BTreeSet};
use tracing::{info, warn};
use urn::Urn;

/// The volumes that a cloud has of one sliver, by number.
pub(super) type Volumes = BTreeMap<u32, Volume>;

/// What stands between a sliver's token and a volume's number.
const MARK: &str = "-v";

/// An operation on volumes.
pub(super) const fn storage(verb: Verb) -> Operation {
    Operation::new(Collection::StorageVolumes, verb)
}

/// The sliver's token and the number in a volume's name.
pub(super) fn read_name(name: &str) -> Option<(&str, u32)> {
    let (token, number) = name.rsplit_once(MARK)?;
    let is_ours = number == "0" || !number.starts_with(['0', '+']);
    number.parse().ok().filter(|_| is_ours).map(|number| (token, number))
}

/// Those that are attached to this instance.
pub(super) fn attached<'a>(
    volumes: &'a Volumes,
    machine: &'a Machine,
) -> impl Iterator<Item = (u32, &'a Volume)> {
    let here = |it: &&Volume| it.instance_id.as_ref() == Some(&machine.id);
    volumes.iter().filter(move |(_, it)| here(it)).map(|(number, it)| (*number, it))
}

/// What is noted of the volumes of an instance.
pub(super) fn noted(volumes: &Volumes, machine: &Machine) -> Vec<AttachedVolume> {
    attached(volumes, machine)
        .map(|(number, it)| AttachedVolume { number, device: it.device.clone() })
        .collect()
}

/// The numbers that a plan begins with: those attached here, and those that are there and not wanted. One that is
/// wanted, but attached nowhere or elsewhere, has yet to be given to the instance.
///
/// `noted`, where only a boot makes a change real: what was done without the answer being noted is then done again, so
/// that the boot follows.
pub(super) fn present(
    volumes: &Volumes,
    machine: &Machine,
    wanted: &BTreeSet<u32>,
    noted: Option<&[AttachedVolume]>,
) -> BTreeSet<u32> {
    let noted: Option<BTreeSet<u32>> = noted.map(|all| all.iter().map(|it| it.number).collect());
    let here = attached(volumes, machine).map(|(number, _)| number);
    let here = here.filter(|number| noted.as_ref().is_none_or(|noted| noted.contains(number)));
    let there = volumes.keys().chain(noted.iter().flatten());
    let unwanted = there.filter(|number| !wanted.contains(number)).copied();
    here.chain(unwanted).collect()
}

impl Reconciler {
    /// The volumes that a cloud has for this step: of those that the sliver has or shall have.
    pub(super) async fn volumes_of(&self, job: &Job<'_>) -> Option<Result<Volumes, DriverError>> {
        let noted = job.noted.iter().flat_map(|noted| noted.volume_numbers());
        let numbers: BTreeSet<u32> = noted.chain(job.target.volumes.iter().copied()).collect();
        let mut found = Volumes::new();
        if !numbers.is_empty() && !job.cloud.driver.capabilities().gives_volumes() {
            let operation = storage(Verb::Attach);
            let needed = job.grant.driver == job.cloud.name && !job.grant.volumes.is_empty();
            return Some(if needed { Err(DriverError::Unsupported { operation }) } else { Ok(found) });
        }
        for number in numbers {
            let name = self.volume_name(&job.sliver.urn, number);
            let volume = job
                .cloud
                .ask(storage(Verb::Index), |driver| async move { driver.storage_volume_named(&name).await })
                .await?;
            match volume {
                Ok(volume) => found.extend(volume.map(|volume| (number, volume))),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(found))
    }

    /// A volume's name: a token, as an instance's.
    fn volume_name(&self, sliver: &Urn, number: u32) -> String {
        format!("{}{MARK}{number}", self.token(sliver))
    }

    /// Gives the instance the volume of this number, which is made if it is not there.
    pub(super) async fn attach(
        &self,
        job: &Job<'_>,
        machine: &Machine,
        volumes: &Volumes,
        number: u32,
    ) -> Option<Result<Volume, DriverError>> {
        let Some(wanted) = job.grant.volumes.iter().find(|it| it.number == number) else {
            let why = format!("volume {number} is not of this node");
            return Some(Err(DriverError::invalid("volume", why)));
        };
        let volume = match volumes.get(&number) {
            Some(volume) => volume.clone(),
            None => {
                let request = CreateVolume {
                    name: Some(self.volume_name(&job.sliver.urn, number)),
                    capacity: Some(u64::from(wanted.gigabytes)),
                    realm_id: Some(machine.realm_id.clone()),
                    ..CreateVolume::default()
                };
                info!(sliver = %job.sliver.urn, driver = job.cloud.name, name = request.name, "creating a volume");
                let made = job
                    .cloud
                    .ask(storage(Verb::Create), |driver| async move {
                        driver.create_storage_volume(&request).await
                    })
                    .await?;
                match made {
                    Ok(volume) => volume,
                    Err(error) => return Some(Err(error)),
                }
            }
        };
        let id = volume.id.as_str();
        if volume.instance_id.as_ref().is_some_and(|holder| *holder != machine.id) {
            // Of an instance that was replaced, and that the cloud has not let go of it.
            if let Err(error) = job
                .cloud
                .ask(storage(Verb::Detach), |driver| async move { driver.detach_storage_volume(id).await })
                .await?
            {
                return Some(Err(error));
            }
        }
        let (holder, device) = (machine.id.as_str(), wanted.device.as_str());
        let attached = job
            .cloud
            .ask(storage(Verb::Attach), |driver| async move {
                driver.attach_storage_volume(id, holder, Some(device)).await
            })
            .await?;
        if let Ok(Volume { device: Some(found), .. }) = &attached
            && found != device
        {
            warn!(sliver = %job.sliver.urn, driver = job.cloud.name, volume = id, device, found, "attached as another device than asked for");
        }
        Some(attached)
    }

    /// Takes a volume away and destroys it, with all that it holds. One that is not there any more is gone.
    pub(super) async fn discard(&self, cloud: &Cloud, volume: &Volume) -> Option<Result<(), DriverError>> {
        let gone = |error: &DriverError| matches!(error, DriverError::NotFound { .. });
        let id = volume.id.as_str();
        if volume.instance_id.is_some() {
            match cloud
                .ask(storage(Verb::Detach), |driver| async move { driver.detach_storage_volume(id).await })
                .await?
            {
                Err(error) if !gone(&error) => return Some(Err(error)),
                _ => {}
            }
        }
        info!(driver = cloud.name, volume = id, name = volume.name, "destroying a volume");
        let destroyed = cloud
            .ask(storage(Verb::Destroy), |driver| async move { driver.destroy_storage_volume(id).await })
            .await?;
        Some(destroyed.or_else(|error| if gone(&error) { Ok(()) } else { Err(error) }))
    }

    /// Destroys what volumes a cloud has of a sliver that is gone.
    pub(super) async fn clear_volumes(&self, sliver: &Urn, grant: &NodeGrant, cloud: &Cloud) -> Cleared {
        if grant.volumes_ever == 0 || !cloud.driver.capabilities().gives_volumes() {
            return Cleared::Entirely;
        }
        // All that bear its name, whatever was noted.
        let listed =
            cloud.ask(storage(Verb::Index), |driver| async move { driver.storage_volumes().await }).await;
        let volumes = match listed {
            Some(Ok(volumes)) => volumes,
            Some(Err(_)) => return Cleared::Refused,
            None => return Cleared::NotYet,
        };
        let token = self.token(sliver);
        let is_its = |it: &&Volume| it.name.as_deref().and_then(read_name).is_some_and(|(of, _)| of == token);
        let mut all = Cleared::Entirely;
        for volume in volumes.iter().filter(is_its) {
            match self.discard(cloud, volume).await {
                Some(Ok(())) => {}
                // Clouds take their time to let go of a volume.
                Some(Err(DriverError::Conflict { .. })) | None if all == Cleared::Entirely => {
                    all = Cleared::NotYet
                }
                Some(Err(DriverError::Conflict { .. })) | None => {}
                Some(Err(_)) => all = Cleared::Refused,
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::node::tests::machine;
    use drivers::VolumeState;

    fn volume(number: u32, instance_id: Option<&str>) -> (u32, Volume) {
        let volume = Volume {
            id: format!("vol{number}"),
            name: Some(format!("am01234567-a-v{number}")),
            description: None,
            created: chrono::DateTime::UNIX_EPOCH,
            capacity: 1,
            realm_id: None,
            state: VolumeState::Available,
            instance_id: instance_id.map(str::to_owned),
            device: None,
        };
        (number, volume)
    }

    #[test]
    fn a_plan_begins_with_what_is_attached_and_what_has_to_go() {
        let machine = machine("a", "p");
        let here = Some(machine.id.as_str());
        let all =
            Volumes::from([volume(0, here), volume(1, None), volume(2, Some("other")), volume(3, None)]);
        let wanted = BTreeSet::from([0, 1, 2]);
        assert_eq!(present(&all, &machine, &wanted, None), [0, 3].into(), "1 and 2 are yet to be attached");
        // Where a boot has to follow: 0 was attached and 4 was taken away, and neither was noted.
        let noted = [AttachedVolume { number: 4, device: None }];
        assert_eq!(present(&all, &machine, &wanted, Some(&noted)), [3, 4].into());
        let noted = [AttachedVolume { number: 0, device: None }];
        assert_eq!(present(&all, &machine, &wanted, Some(&noted)), [0, 3].into());
    }

    #[test]
    fn names_of_volumes_are_read_as_they_are_written() {
        assert_eq!(read_name("am01234567-5b88-v0"), Some(("am01234567-5b88", 0)));
        assert_eq!(read_name("am01234567-5b88-v12"), Some(("am01234567-5b88", 12)));
        for other in ["am01234567-5b88", "am01234567-5b88-v", "x-v01", "x-v+1", "x-v-1", "x-v1a", "v1"] {
            assert_eq!(read_name(other), None, "{other}");
        }
    }
}
