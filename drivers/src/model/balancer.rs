//! Load balancers: one address in front of several instances.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a load balancer listens for, and where it hands it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// In capitals, as the API writes it: `HTTP`, `TCP`.
    pub protocol: String,
    /// Port of the load balancer.
    pub balancer_port: u16,
    /// Port of the instances.
    pub instance_port: u16,
}

/// One address in front of several instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Identity within the driver.
    pub id: String,
    /// Where it stands.
    pub realm_id: Option<String>,
    /// When it was made, when known.
    pub created: Option<DateTime<Utc>>,
    /// Where it is reached.
    pub public_addresses: Vec<String>,
    /// What it listens for.
    pub listeners: Vec<Listener>,
    /// Ids of the instances behind it.
    pub instances: Vec<String>,
}

/// A request for a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateLoadBalancer {
    /// Name and token.
    pub name: String,
    /// Where.
    pub realm_id: String,
    /// What it listens for.
    pub listener: Listener,
}
