//! Shutdown: slice_urn, credentials, options; a boolean comes back.

use crate::aggregate::shutdown::Shutdown;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::http::Document;
use crate::api::geni::reply;
use crate::error::CallError;
use std::sync::Arc;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.shutdown(context.caller, decode(arguments)?).await?;
        let text = reply::success(0, &answer.output, |writer| writer.boolean(answer.value));
        Ok(Arc::new(Document::new(text)))
    })
}

fn decode(mut arguments: Arguments) -> Result<Shutdown, CallError> {
    let request = Shutdown { slice: arguments.string()?, credentials: arguments.credentials()? };
    arguments.options()?;
    Ok(request)
}
