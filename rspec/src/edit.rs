//! What an aggregate adds to a node or link, and how it is taken out again.
//!
//! One function per element does both, so that whatever is put in is also taken out: with a grant it writes the granted
//! values, without one it removes everything that only an aggregate can know.

mod added;

use crate::compare::{same_manager, same_urn};
use crate::granted::{GrantedInterface, GrantedLink, GrantedNode, Host};
use crate::reader::Reader;
use crate::source::{Edits, Source};
use crate::xml::{EMULAB, GENI, PRESERVE, UNENFORCED, USER, parse};
use crate::{Limits, Position, RspecError, RspecErrorKind};
use added::{Added, declaration, push_empty, push_preserve, push_services, push_unenforced};
use roxmltree::{Document, Node as Element};
use std::collections::{HashMap, HashSet};
use urn::Urn;

/// The stand-alone form of an element after `edit`.
pub(crate) fn fragment(source: &Source, edit: impl Fn(&mut Edits<'_>, Element<'_, '_>)) -> String {
    let text = source.standalone();
    let edited = match Document::parse(&text) {
        Ok(document) => {
            let mut edits = Edits::new(&text);
            edit(&mut edits, document.root_element());
            if edits.is_empty() { None } else { Some(edits.apply(document.root_element().range())) }
        }
        // Never for what was read from a well-formed document.
        Err(_) => None,
    };
    edited.unwrap_or(text)
}

/// Reads a stand-alone element named `name`.
pub(crate) fn from_fragment<T>(
    text: &str,
    name: &str,
    read: impl Fn(&Reader<'_>, Element<'_, '_>) -> Result<T, RspecError>,
) -> Result<T, RspecError> {
    let bad = |position: Position, message: &str| {
        RspecError::new(
            RspecErrorKind::BadFragment,
            position,
            format!("this is no fragment of a {name}: {message}"),
        )
    };
    let document = parse(text, &Limits::OWN).map_err(|error| bad(error.position, &error.message))?;
    let root = document.root_element();
    if !root.has_tag_name((GENI, name)) {
        return Err(bad(Position::default(), "the root is another element"));
    }
    let reader = Reader::new(text, Vec::new());
    read(&reader, root).map_err(|error| bad(error.position, &error.message))
}

/// Puts what was granted into a node, or takes out what a grant put in.
pub(crate) fn edit_node(edits: &mut Edits<'_>, node: Element<'_, '_>, granted: Option<&GrantedNode>) {
    let mut added = String::new();
    match granted {
        None => edits.remove_attribute(node, "sliver_id"),
        Some(granted) => {
            // A granted value that says the same as the request keeps the request's spelling.
            let was = match node.attribute("exclusive").map(str::trim) {
                Some("true" | "1") => Some(true),
                Some("false" | "0") => Some(false),
                _ => None,
            };
            let exclusive = if granted.exclusive { "true" } else { "false" };
            let same_manager = node
                .attribute("component_manager_id")
                .is_some_and(|asked| same_manager(asked, &granted.component_manager_id));
            let same_component =
                node.attribute("component_id").is_some_and(|asked| same_urn(asked, &granted.component_id));
            edits.set_attributes(
                node,
                &[
                    (
                        "component_manager_id",
                        (!same_manager).then_some(granted.component_manager_id.as_str()),
                    ),
                    ("component_id", (!same_component).then_some(granted.component_id.as_str())),
                    ("component_name", granted.component_name.as_deref()),
                    ("sliver_id", Some(granted.sliver_id.as_str())),
                    ("exclusive", (was != Some(granted.exclusive)).then_some(exclusive)),
                ],
            );
        }
    }
    let grants: HashMap<&str, &GrantedInterface> = granted
        .iter()
        .flat_map(|granted| &granted.interfaces)
        .map(|interface| (interface.client_id.as_str(), interface))
        .collect();
    let is_ours = |name: &str| node.children().any(|child| child.has_tag_name((GENI, name)));
    let (has_type, has_hardware) = (is_ours("sliver_type"), is_ours("hardware_type"));
    if let Some(granted) = granted {
        if let Some(kept) = keep_one(edits, node, "sliver_type", &[Some(&granted.sliver_type)]) {
            edit_sliver_type(edits, kept, granted);
        }
        let kept = keep_one(edits, node, "hardware_type", &[granted.hardware_type.as_deref()]);
        match (kept, granted.hardware_type.as_deref()) {
            (Some(kept), Some(name)) => edits.set_attributes(kept, &[("name", Some(name))]),
            (Some(kept), None) => edits.remove_element(kept),
            (None, _) => {}
        }
    }
    let mut has_services = false;
    let mut interfaces: HashSet<&str> = HashSet::new();
    for child in node.children().filter(Element::is_element) {
        let name = child.tag_name();
        match (name.namespace(), name.name()) {
            (Some(GENI), "host") | (Some(PRESERVE | UNENFORCED), _) => edits.remove_element(child),
            (Some(GENI), "interface") => {
                let client_id = child.attribute("client_id").unwrap_or_default();
                interfaces.insert(client_id);
                edit_interface(edits, child, grants.get(client_id).copied());
            }
            (Some(EMULAB), "blockstore") => {
                let name = child.attribute("name").unwrap_or_default();
                let device = granted
                    .and_then(|granted| granted.volumes.iter().find(|volume| volume.name == name))
                    .and_then(|volume| volume.device.as_deref());
                match device {
                    None => edits.remove_attribute(child, "device"),
                    Some(_) => edits.set_attributes(child, &[("device", device)]),
                }
            }
            (Some(GENI), "services") => {
                edit_services(edits, child, granted, !has_services);
                has_services = true;
            }
            _ => {}
        }
    }
    if let Some(granted) = granted {
        let mut new = Added::new(&mut added, node);
        if !has_type {
            new.open("sliver_type", &[("name", Some(&granted.sliver_type))]);
            match &granted.disk_image {
                None => new.close_empty(),
                Some(image) => {
                    new.inside();
                    push_empty(new.out, "disk_image", &[("name", Some(image))]);
                    new.close("sliver_type");
                }
            }
        }
        if let (false, Some(name)) = (has_hardware, &granted.hardware_type) {
            new.empty("hardware_type", &[("name", Some(name))]);
        }
        for interface in &granted.interfaces {
            if !interfaces.contains(interface.client_id.as_str()) {
                new.empty(
                    "interface",
                    &[
                        ("client_id", Some(&interface.client_id)),
                        ("component_id", interface.component_id.as_deref()),
                        ("sliver_id", Some(interface.sliver_id.as_str())),
                        ("mac_address", interface.mac_address.as_deref()),
                    ],
                );
            }
        }
        let has_access = !granted.logins.is_empty() || !granted.users.is_empty();
        if !has_services && has_access {
            new.open("services", &[]);
            new.inside();
            push_services(new.out, "", "\n      ", &granted.logins, &granted.users);
            new.out.push_str("\n    ");
            new.close("services");
        }
        if let Some(Host { name, ipv4 }) = &granted.host {
            new.empty("host", &[("name", Some(name)), ("ipv4", ipv4.as_deref())]);
        }
        push_preserve(&mut added, granted.preserve);
        push_unenforced(&mut added, &granted.unenforced);
    }
    edits.append(node, added);
}

/// Of the alternatives that a parent's children of this name are, keeps the one that was granted: the first that bears
/// one of these names, or the first of all. A manifest shows what was granted, not what else would have done.
fn keep_one<'d, 'i>(
    edits: &mut Edits<'_>,
    parent: Element<'d, 'i>,
    element: &str,
    names: &[Option<&str>],
) -> Option<Element<'d, 'i>> {
    let all = || parent.children().filter(|child| child.has_tag_name((GENI, element)));
    let named = |name: &Option<&str>| all().find(|child| name.is_some() && child.attribute("name") == *name);
    let kept = names.iter().find_map(named).or_else(|| all().next())?;
    for other in all().filter(|child| *child != kept) {
        edits.remove_element(other);
    }
    Some(kept)
}

fn edit_interface(edits: &mut Edits<'_>, interface: Element<'_, '_>, granted: Option<&GrantedInterface>) {
    for host in interface.children().filter(|child| child.has_tag_name((GENI, "host"))) {
        edits.remove_element(host);
    }
    match granted {
        None => {
            edits.remove_attribute(interface, "sliver_id");
            edits.remove_attribute(interface, "mac_address");
        }
        Some(granted) => {
            if granted.mac_address.is_none() {
                edits.remove_attribute(interface, "mac_address");
            }
            edits.set_attributes(
                interface,
                &[
                    ("component_id", granted.component_id.as_deref()),
                    ("sliver_id", Some(granted.sliver_id.as_str())),
                    ("mac_address", granted.mac_address.as_deref()),
                ],
            );
        }
    }
}

/// Services hold requested and granted things side by side. A granted login has a user name, which no request has.
/// Granted logins stand in place of requested ones: clients take every login of a manifest for a way in.
///
/// A node has one such element; should it have several, the first one gets the grants (`is_first`).
fn edit_services(
    edits: &mut Edits<'_>,
    services: Element<'_, '_>,
    granted: Option<&GrantedNode>,
    is_first: bool,
) {
    let replaced = granted.is_some_and(|granted| !granted.logins.is_empty());
    let is_grant = |child: &Element<'_, '_>| {
        child.has_tag_name((GENI, "login")) && (replaced || child.has_attribute("username"))
            || child.tag_name().namespace() == Some(USER)
    };
    let mut added = String::new();
    if let Some(granted) = granted.filter(|_| is_first) {
        push_services(&mut added, declaration(services), "\n      ", &granted.logins, &granted.users);
    }
    let (grants, others): (Vec<_>, Vec<_>) = services
        .children()
        .filter(|child| !child.is_text())
        .partition(|child| child.is_element() && is_grant(child));
    if added.is_empty() && others.is_empty() && !grants.is_empty() && services.attributes().len() == 0 {
        edits.remove_element(services);
        return;
    }
    for grant in grants {
        edits.remove_element(grant);
    }
    edits.append(services, added);
}

fn edit_sliver_type(edits: &mut Edits<'_>, sliver_type: Element<'_, '_>, granted: &GrantedNode) {
    edits.set_attributes(sliver_type, &[("name", Some(&granted.sliver_type))]);
    let Some(image) = &granted.disk_image else { return };
    match keep_one(edits, sliver_type, "disk_image", &[granted.asked_image.as_deref(), Some(image)]) {
        Some(child) => edits.set_attributes(child, &[("name", Some(image))]),
        None => {
            let mut added = String::new();
            Added::new(&mut added, sliver_type).empty_unspaced("disk_image", &[("name", Some(image))]);
            edits.append(sliver_type, added);
        }
    }
}

/// Puts what was granted into a link, or takes out what a grant put in.
pub(crate) fn edit_link(edits: &mut Edits<'_>, link: Element<'_, '_>, granted: Option<&GrantedLink>) {
    if granted.is_none() {
        edits.remove_attribute(link, "sliver_id");
    }
    if granted.is_none_or(|granted| granted.vlantag.is_none()) {
        edits.remove_attribute(link, "vlantag");
    }
    let grants: HashMap<&str, &GrantedInterface> = granted
        .iter()
        .flat_map(|granted| &granted.interface_refs)
        .map(|end| (end.client_id.as_str(), end))
        .collect();
    let mut ends: HashSet<&str> = HashSet::new();
    for child in link.children().filter(Element::is_element) {
        let name = child.tag_name();
        match (name.namespace(), name.name()) {
            (Some(PRESERVE | UNENFORCED), _) => edits.remove_element(child),
            (Some(GENI), "interface_ref") => {
                let client_id = child.attribute("client_id").unwrap_or_default();
                ends.insert(client_id);
                match grants.get(client_id) {
                    // Another aggregate's end of a shared link is that aggregate's to describe.
                    None if granted.is_some() || is_foreign_end(link, child) => {}
                    None => {
                        edits.remove_attribute(child, "sliver_id");
                        edits.remove_attribute(child, "component_id");
                    }
                    Some(end) => {
                        if end.component_id.is_none() {
                            edits.remove_attribute(child, "component_id");
                        }
                        edits.set_attributes(
                            child,
                            &[
                                ("component_id", end.component_id.as_deref()),
                                ("sliver_id", Some(end.sliver_id.as_str())),
                            ],
                        );
                    }
                }
            }
            _ => {}
        }
    }
    let Some(granted) = granted else { return };
    if let Some(kind) = granted.link_type.as_deref() {
        keep_one(edits, link, "link_type", &[Some(kind)]);
    }
    edits.set_attributes(
        link,
        &[("sliver_id", Some(granted.sliver_id.as_str())), ("vlantag", granted.vlantag.as_deref())],
    );
    let mut added = String::new();
    let mut new = Added::new(&mut added, link);
    for end in &granted.interface_refs {
        if !ends.contains(end.client_id.as_str()) {
            new.empty(
                "interface_ref",
                &[
                    ("client_id", Some(&end.client_id)),
                    ("component_id", end.component_id.as_deref()),
                    ("sliver_id", Some(end.sliver_id.as_str())),
                ],
            );
        }
    }
    push_preserve(&mut added, granted.preserve);
    push_unenforced(&mut added, &granted.unenforced);
    edits.append(link, added);
}

/// Whether a link's end belongs to a sliver of another authority than the link itself.
fn is_foreign_end(link: Element<'_, '_>, end: Element<'_, '_>) -> bool {
    let authority = |element: Element<'_, '_>| {
        element.attribute("sliver_id").and_then(|id| Urn::parse(id).ok()).map(|urn| urn.authority())
    };
    match (authority(link), authority(end)) {
        (Some(link), Some(end)) => link != end,
        _ => false,
    }
}
