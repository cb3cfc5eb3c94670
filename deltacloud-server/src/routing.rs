//! From a path and a verb to an operation of the driver.

use crate::call::Call;
use crate::errors::Refusal;
use crate::params::is_dots;
use crate::reply::{Page, Reply};
use crate::{blobs, collections, docs, entry, extras, html};
use drivers::{BlobStream, Collection, DriverError, Verb};
use hyper::{Method, StatusCode};

/// Whether anybody may ask for this: what describes the API and not an account. So does the real server.
pub(super) fn is_public(segments: &[String]) -> bool {
    matches!(
        segments.first().map(String::as_str),
        None | Some("hardware_profiles" | "instance_states" | "drivers" | "docs")
    )
}

/// The collection of this name.
fn collection(name: &str) -> Option<Collection> {
    Collection::ALL.iter().copied().find(|c| c.as_str() == name && *c != Collection::Blobs)
}

/// Carries out a call; `body` is the content of a blob that is being put.
pub(super) async fn answer(call: &mut Call<'_>, body: &mut Option<BlobStream>) -> Result<Reply, Refusal> {
    let asked = call.asked;
    let segments: Vec<&str> = asked.segments.iter().map(String::as_str).collect();
    let (method, segments) = (&asked.method, segments.as_slice());
    let Some((first, rest)) = segments.split_first() else { return at_entry(call, method) };
    if *first == "drivers" {
        return match (method, rest) {
            (&Method::GET, []) => entry::drivers(call, None),
            (&Method::GET, [id]) => entry::drivers(call, Some(id)),
            _ => Err(Refusal::NoRoute),
        };
    }
    if *first == "docs" {
        return docs::answer(call, rest);
    }
    let collection = collection(first).ok_or(Refusal::NoRoute)?;
    if collection == Collection::InstanceStates {
        return match (method, rest) {
            (&Method::GET, []) => entry::instance_states(call),
            (&Method::OPTIONS, []) => Ok(options(call, collection)),
            _ => Err(Refusal::NoRoute),
        };
    }
    if !call.driver.capabilities().has(collection) {
        return Err(Refusal::Lacking(collection.as_str().to_owned()));
    }
    if *method == Method::POST && asked.params.get("name").is_some_and(is_dots) {
        return Err(DriverError::invalid("name", "cannot be . or .., which no address can hold").into());
    }
    match (method, rest) {
        (&Method::OPTIONS, []) => return Ok(options(call, collection)),
        (&Method::GET, ["new"]) if call.driver.capabilities().supports(collection, Verb::Create) => {
            let action = call.scene.links.to(&[collection.as_str()]);
            let form = html::form(collection, &action, &asked.params);
            return Ok(Reply::page(StatusCode::OK, Page::Html(form)));
        }
        _ => {}
    }
    match collection {
        Collection::Realms => collections::realms(call, rest).await,
        Collection::HardwareProfiles => collections::hardware_profiles(call, rest).await,
        Collection::Images => collections::images(call, rest).await,
        Collection::Instances => collections::instances(call, rest).await,
        Collection::Keys => collections::keys(call, rest).await,
        Collection::Firewalls => collections::firewalls(call, rest).await,
        Collection::Addresses => collections::addresses(call, rest).await,
        Collection::StorageVolumes => collections::storage_volumes(call, rest).await,
        Collection::StorageSnapshots => collections::storage_snapshots(call, rest).await,
        Collection::Networks => collections::networks(call, rest).await,
        Collection::Subnets => collections::subnets(call, rest).await,
        Collection::NetworkInterfaces => collections::network_interfaces(call, rest).await,
        Collection::LoadBalancers => extras::load_balancers(call, rest).await,
        Collection::Metrics => extras::metrics(call, rest).await,
        Collection::Buckets => blobs::answer(call, rest, body).await,
        Collection::Blobs | Collection::InstanceStates => Err(Refusal::NoRoute),
    }
}

fn at_entry(call: &Call<'_>, method: &Method) -> Result<Reply, Refusal> {
    match *method {
        Method::GET => Ok(entry::entry_point(call)),
        Method::OPTIONS => Ok(allow("OPTIONS,GET,HEAD,POST".to_owned())),
        // A page's form for another driver or provider leads to a path that says so.
        Method::POST => {
            let mut to = call.scene.links.base().to_owned();
            for name in ["driver", "provider"] {
                if let Some(value) = call.asked.params.get(name) {
                    let value: String =
                        percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC)
                            .collect();
                    to.push_str(&format!(";{name}={value}"));
                }
            }
            Ok(Reply::html_text(StatusCode::MOVED_PERMANENTLY, "").header("location", to))
        }
        _ => Err(Refusal::NoRoute),
    }
}

fn allow(methods: String) -> Reply {
    Reply::html_text(StatusCode::OK, "").header("allow", methods)
}

fn options(call: &Call<'_>, collection: Collection) -> Reply {
    let capabilities = call.driver.capabilities();
    let mut methods = vec!["OPTIONS", "GET"];
    // Also for actions on one of them: the API tells no finer.
    if capabilities.supports(collection, Verb::Create) {
        methods.push("POST");
    }
    if capabilities.supports(collection, Verb::Destroy) {
        methods.push("DELETE");
    }
    allow(methods.join(","))
}
