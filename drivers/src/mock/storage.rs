//! Volumes and snapshots of the mock cloud, and what becomes of attachments.

use super::instances::unknown;
use super::session::Session;
use crate::capability::Disruption;
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{Address, CreateSnapshot, CreateVolume, NetworkInterface, Snapshot, Volume, VolumeState};
use crate::operation::{Collection, Verb};
use crate::states::InstanceState;

/// GB of a volume for which no size is asked.
const DEFAULT_VOLUME: u64 = 1;

impl Session<'_> {
    pub(super) fn create_volume(&self, request: &CreateVolume) -> Answer<Volume> {
        if let Some(realm) = &request.realm_id
            && self.world.realm(realm).is_none()
        {
            let allowed = self.world.realms.iter().map(|r| r.id.clone()).collect();
            return Err(unknown("realm_id", "realm", realm, allowed));
        }
        let mut least = DEFAULT_VOLUME;
        if let Some(id) = &request.snapshot_id {
            if !self.exists(Collection::StorageSnapshots, id)? {
                let all = self.all::<Snapshot>(Collection::StorageSnapshots)?;
                return Err(unknown("snapshot_id", "snapshot", id, all.into_iter().map(|s| s.id).collect()));
            }
            let snapshot: Snapshot = self.get(Collection::StorageSnapshots, id)?;
            if let Some(volume) = self.find::<Volume>(Collection::StorageVolumes, &snapshot.volume_id)? {
                least = volume.capacity;
            }
        }
        let capacity = request.capacity.unwrap_or(least);
        if capacity == 0 || (request.snapshot_id.is_some() && capacity < least) {
            return Err(DriverError::invalid("capacity", format!("must be at least {least} GB")));
        }
        let name = request.name.as_deref();
        self.make(Collection::StorageVolumes, name, None, request, |id| {
            Ok(Volume {
                id: id.to_owned(),
                name: request.name.clone(),
                description: request.description.clone(),
                created: self.second(),
                capacity,
                realm_id: request.realm_id.clone(),
                state: VolumeState::Available,
                instance_id: None,
                device: None,
            })
        })
    }

    /// The instance, if things may be attached to it and detached from it now.
    pub(super) fn open_for(&self, instance_id: &str, cost: Disruption, verb: Verb) -> Answer<()> {
        let instance = self.stood(instance_id)?;
        match (cost, instance.state) {
            (_, InstanceState::Stopped) => Ok(()),
            (Disruption::MustBeStopped, state)
            | (_, state @ (InstanceState::Stopping | InstanceState::Failed)) => {
                Err(DriverError::WrongState { id: instance.id, state, verb })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn attach_volume(&self, id: &str, instance_id: &str, device: Option<&str>) -> Answer<Volume> {
        let mut volume: Volume = self.get(Collection::StorageVolumes, id)?;
        let instance = self.stood(instance_id)?;
        if let Some(holder) = &volume.instance_id {
            if *holder == instance.id && device.is_none_or(|d| volume.device.as_deref() == Some(d)) {
                return Ok(volume);
            }
            let why = format!("it is attached to instance {holder}");
            return Err(DriverError::conflict(Collection::StorageVolumes, id, why));
        }
        if volume.realm_id.as_ref().is_some_and(|r| *r != instance.realm_id) {
            let why = format!("it lives in another realm than instance {}", instance.id);
            return Err(DriverError::conflict(Collection::StorageVolumes, id, why));
        }
        self.open_for(instance_id, self.world.config.costs.storage_volume, Verb::Attach)?;
        let beside: Vec<Volume> = self.of_parent(Collection::StorageVolumes, &instance.id)?;
        let free = |name: &str| beside.iter().all(|v| v.device.as_deref() != Some(name));
        let device = match device {
            Some(name) if free(name) => name.to_owned(),
            Some(name) => {
                let why = format!("instance {} has another volume as this device", instance.id);
                return Err(DriverError::conflict(Collection::StorageVolumes, name, why));
            }
            None => ('b'..='z')
                .map(|letter| format!("/dev/vd{letter}"))
                .find(|name| free(name))
                .ok_or_else(|| DriverError::invalid("device", "the instance has no device name left"))?,
        };
        volume.state = VolumeState::InUse;
        volume.instance_id = Some(instance.id.clone());
        volume.device = Some(device);
        self.put(Collection::StorageVolumes, id, Some(&instance.id), &volume)?;
        Ok(volume)
    }

    pub(super) fn detach_volume(&self, id: &str) -> Answer<Volume> {
        let volume: Volume = self.get(Collection::StorageVolumes, id)?;
        match &volume.instance_id {
            None => Ok(volume),
            Some(holder) => {
                self.open_for(holder, self.world.config.costs.storage_volume, Verb::Detach)?;
                self.free_volume(volume)
            }
        }
    }

    fn free_volume(&self, mut volume: Volume) -> Answer<Volume> {
        volume.state = VolumeState::Available;
        (volume.instance_id, volume.device) = (None, None);
        self.put(Collection::StorageVolumes, &volume.id, None, &volume)?;
        Ok(volume)
    }

    pub(super) fn destroy_volume(&self, id: &str) -> Answer<()> {
        if let Some(holder) = self.get::<Volume>(Collection::StorageVolumes, id)?.instance_id {
            let why = format!("it is attached to instance {holder}");
            return Err(DriverError::conflict(Collection::StorageVolumes, id, why));
        }
        self.remove(Collection::StorageVolumes, id)
    }

    pub(super) fn create_snapshot(&self, request: &CreateSnapshot) -> Answer<Snapshot> {
        if !self.exists(Collection::StorageVolumes, &request.volume_id)? {
            let all = self.all::<Volume>(Collection::StorageVolumes)?;
            let allowed = all.into_iter().map(|v| v.id).collect();
            return Err(unknown("volume_id", "volume", &request.volume_id, allowed));
        }
        let (name, of) = (request.name.as_deref(), Some(request.volume_id.as_str()));
        self.make(Collection::StorageSnapshots, name, of, request, |id| {
            Ok(Snapshot {
                id: id.to_owned(),
                name: request.name.clone(),
                description: request.description.clone(),
                created: self.second(),
                volume_id: request.volume_id.clone(),
                state: Some("COMPLETED".into()),
            })
        })
    }

    /// Frees everything that is attached to an instance which ends.
    pub(super) fn release(&self, instance_id: &str) -> Answer<()> {
        for volume in self.of_parent::<Volume>(Collection::StorageVolumes, instance_id)? {
            self.free_volume(volume)?;
        }
        for address in self.of_parent::<Address>(Collection::Addresses, instance_id)? {
            self.disassociate_address(&address.id)?;
        }
        for interface in self.of_parent::<NetworkInterface>(Collection::NetworkInterfaces, instance_id)? {
            self.remove(Collection::NetworkInterfaces, &interface.id)?;
        }
        self.unregister_everywhere(instance_id)
    }
}
