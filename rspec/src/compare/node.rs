//! Differences of nodes and their interfaces.

use super::{InterfaceChange, NodeChange, VolumeChange, extension_changes, pair, same_urn, settled};
use crate::{GrantedInterface, GrantedNode, Interface, Node, SliverType, Volume};
use std::collections::HashMap;

/// The differences between a node as it is (what was last asked and what was granted for it) and what is asked now.
/// Without `granted`, only the two documents are compared.
#[must_use]
pub fn node_changes(current: &Node, granted: Option<&GrantedNode>, asked: &Node) -> Vec<NodeChange> {
    let mut changes = Vec::new();
    if current.client_id != asked.client_id {
        changes.push(NodeChange::Renamed { from: current.client_id.clone(), to: asked.client_id.clone() });
    }
    let is = granted.map(|granted| granted.component_id.as_str());
    if let Some(to) = settled(current.component_id.as_deref(), is, asked.component_id.as_deref(), same_urn) {
        changes.push(NodeChange::Moved {
            from: is.or(current.component_id.as_deref()).map(str::to_owned),
            to: to.to_owned(),
        });
    } else if asked.component_id.is_none() {
        let is = granted.and_then(|granted| granted.component_name.as_deref());
        let was = current.component_name.as_deref();
        if let Some(to) = settled(was, is, asked.component_name.as_deref(), |a, b| a == b) {
            changes.push(NodeChange::Moved { from: is.or(was).map(str::to_owned), to: to.to_owned() });
        }
    }
    sliver_type_changes(&mut changes, current, granted, asked);
    let was = &current.hardware_types;
    let is = granted.and_then(|granted| granted.hardware_type.clone());
    let to = &asked.hardware_types;
    if !to.is_empty() && to != was && is.as_ref().is_none_or(|is| to.as_slice() != [is.as_str()]) {
        changes.push(NodeChange::HardwareTypes {
            from: is.map_or_else(|| was.clone(), |is| vec![is]),
            to: to.clone(),
        });
    }
    let is = granted.map(|granted| granted.exclusive);
    if let Some(to) = settled(current.exclusive, is, asked.exclusive, |a, b| a == b) {
        changes.push(NodeChange::Exclusive { from: is.or(current.exclusive), to });
    }
    if current.colocate != asked.colocate {
        changes.push(NodeChange::Colocate { from: current.colocate.clone(), to: asked.colocate.clone() });
    }
    if current.services.installs != asked.services.installs {
        changes.push(NodeChange::Installs {
            from: current.services.installs.clone(),
            to: asked.services.installs.clone(),
        });
    }
    if current.services.executes != asked.services.executes {
        changes.push(NodeChange::Executes {
            from: current.services.executes.clone(),
            to: asked.services.executes.clone(),
        });
    }
    if current.relations != asked.relations {
        changes.push(NodeChange::Relations { from: current.relations.clone(), to: asked.relations.clone() });
    }
    interfaces_changes(&mut changes, current, granted, asked);
    volume_changes(&mut changes, current.readable_volumes(), asked.readable_volumes());
    changes.extend(extension_changes(&current.extensions, &asked.extensions).map(NodeChange::Extension));
    changes
}

fn sliver_type_changes(
    changes: &mut Vec<NodeChange>,
    current: &Node,
    granted: Option<&GrantedNode>,
    asked: &Node,
) {
    if asked.sliver_types.is_empty() {
        return;
    }
    let names = |types: &[SliverType]| types.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    let (was, to) = (names(&current.sliver_types), names(&asked.sliver_types));
    let is = granted.map(|granted| granted.sliver_type.as_str());
    let says_the_same = to == was || is.is_some_and(|is| to.as_slice() == [is]);
    if !says_the_same {
        let from = is.map_or_else(|| was.clone(), |is| vec![is.to_owned()]);
        changes.push(NodeChange::SliverTypes { from, to: to.clone() });
    }
    if current.sliver_types == asked.sliver_types {
        return;
    }
    // The images of the type that was granted, or of the preferred one.
    let images = |types: &[SliverType]| {
        let granted = types.iter().find(|one| Some(one.name.as_str()) == is);
        let images = granted.or(types.first()).map(|one| one.disk_images.as_slice()).unwrap_or_default();
        images.iter().map(|image| image.name.clone()).collect::<Vec<_>>()
    };
    let (was, to) = (images(&current.sliver_types), images(&asked.sliver_types));
    let is = granted.and_then(|granted| granted.disk_image.as_deref());
    // A manifest shows the granted image alone; those of earlier versions showed it in place of the first.
    let settled = match is {
        None => was.clone(),
        Some(is) => std::iter::once(is.to_owned()).chain(was.iter().skip(1).cloned()).collect(),
    };
    let says_the_same = to == was || to == settled || is.is_some_and(|is| to.as_slice() == [is]);
    if !to.is_empty() && !says_the_same {
        changes.push(NodeChange::DiskImages { from: settled, to });
    }
}

