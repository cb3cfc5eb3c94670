//! PerformOperationalAction: urns, credentials, action, options; a list of slivers comes back.

use crate::aggregate::perform_operational_action::PerformOperationalAction;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::reply;
use crate::error::CallError;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.perform_operational_action(context.caller, decode(arguments)?).await?;
        reply::slivers(answer, reply::sliver_list).await
    })
}

fn decode(mut arguments: Arguments) -> Result<PerformOperationalAction, CallError> {
    let target = arguments.target()?;
    let action = arguments.string()?;
    let options = arguments.options()?;
    let best_effort = options.flag("geni_best_effort")?;
    // The other actions ignore the option, even one that cannot be read.
    let users = if action == "geni_update_users" { options.users()? } else { None };
    Ok(PerformOperationalAction { target, action, best_effort, users })
}
