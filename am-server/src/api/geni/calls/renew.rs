//! Renew: urns, credentials, expiration_time, options; a list of slivers comes back.

use crate::aggregate::renew::Renew;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::reply;
use crate::error::CallError;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.renew(context.caller, decode(arguments)?).await?;
        reply::slivers(answer, reply::sliver_list).await
    })
}

fn decode(mut arguments: Arguments) -> Result<Renew, CallError> {
    let target = arguments.target()?;
    let until = arguments.time()?;
    let options = arguments.options()?;
    Ok(Renew {
        target,
        until,
        best_effort: options.flag("geni_best_effort")?,
        as_long_as_possible: options.flag("geni_extend_alap")?,
    })
}
