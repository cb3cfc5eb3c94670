//! What an aggregate granted for one node or link: the values a manifest adds to the request's own words.
//!
//! These are plain values that serialise, so that they can be kept beside the sliver.

use serde::{Deserialize, Serialize};
use urn::Urn;

/// What was granted for a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedNode {
    /// The sliver the node belongs to.
    pub sliver_id: Urn,
    /// The component (physical or virtual host) the node stands on.
    pub component_id: String,
    /// The URN of this aggregate.
    pub component_manager_id: String,
    /// The component's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_name: Option<String>,
    /// Whether the node has its component to itself.
    pub exclusive: bool,
    /// The sliver type as granted.
    pub sliver_type: String,
    /// The disk image as granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_image: Option<String>,
    /// By which of the request's names the image was granted, where that is another name than the granted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_image: Option<String>,
    /// The hardware type as granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_type: Option<String>,
    /// One entry per interface of the node.
    #[serde(default)]
    pub interfaces: Vec<GrantedInterface>,
    /// How to log in; empty until provisioned. When given they stand in place of logins the request named.
    #[serde(default)]
    pub logins: Vec<Login>,
    /// The accounts on the node with their keys (user/1 extension).
    #[serde(default)]
    pub users: Vec<User>,
    /// One entry per volume of the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<GrantedVolume>,
    /// Name and address of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// What a pending change keeps (preserve/1 extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve: Option<Guarantee>,
    /// What the node asks for that is kept and shown, and put in force by nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unenforced: Vec<String>,
}

/// What was granted for an interface of a node, or for one end of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedInterface {
    /// The interface's name in the request.
    pub client_id: String,
    /// The sliver the interface belongs to.
    pub sliver_id: Urn,
    /// The component's interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component_id: Option<String>,
    /// The hardware address, six hexadecimal octets; not written on a link's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
}

/// What was granted for a volume of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedVolume {
    /// The volume's name in the request.
    pub name: String,
    /// The device it is in the node, such as `/dev/vdb`; known once it is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// A way to log in to a node. Clients rely on hostname, username and an integer port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// How the user proves who they are: `ssh-keys`.
    pub authentication: String,
    /// Host name or address to connect to.
    pub hostname: String,
    /// TCP port.
    pub port: u16,
    /// The account.
    pub username: String,
}

/// An account on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The account's name.
    pub login: String,
    /// The person it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urn: Option<String>,
    /// Public keys that may log in, in OpenSSH's one-line form.
    #[serde(default)]
    pub public_keys: Vec<String>,
}

/// Name and address of a node as others reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Host name.
    pub name: String,
    /// IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<String>,
}

/// What was granted for a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedLink {
    /// The sliver the link belongs to.
    pub sliver_id: Urn,
    /// The VLAN, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlantag: Option<String>,
    /// One entry per end that is ours.
    #[serde(default)]
    pub interface_refs: Vec<GrantedInterface>,
    /// The kind of link, of those the request would take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_type: Option<String>,
    /// What a pending change keeps (preserve/1 extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve: Option<Guarantee>,
    /// What the link asks for that is kept and shown, and put in force by nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unenforced: Vec<String>,
}

/// What stays as it is when a pending change is put in place: the `guarantee` of the preserve/1
/// extension (AM API v4 draft, change set C). Ordered from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Guarantee {
    /// Nothing is kept.
    #[serde(rename = "geni_none")]
    None,
    /// The disk is kept; the node may be restarted.
    #[serde(rename = "geni_persistent_state")]
    PersistentState,
    /// Memory and processes are kept; a short disturbance may be noticed.
    #[serde(rename = "geni_dynamic_state")]
    DynamicState,
    /// Nothing is noticed.
    #[serde(rename = "geni_no_disruption")]
    NoDisruption,
}

impl Guarantee {
    /// All values, weakest first.
    pub const ALL: [Self; 4] = [Self::None, Self::PersistentState, Self::DynamicState, Self::NoDisruption];

    /// The value as it stands in the document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "geni_none",
            Self::PersistentState => "geni_persistent_state",
            Self::DynamicState => "geni_dynamic_state",
            Self::NoDisruption => "geni_no_disruption",
        }
    }

    /// Reads the value as it stands in a document.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|guarantee| guarantee.as_str() == text)
    }
}
