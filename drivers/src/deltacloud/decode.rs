//! Entities of the API from the trees of its answers, version 0.3.0 to 1.1.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::token::token;
use super::wire::Node;
use crate::model::{
    Address, AddressKind, Blob, Bucket, CommandOutput, Firewall, FirewallRule, HardwareProfile, Image,
    Instance, InstanceAddress, Key, KeyKind, Listener, LoadBalancer, Measure, Metric, Network,
    NetworkInterface, NetworkState, NewRule, ProfileChoice, Property, PropertyValue, Realm, RealmState,
    RuleSource, Sample, Secret, Snapshot, Subnet, Volume, VolumeState,
};
use crate::states::{InstanceAction, InstanceState, StateMachine};

/// A moment in one of the ways in which servers write it; times of day without a known zone are nothing.
pub(super) fn time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    if let Ok(moment) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z") {
        return Some(moment.to_utc());
    }
    // "Thu Oct 25 14:27:53 CEST 2012", as the language of the real server prints a moment.
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, month, day, clock, zone, year] = words.as_slice() else { return None };
    let hours = match *zone {
        "UTC" | "GMT" | "WET" | "Z" => 0,
        "CET" | "BST" | "WEST" => 1,
        "CEST" | "EET" => 2,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return None,
    };
    let local =
        NaiveDateTime::parse_from_str(&format!("{year} {month} {day} {clock}"), "%Y %b %d %H:%M:%S").ok()?;
    Some((local - TimeDelta::hours(hours)).and_utc())
}

fn time_of(node: &Node, name: &str) -> DateTime<Utc> {
    node.text(&[name]).and_then(time).unwrap_or_default()
}

/// The name, or the identity of what has none.
fn name(node: &Node, id: &str) -> String {
    node.text(&["name"]).unwrap_or(id).to_owned()
}

pub(super) fn realm(node: &Node) -> Option<Realm> {
    let id = node.id()?;
    let state = node.words(&["state"]).to_ascii_uppercase();
    Some(Realm {
        name: name(node, &id),
        id,
        state: if state == "UNAVAILABLE" { RealmState::Unavailable } else { RealmState::Available },
        // "unlimited", an empty element, or no element at all.
        limit: node.text(&["limit"]).and_then(|limit| limit.parse().ok()),
        exclusive: false,
        hardware_type: None,
        location: None,
        hardware_profiles: Vec::new(),
    })
}

/// The unit of a dimension where the server does not tell it.
fn usual_unit(property: &str) -> &'static str {
    match property {
        "cpu" => "count",
        "memory" => "MB",
        "storage" => "GB",
        _ => "label",
    }
}

fn property(node: &Node) -> Option<Property> {
    let name = node.text(&["name"])?.to_owned();
    let default = node.words(&["value"]);
    let number = |node: &Node, name: &str| node.text(&[name]).and_then(|text| text.parse::<f64>().ok());
    let range = node.field("range").and_then(|range| {
        let (first, last) = (number(range, "first")?, number(range, "last")?);
        let default = default.parse::<f64>().ok().filter(|d| first <= *d && *d <= last).unwrap_or(first);
        (first <= last).then_some(PropertyValue::Range { first, last, default })
    });
    let entries: Vec<String> =
        node.list("enum").filter_map(|entry| entry.text(&["value"])).map(str::to_owned).collect();
    let value = match (node.text(&["kind"]), range) {
        (Some("range"), Some(range)) => range,
        (Some("enum"), _) if !entries.is_empty() => {
            let default = if entries.contains(&default) { default } else { entries[0].clone() };
            PropertyValue::Enum { entries, default }
        }
        _ => PropertyValue::Fixed { value: default },
    };
    let unit = node.text(&["unit"]).unwrap_or_else(|| usual_unit(&name)).to_owned();
    Some(Property { name, unit, value })
}

pub(super) fn hardware_profile(node: &Node) -> Option<HardwareProfile> {
    let id = node.id()?;
    let told: Vec<Property> = node.fields().filter(|f| f.name == "property").filter_map(property).collect();
    // JSON tells of each property one value and nothing else.
    let flat = node.list("properties").filter_map(|field| {
        Some(Property {
            name: field.name.clone(),
            unit: usual_unit(&field.name).to_owned(),
            value: PropertyValue::Fixed { value: field.own_text()?.to_owned() },
        })
    });
    let properties = if told.is_empty() { flat.collect() } else { told };
    Some(HardwareProfile { name: name(node, &id), id, properties })
}

