//! The other direction: keys, certificates, credentials and delegations.

use crate::{Certificate, CertificateError};
use chrono::{DateTime, Utc};
use std::fmt;
use std::net::IpAddr;
use urn::Urn;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Why something could not be minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// A key could not be made or read.
    #[error("private key: {0}")]
    Key(String),
    /// A certificate could not be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// What was asked for would not be accepted by anybody.
    #[error("{0}")]
    Refused(String),
    /// The library that writes certificates or signatures failed.
    #[error("cannot sign: {0}")]
    Signing(String),
}

/// An RSA key pair of 2048 bits or more.
pub struct KeyPair {
    pkcs8: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(..)")
    }
}

impl KeyPair {
    /// Makes a new RSA key of 2048 bits.
    ///
    /// # Errors
    /// [`MintError::Key`] when the system gives no randomness.
    pub fn generate() -> Result<Self, MintError> {
        unimplemented!()
    }

    /// Reads a PEM private key, PKCS#8 or PKCS#1, unencrypted.
    ///
    /// # Errors
    /// [`MintError::Key`].
    pub fn from_pem(pem: &str) -> Result<Self, MintError> {
        unimplemented!("{}", pem.len())
    }

    /// The key as PKCS#8 PEM; wiped when dropped.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        unimplemented!("{}", self.pkcs8.len())
    }

    /// The SubjectPublicKeyInfo as DER.
    #[must_use]
    pub fn spki_der(&self) -> Vec<u8> {
        unimplemented!()
    }
}

/// Whom a new certificate names.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The GENI URN.
    pub urn: Urn,
    /// The UUID; slices have none.
    pub uuid: Option<Uuid>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether it may issue certificates (CA:TRUE); the URN must then be an authority's.
    pub is_authority: bool,
    /// Host names, for a TLS server.
    pub dns_names: Vec<String>,
    /// Addresses, for a TLS server.
    pub ip_addresses: Vec<IpAddr>,
    /// The common name; by default the URN's authority, type and name.
    pub common_name: Option<String>,
}

impl Subject {
    /// A subject with this URN and nothing else.
    #[must_use]
    pub fn new(urn: Urn) -> Self {
        Self {
            urn,
            uuid: None,
            email: None,
            is_authority: false,
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            common_name: None,
        }
    }
}

/// An authority: its certificate chain and its key.
#[derive(Debug)]
pub struct Authority {
    chain: Vec<Certificate>,
    key: KeyPair,
}

impl Authority {
    /// Makes a root authority, valid from `not_before` to `not_after`.
    ///
    /// # Errors
    /// [`MintError`]: the URN is not an authority's, or signing fails.
    pub fn self_signed(
        urn: Urn,
        key: KeyPair,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<Self, MintError> {
        unimplemented!("{urn} {key:?} {not_before} {not_after}")
    }

    /// Takes an authority from its certificate chain (leaf first) and its key.
    ///
    /// # Errors
    /// [`MintError`]: one of them cannot be read, or they do not belong together.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, MintError> {
        unimplemented!("{} {}", chain.len(), key.len())
    }

    /// Its own certificate first, then those above it.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// Issues a certificate for the public half of `key`.
    ///
    /// # Errors
    /// [`MintError`]: the authority has no right over the subject, or signing fails.
    pub fn issue(
        &self,
        subject: &Subject,
        key: &KeyPair,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<Certificate, MintError> {
        unimplemented!("{subject:?} {key:?} {not_before} {not_after}")
    }

    /// Makes an authority below this one.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn subauthority(
        &self,
        urn: Urn,
        key: KeyPair,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<Self, MintError> {
        unimplemented!("{urn} {key:?} {not_before} {not_after}")
    }

    /// Writes and signs a credential.
    ///
    /// # Errors
    /// [`MintError`]: the authority has no right over the target, a certificate names no URN, or signing fails.
    pub fn credential(&self, new: &NewCredential<'_>) -> Result<String, MintError> {
        unimplemented!("{new:?}")
    }
}

/// What a new credential says.
#[derive(Debug, Clone, Copy)]
pub struct NewCredential<'a> {
    /// The owner's certificate chain, leaf first.
    pub owner: &'a [Certificate],
    /// The target's certificate chain, leaf first.
    pub target: &'a [Certificate],
    /// Privilege names, each with whether it can be delegated.
    pub privileges: &'a [(&'a str, bool)],
    /// When it ends.
    pub expires: DateTime<Utc>,
}

/// Hands a credential on: the holder of `parent` signs one for `to`, with fewer or the same rights.
///
/// # Errors
/// [`MintError`]: the parent cannot be read, does not belong to the holder, or does not allow this.
pub fn delegate(
    parent: &str,
    holder: (&[Certificate], &KeyPair),
    to: &[Certificate],
    privileges: &[(&str, bool)],
    expires: DateTime<Utc>,
) -> Result<String, MintError> {
    unimplemented!("{} {holder:?} {to:?} {privileges:?} {expires}", parent.len())
}
