//! The entry point and what describes the driver: drivers, instance states.

use crate::call::Call;
use crate::errors::Refusal;
use crate::format::{Format, Language};
use crate::reply::{Page, Reply};
use crate::xml::Element;
use crate::{drawing, html, operations};
use drivers::{Capabilities, Collection, Feature};
use hyper::StatusCode;
use serde_json::{Value, json};

/// The version of the API that the entry point tells.
pub const API_VERSION: &str = "1.1.3";

/// Collections that have a link of their own at the entry point, in the order of their names.
pub(super) fn collections(capabilities: &Capabilities) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Collection::ALL
        .iter()
        .filter(|c| capabilities.has(**c) && **c != Collection::Blobs)
        .map(|c| c.as_str())
        .collect();
    names.push("drivers");
    if !capabilities.has(Collection::InstanceStates) {
        names.push("instance_states");
    }
    names.sort_unstable();
    names
}

/// The features of a collection, each with its constraints.
fn features<'a>(
    capabilities: &'a Capabilities,
    collection: &'a str,
) -> impl Iterator<Item = (Feature, Option<(&'static str, String)>)> + 'a {
    let offered = operations::features(capabilities);
    offered.filter(move |f| f.operation().collection().as_str() == collection).map(|feature| {
        let constraint = match feature {
            Feature::UserData => capabilities.user_data_limit.map(|bytes| ("max_length", bytes.to_string())),
            // A second creation under a name gives back what the first has made, or is refused.
            Feature::UserName => capabilities.unique_names.then(|| ("unique", "true".to_owned())),
            _ => None,
        };
        (feature, constraint)
    })
}

/// `GET /api`.
pub(super) fn entry_point(call: &Call<'_>) -> Reply {
    let capabilities = call.driver.capabilities();
    let links = collections(capabilities);
    let page = match call.format.language() {
        Language::Xml => {
            let shown = links.iter().map(|name| {
                let features = features(capabilities, name).map(|(feature, constraint)| {
                    let constraint =
                        constraint.map(|(n, v)| Element::new("constraint").attr("name", n).attr("value", v));
                    Element::new("feature")
                        .attr("name", feature.as_str())
                        .attr("rel", feature.operation().verb().as_str())
                        .with_all(feature.parameter().map(|name| Element::new("param").attr("name", name)))
                        .with_all(constraint)
                });
                Element::new("link")
                    .attr("href", call.scene.links.to(&[name]))
                    .attr("rel", *name)
                    .with_all(features)
            });
            let root = Element::new("api").attr("driver", call.context.driver_name.clone());
            let root = match &call.context.provider {
                Some(provider) => root.attr("provider", provider.clone()),
                None => root,
            };
            Page::Xml(root.attr("version", API_VERSION).with_all(shown))
        }
        Language::Json | Language::Html => {
            let shown: Vec<_> = links
                .iter()
                .map(|name| {
                    let features: Vec<_> = features(capabilities, name)
                        .map(|(feature, constraint)| {
                            let constraints: serde_json::Map<String, Value> =
                                constraint.into_iter().map(|(n, v)| (n.to_owned(), json!(v))).collect();
                            let params: Vec<_> = feature
                                .parameter()
                                .into_iter()
                                .map(|name| format!("{name}:string:optional"))
                                .collect();
                            json!([{
                                "name": feature.as_str(),
                                "rel": feature.operation().verb().as_str(),
                                "params": params,
                                "constraints": constraints,
                            }])
                        })
                        .collect();
                    json!({ "rel": name, "href": call.scene.links.to(&[name]), "features": features })
                })
                .collect();
            let provider = call.context.provider.as_deref().unwrap_or("default");
            let api = json!({
                "version": API_VERSION,
                "driver": call.context.driver_name,
                "provider": provider,
                "links": shown,
            });
            match call.format.language() {
                Language::Html => Page::Html(html::view("Deltacloud API", &api)),
                _ => Page::Json(json!({ "api": api })),
            }
        }
    };
    Reply::page(StatusCode::OK, page)
}

/// `GET /api/drivers` and `GET /api/drivers/:id`: the drivers served here.
pub(super) fn drivers(call: &Call<'_>, id: Option<&str>) -> Result<Reply, Refusal> {
    // A list may be asked for one as everywhere.
    let wanted = id.or_else(|| call.asked.params.get("id"));
    let is_wanted = |name: &&str| wanted.is_none_or(|wanted| wanted == *name);
    let shown: Vec<&str> = call.drivers.iter().map(String::as_str).filter(is_wanted).collect();
    let xml = |name: &str| {
        Element::new("driver")
            .attr("href", call.scene.links.to(&["drivers", name]))
            .attr("id", name)
            .with(Element::leaf("name", label(name)))
    };
    let json = |name: &str| json!({ "name": label(name), "id": name });
    if id.is_some() && shown.is_empty() {
        return Err(Refusal::NoRoute);
    }
    let page = match (call.format.language(), id) {
        (Language::Xml, Some(id)) => Page::Xml(xml(id)),
        (Language::Xml, None) => Page::Xml(Element::new("drivers").with_all(shown.into_iter().map(xml))),
        (Language::Json, Some(id)) => Page::Json(json!({ "driver": json(id) })),
        // As the API has it: the list is a bare map from names.
        (Language::Json, None) => {
            Page::Json(shown.into_iter().map(|n| (n.to_owned(), json!({ "name": label(n) }))).collect())
        }
        (Language::Html, _) => {
            let all: Value = shown
                .into_iter()
                .map(|n| json!({ "id": n, "href": call.scene.links.to(&["drivers", n]) }))
                .collect();
            Page::Html(html::view("Drivers", &all))
        }
    };
    Ok(Reply::page(StatusCode::OK, page))
}

/// A driver's name as a title.
fn label(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `GET /api/instance_states`: as a document or as a drawing.
pub(super) fn instance_states(call: &Call<'_>) -> Result<Reply, Refusal> {
    let machine = call.driver.instance_states();
    let json = || -> Value {
        machine
            .states()
            .map(|(state, ways)| {
                let ways: Vec<_> = ways
                    .iter()
                    .map(|way| match way.action {
                        Some(action) => json!({ "to": way.to.as_str(), "action": action.as_str() }),
                        None => json!({ "to": way.to.as_str(), "auto": "true" }),
                    })
                    .collect();
                json!({ "name": state.as_str(), "transitions": ways })
            })
            .collect()
    };
    let page = match call.format {
        Format::Xml => Page::Xml(Element::new("states").with_all(machine.states().map(|(state, ways)| {
            let ways = ways.iter().map(|way| {
                let shown = Element::new("transition");
                match way.action {
                    Some(action) => shown.attr("action", action.as_str()),
                    None => shown.attr("auto", "true"),
                }
                .attr("to", way.to.as_str())
            });
            Element::new("state").attr("name", state.as_str()).with_all(ways)
        }))),
        Format::Json => Page::Json(json()),
        Format::Html => {
            let drawing = drawing::svg(machine).unwrap_or_default();
            Page::Html(html::view_below("Instance states", &drawing, &json()))
        }
        Format::Gv => Page::Drawing(call.format.media_type(), drawing::gv(machine).into_bytes()),
        Format::Svg => {
            let picture = drawing::svg(machine).ok_or(Refusal::NotAcceptable)?;
            Page::Drawing(call.format.media_type(), picture.into_bytes())
        }
        // A picture larger than any screen helps nobody; the other formats have no limit.
        Format::Png => {
            let picture = drawing::png(machine).ok_or(Refusal::NotAcceptable)?;
            Page::Drawing(call.format.media_type(), picture)
        }
    };
    Ok(Reply::page(StatusCode::OK, page))
}
