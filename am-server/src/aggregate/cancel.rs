//! Cancel: what Update and Allocate have only promised is taken back.

use super::answer::{Answer, Manifest, SliverEntry};
use super::caller::Caller;
use super::{Aggregate, SliverRequest, remaining};
use crate::error::CallError;
use credentials::Operation;
use state::{Event, View};

/// The arguments of Cancel.
#[derive(Debug)]
pub struct Cancel {
    /// What is cancelled; slivers that are neither allocated nor updating are left as they are.
    pub target: SliverRequest,
    /// `geni_best_effort`.
    pub best_effort: bool,
}

impl Aggregate {
    /// Cancel (AM API v4 draft, change set C): allocated slivers go, updating ones are again exactly what they were
    /// when they were last provisioned.
    ///
    /// # Errors
    /// As Status; part of a slice where slivers go together (geni_code 13).
    pub async fn cancel(&self, caller: &Caller, request: Cancel) -> Result<Answer<Manifest>, CallError> {
        let admitted = self.admit(caller, &request.target, Operation::DeleteSliver).await?;
        let transition = self
            .transact(&admitted, |_, _| {
                Ok(Event::Cancel(state::Cancel {
                    selection: admitted.selection.clone(),
                    best_effort: request.best_effort,
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
