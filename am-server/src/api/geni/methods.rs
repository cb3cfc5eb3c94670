//! From the bytes of a request to the document that answers it: one span, one log line and one figure for each call.

use super::arguments::Arguments;
use super::calls;
use super::context::Context;
use super::http::Document;
use super::ready::Ready;
use super::reply;
use super::version::Version;
use super::xmlrpc::{self, Fault};
use crate::aggregate::Aggregate;
use crate::aggregate::caller::Caller;
use crate::blocking::blocking;
use crate::error::CallError;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;
use tracing::{Instrument, info, info_span};

/// Answers one request: the bytes of a call in, the text of a response out.
pub(super) async fn answer(
    aggregate: &Aggregate,
    ready: &Ready,
    version: Version,
    caller: Caller,
    body: Bytes,
) -> Arc<Document> {
    let started = Instant::now();
    let decoded = blocking(body.len(), move || xmlrpc::decode(&body))
        .await
        .unwrap_or(Err(Fault::NotACall("it could not be read")));
    let (method, arguments) = match decoded {
        Ok(call) => call,
        Err(fault) => return refuse(aggregate, &caller, &fault),
    };
    let Some(method) = calls::find(version, &method) else {
        let name = xmlrpc::printable(&method).chars().take(60).collect();
        return refuse(aggregate, &caller, &Fault::UnknownMethod { name, known: calls::names(version) });
    };
    let span = info_span!(
        "call", request = %caller.request, caller = %caller.urn(), peer = %caller.peer, api = version.number(), call = method.name,
        slice = tracing::field::Empty
    );
    let context = Context { aggregate, ready, version, caller: &caller };
    let call = async {
        let arguments = Arguments::new(method.name, method.arguments, arguments)?;
        (method.answer)(context, arguments).await
    };
    let result = call.instrument(span.clone()).await;
    let took = started.elapsed();
    let geni_code = result.as_ref().err().map_or(0, CallError::geni_code);
    aggregate.metrics().call(method.name, geni_code, took);
    let took = took.as_micros();
    span.in_scope(|| match result {
        Ok(document) => {
            info!(geni_code = 0, took_us = took, "answered");
            document
        }
        Err(error) => {
            info!(geni_code = error.geni_code(), am_code = error.am_code(), took_us = took, reason = %error, "refused");
            Arc::new(Document::new(reply::failure(&error.of_request(caller.request))))
        }
    })
}

fn refuse(aggregate: &Aggregate, caller: &Caller, fault: &Fault) -> Arc<Document> {
    aggregate.metrics().not_a_call();
    info!(request = %caller.request, caller = %caller.urn(), peer = %caller.peer, fault = fault.code(), reason = %fault, "not a call");
    Arc::new(Document::new(xmlrpc::encode_fault(fault.code(), &fault.to_string())))
}
