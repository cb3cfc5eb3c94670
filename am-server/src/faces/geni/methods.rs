//! The calls: each takes its arguments apart, goes to the function of the same name in
//! [`crate::aggregate`], and has its answer put together.

use super::arguments::{Arguments, Options};
use super::http::Document;
use super::ready::Ready;
use super::reply;
use super::version::Version;
use super::xmlrpc::{self, Fault};
use crate::aggregate::allocate::Allocate;
use crate::aggregate::answer::{Answer, Manifest, Slivers};
use crate::aggregate::caller::Caller;
use crate::aggregate::cancel::Cancel;
use crate::aggregate::delete::Delete;
use crate::aggregate::describe::Describe;
use crate::aggregate::error::{CallError, GeniCode};
use crate::aggregate::list_resources::ListResources;
use crate::aggregate::perform_operational_action::PerformOperationalAction;
use crate::aggregate::provision::Provision;
use crate::aggregate::renew::Renew;
use crate::aggregate::shutdown::Shutdown;
use crate::aggregate::status::Status;
use crate::aggregate::update::Update;
use crate::aggregate::{Aggregate, SliverRequest};
use bytes::Bytes;
use dxr::Value;
use std::sync::Arc;
use std::time::Instant;
use tracing::{Instrument, info, info_span};

/// All methods, for the message that says what could have been called.
const METHODS: [&str; 12] = [
    "Allocate",
    "Cancel",
    "Delete",
    "Describe",
    "GetVersion",
    "ListResources",
    "PerformOperationalAction",
    "Provision",
    "Renew",
    "Shutdown",
    "Status",
    "Update",
];

/// Requests larger than this many bytes are decoded off the async threads, where they would hold up other callers;
/// answers are compressed there.
pub const LARGE: usize = 32 << 10;

/// Answers about more slivers than this, or with an RSpec of more bytes, are written off the async threads.
const LARGE_ANSWER: (usize, usize) = (2000, 1 << 20);

/// Answers one request: the bytes of a call in, the text of a response out.
pub async fn answer(
    aggregate: &Aggregate,
    ready: &Ready,
    version: Version,
    caller: Caller,
    body: Bytes,
) -> Arc<Document> {
    let started = Instant::now();
    let decoded = if body.len() > LARGE {
        tokio::task::spawn_blocking(move || xmlrpc::decode(&body))
            .await
            .unwrap_or(Err(Fault::NotACall("it could not be read")))
    } else {
        xmlrpc::decode(&body)
    };
    let (method, arguments) = match decoded {
        Ok(call) => call,
        Err(fault) => return refuse(aggregate, &caller, &fault),
    };
    let Some(method) = METHODS.into_iter().find(|known| *known == method) else {
        let name = xmlrpc::printable(&method).chars().take(60).collect();
        return refuse(aggregate, &caller, &Fault::UnknownMethod { name, known: METHODS.join(", ") });
    };
    let span = info_span!(
        "call", request = %caller.request, caller = %caller.urn(), peer = %caller.peer, api = version.number(), call = method,
        slice = tracing::field::Empty
    );
    let result =
        carry_out(aggregate, ready, version, &caller, method, arguments).instrument(span.clone()).await;
    let took = started.elapsed();
    let geni_code = result.as_ref().err().map_or(0, CallError::geni_code);
    aggregate.metrics().call(method, geni_code, took);
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

/// Writes an answer, a large one off the async threads.
async fn written<T: Send + 'static>(
    large: bool,
    answer: Answer<T>,
    write: fn(&Answer<T>) -> String,
) -> Result<Arc<Document>, CallError> {
    let text = if large {
        tokio::task::spawn_blocking(move || write(&answer))
            .await
            .map_err(|_| CallError::new(GeniCode::ServerError, "the answer could not be written"))?
    } else {
        write(&answer)
    };
    Ok(Arc::new(Document::new(text)))
}

async fn slivers(
    answer: Answer<Slivers>,
    write: fn(&Answer<Slivers>) -> String,
) -> Result<Arc<Document>, CallError> {
    written(answer.value.slivers.len() > LARGE_ANSWER.0, answer, write).await
}

async fn manifest(answer: Answer<Manifest>) -> Result<Arc<Document>, CallError> {
    let large = answer.value.slivers.len() > LARGE_ANSWER.0 || answer.value.rspec.len() > LARGE_ANSWER.1;
    written(large, answer, reply::manifest).await
}

/// The answer with an advertisement, which many callers get: written by the first of them.
async fn advertisement(ready: &Ready, answer: Answer<Arc<str>>) -> Result<Arc<Document>, CallError> {
    if let Some(document) = ready.advertisement(&answer.value) {
        return Ok(document);
    }
    let text = Arc::clone(&answer.value);
    let document = written(text.len() > LARGE_ANSWER.1, answer, reply::advertisement).await?;
    ready.keep_advertisement(text, Arc::clone(&document));
    Ok(document)
}

