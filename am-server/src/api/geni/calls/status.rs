//! Status: urns, credentials, options; the slice and its slivers come back.

use crate::aggregate::answer::{Answer, Slivers};
use crate::aggregate::status::Status;
use crate::api::geni::arguments::Arguments;
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::reply;
use crate::error::CallError;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        let answer = context.aggregate.status(context.caller, decode(arguments)?).await?;
        reply::slivers(answer, write).await
    })
}

fn decode(mut arguments: Arguments) -> Result<Status, CallError> {
    let target = arguments.target()?;
    arguments.options()?;
    Ok(Status { target })
}

/// `{geni_urn, geni_slivers}`.
fn write(answer: &Answer<Slivers>) -> String {
    let Slivers { slice, slivers } = &answer.value;
    reply::success(reply::room_for(slivers), &answer.output, |writer| {
        writer.structure(|writer| {
            writer.text("geni_urn", slice.as_str());
            writer.member("geni_slivers", |writer| reply::write_slivers(writer, slivers));
        });
    })
}
