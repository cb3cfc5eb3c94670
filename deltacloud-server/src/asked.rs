//! What a request asks, before it is known whether it may.

use crate::errors::Refusal;
use crate::format::Format;
use crate::negotiation::{self, STATES, USUAL};
use crate::params::Params;
use hyper::Method;
use hyper::header::{ACCEPT, HeaderMap};

/// The question of a request.
#[derive(Debug)]
pub struct Asked {
    /// The verb that is meant: HEAD counts as GET except for blobs, where it has a meaning of its own.
    pub(crate) method: Method,
    /// The path as it came, without the query.
    pub(crate) path: String,
    /// The path's segments after `/api`.
    pub(crate) segments: Vec<String>,
    /// The parameters.
    pub(crate) params: Params,
}

impl Asked {
    /// The id of what is asked about.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        self.segments.get(1).map(String::as_str)
    }

    /// Whether the request's body is read for parameters. Strangers have nothing to say but which driver they want.
    pub(crate) fn takes_a_form(&self, is_known: bool) -> bool {
        !self.method.is_safe() && (is_known || (self.method == Method::POST && self.segments.is_empty()))
    }

    /// The verb that is meant, which a form says in a parameter.
    pub(crate) fn read_method(&mut self) -> Result<(), Refusal> {
        if self.method == Method::POST
            && let Some(meant) = self.params.get("_method")
        {
            self.method = meant.to_ascii_uppercase().parse().map_err(|_| Refusal::NoRoute)?;
        }
        if self.method == Method::HEAD && self.segments.first().is_none_or(|first| first != "buckets") {
            self.method = Method::GET;
        }
        Ok(())
    }

    /// The format of the answer.
    pub(crate) fn format(&self, headers: &HeaderMap) -> Result<Format, Refusal> {
        let offered = match self.segments.first().map(String::as_str) {
            Some("instance_states") => STATES,
            _ => USUAL,
        };
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        match negotiation::choose(accept, self.params.get("format"), offered) {
            Err(_) if is_content(&self.segments) || self.method == Method::OPTIONS => Ok(Format::Xml),
            chosen => chosen,
        }
    }

    /// The ids in the path, by the names that the API has for them.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let blob =
            self.segments.get(2).filter(|_| self.segments.first().is_some_and(|first| first == "buckets"));
        self.member().map(|id| ("id", id)).into_iter().chain(blob.map(|id| ("blob_id", id.as_str())))
    }
}

/// What is told about the driver with every answer.
#[derive(Debug, Clone)]
pub struct Context {
    /// Its name.
    pub driver_name: String,
    /// The provider that the client asked for. A driver of ours has but one, so it is only repeated.
    pub provider: Option<String>,
}

/// Whether the request is for a blob's content, whose media type is the blob's own.
pub(super) fn is_content(segments: &[String]) -> bool {
    segments.len() == 4 && segments[0] == "buckets" && segments[3] == "content"
}

/// Whether the request's body is a blob's content.
pub(super) fn is_upload(method: &Method, segments: &[String]) -> bool {
    *method == Method::PUT && segments.len() == 3 && segments[0] == "buckets"
}
