//! Allocate: slice_urn, credentials, rspec, options; a manifest comes back.

use crate::aggregate::allocate::Allocate;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::reply;
use crate::error::CallError;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.allocate(context.caller, decode(arguments)?).await?;
        reply::manifest(answer).await
    })
}

fn decode(mut arguments: Arguments) -> Result<Allocate, CallError> {
    let slice = arguments.string()?;
    let credentials = arguments.credentials()?;
    let rspec = arguments.string()?;
    let options = arguments.options()?;
    let (start_time, end_time) = (options.time("geni_start_time")?, options.time("geni_end_time")?);
    Ok(Allocate { slice, credentials, rspec, start_time, end_time })
}
