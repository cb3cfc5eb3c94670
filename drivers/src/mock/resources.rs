//! Images, keys, addresses, firewalls, volumes and snapshots of the mock cloud.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::instances::unknown;
use super::session::Session;
use super::store::{NewResource, Stored};
use crate::capability::{Collection, Disruption, Verb};
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{
    Address, CreateFirewall, CreateImage, CreateKey, CreateSnapshot, CreateVolume, Firewall, FirewallRule,
    Image, Key, KeyKind, NetworkInterface, NewRule, RuleSource, Secret, Snapshot, Volume, VolumeState,
};
use crate::states::InstanceState;

/// GB of a volume for which no size is asked.
const DEFAULT_VOLUME: u64 = 1;

impl Session<'_> {
    /// Makes a named thing, or gives back what an equal request has made. `make` gets the new
    /// identity, which is the name where there is one, as in the Deltacloud mock.
    pub(super) fn make<T: Serialize + DeserializeOwned>(
        &self,
        collection: Collection,
        name: Option<&str>,
        parent: Option<&str>,
        request: &impl Serialize,
        make: impl FnOnce(&str) -> Answer<T>,
    ) -> Answer<T> {
        if let Some(name) = name {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@+".contains(c);
            if name.is_empty() || name.len() > 255 || !name.chars().all(plain) {
                let why = "must have 1 to 255 letters, digits or one of - _ . : @ +, for it becomes the id";
                return Err(DriverError::invalid("name", why));
            }
        }
        if let Some(before) = self.made_before(collection, name, request)? {
            return Ok(before);
        }
        let id = match name {
            Some(name) if self.exists(collection, name)? => {
                return Err(DriverError::conflict(collection, name, "the identity is taken"));
            }
            Some(name) => name.to_owned(),
            None => {
                let stem = collection.as_str().trim_end_matches('s');
                loop {
                    let id = format!("{stem}_{}", self.count_up(collection.as_str())?);
                    if !self.exists(collection, &id)? {
                        break id;
                    }
                }
            }
        };
        let made = make(&id)?;
        let request = Some(serde_json::to_string(request).stored()?);
        self.add(collection, &NewResource { id: &id, name, parent, request, body: &made })?;
        Ok(made)
    }

    pub(super) fn images(&self) -> Answer<Vec<Image>> {
        let mut images = self.world.images.clone();
        images.extend(self.all(Collection::Images)?);
        Ok(images)
    }

    pub(super) fn create_image(&self, request: &CreateImage) -> Answer<Image> {
        let instance = self.stood(&request.instance_id).map_err(|e| match e {
            DriverError::NotFound { id, .. } => unknown("instance_id", "instance", &id, Vec::new()),
            e => e,
        })?;
        let settled = matches!(instance.state, InstanceState::Running | InstanceState::Stopped);
        if !settled || !instance.record.can_create_image {
            return Err(DriverError::WrongState {
                id: instance.id,
                state: instance.state,
                verb: Verb::Create,
            });
        }
        let name = request.name.as_deref();
        if let Some(name) = name
            && self.world.images.iter().any(|i| i.id == name)
        {
            return Err(DriverError::conflict(Collection::Images, name, "the name is taken"));
        }
        let from = self.world.images.iter().find(|i| i.id == instance.record.image_id).cloned();
        let from = match from {
            Some(image) => Some(image),
            None => self.find::<Image>(Collection::Images, &instance.record.image_id)?,
        };
        self.make(Collection::Images, name, None, request, |id| {
            Ok(Image {
                id: id.to_owned(),
                name: id.to_owned(),
                description: request.description.clone().unwrap_or_default(),
                owner_id: self.world.config.owner.clone(),
                architecture: from.as_ref().map_or_else(|| "x86_64".into(), |i| i.architecture.clone()),
                state: "AVAILABLE".into(),
                creation_time: Some(self.second()),
                os: from.as_ref().and_then(|i| i.os.clone()),
                version: from.as_ref().and_then(|i| i.version.clone()),
                hardware_profiles: from.as_ref().map(|i| i.hardware_profiles.clone()).unwrap_or_default(),
                root_type: Some("transient".into()),
            })
        })
    }

    pub(super) fn destroy_image(&self, id: &str) -> Answer<()> {
        if self.world.images.iter().any(|i| i.id == id) {
            let why = "it belongs to the configuration, which keeps it";
            return Err(DriverError::conflict(Collection::Images, id, why));
        }
        self.remove(Collection::Images, id)
    }

    pub(super) fn create_key(&self, request: &CreateKey) -> Answer<Key> {
        let key = request.public_key.as_deref().map(str::trim);
        if let Some(key) = key
            && (key.is_empty() || key.split_whitespace().count() < 2 || key.contains(char::is_control))
        {
            return Err(DriverError::invalid("public_key", "must be one line, as in authorized_keys"));
        }
        self.make(Collection::Keys, Some(&request.name), None, request, |id| {
            // A pair of this cloud's making opens nothing: there is nothing to open.
            let private = key.is_none().then(|| {
                let body = hex(&Sha256::digest(format!("{}/{id}", self.world.config.name)), "");
                format!("-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----")
            });
            let printed = key.or(private.as_deref()).unwrap_or_default();
            Ok(Key {
                id: id.to_owned(),
                name: request.name.clone(),
                kind: KeyKind::Key,
                fingerprint: Some(hex(&Sha256::digest(printed)[..20], ":")),
                public_key: key.map(str::to_owned),
                private_key: private.map(Secret::new),
            })
        })
    }

    pub(super) fn create_address(&self) -> Answer<Address> {
        let block = self.world.config.floating_addresses;
        for number in 0..block.hosts() {
            let ip = block.host(number).to_string();
            if !self.exists(Collection::Addresses, &ip)? {
                let address = Address { id: ip.clone(), ip: ip.clone(), instance_id: None };
                let new = NewResource { id: &ip, name: None, parent: None, request: None, body: &address };
                self.add(Collection::Addresses, &new)?;
                return Ok(address);
            }
        }
        let limit = u64::from(block.hosts());
        Err(DriverError::Capacity { collection: Collection::Addresses, realm: None, limit })
    }

    pub(super) fn associate_address(&self, id: &str, instance_id: &str) -> Answer<Address> {
        let mut address: Address = self.get(Collection::Addresses, id)?;
        let instance = self.stood(instance_id)?;
        match &address.instance_id {
            Some(holder) if *holder == instance.id => return Ok(address),
            Some(holder) => {
                let why = format!("instance {holder} has it; disassociate it first");
                return Err(DriverError::conflict(Collection::Addresses, id, why));
            }
            None => address.instance_id = Some(instance.id.clone()),
        }
        self.put(Collection::Addresses, id, Some(&instance.id), &address)?;
        Ok(address)
    }

    pub(super) fn disassociate_address(&self, id: &str) -> Answer<Address> {
        let mut address: Address = self.get(Collection::Addresses, id)?;
        address.instance_id = None;
        self.put(Collection::Addresses, id, None, &address)?;
        Ok(address)
    }

    pub(super) fn destroy_address(&self, id: &str) -> Answer<()> {
        if let Some(holder) = self.get::<Address>(Collection::Addresses, id)?.instance_id {
            let why = format!("instance {holder} has it; disassociate it first");
            return Err(DriverError::conflict(Collection::Addresses, id, why));
        }
        self.remove(Collection::Addresses, id)
    }

    pub(super) fn create_firewall(&self, request: &CreateFirewall) -> Answer<Firewall> {
        // Compared by its first form: rules that came later are no part of the request.
        self.make(Collection::Firewalls, Some(&request.name), None, request, |id| {
            Ok(Firewall {
                id: id.to_owned(),
                name: request.name.clone(),
                description: request.description.clone(),
                owner_id: self.world.config.owner.clone(),
                rules: Vec::new(),
            })
        })
    }

    pub(super) fn destroy_firewall(&self, id: &str) -> Answer<()> {
        let user = self.instances()?.into_iter().find(|i| i.firewalls.iter().any(|f| f == id));
        if let Some(user) = user {
            let why = format!("instance {} stands behind it", user.id);
            return Err(DriverError::conflict(Collection::Firewalls, id, why));
        }
        self.remove(Collection::Firewalls, id)
    }

    pub(super) fn add_firewall_rule(&self, firewall_id: &str, rule: &NewRule) -> Answer<FirewallRule> {
        let mut firewall: Firewall = self.get(Collection::Firewalls, firewall_id)?;
        check_rule(rule)?;
        if let Some(before) = firewall.rules.iter().find(|r| r.allow == *rule) {
            return Ok(before.clone());
        }
        let number = self.count_up("rule")?;
        let added = FirewallRule { id: format!("rule{number}"), allow: rule.clone() };
        firewall.rules.push(added.clone());
        self.put(Collection::Firewalls, firewall_id, None, &firewall)?;
        Ok(added)
    }

    pub(super) fn remove_firewall_rule(&self, firewall_id: &str, rule_id: &str) -> Answer<()> {
        let mut firewall: Firewall = self.get(Collection::Firewalls, firewall_id)?;
        let before = firewall.rules.len();
        firewall.rules.retain(|r| r.id != rule_id);
        if firewall.rules.len() == before {
            return Err(DriverError::not_found(Collection::Firewalls, format!("{firewall_id}/{rule_id}")));
        }
        self.put(Collection::Firewalls, firewall_id, None, &firewall)
    }

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
        Ok(())
    }
}

