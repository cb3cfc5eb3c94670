//! The words for what can be asked of a cloud: a verb in a collection of the Deltacloud API.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
}
