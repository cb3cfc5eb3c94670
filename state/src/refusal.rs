//! Why a call was refused, in terms the caller can act on.

use crate::operational::Operational;
use crate::sliver::{AllocationStatus, ResourceKind};
use crate::vocabulary::{Action, Call};
use chrono::{DateTime, SecondsFormat, Utc};
use std::fmt;
use urn::Urn;

/// What sets the latest time that can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The time for which a sliver is held before its `Provision`.
    Allocated,
    /// The longest lifetime of a provisioned sliver.
    Lifetime,
    /// The expiry of the credential that authorised the call.
    Credential,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allocated => "the time an allocated sliver is held before Provision",
            Self::Lifetime => "the longest time this aggregate grants",
            Self::Credential => "the expiry of the credential",
        })
    }
}

/// Why a call changed nothing, or why one sliver of a best-effort call was left as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No sliver was named.
    #[error("no sliver or slice is named: give the slice's URN or the URN of at least one sliver")]
    NothingNamed,
    /// The request describes no node and no link.
    #[error("the request for slice {slice} holds no node and no link for this aggregate")]
    NothingRequested {
        /// The slice.
        slice: Urn,
    },
    /// The description names a sliver of this slice that the call does not.
    #[error(
        "sliver {sliver} is described in the RSpec but is not in the list of URNs: add it to the list, or leave it out of the RSpec"
    )]
    NotListed {
        /// The sliver.
        sliver: Urn,
    },
    /// The slice is shut down.
    #[error("slice {slice} was shut down at {}: only the operators of this aggregate can restore it", stamp(.at))]
    ShutDown {
        /// The slice.
        slice: Urn,
        /// When.
        at: DateTime<Utc>,
    },
    /// The name is another slice's.
    #[error(
        "the name {slice} belongs to another slice here, whose certificate bears another UUID, {}", other_until(until.as_ref())
    )]
    OtherSlice {
        /// The name.
        slice: Urn,
        /// Until when that slice has something here, if nothing renews it; `None` while it is shut down.
        until: Option<DateTime<Utc>>,
    },
    /// The slice has no live sliver here.
    #[error("slice {slice} has no slivers at this aggregate")]
    NothingHere {
        /// The slice.
        slice: Urn,
    },
    /// No live sliver of this name in the slice.
    #[error("the slice has no sliver {sliver} here: it never existed, was deleted or has expired")]
    UnknownSliver {
        /// The sliver asked for.
        sliver: Urn,
    },
    /// Two resources of one kind would bear the same name.
    #[error(
        "client_id {client_id:?} is already the name of {resource} sliver {sliver}: each {resource} of the slice needs its own"
    )]
    ClientIdTaken {
        /// The name.
        client_id: String,
        /// Node or link.
        resource: ResourceKind,
        /// The sliver that has it.
        sliver: Urn,
    },
    /// A new sliver was given the name of one that is there: a fault of this aggregate.
    #[error("sliver name {sliver} is already in use")]
    NameInUse {
        /// The name.
        sliver: Urn,
    },
    /// A second `Allocate` at a `geni_single` aggregate.
    #[error(
        "slice {slice} already has {slivers} sliver(s) here and this aggregate takes one Allocate per slice (geni_single): use Update, or Delete first"
    )]
    SecondAllocate {
        /// The slice.
        slice: Urn,
        /// How many live slivers it has.
        slivers: usize,
    },
    /// Some slivers that must move together were not named (`geni_single_allocation`).
    #[error(
        "this aggregate changes slivers together (geni_single_allocation): {call} must name the slice, or also {}", list(.missing)
    )]
    PartialSet {
        /// The call.
        call: Call,
        /// The slivers that were left out.
        missing: Vec<Urn>,
    },
    /// A requested expiry in the past.
    #[error("sliver {sliver}: expiry {} is not in the future; a time up to {} would be allowed", stamp(.asked), stamp(.latest))]
    Past {
        /// The sliver.
        sliver: Urn,
        /// What was asked for.
        asked: DateTime<Utc>,
        /// The latest time allowed for all slivers of the call.
        latest: DateTime<Utc>,
    },
    /// A requested expiry beyond a limit.
    #[error("sliver {sliver} cannot be renewed to {}: the limit is {limit}; a time up to {} would be allowed", stamp(.asked), stamp(.latest))]
    TooLate {
        /// The sliver.
        sliver: Urn,
        /// What was asked for.
        asked: DateTime<Utc>,
        /// What sets the limit.
        limit: Limit,
        /// The latest time allowed for all slivers of the call.
        latest: DateTime<Utc>,
    },
    /// The credential's time is over, so nothing can be granted under it.
    #[error("the credential expired at {}: nothing can be granted beyond that time", stamp(.expired))]
    CredentialOver {
        /// When.
        expired: DateTime<Utc>,
    },
    /// No such operational action.
    #[error("unknown operational action {action:?}; known are {}", actions(&Action::ALL))]
    UnknownAction {
        /// What was asked for, shortened.
        action: String,
    },
    /// The sliver is not provisioned.
    #[error("sliver {sliver} is {status}: {action} needs a provisioned sliver, so Provision it first")]
    NotProvisioned {
        /// The sliver.
        sliver: Urn,
        /// The action.
        action: Action,
        /// The state it is in.
        status: AllocationStatus,
    },
    /// The sliver is being built.
    #[error(
        "sliver {sliver} is still being prepared ({}): {action} is possible once it is {}",
        Operational::PendingAllocation,
        Operational::NotReady
    )]
    StillPending {
        /// The sliver.
        sliver: Urn,
        /// The action.
        action: Action,
    },
    /// The sliver is updating.
    #[error(
        "sliver {sliver} is {}: {action} is possible after Provision or Cancel",
        AllocationStatus::Updating
    )]
    Updating {
        /// The sliver.
        sliver: Urn,
        /// The action.
        action: Action,
    },
    /// The action does not exist in the sliver's operational state.
    #[error("sliver {sliver} is {operational}: {action} is not possible now; {} would be allowed", actions(Action::possible_in(*.operational)))]
    WrongOperationalState {
        /// The sliver.
        sliver: Urn,
        /// The action.
        action: Action,
        /// The state it is in.
        operational: Operational,
    },
    /// Users can only be changed while running.
    #[error("sliver {sliver} is {operational}: users can be changed only while it is {}", Operational::Ready)]
    UsersNeedReady {
        /// The sliver.
        sliver: Urn,
        /// The state it is in.
        operational: Operational,
    },
    /// Whoever prepared the call found that this sliver cannot be what was asked.
    #[error("sliver {sliver}: {reason}")]
    Unfit {
        /// The sliver.
        sliver: Urn,
        /// The `geni_code`.
        code: i32,
        /// Why.
        reason: String,
    },
}

