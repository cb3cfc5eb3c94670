//! Realms: where instances can live.

use serde::{Deserialize, Serialize};

/// Whether new instances can be put into a realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RealmState {
    /// New instances are accepted.
    Available,
    /// Instances that exist go on, new ones are refused.
    Unavailable,
}

impl RealmState {
    /// The word the Deltacloud API writes: `AVAILABLE` or `UNAVAILABLE`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

/// Where a realm's hardware stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Location {
    /// ISO 3166 two-letter country code.
    pub country: Option<String>,
    /// Degrees north, -90 to 90.
    pub latitude: Option<f64>,
    /// Degrees east, -180 to 180.
    pub longitude: Option<f64>,
}

/// A boundary that holds resources: a data centre, a host, a single machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Realm {
    /// Identity within the driver.
    pub id: String,
    /// For people.
    pub name: String,
    /// Whether it takes new instances.
    pub state: RealmState,
    /// How many instances this account may have in it at once, in total (not what is left of that);
    /// `None`: no limit is known.
    pub limit: Option<u32>,
    /// A whole machine, given to one instance at a time. Beyond Deltacloud.
    pub exclusive: bool,
    /// What kind of hardware stands there, as a label for people. Beyond Deltacloud.
    pub hardware_type: Option<String>,
    /// Where it stands, when known. Beyond Deltacloud.
    pub location: Option<Location>,
    /// Ids of the hardware profiles that fit here; empty: all of the driver's. Beyond Deltacloud.
    pub hardware_profiles: Vec<String>,
}

impl Realm {
    /// Whether an instance of this hardware profile may be put here.
    #[must_use]
    pub fn offers(&self, hardware_profile: &str) -> bool {
        self.hardware_profiles.is_empty() || self.hardware_profiles.iter().any(|p| p == hardware_profile)
    }
}
