//! `Allocate`: new slivers, held for a short time. Always all or nothing.

use super::transition::{Outcome, Work};
use crate::policy::AllocateMode;
use crate::refusal::Refusal;
use crate::sliver::{Configuration, ResourceKind};
use chrono::{DateTime, Utc};
use urn::Urn;

/// A sliver to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSliver {
    /// Its name, minted by the caller and never used before.
    pub urn: Urn,
    /// Node or link.
    pub resource: ResourceKind,
    /// What it is to be.
    pub configuration: Configuration,
}

/// The arguments of `Allocate`.
#[derive(Debug, Clone)]
pub struct Allocate {
    /// The new slivers, in the order of the request.
    pub slivers: Vec<NewSliver>,
    /// What the request held besides them.
    pub frame: Option<String>,
    /// The caller.
    pub creator: Urn,
    /// `geni_end_time`: an earlier expiry than the aggregate's own. A time in the past is ignored.
    pub end_time: Option<DateTime<Utc>>,
    /// When the credential that authorised the call expires.
    pub credential_expires: DateTime<Utc>,
}

pub(super) fn run(call: &Allocate, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    if call.slivers.is_empty() {
        return Err(Refusal::NothingRequested { slice: work.slice.urn.clone() });
    }
    if work.policy.allocate == AllocateMode::Single && !work.slice.slivers.is_empty() {
        return Err(Refusal::SecondAllocate {
            slice: work.slice.urn.clone(),
            slivers: work.slice.slivers.len(),
        });
    }
    let expires = short_expiry(work, call.end_time, call.credential_expires)?;
    let frame = work.add_frame(call.frame.as_deref());
    let report = work.add_slivers(&call.slivers, &call.creator, expires, frame)?;
    work.check_client_ids()?;
    Ok(report)
}

/// The expiry of what waits for `Provision`: as the policy says, or sooner if the caller or the credential
/// ends sooner.
///
/// # Errors
/// [`Refusal::CredentialOver`].
pub(super) fn short_expiry(
    work: &Work<'_>,
    end_time: Option<DateTime<Utc>>,
    credential_expires: DateTime<Utc>,
) -> Result<DateTime<Utc>, Refusal> {
    let credential_expires = check_credential(work, credential_expires)?;
    let cap = work.policy.allocated_cap(work.now, credential_expires).latest;
    Ok(wish(end_time, work.now).map_or(cap, |end| end.min(cap)))
}

/// The credential's expiry in whole seconds.
///
/// # Errors
/// [`Refusal::CredentialOver`] when it is not in the future.
pub(super) fn check_credential(
    work: &Work<'_>,
    credential_expires: DateTime<Utc>,
) -> Result<DateTime<Utc>, Refusal> {
    let expires = crate::time::whole_seconds(credential_expires);
    if expires > work.now { Ok(expires) } else { Err(Refusal::CredentialOver { expired: expires }) }
}

/// A `geni_end_time` that can be taken into account: one in the future.
pub(super) fn wish(end_time: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    end_time.map(crate::time::whole_seconds).filter(|end| *end > now)
}
