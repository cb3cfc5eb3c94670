//! Reading elements and checking them against the schema, in one walk.
//!
//! The checks are those of `request.xsd` and `manifest.xsd` in the `rspec-schemas` crate, made by hand: the generic
//! validator, exact as it is, takes several times as long as everything else together on a document of
//! thousands of nodes, and knows no place in the document to point at. The tests hold both against
//! each other.

mod link;
mod node;
mod volume;

use crate::error::{Places, shorten};
use crate::source::{Scope, Source};
use crate::xml::{GENI, PRESERVE, UNENFORCED, USER, is_blank};
use crate::{Extension, Place, Position, RspecError, RspecErrorKind};
use roxmltree::Node as Element;
use std::cell::RefCell;
use std::sync::Arc;
use urn::Urn;

/// Reads nodes and links of one document, in document order.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    places: RefCell<Places<'a>>,
    scope: Arc<Scope>,
}

impl<'a> Reader<'a> {
    /// `scope`: the namespaces around the elements to be read.
    pub(crate) fn new(text: &'a str, scope: Scope) -> Self {
        Self { text, places: RefCell::new(Places::new(text)), scope: Arc::new(scope) }
    }

    fn place(&self, element: Element<'_, '_>) -> Position {
        self.position(element.range().start)
    }

    /// The place of a byte. Bytes asked for in rising order cost one pass over the document in all: also an error that
    /// does not end the reading (a node of another aggregate may hold what nobody here can read) goes on from the last.
    fn position(&self, at: usize) -> Position {
        self.places.borrow_mut().at(at)
    }

    pub(crate) fn source(&self, element: Element<'_, '_>) -> Source {
        Source::new(&self.text[element.range()], Arc::clone(&self.scope))
    }

    pub(crate) fn error(&self, kind: RspecErrorKind, at: usize, message: impl Into<String>) -> RspecError {
        RspecError::new(kind, self.position(at), message)
    }

    /// One child of an element of ours: `Some` if it is an element of the GENI namespace. Extensions
    /// are noted, comments passed over, stray text refused.
    pub(crate) fn ours<'d, 'i>(
        &self,
        parent: Element<'d, 'i>,
        child: Element<'d, 'i>,
        extensions: &mut Vec<Extension>,
    ) -> Result<Option<Element<'d, 'i>>, RspecError> {
        if child.is_element() {
            return match namespace_of(child) {
                Some(GENI) => Ok(Some(child)),
                Some(namespace) => {
                    // What only an aggregate can know takes no part in any comparison.
                    if ![PRESERVE, UNENFORCED, USER].contains(&namespace) {
                        extensions.push(Extension::element(place_of(parent), child));
                    }
                    Ok(None)
                }
                None => Err(self.error(
                    RspecErrorKind::Schema,
                    child.range().start,
                    format!(
                        "{} has no namespace: inside {} only elements of {GENI} and extensions with a namespace of their own may stand",
                        shorten(child.tag_name().name()),
                        parent.tag_name().name()
                    ),
                )),
            };
        }
        if child.is_text() && !is_blank(child.text().unwrap_or_default()) {
            return Err(self.error(
                RspecErrorKind::Schema,
                child.range().start,
                format!("{} may not hold text", parent.tag_name().name()),
            ));
        }
        Ok(None)
    }

    /// The error for a GENI element where it may not stand.
    pub(crate) fn misplaced(&self, child: Element<'_, '_>, allowed: &str) -> RspecError {
        let parent = child.parent_element().map_or("", |parent| parent.tag_name().name());
        let allowed = if allowed.is_empty() { "extensions only" } else { allowed };
        self.error(
            RspecErrorKind::Schema,
            child.range().start,
            format!(
                "{} may not stand inside {parent}; what may: {allowed}",
                shorten(child.tag_name().name())
            ),
        )
    }

    /// Notes every attribute that is not among the known ones as an extension.
    fn attributes(&self, element: Element<'_, '_>, known: &[&str], extensions: &mut Vec<Extension>) {
        for attribute in element.attributes() {
            if attribute.namespace().is_some() || !known.contains(&attribute.name()) {
                extensions.push(Extension::attribute(place_of(element), attribute));
            }
        }
    }

    /// An element of ours that holds nothing of ours.
    fn leaf(
        &self,
        element: Element<'_, '_>,
        known: &[&str],
        extensions: &mut Vec<Extension>,
    ) -> Result<(), RspecError> {
        self.attributes(element, known, extensions);
        for child in element.children() {
            if let Some(child) = self.ours(element, child, extensions)? {
                return Err(self.misplaced(child, ""));
            }
        }
        Ok(())
    }

    /// A required attribute.
    fn required<'d>(&self, element: Element<'d, '_>, name: &str) -> Result<&'d str, RspecError> {
        element.attribute(name).ok_or_else(|| {
            self.error(
                RspecErrorKind::Schema,
                element.range().start,
                format!("{} needs the attribute {name}", element.tag_name().name()),
            )
        })
    }

    /// A required attribute that names something, so may not be empty.
    fn required_name<'d>(&self, element: Element<'d, '_>, name: &str) -> Result<&'d str, RspecError> {
        let value = self.required(element, name)?;
        if value.is_empty() {
            return Err(self.bad_value(element, name, "a name that is not empty"));
        }
        Ok(value)
    }

    /// An `xs:boolean`.
    fn boolean(&self, element: Element<'_, '_>, name: &str) -> Result<Option<bool>, RspecError> {
        match element.attribute(name).map(|value| value.trim_matches([' ', '\t', '\r', '\n'])) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(self.bad_value(element, name, "true or false")),
        }
    }

    /// The URN of a sliver.
    fn sliver_id(&self, element: Element<'_, '_>) -> Result<Option<Urn>, RspecError> {
        let Some(value) = element.attribute("sliver_id") else { return Ok(None) };
        Urn::parse(value).map(Some).map_err(|_| {
            self.bad_value(element, "sliver_id", "a URN urn:publicid:IDN+<authority>+sliver+<name>")
        })
    }

    /// The error for an attribute value that cannot be read.
    pub(crate) fn bad_value(&self, element: Element<'_, '_>, name: &str, wanted: &str) -> RspecError {
        let (at, value) = element
            .attribute_node(name)
            .map_or((element.range().start, ""), |attribute| (attribute.range().start, attribute.value()));
        self.error(
            RspecErrorKind::BadValue,
            at,
            format!("{}: {name}={:?} should be {wanted}", element.tag_name().name(), shorten(value)),
        )
    }
}

/// The namespace of an element; `xmlns=""` is none.
pub(crate) fn namespace_of<'d>(element: Element<'d, '_>) -> Option<&'d str> {
    element.tag_name().namespace().filter(|namespace| !namespace.is_empty())
}

/// An attribute as owned text.
fn text(element: Element<'_, '_>, name: &str) -> Option<String> {
    element.attribute(name).map(str::to_owned)
}

/// The elements of ours in which extensions may stand.
const PLACES: [&str; 22] = [
    "rspec",
    "node",
    "link",
    "sliver_type",
    "disk_image",
    "hardware_type",
    "services",
    "login",
    "install",
    "execute",
    "interface",
    "ip",
    "host",
    "location",
    "relation",
    "interface_ref",
    "property",
    "link_type",
    "component_manager",
    "component_hop",
    "available",
    "blockstore",
];

pub(crate) fn place_of(element: Element<'_, '_>) -> Place {
    let name = element.tag_name().name();
    Place(PLACES.into_iter().find(|place| *place == name).unwrap_or("rspec"))
}
