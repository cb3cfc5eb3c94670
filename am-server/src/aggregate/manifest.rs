//! Manifests: stored configurations back into an RSpec.

use super::Aggregate;
use super::demands;
use crate::error::{CallError, unreadable};
use crate::grant::instance::InstanceDetail;
use crate::grant::{Grant, InterfaceGrant, LinkGrant, NodeGrant};
use drivers::AddressKind;
use rspec::{
    Frame, GrantedInterface, GrantedLink, GrantedNode, GrantedVolume, Guarantee, Host, Link, Login,
    ManifestWriter, Node, User,
};
use state::{AllocationStatus, Slice, Sliver, View};
use std::collections::{BTreeSet, HashMap};
use urn::Urn;

impl Aggregate {
    /// The manifest of these slivers, as they will be after Provision or as they would be after Cancel.
    ///
    /// # Errors
    /// A stored configuration cannot be read.
    pub fn manifest(&self, slice: &Slice, slivers: &[&Sliver], view: View) -> Result<String, CallError> {
        let shown: Vec<_> =
            slivers.iter().filter_map(|sliver| sliver.configuration(view).map(|it| (*sliver, it))).collect();
        let numbers: BTreeSet<u32> =
            shown.iter().filter_map(|(_, configuration)| configuration.frame).collect();
        let frames = numbers
            .into_iter()
            .filter_map(|number| slice.frame(number))
            .map(|frame| frame.document.parse::<Frame>().map_err(|error| unreadable(&error)))
            .collect::<Result<Vec<_>, _>>()?;
        let expires = shown.iter().map(|(sliver, _)| sliver.expires).min();
        let mut writer = ManifestWriter::new(self.now(), expires, &frames);
        let mut interfaces = None;
        for (sliver, configuration) in shown {
            match Grant::of(configuration).map_err(|error| unreadable(&error))? {
                Grant::Node(grant) => {
                    let node =
                        Node::from_fragment(&configuration.rspec).map_err(|error| unreadable(&error))?;
                    let granted = self.granted_node(sliver, &grant);
                    writer.node(&node, &GrantedNode { unenforced: demands::of_node(&node), ..granted });
                }
                Grant::Link(grant) => {
                    let link =
                        Link::from_fragment(&configuration.rspec).map_err(|error| unreadable(&error))?;
                    // A node may have moved since the link was made.
                    let interfaces = match &mut interfaces {
                        Some(known) => known,
                        none => none.insert(interfaces_by_name(slice, view)?),
                    };
                    let ends: Vec<_> = grant
                        .ends
                        .iter()
                        .map(|end| interfaces.get(&end.sliver_id).unwrap_or(end).clone())
                        .collect();
                    let granted = granted_link(sliver, &link, &grant, &ends);
                    writer.link(&link, &GrantedLink { unenforced: demands::of_link(&link), ..granted });
                }
            }
        }
        Ok(writer.finish())
    }

    pub(super) fn granted_node(&self, sliver: &Sliver, grant: &NodeGrant) -> GrantedNode {
        let instance = InstanceDetail::of(sliver);
        let address = |kind: &AddressKind| {
            instance
                .iter()
                .flat_map(|it| &it.addresses)
                .find(|address| address.kind == *kind)
                .map(|it| it.value.clone())
        };
        let ipv4 = address(&AddressKind::Ipv4);
        let reachable = address(&AddressKind::Hostname).or_else(|| ipv4.clone());
        let logins = match &reachable {
            Some(hostname) => grant
                .users
                .iter()
                .map(|user| Login {
                    authentication: "ssh-keys".to_owned(),
                    hostname: hostname.clone(),
                    port: SSH_PORT,
                    username: user.login.clone(),
                })
                .collect(),
            None => Vec::new(),
        };
        GrantedNode {
            sliver_id: sliver.urn.clone(),
            component_id: grant.component_id.clone(),
            component_manager_id: self.urn().as_str().to_owned(),
            component_name: Some(grant.component_name.clone()),
            exclusive: grant.exclusive,
            sliver_type: grant.sliver_type.clone(),
            disk_image: Some(grant.disk_image.clone()),
            asked_image: grant.asked_image.clone(),
            hardware_type: grant.hardware_type.clone(),
            interfaces: grant.interfaces.iter().map(granted_interface).collect(),
            logins,
            users: grant
                .users
                .iter()
                .map(|user| User {
                    login: user.login.clone(),
                    urn: Some(user.urn.clone()),
                    public_keys: user.keys.clone(),
                })
                .collect(),
            volumes: grant
                .volumes
                .iter()
                .map(|volume| GrantedVolume {
                    name: volume.name.clone(),
                    device: instance
                        .iter()
                        .flat_map(|it| &it.volumes)
                        .find(|attached| attached.number == volume.number)
                        .and_then(|attached| attached.device.clone()),
                })
                .collect(),
            host: reachable.map(|name| Host { name, ipv4 }),
            preserve: promise(sliver, grant.preserve),
            unenforced: Vec::new(),
        }
    }
}

/// The interfaces of all nodes of a slice, on one side of it.
fn interfaces_by_name(slice: &Slice, view: View) -> Result<HashMap<Urn, InterfaceGrant>, CallError> {
    let mut all = HashMap::new();
    for configuration in slice.slivers.iter().filter_map(|sliver| sliver.configuration(view)) {
        if let Grant::Node(node) = Grant::of(configuration).map_err(|error| unreadable(&error))? {
            all.extend(node.interfaces.into_iter().map(|it| (it.sliver_id.clone(), it)));
        }
    }
    Ok(all)
}

/// The guarantee that is shown: only as long as there is a Provision to come that has to keep it.
fn promise(sliver: &Sliver, preserve: Option<Guarantee>) -> Option<Guarantee> {
    preserve.filter(|_| sliver.status() == AllocationStatus::Updating)
}

/// The port of the SSH servers on instances.
const SSH_PORT: u16 = 22;

/// What was granted for `link`. The `ends` are its interfaces as their nodes have them now.
pub(super) fn granted_link(
    sliver: &Sliver,
    link: &Link,
    grant: &LinkGrant,
    ends: &[InterfaceGrant],
) -> GrantedLink {
    GrantedLink {
        sliver_id: sliver.urn.clone(),
        vlantag: Some(grant.vlan.to_string()),
        interface_refs: ends.iter().map(granted_interface).collect(),
        link_type: demands::link_type(link).map(str::to_owned),
        preserve: promise(sliver, grant.preserve),
        unenforced: Vec::new(),
    }
}

fn granted_interface(grant: &InterfaceGrant) -> GrantedInterface {
    GrantedInterface {
        client_id: grant.client_id.clone(),
        sliver_id: grant.sliver_id.clone(),
        component_id: Some(grant.component_id.clone()),
        mac_address: Some(grant.mac_address.clone()),
    }
}
