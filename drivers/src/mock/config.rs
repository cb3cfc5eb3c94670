//! What the mock cloud is made of: its configuration.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::block::Block;
use super::faults::FaultConfig;
use crate::capability::ChangeCosts;
use crate::model::{
    Address, Bucket, HardwareProfile, Image, Key, Location, Network, NetworkInterface, ProfileChoice,
    PropertyValue, RealmState, Snapshot, Subnet, Volume,
};
use crate::operation::Operation;

/// Everything about a mock cloud. Every field has a default; see [`MockConfig::default`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MockConfig {
    /// What the driver calls itself.
    pub name: String,
    /// The account: owner of what is created.
    pub owner: String,
    /// Where instances can live.
    pub realms: Vec<RealmTemplate>,
    /// Sizes; the first is the default.
    pub hardware_profiles: Vec<HardwareProfile>,
    /// What instances can be made from.
    pub images: Vec<ImageConfig>,
    /// How instances live.
    pub lifecycle: Lifecycle,
    /// What addresses instances get.
    pub addresses: AddressScheme,
    /// Addresses that can be taken and moved between instances (`addresses` collection), as
    /// `address/prefix`.
    pub floating_addresses: Block,
    /// What changes cost.
    pub costs: ChangeCosts,
    /// Operations that this cloud does not offer.
    pub lacks: BTreeSet<Operation>,
    /// Faults from the start.
    pub faults: FaultConfig,
    /// How many calls the call log keeps; older ones are dropped.
    pub call_log: u32,
    /// What is there when a new file is made. Not part of what a configuration file can say.
    #[serde(skip)]
    pub first: FirstData,
}

/// One realm, or many of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealmTemplate {
    /// Identity; with `count` it must hold `{n}`, which becomes the number.
    pub id: String,
    /// For people; may hold `{n}`. Default: the id.
    #[serde(default)]
    pub name: Option<String>,
    /// How many realms to make of this template, numbered from 1. Absent: one, without a number.
    #[serde(default)]
    pub count: Option<u32>,
    /// How many instances can live in it at once; absent: no limit (1 when exclusive).
    #[serde(default)]
    pub capacity: Option<u32>,
    /// A whole machine for one instance.
    #[serde(default)]
    pub exclusive: bool,
    /// Whether new instances are taken.
    #[serde(default = "available")]
    pub state: RealmState,
    /// What kind of hardware stands there.
    #[serde(default)]
    pub hardware_type: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub location: Option<Location>,
    /// Ids of the hardware profiles that fit; empty: all.
    #[serde(default)]
    pub hardware_profiles: Vec<String>,
}

fn available() -> RealmState {
    RealmState::Available
}

/// An image of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// Identity.
    pub id: String,
    /// For people. Default: the id.
    #[serde(default)]
    pub name: Option<String>,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Whose it is. Default: the account's.
    #[serde(default)]
    pub owner: Option<String>,
    /// `i386` or `x86_64`.
    #[serde(default = "x86_64")]
    pub architecture: String,
    /// Operating system.
    #[serde(default)]
    pub os: Option<String>,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
    /// When it was made.
    #[serde(default)]
    pub creation_time: Option<DateTime<Utc>>,
    /// Ids of the hardware profiles it runs on; empty: all.
    #[serde(default)]
    pub hardware_profiles: Vec<String>,
}

fn x86_64() -> String {
    "x86_64".into()
}

/// Where an instance stands after its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterCreate {
    /// It runs.
    Running,
    /// It is stopped and must be started.
    Stopped,
}

/// How instances live. Times are in milliseconds of the mock's clock; 0: at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lifecycle {
    /// Where creation leaves an instance.
    pub after_create: AfterCreate,
    /// How long creation and rebuilding take.
    pub create_ms: u32,
    /// How long starting takes.
    pub start_ms: u32,
    /// How long stopping takes.
    pub stop_ms: u32,
    /// How long a reboot takes.
    pub reboot_ms: u32,
    /// How long destruction takes. The instance holds its place until then.
    pub destroy_ms: u32,
    /// Whether an instance can be destroyed in every state; otherwise only when stopped.
    pub destroy_anytime: bool,
    /// Whether there is a state for instances that do not come up. Without it a boot that is made to
    /// fail is refused instead.
    pub can_fail: bool,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            after_create: AfterCreate::Running,
            create_ms: 2_000,
            start_ms: 1_000,
            stop_ms: 1_000,
            reboot_ms: 1_000,
            destroy_ms: 0,
            destroy_anytime: true,
            can_fail: true,
        }
    }
}

