//! RSA key pairs.

use super::MintError;
use crate::certificate::pem_block;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use std::fmt;
use zeroize::Zeroizing;

/// An RSA key pair of 2048 bits or more.
pub struct KeyPair {
    pair: RsaKeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
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
        let pair = RsaKeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| MintError::Key("the system could not make one".into()))?;
        Self::from_pair(pair)
    }

    /// Reads a PEM private key, PKCS#8 or PKCS#1, unencrypted.
    ///
    /// # Errors
    /// [`MintError::Key`] when there is none, it is encrypted, not RSA, or shorter than 2048 bits.
    pub fn from_pem(pem: &str) -> Result<Self, MintError> {
        if pem.contains("ENCRYPTED") {
            return Err(MintError::Key("it is encrypted; remove its passphrase first".into()));
        }
        let unreadable = |_| MintError::Key("it is not a readable RSA key of 2048 bits or more".into());
        let pair = if let Some(der) = block(pem, "PRIVATE KEY")? {
            RsaKeyPair::from_pkcs8(&der).map_err(unreadable)?
        } else if let Some(der) = block(pem, "RSA PRIVATE KEY")? {
            RsaKeyPair::from_der(&der).map_err(unreadable)?
        } else {
            return Err(MintError::Key("there is no BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY line".into()));
        };
        Self::from_pair(pair)
    }

    fn from_pair(pair: RsaKeyPair) -> Result<Self, MintError> {
        let unwritable = |_| MintError::Key("it cannot be written".into());
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(unwritable)?;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(unwritable)?;
        let (pkcs8, spki) = (Zeroizing::new(pkcs8.as_ref().to_vec()), spki.as_ref().to_vec());
        Ok(Self { pair, pkcs8, spki })
    }

    /// The key as PKCS#8 PEM; wiped when dropped.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(pem_block("PRIVATE KEY", &self.pkcs8))
    }

    /// The SubjectPublicKeyInfo as DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// RSA with SHA-256, PKCS#1 version 1.5.
    pub(crate) fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, MintError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| MintError::Signing("the RSA operation failed".into()))?;
        Ok(signature)
    }
}

impl PublicKeyData for KeyPair {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for KeyPair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.sign_sha256(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// The content of the first PEM block with this label.
fn block(pem: &str, label: &str) -> Result<Option<Zeroizing<Vec<u8>>>, MintError> {
    let Some((_, after)) = pem.split_once(&format!("-----BEGIN {label}-----")) else { return Ok(None) };
    let body = after
        .split_once(&format!("-----END {label}-----"))
        .ok_or_else(|| MintError::Key(format!("the {label} block has no END line")))?
        .0;
    let compact: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    STANDARD
        .decode(compact.as_bytes())
        .map(|der| Some(Zeroizing::new(der)))
        .map_err(|_| MintError::Key(format!("the {label} block is not base64")))
}
