//! The state machine: one file per call, one function for all of them.
//!
//! ```text
//!                    Allocate, Update (new)
//!      unallocated ─────────────────────────> geni_allocated ──┐ Update: changed at once
//!           ^  ^                                 │  │    ^──────┘
//!           │  └── Delete, Cancel, expiry, ──────┘  │ Provision
//!           │      Update (left out)                v
//!           ├── Delete, expiry ────────────── geni_provisioned
//!           │                                  │        ^
//!           │                           Update │        │ Cancel (as it was), Provision (changed)
//!           │                                  v        │
//!           └── Delete, expiry, ────────── geni_updating ──┐ Update: pending change replaced
//!               Provision (marked for removal)      ^──────┘
//! ```
//!
//! A call is all or nothing: a refusal for one sliver refuses the call, unless the caller asked for best
//! effort, when that sliver is left as it was and its refusal stands in the report.

mod allocate;
mod cancel;
mod delete;
mod expire;
mod observe;
mod operate;
mod provision;
mod read;
mod release;
mod renew;
mod report;
mod restore;
mod selection;
mod shutdown;
mod transition;
mod update;

pub use allocate::Allocate;
pub use cancel::Cancel;
pub use delete::Delete;
pub use observe::{Observe, Sighting};
pub use operate::Operate;
pub use provision::{Provision, Provisioning};
pub use read::{describe, status};
pub use release::Release;
pub use renew::Renew;
pub use restore::Restore;
pub use selection::Selection;
pub use shutdown::Shutdown;
pub use transition::{Cause, Departure, Outcome, Transition};
pub use update::{Proposal, Update};

use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::slice::Slice;
use crate::time::whole_seconds;
use chrono::{DateTime, Utc};
use report::Report;
use transition::Work;

/// Everything that can happen to a slice.
#[derive(Debug, Clone)]
pub enum Event {
    /// New slivers.
    Allocate(Allocate),
    /// Allocated and updating slivers become what was promised.
    Provision(Provision),
    /// A new expiry.
    Renew(Renew),
    /// A change, to be provisioned or cancelled later.
    Update(Update),
    /// Allocated slivers go, updating ones go back.
    Cancel(Cancel),
    /// Slivers go.
    Delete(Delete),
    /// `PerformOperationalAction`.
    Operate(Operate),
    /// The slice is frozen and cut off.
    Shutdown(Shutdown),
    /// An operator lifts a shutdown.
    Restore(Restore),
    /// An operator lifts a shutdown and keeps nothing.
    Release(Release),
    /// Time passes: slivers past their expiry go.
    Expire,
    /// The reconciler saw the cloud.
    Observe(Observe),
}

/// What `event` makes of `slice` at `now`.
///
/// Slivers past their expiry are dropped before anything else (unless the slice is shut down), so that none
/// is ever treated as live; they appear in [`Transition::departed`]. A slice that has nothing here is
/// [`Slice::new`].
///
/// # Errors
/// [`Refusal`]: the event may not happen; the slice stays as it was.
pub fn apply(
    slice: &Slice,
    event: &Event,
    now: DateTime<Utc>,
    policy: &Policy,
) -> Result<Transition, Refusal> {
    apply_all(slice, std::slice::from_ref(event), now, policy)
}

/// What `events`, one after the other and all at `now`, make of `slice`: one transition, as of a single event.
///
/// The report has one entry for each sliver that any of the events named, in the order in which they did. An entry
/// tells the sliver as it is after the last event; it counts as changed if any of the events changed it.
///
/// # Errors
/// [`Refusal`]: one of the events may not happen; none of them has, and the slice stays as it was.
pub fn apply_all(
    slice: &Slice,
    events: &[Event],
    now: DateTime<Utc>,
    policy: &Policy,
) -> Result<Transition, Refusal> {
    let mut work = Work::begin(slice, whole_seconds(now), policy);
    let mut report = Report::default();
    for event in events {
        report.add(run(event, &mut work)?);
    }
    let report = report.finish(&work.slice);
    Ok(work.finish(slice, report))
}

fn run(event: &Event, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    Ok(match event {
        Event::Allocate(call) => allocate::run(call, work)?,
        Event::Provision(call) => provision::run(call, work)?,
        Event::Renew(call) => renew::run(call, work)?,
        Event::Update(call) => update::run(call, work)?,
        Event::Cancel(call) => cancel::run(call, work)?,
        Event::Delete(call) => delete::run(call, work)?,
        Event::Operate(call) => operate::run(call, work)?,
        Event::Shutdown(call) => shutdown::run(call, work),
        Event::Restore(call) => restore::run(call, work),
        Event::Release(call) => release::run(call, work),
        Event::Expire => expire::run(work),
        Event::Observe(call) => observe::run(call, work),
    })
}

#[cfg(test)]
pub(crate) mod fixtures;
