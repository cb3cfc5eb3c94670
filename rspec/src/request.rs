//! Requests, and manifests used as requests.

use crate::error::shorten;
use crate::frame::{FrameItem, ItemKind};
use crate::reader::Reader;
use crate::source::{Source, scope_of};
use crate::xml::{GENI, XSI, from_its_start, parse};
use crate::{Extension, Frame, Limits, Link, Node, Position, RspecError, RspecErrorKind};
use ahash::{AHashMap, AHashSet};
use chrono::{NaiveDateTime, NaiveTime};
use roxmltree::Node as Element;
use std::cell::OnceCell;
use std::fmt;
use urn::Authority;

/// Bytes of the root's namespace declarations times its children: some 200,000 nodes with three or four namespaces.
const MAX_DECLARED: usize = 64 << 20;

/// What the root's `type` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentType {
    /// `request`.
    Request,
    /// `manifest`.
    Manifest,
}

impl fmt::Display for DocumentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Manifest => "manifest",
        })
    }
}

/// A request, or a manifest used as one: all nodes and links of the document, ours or not, in document order.
#[derive(Debug, Clone)]
pub struct Request {
    /// What the document calls itself.
    pub document_type: DocumentType,
    /// All nodes.
    pub nodes: Vec<Node>,
    /// All links.
    pub links: Vec<Link>,
    /// Elements and attributes of the root that are neither node nor link, in comparable form.
    pub extensions: Vec<Extension>,
    /// The root's own part of any frame.
    root: Frame,
    /// The root's children in document order.
    order: Vec<Child>,
}

/// A child of the root.
#[derive(Debug, Clone)]
enum Child {
    Node(usize),
    Link(usize),
    Extension(Source),
}

/// The nodes and links of a document that are asked from one aggregate.
#[derive(Debug, Clone, Default)]
pub struct Local<'a> {
    /// Nodes of ours.
    pub nodes: Vec<&'a Node>,
    /// Links that are at least partly ours.
    pub links: Vec<&'a Link>,
}

impl Request {
    /// Reads the argument of Allocate: a document of type `request`, whose links name only interfaces of the
    /// document.
    ///
    /// A link may name an interface outside if it also names a manager none of whose nodes the document has:
    /// the interface may then be that manager's.
    ///
    /// # Errors
    /// [`RspecError`] says what is wrong and where.
    pub fn parse_request(xml: &str, limits: &Limits) -> Result<Self, RspecError> {
        let request = Self::read(xml, limits, &[DocumentType::Request])?;
        let managers = OnceCell::new();
        request.check_ends(|link, _| {
            let present: &AHashSet<&str> = managers.get_or_init(|| {
                request.nodes.iter().filter_map(|node| node.component_manager_id.as_deref()).collect()
            });
            link.component_managers.len() > 1
                && link.component_managers.iter().any(|manager| !present.contains(manager.as_str()))
        })?;
        Ok(request)
    }

    /// Reads the argument of a further Allocate: a request alone (AM API v3). A link may name interfaces of nodes
    /// that the slice has already, as in [`Request::parse_update`].
    ///
    /// # Errors
    /// [`RspecError`] says what is wrong and where.
    pub fn parse_addition(xml: &str, limits: &Limits) -> Result<Self, RspecError> {
        Self::read(xml, limits, &[DocumentType::Request])
    }

    /// Reads the argument of Update: a request or a manifest (AM API v4 draft, change set C). A link may
    /// name interfaces of nodes that the call leaves alone, so the caller has to check ends that
    /// the document does not hold (see [`Request::dangling_interface_refs`]).
    ///
    /// # Errors
    /// [`RspecError`] says what is wrong and where.
    pub fn parse_update(xml: &str, limits: &Limits) -> Result<Self, RspecError> {
        Self::read(xml, limits, &[DocumentType::Request, DocumentType::Manifest])
    }

