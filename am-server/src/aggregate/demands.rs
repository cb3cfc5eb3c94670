//! What a request can ask for and nothing here does, and what becomes of it.
//!
//! Nothing that an experimenter asks for is passed over in silence. What a node or link could not be without is refused
//! (another kind of link than there is; reservations, routable addresses, VLANs shared with other slices, unless
//! `extensions.unsupported` says that they are ignored). What it is usable without is kept, and the manifest names it in an element
//! `unenforced` of the node or link: addresses of interfaces, and what a link shall be like, since no driver configures
//! networks yet.

use super::Aggregate;
use crate::config::Unsupported;
use crate::error::{CallError, GeniCode};
use chrono::{DateTime, Utc};
use rspec::namespaces::EMULAB;
use rspec::{Extension, Link, Local, Node, Position, Request};
use urn::Urn;

/// The kinds of link that are given: a VLAN, by the names that experimenters' tools have for it.
const LINK_TYPES: [&str; 4] = ["lan", "vlan", "ethernet", "any"];

/// What a node asks for that is kept and shown, and put in force by nobody: in the words of the RSpec.
pub(super) fn of_node(node: &Node) -> Vec<String> {
    let has_addresses = node.interfaces.iter().any(|interface| !interface.ips.is_empty());
    let sizes = |it: &Extension| it.namespace.as_deref() == Some(EMULAB) && it.name == "xen";
    let demands = [
        ("ip", has_addresses),
        ("relation", !node.relations.is_empty()),
        ("xen", node.extensions.iter().any(sizes)),
    ];
    names(&demands)
}

/// The same of a link.
pub(super) fn of_link(link: &Link) -> Vec<String> {
    let any = |is_there: fn(&rspec::Property) -> bool| link.properties.iter().any(is_there);
    let demands = [
        ("capacity", any(|it| it.capacity.is_some())),
        ("latency", any(|it| it.latency.is_some())),
        ("packet_loss", any(|it| it.packet_loss.is_some())),
    ];
    names(&demands)
}

fn names(demands: &[(&str, bool)]) -> Vec<String> {
    demands.iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| (*name).to_owned()).collect()
}

/// Of the kinds of link that the request would take, the one that is given; None where it names none that is.
pub(super) fn link_type(link: &Link) -> Option<&str> {
    let is_given = |name: &&str| LINK_TYPES.iter().any(|given| given.eq_ignore_ascii_case(name));
    link.link_types.iter().map(|kind| kind.name.as_str()).find(is_given)
}

/// Refuses a link all of whose kinds are others than there are.
///
/// # Errors
/// geni_code 13.
pub(super) fn check_link_type(link: &Link) -> Result<(), CallError> {
    if link.link_types.is_empty() || link_type(link).is_some() {
        return Ok(());
    }
    let asked: Vec<String> = link
        .link_types
        .iter()
        .take(LINK_TYPES.len())
        .map(|kind| format!("{:?}", kind.name.chars().take(80).collect::<String>()))
        .collect();
    Err(CallError::new(
        GeniCode::Unsupported,
        format!(
            "link {:?} ({}): link_type {} cannot be had; there are {}",
            link.client_id,
            link.position,
            asked.join(" or "),
            LINK_TYPES.join(", ")
        ),
    ))
}

/// The namespace of leases: times for which something is booked, as NITOS has them.
const LEASES: &str = "http://nitlab.inf.uth.gr/schema/sfa/rspec/1";
/// The namespace of VLANs that slices share.
const SHARED_VLAN: &str = "http://www.geni.net/resources/rspec/ext/shared-vlan/1";

/// What a node cannot be given.
const OF_NODES: &[(&str, &str)] = &[
    (EMULAB, "routable_control_ip"),
    (LEASES, "lease"),
    (LEASES, "leaseID"),
    (LEASES, "lease_ref"),
    (LEASES, "leaseREF"),
];
/// What a link cannot be given.
const OF_LINKS: &[(&str, &str)] = &[(SHARED_VLAN, "link_shared_vlan")];
/// What a slice cannot be given.
const OF_SLICES: &[(&str, &str)] = &[(EMULAB, "routable_pool"), (LEASES, "lease"), (LEASES, "leaseID")];

impl Aggregate {
    /// Refuses slivers that shall begin later: nothing is booked here.
    ///
    /// # Errors
    /// geni_code 13.
    pub(super) fn check_start(&self, start: Option<DateTime<Utc>>) -> Result<(), CallError> {
        match start {
            Some(start) if start > self.now() && self.refuses() => Err(CallError::new(
                GeniCode::Unsupported,
                format!(
                    "option geni_start_time: nothing can be reserved for {} or another time to come here; leave it out to have it now",
                    crate::time::format(start)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Refuses what extensions ask for that is known and not done here.
    ///
    /// # Errors
    /// geni_code 13, naming the element.
    pub(super) fn check_wishes(&self, asked: &Request, local: &Local<'_>) -> Result<(), CallError> {
        if !self.refuses() {
            return Ok(());
        }
        for node in &local.nodes {
            refuse(OF_NODES, &node.extensions, "node", &node.client_id, node.position)?;
        }
        for link in &local.links {
            refuse(OF_LINKS, &link.extensions, "link", &link.client_id, link.position)?;
        }
        // A wish of the whole request is ours if it says so, or if there is nobody else whose it could be.
        let is_alone = local.nodes.len() == asked.nodes.len();
        let is_ours = |it: &&Extension| match it.value_of("component_manager_id") {
            Some(manager) => Urn::parse(manager).is_ok_and(|urn| urn.is_manager_of(self.authority())),
            None => is_alone,
        };
        match asked.extensions.iter().filter(|it| is_among(OF_SLICES, it)).find(is_ours) {
            Some(wish) => Err(unsupported(wish, "the request")),
            None => Ok(()),
        }
    }

    fn refuses(&self) -> bool {
        self.config().extensions.unsupported == Unsupported::Refuse
    }
}

fn is_among(wishes: &[(&str, &str)], it: &Extension) -> bool {
    wishes.iter().any(|(namespace, name)| it.namespace.as_deref() == Some(namespace) && it.name == *name)
}

fn refuse(
    wishes: &[(&str, &str)],
    extensions: &[Extension],
    what: &str,
    client_id: &str,
    position: Position,
) -> Result<(), CallError> {
    match extensions.iter().find(|it| is_among(wishes, it)) {
        Some(wish) => Err(unsupported(wish, &format!("{what} {client_id:?} ({position})"))),
        None => Ok(()),
    }
}

fn unsupported(wish: &Extension, whose: &str) -> CallError {
    CallError::new(
        GeniCode::Unsupported,
        format!(
            "{whose} asks for {} (namespace {}), which is not done here; leave it out",
            wish.name,
            wish.namespace.as_deref().unwrap_or_default()
        ),
    )
}