fn interfaces_changes(
    changes: &mut Vec<NodeChange>,
    current: &Node,
    granted: Option<&GrantedNode>,
    asked: &Node,
) {
    let grants: HashMap<&str, &GrantedInterface> = granted
        .iter()
        .flat_map(|granted| &granted.interfaces)
        .map(|interface| (interface.client_id.as_str(), interface))
        .collect();
    let current_keys = current.interfaces.iter().map(|interface| {
        let granted = grants.get(interface.client_id.as_str()).map(|granted| &granted.sliver_id);
        (interface.client_id.as_str(), granted.or(interface.sliver_id.as_ref()))
    });
    let asked_keys = asked.interfaces.iter().map(|i| (i.client_id.as_str(), i.sliver_id.as_ref()));
    let pairs = pair(current_keys.collect(), asked_keys.collect());
    let mut stays = vec![false; asked.interfaces.len()];
    for (now, partner) in current.interfaces.iter().zip(pairs) {
        let Some((at, to)) = partner.and_then(|at| asked.interfaces.get(at).map(|to| (at, to))) else {
            changes.push(NodeChange::InterfaceRemoved(now.clone()));
            continue;
        };
        stays[at] = true;
        let granted = grants.get(now.client_id.as_str()).copied();
        let differs = interface_changes(now, granted, to);
        if !differs.is_empty() {
            changes.push(NodeChange::InterfaceChanged { client_id: now.client_id.clone(), changes: differs });
        }
    }
    for (interface, stays) in asked.interfaces.iter().zip(stays) {
        // One that the aggregate added by itself comes back without ever having been asked for.
        let is_granted = grants.get(interface.client_id.as_str()).is_some_and(|granted| {
            interface.sliver_id.as_ref() == Some(&granted.sliver_id) && interface.ips.is_empty()
        });
        if !stays && !is_granted {
            changes.push(NodeChange::InterfaceAdded(interface.clone()));
        }
    }
}

/// Volumes are known by their names: one that is given another name is another volume.
fn volume_changes(changes: &mut Vec<NodeChange>, current: &[Volume], asked: &[Volume]) {
    let mut left: HashMap<&str, &Volume> =
        asked.iter().map(|volume| (volume.name.as_str(), volume)).collect();
    for now in current {
        let Some(to) = left.remove(now.name.as_str()) else {
            changes.push(NodeChange::VolumeRemoved(now.clone()));
            continue;
        };
        let mut differs = Vec::new();
        if now.gigabytes != to.gigabytes {
            differs.push(VolumeChange::Size { from: now.gigabytes, to: to.gigabytes });
        }
        if now.mountpoint != to.mountpoint {
            differs
                .push(VolumeChange::Mountpoint { from: now.mountpoint.clone(), to: to.mountpoint.clone() });
        }
        if !differs.is_empty() {
            changes.push(NodeChange::VolumeChanged { name: now.name.clone(), changes: differs });
        }
    }
    let is_new = |to: &&Volume| left.contains_key(to.name.as_str());
    changes.extend(asked.iter().filter(is_new).cloned().map(NodeChange::VolumeAdded));
}

fn interface_changes(
    now: &Interface,
    granted: Option<&GrantedInterface>,
    to: &Interface,
) -> Vec<InterfaceChange> {
    let mut changes = Vec::new();
    if now.client_id != to.client_id {
        changes.push(InterfaceChange::Renamed { from: now.client_id.clone(), to: to.client_id.clone() });
    }
    let was = now.component_id.as_deref();
    let is = granted.and_then(|granted| granted.component_id.as_deref());
    if let Some(id) = settled(was, is, to.component_id.as_deref(), same_urn) {
        changes.push(InterfaceChange::Bound { from: is.or(was).map(str::to_owned), to: id.to_owned() });
    }
    if now.ips != to.ips {
        changes.push(InterfaceChange::Addresses { from: now.ips.clone(), to: to.ips.clone() });
    }
    changes.extend(extension_changes(&now.extensions, &to.extensions).map(InterfaceChange::Extension));
    changes
}
