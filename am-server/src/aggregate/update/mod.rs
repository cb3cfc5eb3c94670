//! Update: a change of slivers as one transaction, to be put in place by Provision or dropped by Cancel.
//!
//! The request describes completely what the named slivers shall be. What bears a sliver's `sliver_id` changes that
//! sliver; a named sliver that is not described is to go; what bears none is new. Everything is worked out before
//! anything is written ([`proposal`]), from what the slivers *are*: what is pending from an earlier Update is
//! replaced, never built upon. What each change will cost a running instance is planned here and promised in the
//! manifest (`preserve`); Provision and the reconciler keep to that.

mod proposal;

use super::answer::{Answer, Manifest, SliverEntry};
use super::caller::Caller;
use super::{Aggregate, SliverRequest, remaining};
use crate::blocking::blocking;
use crate::error::{CallError, unfit};
use chrono::{DateTime, Utc};
use credentials::Operation;
use proposal::Proposed;
use rspec::Request;
use state::{Event, View};

/// The arguments of Update.
#[derive(Debug)]
pub struct Update {
    /// What the request describes completely.
    pub target: SliverRequest,
    /// A request or a manifest RSpec.
    pub rspec: String,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// `geni_start_time`, for what is new.
    pub start_time: Option<DateTime<Utc>>,
    /// `geni_end_time`, for slivers that are or stay allocated.
    pub end_time: Option<DateTime<Utc>>,
}

impl Aggregate {
    /// Update (AM API v4 draft, change set C). Changes only what is promised, never what runs.
    ///
    /// # Errors
    /// As Allocate for what is new and Status for what is named; a described sliver that is not named (geni_code 1);
    /// a change that would reach beyond the slivers named, or part of a slice where slivers go together (13).
    pub async fn update(&self, caller: &Caller, request: Update) -> Result<Answer<Manifest>, CallError> {
        let admitted = self.admit(caller, &request.target, Operation::CreateSliver).await?;
        self.check_start(request.start_time)?;
        let (limits, rspec) = (self.limits, request.rspec);
        let asked =
            blocking(rspec.len(), move || Request::parse_update(&rspec, &limits)).await?.map_err(unfit)?;
        let transition = self
            .transact(&admitted, |slice, held| {
                let Proposed { changes, new, frame } =
                    self.propose(&asked, &admitted.selection, request.best_effort, slice, held)?;
                Ok(Event::Update(state::Update {
                    selection: admitted.selection.clone(),
                    changes,
                    new,
                    frame,
                    creator: caller.urn().clone(),
                    best_effort: request.best_effort,
                    end_time: request.end_time,
                    credential_expires: admitted.credential_expires,
                }))
            })
            .await?;
        Ok(Answer::of(Manifest {
            rspec: self.manifest(&transition.slice, &remaining(&transition), View::Future)?,
            slice: admitted.slice,
            slivers: transition.report.iter().map(SliverEntry::of).collect(),
        }))
    }
}
