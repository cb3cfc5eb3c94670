//! The other direction: keys, certificates, credentials and delegations.
//!
//! What is minted here is what the GENI certificates and credentials pages describe, in today's algorithms:
//! RSA keys of 2048 bits, RSA with SHA-256 for every signature, SHA-256 digests. It is enough to run a small
//! authority for development, and to let the holder of a credential hand it on.

mod authority;
mod delegate;
pub(crate) mod document;
mod key_pair;

pub use authority::{Authority, NewCredential, Subject};
pub use delegate::delegate;
pub use key_pair::KeyPair;

use crate::{CertificateError, CredentialError};

/// Why something could not be minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// A key could not be made or read. Says nothing of the key itself.
    #[error("private key: {0}")]
    Key(String),
    /// A certificate could not be read.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The credential to delegate cannot be read, or does not allow the delegation.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// What was asked for would not be accepted by anybody.
    #[error("{0}")]
    Refused(String),
    /// The certificate or signature could not be written.
    #[error("cannot sign: {0}")]
    Signing(String),
}
