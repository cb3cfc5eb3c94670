//! Nodes that shall stand on one component: those of a call that bear the same `colocate`.

use crate::error::CallError;
use crate::inventory::Component;
use rspec::Node;
use std::collections::HashMap;

/// The groups of a call by name.
#[derive(Default)]
pub(super) struct Groups<'a>(HashMap<String, Group<'a>>);

#[derive(Default)]
struct Group<'a> {
    /// Where they stand: where the first of them was placed, or one of them is bound to.
    component: Option<&'a Component>,
    /// How many are still to be placed.
    waiting: u64,
}

impl<'a> Groups<'a> {
    /// Notes a node of the call, and the component it is bound to.
    pub(super) fn expect(&mut self, node: &Node, bound: Option<&'a Component>) {
        let Some(name) = &node.colocate else { return };
        let group = self.0.entry(name.clone()).or_default();
        group.component = group.component.or(bound);
        group.waiting += 1;
    }

    fn of(&self, node: &Node) -> Option<&Group<'a>> {
        node.colocate.as_ref().and_then(|name| self.0.get(name))
    }

    /// Where the group of this node stands, if that is settled.
    pub(super) fn component(&self, node: &Node) -> Option<&'a Component> {
        self.of(node)?.component
    }

    /// For how many nodes there has to be room where this one goes.
    pub(super) fn members(&self, node: &Node) -> u64 {
        self.of(node).map_or(1, |group| group.waiting.max(1))
    }

    /// Refuses a component that is not the group's.
    ///
    /// # Errors
    /// geni_code 7.
    pub(super) fn check(&self, node: &Node, component: &Component) -> Result<(), CallError> {
        match (self.component(node), &node.colocate) {
            (Some(other), Some(name)) if other.urn != component.urn => Err(super::refused(
                node,
                format!(
                    "it cannot be on component {}: the nodes with colocate {name:?} are on {}",
                    component.name, other.name
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Notes that a node of the call has its place.
    pub(super) fn settle(&mut self, node: &Node, component: &'a Component) {
        if let Some(group) = node.colocate.as_ref().and_then(|name| self.0.get_mut(name)) {
            group.component = Some(component);
            group.waiting = group.waiting.saturating_sub(1);
        }
    }
}
