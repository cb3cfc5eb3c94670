//! Slices and slivers as values, and the one place where they are kept.
//!
//! A [`Slice`] is a plain value. What a call of the AM API does to it is written as a pure function,
//! [`apply`]: it takes the slice, the [`Event`], the time and the [`Policy`], and gives back a
//! [`Transition`] or a [`Refusal`]. Nothing in it reads a clock, waits or does I/O, so every rule of the
//! allocation states can be tested by calling it.
//!
//! A [`Store`] keeps slices. It saves a transition whole or not at all, refuses one that was computed from
//! an outdated slice, and counts what slivers hold against what there is in the same transaction, so that no
//! two calls ever get the same thing. [`SqliteStore`] is the embedded one.
//!
//! ```text
//!   load slice ──> apply(slice, event, now, policy) ──> save transition ──> answer from its report
//!                       │                                    │
//!                       └── Refusal: nothing changed         └── Conflict: load again and retry
//! ```
//!
//! This crate knows no RSpec, no credential and no cloud: what a sliver is made of is opaque text and JSON
//! to it, except for the [`Claim`]s that the ledger counts.
//!
//! Sources of the rules: the AM API v3 (sliver allocation and operational states) and change set C of the AM
//! API v4 draft (`Update`, `Cancel`, `geni_updating`).

mod goal;
mod ledger;
mod machine;
mod operational;
mod policy;
mod refusal;
mod slice;
mod sliver;
mod store;
mod time;
mod vocabulary;

pub use goal::Goal;
pub use ledger::{Availability, Ledger, holdings, sliver_holdings};
pub use machine::{
    Allocate, Cancel, Cause, Delete, Departure, Event, Observe, Operate, Outcome, Proposal, Provision,
    Provisioning, Release, Renew, Restore, Selection, Shutdown, Sighting, Transition, Update, apply,
    apply_all, describe, status,
};
pub use operational::{Instance, Operational, Phase, Power, Revision};
pub use policy::{AllocateMode, Policy};
pub use refusal::{Limit, Refusal};
pub use slice::{Frame, Slice, Stop};
pub use sliver::{
    Allocation, AllocationStatus, Claim, Configuration, NewSliver, NextAllocation, Pending, ResourceKind,
    Sliver, View,
};
pub use store::{
    Condition, Counts, DepartedSliver, RosterEntry, SqliteStore, Store, StoreError, UnreadableRow,
    UnsettledSliver, Whereabouts, Written,
};
pub use vocabulary::{Action, Call};
