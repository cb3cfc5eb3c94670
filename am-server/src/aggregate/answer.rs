//! What calls answer with, in the terms of the API and free of its encoding.

use chrono::{DateTime, Utc};
use state::{NextAllocation, Outcome};
use urn::Urn;

/// A successful call's value, with what should be said about it.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// The `output` of the return struct; often empty.
    pub output: String,
}

impl<T> Answer<T> {
    /// A value that speaks for itself.
    #[must_use]
    pub fn of(value: T) -> Self {
        Self { value, output: String::new() }
    }
}

/// One sliver in an answer.
#[derive(Debug, Clone)]
pub struct SliverEntry {
    /// `geni_sliver_urn`.
    pub urn: Urn,
    /// `geni_allocation_status`.
    pub allocation: &'static str,
    /// `geni_operational_status`.
    pub operational: &'static str,
    /// `geni_next_allocation_status`: after the next Provision; empty when that would change nothing.
    pub next: &'static str,
    /// `geni_expires`; None only for a name that is no sliver here.
    pub expires: Option<DateTime<Utc>>,
    /// `geni_error`; empty when there is none.
    pub error: String,
}

impl SliverEntry {
    /// What a transition says of a sliver.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        Self {
            urn: outcome.urn.clone(),
            allocation: outcome.status.as_str(),
            operational: outcome.operational.as_str(),
            next: outcome.next.map(NextAllocation::as_str).unwrap_or_default(),
            expires: outcome.expires,
            error: match (&outcome.refusal, &outcome.error) {
                (Some(refusal), _) => refusal.to_string(),
                (None, Some(error)) => error.clone(),
                (None, None) => String::new(),
            },
        }
    }
}

/// Slivers and the RSpec that describes them.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The slice.
    pub slice: Urn,
    /// The manifest RSpec.
    pub rspec: String,
    /// The slivers, in the order of their creation.
    pub slivers: Vec<SliverEntry>,
}

/// Slivers of one slice.
#[derive(Debug, Clone)]
pub struct Slivers {
    /// The slice.
    pub slice: Urn,
    /// The slivers.
    pub slivers: Vec<SliverEntry>,
}
