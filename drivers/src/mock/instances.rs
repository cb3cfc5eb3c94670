//! Instances of the mock cloud: rows that know where they stand, and where they will stand when.
//!
//! Nothing runs in the background. A row says "pending, running from 12:00:02 on"; whoever reads it
//! after that moment sees it running.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::session::Session;
use super::store::Stored;
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{
    Address, AddressKind, CreateInstance, Instance, InstanceAddress, NetworkInterface, ProfileChoice, Volume,
};
use crate::operation::{Collection, Verb};
use crate::states::InstanceState;

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
    pub(super) number: u32,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) realm_id: String,
    pub(super) state: InstanceState,
    pub(super) next: Option<(InstanceState, i64)>,
    pub(super) address_number: Option<u32>,
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
    pub(super) fn load(&self, condition: &str, value: &str) -> Answer<Option<Stood>> {
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

    pub(super) fn store(&self, instance: &Stood) -> Answer<()> {
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
    pub(super) fn sweep(&self) -> Answer<()> {
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

    pub(super) fn show(&self, instance: Stood) -> Answer<Instance> {
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

/// A reference to something that is not there.
pub(super) fn unknown(parameter: &str, what: &str, id: &str, allowed: Vec<String>) -> DriverError {
    DriverError::Invalid { parameter: parameter.into(), why: format!("there is no {what} {id:?}"), allowed }
}
