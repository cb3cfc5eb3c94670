//! Instances of the mock cloud: rows that know where they stand, and where they will stand when.
//!
//! Nothing runs in the background. A row says "pending, running from 12:00:02 on"; whoever reads it
//! after that moment sees it running.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::config::{AddressScheme, AfterCreate};
use super::session::Session;
use super::store::Stored;
use crate::capability::{Collection, Disruption, Verb};
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{
    Address, AddressKind, CreateInstance, Firewall, HardwareProfile, Image, Instance, InstanceAddress, Key,
    NetworkInterface, ProfileChoice, Realm, RealmState, Volume,
};
use crate::states::{InstanceAction, InstanceState};

/// The longest name, in bytes.
const NAME_LIMIT: usize = 255;

/// What is stored of an instance beside the columns that are searched by.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) owner_id: String,
    pub(super) image_id: String,
    pub(super) hardware_profile: ProfileChoice,
    pub(super) keyname: Option<String>,
    pub(super) user_data: Option<String>,
    /// What the instance was told when it booted last.
    pub(super) booted_user_data: Option<String>,
    pub(super) firewalls: Vec<String>,
    pub(super) launch_time: Option<DateTime<Utc>>,
    pub(super) boot_count: u32,
    pub(super) disk_id: String,
    pub(super) public: InstanceAddress,
    pub(super) private: InstanceAddress,
    pub(super) can_create_image: bool,
    /// Compared when the same name is asked for again.
    pub(super) request: Option<CreateInstance>,
}

/// An instance as stored, with its state at the moment of the call.
pub(super) struct Stood {
    number: u32,
    pub(super) id: String,
    name: String,
    pub(super) realm_id: String,
    pub(super) state: InstanceState,
    next: Option<(InstanceState, i64)>,
    address_number: Option<u32>,
    pub(super) record: Record,
}

const COLUMNS: &str = "number, id, name, realm_id, state, next_state, due, address_number, record";

fn stood(row: &Row<'_>, now: DateTime<Utc>) -> Answer<Stood> {
    let text = |at| row.get::<_, String>(at).stored();
    let state = InstanceState::from(text(4)?.as_str());
    let next: Option<String> = row.get(5).stored()?;
    let due: Option<i64> = row.get(6).stored()?;
    let (state, next) = match next.map(|n| InstanceState::from(n.as_str())).zip(due) {
        Some((next, due)) if due <= now.timestamp_millis() => (next, None),
        next => (state, next),
    };
    Ok(Stood {
        number: row.get(0).stored()?,
        id: text(1)?,
        name: text(2)?,
        realm_id: text(3)?,
        state,
        next,
        address_number: row.get(7).stored()?,
        record: serde_json::from_str(&text(8)?).stored()?,
    })
}

/// What is attached to instances, to be shown with them.
struct Attached {
    volumes: Vec<Volume>,
    interfaces: Vec<NetworkInterface>,
    addresses: Vec<Address>,
}

