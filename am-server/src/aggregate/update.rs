//! Update: a change of slivers as one transaction, to be put in place by Provision or dropped by Cancel.
//!
//! The request describes completely what the named slivers shall be. What bears a sliver's `sliver_id` changes that
//! sliver; a named sliver that is not described is to go; what bears none is new. What each change will cost a
//! running instance is planned here and promised in the manifest (`preserve`).

use super::allocate::{interfaces_in, interfaces_of, off_thread, unfit};
use super::answer::{Answer, Manifest, SliverEntry};
use super::caller::Caller;
use super::error::CallError;
use super::grant::Grant;
use super::manifest::unreadable;
use super::placement::Placement;
use super::provision::built;
use super::{Aggregate, SliverRequest};
use crate::plan::Change;
use chrono::{DateTime, Utc};
use credentials::Operation;
use rspec::compare::LinkChange;
use rspec::{Guarantee, Link, Node, Request};
use state::{Availability, Configuration, Event, NewSliver, Proposal, ResourceKind, Slice, Sliver, View};
use std::collections::{BTreeMap, HashMap};
use urn::Urn;

/// The arguments of Update.
#[derive(Debug)]
pub struct Update {
    /// What the request describes completely.
    pub target: SliverRequest,
    /// A request or a manifest RSpec.
    pub rspec: String,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// `geni_end_time`, for slivers that are or stay allocated.
    pub end_time: Option<DateTime<Utc>>,
}

impl Aggregate {
    /// Update (AM API v4 draft, change set C). Changes only what is promised, never what runs.
    ///
    /// # Errors
    /// As Allocate for what is new and Status for what is named; a described sliver that is not named (geni_code 1), part of
    /// a slice where slivers go together (13).
    pub async fn update(&self, caller: &Caller, request: Update) -> Result<Answer<Manifest>, CallError> {
        let admitted = self.admit(caller, &request.target, Operation::CreateSliver).await?;
        let (limits, rspec) = (self.limits, request.rspec);
        let asked =
            off_thread(rspec.len(), move || Request::parse_update(&rspec, &limits)).await?.map_err(unfit)?;
        let frame = self.frame_of(&asked);
        let transition = self
            .transact(&admitted.slice, |slice, held| {
                let (changes, new) = self.propose(&asked, slice, held)?;
                Ok(Event::Update(state::Update {
                    selection: admitted.selection.clone(),
                    changes,
                    new,
                    frame: frame.clone(),
                    creator: caller.urn().clone(),
                    best_effort: request.best_effort,
                    end_time: request.end_time,
                    credential_expires: admitted.credential_expires,
                }))
            })
            .await?;
        let slivers: Vec<&Sliver> =
            transition.report.iter().filter_map(|outcome| transition.slice.sliver(&outcome.urn)).collect();
        Ok(Answer::of(Manifest {
            rspec: self.manifest(&transition.slice, &slivers, View::Future)?,
            slice: admitted.slice,
            slivers: transition.report.iter().map(SliverEntry::of).collect(),
        }))
    }

    /// What the request makes of the slice: a proposal for each sliver it describes, and the new slivers.
    fn propose(
        &self,
        asked: &Request,
        slice: &Slice,
        held: &BTreeMap<String, Availability>,
    ) -> Result<(BTreeMap<Urn, Proposal>, Vec<NewSliver>), CallError> {
        let now = self.now();
        let live: HashMap<&Urn, &Sliver> = slice.live(now).map(|sliver| (&sliver.urn, sliver)).collect();
        let mut ends = interfaces_of(slice, View::Future)?;
        let local = asked.local_with(self.authority(), |client_id| ends.contains_key(client_id));
        self.check_count(local.nodes.len() + local.links.len())?;
        asked.dangling_interface_refs(|client_id| ends.contains_key(client_id)).map_err(unfit)?;
        let inventory = self.inventory();
        let mut placement = Placement::new(&inventory, self.authority(), held, self.config().vlans());
        let mut changes = BTreeMap::new();
        let mut fresh = Vec::new();
        for node in &local.nodes {
            match node.sliver_id.as_ref().and_then(|urn| live.get(urn)) {
                Some(sliver) => {
                    let proposal = self.propose_node(node, sliver, &mut placement)?;
                    if let Proposal::Configuration(configuration) = &proposal {
                        ends.extend(interfaces_in(configuration)?);
                    }
                    changes.insert(sliver.urn.clone(), proposal);
                }
                None => fresh.push(node),
            }
        }
        let mut new = Vec::new();
        for node in fresh {
            let urn = self.new_sliver_urn()?;
            let configuration = placement.node(node, &urn, None)?;
            ends.extend(interfaces_in(&configuration)?);
            new.push(NewSliver { urn, resource: ResourceKind::Node, configuration });
        }
        for link in &local.links {
            match link.sliver_id.as_ref().and_then(|urn| live.get(urn)) {
                Some(sliver) => {
                    changes
                        .insert(sliver.urn.clone(), self.propose_link(link, sliver, &ends, &mut placement)?);
                }
                None => {
                    let urn = self.new_sliver_urn()?;
                    let configuration = placement.link(link, &urn, &ends, None)?;
                    new.push(NewSliver { urn, resource: ResourceKind::Link, configuration });
                }
            }
        }
        Ok((changes, new))
    }

