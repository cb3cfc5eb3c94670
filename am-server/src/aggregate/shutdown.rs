//! Shutdown: a slice is frozen and cut off, and kept for whoever has to look into it.

use super::Aggregate;
use super::answer::Answer;
use super::caller::{Caller, CredentialText};
use crate::error::CallError;
use credentials::Operation;
use state::Event;

/// The arguments of Shutdown.
#[derive(Debug)]
pub struct Shutdown {
    /// The slice's URN.
    pub slice: String,
    /// What the caller shows for it.
    pub credentials: Vec<CredentialText>,
}

impl Aggregate {
    /// Shutdown (AM API v3). Done again, or for a slice that has nothing here, it is done as well.
    ///
    /// # Errors
    /// No right to the slice (geni_code 3).
    pub async fn shutdown(&self, caller: &Caller, request: Shutdown) -> Result<Answer<bool>, CallError> {
        let admitted =
            self.admit_slice(caller, &request.slice, &request.credentials, Operation::Shutdown).await?;
        self.transact(&admitted, |_, _| Ok(Event::Shutdown(state::Shutdown { by: caller.urn().clone() })))
            .await?;
        tracing::warn!(slice = %admitted.slice, by = %caller.urn(), "slice shut down");
        Ok(Answer::of(true))
    }
}
