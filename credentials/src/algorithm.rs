//! Keys and signature schemes, of certificates and of XML signatures.

use crate::short_rsa::{self, HandshakeDigest, RsaScheme};
use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as sig, ParsedPublicKey, VerificationAlgorithm};
use std::sync::OnceLock;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// How a signature was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scheme {
    RsaSha1,
    RsaSha256,
    RsaSha384,
    RsaSha512,
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
    Ed25519,
    /// MD2, MD4 or MD5 with RSA: never accepted.
    RsaMd,
    /// Anything else, by its object identifier.
    Other(String),
}

impl Scheme {
    pub(crate) fn from_x509(algorithm: &AlgorithmIdentifier<'_>) -> Self {
        let oid = algorithm.algorithm.to_id_string();
        match oid.as_str() {
            "1.2.840.113549.1.1.2" | "1.2.840.113549.1.1.3" | "1.2.840.113549.1.1.4" => Self::RsaMd,
            "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => Self::RsaSha1,
            "1.2.840.113549.1.1.11" => Self::RsaSha256,
            "1.2.840.113549.1.1.12" => Self::RsaSha384,
            "1.2.840.113549.1.1.13" => Self::RsaSha512,
            "1.2.840.10045.4.3.2" => Self::EcdsaSha256,
            "1.2.840.10045.4.3.3" => Self::EcdsaSha384,
            "1.2.840.10045.4.3.4" => Self::EcdsaSha512,
            "1.3.101.112" => Self::Ed25519,
            _ => Self::Other(oid),
        }
    }
}

/// What kind of key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// RSA with a modulus of so many bits.
    Rsa(usize),
    P256,
    P384,
    P521,
    Ed25519,
    Other,
}

/// A public key.
#[derive(Debug)]
pub(crate) struct Key {
    form: Form,
    /// The content of the SubjectPublicKeyInfo's bit string.
    bits: Vec<u8>,
    /// The key made ready for the scheme of the first signature that it was found to have made: an authority uses one only,
    /// for everything it signs.
    ready: OnceLock<(Scheme, ParsedPublicKey)>,
}

impl Key {
    pub(crate) fn from_spki(spki: &SubjectPublicKeyInfo<'_>) -> Self {
        let curve = spki
            .algorithm
            .parameters
            .as_ref()
            .and_then(|parameters| parameters.as_oid().ok())
            .map(|oid| oid.to_id_string());
        let form = match spki.algorithm.algorithm.to_id_string().as_str() {
            "1.2.840.113549.1.1.1" => match spki.parsed() {
                Ok(PublicKey::RSA(rsa)) => Form::Rsa(bit_length(rsa.modulus)),
                _ => Form::Other,
            },
            "1.2.840.10045.2.1" => match curve.as_deref() {
                Some("1.2.840.10045.3.1.7") => Form::P256,
                Some("1.3.132.0.34") => Form::P384,
                Some("1.3.132.0.35") => Form::P521,
                _ => Form::Other,
            },
            "1.3.101.112" => Form::Ed25519,
            _ => Form::Other,
        };
        Self { form, bits: spki.subject_public_key.data.to_vec(), ready: OnceLock::new() }
    }

    /// SHA-1 over the key: the usual subjectKeyIdentifier.
    pub(crate) fn identifier(&self) -> Vec<u8> {
        key_identifier(&self.bits)
    }

    /// The size of the modulus in bits, for RSA keys.
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        match self.form {
            Form::Rsa(bits) => Some(bits),
            _ => None,
        }
    }

    /// Whether this RSA key, of 1024 bits or more, made `signature` over `message` in a TLS handshake.
    pub(crate) fn verifies_handshake(&self, scheme: RsaScheme, message: &[u8], signature: &[u8]) -> bool {
        matches!(self.form, Form::Rsa(1024..)) && short_rsa::verifies(&self.bits, scheme, message, signature)
    }

    /// Whether keys of this kind can be worked with at all.
    pub(crate) fn is_known(&self) -> bool {
        self.form != Form::Other
    }

    /// What checking one signature with this key takes, in steps of a [`Meter`](crate::effort::Meter).
    pub(crate) fn cost(&self) -> usize {
        match self.form {
            // Grows with the square of the length: 20,000 steps for 2048 bits.
            Form::Rsa(bits) => bits.min(16_384).pow(2) / 210,
            Form::P256 | Form::Ed25519 => 60_000,
            Form::P384 => 250_000,
            Form::P521 => 400_000,
            Form::Other => 0,
        }
    }

    /// Whether this key made `signature` over `message`; false for schemes that do not fit the key.
    /// Whether the scheme is good enough is for the caller to say.
    pub(crate) fn verifies(&self, scheme: &Scheme, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match (&self.form, scheme) {
            (Form::Rsa(_), Scheme::RsaSha1) => &sig::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            (Form::Rsa(_), Scheme::RsaSha256) => &sig::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            (Form::Rsa(_), Scheme::RsaSha384) => &sig::RSA_PKCS1_2048_8192_SHA384,
            (Form::Rsa(_), Scheme::RsaSha512) => &sig::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            (Form::P256, Scheme::EcdsaSha256) => &sig::ECDSA_P256_SHA256_ASN1,
            (Form::P256, Scheme::EcdsaSha384) => &sig::ECDSA_P256_SHA384_ASN1,
            (Form::P384, Scheme::EcdsaSha256) => &sig::ECDSA_P384_SHA256_ASN1,
            (Form::P384, Scheme::EcdsaSha384) => &sig::ECDSA_P384_SHA384_ASN1,
            (Form::P521, Scheme::EcdsaSha256) => &sig::ECDSA_P521_SHA256_ASN1,
            (Form::P521, Scheme::EcdsaSha384) => &sig::ECDSA_P521_SHA384_ASN1,
            (Form::P521, Scheme::EcdsaSha512) => &sig::ECDSA_P521_SHA512_ASN1,
            (Form::Ed25519, Scheme::Ed25519) => &sig::ED25519,
            _ => return false,
        };
        if let (Form::Rsa(..2048), Scheme::RsaSha384) = (&self.form, scheme) {
            // The library takes this digest from 2048 bits on.
            return short_rsa::verifies(
                &self.bits,
                RsaScheme::Pkcs1(HandshakeDigest::Sha384),
                message,
                signature,
            );
        }
        if let Some((_, key)) = self.ready.get().filter(|(of, _)| of == scheme) {
            return key.verify_sig(message, signature).is_ok();
        }
        let Ok(key) = ParsedPublicKey::new(algorithm, &self.bits) else { return false };
        let made = key.verify_sig(message, signature).is_ok();
        if made {
            // Another one that is there already stays; this one is then made ready every time.
            let _ = self.ready.set((scheme.clone(), key));
        }
        made
    }
}

/// SHA-1 over the content of a public key's bit string.
pub(crate) fn key_identifier(bits: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bits).as_ref().to_vec()
}

/// The bits of a big-endian number, leading zeros not counted.
fn bit_length(number: &[u8]) -> usize {
    let significant = number.iter().position(|byte| *byte != 0).map_or(&[][..], |at| &number[at..]);
    match significant.first() {
        Some(first) => significant.len() * 8 - first.leading_zeros() as usize,
        None => 0,
    }
}
