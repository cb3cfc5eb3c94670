//! Delete: slivers go, whatever state they are in.

use super::answer::{Answer, Slivers};
use super::caller::Caller;
use super::{Aggregate, SliverRequest, slivers};
use crate::error::CallError;
use credentials::Operation;
use state::Event;

/// The arguments of Delete.
#[derive(Debug)]
pub struct Delete {
    /// What goes.
    pub target: SliverRequest,
    /// `geni_best_effort`.
    pub best_effort: bool,
}

impl Aggregate {
    /// Delete (AM API v3; from every state, as the v4 draft says).
    ///
    /// # Errors
    /// As Status; part of a slice where slivers go together (geni_code 13).
    pub async fn delete(&self, caller: &Caller, request: Delete) -> Result<Answer<Slivers>, CallError> {
        let admitted = self.admit(caller, &request.target, Operation::DeleteSliver).await?;
        let transition = self
            .transact(&admitted, |_, _| {
                Ok(Event::Delete(state::Delete {
                    selection: admitted.selection.clone(),
                    best_effort: request.best_effort,
                    operator: admitted.as_operator,
                }))
            })
            .await?;
        Ok(Answer::of(slivers(&admitted.slice, &transition)))
    }
}
