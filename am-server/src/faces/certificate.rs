//! A server's certificate and key, read from their files.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};

/// Why the TLS side cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// A PEM file could not be read.
    #[error("{file}: {source}")]
    Pem {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        source: pem::Error,
    },
    /// The certificate file holds no certificate.
    #[error("{0}: it holds no certificate")]
    NoCertificate(PathBuf),
    /// Certificate and key do not fit, or rustls refuses them.
    #[error("server certificate and key cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
}

/// The certificate chain and the private key in two PEM files.
///
/// # Errors
/// [`TlsSetupError`] for a file that cannot be read or does not hold what it should. Whether the two fit is for rustls
/// to say.
pub(super) fn read(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsSetupError> {
    let unreadable = |file: &Path| {
        let file = file.to_owned();
        move |source| TlsSetupError::Pem { file, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable(certificate))?;
    if chain.is_empty() {
        return Err(TlsSetupError::NoCertificate(certificate.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    Ok((chain, key))
}
