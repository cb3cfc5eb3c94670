//! Advertisements: what an aggregate has to offer.

use crate::DiskImage;
use crate::manifest::push_times;
use crate::xml::{EMULAB, GENI, OPSTATE, XSI, push_attribute, push_text};
use chrono::{DateTime, Utc};

/// What an aggregate has to offer. The caller leaves out what shall not be shown (`geni_available`).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Advertisement {
    /// Components that can hold slivers.
    pub nodes: Vec<AdNode>,
    /// How slivers behave (opstate/1 extension), per set of sliver types.
    pub operational_states: Vec<OperationalStates>,
}

/// A component that can hold slivers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AdNode {
    /// The component's URN.
    pub component_id: String,
    /// The URN of this aggregate.
    pub component_manager_id: String,
    /// The component's short name.
    pub component_name: String,
    /// Whether a sliver gets the component to itself.
    pub exclusive: bool,
    /// Whether there is room now.
    pub available: bool,
    /// Names of the hardware types.
    pub hardware_types: Vec<String>,
    /// The kinds of sliver it can hold.
    pub sliver_types: Vec<AdSliverType>,
    /// Where it stands.
    pub location: Option<Location>,
    /// The storage volumes that slivers on it can have; none if it has no storage for them.
    pub blockstore: Option<AdBlockstore>,
    /// Its interfaces.
    pub interfaces: Vec<AdInterface>,
}

/// Storage volumes on offer at a component: a `blockstore` without a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdBlockstore {
    /// The largest volume that can be asked for, in GB.
    pub gigabytes: u64,
}

/// A kind of sliver on offer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdSliverType {
    /// The name to ask for.
    pub name: String,
    /// Images it can start from.
    pub disk_images: Vec<AdDiskImage>,
}

/// An image on offer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdDiskImage {
    /// The image.
    pub image: DiskImage,
    /// Whether a node gets this one when it does not say.
    pub default: bool,
}

/// Where a component stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Two-letter country code (ISO 3166-1).
    pub country: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
}

/// An interface of a component.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdInterface {
    /// The interface's URN.
    pub component_id: String,
    /// Its short name.
    pub component_name: Option<String>,
    /// `control` or `experimental`, if known.
    pub role: Option<String>,
}

/// The operational states of some sliver types and what leads from one to the next (opstate/1 extension).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationalStates {
    /// The URN of this aggregate.
    pub aggregate_manager_id: String,
    /// The state in which a sliver is after Provision.
    pub start: String,
    /// The sliver types meant.
    pub sliver_types: Vec<String>,
    /// The states.
    pub states: Vec<State>,
}

/// One operational state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Its name, such as `geni_ready`.
    pub name: String,
    /// For people.
    pub description: String,
    /// What the experimenter can do in it.
    pub actions: Vec<Action>,
    /// What it leads to by itself.
    pub waits: Vec<Wait>,
}

/// An operational action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Action {
    /// Its name, such as `geni_restart`.
    pub name: String,
    /// The state it leads to.
    pub next: String,
    /// For people.
    pub description: String,
}

/// A change of state that comes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What it waits for.
    pub kind: WaitKind,
    /// The state it leads to.
    pub next: String,
}

/// What a state waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// The work succeeds.
    Success,
    /// The work fails.
    Failure,
}

impl WaitKind {
    /// The kind as it stands in the document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "geni_success",
            Self::Failure => "geni_failure",
        }
    }
}

impl Advertisement {
    /// The document. The time it takes and the space grow with its length and nothing else.
    #[must_use]
    pub fn write(&self, generated: DateTime<Utc>, expires: Option<DateTime<Utc>>) -> String {
        let mut out = String::with_capacity(1024 + self.nodes.len() * 768);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rspec");
        push_attribute(&mut out, "xmlns", GENI);
        push_attribute(&mut out, "xmlns:xsi", XSI);
        let mut locations = format!("{GENI} {GENI}/ad.xsd");
        if !self.operational_states.is_empty() {
            locations.push_str(&format!(" {OPSTATE} {OPSTATE}/ad.xsd"));
        }
        if self.nodes.iter().any(|node| node.blockstore.is_some()) {
            push_attribute(&mut out, "xmlns:emulab", EMULAB);
            locations.push_str(&format!(" {EMULAB} {EMULAB}/ad.xsd"));
        }
        push_attribute(&mut out, "xsi:schemaLocation", &locations);
        push_attribute(&mut out, "type", "advertisement");
        push_times(&mut out, generated, expires);
        out.push('>');
        for states in &self.operational_states {
            push_states(&mut out, states);
        }
        for node in &self.nodes {
            push_node(&mut out, node);
        }
        out.push_str("\n</rspec>\n");
        out
    }
}

