//! A request that may be carried out, and the answers that its operations give.

use crate::asked::{Asked, Context};
use crate::errors::Refusal;
use crate::format::{Format, Language};
use crate::reply::{Page, Reply};
use crate::views::{Scene, View};
use crate::{html, listing};
use drivers::ComputeDriver;
use hyper::StatusCode;
use hyper::header::HeaderMap;
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
