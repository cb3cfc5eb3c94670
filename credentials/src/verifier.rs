//! The verifier: trusted roots, and a memory of what was verified against them.

use crate::credential::{Verified, verify};
use crate::{Credential, CredentialError, TrustRoots};
use chrono::{DateTime, Utc};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What a remembered credential is found by: the BLAKE3 digest of its bytes, and the roots it was good under.
type Key = ([u8; 32], u64);

/// Verifies credentials and remembers them, so that a credential shown with every call costs its
/// signatures and chains once. Time is looked at on every call. Refusals are not remembered.
#[derive(Debug)]
pub struct Verifier {
    roots: RwLock<Arc<TrustRoots>>,
    memory: Option<Mutex<LruCache<Key, Remembered>>>,
    known: AtomicU64,
    anew: AtomicU64,
}

/// How often credentials were found to be good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verifications {
    /// Because they were known.
    pub known: u64,
    /// By reading them and verifying signatures and chains.
    pub anew: u64,
}

#[derive(Debug, Clone)]
struct Remembered {
    credential: Arc<Credential>,
    /// From when its certificates hold.
    from: DateTime<Utc>,
}

impl Verifier {
    /// A verifier that remembers up to `capacity` credentials (0: none), those used last.
    #[must_use]
    pub fn new(roots: TrustRoots, capacity: usize) -> Self {
        Self {
            roots: RwLock::new(Arc::new(roots)),
            memory: NonZeroUsize::new(capacity).map(|capacity| Mutex::new(LruCache::new(capacity))),
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
        let roots = self.roots();
        let Some(memory) = &self.memory else {
            let verified = verify(xml, &roots, now)?;
            self.anew.fetch_add(1, Ordering::Relaxed);
            return Ok(Arc::new(verified.credential));
        };
        let key = (*blake3::hash(xml.as_bytes()).as_bytes(), roots.generation());
        let known = memory.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known
            && known.from <= now
            && now < known.credential.usable_until()
        {
            self.known.fetch_add(1, Ordering::Relaxed);
            return Ok(known.credential);
        }
        // Outside of its remembered time the whole verification runs again: it finds the exact reason, or
        // another chain that still holds.
        let Verified { credential, from } = verify(xml, &roots, now)?;
        self.anew.fetch_add(1, Ordering::Relaxed);
        let remembered = Remembered { credential: Arc::new(credential), from };
        let credential = Arc::clone(&remembered.credential);
        memory.lock().unwrap_or_else(PoisonError::into_inner).put(key, remembered);
        Ok(credential)
    }
}
