//! What an Update's request makes of a slice, worked out before anything is written.

use crate::aggregate::manifest::granted_link;
use crate::aggregate::{Aggregate, by_name, demands};
use crate::error::{CallError, GeniCode, refused, unreadable};
use crate::grant::built::{Built, user_data};
use crate::grant::instance::InstanceDetail;
use crate::grant::{Grant, LinkGrant, NodeGrant};
use crate::inventory::Inventory;
use crate::placement::endpoints::{Endpoints, Unnamed};
use crate::placement::volumes;
use crate::placement::{Existing, Placement};
use crate::plan::Change;
use rspec::compare::{LinkChange, link_changes, node_changes};
use rspec::{Guarantee, Link, Node, Request};
use state::{
    Call, Claim, Configuration, Ledger, NewSliver, Phase, Proposal, Refusal, ResourceKind, Selection, Slice,
    Sliver, View, sliver_holdings,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use urn::Urn;

/// The request, made out against the slice.
pub(super) struct Proposed {
    /// What becomes of each sliver that the request describes.
    pub(super) changes: BTreeMap<Urn, Proposal>,
    /// What is new.
    pub(super) new: Vec<NewSliver>,
    /// What the request holds besides slivers of ours, if anything.
    pub(super) frame: Option<String>,
}

impl Aggregate {
    /// What `asked` makes of the slice. Nodes come first, so that links find their interfaces; known ones before
    /// new ones, so that a new one never gets what a known one asks for.
    ///
    /// # Errors
    /// What is wrong with the request as a whole; what is wrong with one sliver's change is in its proposal.
    pub(super) fn propose(
        &self,
        asked: &Request,
        selection: &Selection,
        best_effort: bool,
        slice: &Slice,
        held: &Ledger,
    ) -> Result<Proposed, CallError> {
        slice.check_not_shut_down().map_err(refused)?;
        let now = self.now();
        let named: Option<HashSet<&Urn>> = match selection {
            Selection::Slice => None,
            Selection::Slivers(urns) => Some(urns.iter().collect()),
        };
        let is_named = |urn: &Urn| named.as_ref().is_none_or(|named| named.contains(urn));
        let mut live = by_name(slice);
        live.retain(|_, sliver| slice.shutdown.is_some() || sliver.expires > now);
        self.check_named(selection, best_effort, slice, &live)?;

        let mut ends =
            Endpoints::of(self.authority(), asked, slice.live(now), is_named, Unnamed::MayBeMeant)?;
        let local = asked.local_with(self.authority(), |client_id| ends.is_known(client_id));
        if live.is_empty() {
            self.check_asked(asked, &local)?;
        }
        self.check_size(&local)?;
        self.check_wishes(asked, &local)?;
        let described: HashMap<&Urn, Option<&Node>> = local
            .nodes
            .iter()
            .map(|node| (node.sliver_id.as_ref(), Some(*node)))
            .chain(local.links.iter().map(|link| (link.sliver_id.as_ref(), None)))
            .filter_map(|(urn, node)| urn.map(|urn| (urn, node)))
            .filter(|(urn, _)| live.contains_key(urn))
            .collect();
        if let Some(stray) = described.keys().copied().find(|urn| !is_named(urn)) {
            return Err(refused(Refusal::NotListed { sliver: stray.clone() }));
        }

        let inventory = self.inventory();
        let mut placement = Placement::new(&inventory, self.authority(), held, self.config().vlans());
        placement.gather(local.nodes.iter().copied());
        let is_new = |urn: &Option<Urn>| urn.as_ref().is_none_or(|urn| !live.contains_key(urn));
        placement.reserve(local.links.iter().copied().filter(|link| is_new(&link.sliver_id)));
        for sliver in live.values().filter(|sliver| is_named(&sliver.urn)) {
            placement.release(&let_go(&inventory, sliver, described.get(&sliver.urn).copied())?);
        }
        let mut changes = BTreeMap::new();
        for node in &local.nodes {
            let Some(sliver) = node.sliver_id.as_ref().and_then(|urn| live.get(urn)) else { continue };
            let released = let_go(&inventory, sliver, Some(Some(node)))?;
            let held = still_held(sliver, &released);
            let proposal = self.propose_node(node, sliver, &held, &ends, &mut placement, best_effort)?;
            match &proposal {
                Proposal::Configuration(configuration) => ends.add(configuration)?,
                Proposal::Refused { .. } => {
                    placement.keep(&released);
                    if let Some(stays) = sliver.configuration(View::Future) {
                        ends.add(stays)?;
                    }
                }
            }
            changes.insert(sliver.urn.clone(), proposal);
        }
        let mut new = Vec::new();
        for node in local.nodes.iter().filter(|node| is_new(&node.sliver_id)) {
            let urn = self.new_sliver_urn()?;
            let configuration = placement.node(node, &urn, None)?;
            ends.add(&configuration)?;
            new.push(NewSliver { urn, resource: ResourceKind::Node, configuration });
        }
        for link in &local.links {
            if let Some(sliver) = link.sliver_id.as_ref().and_then(|urn| live.get(urn)) {
                let proposal = self.propose_link(link, sliver, &ends, &mut placement, best_effort)?;
                changes.insert(sliver.urn.clone(), proposal);
            } else {
                ends.check(link, None)?;
                demands::check_link_type(link)?;
                let urn = self.new_sliver_urn()?;
                let configuration = placement.link(link, &urn, &ends.present, None)?;
                new.push(NewSliver { urn, resource: ResourceKind::Link, configuration });
            }
        }
        let frame = asked.frame_with(self.authority(), |client_id| ends.is_known(client_id));
        let frame = (!frame.is_empty()).then(|| frame.to_string());
        Ok(Proposed { changes, new, frame })
    }

    /// Refuses a list of URNs that cannot be worked with, before anything is placed for it.
    fn check_named(
        &self,
        selection: &Selection,
        best_effort: bool,
        slice: &Slice,
        live: &HashMap<&Urn, &Sliver>,
    ) -> Result<(), CallError> {
        let Selection::Slivers(urns) = selection else { return Ok(()) };
        if let Some(unknown) = urns.iter().find(|urn| !best_effort && !live.contains_key(urn)) {
            return Err(refused(Refusal::UnknownSliver { sliver: unknown.clone() }));
        }
        if self.policy().single_allocation {
            let named: HashSet<&Urn> = urns.iter().collect();
            let missing: Vec<Urn> = slice
                .live(self.now())
                .map(|sliver| &sliver.urn)
                .filter(|urn| !named.contains(urn))
                .cloned()
                .collect();
            if !missing.is_empty() {
                return Err(refused(Refusal::PartialSet { call: Call::Update, missing }));
            }
        }
        Ok(())
    }

    /// What a described node becomes, with the promise of what its instance keeps. `held` is what the call has not let
    /// go of what it has.
    fn propose_node(
        &self,
        node: &Node,
        sliver: &Sliver,
        held: &BTreeMap<&str, u64>,
        ends: &Endpoints<'_>,
        placement: &mut Placement<'_>,
        best_effort: bool,
    ) -> Result<Proposal, CallError> {
        let (current, Grant::Node(has)) = current(sliver)? else {
            return Err(wrong_kind(sliver, "node", node.position));
        };
        let before = Node::from_fragment(&current.rspec).map_err(|error| unreadable(&error))?;
        let unchanged = node_changes(&before, Some(&self.granted_node(sliver, &has)), node).is_empty();
        let mut configuration = if unchanged {
            // The experimenter's own words and all that was granted, whatever the inventory says by now.
            placement.stays(node, &has)?;
            Configuration { frame: None, ..current.clone() }
        } else {
            let pending = pending_node(sliver)?;
            let kept = Existing { grant: &has, pending: pending.as_deref(), held };
            match placement.node(node, &sliver.urn, Some(kept)) {
                Ok(configuration) => configuration,
                // Without best effort it is the whole call's error: what has expired may yet make room for it.
                Err(error) if !best_effort => return Err(error),
                Err(error) => {
                    return Ok(Proposal::Refused { code: error.geni_code(), reason: error.to_string() });
                }
            }
        };
        let Grant::Node(mut grant) = grant_of(&configuration)? else {
            return Err(wrong_kind(sliver, "node", node.position));
        };
        let promised = match sliver.configuration(View::Future).map(|it| grant_of(it)).transpose()? {
            Some(Grant::Node(future)) => future.interfaces,
            _ => Vec::new(),
        };
        if let Some((interface, link)) = ends.altered(&promised, &grant.interfaces) {
            return Ok(beyond(sliver, &interface.client_id, link));
        }
        grant.preserve = match sliver.granted() {
            Some(_) => {
                let from = built(&before, &has)?;
                let to = if unchanged { from.clone() } else { built(node, &grant)? };
                Some(self.guarantee(sliver, &from, &to).min(volumes::guarantee(&has, &grant)))
            }
            None => None,
        };
        configuration.detail = Grant::Node(grant).to_detail();
        Ok(Proposal::Configuration(configuration))
    }

    /// What of a node's instance survives when `to` is put in place: planned from what was `granted`, and from what
    /// the instance is, should that not be there yet.
    fn guarantee(&self, sliver: &Sliver, granted: &Built, to: &Built) -> Guarantee {
        let inventory = self.inventory();
        let planned = |from: &Built| match inventory.cloud(&from.driver) {
            Some(cloud) => {
                let driver = &cloud.driver;
                Change::plan(from, to, driver.capabilities(), driver.instance_states()).guarantee()
            }
            None => Guarantee::None,
        };
        let mut guarantee = planned(granted);
        if let Some(instance) = &sliver.instance {
            if instance.phase == Phase::Failed {
                return Guarantee::None;
            }
            if let Some(noted) = InstanceDetail::of(sliver) {
                guarantee = guarantee.min(planned(&noted.built));
                if noted.reboot_due {
                    guarantee = guarantee.min(Guarantee::PersistentState);
                }
            }
        }
        guarantee
    }

    /// What a described link becomes.
    fn propose_link(
        &self,
        link: &Link,
        sliver: &Sliver,
        ends: &Endpoints<'_>,
        placement: &mut Placement<'_>,
        best_effort: bool,
    ) -> Result<Proposal, CallError> {
        let (current, Grant::Link(has)) = current(sliver)? else {
            return Err(wrong_kind(sliver, "link", link.position));
        };
        let before = Link::from_fragment(&current.rspec).map_err(|error| unreadable(&error))?;
        if let Err(error) = ends.check(link, Some(&before)) {
            return match error.code() {
                GeniCode::Unsupported => {
                    Ok(Proposal::Refused { code: error.geni_code(), reason: error.to_string() })
                }
                _ => Err(error),
            };
        }
        let changes = link_changes(&before, Some(&granted_link(sliver, &before, &has, &has.ends)), link);
        let said = if changes.is_empty() { &before } else { link };
        let has_new_type = changes.iter().any(|change| matches!(change, LinkChange::Types { .. }));
        let fits = if has_new_type { demands::check_link_type(link) } else { Ok(()) };
        let placed = fits.and_then(|()| placement.link(said, &sliver.urn, &ends.present, Some(&has)));
        let mut configuration = match placed {
            Ok(configuration) => configuration,
            Err(error) if !best_effort => return Err(error),
            Err(error) => {
                return Ok(Proposal::Refused { code: error.geni_code(), reason: error.to_string() });
            }
        };
        if sliver.granted().is_some()
            && let Grant::Link(grant) = grant_of(&configuration)?
        {
            let preserve = Some(link_guarantee(&changes, &has, &grant));
            configuration.detail = Grant::Link(LinkGrant { preserve, ..grant }).to_detail();
        }
        Ok(Proposal::Configuration(configuration))
    }
}

/// What the instance of a node is built as.
fn built(node: &Node, grant: &NodeGrant) -> Result<Built, CallError> {
    let data = user_data(node, grant).map_err(|error| {
        CallError::bad_arguments(format!("node {:?} ({}): {error}", node.client_id, node.position))
    })?;
    Ok(Built::of(grant, &data))
}

/// What a sliver is now: as it was granted, whatever is pending; an allocated one, as it was allocated.
fn current(sliver: &Sliver) -> Result<(&Configuration, Grant), CallError> {
    let now = sliver.configurations().next();
    let now = now.ok_or_else(|| unreadable(&"a sliver without a configuration"))?;
    Ok((now, grant_of(now)?))
}

/// Where a pending change of a node would put it.
fn pending_node(sliver: &Sliver) -> Result<Option<Box<NodeGrant>>, CallError> {
    match sliver.configurations().nth(1).map(|it| grant_of(it)).transpose()? {
        Some(Grant::Node(grant)) => Ok(Some(grant)),
        _ => Ok(None),
    }
}

fn grant_of(configuration: &Configuration) -> Result<Grant, CallError> {
    Grant::of(configuration).map_err(|error| unreadable(&error))
}

/// What a named sliver holds that the call makes free: what an allocated one has, if it goes or moves, and what is
/// held for a pending change alone. `described` is how the request describes it, if it does (a link as None).
fn let_go(
    inventory: &Inventory,
    sliver: &Sliver,
    described: Option<Option<&Node>>,
) -> Result<Vec<Claim>, CallError> {
    let (now, grant) = current(sliver)?;
    if let Some(pending) = sliver.configurations().nth(1) {
        let only_pending = |claim: &&Claim| !now.claims.iter().any(|own| own.resource == claim.resource);
        return Ok(pending.claims.iter().filter(only_pending).cloned().collect());
    }
    let goes = match (&grant, described) {
        (_, None) => true,
        (Grant::Node(has), Some(Some(node))) => node.component_id.as_deref().is_some_and(|id| {
            inventory.component(id).is_some_and(|component| component.urn.as_str() != has.component_id)
        }),
        _ => false,
    };
    Ok(if goes && sliver.granted().is_none() { now.claims.clone() } else { Vec::new() })
}

/// What a sliver holds, by resource, besides what the call `released` of it, which is free for all that is placed.
fn still_held<'a>(sliver: &'a Sliver, released: &[Claim]) -> BTreeMap<&'a str, u64> {
    let mut held = sliver_holdings(sliver);
    held.retain(|resource, _| released.iter().all(|claim| claim.resource != *resource));
    held
}

