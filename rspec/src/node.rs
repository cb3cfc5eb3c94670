//! Nodes: one computer of an experiment, with its interfaces and what shall run on it.

use crate::edit::{edit_node, fragment, from_fragment};
use crate::source::Source;
use crate::{Extension, Position, RspecError, Volume};
use serde::{Deserialize, Serialize};
use urn::{Authority, Urn};

/// A node of a request or manifest, in the words of the document.
///
/// The typed fields hold what an aggregate acts upon. Everything else (unknown elements and attributes,
/// text, comments) stays in the node's own text, which [`Node::fragment`] gives and
/// [`crate::ManifestWriter`] echoes.
#[derive(Debug, Clone)]
pub struct Node {
    /// The experimenter's name for the node, unique over the nodes of the document.
    pub client_id: String,
    /// The component the node is bound to.
    pub component_id: Option<String>,
    /// The aggregate that shall provide the node, as written: a URN, or with some tools a web address.
    pub component_manager_id: Option<String>,
    /// The component's short name.
    pub component_name: Option<String>,
    /// Whether the node shall have its component to itself.
    pub exclusive: Option<bool>,
    /// A name shared by nodes that shall stand on one component.
    pub colocate: Option<String>,
    /// The sliver this describes (a manifest, or a request to Update).
    pub sliver_id: Option<Urn>,
    /// What kinds of sliver would do, the preferred one first.
    pub sliver_types: Vec<SliverType>,
    /// Names of the hardware types that would do, the preferred one first.
    pub hardware_types: Vec<String>,
    /// The interfaces in document order.
    pub interfaces: Vec<Interface>,
    /// What shall be installed and run.
    pub services: Services,
    /// Name and address, from a manifest.
    pub host: Option<Host>,
    /// Relations to other nodes.
    pub relations: Vec<Relation>,
    /// The storage volumes asked for, or why they cannot be had of an aggregate of this kind: a node of another
    /// aggregate may well ask for what is nothing here.
    pub volumes: Result<Vec<Volume>, RspecError>,
    /// What stands in the node beyond the fields above, in comparable form.
    pub extensions: Vec<Extension>,
    /// Where the node's start tag stands.
    pub position: Position,
    pub(crate) source: Source,
}

use crate::granted::Host;

/// The kind of sliver a node is, with its disk images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliverType {
    /// The type's name, such as `default-vm`.
    pub name: String,
    /// Images that the node could start from, the preferred one first.
    pub disk_images: Vec<DiskImage>,
}

/// A disk image by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DiskImage {
    /// A URN, a web address or a plain name.
    pub name: String,
    /// Operating system.
    pub os: Option<String>,
    /// Version of the operating system.
    pub version: Option<String>,
    /// For people.
    pub description: Option<String>,
}

/// A network interface of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The experimenter's name for the interface, unique over all interfaces of the document.
    pub client_id: String,
    /// The sliver this describes (a manifest, or a request to Update).
    pub sliver_id: Option<Urn>,
    /// The component's interface it is bound to.
    pub component_id: Option<String>,
    /// Hardware address, from a manifest.
    pub mac_address: Option<String>,
    /// Addresses in document order.
    pub ips: Vec<Ip>,
    /// What else stands in the interface, in comparable form.
    pub extensions: Vec<Extension>,
    /// Where the start tag stands.
    pub position: Position,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ip {
    /// The address as written.
    pub address: String,
    /// The netmask as written.
    pub netmask: Option<String>,
    /// `ipv4` unless the document says otherwise.
    pub kind: String,
}

/// What shall be set up on a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Services {
    /// Logins: in a request a wish, in a manifest a way in.
    pub logins: Vec<RequestedLogin>,
    /// Archives to fetch and unpack, in document order.
    pub installs: Vec<Install>,
    /// Commands to run after that, in document order.
    pub executes: Vec<Execute>,
}

/// A login as a document states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedLogin {
    /// How the user proves who they are.
    pub authentication: String,
    /// Host to connect to.
    pub hostname: Option<String>,
    /// Port as written; tools write all sorts of things here.
    pub port: Option<String>,
    /// The account; only manifests name one.
    pub username: Option<String>,
}

/// An archive to fetch and unpack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    /// Where to fetch it.
    pub url: String,
    /// Where to unpack it.
    pub install_path: String,
}

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execute {
    /// The shell.
    pub shell: String,
    /// The command.
    pub command: String,
}

/// A relation to another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// What relation.
    pub kind: String,
    /// The other node's name.
    pub client_id: String,
}

impl Node {
    /// Whether the node is asked from the aggregate of `authority`: it names no manager (an unbound
    /// request is sent to every aggregate), or that authority's `am` or `cm` URN. A manager that is
    /// no URN belongs to somebody else.
    #[must_use]
    pub fn belongs_to(&self, authority: &Authority) -> bool {
        match &self.component_manager_id {
            None => true,
            Some(manager) => is_manager(manager, authority),
        }
    }

    /// The preferred kind of sliver.
    #[must_use]
    pub fn sliver_type(&self) -> Option<&SliverType> {
        self.sliver_types.first()
    }

    /// The volumes that were read; none where they cannot be had.
    pub(crate) fn readable_volumes(&self) -> &[Volume] {
        self.volumes.as_deref().unwrap_or_default()
    }

    /// The node as XML that stands alone: every namespace in scope is declared again, unknown elements and
    /// attributes are untouched. What only an aggregate can know is taken out (sliver_id, mac_address,
    /// host, logins with a user name, user/1, preserve/1), so that a manifest sent back leaves
    /// no trace of having been one.
    #[must_use]
    pub fn fragment(&self) -> String {
        fragment(&self.source, |edits, element| edit_node(edits, element, None))
    }

    /// Reads back what [`Node::fragment`] gave.
    ///
    /// # Errors
    /// [`crate::RspecErrorKind::BadFragment`] when it is not one well-formed node element; positions count
    /// within the fragment.
    pub fn from_fragment(fragment: &str) -> Result<Self, RspecError> {
        from_fragment(fragment, "node", |reader, element| reader.node(element))
    }
}

/// Whether `text` names the aggregate manager of `authority`.
pub(crate) fn is_manager(text: &str, authority: &Authority) -> bool {
    Urn::parse(text.trim()).is_ok_and(|urn| urn.is_manager_of(authority))
}
