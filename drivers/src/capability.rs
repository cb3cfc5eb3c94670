//! What a driver can do, declared beforehand.
//!
//! Clouds differ in their collections, in the operations on each, in optional parameters ("features"),
//! and in what a change costs a running instance. A caller that plans reads [`Capabilities`] and plans
//! without what is lacking; calling a lacking operation gives [`DriverError::Unsupported`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::DriverError;
use crate::feature::Feature;

named! {
    /// A collection of the API.
    Collection {
        /// Where instances can live.
        Realms = "realms",
        /// Sizes of instances.
        HardwareProfiles = "hardware_profiles",
        /// What instances are made from.
        Images = "images",
        /// The machine of states of an instance.
        InstanceStates = "instance_states",
        /// The machines.
        Instances = "instances",
        /// Credentials for logging in.
        Keys = "keys",
        /// What may reach an instance.
        Firewalls = "firewalls",
        /// Addresses that outlive instances.
        Addresses = "addresses",
        /// Disks that outlive instances.
        StorageVolumes = "storage_volumes",
        /// What volumes held at a moment.
        StorageSnapshots = "storage_snapshots",
        /// Sets of blobs.
        Buckets = "buckets",
        /// Named bytes in buckets.
        Blobs = "blobs",
        /// Networks.
        Networks = "networks",
        /// Parts of networks.
        Subnets = "subnets",
        /// What ties instances to subnets.
        NetworkInterfaces = "network_interfaces",
        /// Addresses in front of several instances.
        LoadBalancers = "load_balancers",
        /// What is measured of instances.
        Metrics = "metrics",
    }
}

named! {
    /// What can be done in a collection.
    Verb {
        /// List all.
        Index = "index",
        /// Tell about one.
        Show = "show",
        /// Make one.
        Create = "create",
        /// Unmake one.
        Destroy = "destroy",
        /// Start an instance.
        Start = "start",
        /// Stop an instance.
        Stop = "stop",
        /// Reboot an instance.
        Reboot = "reboot",
        /// Run a command on an instance.
        Run = "run",
        /// Change an instance's hardware profile. Beyond Deltacloud.
        Resize = "resize",
        /// Change an instance's user data. Beyond Deltacloud.
        SetUserData = "set_user_data",
        /// Put a fresh disk under an instance. Beyond Deltacloud.
        Rebuild = "rebuild",
        /// Attach a volume to an instance.
        Attach = "attach",
        /// Detach a volume.
        Detach = "detach",
        /// Give an address to an instance.
        Associate = "associate",
        /// Take an address away.
        Disassociate = "disassociate",
        /// Add a rule to a firewall.
        AddRule = "add_rule",
        /// Remove a rule from a firewall.
        RemoveRule = "remove_rule",
        /// Put an instance behind a load balancer.
        Register = "register",
        /// Take an instance from behind a load balancer.
        Unregister = "unregister",
        /// Write a blob.
        Put = "put",
        /// Read a blob's content.
        Content = "content",
        /// Replace a blob's metadata.
        SetMetadata = "set_metadata",
    }
}

impl Verb {
    /// Whether it changes anything.
    #[must_use]
    pub fn changes(self) -> bool {
        !matches!(self, Self::Index | Self::Show | Self::Content)
    }
}

/// The verbs that make sense in a collection.
fn verbs(collection: Collection) -> &'static [Verb] {
    use Verb::*;
    match collection {
        Collection::Realms | Collection::HardwareProfiles | Collection::Metrics => &[Index, Show],
        Collection::InstanceStates => &[Index],
        Collection::Images
        | Collection::Keys
        | Collection::StorageSnapshots
        | Collection::Buckets
        | Collection::Networks
        | Collection::Subnets
        | Collection::NetworkInterfaces => &[Index, Show, Create, Destroy],
        Collection::Instances => {
            &[Index, Show, Create, Start, Stop, Reboot, Run, Destroy, Resize, SetUserData, Rebuild]
        }
        Collection::Firewalls => &[Index, Show, Create, Destroy, AddRule, RemoveRule],
        Collection::Addresses => &[Index, Show, Create, Destroy, Associate, Disassociate],
        Collection::StorageVolumes => &[Index, Show, Create, Destroy, Attach, Detach],
        Collection::LoadBalancers => &[Index, Show, Create, Destroy, Register, Unregister],
        Collection::Blobs => &[Show, Put, Content, SetMetadata, Destroy],
    }
}

/// One operation: a verb in a collection, written `instances/create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    collection: Collection,
    verb: Verb,
}

impl Operation {
    /// Names an operation. Whether it makes sense is not checked here: no driver will offer it.
    #[must_use]
    pub const fn new(collection: Collection, verb: Verb) -> Self {
        Self { collection, verb }
    }

    /// Every operation there is.
    pub fn all() -> impl Iterator<Item = Self> {
        Collection::ALL.iter().flat_map(|&c| verbs(c).iter().map(move |&v| Self::new(c, v)))
    }

    /// Where.
    #[must_use]
    pub fn collection(self) -> Collection {
        self.collection
    }

    /// What.
    #[must_use]
    pub fn verb(self) -> Verb {
        self.verb
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.verb)
    }
}

