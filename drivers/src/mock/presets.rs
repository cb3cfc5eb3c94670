//! Ready-made mock clouds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeZone, Utc};

use super::block::Block;
use super::config::{
    AddressScheme, AfterCreate, FirstBlob, FirstData, FirstInstance, ImageConfig, Lifecycle, MockConfig,
    RealmTemplate,
};
use super::faults::FaultConfig;
use crate::capability::{ChangeCosts, Disruption};
use crate::model::{
    Address, Bucket, HardwareProfile, Key, KeyKind, Location, Network, NetworkInterface, NetworkState,
    ProfileChoice, Property, PropertyValue, RealmState, Snapshot, Subnet, Volume, VolumeState,
};
use crate::operation::{Collection, Operation};

fn property(name: &str, unit: &str, value: PropertyValue) -> Property {
    Property { name: name.into(), unit: unit.into(), value }
}

fn fixed(value: &str) -> PropertyValue {
    PropertyValue::Fixed { value: value.into() }
}

fn range(first: f64, last: f64, default: f64) -> PropertyValue {
    PropertyValue::Range { first, last, default }
}

fn one_of(entries: &[&str]) -> PropertyValue {
    let entries: Vec<String> = entries.iter().map(|e| (*e).to_owned()).collect();
    PropertyValue::Enum { default: entries.first().cloned().unwrap_or_default(), entries }
}

fn profile(id: &str, properties: Vec<Property>) -> HardwareProfile {
    HardwareProfile { id: id.into(), name: id.into(), properties }
}

fn realm(id: &str, name: &str) -> RealmTemplate {
    RealmTemplate {
        id: id.into(),
        name: Some(name.into()),
        count: None,
        capacity: None,
        exclusive: false,
        state: RealmState::Available,
        hardware_type: None,
        location: None,
        hardware_profiles: Vec::new(),
    }
}

/// A block that is known to be one.
fn block(text: &str) -> Block {
    // The texts are those below, and a test reads every preset; the fallback is never met.
    text.parse().unwrap_or(Block::PRIVATE)
}

impl Default for MockConfig {
    /// A small aggregate: two shared hosts, four whole machines, three sizes of virtual machine.
    fn default() -> Self {
        let virtual_sizes = ["small", "medium", "large"].map(String::from).to_vec();
        let somewhere = |latitude, longitude| {
            Some(Location {
                country: Some("US".into()),
                latitude: Some(latitude),
                longitude: Some(longitude),
            })
        };
        let host = |n: u32| RealmTemplate {
            capacity: Some(64),
            hardware_type: Some("shared-host".into()),
            location: somewhere(42.39, -71.15),
            hardware_profiles: virtual_sizes.clone(),
            ..realm(&format!("host-{n}"), &format!("Shared host {n}"))
        };
        let machines = RealmTemplate {
            count: Some(4),
            exclusive: true,
            hardware_type: Some("whole-machine".into()),
            location: somewhere(40.76, -111.85),
            hardware_profiles: vec!["raw-pc".into()],
            ..realm("machine-{n}", "Machine {n}")
        };
        let image = |id: &str, os: &str, version: &str| ImageConfig {
            id: id.into(),
            name: None,
            description: format!("{os} {version}"),
            owner: None,
            architecture: "x86_64".into(),
            os: Some(os.into()),
            version: Some(version.into()),
            creation_time: None,
            hardware_profiles: Vec::new(),
        };
        let virtual_machine = |id: &str, cpu: &str, memory: f64, disk: &[&str]| {
            profile(
                id,
                vec![
                    property("cpu", "count", fixed(cpu)),
                    property("memory", "MB", range(memory, memory * 4.0, memory)),
                    property("storage", "GB", one_of(disk)),
                    property("architecture", "label", fixed("x86_64")),
                ],
            )
        };
        Self {
            name: "mock".into(),
            owner: "mockuser".into(),
            realms: vec![host(1), host(2), machines],
            hardware_profiles: vec![
                virtual_machine("small", "1", 1024.0, &["10", "20", "40"]),
                virtual_machine("medium", "2", 4096.0, &["20", "40", "80"]),
                virtual_machine("large", "8", 16384.0, &["80", "160", "320"]),
                profile(
                    "raw-pc",
                    vec![
                        property("cpu", "count", fixed("16")),
                        property("memory", "MB", fixed("65536")),
                        property("storage", "GB", fixed("500")),
                        property("architecture", "label", fixed("x86_64")),
                    ],
                ),
            ],
            images: vec![
                image("debian-12", "Debian", "12"),
                image("ubuntu-24.04", "Ubuntu", "24.04"),
                image("fedora-41", "Fedora", "41"),
            ],
            lifecycle: Lifecycle::default(),
            addresses: AddressScheme::Blocks {
                public: block("198.18.0.0/16"),
                private: block("10.128.0.0/16"),
            },
            floating_addresses: block("198.19.0.0/24"),
            costs: ChangeCosts {
                resize: Disruption::MustBeStopped,
                set_user_data: Disruption::NextBoot,
                rebuild: Disruption::Reboots,
                network_interface: Disruption::None,
                storage_volume: Disruption::None,
            },
            lacks: BTreeSet::new(),
            faults: FaultConfig::default(),
            call_log: 100_000,
            first: FirstData::default(),
        }
    }
}

