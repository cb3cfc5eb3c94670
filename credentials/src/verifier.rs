//! The verifier: trusted roots, and a memory of what was verified against them.

use crate::credential::{Verified, verify};
use crate::document::MAX_BYTES;
use crate::effort::{MAX_STEPS, Meter};
use crate::memory::{Key, Memory};
use crate::{Credential, CredentialError, TrustRoots};
use chrono::{DateTime, Utc};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Verifies credentials and remembers them, so that a credential shown with every call costs its
/// signatures and chains once. Time is looked at on every call. Refusals are remembered for a minute.
#[derive(Debug)]
pub struct Verifier {
    roots: RwLock<Arc<TrustRoots>>,
    memory: Option<Mutex<Memory>>,
    known: AtomicU64,
    anew: AtomicU64,
}

/// A verdict, and the work it took.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The credential, or why it is refused.
    pub verdict: Result<Arc<Credential>, CredentialError>,
    /// The steps of work, each about a nanosecond.
    pub steps: u64,
}

/// How often credentials were found to be good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verifications {
    /// Because they were known.
    pub known: u64,
    /// By reading them and verifying signatures and chains.
    pub anew: u64,
}

impl Verifier {
    /// A verifier that remembers up to `capacity` credentials (0: none), those used last.
    #[must_use]
    pub fn new(roots: TrustRoots, capacity: usize) -> Self {
        Self {
            roots: RwLock::new(Arc::new(roots)),
            memory: NonZeroUsize::new(capacity).map(|capacity| Mutex::new(Memory::new(capacity))),
            known: AtomicU64::new(0),
            anew: AtomicU64::new(0),
        }
    }

    /// The roots in use.
    #[must_use]
    pub fn roots(&self) -> Arc<TrustRoots> {
        Arc::clone(&self.roots.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other roots in place. What was verified against the old ones counts no more.
    pub fn replace_roots(&self, roots: TrustRoots) {
        *self.roots.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(roots);
    }

    /// How many credentials are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.lock().unwrap_or_else(PoisonError::into_inner).len())
    }

    /// How often credentials were found to be good so far.
    #[must_use]
    pub fn verifications(&self) -> Verifications {
        let (known, anew) = (self.known.load(Ordering::Relaxed), self.anew.load(Ordering::Relaxed));
        Verifications { known, anew }
    }

    /// Verifies a `geni_sfa` credential, version 2 or 3, which are of one form.
    ///
    /// # Errors
    /// [`CredentialError`], saying which level and part is wrong.
    pub fn verify(&self, xml: &str, now: DateTime<Utc>) -> Result<Arc<Credential>, CredentialError> {
        self.recall(xml, now).unwrap_or_else(|| self.judge(xml, now, MAX_STEPS).verdict)
    }

    /// The verdict on a credential that was judged before, where that verdict still holds: it takes next to no work.
    #[must_use]
    pub fn recall(&self, xml: &str, now: DateTime<Utc>) -> Option<Result<Arc<Credential>, CredentialError>> {
        // A text that is refused for its size alone is not even digested.
        let memory = self.memory.as_ref().filter(|_| xml.len() <= MAX_BYTES)?;
        let key = text_key(xml, &self.roots());
        let verdict = memory.lock().unwrap_or_else(PoisonError::into_inner).get(&key, now);
        if matches!(verdict, Some(Ok(_))) {
            self.known.fetch_add(1, Ordering::Relaxed);
        }
        verdict
    }

    /// Judges a credential anew, in at most `limit` steps of work ([`MAX_STEPS`] or fewer), and remembers the verdict.
    /// Where the limit is too low, that is the verdict ([`CredentialError::TooMuchWork`]).
    pub fn judge(&self, xml: &str, now: DateTime<Utc>, limit: u64) -> Judged {
        let roots = self.roots();
        let limit = limit.min(MAX_STEPS);
        let meter = Meter::new(limit);
        let result = verify(xml, &roots, now, &meter);
        let steps = meter.spent();
        // One that is outside of its remembered time is verified as if it were new: that finds the exact reason, or another
        // chain that still holds.
        let mut memory = self
            .memory
            .as_ref()
            .filter(|_| xml.len() <= MAX_BYTES)
            .map(|memory| memory.lock().unwrap_or_else(PoisonError::into_inner));
        let verdict = match result {
            Ok(Verified { credential, from }) => {
                self.anew.fetch_add(1, Ordering::Relaxed);
                Ok(match &mut memory {
                    Some(memory) => memory.keep(text_key(xml, &roots), credential, from),
                    None => Arc::new(credential),
                })
            }
            Err(_) if meter.is_exhausted() && limit < MAX_STEPS => {
                Err(CredentialError::TooMuchWork { limit })
            }
            Err(error) => {
                let error = if meter.is_exhausted() { CredentialError::TooMuchWork { limit } } else { error };
                if let Some(memory) = &mut memory {
                    memory.refuse(text_key(xml, &roots), &error, now);
                }
                Err(error)
            }
        };
        Judged { verdict, steps }
    }
}

fn text_key(xml: &str, roots: &TrustRoots) -> Key {
    (*blake3::hash(xml.as_bytes()).as_bytes(), roots.generation())
}
