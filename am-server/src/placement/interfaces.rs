//! The interfaces of a node: names and hardware addresses that are given once and kept.

use super::{Existing, Placement, digest, interface_number, refused};
use crate::error::CallError;
use crate::grant::InterfaceGrant;
use crate::inventory::{Component, interface_urn};
use rspec::Node;
use std::collections::{HashMap, HashSet};
use urn::Urn;

impl Placement<'_> {
    /// The interfaces of a node, and the number of the next one.
    ///
    /// # Errors
    /// An interface is bound to another interface of the component than it gets (geni_code 7).
    pub(super) fn interfaces(
        &self,
        node: &Node,
        sliver: &Urn,
        component: &Component,
        kept: Option<Existing<'_>>,
    ) -> Result<(Vec<InterfaceGrant>, usize), CallError> {
        let asked = &node.interfaces;
        let known: Vec<&InterfaceGrant> = kept.iter().flat_map(|kept| kept.interfaces()).collect();
        let mut next = kept.map_or(0, Existing::next_interface);
        let mut by_sliver: HashMap<&Urn, usize> =
            known.iter().enumerate().map(|(at, own)| (&own.sliver_id, at)).collect();
        // By sliver_id first, so that an interface cannot be taken for another one whose name it was given.
        let mut pairs: Vec<Option<usize>> =
            asked.iter().map(|one| by_sliver.remove(one.sliver_id.as_ref()?)).collect();
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for at in by_sliver.into_values() {
            by_name.entry(&known[at].client_id).or_default().push(at);
        }
        // What it has comes before what it was promised.
        by_name.values_mut().for_each(|places| places.sort_unstable_by_key(|at| std::cmp::Reverse(*at)));
        for (pair, one) in pairs.iter_mut().zip(asked).filter(|(pair, _)| pair.is_none()) {
            *pair = by_name.get_mut(one.client_id.as_str()).and_then(Vec::pop);
        }
        let mut grants = Vec::with_capacity(asked.len());
        for (one, pair) in asked.iter().zip(pairs) {
            let grant = match pair.and_then(|at| known.get(at)) {
                Some(own) => {
                    let number = interface_number(own).unwrap_or(0);
                    InterfaceGrant {
                        client_id: one.client_id.clone(),
                        component_id: interface_urn(self.authority, &component.name, number),
                        ..(*own).clone()
                    }
                }
                None => {
                    next += 1;
                    self.new_interface(&one.client_id, sliver, component, next - 1)
                }
            };
            grants.push(grant);
        }
        check_bound(node, component, &grants, kept)?;
        Ok((grants, next))
    }

    fn new_interface(
        &self,
        client_id: &str,
        sliver: &Urn,
        component: &Component,
        number: usize,
    ) -> InterfaceGrant {
        let text = format!("{sliver}.if{number}");
        let hash = digest(&text);
        InterfaceGrant {
            client_id: client_id.to_owned(),
            // A sliver's name with ".if0" behind it is a sliver's name still.
            sliver_id: Urn::parse(&text).unwrap_or_else(|_| sliver.clone()),
            component_id: interface_urn(self.authority, &component.name, number),
            // Locally administered, and as unique as the sliver's name.
            mac_address: format!(
                "02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}",
                hash[0], hash[1], hash[2], hash[3], hash[4]
            ),
        }
    }
}

/// Refuses interfaces that are bound to others of the component than they were granted. What the node's interfaces were
/// granted before says nothing: a node that moves is described with the interfaces of where it was.
fn check_bound(
    node: &Node,
    component: &Component,
    grants: &[InterfaceGrant],
    kept: Option<Existing<'_>>,
) -> Result<(), CallError> {
    let before: HashSet<&str> = kept
        .iter()
        .flat_map(|kept| kept.grants())
        .flat_map(|grant| &grant.interfaces)
        .map(|own| own.component_id.as_str())
        .collect();
    for (one, grant) in node.interfaces.iter().zip(grants) {
        let Some(wanted) = one.component_id.as_deref().filter(|id| !id.is_empty()) else { continue };
        let same = wanted == grant.component_id
            || matches!((Urn::parse(wanted), Urn::parse(&grant.component_id)), (Ok(a), Ok(b)) if a == b);
        if !same && !before.contains(wanted) {
            return Err(refused(
                node,
                format!(
                    "interface {:?} cannot be {wanted:?}: the interfaces of component {} are given in the order of the request, and this one is {}; leave its component_id out",
                    one.client_id, component.name, grant.component_id
                ),
            ));
        }
    }
    Ok(())
}
