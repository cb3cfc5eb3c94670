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
    let mut work = Work::begin(slice, whole_seconds(now), policy);
    let report = match event {
        Event::Allocate(call) => allocate::run(call, &mut work)?,
        Event::Provision(call) => provision::run(call, &mut work)?,
        Event::Renew(call) => renew::run(call, &mut work)?,
        Event::Update(call) => update::run(call, &mut work)?,
        Event::Cancel(call) => cancel::run(call, &mut work)?,
        Event::Delete(call) => delete::run(call, &mut work)?,
        Event::Operate(call) => operate::run(call, &mut work)?,
        Event::Shutdown(call) => shutdown::run(call, &mut work),
        Event::Restore(call) => restore::run(call, &mut work),
        Event::Release(call) => release::run(call, &mut work),
        Event::Expire => expire::run(&work),
        Event::Observe(call) => observe::run(call, &mut work),
    };
    Ok(work.finish(slice, report))
}

#[cfg(test)]
pub(crate) mod fixtures;
