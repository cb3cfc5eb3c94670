//! What was verified before: the good for as long as they hold, the refused for a short while.
//!
//! One credential can be written in many texts: white space, comments and certificates outside of what is signed do not
//! count. What is remembered is the credential, by its canonical text; one text, the latest, leads to it. So the holder
//! of one credential cannot push others out of the memory by writing it differently.

use crate::{Credential, CredentialError, Kind};
use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// A text by the BLAKE3 digest of its bytes, or a credential by its fingerprint; and the roots that it was judged under.
pub(crate) type Key = ([u8; 32], u64);

/// How long a refusal is remembered.
const REFUSED_FOR: TimeDelta = TimeDelta::seconds(60);
/// The most refusals remembered: a few hundred bytes each.
const MAX_REFUSED: usize = 1024;

/// A good credential.
#[derive(Debug)]
struct Good {
    credential: Arc<Credential>,
    /// From when its certificates hold.
    from: DateTime<Utc>,
    /// The text that leads to it.
    text: Key,
}

/// A refused text.
#[derive(Debug)]
struct Refused {
    error: CredentialError,
    at: DateTime<Utc>,
}

/// Bounded memory; those used last stay.
#[derive(Debug)]
pub(crate) struct Memory {
    good: LruCache<Key, Good>,
    /// From a text to its credential: exactly one for each in `good`.
    texts: HashMap<Key, Key>,
    refused: LruCache<Key, Refused>,
}

impl Memory {
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        let refused = NonZeroUsize::new(MAX_REFUSED).map_or(capacity, |most| capacity.min(most));
        Self { good: LruCache::new(capacity), texts: HashMap::new(), refused: LruCache::new(refused) }
    }

    /// How many credentials are remembered.
    pub(crate) fn len(&self) -> usize {
        self.good.len()
    }

    /// The verdict on a text, where it still holds.
    pub(crate) fn get(
        &mut self,
        text: &Key,
        now: DateTime<Utc>,
    ) -> Option<Result<Arc<Credential>, CredentialError>> {
        if let Some(good) = self.texts.get(text).and_then(|key| self.good.get(key)) {
            let holds = good.from <= now && now < good.credential.usable_until();
            return holds.then(|| Ok(Arc::clone(&good.credential)));
        }
        let refused = self.refused.get(text)?;
        (refused.at <= now && now < refused.at + REFUSED_FOR).then(|| Err(refused.error.clone()))
    }

    /// Keeps a good credential under the text it came in. Gives the one that was known already, if any.
    pub(crate) fn keep(&mut self, text: Key, credential: Credential, from: DateTime<Utc>) -> Arc<Credential> {
        let key = (credential.fingerprint, text.1);
        let known = self.good.peek(&key).filter(|known| *known.credential == credential);
        let credential = known.map_or_else(|| Arc::new(credential), |known| Arc::clone(&known.credential));
        self.refused.pop(&text);
        let good = Good { credential: Arc::clone(&credential), from, text };
        // What makes room, or was there under another text, takes its text with it.
        if let Some((_, before)) = self.good.push(key, good) {
            self.texts.remove(&before.text);
        }
        self.texts.insert(text, key);
        credential
    }

    /// Keeps a refusal, unless it is one that time alone can mend.
    pub(crate) fn refuse(&mut self, text: Key, error: &CredentialError, now: DateTime<Utc>) {
        if error.kind() != Kind::Expired {
            self.refused.put(text, Refused { error: error.clone(), at: now });
        }
    }
}
