//! What changed between what a sliver is and what is asked of it.
//!
//! The rules: what an Update does not say stays as it is where the aggregate chose or was free to choose it
//! (component, sliver type, image, hardware type, exclusive); what only an aggregate can know (sliver_id, host,
//! logins, hardware addresses, user/1, preserve/1) is not looked at; attribute order, white space and prefixes
//! do not matter. So a manifest of ours sent back is no change. Everything else is a complete description:
//! an interface, a command or an extension that is no longer there is removed.

use crate::{
    Execute, Extension, GrantedInterface, GrantedLink, GrantedNode, Install, Interface, Ip, Link, LinkType,
    Node, Place, Property, Relation,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use urn::Urn;

/// One difference of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeChange {
    /// Another client_id.
    Renamed {
        /// The name it has.
        from: String,
        /// The name asked for.
        to: String,
    },
    /// Another component.
    Moved {
        /// The component it stands on.
        from: Option<String>,
        /// The component asked for.
        to: String,
    },
    /// Another sliver type.
    SliverType {
        /// The type it has.
        from: Option<String>,
        /// The type asked for.
        to: String,
    },
    /// Other disk images, by name and in order.
    DiskImages {
        /// The images it has.
        from: Vec<String>,
        /// The images asked for.
        to: Vec<String>,
    },
    /// Other hardware types.
    HardwareTypes {
        /// The types it has.
        from: Vec<String>,
        /// The types asked for.
        to: Vec<String>,
    },
    /// Shall have its component to itself, or no longer.
    Exclusive {
        /// What it is.
        from: Option<bool>,
        /// What is asked for.
        to: bool,
    },
    /// Another colocation group.
    Colocate {
        /// The group it is in.
        from: Option<String>,
        /// The group asked for.
        to: Option<String>,
    },
    /// Other archives to install.
    Installs {
        /// What it has.
        from: Vec<Install>,
        /// What is asked for.
        to: Vec<Install>,
    },
    /// Other commands to run.
    Executes {
        /// What it has.
        from: Vec<Execute>,
        /// What is asked for.
        to: Vec<Execute>,
    },
    /// Other relations.
    Relations {
        /// What it has.
        from: Vec<Relation>,
        /// What is asked for.
        to: Vec<Relation>,
    },
    /// A further interface.
    InterfaceAdded(Interface),
    /// An interface less.
    InterfaceRemoved(Interface),
    /// An interface that stays, but differs.
    InterfaceChanged {
        /// The name it has.
        client_id: String,
        /// How it differs.
        changes: Vec<InterfaceChange>,
    },
    /// An extension that came, went or differs.
    Extension(ExtensionChange),
}

/// One difference of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceChange {
    /// Another client_id.
    Renamed {
        /// The name it has.
        from: String,
        /// The name asked for.
        to: String,
    },
    /// Bound to another interface of the component.
    Bound {
        /// The component's interface it has.
        from: Option<String>,
        /// The one asked for.
        to: String,
    },
    /// Other addresses.
    Addresses {
        /// What it has.
        from: Vec<Ip>,
        /// What is asked for.
        to: Vec<Ip>,
    },
    /// An extension that came, went or differs.
    Extension(ExtensionChange),
}

/// One difference of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkChange {
    /// Another client_id.
    Renamed {
        /// The name it has.
        from: String,
        /// The name asked for.
        to: String,
    },
    /// A further end.
    EndAdded {
        /// client_id of the interface.
        client_id: String,
    },
    /// An end less.
    EndRemoved {
        /// client_id of the interface.
        client_id: String,
    },
    /// An end that stays, but whose interface has another name now.
    EndRenamed {
        /// client_id of the interface.
        from: String,
        /// The name asked for.
        to: String,
    },
    /// Other properties for one direction.
    Property {
        /// What it has.
        from: Option<Property>,
        /// What is asked for.
        to: Option<Property>,
    },
    /// Other kinds of link.
    Types {
        /// What it has.
        from: Vec<LinkType>,
        /// What is asked for.
        to: Vec<LinkType>,
    },
    /// Other aggregates take part.
    Managers {
        /// Who does.
        from: Vec<String>,
        /// Who shall.
        to: Vec<String>,
    },
    /// An extension that came, went or differs.
    Extension(ExtensionChange),
}

/// An extension that came (nothing in `from`), went (nothing in `to`) or differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionChange {
    /// In which element.
    pub place: Place,
    /// The extension's namespace; none for attributes and elements without one.
    pub namespace: Option<String>,
    /// The extension's local name.
    pub name: String,
    /// What is there, in document order.
    pub from: Vec<Extension>,
    /// What is asked for, in document order.
    pub to: Vec<Extension>,
}

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
    changes.extend(extension_changes(&current.extensions, &asked.extensions).map(NodeChange::Extension));
    changes
}

