//! Placement: from what a request asks for to the configurations that slivers are granted.
//!
//! A node that names a component goes there or nowhere; any other goes where most is free, of the components that are
//! looked at: all of them in a small aggregate, some with room in a large one. What the
//! experimenter left open (sliver type, image, interfaces' addresses) is decided here and written into the
//! grant, so that the manifest can say it. Placement only proposes: whether the capacity is really there is
//! for the ledger to say when the transaction is saved, and a caller that loses that race places again.

mod alternatives;
pub(crate) mod endpoints;
mod groups;
mod interfaces;
mod links;
pub(crate) mod volumes;

pub(crate) use alternatives::check;

use crate::error::{CallError, GeniCode};
use crate::grant::{Grant, InterfaceGrant, NodeGrant};
use crate::inventory::{Component, Inventory, volumes_resource};
use alternatives::{Offered, preference};
use groups::Groups;
use rspec::Node;
use sha2::{Digest, Sha256};
use state::{Claim, Configuration, Ledger};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;
use urn::{Authority, Urn};

/// Components with room that are compared before the best of them is taken: enough to spread slivers well, however
/// many thousands there are.
const ENOUGH: usize = 64;
/// How many names a message lists before it says how many more there are.
const LISTED: usize = 20;

/// How well a component serves a node: what it prefers of what it would take, whether there is room for its volumes,
/// whether the component is shared, and how much is free.
type Rank = (Reverse<(usize, usize)>, bool, bool, u64);

/// Places the resources of one call, counting what it has already given out.
pub struct Placement<'a> {
    inventory: &'a Inventory,
    authority: &'a Authority,
    held: &'a Ledger,
    vlans: RangeInclusive<u16>,
    taken: HashMap<String, u64>,
    released: HashMap<String, u64>,
    /// Nodes that shall stand on one component.
    groups: Groups<'a>,
    /// VLAN tags that links of the call ask for: no other link is given one of them.
    wanted_tags: HashSet<u16>,
}

/// What a sliver has already, for a placement that changes it.
#[derive(Debug, Clone, Copy)]
pub struct Existing<'a> {
    /// What it is now; a node stays where this says unless the request names another component.
    pub grant: &'a NodeGrant,
    /// Where a change that is pending already would put it.
    pub pending: Option<&'a NodeGrant>,
    /// What it holds, by resource, but for what the placement was told to count as free ([`Placement::release`]).
    pub held: &'a BTreeMap<&'a str, u64>,
}

impl<'a> Existing<'a> {
    /// The interfaces it has or was promised: their names and hardware addresses stay theirs.
    fn interfaces(self) -> impl Iterator<Item = &'a InterfaceGrant> {
        let now = &self.grant.interfaces;
        let names: HashSet<&Urn> = now.iter().map(|it| &it.sliver_id).collect();
        let promised = self.pending.into_iter().flat_map(|grant| &grant.interfaces);
        now.iter().chain(promised.filter(move |one| !names.contains(&one.sliver_id)))
    }

    /// What it is, and what it is to become.
    pub(crate) fn grants(self) -> impl Iterator<Item = &'a NodeGrant> {
        std::iter::once(self.grant).chain(self.pending)
    }

    /// The number of the next interface: one that no interface of the node ever bore.
    fn next_interface(self) -> usize {
        let ever = self.grants().map(|grant| grant.interfaces_ever).max().unwrap_or(0);
        self.interfaces().filter_map(interface_number).map(|number| number + 1).max().unwrap_or(0).max(ever)
    }
}

impl<'a> Placement<'a> {
    /// A placement on what was free when `held` was read.
    #[must_use]
    pub fn new(
        inventory: &'a Inventory,
        authority: &'a Authority,
        held: &'a Ledger,
        vlans: RangeInclusive<u16>,
    ) -> Self {
        Self {
            inventory,
            authority,
            held,
            vlans,
            taken: HashMap::new(),
            released: HashMap::new(),
            groups: Groups::default(),
            wanted_tags: HashSet::new(),
        }
    }

    /// Counts as free what a sliver of the slice will let go in the same transaction.
    pub fn release(&mut self, claims: &[Claim]) {
        for claim in claims {
            *self.released.entry(claim.resource.clone()).or_default() += u64::from(claim.amount);
        }
    }

