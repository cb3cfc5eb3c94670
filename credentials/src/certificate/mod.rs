//! One X.509 certificate, read once: the GENI names in its subjectAltName and what chain building needs.
//!
//! Source of the rules: the GENI certificates page. A certificate names its subject by a URI
//! `urn:publicid:IDN+…` in the subjectAltName, beside which a URI `urn:uuid:…` and an e-mail address may
//! stand, in any order. The common name says nothing.

mod der;
mod extensions;
mod name_constraints;

use crate::algorithm::{Key, Scheme};
use crate::short_rsa::RsaScheme;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use extensions::{Constraints, Names};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use urn::{Urn, UrnError};
use uuid::Uuid;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// The largest certificate accepted, in bytes of DER. Real ones are around one kilobyte.
const MAX_DER: usize = 32 * 1024;

/// The most certificates read from one PEM text.
const MAX_PER_TEXT: usize = 512;

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
    SeveralUrns(Box<Urn>, Box<Urn>),
}

/// An X.509 certificate. Cheap to clone; equal when the bytes are equal.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    /// Where in `der` the part lies that the issuer signed.
    signed: Range<usize>,
    scheme: Scheme,
    signature: Vec<u8>,
    subject: Name,
    issuer: Name,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    spki: Vec<u8>,
    key: Key,
    names: Names,
    constraints: Constraints,
    /// The key that was once found to have made the signature.
    signed_by: OnceLock<Box<[u8]>>,
}

/// A distinguished name: its bytes to compare, its text to read.
struct Name {
    der: Vec<u8>,
    text: String,
}

