//! How the world comes in. Each face turns a protocol into calls of [`crate::aggregate`] and their results
//! back; none of them decides anything about slivers.

pub mod geni;
pub mod metrics;
