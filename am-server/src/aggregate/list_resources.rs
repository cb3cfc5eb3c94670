//! ListResources: the advertisement.

use super::Aggregate;
use super::answer::Answer;
use super::caller::{Caller, CredentialText};
use crate::blocking::blocking;
use crate::error::CallError;
use crate::inventory::advertisement::ReadyAdvertisement;
use credentials::{Operation, Target};
use std::sync::{Arc, PoisonError};

/// The arguments of ListResources.
#[derive(Debug)]
pub struct ListResources {
    /// Any valid user or slice credential of the caller.
    pub credentials: Vec<CredentialText>,
    /// `geni_available`: only what can be had now.
    pub available: bool,
    /// `geni_compressed`.
    pub compressed: bool,
    /// Whether the version 2 option `geni_slice_urn` is there.
    pub of_slice: bool,
}

impl Aggregate {
    /// ListResources (AM API v3).
    ///
    /// # Errors
    /// No valid credential (geni_code 3), or the version 2 option for the resources of one slice (1).
    pub async fn list_resources(
        &self,
        caller: &Caller,
        request: ListResources,
    ) -> Result<Answer<Arc<str>>, CallError> {
        let presented = self.verified(caller, &request.credentials).await?;
        self.authorise(caller, &presented, Target::Any, Operation::ListResources)?;
        if request.of_slice {
            return Err(CallError::bad_arguments(
                "option geni_slice_urn belongs to version 2 of the API; call Describe for the resources of a slice",
            ));
        }
        let ready = self.advertisement();
        if let Some(document) = ready.written(request.available, request.compressed) {
            return Ok(Answer::of(document));
        }
        let write = move || ready.document(request.available, request.compressed);
        // The first one after a change writes and perhaps compresses the whole document.
        let document = blocking(usize::MAX, write).await?;
        Ok(Answer::of(document))
    }

    /// The advertisement that is kept ready, made anew when it is not true any more.
    fn advertisement(&self) -> Arc<ReadyAdvertisement> {
        let held = self.store().ledger();
        let inventory = self.inventory();
        let mut ready = self.advertisement.lock().unwrap_or_else(PoisonError::into_inner);
        match &*ready {
            Some(current) if current.still_true(&inventory, &held) => Arc::clone(current),
            _ => {
                let made = Arc::new(ReadyAdvertisement::new(inventory, &held, self.now()));
                *ready = Some(Arc::clone(&made));
                made
            }
        }
    }
}
