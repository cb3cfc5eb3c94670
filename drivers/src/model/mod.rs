//! What the drivers talk about: the entities of the Deltacloud API.
//!
//! Field names follow the Deltacloud texts. Units are those the API uses: memory in MB, storage and
//! volume capacity in GB, blob sizes in bytes, moments in UTC to the second.

mod balancer;
mod blob;
mod command;
mod firewall;
mod hardware;
mod image;
mod instance;
mod key;
mod metric;
mod network;
mod realm;
mod storage;

pub use balancer::{CreateLoadBalancer, Listener, LoadBalancer};
pub use blob::{Blob, BlobStream, Bucket, CreateBucket, PutBlob, collect_blob, stream_of};
pub use command::{CommandOutput, RunCommand};
pub use firewall::{CreateFirewall, Firewall, FirewallRule, NewRule, RuleSource};
pub use hardware::{HardwareProfile, Property, PropertyValue, number_text};
pub use image::{CreateImage, Image};
pub use instance::{AddressKind, CreateInstance, Instance, InstanceAddress, ProfileChoice};
pub use key::{CreateKey, Key, KeyKind, Secret};
pub use metric::{Measure, Metric, Sample};
pub use network::{
    CreateNetwork, CreateNetworkInterface, CreateSubnet, Network, NetworkInterface, NetworkState, Subnet,
};
pub use realm::{Location, Realm, RealmState};
pub use storage::{Address, CreateSnapshot, CreateVolume, Snapshot, Volume, VolumeState};
