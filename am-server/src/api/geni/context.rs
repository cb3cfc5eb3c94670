//! A call under way: what its file in [`super::calls`] is given, and what it gives back.

use super::http::Document;
use super::ready::Ready;
use super::version::Version;
use crate::aggregate::Aggregate;
use crate::aggregate::caller::Caller;
use crate::error::CallError;
use std::pin::Pin;
use std::sync::Arc;

/// Everything about a call but its arguments.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The aggregate that carries it out.
    pub(super) aggregate: &'a Aggregate,
    /// The answers that are the same for everybody.
    pub(super) ready: &'a Ready,
    /// The version of the API it came by.
    pub(super) version: Version,
    /// The caller.
    pub(super) caller: &'a Caller,
}

/// The answer as it is being made.
pub(super) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Arc<Document>, CallError>> + Send + 'a>>;
