//! Firewalls: what may reach an instance.

use serde::{Deserialize, Serialize};

/// Where traffic that a rule lets in comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum RuleSource {
    /// A block of addresses.
    Address {
        /// Address, IPv4 or IPv6.
        address: String,
        /// Length of the prefix in bits.
        prefix: u8,
    },
    /// The instances behind another firewall.
    Group {
        /// Name of that firewall.
        name: String,
        /// The account that owns it.
        owner: String,
    },
}

/// What a new rule lets in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRule {
    /// `tcp`, `udp` or `icmp`.
    pub protocol: String,
    /// First port.
    pub port_from: u16,
    /// Last port.
    pub port_to: u16,
    /// From where; at least one.
    pub sources: Vec<RuleSource>,
}

/// A rule of a firewall. Only inbound traffic has rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallRule {
    /// Identity within its firewall.
    pub id: String,
    /// What it lets in.
    #[serde(flatten)]
    pub allow: NewRule,
}

/// A set of rules that instances can stand behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// Identity within the driver.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// What it lets in.
    pub rules: Vec<FirewallRule>,
}

/// A request for a firewall, which starts without rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateFirewall {
    /// Name and token.
    pub name: String,
    /// For people.
    pub description: String,
}
