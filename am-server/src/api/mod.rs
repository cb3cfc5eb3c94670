//! The APIs. Each turns a protocol into calls of [`crate::aggregate`] and their results back, and decides nothing about
//! slivers.
//!
//! An API registers with one line of [`KINDS`]; [`kind`] says what it brings.

mod deltacloud;
pub mod geni;
pub mod kind;
pub mod limits;
pub mod metrics;

/// The registry of APIs, in the order in which their addresses are taken.
pub const KINDS: [kind::ApiKind; 3] = [geni::mounted::KIND, deltacloud::KIND, metrics::KIND];
