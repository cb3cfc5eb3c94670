//! The answers that refusals become.

use crate::asked::{Asked, Context};
use crate::errors::{Refusal, seconds};
use crate::format::{Format, Language};
use crate::html;
use crate::reply::{Page, Reply};
use crate::xml::{Element, escaped};
use drivers::{Collection, DriverError, Verb};
use serde_json::json;

impl Refusal {
    /// The whole answer.
    #[must_use]
    pub fn reply(&self, asked: &Asked, context: &Context, format: Format) -> Reply {
        let status = self.status();
        let reply = match self {
            // In these the API answers with bare text, whatever is accepted.
            Self::Missing { .. } | Self::Lacking(_) | Self::Driver(DriverError::Unsupported { .. }) => {
                Reply::bare_text(status, self.message())
            }
            Self::NotAcceptable => Reply::empty(status),
            Self::NoRoute => Reply::html_text(
                status,
                format!("<!DOCTYPE html>\n<title>Not found</title>\n<p>{}</p>\n", escaped(&self.message())),
            ),
            _ => Reply::page(status, self.page(asked, context, format)),
        };
        match self {
            Self::Throttled(wait) => reply.header("retry-after", seconds(wait).to_string()),
            Self::Unauthorised => reply
                .header("www-authenticate", format!("Basic realm=\"{}-deltacloud\"", context.driver_name)),
            Self::Lacking(what) => reply.header("expect", what.clone()),
            Self::Driver(DriverError::Unsupported { operation }) => {
                reply.header("expect", method_of(operation.collection(), operation.verb()))
            }
            Self::Driver(DriverError::Unavailable { retry_after: Some(after), .. }) => {
                reply.header("retry-after", after.as_secs().max(1).to_string())
            }
            Self::Driver(DriverError::WrongState { .. }) => reply.header("allow", "GET, HEAD".to_owned()),
            _ => reply,
        }
    }

    fn page(&self, asked: &Asked, context: &Context, format: Format) -> Page {
        let (code, message) = (self.status().as_u16(), self.message());
        match format.language() {
            Language::Json => Page::Json(json!({ "code": code, "message": message, "error": self.class() })),
            Language::Html => Page::Html(html::page(
                &format!("{code} {}", self.status().canonical_reason().unwrap_or_default()),
                &format!("<p>{}</p>\n", escaped(&message)),
            )),
            Language::Xml => {
                let params = asked.params.told().into_iter().map(|(name, value)| {
                    // As JSON, the way the Ruby server writes its strings.
                    Element::cdata("param", json!(value).to_string()).attr("name", name)
                });
                let ids = asked
                    .members()
                    .map(|(name, id)| Element::cdata("param", json!(id).to_string()).attr("name", name));
                Page::Xml(
                    Element::new("error")
                        .attr("status", code.to_string())
                        .attr("url", asked.path.clone())
                        .with(
                            Element::new("backend").attr("driver", context.driver_name.clone()).attr(
                                "provider",
                                context.provider.clone().unwrap_or_else(|| "default".into()),
                            ),
                        )
                        .with(Element::leaf("code", code.to_string()))
                        .with(Element::cdata("message", message))
                        .with(Element::new("request").with_all(params).with_all(ids)),
                )
            }
        }
    }
}

/// The name of an operation among the Ruby drivers' methods, which a 412 tells.
fn method_of(collection: Collection, verb: Verb) -> String {
    let plural = collection.as_str();
    let singular = plural
        .strip_suffix("sses")
        .map_or_else(|| plural.strip_suffix('s').unwrap_or(plural).to_owned(), |stem| format!("{stem}ss"));
    match verb {
        Verb::Index => plural.to_owned(),
        Verb::Show => singular,
        Verb::Run => format!("run_on_{singular}"),
        other => format!("{other}_{singular}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_as_the_ruby_drivers_do() {
        assert_eq!(method_of(Collection::Firewalls, Verb::Create), "create_firewall");
        assert_eq!(method_of(Collection::Addresses, Verb::Show), "address");
        assert_eq!(method_of(Collection::Addresses, Verb::Index), "addresses");
    }
}
