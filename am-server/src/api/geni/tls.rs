//! Mutual TLS: who may connect, and the alerts for those who may not.
//!
//! The client certificate is the only source of a caller's identity (AM API v3, authentication). Clients
//! look for two alerts: 45 (certificate_expired) and 48 (unknown_ca), so the reasons a chain fails are
//! mapped to the errors that make rustls send them.

use chrono::{DateTime, Utc};
use credentials::{ChainError, HandshakeDigest, Identity, RsaScheme, TrustRoots};
use listen::certificate::{self, TlsSetupError};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ServerConfig, ServerSessionMemoryCache, StoresServerSessions};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use std::path::Path;
use std::sync::Arc;

/// The server side of TLS: our certificate, and `roots` as the judges of the clients'.
///
/// # Errors
/// [`TlsSetupError`] when a file cannot be read or certificate and key do not fit together.
pub fn server_config(
    certificate: &Path,
    key: &Path,
    roots: Arc<TrustRoots>,
) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let (chain, private) = certificate::read(certificate, key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(ClientVerifier::new(roots, &provider));
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private)
        .map_err(certificate::refused(certificate, key))?;
    // Clients that open a connection per call save the certificate exchange by resuming.
    config.session_storage = Arc::new(Sessions(ServerSessionMemoryCache::new(SESSIONS)));
    Ok(Arc::new(config))
}

/// Sessions that can be resumed.
const SESSIONS: usize = 4096;
/// The largest session that can be, in bytes: it holds the chain that the client showed, which is a few kilobytes. A
/// client that shows more, up to 64 kilobytes, shakes hands anew each time instead of filling the memory.
const LARGEST_SESSION: usize = 8 << 10;

/// The memory of sessions, those of ordinary size.
#[derive(Debug)]
struct Sessions(Arc<ServerSessionMemoryCache>);

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        value.len() <= LARGEST_SESSION && self.0.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.take(key)
    }

    fn can_cache(&self) -> bool {
        self.0.can_cache()
    }
}

/// Why a client's certificate is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientRefusal {
    /// It cannot be read.
    #[error("the client certificate cannot be read: {0}")]
    Unreadable(#[from] credentials::CertificateError),
    /// It does not lead to a trusted root, or names nobody.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// Who the client is, from the chain it showed.
///
/// # Errors
/// [`ClientRefusal`].
pub fn identity(
    roots: &TrustRoots,
    chain: &[CertificateDer<'_>],
    now: DateTime<Utc>,
) -> Result<Identity, ClientRefusal> {
    let chain = chain.iter().map(|der| roots.certificate(der)).collect::<Result<Vec<_>, _>>()?;
    Ok(roots.verify_chain(&chain, now)?)
}

/// Judges client certificates by the rules of GENI chains rather than those of the web.
#[derive(Debug)]
struct ClientVerifier {
    roots: Arc<TrustRoots>,
    subjects: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    fn new(roots: Arc<TrustRoots>, provider: &CryptoProvider) -> Self {
        let subjects = roots.subjects().into_iter().map(DistinguishedName::from).collect();
        Self { roots, subjects, algorithms: provider.signature_verification_algorithms }
    }
}

impl ClientVerifier {
    /// The verdict on a handshake signed with an RSA key of 1024 to 2047 bits, where the operator accepts those: the TLS
    /// library takes none of them. `None` for other keys.
    fn short_rsa(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
        scheme: Option<RsaScheme>,
    ) -> Option<Result<HandshakeSignatureValid, Error>> {
        if !self.roots.policy().allow_1024_bit {
            return None;
        }
        let certificate = self.roots.certificate(certificate).ok()?;
        certificate.rsa_bits().filter(|bits| (1024..2048).contains(bits))?;
        let holds = scheme
            .is_some_and(|scheme| certificate.verifies_handshake(scheme, message, signature.signature()));
        Some(if holds {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::BadSignature))
        })
    }
}

/// The scheme of a handshake's signature, where it is one of RSA with SHA-2.
fn rsa_scheme(scheme: SignatureScheme) -> Option<RsaScheme> {
    Some(match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => RsaScheme::Pkcs1(HandshakeDigest::Sha256),
        SignatureScheme::RSA_PKCS1_SHA384 => RsaScheme::Pkcs1(HandshakeDigest::Sha384),
        SignatureScheme::RSA_PKCS1_SHA512 => RsaScheme::Pkcs1(HandshakeDigest::Sha512),
        SignatureScheme::RSA_PSS_SHA256 => RsaScheme::Pss(HandshakeDigest::Sha256),
        SignatureScheme::RSA_PSS_SHA384 => RsaScheme::Pss(HandshakeDigest::Sha384),
        SignatureScheme::RSA_PSS_SHA512 => RsaScheme::Pss(HandshakeDigest::Sha512),
        _ => return None,
    })
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let now = i64::try_from(now.as_secs())
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .ok_or(Error::FailedToGetCurrentTime)?;
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).cloned().collect();
        match identity(&self.roots, &chain, now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(error) => Err(Error::InvalidCertificate(alert_for(error))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if let Some(verdict) = self.short_rsa(message, certificate, signature, rsa_scheme(signature.scheme)) {
            return verdict;
        }
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // TLS 1.3 has no PKCS#1 v1.5 in handshakes (RFC 8446, section 4.2.3).
        let scheme = rsa_scheme(signature.scheme).filter(|scheme| matches!(scheme, RsaScheme::Pss(_)));
        if let Some(verdict) = self.short_rsa(message, certificate, signature, scheme) {
            return verdict;
        }
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The certificate error whose alert tells the client what is wrong.
fn alert_for(refusal: ClientRefusal) -> CertificateError {
    match refusal {
        ClientRefusal::Unreadable(_) => CertificateError::BadEncoding,
        ClientRefusal::Chain(ChainError::Expired { .. }) => CertificateError::Expired,
        ClientRefusal::Chain(ChainError::NotYetValid { .. }) => CertificateError::NotValidYet,
        ClientRefusal::Chain(ChainError::UnknownAuthority { .. }) => CertificateError::UnknownIssuer,
        ClientRefusal::Chain(ChainError::Usage { .. }) => CertificateError::InvalidPurpose,
        ClientRefusal::Chain(other) => CertificateError::Other(OtherError(Arc::new(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_with_very_long_chains_are_not_kept() {
        let sessions = Sessions(ServerSessionMemoryCache::new(SESSIONS));
        assert!(sessions.put(vec![1], vec![0; LARGEST_SESSION]));
        assert!(!sessions.put(vec![2], vec![0; LARGEST_SESSION + 1]));
        assert!(
            sessions.take(&[1]).is_some() && sessions.get(&[1]).is_none() && sessions.get(&[2]).is_none()
        );
    }
}
