//! Addresses, storage volumes and snapshots: what can be attached to an instance.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An address that outlives instances and can be moved between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Identity within the driver; in most clouds the address itself.
    pub id: String,
    /// The address.
    pub ip: String,
    /// The instance that has it now.
    pub instance_id: Option<String>,
}

/// Whether a volume can be attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeState {
    /// Free to attach.
    Available,
    /// Attached to an instance.
    InUse,
    /// A state of its own cloud.
    Other(String),
}

impl VolumeState {
    /// The word the Deltacloud API writes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Available => "AVAILABLE",
            Self::InUse => "IN-USE",
            Self::Other(word) => word,
        }
    }
}

/// A disk that outlives instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Identity within the driver.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Size in GB.
    pub capacity: u64,
    /// Where it lives; only instances there can use it.
    pub realm_id: Option<String>,
    /// Whether it can be attached.
    pub state: VolumeState,
    /// The instance that has it now.
    pub instance_id: Option<String>,
    /// The name of the device within that instance.
    pub device: Option<String>,
}

impl Volume {
    /// Which of several volumes of one name is meant: one that an instance has before one that none has, and of those the
    /// one of the first identity, in whatever order a cloud lists them.
    pub fn of_several(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().min_by(|a, b| (a.instance_id.is_none(), &a.id).cmp(&(b.instance_id.is_none(), &b.id)))
    }
}

/// A request for a volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CreateVolume {
    /// Name, and token when given.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Size in GB; `None`: the snapshot's, or the driver's default.
    pub capacity: Option<u64>,
    /// Where; `None`: the driver chooses.
    pub realm_id: Option<String>,
    /// What to fill it with.
    pub snapshot_id: Option<String>,
}

/// What a volume held at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Identity within the driver.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// When it was taken.
    pub created: DateTime<Utc>,
    /// Of which volume.
    pub volume_id: String,
    /// As the cloud puts it (`COMPLETED`, …), when it does.
    pub state: Option<String>,
}

/// A request for a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSnapshot {
    /// Of which volume.
    pub volume_id: String,
    /// Name, and token when given.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_volumes_of_one_name_the_attached_one_is_meant() {
        let volume = |id: &str, instance: Option<&str>| Volume {
            id: id.to_owned(),
            name: Some("one".to_owned()),
            description: None,
            created: DateTime::UNIX_EPOCH,
            capacity: 1,
            realm_id: None,
            state: VolumeState::Available,
            instance_id: instance.map(str::to_owned),
            device: None,
        };
        let mut all = [volume("a", None), volume("b", None), volume("c", Some("i")), volume("d", Some("i"))];
        for _ in 0..all.len() {
            all.rotate_left(1);
            let meant = |of: &[Volume]| Volume::of_several(of.to_vec()).map(|it| it.id);
            assert_eq!(meant(&all).as_deref(), Some("c"));
            let free: Vec<_> = all.iter().filter(|it| it.instance_id.is_none()).cloned().collect();
            assert_eq!(meant(&free).as_deref(), Some("a"));
        }
        assert_eq!(Volume::of_several([]), None);
    }
}
