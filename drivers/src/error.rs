//! What can go wrong with a cloud, sorted by what the caller should do about it.

use std::time::Duration;

use crate::operation::{Collection, Operation, Verb};
use crate::states::InstanceState;

/// Why an operation did not give its answer.
///
/// Two questions decide what a caller does next: may the operation have happened all the same
/// ([`DriverError::may_have_happened`]), and is the same request worth sending again
/// ([`DriverError::is_retryable`])? Messages never carry user data, keys or passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// Nothing has this identity.
    #[error("{collection} has no {id:?}")]
    NotFound {
        /// Where it was looked for.
        collection: Collection,
        /// What was looked for.
        id: String,
    },
    /// The cloud cannot do this at all. Plan without it; [`crate::Capabilities`] tells beforehand.
    #[error("this driver does not offer {operation}")]
    Unsupported {
        /// What was asked.
        operation: Operation,
    },
    /// The request is wrong, and will be wrong whenever it is sent.
    #[error("{parameter}: {why}{}", allowed_text(.allowed))]
    Invalid {
        /// The parameter, by its name in the Deltacloud API where it has one (`image_id`, `hwp_memory`).
        parameter: String,
        /// What is wrong with it.
        why: String,
        /// What would be right, when that can be listed.
        allowed: Vec<String>,
    },
    /// There is no room now. Others may free some.
    #[error(
        "no room for another in {collection}{}: the limit is {limit}",
        .realm.as_ref().map(|r| format!(" of realm {r}")).unwrap_or_default()
    )]
    Capacity {
        /// Of what there is not enough.
        collection: Collection,
        /// Where, when the limit is a realm's.
        realm: Option<String>,
        /// How many there can be at once.
        limit: u64,
    },
    /// The instance's state does not allow this.
    #[error("instance {id} is {state}, which does not allow {verb}")]
    WrongState {
        /// The instance.
        id: String,
        /// Its state now.
        state: InstanceState,
        /// What was asked.
        verb: Verb,
    },
    /// It collides with what is there: a name taken by something else, a thing still in use.
    #[error("{collection} {id:?}: {why}")]
    Conflict {
        /// Where.
        collection: Collection,
        /// The identity or name it collides on.
        id: String,
        /// How.
        why: String,
    },
    /// The cloud refuses the credentials that the driver was configured with.
    #[error("the cloud refuses the driver's credentials")]
    Unauthorised,
    /// The cloud did not take the request; nothing has happened.
    #[error("the cloud is not available: {why}")]
    Unavailable {
        /// What was seen.
        why: String,
        /// When the cloud wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// No answer came. The operation may have happened.
    #[error("no answer in time to {operation}; it may have happened")]
    TimedOut {
        /// What was asked.
        operation: Operation,
    },
    /// The cloud answered with an error of its own.
    #[error("the cloud failed{}: {message}", .status.map(|s| format!(" with status {s}")).unwrap_or_default())]
    Backend {
        /// HTTP status, where there is one.
        status: Option<u16>,
        /// Its message, shortened by the driver and free of secrets.
        message: String,
    },
}

fn allowed_text(allowed: &[String]) -> String {
    // A driver with ten thousand realms must not answer with all of them.
    const SHOWN: usize = 20;
    match allowed.len() {
        0 => String::new(),
        n if n <= SHOWN => format!(" (allowed: {})", allowed.join(", ")),
        n => format!(" (allowed: {}, and {} more)", allowed[..SHOWN].join(", "), n - SHOWN),
    }
}

impl DriverError {
    /// A wrong parameter for which the right values cannot be listed.
    #[must_use]
    pub fn invalid(parameter: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { parameter: parameter.into(), why: why.into(), allowed: Vec::new() }
    }

    /// Nothing of this identity in this collection.
    #[must_use]
    pub fn not_found(collection: Collection, id: impl Into<String>) -> Self {
        Self::NotFound { collection, id: id.into() }
    }

    /// A collision with what is there.
    #[must_use]
    pub fn conflict(collection: Collection, id: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Conflict { collection, id: id.into(), why: why.into() }
    }

    /// Whether the same request, sent again later without any other change, may well succeed.
    ///
    /// Sending again is safe for every operation whose repetition is harmless: all reads, and
    /// everything created under a token. For the others look first when
    /// [`DriverError::may_have_happened`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::TimedOut { .. } => true,
            Self::Backend { status, .. } => status.is_none_or(|s| s >= 500),
            Self::Capacity { .. }
            | Self::NotFound { .. }
            | Self::Unsupported { .. }
            | Self::Invalid { .. }
            | Self::WrongState { .. }
            | Self::Conflict { .. }
            | Self::Unauthorised => false,
        }
    }

    /// Whether the operation may have taken place although there is no good answer to it.
    ///
    /// True for time-outs, and for failures of the cloud itself: servers are known to answer 500 to
    /// a creation that has happened.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            Self::Backend { status, .. } => status.is_none_or(|s| s >= 500),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_error_after_a_creation_counts_as_maybe_done() {
        let backend = |status| DriverError::Backend { status, message: "oops".into() };
        assert!(backend(Some(500)).may_have_happened());
        assert!(backend(None).may_have_happened());
        assert!(!backend(Some(403)).may_have_happened());
        assert!(!backend(Some(403)).is_retryable());
        let operation = Operation::new(Collection::Instances, Verb::Create);
        assert!(DriverError::TimedOut { operation }.may_have_happened());
        assert!(!DriverError::Unsupported { operation }.is_retryable());
    }

    #[test]
    fn long_lists_of_allowed_values_are_cut() {
        let error = DriverError::Invalid {
            parameter: "realm_id".into(),
            why: "no such realm".into(),
            allowed: (0..10_000).map(|n| format!("r{n}")).collect(),
        };
        let text = error.to_string();
        assert!(text.ends_with("r19, and 9980 more)"), "{text}");
    }

    #[test]
    fn messages_say_where_and_how_much() {
        let error =
            DriverError::Capacity { collection: Collection::Instances, realm: Some("us".into()), limit: 3 };
        assert_eq!(error.to_string(), "no room for another in instances of realm us: the limit is 3");
    }
}
