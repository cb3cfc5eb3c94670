//! `GET /api/docs`: what this API offers over a driver, from what the driver declares.

use super::Refusal;
use super::html;
use super::negotiation::Language;
use super::operations::{about, parameters, request};
use super::reply::{Page, Reply};
use super::routing::Call;
use super::xml::{Element, escaped};
use drivers::{Capabilities, Collection, Operation};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::fmt::Write;

pub(super) fn answer(call: &Call<'_>, rest: &[&str]) -> Result<Reply, Refusal> {
    let capabilities = call.driver.capabilities();
    let known = |collection: &&Collection| {
        capabilities.has(**collection) || **collection == Collection::InstanceStates
    };
    let all = Collection::ALL.iter().filter(known);
    let shown: Vec<Described> = match (&call.asked.method, rest) {
        // The address has also been written with a slash at its end.
        (&Method::GET, [] | [""]) => all.map(|c| Described::of(*c, capabilities)).collect(),
        (&Method::GET, [name]) => all
            .filter(|collection| collection.as_str() == *name)
            .map(|c| Described::of(*c, capabilities))
            .collect(),
        _ => return Err(Refusal::NoRoute),
    };
    if shown.is_empty() {
        return Err(Refusal::NoRoute);
    }
    let page = match call.format.language() {
        Language::Xml => Page::Xml(Element::new("docs").with_all(shown.iter().map(|one| one.xml(call)))),
        Language::Json => {
            Page::Json(json!({ "docs": shown.iter().map(|one| one.json(call)).collect::<Vec<_>>() }))
        }
        Language::Html => {
            Page::Html(html::page("Documentation", &shown.iter().map(Described::html).collect::<String>()))
        }
    };
    Ok(Reply::page(StatusCode::OK, page))
}

/// A collection with the operations that a driver offers in it and this API has requests for.
struct Described {
    collection: Collection,
    operations: Vec<(Operation, &'static str, String)>,
    features: Vec<&'static str>,
}

impl Described {
    fn of(collection: Collection, capabilities: &Capabilities) -> Self {
        let with_request = |operation: Operation| {
            let (method, path) = request(operation)?;
            Some((operation, method, path))
        };
        let mut operations: Vec<_> = capabilities
            .operations()
            .filter(|operation| operation.collection() == collection)
            .filter_map(with_request)
            .collect();
        // Every driver has states, also one that does not declare so.
        if operations.is_empty() {
            operations.extend(with_request(Operation::new(collection, drivers::Verb::Index)));
        }
        let of_it = |feature: &drivers::Feature| feature.operation().collection() == collection;
        let features = capabilities.features().filter(of_it).map(|feature| feature.as_str()).collect();
        Self { collection, operations, features }
    }

    fn xml(&self, call: &Call<'_>) -> Element {
        let name = self.collection.as_str();
        let operations = self.operations.iter().map(|(operation, method, path)| {
            let taken = parameters(*operation).into_iter().map(|parameter| {
                let class = if parameter.required { "required" } else { "optional" };
                Element::leaf("param", parameter.what).attr("name", parameter.name).attr("class", class)
            });
            Element::new("operation")
                .attr("name", operation.verb().as_str())
                .attr("http", *method)
                .attr("path", path)
                .with_all(taken)
        });
        Element::new("collection")
            .attr("href", call.scene.links.to(&["docs", name]))
            .attr("name", name)
            .with(Element::leaf("description", about(self.collection)))
            .with_all(operations)
            .with_all(self.features.iter().map(|feature| Element::new("feature").attr("name", *feature)))
    }

    fn json(&self, call: &Call<'_>) -> Value {
        let name = self.collection.as_str();
        let operations: Vec<_> = self
            .operations
            .iter()
            .map(|(operation, method, path)| {
                let taken: Vec<_> = parameters(*operation)
                    .iter()
                    .map(|p| json!({ "name": p.name, "required": p.required, "description": p.what }))
                    .collect();
                let verb = operation.verb().as_str();
                json!({ "name": verb, "method": method, "path": path, "params": taken })
            })
            .collect();
        json!({
            "name": name,
            "href": call.scene.links.to(&["docs", name]),
            "description": about(self.collection),
            "operations": operations,
            "features": self.features,
        })
    }

    // Writing to a string does not fail, so the results are dropped.
    fn html(&self) -> String {
        let name = self.collection.as_str();
        let mut out = format!("<h2><a href=\"/api/docs/{name}\">{}</a></h2>\n", name.replace('_', " "));
        let _ = writeln!(out, "<p>{}</p>\n<dl>", escaped(about(self.collection)));
        for (operation, method, path) in &self.operations {
            let _ = write!(out, "<dt><code>{method} {path}</code> ({})</dt>\n<dd>", operation.verb());
            for parameter in parameters(*operation) {
                let needed = if parameter.required { ", required" } else { "" };
                let what = escaped(parameter.what);
                let _ = write!(out, "<code>{}</code>{needed}: {what}<br>", parameter.name);
            }
            out.push_str("</dd>\n");
        }
        out.push_str("</dl>\n");
        if !self.features.is_empty() {
            let _ = writeln!(out, "<p>Features: {}</p>", self.features.join(", "));
        }
        out
    }
}