    /// What a described node becomes, with the promise of what its instance keeps.
    fn propose_node(
        &self,
        node: &Node,
        sliver: &Sliver,
        placement: &mut Placement<'_>,
    ) -> Result<Proposal, CallError> {
        if sliver.resource != ResourceKind::Node {
            return Err(wrong_kind(sliver, "node", node.position));
        }
        // What is there now is what stays: the granted configuration, or of an allocated sliver its only one.
        let Some(current) = sliver.configurations().next() else { return Ok(gone(sliver)) };
        let Grant::Node(kept) = Grant::of(current).map_err(|error| unreadable(&error))? else {
            return Err(wrong_kind(sliver, "node", node.position));
        };
        let settled = settle(node, current, sliver, &kept, self)?;
        let mut configuration = match placement.node(&settled, &sliver.urn, Some(&kept)) {
            Ok(configuration) => configuration,
            Err(error) => {
                return Ok(Proposal::Refused { code: error.geni_code(), reason: error.to_string() });
            }
        };
        if sliver.granted().is_some() {
            let guarantee = match (built(current)?, built(&configuration)?) {
                (Some(from), Some(to)) => match self.inventory().cloud(&from.driver) {
                    Some(cloud) => Change::plan(&from, &to, cloud.driver.capabilities()).guarantee(),
                    None => Guarantee::None,
                },
                _ => Guarantee::None,
            };
            if let Grant::Node(mut grant) = Grant::of(&configuration).map_err(|error| unreadable(&error))? {
                grant.preserve = Some(guarantee);
                configuration.detail = Grant::Node(grant).to_detail();
            }
        }
        Ok(Proposal::Configuration(configuration))
    }

    fn propose_link(
        &self,
        link: &Link,
        sliver: &Sliver,
        ends: &HashMap<String, super::grant::InterfaceGrant>,
        placement: &mut Placement<'_>,
    ) -> Result<Proposal, CallError> {
        if sliver.resource != ResourceKind::Link {
            return Err(wrong_kind(sliver, "link", link.position));
        }
        let Some(current) = sliver.configurations().next() else { return Ok(gone(sliver)) };
        let Grant::Link(kept) = Grant::of(current).map_err(|error| unreadable(&error))? else {
            return Err(wrong_kind(sliver, "link", link.position));
        };
        let before = Link::from_fragment(&current.rspec).map_err(|error| unreadable(&error))?;
        let mut configuration = placement.link(link, &sliver.urn, ends, Some(&kept))?;
        if sliver.granted().is_some()
            && let Grant::Link(mut grant) = Grant::of(&configuration).map_err(|error| unreadable(&error))?
        {
            let changes = rspec::compare::link_changes(
                &before,
                Some(&super::manifest::granted_link(sliver, &kept)),
                link,
            );
            grant.preserve = Some(link_guarantee(&changes));
            configuration.detail = Grant::Link(grant).to_detail();
        }
        Ok(Proposal::Configuration(configuration))
    }
}

/// The node as it is to be placed: what it leaves open, or repeats from our own manifest, is what it has.
fn settle(
    node: &Node,
    current: &Configuration,
    sliver: &Sliver,
    kept: &super::grant::NodeGrant,
    aggregate: &Aggregate,
) -> Result<Node, CallError> {
    let before = Node::from_fragment(&current.rspec).map_err(|error| unreadable(&error))?;
    let changes = rspec::compare::node_changes(&before, Some(&aggregate.granted_node(sliver, kept)), node);
    // No difference: the experimenter's own words stay as they were.
    Ok(if changes.is_empty() { before } else { node.clone() })
}

/// What of a link survives a change.
fn link_guarantee(changes: &[LinkChange]) -> Guarantee {
    let one = |change: &LinkChange| match change {
        LinkChange::Renamed { .. } | LinkChange::EndRenamed { .. } | LinkChange::Extension(_) => {
            Guarantee::NoDisruption
        }
        _ => Guarantee::DynamicState,
    };
    changes.iter().map(one).min().unwrap_or(Guarantee::NoDisruption)
}

fn wrong_kind(sliver: &Sliver, described: &str, position: rspec::Position) -> CallError {
    CallError::bad_arguments(format!(
        "rspec: {position}: this {described} bears the sliver_id {}, which is a {}",
        sliver.urn, sliver.resource
    ))
}

fn gone(sliver: &Sliver) -> Proposal {
    Proposal::Refused { code: 12, reason: format!("{} is gone", sliver.urn) }
}
