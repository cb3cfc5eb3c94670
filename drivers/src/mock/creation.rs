//! How an instance of the mock cloud comes into being: its request checked, its place found.

use std::collections::BTreeMap;

use super::config::{AddressScheme, AfterCreate};
use super::instances::{Record, Stood, unknown};
use super::session::Session;
use super::store::Stored;
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{
    AddressKind, CreateInstance, Firewall, HardwareProfile, Image, Instance, InstanceAddress, Key,
    ProfileChoice, Realm, RealmState,
};
use crate::operation::Collection;
use crate::states::InstanceState;

/// The longest name, in bytes.
const NAME_LIMIT: usize = 255;

impl Session<'_> {
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
        let (profile, values) = self.first_size(request, &image)?;
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

    pub(super) fn usable_image(&self, id: &str) -> Answer<Image> {
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

    /// The size of a new instance: the profile asked for, or the first that fits the image and the realm.
    fn first_size(
        &self,
        request: &CreateInstance,
        image: &Image,
    ) -> Answer<(HardwareProfile, BTreeMap<String, String>)> {
        let asked_for = request.hardware_profile_id.as_deref();
        let realm = request.realm_id.as_deref().and_then(|id| self.world.realm(id));
        let fitting = realm.and_then(|realm| {
            self.world.config.hardware_profiles.iter().map(|p| p.id.as_str()).find(|id| {
                realm.offers(id)
                    && (image.hardware_profiles.is_empty() || image.hardware_profiles.iter().any(|p| p == id))
            })
        });
        self.size(asked_for.or(fitting), &request.values, image)
    }

    /// The profile asked for (or the default) with its checked values.
    pub(super) fn size(
        &self,
        id: Option<&str>,
        values: &BTreeMap<String, String>,
        image: &Image,
    ) -> Answer<(HardwareProfile, BTreeMap<String, String>)> {
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

    pub(super) fn check_user_data(&self, user_data: Option<&str>) -> Answer<()> {
        match (user_data, self.world.capabilities.user_data_limit) {
            (Some(data), Some(limit)) if data.len() > limit => {
                let why = format!("{} bytes are more than the {limit} that are taken", data.len());
                Err(DriverError::invalid("user_data", why))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn new_disk(&self) -> Answer<String> {
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
}
