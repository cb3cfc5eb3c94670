//! Instances and what they are made of.

use chrono::DateTime;

use super::{name, time, token};
use crate::deltacloud::wire::Node;
use crate::model::{
    AddressKind, CommandOutput, HardwareProfile, Image, Instance, InstanceAddress, Key, KeyKind, Measure,
    Metric, ProfileChoice, Property, PropertyValue, Realm, RealmState, Sample, Secret,
};
use crate::states::{InstanceAction, InstanceState, StateMachine};

pub(in super::super) fn realm(node: Node<'_>) -> Option<Realm> {
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

fn property(node: Node<'_>) -> Option<Property> {
    let name = node.text(&["name"])?.to_owned();
    let default = node.words(&["value"]);
    let number = |node: Node<'_>, name: &str| node.text(&[name]).and_then(|text| text.parse::<f64>().ok());
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

pub(in super::super) fn hardware_profile(node: Node<'_>) -> Option<HardwareProfile> {
    let id = node.id()?;
    let told: Vec<Property> = node.fields().filter(|f| f.name() == "property").filter_map(property).collect();
    // JSON tells of each property one value and nothing else.
    let flat = node.list("properties").filter_map(|field| {
        Some(Property {
            name: field.name().to_owned(),
            unit: usual_unit(field.name()).to_owned(),
            value: PropertyValue::Fixed { value: field.own_text()?.to_owned() },
        })
    });
    let properties = if told.is_empty() { flat.collect() } else { told };
    Some(HardwareProfile { name: name(node, &id), id, properties })
}

pub(in super::super) fn image(node: Node<'_>) -> Option<Image> {
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

fn addresses(node: Node<'_>, name: &str) -> Vec<InstanceAddress> {
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

pub(in super::super) fn instance(node: Node<'_>) -> Option<Instance> {
    let id = node.id()?;
    let rels = || node.list("actions").filter_map(|link| link.text(&["rel"]));
    let profile = node.field("hardware_profile");
    let of_xml = profile.into_iter().flat_map(Node::fields).filter(|f| f.name() == "property");
    let of_xml = of_xml.filter_map(|p| Some((p.words(&["name"]), p.text(&["value"])?.to_owned())));
    let of_json = profile.into_iter().flat_map(|p| p.list("properties"));
    let of_json = of_json.filter_map(|p| Some((p.name().to_owned(), p.own_text()?.to_owned())));
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

pub(in super::super) fn key(node: Node<'_>) -> Option<Key> {
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

pub(in super::super) fn metric(node: Node<'_>) -> Option<Metric> {
    let known = |name: &str| Measure::ALL.iter().copied().find(|measure| measure.as_str() == name);
    let series = node.list("properties").filter_map(|shown| {
        // In JSON a property says what it is called, in XML it is called so.
        let measure = known(shown.text(&["name"]).unwrap_or(shown.name()))?;
        let of_xml = shown.fields().filter(|field| field.name() == "sample");
        Some((measure, of_xml.chain(shown.list("values")).filter_map(sample).collect()))
    });
    Some(Metric { id: node.id()?, entity: node.words(&["entity"]), series: series.collect() })
}

fn sample(node: Node<'_>) -> Option<Sample> {
    // In XML each value is an element of its own with its name beside it.
    let value = |name: &str| {
        let of_xml = node.fields().find(|f| f.name() == "property" && f.text(&["name"]) == Some(name));
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

pub(in super::super) fn command_output(node: Node<'_>) -> Option<CommandOutput> {
    Some(CommandOutput {
        public_address: node.words(&["public_address"]),
        command: node.words(&["command"]),
        output: node.words(&["output"]),
    })
}

/// The most ways between states: the machine looks through them for each, and for each step that is planned later.
const MOST_WAYS: usize = 1000;

/// The machine of states, from the document that describes it; `None` when it has more ways than any cloud has.
pub(in super::super) fn states(root: Node<'_>) -> Option<StateMachine> {
    let ways =
        root.fields().filter_map(|state| Some((state, state.text(&["name"])?))).flat_map(|(state, name)| {
            let of_xml = state.fields().filter(|field| field.name() == "transition");
            of_xml.chain(state.list("transitions")).filter_map(move |way| {
                let action = match way.text(&["action"]) {
                    Some("create") => Some(InstanceAction::Create),
                    Some(rel) => Some(action(rel)?),
                    None => None,
                };
                Some((InstanceState::from(name), action, InstanceState::from(way.text(&["to"])?)))
            })
        });
    let ways: Vec<_> = ways.take(MOST_WAYS + 1).collect();
    (ways.len() <= MOST_WAYS).then(|| StateMachine::new(ways))
}
