//! `GET /api/docs`: what this API offers over a driver, from what the driver declares.

use crate::call::Call;
use crate::errors::Refusal;
use crate::format::Language;
use crate::html;
use crate::operations::{about, features, parameters, purpose, request};
use crate::reply::{Page, Reply};
use crate::xml::{Element, escaped};
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
        (&Method::GET, [name, wanted @ ..]) if wanted.len() <= 1 => all
            .filter(|collection| collection.as_str() == *name)
            .map(|c| Described::of(*c, capabilities))
            .collect(),
        _ => return Err(Refusal::NoRoute),
    };
    if shown.is_empty() {
        return Err(Refusal::NoRoute);
    }
    if let [_, wanted] = rest {
        let operation = shown.iter().flat_map(|one| &one.operations).find(|one| one.name() == *wanted);
        return Ok(Reply::page(StatusCode::OK, operation.ok_or(Refusal::NoRoute)?.page(call)));
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

/// An operation with the request for it.
struct Request {
    operation: Operation,
    method: &'static str,
    path: String,
}

impl Request {
    fn of(operation: Operation) -> Option<Self> {
        let (method, path) = request(operation)?;
        Some(Self { operation, method, path })
    }

    fn name(&self) -> &'static str {
        self.operation.verb().as_str()
    }

    /// Its own page.
    fn page(&self, call: &Call<'_>) -> Page {
        match call.format.language() {
            Language::Xml => Page::Xml(Element::new("docs").with(self.xml(call))),
            Language::Json => Page::Json(json!({ "operation": self.json() })),
            Language::Html => {
                Page::Html(html::page("Documentation", &format!("<dl>\n{}</dl>\n", self.html())))
            }
        }
    }

    /// As the clients of Apache Deltacloud read it.
    fn xml(&self, call: &Call<'_>) -> Element {
        let taken = parameters(self.operation).into_iter().map(|parameter| {
            Element::new("parameter")
                .attr("name", parameter.name)
                .attr("type", if parameter.required { "required" } else { "optional" })
                .with(Element::leaf("class", "string"))
                .with(Element::leaf("description", parameter.what))
        });
        Element::new("operation")
            .attr("url", call.scene.links.to(&["docs", self.operation.collection().as_str(), self.name()]))
            .attr("name", self.name())
            .attr("href", &self.path)
            .attr("method", self.method)
            .with(Element::leaf("description", purpose(self.operation)))
            .with_all(taken)
    }

    fn json(&self) -> Value {
        let taken: Vec<_> = parameters(self.operation)
            .iter()
            .map(|p| json!({ "name": p.name, "required": p.required, "description": p.what }))
            .collect();
        json!({
            "name": self.name(),
            "method": self.method,
            "path": self.path,
            "description": purpose(self.operation),
            "params": taken,
        })
    }

    // Writing to a string does not fail, so the results are dropped.
    fn html(&self) -> String {
        let (method, path, name) = (self.method, &self.path, self.name());
        let collection = self.operation.collection();
        let mut out = format!(
            "<dt><code>{method} {path}</code> (<a href=\"/api/docs/{collection}/{name}\">{name}</a>)</dt>\n<dd>{}<br>",
            escaped(purpose(self.operation))
        );
        for parameter in parameters(self.operation) {
            let needed = if parameter.required { ", required" } else { "" };
            let _ = write!(out, "<code>{}</code>{needed}: {}<br>", parameter.name, escaped(parameter.what));
        }
        out.push_str("</dd>\n");
        out
    }
}

/// A collection with the operations that a driver offers in it and this API has requests for.
struct Described {
    collection: Collection,
    operations: Vec<Request>,
    features: Vec<&'static str>,
}

impl Described {
    fn of(collection: Collection, capabilities: &Capabilities) -> Self {
        let mut operations: Vec<_> = capabilities
            .operations()
            .filter(|operation| operation.collection() == collection)
            .filter_map(Request::of)
            .collect();
        // Every driver has states, also one that does not declare so.
        if operations.is_empty() {
            operations.extend(Request::of(Operation::new(collection, drivers::Verb::Index)));
        }
        let of_it = |feature: &drivers::Feature| feature.operation().collection() == collection;
        let features = features(capabilities).filter(of_it).map(|feature| feature.as_str()).collect();
        Self { collection, operations, features }
    }

    fn xml(&self, call: &Call<'_>) -> Element {
        let name = self.collection.as_str();
        let href = call.scene.links.to(&["docs", name]);
        Element::new("collection")
            .attr("url", href.clone())
            .attr("href", href)
            .attr("name", name)
            .with(Element::leaf("name", name))
            .with(Element::leaf("description", about(self.collection)))
            .with(Element::new("operations").with_all(self.operations.iter().map(|one| one.xml(call))))
            .with_all(self.features.iter().map(|feature| Element::new("feature").attr("name", *feature)))
    }

    fn json(&self, call: &Call<'_>) -> Value {
        let name = self.collection.as_str();
        json!({
            "name": name,
            "href": call.scene.links.to(&["docs", name]),
            "description": about(self.collection),
            "operations": self.operations.iter().map(Request::json).collect::<Vec<_>>(),
            "features": self.features,
        })
    }

    // Writing to a string does not fail, so the results are dropped.
    fn html(&self) -> String {
        let name = self.collection.as_str();
        let mut out = format!("<h2><a href=\"/api/docs/{name}\">{}</a></h2>\n", name.replace('_', " "));
        let _ = writeln!(out, "<p>{}</p>\n<dl>", escaped(about(self.collection)));
        self.operations.iter().for_each(|one| out.push_str(&one.html()));
        out.push_str("</dl>\n");
        if !self.features.is_empty() {
            let _ = writeln!(out, "<p>Features: {}</p>", self.features.join(", "));
        }
        out
    }
}
