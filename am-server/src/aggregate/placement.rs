//! Placement: from what a request asks for to the configurations that slivers are granted.
//!
//! A node that names a component goes there or nowhere; any other goes where most is free, of the components that are
//! looked at: all of them in a small aggregate, some with room in a large one. What the
//! experimenter left open (sliver type, image, interfaces' addresses) is decided here and written into the
//! grant, so that the manifest can say it. Placement only proposes: whether the capacity is really there is
//! for the ledger to say when the transaction is saved, and a caller that loses that race places again.

use super::error::{CallError, GeniCode};
use super::grant::{Grant, InterfaceGrant, LinkGrant, NodeGrant};
use super::inventory::{
    Component, FoundType, Inventory, Offer, interface_urn, vlan_resource, volumes_resource,
};
use super::volumes;
use rspec::{Interface, Link, Node};
use sha2::{Digest, Sha256};
use state::{Claim, Configuration, Ledger};
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use urn::{Authority, Urn};

/// Components with room that are compared before the best of them is taken: enough to spread slivers well, however
/// many thousands there are.
const ENOUGH: usize = 64;
/// How many names a message lists before it says how many more there are.
const LISTED: usize = 20;

/// Places the resources of one call, counting what it has already given out.
pub struct Placement<'a> {
    inventory: &'a Inventory,
    authority: &'a Authority,
    held: &'a Ledger,
    vlans: RangeInclusive<u16>,
    taken: HashMap<String, u64>,
    released: HashMap<String, u64>,
}

/// What a sliver has already, for a placement that changes it.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// What it is now; a node stays where this says unless the request names another component.
    pub grant: &'a NodeGrant,
    /// Where a change that is pending already would put it.
    pub pending: Option<&'a NodeGrant>,
    /// What it holds, by resource, but for what the placement was told to count as free ([`Placement::release`]).
    pub held: &'a BTreeMap<&'a str, u64>,
}

