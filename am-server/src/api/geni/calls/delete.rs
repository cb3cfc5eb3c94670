//! Delete: urns, credentials, options; a list of slivers comes back.

use crate::aggregate::delete::Delete;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::reply;
use crate::error::CallError;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.delete(context.caller, decode(arguments)?).await?;
        reply::slivers(answer, reply::sliver_list).await
    })
}

fn decode(mut arguments: Arguments) -> Result<Delete, CallError> {
    let target = arguments.target()?;
    let best_effort = arguments.options()?.flag("geni_best_effort")?;
    Ok(Delete { target, best_effort })
}