impl MockConfig {
    /// The data of the mock driver of Apache Deltacloud 1.1.3, and its manners: instances run at
    /// once, must be stopped before they are destroyed, and have made-up host names.
    #[must_use]
    pub fn deltacloud() -> Self {
        let sized = |id: &str, cpu, memory, storage, architecture: &str| {
            profile(
                id,
                vec![
                    property("cpu", "count", cpu),
                    property("memory", "MB", memory),
                    property("storage", "GB", storage),
                    property("architecture", "label", fixed(architecture)),
                ],
            )
        };
        let image = |id: &str, description: &str, owner: &str, architecture: &str| ImageConfig {
            id: id.into(),
            name: None,
            description: description.into(),
            owner: Some(owner.into()),
            architecture: architecture.into(),
            os: None,
            version: None,
            // Thu Oct 25 14:27:53 CEST 2012, in UTC.
            creation_time: Some(at(2012, 10, 25, 12, 27, 53)),
            hardware_profiles: Vec::new(),
        };
        Self {
            realms: vec![realm("us", "United States"), realm("eu", "Europe")],
            hardware_profiles: vec![
                sized("m1-small", fixed("1"), fixed("1740.8"), fixed("160"), "i386"),
                sized(
                    "m1-large",
                    range(1.0, 6.0, 1.0),
                    range(7680.0, 15360.0, 10240.0),
                    one_of(&["850", "1024"]),
                    "x86_64",
                ),
                sized(
                    "m1-xlarge",
                    fixed("4"),
                    range(12288.0, 32768.0, 12288.0),
                    one_of(&["1024", "2048", "4096"]),
                    "x86_64",
                ),
                profile("opaque", Vec::new()),
            ],
            images: vec![
                image("img1", "Fedora 10", "fedoraproject", "x86_64"),
                image("img2", "Fedora 10", "fedoraproject", "i386"),
                image("img3", "JBoss", "mockuser", "i386"),
            ],
            lifecycle: Lifecycle {
                after_create: AfterCreate::Running,
                create_ms: 0,
                start_ms: 0,
                stop_ms: 0,
                reboot_ms: 0,
                destroy_ms: 0,
                destroy_anytime: false,
                can_fail: false,
            },
            addresses: AddressScheme::Hostnames,
            floating_addresses: block("192.168.0.0/24"),
            lacks: Operation::all()
                .filter(|o| matches!(o.collection(), Collection::Firewalls | Collection::LoadBalancers))
                .collect(),
            first: deltacloud_data(),
            ..Self::default()
        }
    }
}

fn at(year: i32, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, hour, minute, second).single().unwrap_or_default()
}