/// A text that names no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no operation; one looks like \"instances/create\"")]
pub struct UnknownOperation {
    /// The text.
    pub text: String,
}

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::all()
            .find(|o| {
                text.split_once('/').is_some_and(|(c, v)| o.collection.as_str() == c && o.verb.as_str() == v)
            })
            .ok_or_else(|| UnknownOperation { text: text.to_owned() })
    }
}

impl Serialize for Operation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a change costs an instance that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disruption {
    /// It goes on undisturbed, and the change is there at once.
    None,
    /// It goes on, and the change is there after its next boot.
    NextBoot,
    /// The driver boots it as part of the change.
    Reboots,
    /// It must be stopped for the change; the driver refuses otherwise.
    MustBeStopped,
}

/// What the changes to a living instance cost it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeCosts {
    /// Of another hardware profile or other values. The disk is kept.
    pub resize: Disruption,
    /// Of other user data.
    pub set_user_data: Disruption,
    /// Of a fresh disk from an image. Name, identity and addresses are kept.
    pub rebuild: Disruption,
    /// Of attaching or detaching a network interface.
    pub network_interface: Disruption,
    /// Of attaching or detaching a volume.
    pub storage_volume: Disruption,
}

impl Default for ChangeCosts {
    /// What a caller should assume of a cloud of which nothing is known.
    fn default() -> Self {
        Self {
            resize: Disruption::MustBeStopped,
            set_user_data: Disruption::NextBoot,
            rebuild: Disruption::Reboots,
            network_interface: Disruption::None,
            storage_volume: Disruption::None,
        }
    }
}

/// Everything a driver declares about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    operations: BTreeSet<Operation>,
    features: BTreeSet<Feature>,
    /// What changes cost.
    pub costs: ChangeCosts,
    /// The most user data an instance can be handed, in bytes; `None`: not known.
    pub user_data_limit: Option<usize>,
    /// The cloud itself refuses a second instance of the same name, so that a repeated creation is
    /// harmless without looking first.
    pub unique_names: bool,
}

impl Capabilities {
    /// Declares operations and features; the rest as for a cloud of which nothing is known.
    #[must_use]
    pub fn new(
        operations: impl IntoIterator<Item = Operation>,
        features: impl IntoIterator<Item = Feature>,
    ) -> Self {
        Self {
            operations: operations.into_iter().collect(),
            features: features.into_iter().collect(),
            costs: ChangeCosts::default(),
            user_data_limit: None,
            unique_names: false,
        }
    }

    /// Whether the driver offers the operation.
    #[must_use]
    pub fn supports(&self, collection: Collection, verb: Verb) -> bool {
        self.operations.contains(&Operation::new(collection, verb))
    }

    /// Whether the driver offers anything in the collection.
    #[must_use]
    pub fn has(&self, collection: Collection) -> bool {
        self.operations.iter().any(|o| o.collection == collection)
    }

    /// Whether the driver knows the feature.
    #[must_use]
    pub fn has_feature(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Whether instances can be given volumes that are found again after a lost answer, and taken away with all they
    /// hold: everything to do with volumes, and names for them.
    #[must_use]
    pub fn gives_volumes(&self) -> bool {
        let verbs = [Verb::Index, Verb::Create, Verb::Attach, Verb::Detach, Verb::Destroy];
        verbs.into_iter().all(|verb| self.supports(Collection::StorageVolumes, verb))
            && self.has_feature(Feature::VolumeName)
    }

    /// All operations offered, by collection.
    pub fn operations(&self) -> impl Iterator<Item = Operation> {
        self.operations.iter().copied()
    }

    /// All features known.
    pub fn features(&self) -> impl Iterator<Item = Feature> {
        self.features.iter().copied()
    }

    /// Refuses what is lacking.
    ///
    /// # Errors
    /// [`DriverError::Unsupported`].
    pub fn require(&self, operation: Operation) -> Result<(), DriverError> {
        if self.operations.contains(&operation) {
            Ok(())
        } else {
            Err(DriverError::Unsupported { operation })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_reads_back_from_its_name() {
        assert!(Operation::all().count() > 60);
        for operation in Operation::all() {
            assert_eq!(operation.to_string().parse(), Ok(operation));
        }
        for text in
            ["instances", "instances/", "instances/fly", "realms/create", "/index", "instances/create/x"]
        {
            assert!(text.parse::<Operation>().is_err(), "{text}");
        }
    }

    #[test]
    fn volumes_need_all_that_handles_them_and_names() {
        let all = Operation::all().filter(|it| it.collection() == Collection::StorageVolumes);
        let all: Vec<_> = all.collect();
        assert!(Capabilities::new(all.clone(), [Feature::VolumeName]).gives_volumes());
        assert!(!Capabilities::new(all.clone(), []).gives_volumes());
        let without_detach = all.into_iter().filter(|it| it.verb() != Verb::Detach);
        assert!(!Capabilities::new(without_detach, [Feature::VolumeName]).gives_volumes());
    }

    #[test]
    fn what_is_not_declared_is_unsupported() {
        let capabilities =
            Capabilities::new([Operation::new(Collection::Realms, Verb::Index)], [Feature::UserName]);
        assert!(capabilities.supports(Collection::Realms, Verb::Index));
        assert!(capabilities.has(Collection::Realms) && !capabilities.has(Collection::Images));
        assert!(!capabilities.has_feature(Feature::UserData));
        let operation = Operation::new(Collection::Realms, Verb::Show);
        assert_eq!(capabilities.require(operation), Err(DriverError::Unsupported { operation }));
    }
}
