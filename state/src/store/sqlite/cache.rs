//! Slices as they were last saved or read, so that a slice that is asked for again is not read again.
//!
//! It can be exact because nobody else writes to the database: the writer thread brings it up to date after a commit
//! and before anybody is told of it. A reader that missed may hold a slice that is older than a save that went by
//! meanwhile; it keeps what it read only if there was none.

use crate::slice::Slice;
use lru::LruCache;
use std::sync::{Arc, Mutex, PoisonError};
use urn::Urn;

/// The most slivers that are kept, each slice counting as one more: a few megabytes.
const MOST: usize = 4096;

/// The slices that are kept, those used last.
#[derive(Debug)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    slices: LruCache<String, Arc<Slice>>,
    weight: usize,
    /// Grows with every save.
    saves: u64,
}

/// Proof of when a reading began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun(u64);

impl Cache {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Kept { slices: LruCache::unbounded(), weight: 0, saves: 0 }))
    }

    /// The slice, if it is kept; otherwise what to show when it has been read.
    pub(super) fn get(&self, slice: &Urn) -> Result<Arc<Slice>, Begun> {
        let mut kept = self.kept();
        match kept.slices.get(slice.key()) {
            Some(found) => Ok(Arc::clone(found)),
            None => Err(Begun(kept.saves)),
        }
    }

    /// Keeps a slice that was read, unless something was saved since the reading began.
    pub(super) fn keep_read(&self, begun: Begun, slice: &Arc<Slice>) {
        let mut kept = self.kept();
        if kept.saves == begun.0 {
            kept.put(Arc::clone(slice));
        }
    }

    /// Keeps a slice that was saved.
    pub(super) fn keep_saved(&self, slice: Arc<Slice>) {
        let mut kept = self.kept();
        kept.saves += 1;
        if slice.is_gone() {
            kept.remove(slice.urn.key());
        } else {
            kept.put(slice);
        }
    }

    /// Keeps a slice no longer.
    pub(super) fn forget(&self, slice: &Urn) {
        self.kept().remove(slice.key());
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn put(&mut self, slice: Arc<Slice>) {
        self.remove(slice.urn.key());
        let weight = weight(&slice);
        if weight > MOST {
            return;
        }
        self.weight += weight;
        self.slices.put(slice.urn.key().to_owned(), slice);
        while self.weight > MOST {
            let Some((_, oldest)) = self.slices.pop_lru() else { return };
            self.weight -= self::weight(&oldest);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(old) = self.slices.pop(key) {
            self.weight -= weight(&old);
        }
    }
}

fn weight(slice: &Slice) -> usize {
    1 + slice.slivers.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn slice(name: &str, version: u64) -> Arc<Slice> {
        let urn = Urn::parse(&format!("urn:publicid:IDN+a+slice+{name}")).unwrap();
        let stop = crate::slice::Stop { by: urn.clone(), at: DateTime::UNIX_EPOCH };
        // Shut down, so that it is something although it has no slivers.
        Arc::new(Slice { version, shutdown: Some(stop), ..Slice::new(urn, DateTime::UNIX_EPOCH) })
    }

    #[test]
    fn a_reading_older_than_a_save_is_not_kept() {
        let cache = Cache::new();
        let begun = cache.get(&slice("a", 1).urn).unwrap_err();
        cache.keep_saved(slice("a", 2));
        cache.keep_read(begun, &slice("a", 1));
        assert_eq!(cache.get(&slice("a", 1).urn).unwrap().version, 2);
        let begun = cache.get(&slice("b", 1).urn).unwrap_err();
        cache.keep_read(begun, &slice("b", 1));
        assert_eq!(cache.get(&slice("B", 1).urn).unwrap().version, 1);
    }

    #[test]
    fn a_slice_that_is_gone_is_forgotten() {
        let cache = Cache::new();
        cache.keep_saved(slice("a", 1));
        let gone = Slice { version: 2, shutdown: None, ..(*slice("a", 2)).clone() };
        assert!(gone.is_gone());
        cache.keep_saved(Arc::new(gone));
        assert!(cache.get(&slice("a", 1).urn).is_err());
        assert_eq!(cache.kept().weight, 0);
    }

    #[test]
    fn the_least_used_slices_make_room() {
        let cache = Cache::new();
        for n in 0..MOST as u64 {
            cache.keep_saved(slice(&format!("s{n}"), n + 1));
        }
        assert!(cache.get(&slice("s0", 1).urn).is_ok());
        cache.keep_saved(slice("more", 1));
        assert!(cache.get(&slice("s0", 1).urn).is_ok());
        assert!(cache.get(&slice("s1", 1).urn).is_err());
        assert_eq!(cache.kept().weight, MOST);
    }
}
