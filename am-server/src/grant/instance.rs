//! The stored record of an instance: the opaque `detail` of a [`state::Instance`], given its types.

use super::built::Built;
use serde::{Deserialize, Serialize};
use state::Sliver;

/// What the reconciler notes of an instance for the manifest: the `detail` of a stored [`state::Instance`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceDetail {
    /// The driver's id of it.
    pub id: String,
    /// Its name at the driver, which is our token.
    pub name: String,
    /// Where to log in: public addresses first.
    pub addresses: Vec<drivers::InstanceAddress>,
    /// Its volumes, as far as they are attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<AttachedVolume>,
    /// What it was built as; what the next change is compared with.
    pub built: Built,
    /// Whether a change waits for a reboot to take hold.
    #[serde(default)]
    pub reboot_due: bool,
    /// How often one was created for the sliver's configuration.
    #[serde(default)]
    pub creations: Creations,
    /// How the cloud showed it once what was wanted was in place. None for one noted before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Shown>,
}

/// How a cloud shows an instance, in its own words; a word that it leaves out is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The hardware profile.
    pub profile: String,
    /// The image.
    pub image: String,
    /// The realm.
    pub realm: String,
}

impl Shown {
    /// How this instance is shown.
    #[must_use]
    pub fn of(machine: &drivers::Instance) -> Self {
        Self {
            profile: machine.hardware_profile.id.clone(),
            image: machine.image_id.clone(),
            realm: machine.realm_id.clone(),
        }
    }
}

/// How often an instance was created for one configuration of a sliver: two or three are a cloud that lost one, more
/// are a fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creations {
    /// The [`state::Revision::configuration`] that they were for.
    pub configuration: u32,
    /// How many.
    pub count: u32,
    /// Whether the last one is being ended: what comes next is another one, whatever its id.
    pub ending: bool,
}

/// A volume that is attached to an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedVolume {
    /// Which of the node's volumes.
    pub number: u32,
    /// The device it is, if the driver tells.
    pub device: Option<String>,
}

impl InstanceDetail {
    /// The detail of a stored instance; None for a link's, or when nothing was built yet.
    #[must_use]
    pub fn of(sliver: &Sliver) -> Option<Self> {
        sliver.instance.as_ref().and_then(|instance| Self::read(&instance.detail))
    }

    /// Reads a stored detail; None for a link's, or when nothing was built yet.
    #[must_use]
    pub fn read(detail: &serde_json::Value) -> Option<Self> {
        Self::deserialize(detail).ok()
    }

    /// The numbers of the volumes that it was built with or was seen to have.
    pub fn volume_numbers(&self) -> impl Iterator<Item = u32> {
        self.built.volumes.iter().copied().chain(self.volumes.iter().map(|volume| volume.number))
    }
}
