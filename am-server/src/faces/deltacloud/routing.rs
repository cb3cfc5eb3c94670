//! From a path and a verb to an operation of the driver.

use super::negotiation::{Format, Language};
use super::reply::{Page, Reply};
use super::views::{Scene, View};
use super::{Asked, Context, Refusal, blobs, collections, docs, entry, extras, html, listing};
use drivers::{BlobStream, Collection, ComputeDriver, DriverError, Verb};
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use serde_json::json;

/// A request that may be carried out: read, negotiated, admitted.
pub(super) struct Call<'a> {
    pub(super) driver: &'a dyn ComputeDriver,
    /// The names of all drivers served.
    pub(super) drivers: &'a [String],
    pub(super) asked: &'a Asked,
    pub(super) context: &'a Context,
    pub(super) headers: &'a HeaderMap,
    pub(super) format: Format,
    pub(super) scene: Scene,
    /// Who asks; nobody where nobody needs to be known.
    pub(super) user: Option<&'a str>,
}

/// Whether anybody may ask for this: what describes the API and not an account. So does the real server.
pub(super) fn is_public(segments: &[String]) -> bool {
    matches!(
        segments.first().map(String::as_str),
        None | Some("hardware_profiles" | "instance_states" | "drivers" | "docs")
    )
}

/// Whether it is a segment that clients take out of an address before they send it (RFC 3986 section 5.2.4).
pub(super) fn is_dots(name: &str) -> bool {
    matches!(name, "." | "..")
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

impl Call<'_> {
    /// A list, in the format asked for: all of them, or the one whose id is asked for.
    pub(super) async fn list<T: View + Send>(&self, mut all: Vec<T>) -> Reply {
        if let Some(id) = self.asked.params.get("id") {
            all.retain(|one| one.id() == id);
        }
        Reply::page(StatusCode::OK, listing::write(all, self.format.language(), &self.scene).await)
    }

    /// One thing, in the format asked for.
    pub(super) fn one<T: View>(&self, status: StatusCode, one: &T) -> Reply {
        let page = match self.format.language() {
            Language::Xml => Page::Xml(one.xml(&self.scene)),
            Language::Json => Page::Json(json!({ T::ONE: one.json(&self.scene) })),
            Language::Html => {
                Page::Html(html::view(&T::ONE.replace('_', " "), &json!([one.json(&self.scene)])))
            }
        };
        Reply::page(status, page)
    }

    /// One thing after a change. A browser is sent to its page instead, so that loading that again changes nothing.
    pub(super) fn changed<T: View>(&self, status: StatusCode, one: &T) -> Reply {
        match self.format {
            Format::Html => see_other(one.href(&self.scene.links)),
            _ => self.one(status, one),
        }
    }

    /// As [`Call::changed`], but JSON without the member that wraps it, as actions answer.
    pub(super) fn bare<T: View>(&self, status: StatusCode, one: &T) -> Reply {
        match self.format {
            Format::Json => Reply::page(status, Page::Json(one.json(&self.scene))),
            _ => self.changed(status, one),
        }
    }

    /// Something that was made, with where it is.
    pub(super) fn made<T: View>(&self, one: &T) -> Reply {
        let href = one.href(&self.scene.links);
        match self.format {
            Format::Html => see_other(href),
            _ => self.one(StatusCode::CREATED, one).header("location", href),
        }
    }

    /// Something is gone, or nothing is to be told of a change. A browser is sent to the page of these segments.
    pub(super) fn done(&self, status: StatusCode, page: &[&str]) -> Reply {
        match self.format {
            Format::Html => see_other(self.scene.links.to(page)),
            _ => Reply::empty(status),
        }
    }

    /// The form's parameter.
    pub(super) fn param(&self, name: &str) -> Option<String> {
        self.asked.params.owned(name)
    }

    /// The form's parameter, without which there is nothing to do.
    pub(super) fn required(&self, name: &'static str) -> Result<String, Refusal> {
        let given = || {
            let mut names = self.asked.params.names();
            names.extend(self.asked.member().map(|_| "id".to_owned()));
            names
        };
        self.param(name).ok_or_else(|| Refusal::Missing { parameter: name, given: given() })
    }
}

fn see_other(href: String) -> Reply {
    Reply::empty(StatusCode::SEE_OTHER).header("location", href)
}
