//! `Update` (AM API v4 draft, change set C): the slivers named are to become what the request says; what it
//! leaves out is to go; what it adds is allocated. Allocated slivers change at once, provisioned ones wait
//! for `Provision` or `Cancel`. The operational state is not touched.

use super::Call;
use super::allocate::{NewSliver, short_expiry};
use super::selection::{Selection, Target, Together};
use super::transition::{Cause, Outcome, Step, Work, framed};
use crate::refusal::Refusal;
use crate::sliver::{Allocation, Configuration, Pending};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use urn::Urn;

/// What the request makes of a sliver that it describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// It is to become this (which may be no change at all).
    Configuration(Configuration),
    /// It cannot become what was asked; without best effort this refuses the call.
    Refused {
        /// The `geni_code`.
        code: i32,
        /// Why, for people.
        reason: String,
    },
}

/// The arguments of `Update`.
#[derive(Debug, Clone)]
pub struct Update {
    /// The slivers that the request describes completely.
    pub selection: Selection,
    /// What it makes of those it mentions; a selected sliver that is missing here is to go.
    pub changes: BTreeMap<Urn, Proposal>,
    /// Resources that are no slivers yet.
    pub new: Vec<NewSliver>,
    /// What the request held besides slivers; it goes with every configuration of this call.
    pub frame: Option<String>,
    /// The caller.
    pub creator: Urn,
    /// `geni_best_effort`. A clash of names refuses the call even so.
    pub best_effort: bool,
    /// `geni_end_time`, for slivers that are or stay allocated; updating ones keep their expiry, so that
    /// `Cancel` has nothing to undo.
    pub end_time: Option<DateTime<Utc>>,
    /// When the credential that authorised the call expires.
    pub credential_expires: DateTime<Utc>,
}

pub(super) fn run(call: &Update, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    let behaves_like_allocate = call.selection == Selection::Slice && work.slice.slivers.is_empty();
    let targets = if behaves_like_allocate {
        if call.new.is_empty() {
            return Err(Refusal::NothingRequested { slice: work.slice.urn.clone() });
        }
        Vec::new()
    } else {
        work.select(Some((Call::Update, Together::All)), &call.selection, call.best_effort)?
    };
    check_listed(call, &targets, work)?;
    let expires = short_expiry(work, call.end_time, call.credential_expires)?;
    let frame = work.add_frame(call.frame.as_deref());
    let mut report = work.each(targets, call.best_effort, |sliver| {
        let change = match call.changes.get(&sliver.urn) {
            None => None,
            Some(Proposal::Configuration(configuration)) => Some(framed(configuration, frame)),
            Some(Proposal::Refused { code, reason }) => {
                return Err(Refusal::Unfit {
                    sliver: sliver.urn.clone(),
                    code: *code,
                    reason: reason.clone(),
                });
            }
        };
        let granted = match (&sliver.allocation, &change) {
            (Allocation::Allocated(_), None) => return Ok(Step::Depart(Cause::Removed)),
            (Allocation::Allocated(_), Some(change)) => {
                sliver.allocation = Allocation::Allocated(Arc::clone(change));
                sliver.expires = expires;
                return Ok(Step::Change);
            }
            (Allocation::Provisioned(granted) | Allocation::Updating { granted, .. }, _) => {
                Arc::clone(granted)
            }
        };
        let pending = change.map_or(Pending::Removal, Pending::Change);
        sliver.allocation = Allocation::Updating { granted, pending };
        Ok(Step::Change)
    })?;
    report.extend(work.add_slivers(&call.new, &call.creator, expires, frame)?);
    work.check_client_ids()?;
    Ok(report)
}

/// Refuses a change of a sliver that was not named: whether it was meant cannot be known.
fn check_listed(call: &Update, targets: &[Target], work: &Work<'_>) -> Result<(), Refusal> {
    let listed: HashSet<&Urn> = targets
        .iter()
        .filter_map(|target| match target {
            Target::Live(at) => work.slice.slivers.get(*at).map(|sliver| &sliver.urn),
            Target::Unknown(urn) => Some(urn),
        })
        .collect();
    match call.changes.keys().find(|urn| !listed.contains(urn)) {
        None => Ok(()),
        Some(stray) if work.slice.sliver(stray).is_some() => {
            Err(Refusal::NotListed { sliver: stray.clone() })
        }
        Some(stray) => Err(Refusal::UnknownSliver { sliver: stray.clone() }),
    }
}
