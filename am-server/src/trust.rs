//! The roots that the aggregate trusts, as `[tls]` names them.

use crate::config::Config;
use credentials::{Policy, RootsError, TrustRoots};
use std::path::PathBuf;
use tracing::warn;

/// Why there are no roots to trust.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The trusted roots cannot be read.
    #[error("tls.trusted_roots: {0}")]
    Roots(#[from] RootsError),
    /// There are none, so that nobody could call.
    #[error(
        "tls.trusted_roots: {0} holds no certificate; put the root of a clearinghouse there, or nobody can call"
    )]
    NoRoots(PathBuf),
}

/// Reads the trusted roots of a configuration.
///
/// # Errors
/// [`TrustError`].
pub fn roots(config: &Config) -> Result<TrustRoots, TrustError> {
    let policy = Policy {
        allow_sha1_certificates: config.tls.allow_sha1_certificates,
        allow_1024_bit: config.tls.allow_1024_bit_keys,
        allow_authorities_without_urn: config.tls.allow_authorities_without_urn,
        allow_sha1_credentials: config.tls.allow_sha1_credentials,
        credential_signers: config.tls.credential_signers.clone(),
    };
    let roots = TrustRoots::load_dir(&config.tls.trusted_roots, &policy)?;
    if roots.certificates().is_empty() {
        return Err(TrustError::NoRoots(config.tls.trusted_roots.clone()));
    }
    Ok(roots)
}

/// Warns of settings that accept what should not be accepted for ever.
pub fn warn_of_laxity(policy: &Policy) {
    if policy.allow_sha1_credentials {
        warn!(
            "credentials signed with SHA-1 are accepted, as the clearinghouses in use sign so; once yours sign with SHA-256, set tls.allow_sha1_credentials = false"
        );
    }
    if policy.allow_sha1_certificates {
        warn!("certificates signed with SHA-1 are accepted (tls.allow_sha1_certificates)");
    }
    if policy.allow_1024_bit {
        warn!("RSA keys of 1024 to 2047 bits are accepted (tls.allow_1024_bit_keys)");
    }
    if policy.allow_authorities_without_urn {
        warn!("roots that name no URN may vouch for any authority (tls.allow_authorities_without_urn)");
    }
}