pub(super) fn image(node: &Node) -> Option<Image> {
    let id = node.id()?;
    Some(Image {
        name: name(node, &id),
        id,
        description: node.words(&["description"]),
        owner_id: node.words(&["owner_id", "owner"]),
        architecture: node.words(&["architecture"]),
        state: node.words(&["state"]),
        creation_time: node.text(&["creation_time"]).and_then(time),
        os: None,
        version: None,
        hardware_profiles: node.list("hardware_profiles").filter_map(Node::id).collect(),
        root_type: node.text(&["root_type"]).map(str::to_owned),
    })
}

fn address_kind(kind: Option<&str>, value: &str) -> AddressKind {
    match kind {
        Some("ipv4") => AddressKind::Ipv4,
        Some("ipv6") => AddressKind::Ipv6,
        Some("hostname") => AddressKind::Hostname,
        Some("mac") => AddressKind::Mac,
        Some("vnc") => AddressKind::Vnc,
        // Old servers do not say.
        _ => match value.parse() {
            Ok(std::net::IpAddr::V4(_)) => AddressKind::Ipv4,
            Ok(std::net::IpAddr::V6(_)) => AddressKind::Ipv6,
            Err(_) => AddressKind::Hostname,
        },
    }
}

fn addresses(node: &Node, name: &str) -> Vec<InstanceAddress> {
    node.list(name)
        .filter_map(|address| {
            let value = address.own_text().or_else(|| address.text(&["address"]))?;
            Some(InstanceAddress {
                kind: address_kind(address.text(&["type"]), value),
                value: value.to_owned(),
                port: address.text(&["port"]).and_then(|port| port.parse().ok()),
            })
        })
        .collect()
}

fn action(rel: &str) -> Option<InstanceAction> {
    use InstanceAction::{Destroy, Reboot, Start, Stop};
    [Start, Stop, Reboot, Destroy].into_iter().find(|action| action.as_str() == rel)
}

pub(super) fn instance(node: &Node) -> Option<Instance> {
    let id = node.id()?;
    let rels = || node.list("actions").filter_map(|link| link.text(&["rel"]));
    let profile = node.field("hardware_profile");
    let of_xml = profile.into_iter().flat_map(Node::fields).filter(|f| f.name == "property");
    let of_xml = of_xml.filter_map(|p| Some((p.words(&["name"]), p.text(&["value"])?.to_owned())));
    let of_json = profile.into_iter().flat_map(|p| p.list("properties"));
    let of_json = of_json.filter_map(|p| Some((p.name.clone(), p.own_text()?.to_owned())));
    let login = node.field("authentication");
    let keyname = login.and_then(|login| {
        login.text(&["keyname"]).or_else(|| login.field("login").and_then(|login| login.text(&["keyname"])))
    });
    let ids = |name: &str| node.list(name).filter_map(Node::id).collect();
    Some(Instance {
        name: token(&node.words(&["name"])).to_owned(),
        owner_id: node.words(&["owner_id", "owner"]),
        image_id: node.reference("image").unwrap_or_default(),
        realm_id: node.reference("realm").unwrap_or_default(),
        hardware_profile: ProfileChoice {
            id: profile.and_then(Node::id).unwrap_or_default(),
            values: of_xml.chain(of_json).collect(),
        },
        state: InstanceState::from(node.text(&["state"])?),
        actions: rels().filter_map(action).collect(),
        can_create_image: rels().any(|rel| rel == "create_image"),
        public_addresses: addresses(node, "public_addresses"),
        private_addresses: addresses(node, "private_addresses"),
        keyname: keyname.map(str::to_owned),
        user_data: None,
        launch_time: node.text(&["launch_time"]).and_then(time),
        firewalls: ids("firewalls"),
        storage_volumes: ids("storage_volumes"),
        network_interfaces: ids("network_interfaces"),
        boot_count: None,
        disk_id: None,
        id,
    })
}

pub(super) fn key(node: &Node) -> Option<Key> {
    let id = node.id()?;
    let password = node.text(&["type", "credential_type"]) == Some("password");
    Some(Key {
        name: name(node, &id),
        id,
        kind: if password { KeyKind::Password } else { KeyKind::Key },
        fingerprint: node.text(&["fingerprint"]).map(str::to_owned),
        public_key: None,
        private_key: node.text(&["pem", "pem_rsa_key"]).map(Secret::new),
    })
}

