//! Images, keys, addresses and firewalls of the mock cloud, and how named things are made.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::instances::unknown;
use super::session::Session;
use super::store::{NewResource, Stored};
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{
    Address, CreateFirewall, CreateImage, CreateKey, Firewall, FirewallRule, Image, Key, KeyKind, NewRule,
    RuleSource, Secret,
};
use crate::operation::{Collection, Verb};
use crate::states::InstanceState;

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
            let dots = matches!(name, "." | "..");
            if name.is_empty() || dots || name.len() > 255 || !name.chars().all(plain) {
                let why = "must have 1 to 255 letters, digits or one of - _ . : @ +, and not be . or .., \
                           for it becomes the id";
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
        // The private half is given to whoever has the pair made, and kept nowhere.
        let mut private = None;
        let made = self.make(Collection::Keys, Some(&request.name), None, request, |id| {
            // A pair of this cloud's making opens nothing: there is nothing to open.
            private = key.is_none().then(|| {
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
                private_key: None,
            })
        })?;
        Ok(Key { private_key: private.map(Secret::new), ..made })
    }

    /// A key as it is shown later. Files of earlier versions hold private halves.
    pub(super) fn shown_key(key: Key) -> Key {
        Key { private_key: None, ..key }
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
