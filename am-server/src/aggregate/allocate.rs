//! Allocate: reserve what a request asks for.

use super::answer::{Answer, Manifest, SliverEntry};
use super::caller::{Caller, CredentialText};
use super::{Aggregate, demands, remaining};
use crate::blocking::blocking;
use crate::error::{CallError, GeniCode, unfit};
use crate::placement::endpoints::{Endpoints, Unnamed};
use crate::placement::volumes;
use crate::placement::{self, Placement};
use chrono::{DateTime, Utc};
use credentials::Operation;
use rspec::{Local, Request};
use state::{AllocateMode, Event, NewSliver, ResourceKind, View};
use std::collections::HashSet;
use urn::Urn;
use uuid::Uuid;

/// The most interfaces a node may have.
const MAX_INTERFACES: usize = 256;
/// The most ends a link may have: one on each node of a large slice.
const MAX_ENDS: usize = 4096;

/// The arguments of Allocate.
#[derive(Debug)]
pub struct Allocate {
    /// The slice's URN.
    pub slice: String,
    /// What the caller shows for it.
    pub credentials: Vec<CredentialText>,
    /// The request RSpec.
    pub rspec: String,
    /// `geni_start_time`.
    pub start_time: Option<DateTime<Utc>>,
    /// `geni_end_time`.
    pub end_time: Option<DateTime<Utc>>,
}

impl Aggregate {
    /// Allocate (AM API v3): all or nothing, always.
    ///
    /// # Errors
    /// As `docs/am-api.md` lists them.
    pub async fn allocate(&self, caller: &Caller, request: Allocate) -> Result<Answer<Manifest>, CallError> {
        let admitted =
            self.admit_slice(caller, &request.slice, &request.credentials, Operation::CreateSliver).await?;
        self.check_start(request.start_time)?;
        let (limits, rspec) = (self.limits, request.rspec);
        let asked =
            blocking(rspec.len(), move || Request::parse_addition(&rspec, &limits)).await?.map_err(unfit)?;
        let inventory = self.inventory();
        let transition = self
            .transact(&admitted, |slice, held| {
                let ends = Endpoints::of(
                    self.authority(),
                    &asked,
                    slice.live(self.now()),
                    |_| false,
                    Unnamed::StayAsTheyAre,
                )?;
                let local = asked.local_with(self.authority(), |client_id| ends.is_known(client_id));
                self.check_asked(&asked, &local)?;
                self.check_apart(&asked, &local, &ends)?;
                let frame = asked.frame_with(self.authority(), |client_id| ends.is_known(client_id));
                let mut placement = Placement::new(&inventory, self.authority(), held, self.config().vlans());
                let slivers = self.place_new(&mut placement, &local, ends)?;
                Ok(Event::Allocate(state::Allocate {
                    slivers,
                    frame: (!frame.is_empty()).then(|| frame.to_string()),
                    creator: caller.urn().clone(),
                    end_time: request.end_time,
                    credential_expires: admitted.credential_expires,
                }))
            })
            .await?;
        Ok(Answer::of(Manifest {
            slice: admitted.slice,
            rspec: self.manifest(&transition.slice, &remaining(&transition), View::Future)?,
            slivers: transition.report.iter().map(SliverEntry::of).collect(),
        }))
    }

    /// Refuses a request that has nothing for us, or more than one call may ask for.
    pub(super) fn check_asked(&self, asked: &Request, local: &Local<'_>) -> Result<(), CallError> {
        if asked.nodes.is_empty() && asked.links.is_empty() {
            return Err(CallError::bad_arguments(
                "rspec: the request asks for nothing: it holds no node and no link",
            ));
        }
        if local.nodes.is_empty() && local.links.is_empty() {
            return Err(CallError::search_failed(format!(
                "rspec: everything in the request is for other aggregates; the component_manager_id of this one is {}",
                self.urn()
            )));
        }
        self.check_size(local)?;
        self.check_wishes(asked, local)
    }

    /// Refuses more resources than one call may ask for, and nodes and links of monstrous size.
    pub(super) fn check_size(&self, local: &Local<'_>) -> Result<(), CallError> {
        let most = self.config().limits.slivers_per_call;
        let count = local.nodes.len() + local.links.len();
        let too_big = |message: String| Err(CallError::new(GeniCode::TooBig, format!("rspec: {message}")));
        if count > most {
            return too_big(format!("{count} nodes and links are more than the {most} one call may ask for"));
        }
        if let Some(node) = local.nodes.iter().find(|node| node.interfaces.len() > MAX_INTERFACES) {
            return too_big(format!(
                "{}: node {:?} has {} interfaces, more than the {MAX_INTERFACES} a node may have",
                node.position,
                node.client_id,
                node.interfaces.len()
            ));
        }
        for node in &local.nodes {
            volumes::check(node)?;
            placement::check(node)?;
        }
        if let Some(link) = local.links.iter().find(|link| link.interface_refs.len() > MAX_ENDS) {
            return too_big(format!(
                "{}: link {:?} has {} ends, more than the {MAX_ENDS} a link may have",
                link.position,
                link.client_id,
                link.interface_refs.len()
            ));
        }
        Ok(())
    }

    /// Refuses links to what the slice has already, where several Allocates have to stay apart (`geni_allocate` is
    /// `geni_disjoint`).
    fn check_apart(&self, asked: &Request, local: &Local<'_>, ends: &Endpoints<'_>) -> Result<(), CallError> {
        if self.policy().allocate != AllocateMode::Disjoint {
            return Ok(());
        }
        let own: HashSet<&str> = asked
            .nodes
            .iter()
            .flat_map(|node| &node.interfaces)
            .map(|interface| interface.client_id.as_str())
            .collect();
        let names_ours = |name: &str| !own.contains(name) && ends.present.contains_key(name);
        for link in &local.links {
            if let Some(end) = link.interface_refs.iter().find(|end| names_ours(&end.client_id)) {
                return Err(CallError::new(
                    GeniCode::Unsupported,
                    format!(
                        "rspec: {}: link {:?}: interface {:?} is of a node allocated before; at this aggregate (geni_disjoint) a further Allocate cannot be linked to it, but Update can",
                        end.position, link.client_id, end.client_id
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Places all nodes and links of `local` as new slivers. Links may end at interfaces the slice has already.
    fn place_new(
        &self,
        placement: &mut Placement<'_>,
        local: &Local<'_>,
        mut ends: Endpoints<'_>,
    ) -> Result<Vec<NewSliver>, CallError> {
        placement.gather(local.nodes.iter().copied());
        placement.reserve(local.links.iter().copied());
        let mut slivers = Vec::with_capacity(local.nodes.len() + local.links.len());
        for node in &local.nodes {
            let urn = self.new_sliver_urn()?;
            let configuration = placement.node(node, &urn, None)?;
            ends.add(&configuration)?;
            slivers.push(NewSliver { urn, resource: ResourceKind::Node, configuration });
        }
        for link in &local.links {
            ends.check(link, None)?;
            demands::check_link_type(link)?;
            let urn = self.new_sliver_urn()?;
            let configuration = placement.link(link, &urn, &ends.present, None)?;
            slivers.push(NewSliver { urn, resource: ResourceKind::Link, configuration });
        }
        Ok(slivers)
    }

    /// A name no sliver ever had.
    pub(super) fn new_sliver_urn(&self) -> Result<Urn, CallError> {
        Urn::new(self.authority(), "sliver", &Uuid::new_v4().simple().to_string())
            .map_err(|error| CallError::new(GeniCode::ServerError, error.to_string()))
    }
}
