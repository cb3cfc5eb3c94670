//! What a sliver was granted: the opaque `detail` of its stored configuration, given its types.
//!
//! The experimenter's own words stay in the configuration's RSpec fragment; this is what the aggregate chose
//! and promised on top of it.

pub mod built;
pub mod instance;
mod ssh_key;
pub mod users;
pub mod waiting;

use serde::{Deserialize, Serialize};
use state::Configuration;
use urn::Urn;
use users::User;

/// Where and as what a node lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeGrant {
    /// The driver's name.
    pub driver: String,
    /// The realm's id at the driver.
    pub realm: String,
    /// The hardware profile's id at the driver.
    pub profile: String,
    /// The image's id at the driver.
    pub image: String,
    /// URN of the advertised component.
    pub component_id: String,
    /// Its short name.
    pub component_name: String,
    /// Whether nobody else is on the component.
    pub exclusive: bool,
    /// The sliver type by the name it was asked for.
    pub sliver_type: String,
    /// The image by its advertised name.
    pub disk_image: String,
    /// The image by the name that the request asks for it by, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_image: Option<String>,
    /// What hardware it is, for people.
    pub hardware_type: Option<String>,
    /// Its interfaces, in the order of the RSpec.
    pub interfaces: Vec<InterfaceGrant>,
    /// How many interfaces it ever had: the number of the next one, so that no name is given twice.
    #[serde(default)]
    pub interfaces_ever: usize,
    /// Its storage volumes, in the order of the RSpec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeGrant>,
    /// How many volumes it was ever promised: the number of the next one, so that no name is given twice in a cloud.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub volumes_ever: u32,
    /// Who may log in.
    #[serde(default)]
    pub users: Vec<User>,
    /// What Update promised that putting this configuration in place will preserve. Nothing that Provision adds (other
    /// accounts) may break it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve: Option<rspec::Guarantee>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One interface of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceGrant {
    /// The experimenter's name for it.
    pub client_id: String,
    /// Its own name in manifests.
    pub sliver_id: Urn,
    /// URN of the interface of the component.
    pub component_id: String,
    /// Its hardware address.
    pub mac_address: String,
}

/// One storage volume of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeGrant {
    /// The experimenter's name for it.
    pub name: String,
    /// Which of the node's volumes it is; a volume of another size or at another place is another one.
    pub number: u32,
    /// Its size in GB.
    pub gigabytes: u32,
    /// The device that it is asked to be in the node.
    pub device: String,
    /// Where a fresh machine mounts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mountpoint: Option<String>,
}

/// What a link was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkGrant {
    /// Its VLAN tag.
    pub vlan: u16,
    /// The interfaces of ours that it joins.
    pub ends: Vec<InterfaceGrant>,
    /// What the next Provision preserves; set by Update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve: Option<rspec::Guarantee>,
}

/// The detail of one configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "resource", rename_all = "lowercase")]
pub enum Grant {
    /// Of a node.
    Node(Box<NodeGrant>),
    /// Of a link.
    Link(LinkGrant),
}

/// A stored configuration that cannot be read: written by another version, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("the stored configuration of {client_id:?} cannot be read: {reason}")]
pub struct UnreadableGrant {
    /// The sliver's client_id.
    pub client_id: String,
    /// Why.
    pub reason: String,
}

impl Grant {
    /// The grant in a stored configuration.
    ///
    /// # Errors
    /// [`UnreadableGrant`].
    pub fn of(configuration: &Configuration) -> Result<Self, UnreadableGrant> {
        Self::deserialize(&configuration.detail).map_err(|error| UnreadableGrant {
            client_id: configuration.client_id.clone(),
            reason: error.to_string(),
        })
    }

    /// The form it is stored in.
    #[must_use]
    pub fn to_detail(&self) -> serde_json::Value {
        // Strings, numbers and lists of them: nothing that JSON could refuse.
        serde_json::to_value(self).unwrap_or_default()
    }
}
