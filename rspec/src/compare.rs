//! What changed between what a sliver is and what is asked of it.
//!
//! The rules: what an Update does not say stays as it is where the aggregate chose or was free to choose it
//! (component, sliver type, image, hardware type, exclusive); what only an aggregate can know (sliver_id, host,
//! logins, hardware addresses, user/1, preserve/1) is not looked at; attribute order, white space and prefixes
//! do not matter. So a manifest of ours sent back is no change. Everything else is a complete description:
//! an interface, a command or an extension that is no longer there is removed.

mod link;
mod node;

pub use link::link_changes;
pub use node::node_changes;

use crate::{Execute, Extension, Install, Interface, Ip, LinkType, Place, Property, Relation, Volume};
use std::collections::{BTreeMap, HashMap};
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
    /// Another component, by URN or, where the description bears none, by its short name.
    Moved {
        /// The component it stands on.
        from: Option<String>,
        /// The component asked for.
        to: String,
    },
    /// Other sliver types that would do, by name and in order.
    SliverTypes {
        /// The type it has, or those that would have done.
        from: Vec<String>,
        /// The types asked for.
        to: Vec<String>,
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
    /// A further volume.
    VolumeAdded(Volume),
    /// A volume less: what is on it is lost.
    VolumeRemoved(Volume),
    /// A volume of the same name that differs. One of another size is another volume, and an empty one.
    VolumeChanged {
        /// Its name.
        name: String,
        /// How it differs.
        changes: Vec<VolumeChange>,
    },
    /// An extension that came, went or differs.
    Extension(ExtensionChange),
}

/// One difference of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeChange {
    /// Another size.
    Size {
        /// GB that it has.
        from: u64,
        /// GB asked for.
        to: u64,
    },
    /// Another place to mount it.
    Mountpoint {
        /// Where it is to be mounted so far.
        from: Option<String>,
        /// What is asked for.
        to: Option<String>,
    },
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
    /// Another VLAN tag.
    VlanTag {
        /// The tag it has.
        from: Option<String>,
        /// The tag asked for.
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
