//! Why a call fails: a `geni_code` from the API's table, and a sentence for the person who called.

use rspec::{RspecError, RspecErrorKind};
use state::{Refusal, StoreError};
use std::fmt;
use uuid::Uuid;

/// The error codes of the AM API that this aggregate uses (`geni-error-codes.xml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum GeniCode {
    /// Something about the arguments is wrong.
    BadArguments = 1,
    /// Anything that fits no other code.
    Error = 2,
    /// The caller may not do this.
    Forbidden = 3,
    /// An RSpec version that is not spoken here.
    BadVersion = 4,
    /// The server failed.
    ServerError = 5,
    /// More than there is.
    TooBig = 6,
    /// Local policy says no.
    Refused = 7,
    /// The database failed; nothing was changed.
    DatabaseError = 9,
    /// No such sliver, or a slice without slivers.
    SearchFailed = 12,
    /// Not supported, or not for this sliver in this state.
    Unsupported = 13,
    /// Locked by another call; try again.
    Busy = 14,
    /// The same is already under way.
    InProgress = 16,
    /// It is there already.
    AlreadyExists = 17,
    /// A time or number outside the allowed range.
    OutOfRange = 19,
    /// No VLAN tag left.
    VlanUnavailable = 24,
}

impl GeniCode {
    /// The code with this number, if it is one of ours.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        use GeniCode as C;
        [
            C::BadArguments,
            C::Error,
            C::Forbidden,
            C::BadVersion,
            C::ServerError,
            C::TooBig,
            C::Refused,
            C::DatabaseError,
            C::SearchFailed,
            C::Unsupported,
            C::Busy,
            C::InProgress,
            C::AlreadyExists,
            C::OutOfRange,
            C::VlanUnavailable,
        ]
        .into_iter()
        .find(|code| *code as i32 == number)
    }
}

/// The longest message, in characters.
const MAX_MESSAGE: usize = 2000;

/// A failed call.
#[derive(Debug, Clone)]
pub struct CallError {
    code: GeniCode,
    am_code: Option<i32>,
    message: String,
    hint: Option<String>,
}

impl CallError {
    /// A failure with this code.
    #[must_use]
    pub fn new(code: GeniCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // What a caller sent may be quoted; a log or an answer must not grow with it.
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(end);
            message.push('…');
        }
        Self { code, am_code: None, message, hint: None }
    }

    /// geni_code 1.
    #[must_use]
    pub fn bad_arguments(message: impl Into<String>) -> Self {
        Self::new(GeniCode::BadArguments, message)
    }

    /// geni_code 3.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(GeniCode::Forbidden, message)
    }

    /// geni_code 4.
    #[must_use]
    pub fn bad_version(message: impl Into<String>) -> Self {
        Self::new(GeniCode::BadVersion, message)
    }

    /// geni_code 12.
    #[must_use]
    pub fn search_failed(message: impl Into<String>) -> Self {
        Self::new(GeniCode::SearchFailed, message)
    }

    /// Adds the finer code of this aggregate (`am_code`).
    #[must_use]
    pub fn with_am_code(mut self, am_code: i32) -> Self {
        self.am_code = Some(am_code);
        self
    }

    /// Adds what would have been allowed; it is sent as the answer's `value`.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the request's id where an operator is needed to find out more (codes 3, 5 and 9): the log has the same id.
    #[must_use]
    pub fn of_request(mut self, request: Uuid) -> Self {
        if matches!(self.code, GeniCode::Forbidden | GeniCode::ServerError | GeniCode::DatabaseError) {
            self.message = format!("{} (request {request})", self.message);
        }
        self
    }

    /// `geni_code`.
    #[must_use]
    pub fn geni_code(&self) -> i32 {
        self.code as i32
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> GeniCode {
        self.code
    }

    /// `am_code`: the finer code, where there is one that says more than `geni_code`.
    #[must_use]
    pub fn am_code(&self) -> Option<i32> {
        self.am_code
    }

    /// What would have been allowed.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CallError {}

/// An RSpec that cannot be taken, as an answer.
pub(crate) fn unfit(error: RspecError) -> CallError {
    let code = match error.kind {
        RspecErrorKind::WrongVersion => GeniCode::BadVersion,
        RspecErrorKind::Unsupported => GeniCode::Unsupported,
        RspecErrorKind::TooLarge | RspecErrorKind::TooDeep => GeniCode::TooBig,
        _ => GeniCode::BadArguments,
    };
    CallError::new(code, format!("rspec: {error}"))
}

/// A refusal of the state machine as an answer.
pub(crate) fn refused(refusal: Refusal) -> CallError {
    let code = GeniCode::from_number(refusal.geni_code()).unwrap_or(GeniCode::Error);
    let error = CallError::new(code, refusal.to_string());
    match refusal.latest_allowed() {
        Some(latest) => error.with_hint(crate::time::format(latest)),
        None => error,
    }
}

/// A failure of the store as an answer: the details are for the log.
pub(crate) fn database(error: StoreError) -> CallError {
    if let StoreError::Unreadable { row } = &error {
        tracing::error!(%row, "a call met a row of the database that cannot be read");
        return CallError::new(
            GeniCode::DatabaseError,
            "what is stored of this slice cannot be read, and nothing was changed; other slices are not concerned: tell the operators of the aggregate",
        );
    }
    tracing::error!(%error, "the database failed");
    CallError::new(GeniCode::DatabaseError, "the database failed; nothing was changed")
}

/// A stored document of ours that cannot be read again is the server's fault, not the caller's.
pub(crate) fn unreadable(error: &dyn std::fmt::Display) -> CallError {
    tracing::error!(%error, "a stored configuration cannot be read");
    CallError::new(
        GeniCode::ServerError,
        "a stored configuration cannot be read; the operator has to look into the log",
    )
}
