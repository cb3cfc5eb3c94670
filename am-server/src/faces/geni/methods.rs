//! The calls: each takes its arguments apart, goes to the function of the same name in
//! [`crate::aggregate`], and has its answer put together.

use super::arguments::{Arguments, Options};
use super::reply;
use super::version::Version;
use super::xmlrpc::{self, Fault};
use crate::aggregate::allocate::Allocate;
use crate::aggregate::answer::Answer;
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
use std::time::Instant;
use tracing::{Instrument, error, info, info_span};

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

/// Requests larger than this are decoded off the async threads, where they would hold up other callers.
const LARGE: usize = 32 << 10;

/// Answers one request: the bytes of a call in, the text of a response out.
pub async fn answer(aggregate: &Aggregate, version: Version, caller: Caller, body: Bytes) -> String {
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
        Err(fault) => return refuse(&caller, &fault),
    };
    let Some(method) = METHODS.into_iter().find(|known| *known == method) else {
        let name = xmlrpc::printable(&method).chars().take(60).collect();
        return refuse(&caller, &Fault::UnknownMethod { name, known: METHODS.join(", ") });
    };
    let span = info_span!(
        "call", request = %caller.request, caller = %caller.urn(), peer = %caller.peer, api = version.number(), call = method,
        slice = tracing::field::Empty
    );
    let result = carry_out(aggregate, version, &caller, method, arguments).instrument(span.clone()).await;
    let took = started.elapsed().as_micros();
    let value = span.in_scope(|| match result {
        Ok(value) => {
            info!(geni_code = 0, took_us = took, "answered");
            value
        }
        Err(error) => {
            info!(geni_code = error.geni_code(), am_code = error.am_code(), took_us = took, reason = %error, "refused");
            reply::failure(&error)
        }
    });
    encode(value).await
}

fn refuse(caller: &Caller, fault: &Fault) -> String {
    info!(request = %caller.request, caller = %caller.urn(), peer = %caller.peer, fault = fault.code(), reason = %fault, "not a call");
    xmlrpc::encode_fault(fault.code(), &fault.to_string())
}

/// Writes an answer; a large one off the async threads.
async fn encode(value: Value) -> String {
    let large = match &value {
        Value::Struct(members) => members.values().any(|member| match member {
            Value::String(text) => text.len() > LARGE,
            Value::Array(items) => items.len() > 100,
            Value::Struct(inner) => inner.values().any(|value| {
                matches!(value, Value::String(text) if text.len() > LARGE)
                    || matches!(value, Value::Array(items) if items.len() > 100)
            }),
            _ => false,
        }),
        _ => false,
    };
    if large {
        match tokio::task::spawn_blocking(move || xmlrpc::encode(value)).await {
            Ok(text) => text,
            Err(error) => {
                error!(%error, "an answer could not be written");
                xmlrpc::encode_fault(-32603, "the answer could not be written")
            }
        }
    } else {
        xmlrpc::encode(value)
    }
}

async fn carry_out(
    aggregate: &Aggregate,
    version: Version,
    caller: &Caller,
    method: &'static str,
    values: Vec<Value>,
) -> Result<Value, CallError> {
    let take = |wanted| Arguments::new(method, wanted, values);
    let answer = match method {
        "GetVersion" => {
            let mut arguments = take(&["options"])?;
            // The one call whose options may be left out, and all of whose options are ignored.
            let _ = arguments.options().unwrap_or_else(|_| Options::none());
            return Ok(reply::version(&aggregate.get_version(), version));
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
            let answer = aggregate.list_resources(caller, request).await?;
            Answer { value: Value::String(answer.value.to_string()), output: answer.output }
        }
        "Allocate" => {
            let mut arguments = take(&["slice_urn", "credentials", "rspec", "options"])?;
            let slice = arguments.string()?;
            let credentials = arguments.credentials()?;
            let rspec = arguments.string()?;
            let options = arguments.options()?;
            let end_time = options.time("geni_end_time")?;
            reply::manifest(
                aggregate.allocate(caller, Allocate { slice, credentials, rspec, end_time }).await?,
            )
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
            reply::manifest(aggregate.describe(caller, request).await?)
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
            reply::manifest(aggregate.provision(caller, request).await?)
        }
        "Status" => {
            let mut arguments = take(&["urns", "credentials", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            arguments.options()?;
            reply::status(aggregate.status(caller, Status { target }).await?)
        }
        "Renew" => {
            let mut arguments = take(&["urns", "credentials", "expiration_time", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let expiration_time = arguments.string()?;
            let options = arguments.options()?;
            let request = Renew {
                target,
                until: crate::time::parse(&expiration_time)
                    .map_err(|error| CallError::bad_arguments(format!("expiration_time: {error}")))?,
                best_effort: options.flag("geni_best_effort")?,
                as_long_as_possible: options.flag("geni_extend_alap")?,
            };
            reply::sliver_list(aggregate.renew(caller, request).await?)
        }
        "PerformOperationalAction" => {
            let mut arguments = take(&["urns", "credentials", "action", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let action = arguments.string()?;
            let options = arguments.options()?;
            let best_effort = options.flag("geni_best_effort")?;
            let users = if action == "geni_update_users" { options.users()? } else { None };
            let request = PerformOperationalAction { target, action, best_effort, users };
            reply::sliver_list(aggregate.perform_operational_action(caller, request).await?)
        }
        "Delete" => {
            let mut arguments = take(&["urns", "credentials", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let best_effort = arguments.options()?.flag("geni_best_effort")?;
            reply::sliver_list(aggregate.delete(caller, Delete { target, best_effort }).await?)
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
                end_time: options.time("geni_end_time")?,
            };
            reply::manifest(aggregate.update(caller, request).await?)
        }
        "Cancel" => {
            let mut arguments = take(&["urns", "credentials", "options"])?;
            let target = SliverRequest { urns: arguments.urns()?, credentials: arguments.credentials()? };
            let best_effort = arguments.options()?.flag("geni_best_effort")?;
            reply::manifest(aggregate.cancel(caller, Cancel { target, best_effort }).await?)
        }
        "Shutdown" => {
            let mut arguments = take(&["slice_urn", "credentials", "options"])?;
            let request = Shutdown { slice: arguments.string()?, credentials: arguments.credentials()? };
            arguments.options()?;
            let answer = aggregate.shutdown(caller, request).await?;
            Answer { value: Value::Boolean(answer.value), output: answer.output }
        }
        _ => return Err(CallError::new(GeniCode::Unsupported, format!("{method} is not offered here"))),
    };
    Ok(reply::success(answer))
}