fn check_rule(rule: &NewRule) -> Answer<()> {
    if !["tcp", "udp", "icmp"].contains(&rule.protocol.as_str()) {
        return Err(DriverError::Invalid {
            parameter: "protocol".into(),
            why: format!("{:?} is not known", rule.protocol),
            allowed: ["tcp", "udp", "icmp"].map(String::from).into(),
        });
    }
    if rule.port_from > rule.port_to {
        return Err(DriverError::invalid("port_to", "is below port_from"));
    }
    if rule.sources.is_empty() {
        return Err(DriverError::invalid("sources", "at least one is needed"));
    }
    for source in &rule.sources {
        if let RuleSource::Address { address, prefix } = source {
            let longest = match address.parse::<IpAddr>() {
                Ok(IpAddr::V4(_)) => 32,
                Ok(IpAddr::V6(_)) => 128,
                Err(_) => {
                    return Err(DriverError::invalid("ip_address", format!("{address:?} is no address")));
                }
            };
            if *prefix > longest {
                return Err(DriverError::invalid(
                    "ip_address",
                    format!("a prefix has at most {longest} bits"),
                ));
            }
        }
    }
    Ok(())
}

/// Bytes in hexadecimal, with something between them.
fn hex(bytes: &[u8], between: &str) -> String {
    let mut text = String::new();
    for (i, byte) in bytes.iter().enumerate() {
        // Writing into a String does not fail.
        let _ = write!(text, "{}{byte:02x}", if i == 0 { "" } else { between });
    }
    text
}
