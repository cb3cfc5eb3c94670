//! Networks, firewalls and load balancers.

use super::{name, time};
use crate::deltacloud::wire::Node;
use crate::model::{
    Firewall, FirewallRule, Listener, LoadBalancer, Network, NetworkInterface, NetworkState, NewRule,
    RuleSource, Subnet,
};

fn network_state(node: Node<'_>) -> NetworkState {
    match node.words(&["state"]).to_ascii_uppercase().as_str() {
        "PENDING" => NetworkState::Pending,
        "DOWN" => NetworkState::Down,
        _ => NetworkState::Up,
    }
}

pub(in super::super) fn network(node: Node<'_>) -> Option<Network> {
    let id = node.id()?;
    Some(Network {
        name: name(node, &id),
        id,
        state: network_state(node),
        address_blocks: node.list("address_blocks").filter_map(Node::own_text).map(str::to_owned).collect(),
        subnets: node.list("subnets").filter_map(Node::id).collect(),
    })
}

pub(in super::super) fn subnet(node: Node<'_>) -> Option<Subnet> {
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

pub(in super::super) fn network_interface(node: Node<'_>) -> Option<NetworkInterface> {
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

fn source(node: Node<'_>) -> Option<RuleSource> {
    match node.text(&["type"])? {
        "address" => Some(RuleSource::Address {
            address: node.text(&["address"])?.to_owned(),
            prefix: node.text(&["prefix"])?.parse().ok()?,
        }),
        "group" => Some(RuleSource::Group { name: node.words(&["name"]), owner: node.words(&["owner"]) }),
        _ => None,
    }
}

fn rule(node: Node<'_>) -> Option<FirewallRule> {
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

pub(in super::super) fn firewall(node: Node<'_>) -> Option<Firewall> {
    let id = node.id()?;
    Some(Firewall {
        name: name(node, &id),
        id,
        description: node.words(&["description"]),
        owner_id: node.words(&["owner_id"]),
        rules: node.list("rules").filter_map(rule).collect(),
    })
}

pub(in super::super) fn load_balancer(node: Node<'_>) -> Option<LoadBalancer> {
    let port = |node: Node<'_>, name| node.text(&[name]).and_then(|text| text.parse().ok());
    let listener = |node: Node<'_>| {
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