impl Session<'_> {
    fn load(&self, condition: &str, value: &str) -> Answer<Option<Stood>> {
        self.connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM instance WHERE {condition} = ?1"))
            .stored()?
            .query_row([value], |row| Ok(stood(row, self.now)))
            .optional()
            .stored()?
            .transpose()
            .map(|found| found.filter(|i| i.state != InstanceState::Finish))
    }

    pub(super) fn stood(&self, id: &str) -> Answer<Stood> {
        self.load("id", id)?.ok_or_else(|| DriverError::not_found(Collection::Instances, id))
    }

    fn store(&self, instance: &Stood) -> Answer<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO instance VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (number)
                 DO UPDATE SET state = ?5, next_state = ?6, due = ?7, record = ?9",
            )
            .stored()?
            .execute(params![
                instance.number,
                instance.id,
                instance.name,
                instance.realm_id,
                instance.state.as_str(),
                instance.next.as_ref().map(|n| n.0.as_str()),
                instance.next.as_ref().map(|n| n.1),
                instance.address_number,
                serde_json::to_string(&instance.record).stored()?
            ])
            .stored()?;
        Ok(())
    }

    /// Takes away the rows of instances that have reached their end.
    fn sweep(&self) -> Answer<()> {
        self.connection
            .prepare_cached("DELETE FROM instance WHERE due <= ?1 AND next_state = 'finish'")
            .stored()?
            .execute([self.now.timestamp_millis()])
            .stored()?;
        Ok(())
    }

    fn shown(&self, instance: Stood, attached: &Attached) -> Instance {
        let Stood { id, name, realm_id, state, record, .. } = instance;
        let of_it = |owner: &str| owner == id;
        let elastic: Vec<InstanceAddress> = attached
            .addresses
            .iter()
            .filter(|a| a.instance_id.as_deref().is_some_and(of_it))
            .map(|a| InstanceAddress { kind: AddressKind::Ipv4, value: a.ip.clone(), port: None })
            .collect();
        let settled = matches!(state, InstanceState::Running | InstanceState::Stopped);
        let can_create_image = record.can_create_image
            && settled
            && self.world.capabilities.supports(Collection::Images, Verb::Create);
        Instance {
            actions: self.world.machine.actions(&state),
            can_create_image,
            // An address that was given to it takes the place of its own, as in the Deltacloud mock.
            public_addresses: if elastic.is_empty() { vec![record.public] } else { elastic },
            private_addresses: vec![record.private],
            storage_volumes: attached
                .volumes
                .iter()
                .filter(|v| v.instance_id.as_deref().is_some_and(of_it))
                .map(|v| v.id.clone())
                .collect(),
            network_interfaces: attached
                .interfaces
                .iter()
                .filter(|n| of_it(&n.instance_id))
                .map(|n| n.id.clone())
                .collect(),
            id,
            name,
            owner_id: record.owner_id,
            image_id: record.image_id,
            realm_id,
            hardware_profile: record.hardware_profile,
            state,
            keyname: record.keyname,
            user_data: record.user_data,
            launch_time: record.launch_time,
            firewalls: record.firewalls,
            boot_count: Some(record.boot_count),
            disk_id: Some(record.disk_id),
        }
    }

    fn show(&self, instance: Stood) -> Answer<Instance> {
        let attached = Attached {
            volumes: self.of_parent(Collection::StorageVolumes, &instance.id)?,
            interfaces: self.of_parent(Collection::NetworkInterfaces, &instance.id)?,
            addresses: self.of_parent(Collection::Addresses, &instance.id)?,
        };
        Ok(self.shown(instance, &attached))
    }

    pub(super) fn instances(&self) -> Answer<Vec<Instance>> {
        use std::collections::HashMap;
        fn by_instance<T>(all: Vec<T>, of: impl Fn(&T) -> Option<String>) -> HashMap<String, Vec<T>> {
            let mut sorted: HashMap<String, Vec<T>> = HashMap::new();
            for one in all {
                if let Some(instance) = of(&one) {
                    sorted.entry(instance).or_default().push(one);
                }
            }
            sorted
        }
        let mut volumes =
            by_instance(self.all(Collection::StorageVolumes)?, |v: &Volume| v.instance_id.clone());
        let mut interfaces = by_instance(self.all(Collection::NetworkInterfaces)?, |n: &NetworkInterface| {
            Some(n.instance_id.clone())
        });
        let mut addresses =
            by_instance(self.all(Collection::Addresses)?, |a: &Address| a.instance_id.clone());

        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM instance ORDER BY number"))
            .stored()?;
        let mut rows = statement.query([]).stored()?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().stored()? {
            let instance = stood(row, self.now)?;
            if instance.state != InstanceState::Finish {
                let attached = Attached {
                    volumes: volumes.remove(&instance.id).unwrap_or_default(),
                    interfaces: interfaces.remove(&instance.id).unwrap_or_default(),
                    addresses: addresses.remove(&instance.id).unwrap_or_default(),
                };
                found.push(self.shown(instance, &attached));
            }
        }
        Ok(found)
    }

    pub(super) fn instance(&self, id: &str) -> Answer<Instance> {
        self.show(self.stood(id)?)
    }

    pub(super) fn instance_named(&self, name: &str) -> Answer<Option<Instance>> {
        self.load("name <> '' AND name", name)?.map(|instance| self.show(instance)).transpose()
    }

    pub(super) fn create_instance(&self, request: &CreateInstance) -> Answer<Instance> {
        self.sweep()?;
        if request.name.is_empty()
            || request.name.len() > NAME_LIMIT
            || request.name.contains(char::is_control)
        {
            let why = format!("must have 1 to {NAME_LIMIT} bytes without control characters");
            return Err(DriverError::invalid("name", why));
        }
        if let Some(instance) = self.load("name <> '' AND name", &request.name)? {
            return self.created_before(instance, request);
        }
        let image = self.usable_image(&request.image_id)?;
        let (profile, values) = self.size(request.hardware_profile_id.as_deref(), &request.values, &image)?;
        let realm = self.place(request.realm_id.as_deref(), &profile)?;
        if let Some(key) = &request.keyname
            && !self.exists(Collection::Keys, key)?
        {
            let allowed = self.all::<Key>(Collection::Keys)?.into_iter().map(|k| k.id).collect();
            return Err(unknown("keyname", "key", key, allowed));
        }
        for firewall in &request.firewalls {
            if !self.exists(Collection::Firewalls, firewall)? {
                let allowed =
                    self.all::<Firewall>(Collection::Firewalls)?.into_iter().map(|f| f.id).collect();
                return Err(unknown("firewalls", "firewall", firewall, allowed));
            }
        }
        self.check_user_data(request.user_data.as_deref())?;

        let number = self.count_up("instance")?;
        let id = format!("inst{number}");
        let (public, private, address_number) = self.new_addresses(&id, &image.id)?;
        let runs = self.world.config.lifecycle.after_create == AfterCreate::Running;
        let mut instance = Stood {
            number,
            name: request.name.clone(),
            realm_id: realm.id.clone(),
            state: InstanceState::Start,
            next: None,
            address_number,
            record: Record {
                owner_id: self.world.config.owner.clone(),
                image_id: image.id,
                hardware_profile: ProfileChoice { id: profile.id, values },
                keyname: request.keyname.clone(),
                user_data: request.user_data.clone(),
                booted_user_data: None,
                firewalls: request.firewalls.clone(),
                launch_time: Some(self.second()),
                boot_count: 0,
                disk_id: self.new_disk()?,
                public,
                private,
                can_create_image: true,
                request: Some(request.clone()),
            },
            id,
        };
        let takes = self.world.config.lifecycle.create_ms;
        if runs {
            self.boot(&mut instance, takes)?;
        } else {
            self.go(&mut instance, takes, InstanceState::Pending, InstanceState::Stopped);
        }
        self.store(&instance)?;
        self.show(instance)
    }

    /// The name is taken: by the instance of an equal request, or by another.
    fn created_before(&self, instance: Stood, request: &CreateInstance) -> Answer<Instance> {
        let conflict = |why: &str| Err(DriverError::conflict(Collection::Instances, &request.name, why));
        if instance.record.request.as_ref() != Some(request) {
            return conflict("the name is taken by an instance of another request");
        }
        if matches!(instance.next, Some((InstanceState::Finish, _))) {
            return conflict("the instance of this name is being destroyed");
        }
        self.show(instance)
    }

    fn usable_image(&self, id: &str) -> Answer<Image> {
        match self.world.images.iter().find(|i| i.id == id) {
            Some(image) => Ok(image.clone()),
            None => match self.find(Collection::Images, id)? {
                Some(image) => Ok(image),
                None => {
                    let allowed = self.images()?.into_iter().map(|i| i.id).collect();
                    Err(unknown("image_id", "image", id, allowed))
                }
            },
        }
    }

    /// The profile asked for (or the default) with its checked values.
    fn size(
        &self,
        id: Option<&str>,
        values: &std::collections::BTreeMap<String, String>,
        image: &Image,
    ) -> Answer<(HardwareProfile, std::collections::BTreeMap<String, String>)> {
        let all = &self.world.config.hardware_profiles;
        let fits = |p: &&HardwareProfile| {
            image.hardware_profiles.is_empty() || image.hardware_profiles.contains(&p.id)
        };
        let profile = match id {
            Some(id) => all.iter().filter(fits).find(|p| p.id == id),
            None => all.iter().find(fits),
        };
        let Some(profile) = profile else {
            let allowed = all.iter().filter(fits).map(|p| p.id.clone()).collect();
            let what = format!("hardware profile for image {}", image.id);
            return Err(unknown("hwp_id", &what, id.unwrap_or_default(), allowed));
        };
        Ok((profile.clone(), profile.check(values)?))
    }

    /// The realm asked for, if it has room; or the first with room that is not a machine for one.
    fn place(&self, id: Option<&str>, profile: &HardwareProfile) -> Answer<&Realm> {
        let open = |r: &&Realm| r.state == RealmState::Available && r.offers(&profile.id);
        let Some(id) = id else {
            let mut limit = 0;
            for realm in self.world.realms.iter().filter(open).filter(|r| !r.exclusive) {
                if self.has_room(realm)? {
                    return Ok(realm);
                }
                limit += u64::from(realm.limit.unwrap_or_default());
            }
            return Err(DriverError::Capacity { collection: Collection::Instances, realm: None, limit });
        };
        let allowed = || self.world.realms.iter().filter(open).map(|r| r.id.clone()).collect();
        let Some(realm) = self.world.realm(id) else {
            return Err(unknown("realm_id", "realm", id, allowed()));
        };
        if !open(&realm) {
            let what = format!("available realm for hardware profile {}", profile.id);
            return Err(unknown("realm_id", &what, id, allowed()));
        }
        if self.has_room(realm)? {
            Ok(realm)
        } else {
            Err(DriverError::Capacity {
                collection: Collection::Instances,
                realm: Some(realm.id.clone()),
                limit: u64::from(realm.limit.unwrap_or_default()),
            })
        }
    }

    fn has_room(&self, realm: &Realm) -> Answer<bool> {
        let Some(limit) = realm.limit else { return Ok(true) };
        let held: u32 = self
            .connection
            .prepare_cached("SELECT count(*) FROM instance WHERE realm_id = ?1")
            .stored()?
            .query_row([&realm.id], |row| row.get(0))
            .stored()?;
        Ok(held < limit)
    }

    fn check_user_data(&self, user_data: Option<&str>) -> Answer<()> {
        match (user_data, self.world.capabilities.user_data_limit) {
            (Some(data), Some(limit)) if data.len() > limit => {
                let why = format!("{} bytes are more than the {limit} that are taken", data.len());
                Err(DriverError::invalid("user_data", why))
            }
            _ => Ok(()),
        }
    }

    fn new_disk(&self) -> Answer<String> {
        Ok(format!("disk{}", self.count_up("disk")?))
    }

    /// Addresses for a new instance, and the number that keeps others from having them.
    fn new_addresses(
        &self,
        id: &str,
        image_id: &str,
    ) -> Answer<(InstanceAddress, InstanceAddress, Option<u32>)> {
        let address = |kind: AddressKind, value: String| InstanceAddress { kind, value, port: None };
        match &self.world.config.addresses {
            AddressScheme::Hostnames => Ok((
                address(AddressKind::Hostname, format!("{image_id}.{id}.public.com")),
                address(AddressKind::Hostname, format!("{image_id}.{id}.private.com")),
                None,
            )),
            AddressScheme::Blocks { public, private } => {
                let size = public.hosts().min(private.hosts());
                // Going on from the last one given leaves an address unused for long after its instance.
                for _ in 0..size {
                    let number = self.count_up("address")? % size;
                    let held = self
                        .connection
                        .prepare_cached("SELECT 1 FROM instance WHERE address_number = ?1")
                        .stored()?
                        .exists([number])
                        .stored()?;
                    if !held {
                        return Ok((
                            address(AddressKind::Ipv4, public.host(number).to_string()),
                            address(AddressKind::Ipv4, private.host(number).to_string()),
                            Some(number),
                        ));
                    }
                }
                let limit = u64::from(size);
                Err(DriverError::Capacity { collection: Collection::Addresses, realm: None, limit })
            }
        }
    }

    /// Sets an instance on its way; a way that takes no time is at its end at once.
    fn go(&self, instance: &mut Stood, milliseconds: u32, way: InstanceState, end: InstanceState) {
        if milliseconds == 0 {
            (instance.state, instance.next) = (end, None);
        } else {
            let due = self.now + TimeDelta::milliseconds(i64::from(milliseconds));
            (instance.state, instance.next) = (way, Some((end, due.timestamp_millis())));
        }
    }

    /// Boots an instance, which then knows the user data it has now.
    fn boot(&self, instance: &mut Stood, milliseconds: u32) -> Answer<()> {
        instance.record.boot_count += 1;
        instance.record.booted_user_data.clone_from(&instance.record.user_data);
        if !self.boot_fails {
            self.go(instance, milliseconds, InstanceState::Pending, InstanceState::Running);
        } else if self.world.config.lifecycle.can_fail {
            // The declared way to failure goes through pending, so it takes a moment in any case.
            self.go(instance, milliseconds.max(1), InstanceState::Pending, InstanceState::Failed);
        } else {
            let message = format!("instance {} did not come up", instance.id);
            return Err(DriverError::Backend { status: Some(409), message });
        }
        Ok(())
    }

    /// The instance, if its state allows the action.
    fn ready_for(&self, id: &str, action: InstanceAction, verb: Verb) -> Answer<Stood> {
        let instance = self.stood(id)?;
        if self.world.machine.allows(&instance.state, action) {
            Ok(instance)
        } else {
            Err(wrong_state(instance, verb))
        }
    }

    pub(super) fn start_instance(&self, id: &str) -> Answer<Instance> {
        let mut instance = self.ready_for(id, InstanceAction::Start, Verb::Start)?;
        self.boot(&mut instance, self.world.config.lifecycle.start_ms)?;
        self.store(&instance)?;
        self.show(instance)
    }

    pub(super) fn stop_instance(&self, id: &str) -> Answer<Instance> {
        let mut instance = self.ready_for(id, InstanceAction::Stop, Verb::Stop)?;
        let takes = self.world.config.lifecycle.stop_ms;
        self.go(&mut instance, takes, InstanceState::Stopping, InstanceState::Stopped);
        self.store(&instance)?;
        self.show(instance)
    }

    pub(super) fn reboot_instance(&self, id: &str) -> Answer<Instance> {
        let mut instance = self.ready_for(id, InstanceAction::Reboot, Verb::Reboot)?;
        self.boot(&mut instance, self.world.config.lifecycle.reboot_ms)?;
        self.store(&instance)?;
        self.show(instance)
    }

    pub(super) fn destroy_instance(&self, id: &str) -> Answer<()> {
        self.sweep()?;
        let instance = self.stood(id)?;
        if matches!(instance.next, Some((InstanceState::Finish, _))) {
            return Ok(());
        }
        let mut instance = self.ready_for(id, InstanceAction::Destroy, Verb::Destroy)?;
        self.release(id)?;
        let takes = self.world.config.lifecycle.destroy_ms;
        self.go(&mut instance, takes, InstanceState::Stopping, InstanceState::Finish);
        if instance.state == InstanceState::Finish {
            self.connection
                .prepare_cached("DELETE FROM instance WHERE number = ?1")
                .stored()?
                .execute([instance.number])
                .stored()?;
            return Ok(());
        }
        self.store(&instance)
    }

    pub(super) fn resize_instance(&self, id: &str, size: &ProfileChoice) -> Answer<Instance> {
        let mut instance = self.stood(id)?;
        let image = self.usable_image(&instance.record.image_id)?;
        let (profile, values) = self.size(Some(&size.id), &size.values, &image)?;
        let wanted = ProfileChoice { id: profile.id.clone(), values };
        if instance.record.hardware_profile == wanted {
            return self.show(instance);
        }
        if let Some(realm) = self.world.realm(&instance.realm_id)
            && !realm.offers(&profile.id)
        {
            let what = format!("hardware profile of realm {}", realm.id);
            return Err(unknown("hwp_id", &what, &profile.id, realm.hardware_profiles.clone()));
        }
        self.pay(&mut instance, self.world.config.costs.resize, Verb::Resize)?;
        instance.record.hardware_profile = wanted;
        self.store(&instance)?;
        self.show(instance)
    }

    pub(super) fn set_user_data(&self, id: &str, user_data: Option<String>) -> Answer<Instance> {
        self.check_user_data(user_data.as_deref())?;
        let mut instance = self.stood(id)?;
        if instance.record.user_data == user_data {
            return self.show(instance);
        }
        instance.record.user_data = user_data;
        let cost = self.world.config.costs.set_user_data;
        self.pay(&mut instance, cost, Verb::SetUserData)?;
        if cost == Disruption::None {
            instance.record.booted_user_data.clone_from(&instance.record.user_data);
        }
        self.store(&instance)?;
        self.show(instance)
    }

    pub(super) fn rebuild_instance(&self, id: &str, image_id: &str) -> Answer<Instance> {
        let mut instance = self.stood(id)?;
        let image = self.usable_image(image_id)?;
        self.size(Some(&instance.record.hardware_profile.id), &Default::default(), &image)?;
        let must_be_stopped = self.world.config.costs.rebuild == Disruption::MustBeStopped;
        match instance.state {
            InstanceState::Stopped => {}
            InstanceState::Running | InstanceState::Failed if !must_be_stopped => {
                self.boot(&mut instance, self.world.config.lifecycle.create_ms)?;
            }
            _ => return Err(wrong_state(instance, Verb::Rebuild)),
        }
        instance.record.image_id = image.id;
        instance.record.disk_id = self.new_disk()?;
        self.store(&instance)?;
        self.show(instance)
    }

    /// Lets an instance bear what a change costs, or refuses the change in a state that does not
    /// allow it.
    fn pay(&self, instance: &mut Stood, cost: Disruption, verb: Verb) -> Answer<()> {
        match (cost, &instance.state) {
            (_, InstanceState::Stopped) => Ok(()),
            (Disruption::None | Disruption::NextBoot, InstanceState::Running | InstanceState::Pending) => {
                Ok(())
            }
            (Disruption::Reboots, InstanceState::Running) => {
                self.boot(instance, self.world.config.lifecycle.reboot_ms)
            }
            (_, state) => {
                Err(DriverError::WrongState { id: instance.id.clone(), state: state.clone(), verb })
            }
        }
    }

    /// What the instance was told when it booted last.
    pub(super) fn booted_user_data(&self, id: &str) -> Answer<Option<String>> {
        Ok(self.stood(id)?.record.booted_user_data)
    }

    /// The instances that are there from the start.
    pub(super) fn write_first_instances(&self) -> Answer<()> {
        for first in &self.world.config.first.instances {
            let hostname = |value: &str| InstanceAddress {
                kind: AddressKind::Hostname,
                value: value.into(),
                port: None,
            };
            self.store(&Stood {
                number: self.count_up("instance")?,
                id: first.id.clone(),
                name: first.name.clone(),
                realm_id: first.realm_id.clone(),
                state: InstanceState::Running,
                next: None,
                address_number: None,
                record: Record {
                    owner_id: self.world.config.owner.clone(),
                    image_id: first.image_id.clone(),
                    hardware_profile: first.hardware_profile.clone(),
                    keyname: first.keyname.clone(),
                    user_data: None,
                    booted_user_data: None,
                    firewalls: Vec::new(),
                    launch_time: first.launch_time,
                    boot_count: 1,
                    disk_id: self.new_disk()?,
                    public: hostname(&first.public_address),
                    private: hostname(&first.private_address),
                    can_create_image: first.can_create_image,
                    request: None,
                },
            })?;
        }
        Ok(())
    }
}

fn wrong_state(instance: Stood, verb: Verb) -> DriverError {
    DriverError::WrongState { id: instance.id, state: instance.state, verb }
}

/// A reference to something that is not there.
pub(super) fn unknown(parameter: &str, what: &str, id: &str, allowed: Vec<String>) -> DriverError {
    DriverError::Invalid { parameter: parameter.into(), why: format!("there is no {what} {id:?}"), allowed }
}
