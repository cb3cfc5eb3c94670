//! Allocate: reserve what a request asks for.

use super::Aggregate;
use super::answer::{Answer, Manifest, SliverEntry};
use super::caller::{Caller, CredentialText};
use super::error::{CallError, GeniCode};
use super::grant::{Grant, InterfaceGrant};
use super::placement::Placement;
use chrono::{DateTime, Utc};
use credentials::Operation;
use rspec::{Local, Request, RspecError, RspecErrorKind};
use state::{Configuration, Event, NewSliver, ResourceKind, Slice, View};
use std::collections::HashMap;
use urn::Urn;
use uuid::Uuid;

/// The arguments of Allocate.
#[derive(Debug)]
pub struct Allocate {
    /// The slice's URN.
    pub slice: String,
    /// What the caller shows for it.
    pub credentials: Vec<CredentialText>,
    /// The request RSpec.
    pub rspec: String,
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
            self.admit_slice(caller, &request.slice, &request.credentials, Operation::CreateSliver)?;
        let (limits, rspec) = (self.limits, request.rspec);
        let asked =
            off_thread(rspec.len(), move || Request::parse_request(&rspec, &limits)).await?.map_err(unfit)?;
        let local = asked.local(self.authority());
        self.check_asked(&asked, &local)?;
        let frame = self.frame_of(&asked);
        let inventory = self.inventory();
        let transition = self
            .transact(&admitted.slice, |slice, held| {
                let mut placement = Placement::new(&inventory, self.authority(), held, self.config().vlans());
                let slivers = self.place_new(&mut placement, &local, slice)?;
                Ok(Event::Allocate(state::Allocate {
                    slivers,
                    frame: frame.clone(),
                    creator: caller.urn().clone(),
                    end_time: request.end_time,
                    credential_expires: admitted.credential_expires,
                }))
            })
            .await?;
        let slivers: Vec<_> =
            transition.report.iter().filter_map(|outcome| transition.slice.sliver(&outcome.urn)).collect();
        Ok(Answer::of(Manifest {
            slice: admitted.slice,
            rspec: self.manifest(&transition.slice, &slivers, View::Future)?,
            slivers: transition.report.iter().map(SliverEntry::of).collect(),
        }))
    }

    /// Refuses a request that has nothing for us, or more than one call may ask for.
    fn check_asked(&self, asked: &Request, local: &Local<'_>) -> Result<(), CallError> {
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
        self.check_count(local.nodes.len() + local.links.len())
    }

    /// Refuses more resources than one call may ask for.
    pub(super) fn check_count(&self, count: usize) -> Result<(), CallError> {
        let most = self.config().limits.slivers_per_call;
        if count > most {
            return Err(CallError::new(
                GeniCode::TooBig,
                format!("rspec: {count} nodes and links are more than the {most} one call may ask for"),
            ));
        }
        Ok(())
    }

    /// What the request holds besides slivers of ours, if anything.
    pub(super) fn frame_of(&self, asked: &Request) -> Option<String> {
        let frame = asked.frame(self.authority());
        (!frame.is_empty()).then(|| frame.to_string())
    }

    /// Places all nodes and links of `local` as new slivers. Links may end at interfaces the slice has already.
    pub(super) fn place_new(
        &self,
        placement: &mut Placement<'_>,
        local: &Local<'_>,
        slice: &Slice,
    ) -> Result<Vec<NewSliver>, CallError> {
        let mut ends = interfaces_of(slice, View::Future)?;
        let mut slivers = Vec::with_capacity(local.nodes.len() + local.links.len());
        for node in &local.nodes {
            let urn = self.new_sliver_urn()?;
            let configuration = placement.node(node, &urn, None)?;
            ends.extend(interfaces_in(&configuration)?);
            slivers.push(NewSliver { urn, resource: ResourceKind::Node, configuration });
        }
        for link in &local.links {
            let urn = self.new_sliver_urn()?;
            let configuration = placement.link(link, &urn, &ends, None)?;
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

/// All interfaces of a slice's nodes by client_id.
pub(super) fn interfaces_of(slice: &Slice, view: View) -> Result<HashMap<String, InterfaceGrant>, CallError> {
    let mut all = HashMap::new();
    for sliver in &slice.slivers {
        if let Some(configuration) = sliver.configuration(view) {
            all.extend(interfaces_in(configuration)?);
        }
    }
    Ok(all)
}

/// The interfaces of one node by client_id; none for a link.
pub(super) fn interfaces_in(
    configuration: &Configuration,
) -> Result<Vec<(String, InterfaceGrant)>, CallError> {
    match Grant::of(configuration).map_err(|error| super::manifest::unreadable(&error))? {
        Grant::Node(node) => Ok(node.interfaces.into_iter().map(|it| (it.client_id.clone(), it)).collect()),
        Grant::Link(_) => Ok(Vec::new()),
    }
}

/// An RSpec that cannot be taken, as an answer.
pub(super) fn unfit(error: RspecError) -> CallError {
    let code = match error.kind {
        RspecErrorKind::WrongVersion => GeniCode::BadVersion,
        RspecErrorKind::TooLarge | RspecErrorKind::TooDeep => GeniCode::TooBig,
        _ => GeniCode::BadArguments,
    };
    CallError::new(code, format!("rspec: {error}"))
}

/// Runs work on a document: a large one off the async threads, so that it holds up nobody else.
pub(super) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CallError> {
    const LARGE: usize = 32 << 10;
    if bytes <= LARGE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| CallError::new(GeniCode::ServerError, "the document could not be worked on"))
}
