//! Describe: the manifest and the states of slivers.

use super::answer::{Answer, Manifest};
use super::caller::Caller;
use super::{Aggregate, SliverRequest};
use crate::blocking::blocking;
use crate::error::{CallError, refused};
use crate::inventory::advertisement::compress;
use credentials::Operation;
use state::{Outcome, View};

/// The arguments of Describe.
#[derive(Debug)]
pub struct Describe {
    /// What is described.
    pub target: SliverRequest,
    /// `geni_compressed`.
    pub compressed: bool,
    /// `geni_cancelled` (AM API v4 draft, change set C): what would remain after Cancel.
    pub cancelled: bool,
}

impl Aggregate {
    /// Describe (AM API v3; `geni_cancelled` of the v4 draft). A slice that has nothing here is described as
    /// empty.
    ///
    /// # Errors
    /// No right to the slice (geni_code 3), an unknown sliver (12), part of a slice where slivers go together (13).
    pub async fn describe(&self, caller: &Caller, request: Describe) -> Result<Answer<Manifest>, CallError> {
        let admitted = self.admit(caller, &request.target, Operation::GetSliceResources).await?;
        let slice = self.slices.slice(&admitted.slice).await?;
        if !admitted.as_operator {
            slice.check_not_shut_down().map_err(refused)?;
        }
        let found =
            state::describe(&slice, &admitted.selection, self.now(), self.policy()).map_err(refused)?;
        let view = if request.cancelled { View::Cancelled } else { View::Future };
        let slivers = found
            .iter()
            .filter_map(|sliver| {
                let outcome =
                    if request.cancelled { Outcome::of_cancelled(sliver) } else { Some(Outcome::of(sliver)) };
                outcome.map(|outcome| self.entry(sliver, &outcome))
            })
            .collect();
        let rspec = self.manifest(&slice, &found, view)?;
        let rspec =
            if request.compressed { blocking(rspec.len(), move || compress(&rspec)).await? } else { rspec };
        Ok(Answer::of(Manifest { slice: admitted.slice, rspec, slivers }))
    }
}