async fn carry_out(
    aggregate: &Aggregate,
    ready: &Ready,
    version: Version,
    caller: &Caller,
    method: &'static str,
    values: Vec<Value>,
) -> Result<Arc<Document>, CallError> {
    let take = |wanted| Arguments::new(method, wanted, values);
    match method {
        "GetVersion" => {
            let mut arguments = take(&["options"])?;
            // The one call whose options may be left out, and all of whose options are ignored.
            let _ = arguments.options().unwrap_or_else(|_| Options::none());
            Ok(ready.version(version, || reply::version(&aggregate.get_version(), version)))
        }
        "ListResources" => {
            let mut arguments = take(&["credentials", "options"])?;
            let credentials = arguments.credentials()?;
            let options = arguments.options()?;
            options.rspec_version()?;
            let request = ListResources {
                credentials,
                available: options.flag("geni_available")?,
                compressed: options.flag("geni_compressed")?,
                of_slice: options.has("geni_slice_urn"),
            };
            advertisement(ready, aggregate.list_resources(caller, request).await?).await
        }
        "Allocate" => {
            let mut arguments = take(&["slice_urn", "credentials", "rspec", "options"])?;
            let slice = arguments.string()?;
            let credentials = arguments.credentials()?;
            let rspec = arguments.string()?;
            let options = arguments.options()?;
            let (start_time, end_time) = (options.time("geni_start_time")?, options.time("geni_end_time")?);
            let request = Allocate { slice, credentials, rspec, start_time, end_time };
            manifest(aggregate.allocate(caller, request).await?).await
        }
        "Describe" => {
            let mut arguments = take(&["urns", "credentials", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let options = arguments.options()?;
            options.rspec_version()?;
            let request = Describe {
                target,
                compressed: options.flag("geni_compressed")?,
                cancelled: options.flag("geni_cancelled")?,
            };
            manifest(aggregate.describe(caller, request).await?).await
        }
        "Provision" => {
            let mut arguments = take(&["urns", "credentials", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let options = arguments.options()?;
            options.rspec_version()?;
            let request = Provision {
                target,
                best_effort: options.flag("geni_best_effort")?,
                end_time: options.time("geni_end_time")?,
                users: options.users()?,
            };
            manifest(aggregate.provision(caller, request).await?).await
        }
        "Status" => {
            let mut arguments = take(&["urns", "credentials", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            arguments.options()?;
            slivers(aggregate.status(caller, Status { target }).await?, reply::status).await
        }
        "Renew" => {
            let mut arguments = take(&["urns", "credentials", "expiration_time", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let until = arguments.time()?;
            let options = arguments.options()?;
            let request = Renew {
                target,
                until,
                best_effort: options.flag("geni_best_effort")?,
                as_long_as_possible: options.flag("geni_extend_alap")?,
            };
            slivers(aggregate.renew(caller, request).await?, reply::sliver_list).await
        }
        "PerformOperationalAction" => {
            let mut arguments = take(&["urns", "credentials", "action", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let action = arguments.string()?;
            let options = arguments.options()?;
            let best_effort = options.flag("geni_best_effort")?;
            let users = if action == "geni_update_users" { options.users()? } else { None };
            let request = PerformOperationalAction { target, action, best_effort, users };
            slivers(aggregate.perform_operational_action(caller, request).await?, reply::sliver_list).await
        }
        "Delete" => {
            let mut arguments = take(&["urns", "credentials", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let best_effort = arguments.options()?.flag("geni_best_effort")?;
            slivers(aggregate.delete(caller, Delete { target, best_effort }).await?, reply::sliver_list).await
        }
        "Update" => {
            let mut arguments = take(&["urns", "credentials", "rspec", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let rspec = arguments.string()?;
            let options = arguments.options()?;
            let request = Update {
                target,
                rspec,
                best_effort: options.flag("geni_best_effort")?,
                start_time: options.time("geni_start_time")?,
                end_time: options.time("geni_end_time")?,
            };
            manifest(aggregate.update(caller, request).await?).await
        }
        "Cancel" => {
            let mut arguments = take(&["urns", "credentials", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let best_effort = arguments.options()?.flag("geni_best_effort")?;
            manifest(aggregate.cancel(caller, Cancel { target, best_effort }).await?).await
        }
        "Shutdown" => {
            let mut arguments = take(&["slice_urn", "credentials", "options"])?;
            let request = Shutdown { slice: arguments.string()?, credentials: arguments.credentials()? };
            arguments.options()?;
            written(false, aggregate.shutdown(caller, request).await?, reply::boolean).await
        }
        _ => Err(CallError::new(GeniCode::Unsupported, format!("{method} is not offered here"))),
    }
}