fn deltacloud_data() -> FirstData {
    let instance = |id: &str, name: &str, image: &str, realm: &str, profile: &str| FirstInstance {
        id: id.into(),
        name: name.into(),
        image_id: image.into(),
        realm_id: realm.into(),
        hardware_profile: ProfileChoice { id: profile.into(), values: BTreeMap::new() },
        keyname: None,
        launch_time: None,
        public_address: format!("img1.{id}.public.com"),
        private_address: format!("img1.{id}.private.com"),
        can_create_image: true,
    };
    let mut resized = instance("inst0", "Mock Instance With Profile Change", "img1", "us", "m1-large");
    resized.hardware_profile.values.insert("memory".into(), "12288".into());
    let nameless = FirstInstance {
        keyname: Some(String::new()),
        public_address: "img3.inst3.public.com".into(),
        private_address: "img3.inst3.private.com".into(),
        can_create_image: false,
        ..instance("inst3", "", "img3", "eu", "m1-small")
    };

    let volume = |id: &str| Volume {
        id: id.into(),
        name: None,
        description: None,
        created: at(2009, 7, 30, 14, 35, 11),
        capacity: 1,
        realm_id: Some("us".into()),
        state: VolumeState::Available,
        instance_id: None,
        device: None,
    };
    let attached = Volume {
        state: VolumeState::InUse,
        instance_id: Some("inst1".into()),
        device: Some("/dev/sda1".into()),
        ..volume("vol3")
    };
    let snapshot = |id: &str, volume: &str| Snapshot {
        id: id.into(),
        name: None,
        description: None,
        created: at(2009, 7, 29, 18, 15, 24),
        volume_id: volume.into(),
        state: None,
    };
    let bucket = |id: &str| Bucket { id: id.into(), name: id.into(), location: None, blobs: Vec::new() };
    let blob = |bucket: &str, id: &str| FirstBlob {
        bucket_id: bucket.into(),
        id: id.into(),
        content_type: "text/plain".into(),
        content: format!("This is the content of {id}\n"),
        last_modified: at(2010, 9, 23, 16, 0, 31),
        user_metadata: vec![("SOMENEWKEY".into(), "NEWVALUE".into())],
    };
    let network = |id: &str, name: &str, block: &str| Network {
        id: id.into(),
        name: name.into(),
        state: NetworkState::Up,
        address_blocks: vec![block.into()],
        subnets: Vec::new(),
    };
    let subnet = |id: &str, network: &str, block: &str| Subnet {
        id: id.into(),
        name: id.into(),
        network_id: network.into(),
        state: NetworkState::Up,
        address_block: block.into(),
    };
    let interface = |id: &str, instance: &str, subnet: &str, ip: &str| NetworkInterface {
        id: id.into(),
        name: id.into(),
        instance_id: instance.into(),
        subnet_id: subnet.into(),
        ip_address: Some(ip.into()),
        mac_address: None,
    };
    FirstData {
        instances: vec![
            resized,
            instance("inst1", "MockUserInstance", "img3", "us", "m1-small"),
            instance("inst2", "AnotherInstance", "img1", "us", "m1-large"),
            nameless,
        ],
        keys: vec![Key {
            id: "test-key".into(),
            name: "test-key".into(),
            kind: KeyKind::Key,
            fingerprint: Some("5e:ce:b6:dc:59:3b:5c:93:f8:2e:9d:20:ce:60:ca:f5:0b:8a:66:93".into()),
            public_key: None,
            private_key: None,
        }],
        addresses: (1..=4)
            .map(|n| format!("192.168.0.{n}"))
            .map(|ip| Address { id: ip.clone(), ip, instance_id: None })
            .collect(),
        volumes: vec![volume("vol1"), volume("vol2"), attached],
        snapshots: vec![snapshot("snap1", "vol1"), snapshot("snap2", "vol2"), snapshot("snap3", "vol2")],
        buckets: vec![bucket("bucket1"), bucket("bucket2")],
        blobs: vec![
            blob("bucket1", "blob1"),
            blob("bucket1", "blob2"),
            blob("bucket1", "blob3"),
            blob("bucket2", "blob4"),
            blob("bucket2", "blob5"),
        ],
        networks: vec![
            network("net1", "network1", "192.168.0.0/16"),
            network("net2", "network2", "10.0.0.0/8"),
        ],
        subnets: vec![
            subnet("subnet1", "net1", "192.168.1.0/24"),
            subnet("subnet2", "net1", "192.168.2.0/24"),
            subnet("subnet3", "net2", "10.1.0.0/16"),
            subnet("subnet4", "net2", "10.2.0.0/16"),
        ],
        network_interfaces: vec![
            interface("nic1", "inst1", "subnet1", "192.168.1.2"),
            // The real mock names a network here where it should name a subnet; this is the subnet
            // that holds the address.
            interface("nicinst3", "inst3", "subnet2", "192.168.2.189"),
        ],
    }
}