fn push_element(out: &mut String, indent: &str, name: &str, attributes: &[(&str, &str)]) {
    out.push_str(indent);
    out.push('<');
    out.push_str(name);
    for (name, value) in attributes {
        push_attribute(out, name, value);
    }
}

fn push_empty(out: &mut String, indent: &str, name: &str, attributes: &[(&str, &str)]) {
    push_element(out, indent, name, attributes);
    out.push_str("/>");
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn push_node(out: &mut String, node: &AdNode) {
    push_element(
        out,
        "\n  ",
        "node",
        &[
            ("component_manager_id", &node.component_manager_id),
            ("component_id", &node.component_id),
            ("component_name", &node.component_name),
            ("exclusive", truth(node.exclusive)),
        ],
    );
    out.push('>');
    for name in &node.hardware_types {
        push_empty(out, "\n    ", "hardware_type", &[("name", name)]);
    }
    for sliver_type in &node.sliver_types {
        push_element(out, "\n    ", "sliver_type", &[("name", &sliver_type.name)]);
        if sliver_type.disk_images.is_empty() {
            out.push_str("/>");
            continue;
        }
        out.push('>');
        for offer in &sliver_type.disk_images {
            push_image(out, offer);
        }
        out.push_str("\n    </sliver_type>");
    }
    push_empty(out, "\n    ", "available", &[("now", truth(node.available))]);
    if let Some(location) = &node.location {
        push_element(out, "\n    ", "location", &[("country", &location.country)]);
        for (name, degrees) in [("latitude", location.latitude), ("longitude", location.longitude)] {
            if let Some(degrees) = degrees.filter(|degrees| degrees.is_finite()) {
                push_attribute(out, name, &degrees.to_string());
            }
        }
        out.push_str("/>");
    }
    for interface in &node.interfaces {
        push_element(out, "\n    ", "interface", &[("component_id", &interface.component_id)]);
        for (name, value) in [("component_name", &interface.component_name), ("role", &interface.role)] {
            if let Some(value) = value {
                push_attribute(out, name, value);
            }
        }
        out.push_str("/>");
    }
    if let Some(blockstore) = &node.blockstore {
        let size = format!("{}GB", blockstore.gigabytes);
        let attributes = [("class", "local"), ("placement", "any"), ("size", size.as_str())];
        push_empty(out, "\n    ", "emulab:blockstore", &attributes);
    }
    out.push_str("\n  </node>");
}

fn push_image(out: &mut String, offer: &AdDiskImage) {
    let image = &offer.image;
    push_element(out, "\n      ", "disk_image", &[("name", &image.name)]);
    for (name, value) in [("os", &image.os), ("version", &image.version), ("description", &image.description)]
    {
        if let Some(value) = value {
            push_attribute(out, name, value);
        }
    }
    if offer.default {
        push_attribute(out, "default", "true");
    }
    out.push_str("/>");
}

fn push_states(out: &mut String, states: &OperationalStates) {
    push_element(
        out,
        "\n  ",
        "rspec_opstate",
        &[
            ("xmlns", OPSTATE),
            ("aggregate_manager_id", &states.aggregate_manager_id),
            ("start", &states.start),
        ],
    );
    out.push('>');
    for name in &states.sliver_types {
        push_empty(out, "\n    ", "sliver_type", &[("name", name)]);
    }
    for state in &states.states {
        push_element(out, "\n    ", "state", &[("name", &state.name)]);
        out.push('>');
        for action in &state.actions {
            push_element(out, "\n      ", "action", &[("name", &action.name), ("next", &action.next)]);
            out.push('>');
            push_description(out, &action.description);
            out.push_str("</action>");
        }
        for wait in &state.waits {
            push_empty(out, "\n      ", "wait", &[("type", wait.kind.as_str()), ("next", &wait.next)]);
        }
        out.push_str("\n      ");
        push_description(out, &state.description);
        out.push_str("\n    </state>");
    }
    out.push_str("\n  </rspec_opstate>");
}

fn push_description(out: &mut String, text: &str) {
    out.push_str("<description>");
    push_text(out, text);
    out.push_str("</description>");
}