/// What addresses instances get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum AddressScheme {
    /// Made-up host names, as the Deltacloud mock gives them.
    Hostnames,
    /// One IPv4 address of each block, none of them held twice.
    Blocks {
        /// Reachable from everywhere.
        public: Block,
        /// Reachable within the cloud.
        private: Block,
    },
}

/// An instance that is there from the start, running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstInstance {
    /// Identity.
    pub id: String,
    /// Name; the Deltacloud mock has one without.
    pub name: String,
    /// Image it was made from.
    pub image_id: String,
    /// Where it lives.
    pub realm_id: String,
    /// Its size.
    pub hardware_profile: ProfileChoice,
    /// Its key; may be the empty text, as in the Deltacloud mock.
    pub keyname: Option<String>,
    /// When it was created, when known.
    pub launch_time: Option<DateTime<Utc>>,
    /// Public host name.
    pub public_address: String,
    /// Private host name.
    pub private_address: String,
    /// Whether an image may be made of it.
    pub can_create_image: bool,
}

/// A blob that is there from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBlob {
    /// Its bucket.
    pub bucket_id: String,
    /// Identity.
    pub id: String,
    /// Media type.
    pub content_type: String,
    /// Content.
    pub content: String,
    /// When it was written.
    pub last_modified: DateTime<Utc>,
    /// Metadata.
    pub user_metadata: Vec<(String, String)>,
}

/// What is there when a new file is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FirstData {
    /// Instances.
    pub instances: Vec<FirstInstance>,
    /// Keys.
    pub keys: Vec<Key>,
    /// Addresses that can be moved between instances.
    pub addresses: Vec<Address>,
    /// Volumes.
    pub volumes: Vec<Volume>,
    /// Snapshots.
    pub snapshots: Vec<Snapshot>,
    /// Buckets (the blobs in them are in `blobs`).
    pub buckets: Vec<Bucket>,
    /// Blobs.
    pub blobs: Vec<FirstBlob>,
    /// Networks.
    pub networks: Vec<Network>,
    /// Subnets.
    pub subnets: Vec<Subnet>,
    /// Network interfaces.
    pub network_interfaces: Vec<NetworkInterface>,
}

/// Something wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct ConfigProblem {
    /// Where, as `realms[2].id`.
    pub place: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

/// The most realms a configuration may make.
pub const MAX_REALMS: u64 = 1_000_000;

impl MockConfig {
    /// Checks the configuration; says everything that is wrong, not only the first thing.
    #[must_use]
    pub fn problems(&self) -> Vec<ConfigProblem> {
        let mut found = Vec::new();
        let mut wrong = |place: String, why: String| found.push(ConfigProblem { place, why });

        let mut profiles = HashSet::new();
        for (i, profile) in self.hardware_profiles.iter().enumerate() {
            let place = format!("hardware_profiles[{i}]");
            if profile.id.is_empty() || !profiles.insert(profile.id.as_str()) {
                wrong(format!("{place}.id"), format!("{:?} is empty or used before", profile.id));
            }
            let mut names = HashSet::new();
            for property in &profile.properties {
                let place = format!("{place}.properties.{}", property.name);
                if !names.insert(property.name.as_str()) {
                    wrong(place.clone(), "the profile has this property twice".into());
                }
                match &property.value {
                    PropertyValue::Fixed { .. } => {}
                    PropertyValue::Range { first, last, default } => {
                        let finite = first.is_finite() && last.is_finite();
                        if !(finite && first <= default && default <= last) {
                            wrong(place, "first, default and last must be numbers in rising order".into());
                        }
                    }
                    PropertyValue::Enum { entries, default } => {
                        if !entries.contains(default) {
                            wrong(place, format!("the default {default:?} is not among the entries"));
                        }
                    }
                }
            }
        }
        if self.hardware_profiles.is_empty() {
            wrong("hardware_profiles".into(), "there must be at least one".into());
        }

        let mut images = HashSet::new();
        for (i, image) in self.images.iter().enumerate() {
            if image.id.is_empty() || !images.insert(image.id.as_str()) {
                wrong(format!("images[{i}].id"), format!("{:?} is empty or used before", image.id));
            }
            for id in image.hardware_profiles.iter().filter(|id| !profiles.contains(id.as_str())) {
                wrong(format!("images[{i}].hardware_profiles"), format!("there is no profile {id:?}"));
            }
        }
        if self.images.is_empty() {
            wrong("images".into(), "there must be at least one".into());
        }

        self.realm_problems(&profiles, &mut wrong);
        for (place, why) in self.faults.problems() {
            wrong(format!("faults.{place}"), why);
        }
        if let AddressScheme::Blocks { public, private } = &self.addresses {
            if public.covers(*private) || private.covers(*public) {
                wrong("addresses".into(), "the public and the private block overlap".into());
            }
            if public.covers(self.floating_addresses) || self.floating_addresses.covers(*public) {
                wrong("floating_addresses".into(), "overlaps the instances' public block".into());
            }
        }
        found
    }

