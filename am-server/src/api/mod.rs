//! The APIs. Each turns a protocol into calls of [`crate::aggregate`] and their results back, and decides nothing about
//! slivers.

pub mod geni;
pub mod metrics;
