//! Instances: the machines themselves.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::states::{InstanceAction, InstanceState};

/// What kind of address an instance shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressKind {
    /// Dotted IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// A name to resolve.
    Hostname,
    /// A hardware address.
    Mac,
    /// Where a screen can be watched, with a port.
    Vnc,
}

impl AddressKind {
    /// The word the Deltacloud API writes.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Hostname => "hostname",
            Self::Mac => "mac",
            Self::Vnc => "vnc",
        }
    }
}

/// One address at which an instance is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceAddress {
    /// How to read it.
    pub kind: AddressKind,
    /// The address.
    pub value: String,
    /// Port, where the kind has one (`vnc`), or where logging in needs another than 22.
    pub port: Option<u16>,
}

/// A hardware profile with the values chosen in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileChoice {
    /// The hardware profile.
    pub id: String,
    /// Property name to value, only for what was chosen; everything else has the profile's default.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

/// A request for a new instance.
///
/// The name is the caller's token: unique among the account's live instances, so that a request
/// whose answer was lost can be sent again. See [`crate::ComputeDriver::create_instance`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateInstance {
    /// Token and name: 1 to 255 bytes, no control characters.
    pub name: String,
    /// What to start from.
    pub image_id: String,
    /// Where; `None`: the driver chooses.
    pub realm_id: Option<String>,
    /// What size; `None`: the driver's default profile, or the first that the realm asked for offers.
    pub hardware_profile_id: Option<String>,
    /// Chosen values of the profile: property name (`memory`, not `hwp_memory`) to value.
    pub values: BTreeMap<String, String>,
    /// A key known to the driver, put in for its default login.
    pub keyname: Option<String>,
    /// Handed to the instance at its first boot, as text (not base64).
    pub user_data: Option<String>,
    /// Ids of the firewalls it stands behind.
    pub firewalls: Vec<String>,
}

impl CreateInstance {
    /// The least a request needs: its token and the image; everything else is left to the driver.
    #[must_use]
    pub fn new(name: impl Into<String>, image_id: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            image_id: image_id.into(),
            realm_id: None,
            hardware_profile_id: None,
            values: BTreeMap::new(),
            keyname: None,
            user_data: None,
            firewalls: Vec::new(),
        }
    }
}

// User data carries keys and whatever secrets an experimenter put into commands: its size is enough
// for a log.
impl fmt::Debug for CreateInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateInstance")
            .field("name", &self.name)
            .field("image_id", &self.image_id)
            .field("realm_id", &self.realm_id)
            .field("hardware_profile_id", &self.hardware_profile_id)
            .field("values", &self.values)
            .field("keyname", &self.keyname)
            .field("user_data_bytes", &self.user_data.as_ref().map(String::len))
            .field("firewalls", &self.firewalls)
            .finish()
    }
}

/// A machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Instance {
    /// Identity within the driver, never used again for another instance.
    pub id: String,
    /// The name it was created with: the caller's token.
    pub name: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// The image it was made from (or rebuilt from, last).
    pub image_id: String,
    /// The realm it lives in.
    pub realm_id: String,
    /// Its size.
    pub hardware_profile: ProfileChoice,
    /// Where it stands in its life.
    pub state: InstanceState,
    /// What may be done with it now, by the driver's state machine.
    pub actions: Vec<InstanceAction>,
    /// Whether an image may be made of it now.
    pub can_create_image: bool,
    /// Reachable from everywhere.
    pub public_addresses: Vec<InstanceAddress>,
    /// Reachable within its own network.
    pub private_addresses: Vec<InstanceAddress>,
    /// The key it was created with.
    pub keyname: Option<String>,
    /// What it was handed, when the cloud tells.
    pub user_data: Option<String>,
    /// When it was created, when known.
    pub launch_time: Option<DateTime<Utc>>,
    /// Ids of its firewalls.
    pub firewalls: Vec<String>,
    /// Ids of the volumes attached to it.
    pub storage_volumes: Vec<String>,
    /// Ids of its network interfaces.
    pub network_interfaces: Vec<String>,
    /// How often it has booted, when the cloud tells: a change means that memory was lost. Beyond Deltacloud.
    pub boot_count: Option<u32>,
    /// Identity of its root disk, when the cloud tells: a change means that the disk was lost. Beyond
    /// Deltacloud.
    pub disk_id: Option<String>,
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("image_id", &self.image_id)
            .field("realm_id", &self.realm_id)
            .field("hardware_profile", &self.hardware_profile)
            .field("state", &self.state)
            .field("keyname", &self.keyname)
            .field("user_data_bytes", &self.user_data.as_ref().map(String::len))
            .field("boot_count", &self.boot_count)
            .field("disk_id", &self.disk_id)
            .finish_non_exhaustive()
    }
}
