//! Trusted roots, and the chain from a presented certificate to one of them.

use crate::{Certificate, CertificateError};
use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};
use urn::Urn;
use uuid::Uuid;

/// What an operator may relax. MD5 signatures and RSA keys below 1024 bits are refused whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Accept certificates signed with SHA-1.
    pub allow_sha1_certificates: bool,
    /// Accept RSA keys of 1024 to 2047 bits.
    pub allow_1024_bit: bool,
    /// Accept authorities at the top of a chain that name no URN. Such a root may vouch for any authority,
    /// since nothing says which ones are its own.
    pub allow_authorities_without_urn: bool,
}

/// Why trusted roots cannot be read. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not hold certificates.
    #[error("{}: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CertificateError,
    },
    /// A certificate that the policy refuses.
    #[error("{}: {source}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ChainError,
    },
}

/// Why a certificate does not chain to a trusted root. Certificates are named by their URN, or else by
/// their subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No certificate was presented.
    #[error("no certificate was presented")]
    Empty,
    /// More certificates, or more work, than any honest chain needs.
    #[error("the chain takes more than {limit} {what} to check")]
    TooLong {
        /// What was counted.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Its time is over.
    #[error("the certificate of {name} expired at {}", crate::error::stamp(not_after))]
    Expired {
        /// Whose certificate.
        name: String,
        /// When it expired.
        not_after: DateTime<Utc>,
    },
    /// Its time has not come.
    #[error("the certificate of {name} is not valid before {}", crate::error::stamp(not_before))]
    NotYetValid {
        /// Whose certificate.
        name: String,
        /// When it becomes valid.
        not_before: DateTime<Utc>,
    },
    /// No trusted root, and no presented certificate, is its issuer.
    #[error("the certificate of {name} was issued by {issuer:?}, which is not a trusted root")]
    UnknownAuthority {
        /// Whose certificate.
        name: String,
        /// The issuer's subject name.
        issuer: String,
    },
    /// There is an issuer of the right name, but its key did not make the signature.
    #[error("the certificate of {name} bears the name of issuer {issuer:?}, but not its signature")]
    BadSignature {
        /// Whose certificate.
        name: String,
        /// The issuer's subject name.
        issuer: String,
    },
    /// The issuer is not an authority's certificate.
    #[error("the certificate of {name} was issued by {issuer}, which may not issue certificates: {reason}")]
    NotAnAuthority {
        /// Whose certificate.
        name: String,
        /// The issuer.
        issuer: String,
        /// What it lacks.
        reason: &'static str,
    },
    /// The issuer is an authority, but over others.
    #[error("the certificate of {name} was issued by {issuer}, which has no authority over it")]
    NotAuthorityOver {
        /// Whose certificate.
        name: Urn,
        /// The issuer.
        issuer: Urn,
    },
    /// Its signature algorithm or key is too weak.
    #[error("the certificate of {name} is too weak: {reason}")]
    Weak {
        /// Whose certificate.
        name: String,
        /// What is weak, and what would be accepted.
        reason: String,
    },
    /// It demands something that is not understood here.
    #[error("the certificate of {name} holds a critical extension that is not understood: {extension}")]
    Extension {
        /// Whose certificate.
        name: String,
        /// The extension's object identifier.
        extension: String,
    },
    /// It names nobody.
    #[error("the certificate of {name} names no GENI URN in its subjectAltName")]
    NoUrn {
        /// The subject name.
        name: String,
    },
}

impl ChainError {
    /// Whether the chain would be good at another time.
    #[must_use]
    pub fn is_about_time(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYetValid { .. })
    }
}

/// Whom a verified certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The GENI URN.
    pub urn: Urn,
    /// The UUID, where the certificate has one.
    pub uuid: Option<Uuid>,
    /// The e-mail address, where the certificate has one.
    pub email: Option<String>,
    /// The SubjectPublicKeyInfo as DER.
    pub spki: Vec<u8>,
    /// When the chain ceases to hold: the earliest end of its certificates.
    pub expires: DateTime<Utc>,
}

/// The certificates that everything must chain to, with the policy for chains. Never changes: a new set
/// is built and put in its place.
#[derive(Debug)]
pub struct TrustRoots {
    roots: Vec<Certificate>,
    policy: Policy,
    generation: u64,
}

impl TrustRoots {
    /// Reads every `*.pem` and `*.crt` file of a folder; each may hold several certificates.
    ///
    /// # Errors
    /// [`RootsError`], naming the file.
    pub fn load_dir(dir: &Path, policy: &Policy) -> Result<Self, RootsError> {
        unimplemented!("{dir:?} {policy:?}")
    }

    /// Takes these certificates as the roots.
    ///
    /// # Errors
    /// [`ChainError::Weak`] when the policy refuses one.
    pub fn from_certificates(
        certificates: impl IntoIterator<Item = Certificate>,
        policy: &Policy,
    ) -> Result<Self, ChainError> {
        unimplemented!("{} {policy:?}", certificates.into_iter().count())
    }

    /// A digest of the roots and the policy: different sets have different generations.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The policy for chains.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The roots.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.roots
    }

    /// The roots' subject names as DER, for the hint list of a TLS server.
    #[must_use]
    pub fn subjects(&self) -> Vec<Vec<u8>> {
        self.roots.iter().map(|root| root.subject_der().to_vec()).collect()
    }

    /// Follows the first of the presented certificates to a trusted root. The others may stand in any
    /// order, and may be more than are needed.
    ///
    /// # Errors
    /// [`ChainError`].
    pub fn verify_chain(
        &self,
        presented: &[Certificate],
        now: DateTime<Utc>,
    ) -> Result<Identity, ChainError> {
        unimplemented!("{} {now}", presented.len())
    }
}