pub(super) fn address(node: &Node) -> Option<Address> {
    let id = node.id()?;
    let instance_id = node.reference("instance").or_else(|| node.text(&["instance_id"]).map(str::to_owned));
    Some(Address { ip: node.text(&["ip"]).unwrap_or(&id).to_owned(), id, instance_id })
}

pub(super) fn volume(node: &Node) -> Option<Volume> {
    let mount = node.field("mount");
    let instance_id =
        mount.and_then(|mount| mount.reference("instance")).or_else(|| node.reference("instance"));
    let device = mount.and_then(|m| m.field("device")).and_then(|device| device.text(&["name"]));
    let state = node.words(&["state"]).to_ascii_uppercase();
    Some(Volume {
        id: node.id()?,
        name: node.text(&["name"]).map(str::to_owned),
        description: node.text(&["description"]).map(str::to_owned),
        created: time_of(node, "created"),
        capacity: node.text(&["capacity"]).and_then(|c| c.parse::<f64>().ok()).map_or(0, whole),
        realm_id: node
            .text(&["realm_id"])
            .map(str::to_owned)
            .or_else(|| node.field("realm")?.text(&["id"]).map(str::to_owned)),
        state: match state.as_str() {
            "AVAILABLE" => VolumeState::Available,
            "IN-USE" | "IN_USE" => VolumeState::InUse,
            _ => VolumeState::Other(state),
        },
        device: device
            .or_else(|| node.text(&["device"]))
            .filter(|_| instance_id.is_some())
            .map(str::to_owned),
        instance_id,
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded before")]
fn whole(number: f64) -> u64 {
    number.clamp(0.0, 9.0e15) as u64
}

pub(super) fn snapshot(node: &Node) -> Option<Snapshot> {
    Some(Snapshot {
        id: node.id()?,
        name: node.text(&["name"]).map(str::to_owned),
        description: node.text(&["description"]).map(str::to_owned),
        created: time_of(node, "created"),
        volume_id: node.reference("storage_volume").unwrap_or_default(),
        state: node.text(&["state"]).map(str::to_owned),
    })
}

pub(super) fn bucket(node: &Node) -> Option<Bucket> {
    let id = node.id()?;
    let of_xml = node.fields().filter(|field| field.name == "blob").filter_map(Node::id);
    let mut blobs: Vec<String> = of_xml.chain(node.list("blob_list").filter_map(Node::id)).collect();
    blobs.sort();
    Some(Bucket { name: name(node, &id), id, location: node.text(&["location"]).map(str::to_owned), blobs })
}

pub(super) fn blob(node: &Node) -> Option<Blob> {
    let bucket = node.field("bucket")?;
    let entries = node.list("user_metadata").map(|entry| {
        let key = entry.text(&["key"]).unwrap_or(&entry.name);
        // One cloud behind real servers puts its own prefix before the keys.
        let key = key.strip_prefix("x-amz-meta-").unwrap_or(key);
        (key.to_owned(), entry.own_text().unwrap_or_default().to_owned())
    });
    Some(Blob {
        id: node.id()?,
        bucket_id: bucket.own_text().map(str::to_owned).or_else(|| bucket.id())?,
        content_length: node.text(&["content_length"]).and_then(|length| length.parse().ok()).unwrap_or(0),
        content_type: node.words(&["content_type"]),
        last_modified: time_of(node, "last_modified"),
        user_metadata: entries.collect::<BTreeMap<_, _>>(),
    })
}

fn network_state(node: &Node) -> NetworkState {
    match node.words(&["state"]).to_ascii_uppercase().as_str() {
        "PENDING" => NetworkState::Pending,
        "DOWN" => NetworkState::Down,
        _ => NetworkState::Up,
    }
}

pub(super) fn network(node: &Node) -> Option<Network> {
    let id = node.id()?;
    Some(Network {
        name: name(node, &id),
        id,
        state: network_state(node),
        address_blocks: node.list("address_blocks").filter_map(Node::own_text).map(str::to_owned).collect(),
        subnets: node.list("subnets").filter_map(Node::id).collect(),
    })
}

pub(super) fn subnet(node: &Node) -> Option<Subnet> {
    let id = node.id()?;
    let network = node.field("network")?;
    Some(Subnet {
        name: name(node, &id),
        id,
        network_id: network.own_text().map(str::to_owned).or_else(|| network.id())?,
        state: network_state(node),
        address_block: node.words(&["address_block"]),
    })
}

pub(super) fn network_interface(node: &Node) -> Option<NetworkInterface> {
    let id = node.id()?;
    Some(NetworkInterface {
        name: name(node, &id),
        id,
        instance_id: node.reference("instance").unwrap_or_default(),
        // What the API calls the network is the subnet.
        subnet_id: node.reference("network").or_else(|| node.reference("subnet")).unwrap_or_default(),
        ip_address: node.text(&["ip_address"]).map(str::to_owned),
        mac_address: node.text(&["mac_address"]).map(str::to_owned),
    })
}

fn source(node: &Node) -> Option<RuleSource> {
    match node.text(&["type"])? {
        "address" => Some(RuleSource::Address {
            address: node.text(&["address"])?.to_owned(),
            prefix: node.text(&["prefix"])?.parse().ok()?,
        }),
        "group" => Some(RuleSource::Group { name: node.words(&["name"]), owner: node.words(&["owner"]) }),
        _ => None,
    }
}

fn rule(node: &Node) -> Option<FirewallRule> {
    let port = |name| node.text(&[name]).and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(FirewallRule {
        id: node.id()?,
        allow: NewRule {
            protocol: node.text(&["allow_protocol"])?.to_owned(),
            port_from: port("port_from"),
            port_to: port("port_to"),
            sources: node.list("sources").filter_map(source).collect(),
        },
    })
}

pub(super) fn firewall(node: &Node) -> Option<Firewall> {
    let id = node.id()?;
    Some(Firewall {
        name: name(node, &id),
        id,
        description: node.words(&["description"]),
        owner_id: node.words(&["owner_id"]),
        rules: node.list("rules").filter_map(rule).collect(),
    })
}

pub(super) fn load_balancer(node: &Node) -> Option<LoadBalancer> {
    let port = |node: &Node, name| node.text(&[name]).and_then(|text| text.parse().ok());
    let listener = |node: &Node| {
        Some(Listener {
            protocol: node.text(&["protocol"])?.to_owned(),
            balancer_port: port(node, "load_balancer_port")?,
            instance_port: port(node, "instance_port")?,
        })
    };
    // In JSON there is a list of realms, in which the real server has nothing that could be read.
    let realm = node.reference("realm").or_else(|| node.list("realms").find_map(Node::id));
    Some(LoadBalancer {
        id: node.id()?,
        realm_id: realm,
        created: node.text(&["created_at"]).and_then(time),
        public_addresses: node
            .list("public_addresses")
            .filter_map(|address| address.own_text().or_else(|| address.text(&["address"])))
            .map(str::to_owned)
            .collect(),
        listeners: node.list("listeners").filter_map(listener).collect(),
        instances: node.list("instances").filter_map(Node::id).collect(),
    })
}

fn sample(node: &Node) -> Option<Sample> {
    // In XML each value is an element of its own with its name beside it.
    let value = |name: &str| {
        let of_xml = node.fields().find(|f| f.name == "property" && f.text(&["name"]) == Some(name));
        of_xml.and_then(|property| property.text(&["value"])).or_else(|| node.text(&[name]))
    };
    let number = |name: &str| value(name)?.parse::<f64>().ok().filter(|number| number.is_finite());
    Some(Sample {
        minimum: number("minimum")?,
        maximum: number("maximum")?,
        average: number("average")?,
        at: DateTime::from_timestamp(value("timestamp")?.parse().ok()?, 0)?,
        unit: value("unit").unwrap_or_default().to_owned(),
    })
}

pub(super) fn metric(node: &Node) -> Option<Metric> {
    let known = |name: &str| Measure::ALL.iter().copied().find(|measure| measure.as_str() == name);
    let series = node.list("properties").filter_map(|shown| {
        // In JSON a property says what it is called, in XML it is called so.
        let measure = known(shown.text(&["name"]).unwrap_or(&shown.name))?;
        let of_xml = shown.fields().filter(|field| field.name == "sample");
        Some((measure, of_xml.chain(shown.list("values")).filter_map(sample).collect()))
    });
    Some(Metric { id: node.id()?, entity: node.words(&["entity"]), series: series.collect() })
}

pub(super) fn command_output(node: &Node) -> Option<CommandOutput> {
    Some(CommandOutput {
        public_address: node.words(&["public_address"]),
        command: node.words(&["command"]),
        output: node.words(&["output"]),
    })
}

/// The machine of states, from the document that describes it.
pub(super) fn states(root: &Node) -> StateMachine {
    let ways =
        root.fields().filter_map(|state| Some((state, state.text(&["name"])?))).flat_map(|(state, name)| {
            let of_xml = state.fields().filter(|field| field.name == "transition");
            of_xml.chain(state.list("transitions")).filter_map(move |way| {
                let action = match way.text(&["action"]) {
                    Some("create") => Some(InstanceAction::Create),
                    Some(rel) => Some(action(rel)?),
                    None => None,
                };
                Some((InstanceState::from(name), action, InstanceState::from(way.text(&["to"])?)))
            })
        });
    StateMachine::new(ways)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_however_servers_write_them() {
        let moment = DateTime::from_timestamp(1_351_168_073, 0);
        for text in [
            "Thu Oct 25 14:27:53 CEST 2012",
            "Thu Oct 25 12:27:53 UTC 2012",
            "2012-10-25 12:27:53 +0000",
            "2012-10-25T12:27:53.000Z",
        ] {
            assert_eq!(time(text), moment, "{text}");
        }
        assert_eq!(time("yesterday"), None);
        assert_eq!(time("Thu Oct 25 12:27:53 XYZ 2012"), None);
    }

    #[test]
    fn a_volume_of_version_0_3_0_is_read() {
        let node = Node::read(
            "application/xml",
            "<storage_volume id='vol-1'><created>2010-08-11T20:40:11.000Z</created><capacity>1</capacity>\
             <device/><state>AVAILABLE</state><instance/></storage_volume>",
        );
        let volume = volume(&node.unwrap()).unwrap();
        assert_eq!((volume.capacity, volume.instance_id, volume.state), (1, None, VolumeState::Available));
    }

    #[test]
    fn what_is_measured_reads_the_same_in_both_languages() {
        let xml = "<metric id='i1'><entity>n</entity><properties><cpuUtilization><sample>\
             <property name='minimum' value='0.1'/><property name='maximum' value='0.5'/>\
             <property name='average' value='0.3'/><property name='timestamp' value='1795290165'/>\
             <property name='unit' value='Percent'/></sample></cpuUtilization><nicInputByte></nicInputByte>\
             <unheardOf></unheardOf></properties></metric>";
        let json = r#"{"metric":{"id":"i1","entity":"n","properties":[{"name":"cpuUtilization","values":[
             {"minimum":0.1,"maximum":0.5,"average":0.3,"timestamp":1795290165,"unit":"Percent"}]},
             {"name":"nicInputByte","values":null},{"name":"unheardOf","values":null}]}}"#;
        let of_xml = metric(&Node::read("application/xml", xml).unwrap()).unwrap();
        let of_json = metric(&Node::read("application/json", json).unwrap()).unwrap();
        assert_eq!(of_xml, of_json);
        let (measure, samples) = &of_xml.series[0];
        assert_eq!((*measure, samples.len(), of_xml.series.len()), (Measure::CpuUtilization, 1, 2));
        assert_eq!((samples[0].at.timestamp(), samples[0].unit.as_str()), (1_795_290_165, "Percent"));
    }

    #[test]
    fn a_load_balancer_is_read_from_both_languages() {
        let xml = "<load_balancer id='lb'><public_addresses><address>lb.example</address></public_addresses>\
             <created_at>2026-11-21 19:41:43 +0000</created_at><realm id='us'/><listeners>\
             <listener protocol='HTTP'><load_balancer_port>80</load_balancer_port>\
             <instance_port>8080</instance_port></listener></listeners><instances><instance id='i1'/></instances>\
             </load_balancer>";
        let json = r#"{"load_balancer":{"id":"lb","realms":[{"id":"us"}],"listeners":[{"id":null,"protocol":"HTTP",
             "load_balancer_port":"80","instance_port":"8080"}],"instances":[{"id":"i1"}],
             "public_addresses":["lb.example"],"created_at":"2026-11-21 19:41:43 +0000"}}"#;
        let of_xml = load_balancer(&Node::read("application/xml", xml).unwrap()).unwrap();
        assert_eq!(load_balancer(&Node::read("application/json", json).unwrap()), Some(of_xml.clone()));
        assert_eq!((of_xml.listeners[0].instance_port, of_xml.instances[0].as_str()), (8080, "i1"));
        assert_eq!(of_xml.realm_id.as_deref(), Some("us"));
    }

    #[test]
    fn a_range_that_is_none_becomes_its_default() {
        let node = Node::read(
            "application/xml",
            "<hardware_profile id='p'><property kind='range' name='cpu' unit='count' value='2'>\
             <range first='x' last='3'/></property></hardware_profile>",
        );
        let profile = hardware_profile(&node.unwrap()).unwrap();
        assert_eq!(profile.properties[0].value, PropertyValue::Fixed { value: "2".into() });
    }
}
