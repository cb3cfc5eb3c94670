//! Cancel: urns, credentials, options; a manifest comes back.

use crate::aggregate::cancel::Cancel;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::reply;
use crate::error::CallError;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.cancel(context.caller, decode(arguments)?).await?;
        reply::manifest(answer).await
    })
}

fn decode(mut arguments: Arguments) -> Result<Cancel, CallError> {
    let target = arguments.target()?;
    let best_effort = arguments.options()?.flag("geni_best_effort")?;
    Ok(Cancel { target, best_effort })
}
