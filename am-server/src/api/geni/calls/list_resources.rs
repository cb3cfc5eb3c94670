//! ListResources: credentials, options; an advertisement comes back.

use crate::aggregate::answer::Answer;
use crate::aggregate::list_resources::ListResources;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::http::Document;
use crate::api::geni::ready::Ready;
use crate::api::geni::reply;
use crate::error::CallError;
use std::sync::Arc;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.list_resources(context.caller, decode(arguments)?).await?;
        advertisement(context.ready, answer).await
    })
}

fn decode(mut arguments: Arguments) -> Result<ListResources, CallError> {
    let credentials = arguments.credentials()?;
    let options = arguments.options()?;
    options.rspec_version()?;
    Ok(ListResources {
        credentials,
        available: options.flag("geni_available")?,
        compressed: options.flag("geni_compressed")?,
        of_slice: options.has("geni_slice_urn"),
    })
}

/// The answer with an advertisement, which many callers get: the first of them has it written.
async fn advertisement(ready: &Ready, answer: Answer<Arc<str>>) -> Result<Arc<Document>, CallError> {
    if let Some(document) = ready.advertisement(&answer.value) {
        return Ok(document);
    }
    let text = Arc::clone(&answer.value);
    let document = reply::written(reply::is_large_rspec(&text), answer, write).await?;
    ready.keep_advertisement(text, Arc::clone(&document));
    Ok(document)
}

fn write(answer: &Answer<Arc<str>>) -> String {
    reply::success(reply::room_for_rspec(&answer.value), &answer.output, |writer| {
        writer.string(&answer.value)
    })
}
