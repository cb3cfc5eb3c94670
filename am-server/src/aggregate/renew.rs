//! Renew: another expiry.

use super::answer::{Answer, Slivers};
use super::caller::Caller;
use super::{Aggregate, SliverRequest, slivers};
use crate::error::CallError;
use crate::time;
use chrono::{DateTime, Utc};
use credentials::Operation;
use state::Event;

/// The arguments of Renew.
#[derive(Debug)]
pub struct Renew {
    /// What is renewed.
    pub target: SliverRequest,
    /// The new expiry, one for all.
    pub until: DateTime<Utc>,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// `geni_extend_alap`: if not to the time asked for, then as long as possible.
    pub as_long_as_possible: bool,
}

impl Aggregate {
    /// Renew (AM API v3; `geni_extend_alap` as GENI's own aggregates offer it).
    ///
    /// # Errors
    /// A time in the past or beyond a limit (geni_code 19, with the latest allowed time as value); else as
    /// Status.
    pub async fn renew(&self, caller: &Caller, request: Renew) -> Result<Answer<Slivers>, CallError> {
        let admitted = self.admit(caller, &request.target, Operation::RenewSliver).await?;
        let transition = self
            .transact(&admitted, |_, _| {
                Ok(Event::Renew(state::Renew {
                    selection: admitted.selection.clone(),
                    until: request.until,
                    best_effort: request.best_effort,
                    as_late_as_possible: request.as_long_as_possible,
                    credential_expires: admitted.credential_expires,
                }))
            })
            .await?;
        let value = slivers(&admitted.slice, &transition);
        Ok(Answer { output: expiries(&value), value })
    }
}

/// A sentence on when slivers expire now.
pub(super) fn expiries(answer: &Slivers) -> String {
    let live = answer.slivers.iter().filter(|sliver| sliver.allocation != "geni_unallocated");
    let times: Vec<DateTime<Utc>> = live.filter_map(|sliver| sliver.expires).collect();
    match (times.iter().min(), times.iter().max()) {
        (Some(first), Some(last)) if first == last => format!("slivers expire at {}", time::format(*first)),
        (Some(first), Some(last)) => {
            format!("slivers expire between {} and {}", time::format(*first), time::format(*last))
        }
        _ => String::new(),
    }
}
