//! Measurements of a GENI aggregate: a load generator, baselines, and the targets they are held against.
//!
//! A figure by itself says more about the machine than about the program. So every figure that is judged is a
//! ratio of two that were taken in the same run, turn by turn, on the same machine with the same load generator: the
//! aggregate, and the least that could do the same job ([`baseline`], [`bare`]).
//!
//! - [`wire`] speaks mutual TLS, HTTP and XML-RPC to any aggregate; [`load`] lets many clients do that at once.
//! - [`workload`] says what a client does in one turn: a call, or a cycle of calls.
//! - [`server`] starts the aggregate and the bare server as processes of their own and reads what they use.
//! - [`cloud`] is the client of the Deltacloud face, as a process of its own too.
//! - [`measure`] takes the measurements, [`targets`] judges them, [`report`] prints them.
//!
//! `docs/performance.md` explains how to run it and how to read what it prints.

pub mod arguments;
pub mod bare;
pub mod baseline;
pub mod cloud;
pub mod documents;
pub mod experimenter;
pub mod load;
pub mod measure;
pub mod prefill;
pub mod report;
pub mod server;
pub mod targets;
pub mod wire;
pub mod workload;
pub mod xmlrpc;

/// What ends a run: always in words for the person who started it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    /// A failure in these words.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// Says what was being done when `error` came up.
    pub fn when<E: std::fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |error| Self(format!("{what}: {error}"))
    }
}