/// What of a link survives a change. Its traffic may be disturbed by anything but a change of names.
fn link_guarantee(changes: &[LinkChange], before: &LinkGrant, after: &LinkGrant) -> Guarantee {
    let component = |grant: &LinkGrant| -> HashMap<Urn, String> {
        grant.ends.iter().map(|end| (end.sliver_id.clone(), end.component_id.clone())).collect()
    };
    if before.vlan != after.vlan || component(before) != component(after) {
        return Guarantee::DynamicState;
    }
    let one = |change: &LinkChange| match change {
        LinkChange::Renamed { .. } | LinkChange::EndRenamed { .. } | LinkChange::Extension(_) => {
            Guarantee::NoDisruption
        }
        _ => Guarantee::DynamicState,
    };
    changes.iter().map(one).min().unwrap_or(Guarantee::NoDisruption)
}

/// A change that would alter a link which the call does not name.
fn beyond(sliver: &Sliver, interface: &str, link: &Sliver) -> Proposal {
    let name = link.configurations().next().map(|it| it.client_id.as_str()).unwrap_or_default();
    let error = CallError::new(
        GeniCode::Unsupported,
        format!(
            "{}: interface {interface:?} cannot be taken away or renamed: link {name:?} ({}) is tied to it, and urns does not name that link",
            sliver.urn, link.urn
        ),
    );
    Proposal::Refused { code: error.geni_code(), reason: error.to_string() }
}

fn wrong_kind(sliver: &Sliver, described: &str, position: rspec::Position) -> CallError {
    CallError::bad_arguments(format!(
        "rspec: {position}: this {described} bears the sliver_id {}, which is a {}",
        sliver.urn, sliver.resource
    ))
}

#[cfg(test)]
mod tests;
