//! Update: urns, credentials, rspec, options; a manifest comes back.

use crate::aggregate::update::Update;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::reply;
use crate::error::CallError;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.update(context.caller, decode(arguments)?).await?;
        reply::manifest(answer).await
    })
}

fn decode(mut arguments: Arguments) -> Result<Update, CallError> {
    let target = arguments.target()?;
    let rspec = arguments.string()?;
    let options = arguments.options()?;
    Ok(Update {
        target,
        rspec,
        best_effort: options.flag("geni_best_effort")?,
        start_time: options.time("geni_start_time")?,
        end_time: options.time("geni_end_time")?,
    })
}