impl Certificate {
    /// Reads one certificate.
    ///
    /// # Errors
    /// [`CertificateError`] when the bytes are not exactly one certificate, or name more than one GENI URN.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_DER {
            return Err(CertificateError::TooLarge { what: "bytes", found: der.len(), limit: MAX_DER });
        }
        der::check_certificate(der).map_err(malformed)?;
        let (_, x509) =
            X509Certificate::from_der(der).map_err(|_| malformed("its structure cannot be read"))?;
        let tbs = x509.tbs_certificate.as_ref();
        let signed = range_in(der, tbs).ok_or_else(|| malformed("its structure cannot be read"))?;
        let (names, constraints) = extensions::read(&x509)?;
        let key = Key::from_spki(x509.public_key());
        Ok(Self(Arc::new(Parsed {
            signed,
            scheme: Scheme::from_x509(&x509.signature_algorithm),
            signature: x509.signature_value.data.to_vec(),
            subject: name(x509.subject())?,
            issuer: name(x509.issuer())?,
            not_before: moment(x509.validity().not_before)?,
            not_after: moment(x509.validity().not_after)?,
            spki: x509.public_key().raw.to_vec(),
            key,
            names,
            constraints,
            signed_by: OnceLock::new(),
            der: der.to_vec(),
        })))
    }

    /// Reads the certificates of a PEM text in their order (leaf first, by convention). Text around the
    /// blocks is skipped, as are blocks of other kinds.
    ///
    /// # Errors
    /// [`CertificateError`] when there is no certificate, a block is damaged, or a certificate is bad.
    pub fn chain_from_pem(pem: &str) -> Result<Vec<Self>, CertificateError> {
        Self::chain_from_pem_with(pem, Self::from_der)
    }

    /// As [`Certificate::chain_from_pem`]; `read` reads the bytes of each.
    pub(crate) fn chain_from_pem_with(
        pem: &str,
        read: impl Fn(&[u8]) -> Result<Self, CertificateError>,
    ) -> Result<Vec<Self>, CertificateError> {
        const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
        const END: &str = "-----END CERTIFICATE-----";
        let mut chain = Vec::new();
        let mut rest = pem;
        while let Some((_, after)) = split(rest, BEGIN) {
            let Some((body, after)) = split(after, END) else {
                return Err(CertificateError::Pem(format!("block {} has no END line", chain.len() + 1)));
            };
            if chain.len() == MAX_PER_TEXT {
                return Err(CertificateError::TooLarge {
                    what: "certificates",
                    found: MAX_PER_TEXT + 1,
                    limit: MAX_PER_TEXT,
                });
            }
            chain.push(read(&decode(body)?)?);
            rest = after;
        }
        if chain.is_empty() {
            return Err(CertificateError::Pem(format!("there is no {BEGIN} line")));
        }
        Ok(chain)
    }

    /// The certificate as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate as one PEM block, ending with a line feed.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem_block("CERTIFICATE", &self.0.der)
    }

    /// The GENI URN in its subjectAltName.
    #[must_use]
    pub fn urn(&self) -> Option<&Urn> {
        self.0.names.urn.as_ref()
    }

    /// The UUID in its subjectAltName (`urn:uuid:…`).
    #[must_use]
    pub fn uuid(&self) -> Option<Uuid> {
        self.0.names.uuid
    }

    /// The e-mail address in its subjectAltName.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.0.names.email.as_deref()
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
        self.0.constraints.ca
    }

    /// Whether its key usage, where it has one, allows signing certificates (RFC 5280, section 4.2.1.3).
    #[must_use]
    pub fn may_sign_certificates(&self) -> bool {
        self.0.constraints.usage.is_none_or(|usage| usage.cert_sign)
    }

    /// The SubjectPublicKeyInfo as DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki
    }

    /// The SHA-1 of the public key in lower-case hexadecimal, as in a subjectKeyIdentifier.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.0.key.identifier().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The size of its RSA key in bits; `None` for keys of other kinds.
    #[must_use]
    pub fn rsa_bits(&self) -> Option<usize> {
        self.0.key.rsa_bits()
    }

    /// Whether its RSA key, of 1024 bits or more, made `signature` over `message` in a TLS handshake. It is for keys that
    /// are shorter than TLS libraries take; whether such are accepted at all is a matter of [`Policy`](crate::Policy).
    #[must_use]
    pub fn verifies_handshake(&self, scheme: RsaScheme, message: &[u8], signature: &[u8]) -> bool {
        self.0.key.verifies_handshake(scheme, message, signature)
    }

    /// A digest (SHA-256) of the part that the issuer signed: what a deny-list or an audit trail names a certificate by.
    /// The digest of the whole would not do: from an ECDSA signature anybody can compute its twin, which holds as well.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let signed = self.0.der.get(self.0.signed.clone()).unwrap_or_default();
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, signed).as_ref());
        fingerprint
    }

    /// The subject name as DER.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        &self.0.subject.der
    }

    /// The subject name for people to read.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject.text
    }

    pub(crate) fn issuer_der(&self) -> &[u8] {
        &self.0.issuer.der
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.0.issuer.text
    }

    pub(crate) fn key(&self) -> &Key {
        &self.0.key
    }

    pub(crate) fn scheme(&self) -> &Scheme {
        &self.0.scheme
    }

    pub(crate) fn constraints(&self) -> &Constraints {
        &self.0.constraints
    }

    /// The URN, or else the subject name: what messages call this certificate.
    #[must_use]
    pub fn called(&self) -> String {
        match self.urn() {
            Some(urn) => urn.to_string(),
            None => self.subject().to_owned(),
        }
    }

    /// The steps that [`Self::is_signed_by`] takes: few where the answer is remembered.
    pub(crate) fn signature_cost(&self, issuer: &Self) -> usize {
        if self.0.signed_by.get().is_some_and(|key| **key == *issuer.0.spki) {
            issuer.0.spki.len()
        } else {
            issuer.key().cost() + self.0.signed.len()
        }
    }

    /// Whether `issuer`'s key made this certificate's signature.
    #[must_use]
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        if self.0.signed_by.get().is_some_and(|key| **key == *issuer.0.spki) {
            return true;
        }
        let signed = self.0.der.get(self.0.signed.clone()).unwrap_or_default();
        let holds = issuer.key().verifies(self.scheme(), signed, &self.0.signature);
        if holds {
            // The first one found stays; a second key for the same signature is computed every time.
            let _ = self.0.signed_by.set(issuer.0.spki.as_slice().into());
        }
        holds
    }

    /// Whether it is the very same reading of the same bytes.
    #[cfg(test)]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What stands before and after the first `mark`.
fn split<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let at = memchr::memmem::find(text.as_bytes(), mark.as_bytes())?;
    Some((text.get(..at)?, text.get(at + mark.len()..)?))
}

/// The bytes of one certificate from its base64, with white space anywhere.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, CertificateError> {
    let mut compact = Vec::with_capacity(text.len());
    for line in text.split_ascii_whitespace() {
        compact.extend_from_slice(line.as_bytes());
    }
    STANDARD.decode(compact).map_err(|error| CertificateError::Pem(format!("a block is not base64: {error}")))
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.called())
    }
}

/// A PEM block with lines of 64 characters.
pub(crate) fn pem_block(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

fn malformed(reason: &str) -> CertificateError {
    CertificateError::Der(reason.to_owned())
}

/// Where `part`, a slice of `whole`, lies in it.
fn range_in(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

fn name(name: &x509_parser::x509::X509Name<'_>) -> Result<Name, CertificateError> {
    if name.iter().any(|set| set.iter().next().is_none()) {
        return Err(malformed("a name in it has an empty part"));
    }
    let text: String = name.to_string().chars().filter(|c| !c.is_control()).take(200).collect();
    Ok(Name { der: name.as_raw().to_vec(), text })
}

fn moment(time: ASN1Time) -> Result<DateTime<Utc>, CertificateError> {
    DateTime::from_timestamp(time.timestamp(), 0).ok_or_else(|| malformed("a date is out of range"))
}
