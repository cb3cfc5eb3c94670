//! Certificates that were read before.
//!
//! The same few certificates come with nearly every connection and credential: the authority's, the caller's, a
//! slice's. One that is known by its bytes is not read again, and since it remembers whose key made its signature, that
//! is not computed again either. Both are facts that no time and no policy can change; whether the certificate is
//! *good* is found out anew every time.

use crate::effort::Meter;
use crate::{Certificate, CertificateError};
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

/// The most certificates kept.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// The largest certificate kept, in bytes. Real ones have one to three kilobytes. Strangers show certificates too, and
/// large ones of theirs are not to fill the memory.
const MOST_BYTES: usize = 8 * 1024;

/// What reading one byte of a certificate counts as, in steps.
const READING: usize = 16;

/// Certificates by the digest of their bytes, those used last.
#[derive(Debug)]
pub(crate) struct Known(Mutex<LruCache<[u8; 32], Certificate>>);

impl Known {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }

    /// As [`Certificate::from_der`]; charges `meter` with what it took.
    pub(crate) fn certificate(&self, der: &[u8], meter: &Meter) -> Result<Certificate, CertificateError> {
        meter.charge(der.len());
        let key = *blake3::hash(der).as_bytes();
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        meter.charge(READING * der.len());
        // Read outside of the lock; of two who read it at the same time, the later one is kept.
        let certificate = Certificate::from_der(der)?;
        if der.len() > MOST_BYTES {
            return Ok(certificate);
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, certificate.clone());
        Ok(certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mint::{Authority, KeyPair};

    #[test]
    fn what_was_read_before_is_shared_and_what_is_broken_is_not_kept() {
        let (start, end) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2027-01-01T00:00:00Z".parse().unwrap());
        let urn = "urn:publicid:IDN+a+authority+sa".parse().unwrap();
        let authority = Authority::self_signed(urn, KeyPair::generate().unwrap(), start, end).unwrap();
        let known = Known::new();
        let der = authority.chain()[0].der();
        let (one, two) = (
            known.certificate(der, &Meter::unlimited()).unwrap(),
            known.certificate(der, &Meter::unlimited()).unwrap(),
        );
        assert!(one.is_same(&two));
        assert!(!one.is_same(&Certificate::from_der(der).unwrap()));
        assert!(known.certificate(&der[1..], &Meter::unlimited()).is_err());
        assert_eq!(known.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn large_ones_are_read_and_not_kept() {
        use crate::mint::Subject;
        let (start, end) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2027-01-01T00:00:00Z".parse().unwrap());
        let urn = "urn:publicid:IDN+a+authority+sa".parse().unwrap();
        let key = KeyPair::generate().unwrap();
        let authority = Authority::self_signed(urn, KeyPair::generate().unwrap(), start, end).unwrap();
        let mut subject = Subject::new("urn:publicid:IDN+a+user+u".parse().unwrap());
        let known = Known::new();
        for (length, kept) in [(10, 1), (2 * MOST_BYTES, 1)] {
            subject.email = Some(format!("{}@a.example", "x".repeat(length)));
            let certificate = authority.issue(&subject, &key, start, end).unwrap();
            known.certificate(certificate.der(), &Meter::unlimited()).unwrap();
            assert_eq!(known.0.lock().unwrap().len(), kept, "{length}");
        }
    }
}
