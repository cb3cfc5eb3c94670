//! Status: the states of slivers, cheaply.

use super::answer::{Answer, Slivers};
use super::caller::Caller;
use super::{Aggregate, SliverRequest};
use crate::error::{CallError, refused};
use credentials::Operation;
use state::Outcome;

/// The arguments of Status.
#[derive(Debug)]
pub struct Status {
    /// Whose status.
    pub target: SliverRequest,
}

impl Aggregate {
    /// Status (AM API v3).
    ///
    /// # Errors
    /// No right to the slice (geni_code 3), an unknown sliver or a slice without slivers (12).
    pub async fn status(&self, caller: &Caller, request: Status) -> Result<Answer<Slivers>, CallError> {
        let admitted = self.admit(caller, &request.target, Operation::SliverStatus).await?;
        let slice = self.slices.slice(&admitted.slice).await?;
        if !admitted.as_operator {
            slice.check_not_shut_down().map_err(refused)?;
        }
        let found = state::status(&slice, &admitted.selection, self.now()).map_err(refused)?;
        let slivers = found.into_iter().map(|sliver| self.entry(sliver, &Outcome::of(sliver))).collect();
        Ok(Answer::of(Slivers { slice: admitted.slice, slivers }))
    }
}
