//! May this caller do this: the verified credentials against caller, target and operation.

use crate::{Credential, CredentialError, Identity, Kind, Operation};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use urn::Urn;

/// What a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The slice with this URN.
    Slice(Urn),
    /// Nothing in particular (ListResources): any valid user or slice credential of the caller will do.
    Any,
    /// A sliver that is not known here: the caller must hold the operation for some slice, so that the
    /// answer gives nothing away.
    AnySlice,
}

/// The aggregate that is asked, and the people who run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// The aggregate's authority URN, such as `urn:publicid:IDN+am.example.org+authority+am`.
    pub urn: Urn,
    /// Users whose credential on the aggregate itself stands for rights over every slice.
    pub operators: Vec<Urn>,
}

/// A call that may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorised {
    /// The latest end among the credentials that authorise; slivers must not outlive it.
    pub expires: DateTime<Utc>,
    /// Whether only a credential on the aggregate itself authorises, not one for the slice.
    pub as_operator: bool,
}

/// A call that may not, with the reason for the caller's eyes. It speaks of the credentials only, never of
/// what exists here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// The coarse reason; its `am_code` goes beside `geni_code` 3.
    pub kind: Kind,
    /// What is missing, credential by credential.
    pub message: String,
}

/// Decides whether the presented credentials, as the verifier judged them, let `caller` do `operation` on
/// `target`. One credential must carry everything.
///
/// # Errors
/// [`Denied`], with the reason of the credential that came nearest.
pub fn authorise(
    presented: &[Result<Arc<Credential>, CredentialError>],
    caller: &Identity,
    target: &Target,
    operation: Operation,
    aggregate: &Aggregate,
    now: DateTime<Utc>,
) -> Result<Authorised, Denied> {
    unimplemented!("{} {caller:?} {target:?} {operation:?} {aggregate:?} {now}", presented.len())
}
