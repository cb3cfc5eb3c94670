//! What is wrong with a credential.

use crate::{CertificateError, ChainError};
use chrono::{DateTime, Utc};
use std::fmt;
use urn::Urn;

/// The coarse reason of a refusal; it decides the finer error code that clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Not a signed credential at all: not XML, too large, not of the form.
    Malformed,
    /// A signed credential whose signature or content does not hold.
    Invalid,
    /// It, or a certificate it rests on, is outside its time.
    Expired,
    /// A good credential, but not of this caller, for this target or with this privilege.
    Mismatch,
    /// Somebody signed it who may not.
    Untrusted,
}

impl Kind {
    /// The `am_code` that goes with `geni_code` 3: 20 invalid, 21 expired, 22 mismatch, 23 signer not
    /// trusted, as the GENI error code list has them.
    #[must_use]
    pub fn am_code(self) -> i32 {
        match self {
            Self::Malformed | Self::Invalid => 20,
            Self::Expired => 21,
            Self::Mismatch => 22,
            Self::Untrusted => 23,
        }
    }
}

/// One level of a credential: the credential itself, or one of the parents it was delegated from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Level(pub usize);

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("the credential"),
            1 => f.write_str("the credential's parent"),
            n => write!(f, "the credential's parent at level {n}"),
        }
    }
}

/// Whose certificate a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// `owner_gid`: who holds the credential.
    Owner,
    /// `target_gid`: what the credential is about.
    Target,
    /// `X509Data`: who signed it.
    Signer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner_gid",
            Self::Target => "target_gid",
            Self::Signer => "signer's certificate",
        })
    }
}

/// Why a credential is refused. Messages name the level and the part, and never hold the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Said to be of a type that no verifier here reads.
    #[error("a credential is of type {0:?}, which is not read here: geni_sfa is")]
    OfAnotherType(String),
    /// Larger, deeper or with more nodes than any credential is.
    #[error("the credential has {found} {what}; at most {limit} are accepted")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// How many there are, as far as they were counted.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// It would take more work to verify than any credential does.
    #[error(
        "the credential takes more than {limit} steps of work to verify: it has too many signatures of too large keys, or too much content"
    )]
    TooMuchWork {
        /// The bound.
        limit: u64,
    },
    /// Not well-formed, or with a document type declaration.
    #[error("the credential is not acceptable XML: {0}")]
    NotXml(String),
    /// XML, but not a signed credential.
    #[error("the document is not a GENI signed credential: {0}")]
    NotACredential(String),
    /// An element is missing, repeated or has a value that is not of its type.
    #[error("{level}: {reason}")]
    Content {
        /// Which level of the credential.
        level: Level,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The XML signature does not hold, or has a form that is not accepted.
    #[error("{level}: signature refused: {reason}")]
    Signature {
        /// Which level of the credential.
        level: Level,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A certificate inside cannot be read.
    #[error("{level}: {role}: {source}")]
    Certificate {
        /// Which level of the credential.
        level: Level,
        /// Whose certificate.
        role: Role,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// A certificate inside does not chain to a trusted root.
    #[error("{level}: {role}: {source}")]
    Chain {
        /// Which level of the credential.
        level: Level,
        /// Whose certificate.
        role: Role,
        /// What is wrong with the chain.
        source: ChainError,
    },
    /// Its time is over.
    #[error("{level} expired at {} (it is now {})", stamp(expired), stamp(now))]
    Expired {
        /// Which level of the credential.
        level: Level,
        /// When it expired.
        expired: DateTime<Utc>,
        /// The time of the check.
        now: DateTime<Utc>,
    },
    /// The signer has no authority over the target.
    #[error(
        "{level}: signed by {signer}, which is not an authority over {target}; the signer must be the target's authority or one above it"
    )]
    NotTheAuthority {
        /// Which level of the credential.
        level: Level,
        /// Who signed.
        signer: Box<Urn>,
        /// The target.
        target: Box<Urn>,
    },
    /// The signer is no authority that signs credentials.
    #[error(
        "{level}: signed by {signer}, which may not sign credentials: it must be of type authority, and be a CA or have a name that stands for signing credentials (sa, ma, ch, ca and root, unless this aggregate names others)"
    )]
    NotASigner {
        /// Which level of the credential.
        level: Level,
        /// Who signed.
        signer: Box<Urn>,
    },
    /// A delegated credential was not signed by the owner of its parent.
    #[error("{level}: signed by {signer}, but only {owner}, the owner of its parent, can delegate it")]
    NotTheOwner {
        /// Which level of the credential.
        level: Level,
        /// Who signed.
        signer: Box<Urn>,
        /// The owner of the parent.
        owner: Box<Urn>,
    },
    /// A delegated credential gives what its parent does not.
    #[error("{level}: its parent does not allow this delegation: {reason}")]
    Delegation {
        /// Which level of the credential.
        level: Level,
        /// What goes beyond the parent.
        reason: String,
    },
}

impl CredentialError {
    /// The coarse reason.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::OfAnotherType(_)
            | Self::TooLarge { .. }
            | Self::TooMuchWork { .. }
            | Self::NotXml(_)
            | Self::NotACredential(_) => Kind::Malformed,
            Self::Content { .. }
            | Self::Signature { .. }
            | Self::Certificate { .. }
            | Self::Delegation { .. } => Kind::Invalid,
            Self::Chain { source, .. } if source.is_about_time() => Kind::Expired,
            Self::Chain { .. }
            | Self::NotTheAuthority { .. }
            | Self::NotASigner { .. }
            | Self::NotTheOwner { .. } => Kind::Untrusted,
            Self::Expired { .. } => Kind::Expired,
        }
    }
}

/// A moment as the AM API writes it.
pub(crate) fn stamp(moment: &DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
