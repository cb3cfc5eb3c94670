//! `Renew`: one new expiry for all slivers named, whatever their states.

use super::Call;
use super::allocate::check_credential;
use super::selection::{Selection, Target, Together};
use super::transition::{Outcome, Step, Work};
use crate::refusal::Refusal;
use crate::time::whole_seconds;
use chrono::{DateTime, Utc};

/// The arguments of `Renew`.
#[derive(Debug, Clone)]
pub struct Renew {
    /// The slivers, in any states.
    pub selection: Selection,
    /// The expiry asked for; sooner than the present one is allowed.
    pub until: DateTime<Utc>,
    /// `geni_extend_alap`: as far as the limits allow, instead of a refusal.
    pub as_late_as_possible: bool,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// When the credential that authorised the call expires.
    pub credential_expires: DateTime<Utc>,
}

pub(super) fn run(call: &Renew, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    let targets = work.select(Some((Call::Renew, Together::SameState)), &call.selection, call.best_effort)?;
    let credential_expires = check_credential(work, call.credential_expires)?;
    let asked = whole_seconds(call.until);
    let (now, policy) = (work.now, work.policy);
    // One time is asked for all, so the time that would have been allowed is what the most limited one may get.
    let latest = targets
        .iter()
        .filter_map(|target| match target {
            Target::Live(at) => work.slice.slivers.get(*at),
            Target::Unknown(_) => None,
        })
        .map(|sliver| policy.renewal_cap(sliver, now, credential_expires).latest)
        .min();
    work.each(targets, call.best_effort, |sliver| {
        let cap = policy.renewal_cap(sliver, now, credential_expires);
        let allowed = if call.best_effort { cap.latest } else { latest.unwrap_or(cap.latest) };
        if asked <= now {
            return Err(Refusal::Past { sliver: sliver.urn.clone(), asked, latest: allowed });
        }
        if asked <= cap.latest {
            sliver.expires = asked;
        } else if call.as_late_as_possible {
            // Asking for more never takes away what was granted under a longer credential.
            sliver.expires = cap.latest.max(sliver.expires.min(asked));
        } else {
            return Err(Refusal::TooLate {
                sliver: sliver.urn.clone(),
                asked,
                limit: cap.limit,
                latest: allowed,
            });
        }
        Ok(Step::Change)
    })
}
