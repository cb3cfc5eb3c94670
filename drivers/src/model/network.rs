//! Networks, their subnets, and the interfaces that tie instances to them.

use serde::{Deserialize, Serialize};

/// Whether a network carries traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkState {
    /// It does.
    Up,
    /// Being made.
    Pending,
    /// It does not.
    Down,
}

impl NetworkState {
    /// The word the Deltacloud API writes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Pending => "PENDING",
            Self::Down => "DOWN",
        }
    }
}

/// A network of its own, apart from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Identity within the driver.
    pub id: String,
    /// For people.
    pub name: String,
    /// Whether it carries traffic.
    pub state: NetworkState,
    /// Blocks of addresses in it, as `address/prefix`.
    pub address_blocks: Vec<String>,
    /// Ids of its subnets.
    pub subnets: Vec<String>,
}

/// A request for a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateNetwork {
    /// Name and token.
    pub name: String,
    /// Its block of addresses, as `address/prefix`; `None`: the driver chooses.
    pub address_block: Option<String>,
}

/// A part of a network, with addresses of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Identity within the driver.
    pub id: String,
    /// For people.
    pub name: String,
    /// The network it is part of.
    pub network_id: String,
    /// Whether it carries traffic.
    pub state: NetworkState,
    /// Its addresses, as `address/prefix`.
    pub address_block: String,
}

/// A request for a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSubnet {
    /// Name, and token when given.
    pub name: Option<String>,
    /// The network it becomes part of.
    pub network_id: String,
    /// Its addresses, as `address/prefix`.
    pub address_block: String,
}

/// What ties an instance to a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// Identity within the driver.
    pub id: String,
    /// For people.
    pub name: String,
    /// The instance.
    pub instance_id: String,
    /// The subnet.
    pub subnet_id: String,
    /// Address in the subnet, when known.
    pub ip_address: Option<String>,
    /// Hardware address, when known. Beyond Deltacloud.
    pub mac_address: Option<String>,
}

/// A request to tie an instance to a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateNetworkInterface {
    /// Name and token.
    pub name: String,
    /// The instance.
    pub instance_id: String,
    /// The subnet.
    pub subnet_id: String,
    /// A wanted address in the subnet; `None`: the driver chooses.
    pub ip_address: Option<String>,
}
