//! `Provision`: what was allocated is granted for long, and what was updated is put in place. It starts
//! nothing and waits for nothing: the reconciler builds.

use super::Call;
use super::allocate::{check_credential, wish};
use super::selection::{Selection, Together};
use super::transition::{Cause, Outcome, Step, Work};
use crate::refusal::Refusal;
use crate::sliver::{Allocation, Configuration, Pending};
use crate::time::later;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;
use urn::Urn;

/// What is known about provisioning one sliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioning {
    /// The configuration to put in place, where it differs from the allocated or pending one (users added).
    /// One without a frame stays in the frame of the one it replaces.
    pub configuration: Option<Configuration>,
    /// Whether the cloud has work to do. `false` only for a change of an existing sliver that touches
    /// nothing built: its operational state then stays as it is.
    pub disruption: bool,
}

/// The arguments of `Provision`.
#[derive(Debug, Clone)]
pub struct Provision {
    /// Slivers that are neither allocated nor updating are ignored (change set C).
    pub selection: Selection,
    /// Per sliver, what to put in place; one that is missing gets its own configuration, with work to do.
    pub provisioning: BTreeMap<Urn, Provisioning>,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// `geni_end_time`; a time in the past is ignored, one beyond a limit is cut to the limit.
    pub end_time: Option<DateTime<Utc>>,
    /// When the credential that authorised the call expires.
    pub credential_expires: DateTime<Utc>,
}

pub(super) fn run(call: &Provision, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    let targets =
        work.select(Some((Call::Provision, Together::Pending)), &call.selection, call.best_effort)?;
    let credential_expires = check_credential(work, call.credential_expires)?;
    let (now, policy) = (work.now, work.policy);
    let cap = policy.provisioned_cap(now, credential_expires).latest;
    let asked = wish(call.end_time, now).map(|end| end.min(cap));
    let report = work.each(targets, call.best_effort, |sliver| {
        let prepared = call.provisioning.get(&sliver.urn);
        let in_place = |own: &Arc<Configuration>| match prepared.and_then(|it| it.configuration.as_ref()) {
            Some(replaced) => {
                Arc::new(Configuration { frame: replaced.frame.or(own.frame), ..replaced.clone() })
            }
            None => Arc::clone(own),
        };
        match &sliver.allocation {
            Allocation::Provisioned(_) => Ok(Step::Keep),
            Allocation::Allocated(own) => {
                sliver.allocation = Allocation::Provisioned(in_place(own));
                sliver.expires = asked.unwrap_or_else(|| later(now, policy.provisioned_for).min(cap));
                sliver.wanted.configuration = 1;
                Ok(Step::Change)
            }
            Allocation::Updating { pending: Pending::Change(own), .. } => {
                sliver.allocation = Allocation::Provisioned(in_place(own));
                if let Some(end) = asked {
                    sliver.expires = end;
                }
                if prepared.is_none_or(|it| it.disruption) {
                    sliver.wanted.configuration = sliver.wanted.configuration.saturating_add(1);
                    sliver.error = None;
                }
                Ok(Step::Change)
            }
            Allocation::Updating { pending: Pending::Removal, .. } => Ok(Step::Depart(Cause::Removed)),
        }
    })?;
    work.check_client_ids()?;
    Ok(report)
}
