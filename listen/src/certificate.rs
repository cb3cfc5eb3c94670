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
    /// The key needs a passphrase.
    #[error(
        "{0}: the private key is encrypted, and nobody is there to give the passphrase when the service starts; \
         `openssl pkey -in OLD -out NEW` writes it without"
    )]
    EncryptedKey(PathBuf),
    /// The key file holds no private key.
    #[error("{0}: it holds no private key in PEM")]
    NoKey(PathBuf),
    /// The key belongs to another certificate.
    #[error("the private key in {key} does not belong to the certificate in {certificate}")]
    KeyOfAnother {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// rustls refuses certificate or key.
    #[error("server certificate and key cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
}

/// The certificate chain and the private key in two PEM files.
///
/// # Errors
/// [`TlsSetupError`] for a file that cannot be read or does not hold what it should. rustls
/// says whether the two fit together.
pub fn read(
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
    let text = std::fs::read(key).map_err(|source| unreadable(key)(pem::Error::Io(source)))?;
    if is_encrypted(&text) {
        return Err(TlsSetupError::EncryptedKey(key.to_owned()));
    }
    let found = PrivateKeyDer::from_pem_slice(&text).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsSetupError::NoKey(key.to_owned()),
        source => unreadable(key)(source),
    })?;
    Ok((chain, found))
}

/// Whether a PEM text holds an encrypted private key, in the form of PKCS#8 or in that of OpenSSL before.
fn is_encrypted(text: &[u8]) -> bool {
    text.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| {
        line.starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || (line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED"))
    })
}

/// Gives rustls' refusal of a certificate and a key the names of the files they were read from.
pub fn refused<'a>(certificate: &'a Path, key: &'a Path) -> impl Fn(rustls::Error) -> TlsSetupError + 'a {
    move |error| match error {
        rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch) => {
            TlsSetupError::KeyOfAnother { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        error => TlsSetupError::Rustls(error),
    }
}
