//! Images: what instances are started from.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A root disk and its system, from which instances are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Identity within the driver.
    pub id: String,
    /// For people.
    pub name: String,
    /// For people; may be empty.
    pub description: String,
    /// The account it belongs to.
    pub owner_id: String,
    /// `i386` or `x86_64`, and whatever else a cloud has.
    pub architecture: String,
    /// As the cloud puts it (`AVAILABLE`, `ACTIVE`, …).
    pub state: String,
    /// When it was made, when known.
    pub creation_time: Option<DateTime<Utc>>,
    /// Operating system, when known (`Debian`). Beyond Deltacloud.
    pub os: Option<String>,
    /// Version of the operating system, when known (`12`). Beyond Deltacloud.
    pub version: Option<String>,
    /// Ids of the hardware profiles it can run on; empty: all.
    pub hardware_profiles: Vec<String>,
    /// `transient` or `persistent` root disk, when known.
    pub root_type: Option<String>,
}

/// A request to make an image of an instance's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateImage {
    /// The instance.
    pub instance_id: String,
    /// Wanted name; also the token that makes a second request harmless.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
}
