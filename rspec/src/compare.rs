//! What changed between what a sliver is and what is asked of it.
//!
//! The rules: what an Update does not say stays as it is where the aggregate chose or was free to choose it
//! (component, sliver type, image, hardware type, exclusive); what only an aggregate can know (sliver_id, host,
//! logins, hardware addresses, user/1, preserve/1) is not looked at; attribute order, white space and prefixes
//! do not matter. So a manifest of ours sent back is no change. Everything else is a complete description:
//! an interface, a command or an extension that is no longer there is removed.

use crate::{
    Execute, Extension, GrantedLink, GrantedNode, Install, Interface, Ip, Link, LinkType, Node, Place,
    Property, Relation,
};

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
    let _ = (current, granted, asked);
    Vec::new()
}

/// The differences between a link as it is and what is asked now.
#[must_use]
pub fn link_changes(current: &Link, granted: Option<&GrantedLink>, asked: &Link) -> Vec<LinkChange> {
    let _ = (current, granted, asked);
    Vec::new()
}