    fn realm_problems(&self, profiles: &HashSet<&str>, wrong: &mut impl FnMut(String, String)) {
        let total: u64 = self.realms.iter().map(|t| u64::from(t.count.unwrap_or(1))).sum();
        if total == 0 {
            wrong("realms".into(), "there must be at least one".into());
        }
        if total > MAX_REALMS {
            wrong("realms".into(), format!("{total} realms are more than {MAX_REALMS}"));
            return;
        }
        let mut ids = HashSet::new();
        for (i, template) in self.realms.iter().enumerate() {
            let place = format!("realms[{i}]");
            if template.count.is_some() != template.id.contains("{n}") {
                wrong(
                    format!("{place}.id"),
                    "{n} must stand in the id if and only if there is a count".into(),
                );
            }
            for realm in template.expand() {
                if realm.0.is_empty() || !ids.insert(realm.0.clone()) {
                    wrong(format!("{place}.id"), format!("{:?} is empty or used before", realm.0));
                    break;
                }
            }
            if template.exclusive && template.capacity.is_some_and(|c| c != 1) {
                wrong(format!("{place}.capacity"), "an exclusive realm holds one instance".into());
            }
            for id in template.hardware_profiles.iter().filter(|id| !profiles.contains(id.as_str())) {
                wrong(format!("{place}.hardware_profiles"), format!("there is no profile {id:?}"));
            }
            let location = template.location.clone().unwrap_or_default();
            if location.latitude.is_some_and(|l| !(-90.0..=90.0).contains(&l)) {
                wrong(format!("{place}.location.latitude"), "must lie between -90 and 90".into());
            }
            if location.longitude.is_some_and(|l| !(-180.0..=180.0).contains(&l)) {
                wrong(format!("{place}.location.longitude"), "must lie between -180 and 180".into());
            }
        }
    }
}

impl RealmTemplate {
    /// Id and name of each realm it makes.
    pub(super) fn expand(&self) -> impl Iterator<Item = (String, String)> {
        let name = self.name.as_deref().unwrap_or(&self.id);
        (1..=self.count.unwrap_or(1)).map(move |n| {
            let n = n.to_string();
            (self.id.replace("{n}", &n), name.replace("{n}", &n))
        })
    }
}

impl ImageConfig {
    /// The image it describes.
    pub(super) fn image(&self, account: &str) -> Image {
        Image {
            id: self.id.clone(),
            name: self.name.clone().unwrap_or_else(|| self.id.clone()),
            description: self.description.clone(),
            owner_id: self.owner.clone().unwrap_or_else(|| account.to_owned()),
            architecture: self.architecture.clone(),
            state: "AVAILABLE".into(),
            creation_time: self.creation_time,
            os: self.os.clone(),
            version: self.version.clone(),
            hardware_profiles: self.hardware_profiles.clone(),
            root_type: Some("transient".into()),
        }
    }
}