    /// Takes a [`Placement::release`] back: the sliver keeps what it has after all.
    pub fn keep(&mut self, claims: &[Claim]) {
        for claim in claims {
            *self.taken.entry(claim.resource.clone()).or_default() += u64::from(claim.amount);
        }
    }

    /// Decides where and as what `node` lives. What the request does not mention stays as it is `kept`: the component,
    /// the sliver type, the image; and interfaces keep their names and addresses. Of several sliver types, images or
    /// hardware types the first counts that can be had, but a node keeps the one it has if it is among them.
    ///
    /// # Errors
    /// A name that is not known here (geni_code 1, or 12 for a component or hardware type), a wish that cannot be met
    /// (7), or not enough room (6).
    pub fn node(
        &mut self,
        node: &Node,
        sliver: &Urn,
        kept: Option<Existing<'_>>,
    ) -> Result<Configuration, CallError> {
        let has = kept.map(|kept| kept.grant);
        let component = match self.demanded(node, has)? {
            Some(component) => component,
            None => self.choose(node, sliver)?,
        };
        let stays = has.is_some_and(|has| has.component_id == component.urn.as_str());
        self.check_hardware(node, component, kept)?;
        self.groups.check(node, component)?;
        if !stays {
            self.check_free(node, component)?;
        }
        let offer = &self.inventory.offers[component.offer];
        let choice = self.choice(node, component, has)?;
        let (volumes, volumes_ever) = volumes::grant(node, self.inventory, component, kept)?;
        let (interfaces, interfaces_ever) = self.interfaces(node, sliver, component, kept)?;
        let grant = NodeGrant {
            driver: offer.cloud.name.clone(),
            realm: component.realm.id.clone(),
            profile: choice.found.profile.id.clone(),
            image: choice.image.id.clone(),
            component_id: component.urn.as_str().to_owned(),
            component_name: component.name.clone(),
            exclusive: component.realm.exclusive,
            sliver_type: choice.found.name,
            disk_image: self.inventory.image_urn(choice.image),
            asked_image: choice.asked_image,
            hardware_type: component.realm.hardware_type.clone(),
            interfaces,
            interfaces_ever,
            volumes,
            volumes_ever,
            users: has.map(|has| has.users.clone()).unwrap_or_default(),
            preserve: None,
        };
        // What an instance could not be told later is refused now, while nothing has happened.
        crate::grant::built::user_data(node, &grant).map_err(|error| {
            CallError::bad_arguments(format!("node {:?} ({}): {error}", node.client_id, node.position))
        })?;
        let storage = volumes::claim(&grant);
        if let Some(storage) = &storage {
            self.take_storage(node, storage, kept)?;
        }
        if !stays {
            *self.taken.entry(component.resource.clone()).or_default() += 1;
        }
        self.groups.settle(node, component);
        let instance = Claim { resource: component.resource.clone(), amount: 1 };
        let claims = std::iter::once(instance).chain(storage).collect();
        Ok(Configuration::new(
            node.client_id.clone(),
            node.fragment(),
            Grant::Node(Box::new(grant)).to_detail(),
            claims,
        ))
    }

