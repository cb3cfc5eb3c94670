//! What a request that is not carried out is answered with.
//!
//! Status codes are those of Apache Deltacloud 1.1.3 where it has one for the case: 400 for a wrong or missing
//! parameter, 401, 403 for an action on an instance that is not there, 404, 405 where an instance's state does
//! not allow an action, 406, 412 for a collection that the driver lacks. Where it fails with 500 for want of a
//! better code, the codes are: 409 for a conflict, 507 where there is no room, 503 and 504 for a cloud that is
//! not reached or does not answer.

use drivers::DriverError;
use hyper::StatusCode;
use listen::TooMany;
use std::time::Duration;

/// The most parameters a request may have. A client of the API sends twenty at most, and one more for each rule,
/// firewall or entry of metadata.
pub const MOST_PARAMETERS: usize = 1000;

/// Whole seconds, for a client to wait.
pub(crate) fn seconds(wait: &Duration) -> u64 {
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
    #[error("there are more than {} parameters", MOST_PARAMETERS)]
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
    /// The user has as many connections as one user may have, and all of them are busy.
    #[error(transparent)]
    Crowded(#[from] TooMany),
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
            Self::Crowded(_) => StatusCode::SERVICE_UNAVAILABLE,
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
    pub(crate) fn class(&self) -> &'static str {
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
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Driver(DriverError::Backend { .. }) => "the cloud failed".to_owned(),
            Self::Driver(DriverError::Unauthorised) => "the cloud refuses this server".to_owned(),
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use drivers::{Collection, Operation, Verb};

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
}
