//! Advertisements: what an aggregate has to offer.

use crate::DiskImage;
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
    /// Its interfaces.
    pub interfaces: Vec<AdInterface>,
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

impl Advertisement {
    /// The document.
    #[must_use]
    pub fn write(&self, generated: DateTime<Utc>, expires: Option<DateTime<Utc>>) -> String {
        let _ = (generated, expires);
        unimplemented!()
    }
}