/// What is newly asked where the aggregate has settled a value: nothing if the Update does not say, or says what was
/// asked before or what was granted.
fn settled<T: Copy>(
    was: Option<T>,
    is: Option<T>,
    asked: Option<T>,
    same: impl Fn(T, T) -> bool,
) -> Option<T> {
    asked.filter(|asked| ![was, is].into_iter().flatten().any(|known| same(known, *asked)))
}

pub(crate) fn same_urn(a: &str, b: &str) -> bool {
    a == b || matches!((Urn::parse(a), Urn::parse(b)), (Ok(a), Ok(b)) if a == b)
}

fn sliver_type_changes(
    changes: &mut Vec<NodeChange>,
    current: &Node,
    granted: Option<&GrantedNode>,
    asked: &Node,
) {
    let Some(to) = &asked.sliver_type else { return };
    let was = current.sliver_type.as_ref();
    let is = granted.map(|granted| granted.sliver_type.as_str());
    let was_name = was.map(|was| was.name.as_str());
    if settled(was_name, is, Some(to.name.as_str()), |a, b| a == b).is_some() {
        changes
            .push(NodeChange::SliverType { from: is.or(was_name).map(str::to_owned), to: to.name.clone() });
    }
    let names =
        |images: &[crate::DiskImage]| images.iter().map(|image| image.name.clone()).collect::<Vec<_>>();
    let was = was.map(|was| names(&was.disk_images)).unwrap_or_default();
    let to = names(&to.disk_images);
    let is = granted.and_then(|granted| granted.disk_image.as_deref());
    // The grant settles the first image.
    let settled = match is {
        None => was.clone(),
        Some(is) => std::iter::once(is.to_owned()).chain(was.iter().skip(1).cloned()).collect(),
    };
    if !to.is_empty() && to != was && to != settled {
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

/// Finds for each of the current elements the asked one that means it: by sliver_id where that is unambiguous,
/// else by client_id. Gives places in `asked`.
fn pair(current: Vec<(&str, Option<&Urn>)>, asked: Vec<(&str, Option<&Urn>)>) -> Vec<Option<usize>> {
    let unambiguous = |keys: &[(&str, Option<&Urn>)]| -> HashMap<Urn, usize> {
        let mut places: HashMap<Urn, Option<usize>> = HashMap::new();
        for (at, (_, sliver)) in keys.iter().enumerate() {
            if let Some(sliver) = sliver {
                places.entry((*sliver).clone()).and_modify(|place| *place = None).or_insert(Some(at));
            }
        }
        places.into_iter().filter_map(|(sliver, place)| place.map(|at| (sliver, at))).collect()
    };
    let (now, wanted) = (unambiguous(&current), unambiguous(&asked));
    let mut pairs = vec![None; current.len()];
    let mut taken = vec![false; asked.len()];
    for (sliver, at) in &now {
        if let Some(to) = wanted.get(sliver) {
            pairs[*at] = Some(*to);
            taken[*to] = true;
        }
    }
    let names: HashMap<&str, usize> =
        asked.iter().enumerate().filter(|(at, _)| !taken[*at]).map(|(at, (name, _))| (*name, at)).collect();
    for (pair, (name, _)) in pairs.iter_mut().zip(&current) {
        if pair.is_none() {
            *pair = names.get(name).copied();
        }
    }
    pairs
}

/// The differences between a link as it is and what is asked now.
#[must_use]
pub fn link_changes(current: &Link, granted: Option<&GrantedLink>, asked: &Link) -> Vec<LinkChange> {
    let mut changes = Vec::new();
    if current.client_id != asked.client_id {
        changes.push(LinkChange::Renamed { from: current.client_id.clone(), to: asked.client_id.clone() });
    }
    let renamed = end_changes(&mut changes, current, granted, asked);
    property_changes(&mut changes, current, asked, &renamed);
    if current.link_types != asked.link_types {
        changes.push(LinkChange::Types { from: current.link_types.clone(), to: asked.link_types.clone() });
    }
    let managers = |link: &Link| -> BTreeSet<String> {
        link.component_managers.iter().map(|manager| manager_key(manager)).collect()
    };
    if !asked.component_managers.is_empty() && managers(current) != managers(asked) {
        changes.push(LinkChange::Managers {
            from: current.component_managers.clone(),
            to: asked.component_managers.clone(),
        });
    }
    changes.extend(extension_changes(&current.extensions, &asked.extensions).map(LinkChange::Extension));
    changes
}

/// Whether two texts name one aggregate.
pub(crate) fn same_manager(a: &str, b: &str) -> bool {
    manager_key(a) == manager_key(b)
}

/// Equal for two ways to write one aggregate: `am` and `cm` are the same.
fn manager_key(text: &str) -> String {
    match Urn::parse(text) {
        Ok(urn) if urn.is_manager_of(&urn.authority()) => urn.authority().as_str().to_ascii_lowercase(),
        Ok(urn) => urn.key().to_owned(),
        Err(_) => text.to_owned(),
    }
}

/// Compares the ends; gives the new names of those that stay.
fn end_changes<'a>(
    changes: &mut Vec<LinkChange>,
    current: &'a Link,
    granted: Option<&GrantedLink>,
    asked: &'a Link,
) -> HashMap<&'a str, &'a str> {
    let grants: HashMap<&str, &Urn> = granted
        .iter()
        .flat_map(|granted| &granted.interface_refs)
        .map(|end| (end.client_id.as_str(), &end.sliver_id))
        .collect();
    let current_keys = current.interface_refs.iter().map(|end| {
        (end.client_id.as_str(), grants.get(end.client_id.as_str()).copied().or(end.sliver_id.as_ref()))
    });
    let asked_keys = asked.interface_refs.iter().map(|end| (end.client_id.as_str(), end.sliver_id.as_ref()));
    let pairs = pair(current_keys.collect(), asked_keys.collect());
    let mut stays = vec![false; asked.interface_refs.len()];
    let mut names = HashMap::new();
    for (now, partner) in current.interface_refs.iter().zip(pairs) {
        let Some((at, to)) = partner.and_then(|at| asked.interface_refs.get(at).map(|to| (at, to))) else {
            changes.push(LinkChange::EndRemoved { client_id: now.client_id.clone() });
            continue;
        };
        stays[at] = true;
        names.insert(now.client_id.as_str(), to.client_id.as_str());
        if now.client_id != to.client_id {
            changes.push(LinkChange::EndRenamed { from: now.client_id.clone(), to: to.client_id.clone() });
        }
        changes.extend(extension_changes(&now.extensions, &to.extensions).map(LinkChange::Extension));
    }
    for (end, stays) in asked.interface_refs.iter().zip(stays) {
        if !stays
            && grants.get(end.client_id.as_str()).is_none_or(|sliver| end.sliver_id.as_ref() != Some(*sliver))
        {
            changes.push(LinkChange::EndAdded { client_id: end.client_id.clone() });
        }
    }
    names
}

fn property_changes(
    changes: &mut Vec<LinkChange>,
    current: &Link,
    asked: &Link,
    renamed: &HashMap<&str, &str>,
) {
    let rename =
        |name: &String| renamed.get(name.as_str()).map_or_else(|| name.clone(), |to| (*to).to_owned());
    let mut left: Vec<Option<&Property>> = asked.properties.iter().map(Some).collect();
    for now in &current.properties {
        let moved =
            Property { source_id: rename(&now.source_id), dest_id: rename(&now.dest_id), ..now.clone() };
        let direction = |p: &Option<&Property>| {
            p.is_some_and(|p| p.source_id == moved.source_id && p.dest_id == moved.dest_id)
        };
        let to = left.iter_mut().find(|p| direction(p)).and_then(Option::take);
        if to != Some(&moved) {
            changes.push(LinkChange::Property { from: Some(now.clone()), to: to.cloned() });
        }
    }
    for new in left.into_iter().flatten() {
        changes.push(LinkChange::Property { from: None, to: Some(new.clone()) });
    }
}

/// Compares extensions by place and name; their order counts only among those of one name.
fn extension_changes(current: &[Extension], asked: &[Extension]) -> impl Iterator<Item = ExtensionChange> {
    type Key<'a> = (Place, Option<&'a str>, &'a str);
    let mut groups: BTreeMap<Key<'_>, (Vec<&Extension>, Vec<&Extension>)> = BTreeMap::new();
    if current != asked {
        fn key(extension: &Extension) -> Key<'_> {
            (extension.place, extension.namespace.as_deref(), &extension.name)
        }
        for extension in current {
            groups.entry(key(extension)).or_default().0.push(extension);
        }
        for extension in asked {
            groups.entry(key(extension)).or_default().1.push(extension);
        }
    }
    groups
        .into_iter()
        .filter(|(_, (from, to))| from != to)
        .map(|((place, namespace, name), (from, to))| ExtensionChange {
            place,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            from: from.into_iter().cloned().collect(),
            to: to.into_iter().cloned().collect(),
        })
        .collect::<Vec<_>>()
        .into_iter()
}
