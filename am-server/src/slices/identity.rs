//! Which slice a name stands for: a name may be given to another slice once the first one is gone.

use crate::error::{CallError, refused};
use chrono::{DateTime, Utc};
use state::Slice;
use std::sync::Arc;

/// Which slice of one name a caller means: the name may be given again after a slice is gone, and a certificate of the new
/// slice bears another UUID (GENI certificates: `urn:uuid:` in the subjectAltName).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SliceIdentity {
    /// Whichever has the name: operators of the aggregate, and the aggregate itself.
    Any,
    /// The one whose certificate bears this UUID (lower case), or none.
    Certified(Option<String>),
}

impl SliceIdentity {
    /// Refuses a slice that is another one of the same name.
    ///
    /// # Errors
    /// geni_code 3.
    pub fn check(&self, slice: &Slice, now: DateTime<Utc>) -> Result<(), CallError> {
        match self {
            Self::Any => Ok(()),
            Self::Certified(uuid) => slice.check_same(uuid.as_deref(), now).map_err(refused),
        }
    }

    /// The slice as it is from now on known to be.
    pub fn known(&self, slice: Arc<Slice>, now: DateTime<Utc>) -> Arc<Slice> {
        match self {
            Self::Certified(uuid) if slice.uuid != *uuid => Arc::new(slice.known_as(uuid.as_deref(), now)),
            _ => slice,
        }
    }
}