impl Refusal {
    /// The `geni_code` for this refusal (AM API v3, table of return codes).
    #[must_use]
    pub fn geni_code(&self) -> i32 {
        match self {
            Self::NothingNamed | Self::NothingRequested { .. } | Self::NotListed { .. } => BADARGS,
            Self::ShutDown { .. } | Self::OtherSlice { .. } => FORBIDDEN,
            Self::NameInUse { .. } => SERVERERROR,
            Self::UsersNeedReady { .. } => REFUSED,
            Self::NothingHere { .. } | Self::UnknownSliver { .. } => SEARCHFAILED,
            Self::SecondAllocate { .. }
            | Self::PartialSet { .. }
            | Self::UnknownAction { .. }
            | Self::NotProvisioned { .. }
            | Self::StillPending { .. }
            | Self::WrongOperationalState { .. } => UNSUPPORTED,
            Self::Updating { .. } => INPROGRESS,
            Self::ClientIdTaken { .. } => ALREADYEXISTS,
            Self::Past { .. } | Self::TooLate { .. } | Self::CredentialOver { .. } => OUTOFRANGE,
            Self::Unfit { code, .. } => *code,
        }
    }

    /// The latest expiry that would have been allowed, where the refusal is about a time.
    #[must_use]
    pub fn latest_allowed(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Past { latest, .. } | Self::TooLate { latest, .. } => Some(*latest),
            _ => None,
        }
    }
}

const BADARGS: i32 = 1;
const FORBIDDEN: i32 = 3;
const SERVERERROR: i32 = 5;
const REFUSED: i32 = 7;
const SEARCHFAILED: i32 = 12;
const UNSUPPORTED: i32 = 13;
const INPROGRESS: i32 = 16;
const ALREADYEXISTS: i32 = 17;
const OUTOFRANGE: i32 = 19;

fn other_until(until: Option<&DateTime<Utc>>) -> String {
    match until {
        Some(until) => format!("until its slivers are deleted or expire (now {})", stamp(until)),
        None => "and is shut down: only the operators of this aggregate can release the name".to_owned(),
    }
}

fn stamp(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The first few names, and how many more there are.
fn list(urns: &[Urn]) -> String {
    const SHOWN: usize = 5;
    let mut text = urns.iter().take(SHOWN).map(Urn::as_str).collect::<Vec<_>>().join(", ");
    if urns.len() > SHOWN {
        text.push_str(&format!(" and {} more", urns.len() - SHOWN));
    }
    text
}

fn actions(actions: &[Action]) -> String {
    if actions.is_empty() {
        return "no action".to_owned();
    }
    actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixtures::{at, sliver};

    #[test]
    fn messages_name_the_sliver_the_limit_and_what_would_be_allowed() {
        let refusal = Refusal::TooLate {
            sliver: sliver("p"),
            asked: at(100),
            limit: Limit::Credential,
            latest: at(50),
        };
        assert_eq!(
            refusal.to_string(),
            "sliver urn:publicid:IDN+am.example.net+sliver+p cannot be renewed to 2030-03-17T17:48:20Z: the \
             limit is the expiry of the credential; a time up to 2030-03-17T17:47:30Z would be allowed"
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let missing = (0..9).map(|n| sliver(&n.to_string())).collect();
        let text = Refusal::PartialSet { call: Call::Cancel, missing }.to_string();
        assert!(text.contains("Cancel must name the slice") && text.ends_with("and 4 more"), "{text}");
    }
}
