//! The verifier: trusted roots, and a memory of what was verified against them.

use crate::{Credential, CredentialError, TrustRoots};
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// Verifies credentials and remembers them, so that a credential shown with every call costs its
/// signatures and chains once. Time is looked at on every call.
pub struct Verifier {
    roots: Arc<TrustRoots>,
}

impl Verifier {
    /// A verifier that remembers up to `capacity` credentials (0: none).
    #[must_use]
    pub fn new(roots: TrustRoots, capacity: usize) -> Self {
        let _ = capacity;
        Self { roots: Arc::new(roots) }
    }

    /// The roots in use.
    #[must_use]
    pub fn roots(&self) -> Arc<TrustRoots> {
        Arc::clone(&self.roots)
    }

    /// Puts other roots in place. What was verified against the old ones counts no more.
    pub fn replace_roots(&self, roots: TrustRoots) {
        unimplemented!("{roots:?}")
    }

    /// Verifies a `geni_sfa` credential, version 2 or 3.
    ///
    /// # Errors
    /// [`CredentialError`], saying which level and part is wrong.
    pub fn verify(&self, xml: &str, now: DateTime<Utc>) -> Result<Arc<Credential>, CredentialError> {
        unimplemented!("{} {now}", xml.len())
    }
}
