//! Describe: urns, credentials, options; a manifest comes back.

use crate::aggregate::describe::Describe;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::reply;
use crate::error::CallError;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.describe(context.caller, decode(arguments)?).await?;
        reply::manifest(answer).await
    })
}

fn decode(mut arguments: Arguments) -> Result<Describe, CallError> {
    let target = arguments.target()?;
    let options = arguments.options()?;
    options.rspec_version()?;
    Ok(Describe {
        target,
        compressed: options.flag("geni_compressed")?,
        cancelled: options.flag("geni_cancelled")?,
    })
}
