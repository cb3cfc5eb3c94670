//! Provision: urns, credentials, options; a manifest comes back.

use crate::aggregate::provision::Provision;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::reply;
use crate::error::CallError;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.provision(context.caller, decode(arguments)?).await?;
        reply::manifest(answer).await
    })
}

fn decode(mut arguments: Arguments) -> Result<Provision, CallError> {
    let target = arguments.target()?;
    let options = arguments.options()?;
    options.rspec_version()?;
    Ok(Provision {
        target,
        best_effort: options.flag("geni_best_effort")?,
        end_time: options.time("geni_end_time")?,
        users: options.users()?,
    })
}