impl<'a> Kept<'a> {
    /// The interfaces it has or was promised: their names and hardware addresses stay theirs.
    fn interfaces(self) -> impl Iterator<Item = &'a InterfaceGrant> {
        let now = &self.grant.interfaces;
        let promised = self.pending.into_iter().flat_map(|grant| &grant.interfaces);
        now.iter().chain(promised.filter(move |one| now.iter().all(|other| other.sliver_id != one.sliver_id)))
    }

    /// What it is, and what it is to become.
    pub(super) fn grants(self) -> impl Iterator<Item = &'a NodeGrant> {
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
        Self { inventory, authority, held, vlans, taken: HashMap::new(), released: HashMap::new() }
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
    /// the sliver type, the image; and interfaces keep their names and addresses.
    ///
    /// # Errors
    /// A name that is not known here (geni_code 1, or 12 for a component), a wish that cannot be met (7), or not
    /// enough room (6).
    pub fn node(
        &mut self,
        node: &Node,
        sliver: &Urn,
        kept: Option<Kept<'_>>,
    ) -> Result<Configuration, CallError> {
        let has = kept.map(|kept| kept.grant);
        let component = match (node.component_id.as_deref(), has) {
            (Some(id), _) => self.named(node, id)?,
            (None, Some(has)) => self.named(node, &has.component_id)?,
            (None, None) => self.choose(node, sliver)?,
        };
        let stays = has.is_some_and(|has| has.component_id == component.urn.as_str());
        if !stays {
            self.check_free(node, component)?;
        }
        let offer = &self.inventory.offers[component.offer];
        let found = self.sliver_type(node, component, offer, has)?;
        let image = self.image(node, offer, &found, has)?;
        let (volumes, volumes_ever) = volumes::grant(node, self.inventory, component, kept)?;
        let (interfaces, interfaces_ever) = self.interfaces(&node.interfaces, sliver, component, kept);
        let grant = NodeGrant {
            driver: offer.cloud.name.clone(),
            realm: component.realm.id.clone(),
            profile: found.profile.id.clone(),
            image: image.id.clone(),
            component_id: component.urn.as_str().to_owned(),
            component_name: component.name.clone(),
            exclusive: component.realm.exclusive,
            sliver_type: found.name,
            disk_image: self.inventory.image_urn(image),
            hardware_type: component.realm.hardware_type.clone(),
            interfaces,
            interfaces_ever,
            volumes,
            volumes_ever,
            users: has.map(|has| has.users.clone()).unwrap_or_default(),
            preserve: None,
        };
        // What an instance could not be told later is refused now, while nothing has happened.
        crate::plan::user_data(node, &grant).map_err(|error| {
            CallError::bad_arguments(format!("node {:?} ({}): {error}", node.client_id, node.position))
        })?;
        let storage = volumes::claim(&grant);
        if let Some(storage) = &storage {
            self.take_storage(node, storage, kept)?;
        }
        if !stays {
            *self.taken.entry(component.resource.clone()).or_default() += 1;
        }
        let instance = Claim { resource: component.resource.clone(), amount: 1 };
        let claims = std::iter::once(instance).chain(storage).collect();
        Ok(Configuration::new(
            node.client_id.clone(),
            node.fragment(),
            Grant::Node(Box::new(grant)).to_detail(),
            claims,
        ))
    }

    /// Gives `link` a VLAN tag. `ends` are the interfaces of ours by client_id; `kept` is what the sliver has
    /// already.
    ///
    /// # Errors
    /// No tag is free (geni_code 24).
    pub fn link(
        &mut self,
        link: &Link,
        sliver: &Urn,
        ends: &HashMap<String, InterfaceGrant>,
        kept: Option<&LinkGrant>,
    ) -> Result<Configuration, CallError> {
        let vlan = match kept {
            Some(kept) => kept.vlan,
            None => self.free_vlan(link, sliver)?,
        };
        self.taken.insert(vlan_resource(vlan), 1);
        let ends = link.interface_refs.iter().filter_map(|end| ends.get(&end.client_id).cloned()).collect();
        let grant = Grant::Link(LinkGrant { vlan, ends, preserve: None });
        let claims = vec![Claim { resource: vlan_resource(vlan), amount: 1 }];
        Ok(Configuration::new(link.client_id.clone(), link.fragment(), grant.to_detail(), claims))
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
    fn take_storage(&mut self, node: &Node, claim: &Claim, kept: Option<Kept<'_>>) -> Result<(), CallError> {
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

    /// The component with most room that fits. Shared ones come first unless the request wants one for itself; an
    /// exclusive one may be granted in place of a shared one, and the manifest then says so.
    fn choose(&self, node: &Node, sliver: &Urn) -> Result<&'a Component, CallError> {
        let asked = node.sliver_type.as_ref().map(|wanted| wanted.name.as_str());
        if self.inventory.offers.iter().all(|offer| self.inventory.sliver_type(offer, asked).is_none()) {
            return Err(self.unknown_sliver_type(node));
        }
        let components = &self.inventory.components;
        let has_volumes = node.volumes.as_ref().is_ok_and(|volumes| !volumes.is_empty());
        let gives_volumes = |offer| !has_volumes || self.inventory.gives_volumes(offer);
        if !self.inventory.offers.iter().any(gives_volumes) {
            return Err(volumes::not_given(node, "this aggregate's drivers cannot"));
        }
        let needed = volumes::size_of(node);
        let has_storage: Vec<bool> = self
            .inventory
            .offers
            .iter()
            .map(|offer| needed == 0 || self.free_of(&volumes_resource(&offer.cloud.name)) >= needed)
            .collect();
        let fits = |component: &Component| {
            let offer = &self.inventory.offers[component.offer];
            if !gives_volumes(offer) {
                return false;
            }
            (node.exclusive != Some(true) || component.realm.exclusive)
                && self.inventory.sliver_type(offer, asked).is_some_and(|found| {
                    component.realm.offers(&found.profile.id)
                        && self.inventory.image(offer, found.profile, wanted_image(node)).is_some()
                })
        };
        // Callers at the same moment begin at different places, so that they do not all choose the same one.
        let [high, low, ..] = digest(sliver.as_str());
        let start = usize::from(u16::from_be_bytes([high, low])) * components.len() / (1 << 16);
        let (before, after) = components.split_at(start);
        let mut best: Option<((bool, bool, u64), &Component)> = None;
        let (mut any, mut with_room) = (false, 0);
        for component in after.iter().chain(before) {
            if with_room == ENOUGH {
                break;
            }
            if !fits(component) {
                continue;
            }
            any = true;
            let free = self.free(component);
            let shared = !component.realm.exclusive;
            // Without room for its volumes it is the last choice: all that it is good for is to say what is missing.
            let stores = has_storage[component.offer];
            let rank = (stores, shared, free);
            if free > 0 && best.is_none_or(|(most, _)| rank > most) {
                best = Some((rank, component));
            }
            // Those that are only a second choice never end the search.
            if free > 0 && stores && (shared || node.exclusive == Some(true)) {
                with_room += 1;
            }
        }
        match best {
            Some((_, component)) => Ok(component),
            None if any => Err(CallError::new(
                GeniCode::TooBig,
                format!(
                    "node {:?} ({}): no room is left on any component that could take it; this call could place {} nodes before it",
                    node.client_id,
                    node.position,
                    self.taken
                        .keys()
                        .filter(|name| name.starts_with("node/"))
                        .map(|name| self.taken[name])
                        .sum::<u64>()
                ),
            )),
            None => {
                // The image decides where the sliver type alone did not.
                for offer in &self.inventory.offers {
                    if let Some(found) = self.inventory.sliver_type(offer, asked) {
                        self.image(node, offer, &found, None)?;
                    }
                }
                Err(refused(
                    node,
                    match node.exclusive {
                        Some(true) => "no component can be had exclusively with this sliver type".to_owned(),
                        _ => "no component offers this sliver type".to_owned(),
                    },
                ))
            }
        }
    }

    fn sliver_type<'i>(
        &'i self,
        node: &Node,
        component: &Component,
        offer: &'i Offer,
        has: Option<&NodeGrant>,
    ) -> Result<FoundType<'i>, CallError> {
        let asked = node.sliver_type.as_ref().map(|wanted| wanted.name.as_str());
        let asked = asked.or(has.map(|has| has.sliver_type.as_str()));
        let found = self.inventory.sliver_type(offer, asked).ok_or_else(|| self.unknown_sliver_type(node))?;
        if component.realm.offers(&found.profile.id) {
            Ok(found)
        } else {
            Err(refused(
                node,
                format!(
                    "component {} does not offer sliver type {:?}; it offers {}",
                    component.name,
                    found.name,
                    listed(&component.realm.hardware_profiles)
                ),
            ))
        }
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
    fn unknown(&self, node: &Node, what: &str, there_are: &[String]) -> CallError {
        let place = format!("node {:?} ({})", node.client_id, node.position);
        match self.unheard() {
            Some(unheard) => CallError::new(
                GeniCode::Busy,
                format!(
                    "{place}: {what} is not known here yet, try again later: {unheard}; known so far: {}",
                    listed(there_are)
                ),
            ),
            None => CallError::bad_arguments(format!(
                "{place}: {what} is not known here; there are {}",
                listed(there_are)
            )),
        }
    }

    fn unknown_sliver_type(&self, node: &Node) -> CallError {
        let asked = node.sliver_type.as_ref().map(|wanted| wanted.name.as_str());
        let what = match asked {
            Some(asked) => format!("sliver type {asked:?}"),
            None => "a sliver type for nodes that name none".to_owned(),
        };
        self.unknown(node, &what, &self.inventory.sliver_type_names())
    }

    fn image<'i>(
        &self,
        node: &Node,
        offer: &'i Offer,
        found: &FoundType<'_>,
        has: Option<&NodeGrant>,
    ) -> Result<&'i drivers::Image, CallError> {
        let asked = wanted_image(node);
        // One it has and was not asked to keep gives way where the new profile or driver does not have it.
        if let (None, Some(has)) = (asked, has)
            && let Some(image) = self.inventory.image(offer, found.profile, Some(&has.disk_image))
        {
            return Ok(image);
        }
        self.inventory.image(offer, found.profile, asked).ok_or_else(|| match asked {
            Some(name) => {
                let what = format!("disk image {name:?} for sliver type {:?}", found.name);
                self.unknown(node, &what, &self.inventory.image_names())
            }
            None => refused(node, format!("there is no disk image for sliver type {:?}", found.name)),
        })
    }

    /// The interfaces of a node, and the number of the next one.
    fn interfaces(
        &self,
        asked: &[Interface],
        sliver: &Urn,
        component: &Component,
        kept: Option<Kept<'_>>,
    ) -> (Vec<InterfaceGrant>, usize) {
        let known: Vec<&InterfaceGrant> = kept.iter().flat_map(|kept| kept.interfaces()).collect();
        let mut next = kept.map_or(0, Kept::next_interface);
        let mut taken = vec![false; known.len()];
        // By sliver_id first, so that an interface cannot be taken for another one whose name it was given.
        let mut pairs: Vec<Option<usize>> = asked
            .iter()
            .map(|one| {
                let found = known.iter().position(|own| one.sliver_id.as_ref() == Some(&own.sliver_id));
                found.filter(|at| !std::mem::replace(&mut taken[*at], true))
            })
            .collect();
        for (pair, one) in pairs.iter_mut().zip(asked).filter(|(pair, _)| pair.is_none()) {
            let named = |own: &&InterfaceGrant| own.client_id == one.client_id;
            *pair = known.iter().position(named).filter(|at| !std::mem::replace(&mut taken[*at], true));
        }
        let grants = asked
            .iter()
            .zip(pairs)
            .map(|(one, pair)| match pair.and_then(|at| known.get(at)) {
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
            })
            .collect();
        (grants, next)
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

    fn free_vlan(&self, link: &Link, sliver: &Urn) -> Result<u16, CallError> {
        let hash = digest(sliver.as_str());
        let (first, last) = (*self.vlans.start(), *self.vlans.end());
        let count = last - first + 1;
        let start = u16::from_be_bytes([hash[0], hash[1]]) % count;
        (0..count)
            .map(|step| first + (start + step) % count)
            .find(|tag| {
                let resource = vlan_resource(*tag);
                !self.taken.contains_key(&resource)
                    && self.held.get(&resource).is_some_and(|share| share.free() > 0)
            })
            .ok_or_else(|| {
                CallError::new(
                    GeniCode::VlanUnavailable,
                    format!(
                        "link {:?} ({}): none of the {count} VLAN tags is free",
                        link.client_id, link.position
                    ),
                )
            })
    }
}

fn wanted_image(node: &Node) -> Option<&str> {
    node.sliver_type.as_ref().and_then(|wanted| wanted.disk_images.first()).map(|image| image.name.as_str())
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
pub(super) fn listed(names: &[String]) -> String {
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