    /// The error for the first link end that neither names an interface of the document nor one that `is_known`.
    ///
    /// # Errors
    /// [`crate::RspecErrorKind::DanglingInterfaceRef`].
    pub fn dangling_interface_refs(&self, is_known: impl Fn(&str) -> bool) -> Result<(), RspecError> {
        self.check_ends(|_, client_id| is_known(client_id))
    }

    fn check_ends(&self, allowed: impl Fn(&Link, &str) -> bool) -> Result<(), RspecError> {
        if self.links.is_empty() {
            return Ok(());
        }
        let mut interfaces =
            AHashSet::with_capacity(self.nodes.iter().map(|node| node.interfaces.len()).sum());
        interfaces.extend(
            self.nodes.iter().flat_map(|node| &node.interfaces).map(|interface| interface.client_id.as_str()),
        );
        for link in &self.links {
            for end in &link.interface_refs {
                if !interfaces.contains(end.client_id.as_str()) && !allowed(link, &end.client_id) {
                    return Err(RspecError::new(
                        RspecErrorKind::DanglingInterfaceRef,
                        end.position,
                        format!(
                            "link {:?}: interface_ref {:?} names no interface of a node",
                            shorten(&link.client_id),
                            shorten(&end.client_id)
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// The nodes and links asked from the aggregate of `ours`.
    #[must_use]
    pub fn local(&self, ours: &Authority) -> Local<'_> {
        self.local_with(ours, |_| false)
    }

    /// As [`Request::local`], where the slice also has interfaces that the document does not show.
    ///
    /// A link without a manager whose ends are interfaces of nobody counts as ours: it is we who have to refuse it.
    pub fn local_with(&self, ours: &Authority, is_known: impl Fn(&str) -> bool) -> Local<'_> {
        let (nodes, others): (Vec<_>, Vec<_>) = self.nodes.iter().partition(|node| node.belongs_to(ours));
        let foreign: AHashSet<&str> = others
            .iter()
            .flat_map(|node| &node.interfaces)
            .map(|interface| interface.client_id.as_str())
            .collect();
        let is_local = |client_id: &str| !foreign.contains(client_id) || is_known(client_id);
        let links = self.links.iter().filter(|link| link.belongs_to(ours, is_local)).collect();
        Local { nodes, links }
    }

    /// What belongs to no sliver of ours but must come back in the manifest.
    #[must_use]
    pub fn frame(&self, ours: &Authority) -> Frame {
        self.frame_with(ours, |_| false)
    }

    /// As [`Request::frame`], where the slice also has interfaces that the document does not show.
    pub fn frame_with(&self, ours: &Authority, is_known: impl Fn(&str) -> bool) -> Frame {
        let local = self.local_with(ours, is_known);
        let local_links: AHashSet<&str> = local.links.iter().map(|link| link.client_id.as_str()).collect();
        let mut frame = self.root.clone();
        for child in &self.order {
            let item = match child {
                Child::Node(n) => self.nodes.get(*n).filter(|node| !node.belongs_to(ours)).map(|node| {
                    FrameItem::new(ItemKind::Node, Some(&node.client_id), node.source.standalone())
                }),
                Child::Link(n) => {
                    self.links.get(*n).filter(|link| !local_links.contains(link.client_id.as_str())).map(
                        |link| {
                            FrameItem::new(ItemKind::Link, Some(&link.client_id), link.source.standalone())
                        },
                    )
                }
                Child::Extension(source) => {
                    Some(FrameItem::new(ItemKind::Extension, None, source.standalone()))
                }
            };
            frame.items.extend(item);
        }
        frame
    }

    fn read(xml: &str, limits: &Limits, types: &[DocumentType]) -> Result<Self, RspecError> {
        let xml = &*from_its_start(xml);
        let document = parse(xml, limits)?;
        let root = document.root_element();
        let scope = scope_of(root);
        // Each node and link that is taken out of the document takes these declarations along.
        let declared: usize =
            scope.iter().map(|(prefix, uri)| prefix.as_ref().map_or(0, String::len) + uri.len() + 10).sum();
        let reader = Reader::new(xml, scope);
        let document_type = read_root(&reader, root, types)?;
        let mut children = Count::default();
        root.children().for_each(|child| children.add(child.tag_name().name()));
        if declared.saturating_mul(children.all) > MAX_DECLARED {
            let message = "the root declares too many namespaces for the number of elements in it";
            return Err(reader.error(RspecErrorKind::TooLarge, root.range().start, message));
        }
        // Nodes are large; a vector that grows would move them again and again.
        let mut request = Self {
            document_type,
            nodes: Vec::with_capacity(children.nodes),
            links: Vec::with_capacity(children.links),
            extensions: Vec::new(),
            root: Frame::of_root(root),
            order: Vec::with_capacity(children.nodes + children.links),
        };
        for attribute in root.attributes() {
            let known = matches!(attribute.name(), "type" | "generated" | "generated_by" | "expires");
            if attribute.namespace() != Some(XSI) && !(known && attribute.namespace().is_none()) {
                request.extensions.push(Extension::attribute(crate::reader::place_of(root), attribute));
            }
        }
        for child in root.children() {
            let Some(element) = reader.ours(root, child, &mut request.extensions)? else {
                if child.is_element() {
                    request.order.push(Child::Extension(reader.source(child)));
                }
                continue;
            };
            match element.tag_name().name() {
                "node" => {
                    request.order.push(Child::Node(request.nodes.len()));
                    request.nodes.push(reader.node(element)?);
                }
                "link" => {
                    request.order.push(Child::Link(request.links.len()));
                    request.links.push(reader.link(element)?);
                }
                _ => return Err(reader.misplaced(element, "node, link, extensions")),
            }
        }
        request.check_names()?;
        request.check_slivers()?;
        Ok(request)
    }

    /// client_ids are unique: over nodes, over links, over the interfaces of all nodes.
    fn check_names(&self) -> Result<(), RspecError> {
        unique("nodes", self.nodes.iter().map(|node| (node.client_id.as_str(), node.position)))?;
        unique("links", self.links.iter().map(|link| (link.client_id.as_str(), link.position)))?;
        unique(
            "interfaces",
            self.nodes
                .iter()
                .flat_map(|node| &node.interfaces)
                .map(|interface| (interface.client_id.as_str(), interface.position)),
        )
    }

    /// A sliver is one node or one link, so no two of them bear the same sliver_id.
    fn check_slivers(&self) -> Result<(), RspecError> {
        let nodes = self.nodes.iter().map(|node| (&node.sliver_id, node.position));
        let links = self.links.iter().map(|link| (&link.sliver_id, link.position));
        let mut seen = AHashMap::new();
        for (sliver, position) in nodes.chain(links) {
            let Some(sliver) = sliver else { continue };
            if let Some(first) = seen.insert(sliver, position) {
                return Err(RspecError::new(
                    RspecErrorKind::ConflictingSliverId,
                    position,
                    format!("sliver_id {sliver} stands on another node or link already, at {first}"),
                ));
            }
        }
        Ok(())
    }
}

/// How many children the root has.
#[derive(Default)]
struct Count {
    all: usize,
    nodes: usize,
    links: usize,
}

impl Count {
    fn add(&mut self, name: &str) {
        self.all += 1;
        self.nodes += usize::from(name == "node");
        self.links += usize::from(name == "link");
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = (&'a str, Position)>) -> Result<(), RspecError> {
    let mut seen = AHashMap::with_capacity(names.size_hint().0);
    for (name, position) in names {
        if let Some(first) = seen.insert(name, position) {
            return Err(RspecError::new(
                RspecErrorKind::DuplicateClientId,
                position,
                format!("two {what} have the client_id {:?}; the first stands at {first}", shorten(name)),
            ));
        }
    }
    Ok(())
}

/// Checks that the root is an RSpec of a wanted type.
fn read_root(
    reader: &Reader<'_>,
    root: Element<'_, '_>,
    types: &[DocumentType],
) -> Result<DocumentType, RspecError> {
    let at = root.range().start;
    let name = root.tag_name();
    if name.namespace() != Some(GENI) || name.name() != "rspec" {
        let found = format!(
            "the root is {:?} of namespace {:?}",
            shorten(name.name()),
            shorten(name.namespace().unwrap_or_default())
        );
        return Err(if name.name().eq_ignore_ascii_case("rspec") {
            let message = format!("{found}; this aggregate reads GENI version 3, namespace {GENI}");
            reader.error(RspecErrorKind::WrongVersion, at, message)
        } else {
            let message = format!("{found}; an RSpec has the root rspec of namespace {GENI}");
            reader.error(RspecErrorKind::WrongRoot, at, message)
        });
    }
    let wanted = types.iter().map(DocumentType::to_string).collect::<Vec<_>>().join(" or ");
    let Some(value) = root.attribute("type") else {
        let message = format!("rspec needs the attribute type; it should be {wanted}");
        return Err(reader.error(RspecErrorKind::WrongType, at, message));
    };
    let value = value.trim_matches([' ', '\t', '\r', '\n']);
    let Some(found) = types.iter().copied().find(|wanted| wanted.to_string() == value) else {
        let message = format!("this is an RSpec of type {:?}; it should be {wanted}", shorten(value));
        return Err(reader.error(RspecErrorKind::WrongType, at, message));
    };
    for name in ["generated", "expires"] {
        if root.attribute(name).is_some_and(|value| !is_date_time(value)) {
            return Err(reader.bad_value(root, name, "a date and time such as 2026-01-31T12:00:00Z"));
        }
    }
    Ok(found)
}

/// Whether the text is an `xs:dateTime`.
fn is_date_time(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let Some((date, time)) = text.split_once('T') else { return false };
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone);
    let zone_is_right = match zone.as_bytes() {
        [] | [b'Z'] => true,
        [b'+' | b'-', hours @ .., b':', m1, m2] if hours.len() == 2 => {
            let all_digits = hours.iter().chain([m1, m2]).all(u8::is_ascii_digit);
            let minutes = (hours[0].wrapping_sub(b'0') as u32 * 10 + hours[1].wrapping_sub(b'0') as u32) * 60
                + (m1.wrapping_sub(b'0') as u32 * 10 + m2.wrapping_sub(b'0') as u32);
            all_digits && *m1 < b'6' && minutes <= 14 * 60
        }
        _ => false,
    };
    // 24:00:00 is the midnight at the end of a day.
    let clock = if clock == "24:00:00" { "00:00:00" } else { clock };
    let seconds = clock.split('.').next().unwrap_or_default();
    zone_is_right
        && seconds.len() == 8
        && date.len() == 10
        && clock.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'))
        && !clock.ends_with('.')
        && !seconds.ends_with("60")
        && NaiveTime::parse_from_str(seconds, "%H:%M:%S").is_ok()
        && clock.matches('.').count() <= 1
        && NaiveDateTime::parse_from_str(&format!("{date}T{seconds}"), "%Y-%m-%dT%H:%M:%S").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_times_are_those_of_xml_schema() {
        for good in [
            "2013-01-16T14:20:39Z",
            "2026-02-28T24:00:00",
            " 2026-01-01T00:00:00.5+14:00\n",
            "2024-02-29T00:00:00-00:30",
        ] {
            assert!(is_date_time(good), "{good}");
        }
        for bad in [
            "",
            "2026-01-01",
            "2026-13-01T00:00:00",
            "2026-02-29T00:00:00",
            "2026-01-01T25:00:00",
            "2026-01-01T00:00:60",
            "2026-01-01T00:00:00.",
            "2026-01-01T00:00:00+15:00",
            "2026-01-01 00:00:00",
            "2026-01-01T00:00:00ZZ",
            "26-01-01T00:00:00",
            "2026-01-01T0:00:00Z",
            "2026-01-01T00:00:00+1:00",
        ] {
            assert!(!is_date_time(bad), "{bad}");
        }
    }
}