    /// The component that the node asks for or stands on; None where the choice is the aggregate's. A component_id
    /// counts before a component_name, and naming what it has is no demand: so a manifest can be sent back with another
    /// component_id alone.
    fn demanded(&self, node: &Node, has: Option<&NodeGrant>) -> Result<Option<&'a Component>, CallError> {
        let is_news = |name: &&str| has.is_none_or(|has| has.component_name != *name);
        let name = node.component_name.as_deref().filter(|name| !name.is_empty()).filter(is_news);
        let component = match (node.component_id.as_deref(), name, has) {
            (Some(id), name, _) => {
                let component = self.named(node, id)?;
                if let Some(name) = name
                    && self.inventory.component(name).is_none_or(|other| other.urn != component.urn)
                {
                    return Err(CallError::bad_arguments(format!(
                        "node {:?} ({}): component_id names component {} and component_name {name:?} another one; give one of them",
                        node.client_id, node.position, component.name
                    )));
                }
                component
            }
            (None, Some(name), _) => self.named(node, name)?,
            (None, None, Some(has)) => self.named(node, &has.component_id)?,
            (None, None, None) => match self.groups.component(node) {
                Some(together) => self.named(node, together.urn.as_str())?,
                None => return Ok(None),
            },
        };
        Ok(Some(component))
    }

    /// Notes which nodes of the call shall stand on one component (`colocate`), before any of them is placed.
    pub fn gather<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>) {
        for node in nodes {
            let named = node.component_id.as_deref().or(node.component_name.as_deref());
            self.groups.expect(node, named.and_then(|name| self.inventory.component(name)));
        }
    }

    /// Notes that a node of the call stays where it is.
    ///
    /// # Errors
    /// As [`Placement::node`]: those that it shall stand together with are elsewhere.
    pub fn stays(&mut self, node: &Node, has: &NodeGrant) -> Result<(), CallError> {
        if let Some(component) = self.inventory.component(&has.component_id) {
            self.groups.check(node, component)?;
            self.groups.settle(node, component);
        }
        Ok(())
    }

    fn named(&self, node: &Node, id: &str) -> Result<&'a Component, CallError> {
        let component = self.inventory.component(id).ok_or_else(|| {
            CallError::search_failed(format!(
                "node {:?} ({}): this aggregate has no component {id:?}; ListResources shows those it has{}",
                node.client_id,
                node.position,
                self.unheard().map(|unheard| format!("; {unheard}")).unwrap_or_default()
            ))
        })?;
        if node.exclusive == Some(true) && !component.realm.exclusive {
            return Err(refused(
                node,
                format!("component {} is shared and cannot be had exclusively", component.name),
            ));
        }
        Ok(component)
    }

    fn free(&self, component: &Component) -> u64 {
        if component.realm.state != drivers::RealmState::Available {
            return 0;
        }
        self.free_of(&component.resource)
    }

    fn free_of(&self, resource: &str) -> u64 {
        let free = self.held.get(resource).map_or(0, |share| share.free());
        let released = self.released.get(resource).copied().unwrap_or(0);
        (free + released).saturating_sub(self.taken.get(resource).copied().unwrap_or(0))
    }

    /// Takes what a node's volumes need beyond what the sliver holds for them already.
    fn take_storage(
        &mut self,
        node: &Node,
        claim: &Claim,
        kept: Option<Existing<'_>>,
    ) -> Result<(), CallError> {
        let held = kept.and_then(|kept| kept.held.get(claim.resource.as_str())).copied().unwrap_or(0);
        let more = u64::from(claim.amount).saturating_sub(held);
        let free = self.free_of(&claim.resource);
        if more > free {
            return Err(CallError::new(
                GeniCode::TooBig,
                format!(
                    "node {:?} ({}): its volumes need {more} GB, and {free} GB are left for volumes there",
                    node.client_id, node.position
                ),
            ));
        }
        *self.taken.entry(claim.resource.clone()).or_default() += more;
        Ok(())
    }

    fn check_free(&self, node: &Node, component: &Component) -> Result<(), CallError> {
        if self.free(component) > 0 {
            return Ok(());
        }
        Err(CallError::new(
            GeniCode::TooBig,
            format!(
                "node {:?} ({}): component {} has no room left",
                node.client_id, node.position, component.name
            ),
        ))
    }

    /// The component with most room that fits what the node prefers. Shared ones come first unless the request wants
    /// one for itself; an exclusive one may be granted in place of a shared one, and the manifest then says so.
    fn choose(&self, node: &Node, sliver: &Urn) -> Result<&'a Component, CallError> {
        let known = |offer| !self.known_types(node, offer, None).is_empty();
        if !self.inventory.offers.iter().any(known) {
            return Err(self.unknown_sliver_type(node));
        }
        self.check_hardware_is_known(node)?;
        let components = &self.inventory.components;
        let has_volumes = node.volumes.as_ref().is_ok_and(|volumes| !volumes.is_empty());
        let gives_volumes = |offer| !has_volumes || self.inventory.gives_volumes(offer);
        if !self.inventory.offers.iter().any(gives_volumes) {
            return Err(volumes::not_given(node, "this aggregate's drivers cannot"));
        }
        let needed = volumes::size_of(node);
        let offers: Vec<Offered<'_>> = self
            .inventory
            .offers
            .iter()
            .map(|offer| Offered {
                choices: if gives_volumes(offer) { self.choices(node, offer, None) } else { Vec::new() },
                stores: needed == 0 || self.free_of(&volumes_resource(&offer.cloud.name)) >= needed,
            })
            .collect();
        let members = self.groups.members(node);
        // Callers at the same moment begin at different places, so that they do not all choose the same one.
        let [high, low, ..] = digest(sliver.as_str());
        let start = usize::from(u16::from_be_bytes([high, low])) * components.len() / (1 << 16);
        let (before, after) = components.split_at(start);
        let mut best: Option<(Rank, &Component)> = None;
        let (mut any, mut with_room) = (false, 0);
        for component in after.iter().chain(before) {
            if with_room == ENOUGH {
                break;
            }
            let offered = &offers[component.offer];
            let Some(preference) = preference(node, component, &offered.choices) else { continue };
            any = true;
            let free = self.free(component);
            let shared = !component.realm.exclusive;
            // Without room for its volumes it is the last choice of its kind: all that it is good for is to say what is
            // missing.
            let rank = (Reverse(preference), offered.stores, shared, free);
            if free >= members && best.is_none_or(|(most, _)| rank > most) {
                best = Some((rank, component));
            }
            // Those that are only a second choice never end the search.
            let first_choice = preference == (0, 0) && (shared || node.exclusive == Some(true));
            if free >= members && offered.stores && first_choice {
                with_room += 1;
            }
        }
        match best {
            Some((_, component)) => Ok(component),
            None if any => Err(self.no_room(node, members)),
            None => Err(self.nothing_fits(node)),
        }
    }

    fn no_room(&self, node: &Node, members: u64) -> CallError {
        let placed: u64 =
            self.taken.iter().filter(|(name, _)| name.starts_with("node/")).map(|(_, taken)| taken).sum();
        let what = match (members, &node.colocate) {
            (2.., Some(group)) => format!("any component for the {members} nodes with colocate {group:?}"),
            _ => "any component that could take it".to_owned(),
        };
        CallError::new(
            GeniCode::TooBig,
            format!(
                "node {:?} ({}): no room is left on {what}; this call could place {placed} nodes before it",
                node.client_id, node.position
            ),
        )
    }

    /// The drivers that never said what they have, with the reason where it is known. Any of them may have what no
    /// other driver has.
    fn unheard(&self) -> Option<String> {
        let unheard = self.inventory.offers.iter().filter(|offer| !offer.heard);
        let said: Vec<String> = unheard
            .map(|offer| {
                let why =
                    offer.cloud.breaker.outage().map(|outage| format!(": it {outage}")).unwrap_or_default();
                format!("driver {} has not said yet what it has{why}", offer.cloud.name)
            })
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// The refusal of a name that no driver knows, or of one that a driver not heard from may know (14).
    fn unknown(&self, code: GeniCode, node: &Node, what: &str, there_are: &[String]) -> CallError {
        let place = format!("node {:?} ({})", node.client_id, node.position);
        match self.unheard() {
            Some(unheard) => CallError::new(
                GeniCode::Busy,
                format!(
                    "{place}: {what} is not known here yet, try again later: {unheard}; known so far: {}",
                    listed(there_are)
                ),
            ),
            None => CallError::new(
                code,
                format!("{place}: {what} is not known here; there are {}", listed(there_are)),
            ),
        }
    }
}

fn interface_number(interface: &InterfaceGrant) -> Option<usize> {
    interface.sliver_id.as_str().rsplit_once(".if").and_then(|(_, number)| number.parse().ok())
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn refused(node: &Node, why: String) -> CallError {
    CallError::new(GeniCode::Refused, format!("node {:?} ({}): {why}", node.client_id, node.position))
}

/// Names for a message.
pub(crate) fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut text = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(&format!(" and {} more", names.len() - LISTED));
    }
    text
}

#[cfg(test)]
mod tests;
