//! What a request that is not carried out is answered with.
//!
//! Status codes are those of Apache Deltacloud 1.1.3 where it has one for the case: 400 for a wrong or missing
//! parameter, 401, 403 for an action on an instance that is not there, 404, 405 where an instance's state does
//! not allow an action, 406, 412 for a collection that the driver lacks. Where it fails with 500 for want of a
//! better code, the codes are: 409 for a conflict, 507 where there is no room, 503 and 504 for a cloud that is
//! not reached or does not answer.

use super::negotiation::{Format, Language};
use super::reply::{Page, Reply};
use super::xml::{Element, escaped};
use super::{Asked, Context};
use drivers::{Collection, DriverError, Verb};
use hyper::StatusCode;
use serde_json::json;
use std::time::Duration;

/// Whole seconds, for a client to wait.
fn seconds(wait: &Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Why a request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No user, or a wrong password.
    #[error("Unauthorized")]
    Unauthorised,
    /// A parameter is missing.
    #[error("Required parameter '{parameter}' not found in [{}]", .given.join(","))]
    Missing {
        /// Which.
        parameter: &'static str,
        /// What there is.
        given: Vec<String>,
    },
    /// Too many logins from the client's address have failed.
    #[error("too many logins from this address have failed; try again in {} seconds", seconds(.0))]
    Throttled(Duration),
    /// A page of another site asks a browser to change something here.
    #[error("changes are not taken from pages of other sites (Origin, Sec-Fetch-Site)")]
    CrossOrigin,
    /// The request cannot be read.
    #[error("{0}")]
    Malformed(&'static str),
    /// More parameters than are read.
    #[error("there are more than {} parameters", super::params::MOST)]
    TooManyParameters,
    /// The API has it, this server does not.
    #[error("{0}")]
    NotImplemented(&'static str),
    /// Nothing is here, or not for this verb.
    #[error("there is nothing here for this verb; everything there is can be reached from /api")]
    NoRoute,
    /// The client takes no format that there is.
    #[error("none of the formats that are asked for is offered")]
    NotAcceptable,
    /// The driver lacks a collection, by the name the API has for it.
    #[error("The required capability to execute this operation is missing")]
    Lacking(String),
    /// No driver of this name is served here.
    #[error("there is no driver {0:?} here; {1}")]
    UnknownDriver(String, String),
    /// The instance of an action is not there.
    #[error("instance {0:?} is not there")]
    NoSuchInstance(String),
    /// More bytes than are read.
    #[error("the body is larger than {0} bytes, the most that is read here; PUT takes blobs of any size")]
    TooLarge(usize),
    /// The body broke off or took too long.
    #[error("the body did not arrive whole")]
    Incomplete,
    /// What the driver says.
    #[error(transparent)]
    Driver(#[from] DriverError),
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorised => StatusCode::UNAUTHORIZED,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::CrossOrigin => StatusCode::FORBIDDEN,
            Self::Missing { .. } | Self::Malformed(_) | Self::TooManyParameters => StatusCode::BAD_REQUEST,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::NoRoute | Self::UnknownDriver(..) => StatusCode::NOT_FOUND,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::Lacking(_) => StatusCode::PRECONDITION_FAILED,
            Self::NoSuchInstance(_) => StatusCode::FORBIDDEN,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
            Self::Driver(error) => match error {
                DriverError::NotFound { .. } => StatusCode::NOT_FOUND,
                DriverError::Unsupported { .. } => StatusCode::PRECONDITION_FAILED,
                DriverError::Invalid { .. } => StatusCode::BAD_REQUEST,
                DriverError::Capacity { .. } => StatusCode::INSUFFICIENT_STORAGE,
                DriverError::WrongState { .. } => StatusCode::METHOD_NOT_ALLOWED,
                DriverError::Conflict { .. } => StatusCode::CONFLICT,
                DriverError::Unauthorised => StatusCode::BAD_GATEWAY,
                DriverError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
                DriverError::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
                // Below 500 means that nothing has happened, and stays below 500.
                DriverError::Backend { .. } if !error.may_have_happened() => StatusCode::UNPROCESSABLE_ENTITY,
                DriverError::Backend { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// The name of the exception that clients of the Ruby server know.
    fn class(&self) -> &'static str {
        match self.status().as_u16() {
            400 => "Deltacloud::Exceptions::ValidationFailure",
            401 => "Deltacloud::Exceptions::AuthenticationFailure",
            403 | 409 => "Deltacloud::Exceptions::ForbiddenError",
            404 => "Deltacloud::Exceptions::ObjectNotFound",
            405 => "Deltacloud::Exceptions::MethodNotAllowed",
            501 => "Deltacloud::Exceptions::NotImplemented",
            502 | 503 => "Deltacloud::Exceptions::ProviderError",
            504 => "Deltacloud::Exceptions::ProviderTimeout",
            _ => "Deltacloud::Exceptions::BackendError",
        }
    }

    /// What the client is told. An error of the cloud's own is not: it may hold what only the operator of
    /// this server should see.
    fn message(&self) -> String {
        match self {
            Self::Driver(DriverError::Backend { .. }) => "the cloud failed".to_owned(),
            Self::Driver(DriverError::Unauthorised) => "the cloud refuses this server".to_owned(),
            other => other.to_string(),
        }
    }

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
            Language::Html => Page::Html(super::html::page(
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
    use drivers::Operation;

    #[test]
    fn each_kind_of_driver_error_has_its_status() {
        let operation = Operation::new(Collection::Instances, Verb::Create);
        for (error, status) in [
            (DriverError::not_found(Collection::Keys, "k"), 404),
            (DriverError::Unsupported { operation }, 412),
            (DriverError::invalid("x", "y"), 400),
            (DriverError::Capacity { collection: Collection::Instances, realm: None, limit: 1 }, 507),
            (DriverError::conflict(Collection::Keys, "k", "taken"), 409),
            (DriverError::TimedOut { operation }, 504),
            (DriverError::Unavailable { why: "down".into(), retry_after: None }, 503),
            (DriverError::Backend { status: Some(409), message: "m".into() }, 422),
            (DriverError::Backend { status: None, message: "m".into() }, 500),
        ] {
            assert_eq!(Refusal::from(error.clone()).status().as_u16(), status, "{error}");
        }
    }

    #[test]
    fn a_failure_of_the_cloud_keeps_its_words_to_itself() {
        let refusal =
            Refusal::from(DriverError::Backend { status: Some(500), message: "password=hunter2".into() });
        assert_eq!(refusal.message(), "the cloud failed");
    }

    #[test]
    fn operations_are_named_as_the_ruby_drivers_do() {
        assert_eq!(method_of(Collection::Firewalls, Verb::Create), "create_firewall");
        assert_eq!(method_of(Collection::Addresses, Verb::Show), "address");
        assert_eq!(method_of(Collection::Addresses, Verb::Index), "addresses");
    }
}
