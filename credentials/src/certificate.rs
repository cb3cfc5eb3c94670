//! One X.509 certificate, read once: the GENI names in its subjectAltName and what chain building needs.

use chrono::{DateTime, Utc};
use std::sync::Arc;
use urn::{Urn, UrnError};
use uuid::Uuid;

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are not one DER certificate.
    #[error("not a DER-encoded X.509 certificate: {0}")]
    Der(String),
    /// A PEM block is damaged, or there is none.
    #[error("not PEM certificates: {0}")]
    Pem(String),
    /// Larger, or more of them, than accepted.
    #[error("{found} {what}; at most {limit} are accepted")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// How many.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// A URI in the subjectAltName starts like a GENI URN and is none.
    #[error("the subjectAltName holds a bad URN: {0}")]
    Urn(#[from] UrnError),
    /// More than one GENI URN: it could not be said whom the certificate names.
    #[error("the subjectAltName holds more than one GENI URN ({0} and {1}); exactly one is allowed")]
    SeveralUrns(Urn, Urn),
}

/// An X.509 certificate. Cheap to clone; equal when the bytes are equal.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    urn: Option<Urn>,
    uuid: Option<Uuid>,
    email: Option<String>,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
}

impl Certificate {
    /// Reads one certificate.
    ///
    /// # Errors
    /// [`CertificateError`] when the bytes are not exactly one certificate, or name more than one GENI URN.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        unimplemented!("{}", der.len())
    }

    /// Reads the certificates of a PEM text in their order (leaf first, by convention). Text around the
    /// blocks is skipped, as are blocks of other kinds.
    ///
    /// # Errors
    /// [`CertificateError`] when there is no certificate, a block is damaged, or a certificate is bad.
    pub fn chain_from_pem(pem: &str) -> Result<Vec<Self>, CertificateError> {
        unimplemented!("{}", pem.len())
    }

    /// The certificate as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate as one PEM block, ending with a line feed.
    #[must_use]
    pub fn to_pem(&self) -> String {
        unimplemented!()
    }

    /// The GENI URN in its subjectAltName.
    #[must_use]
    pub fn urn(&self) -> Option<&Urn> {
        self.0.urn.as_ref()
    }

    /// The UUID in its subjectAltName (`urn:uuid:…`).
    #[must_use]
    pub fn uuid(&self) -> Option<Uuid> {
        self.0.uuid
    }

    /// The e-mail address in its subjectAltName.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// The first second at which it is valid.
    #[must_use]
    pub fn not_before(&self) -> DateTime<Utc> {
        self.0.not_before
    }

    /// The first second at which it is valid no more.
    #[must_use]
    pub fn not_after(&self) -> DateTime<Utc> {
        self.0.not_after
    }

    /// Whether its basic constraints say CA:TRUE.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        unimplemented!()
    }

    /// The SubjectPublicKeyInfo as DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        unimplemented!()
    }

    /// The SHA-1 of the public key in lower-case hexadecimal, as in a subjectKeyIdentifier.
    #[must_use]
    pub fn key_id(&self) -> String {
        unimplemented!()
    }

    /// The subject name as DER.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        unimplemented!()
    }

    /// The subject name for people to read.
    #[must_use]
    pub fn subject(&self) -> &str {
        unimplemented!()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({:?})", self.0.urn)
    }
}
