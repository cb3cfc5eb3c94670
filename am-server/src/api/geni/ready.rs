//! Answers that are the same for everybody, kept as they go over the wire.
//!
//! Monitors and waiting experimenters ask for the same two things again and again: what the aggregate is, and what it
//! has. Both are written once, until there is something else to say.

use super::http::Document;
use super::version::Version;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The forms an advertisement can have: all or only available, plain or compressed.
const FORMS: usize = 4;

/// The answers that are kept.
#[derive(Debug, Default)]
pub(super) struct Ready {
    versions: [OnceLock<Arc<Document>>; Version::ALL.len()],
    /// The answer for each advertisement, found by the very text it was written from.
    advertisements: Mutex<Vec<(Arc<str>, Arc<Document>)>>,
}

impl Ready {
    /// The answer to GetVersion, which `write` writes the first time.
    pub(super) fn version(&self, version: Version, write: impl FnOnce() -> String) -> Arc<Document> {
        let place = match version {
            Version::V3 => &self.versions[0],
            Version::V4 => &self.versions[1],
        };
        Arc::clone(place.get_or_init(|| Arc::new(Document::new(write()))))
    }

    /// The answer that was written from this advertisement, if there is one.
    #[must_use]
    pub(super) fn advertisement(&self, text: &Arc<str>) -> Option<Arc<Document>> {
        let kept = self.advertisements.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| Arc::ptr_eq(known, text)).map(|(_, document)| Arc::clone(document))
    }

    /// Keeps the answer that was written from this advertisement, in place of the oldest one when there are more
    /// than an aggregate can be asked for at one time.
    pub(super) fn keep_advertisement(&self, text: Arc<str>, document: Arc<Document>) {
        let mut kept = self.advertisements.lock().unwrap_or_else(PoisonError::into_inner);
        // A text that only this list still holds is not the aggregate's advertisement any more.
        kept.retain(|(known, _)| Arc::strong_count(known) > 1 && !Arc::ptr_eq(known, &text));
        if kept.len() == FORMS {
            kept.remove(0);
        }
        kept.push((text, document));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Arc<Document> {
        Arc::new(Document::new(text.to_owned()))
    }

    #[test]
    fn get_version_is_written_once_for_each_version_of_the_api() {
        let ready = Ready::default();
        let first = ready.version(Version::V3, || "three".to_owned());
        let again = ready.version(Version::V3, || unreachable!("it is there already"));
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!Arc::ptr_eq(&first, &ready.version(Version::V4, || "four".to_owned())));
    }

    #[test]
    fn an_advertisement_is_found_by_the_text_it_was_written_from() {
        let ready = Ready::default();
        let (old, new): (Arc<str>, Arc<str>) = ("same".into(), "same".into());
        ready.keep_advertisement(Arc::clone(&old), document("old"));
        assert!(ready.advertisement(&old).is_some());
        assert!(ready.advertisement(&new).is_none());
        // Nobody offers the old one any more: it goes when the next one comes.
        drop(old);
        ready.keep_advertisement(Arc::clone(&new), document("new"));
        assert_eq!(ready.advertisements.lock().unwrap().len(), 1);
        let many: Vec<Arc<str>> = (0..10).map(|n| n.to_string().into()).collect();
        for text in &many {
            ready.keep_advertisement(Arc::clone(text), document(text));
        }
        assert_eq!(ready.advertisements.lock().unwrap().len(), FORMS);
        assert!(ready.advertisement(&many[9]).is_some());
    }
}
