//! Links: what connects interfaces.

use crate::edit::{edit_link, fragment, from_fragment};
use crate::node::is_manager;
use crate::source::Source;
use crate::{Extension, Position, RspecError};
use serde::{Deserialize, Serialize};
use urn::{Authority, Urn};

/// A link of a request or manifest, in the words of the document; compare [`crate::Node`].
#[derive(Debug, Clone)]
pub struct Link {
    /// The experimenter's name for the link, unique over the links of the document.
    pub client_id: String,
    /// The sliver this describes (a manifest, or a request to Update).
    pub sliver_id: Option<Urn>,
    /// The VLAN tag: from a manifest the one it has, in a request a wish.
    pub vlantag: Option<String>,
    /// The aggregates that shall provide the link, as written.
    pub component_managers: Vec<String>,
    /// The ends in document order.
    pub interface_refs: Vec<InterfaceRef>,
    /// What kind of link.
    pub link_types: Vec<LinkType>,
    /// Properties, each for one direction.
    pub properties: Vec<Property>,
    /// What stands in the link beyond the fields above, in comparable form.
    pub extensions: Vec<Extension>,
    /// Where the link's start tag stands.
    pub position: Position,
    pub(crate) source: Source,
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceRef {
    /// The client_id of the interface.
    pub client_id: String,
    /// The sliver of the interface, from a manifest.
    pub sliver_id: Option<Urn>,
    /// The component's interface, from a manifest.
    pub component_id: Option<String>,
    /// What else stands in the element, in comparable form.
    pub extensions: Vec<Extension>,
    /// Where the start tag stands.
    pub position: Position,
}

/// A kind of link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkType {
    /// The kind's name, such as `lan`.
    pub name: String,
    /// A finer class.
    pub class: Option<String>,
}

/// What one direction of a link shall be like. Values are as written: what they mean is for whoever
/// enforces them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// client_id of the sending interface.
    pub source_id: String,
    /// client_id of the receiving interface.
    pub dest_id: String,
    /// kbit/s.
    pub capacity: Option<String>,
    /// Milliseconds.
    pub latency: Option<String>,
    /// A fraction by the schema's comment, a percentage by other texts; not judged here.
    pub packet_loss: Option<String>,
}

impl Link {
    /// Whether the link is (at least partly) asked from the aggregate of `authority`: it names that
    /// manager, or names none and one of its ends is an interface of a node of ours.
    pub fn belongs_to(&self, authority: &Authority, is_local_interface: impl Fn(&str) -> bool) -> bool {
        if self.component_managers.is_empty() {
            self.interface_refs.iter().any(|end| is_local_interface(&end.client_id))
        } else {
            self.component_managers.iter().any(|manager| is_manager(manager, authority))
        }
    }

    /// The VLAN tag that the link asks for: nothing where it leaves the choice to the aggregate (`any` or empty).
    #[must_use]
    pub fn wanted_vlantag(&self) -> Option<&str> {
        let tag = self.vlantag.as_deref()?.trim_matches([' ', '\t', '\r', '\n']);
        (!tag.is_empty() && !tag.eq_ignore_ascii_case("any")).then_some(tag)
    }

    /// The link as XML that stands alone; as [`crate::Node::fragment`].
    #[must_use]
    pub fn fragment(&self) -> String {
        fragment(&self.source, |edits, element| edit_link(edits, element, None))
    }

    /// Reads back what [`Link::fragment`] gave.
    ///
    /// # Errors
    /// [`crate::RspecErrorKind::BadFragment`] when it is not one well-formed link element.
    pub fn from_fragment(fragment: &str) -> Result<Self, RspecError> {
        from_fragment(fragment, "link", |reader, element| reader.link(element))
    }
}
