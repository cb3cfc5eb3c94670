//! RSA signatures of keys that are shorter than TLS libraries take.
//!
//! An operator may accept keys of 1024 to 2047 bits (old user certificates have them). The library for signatures verifies
//! those in few schemes, and in none of TLS 1.3. What is missing stands here: the padding of RFC 8017, sections 8.1.2 and
//! 8.2.2, over plain arithmetic. All numbers in it are public, so that it does not matter how long it takes.

use aws_lc_rs::digest::{self, Algorithm, Digest};
use num_bigint::BigUint;
use x509_parser::asn1_rs::{FromDer, Integer, Sequence};

/// The digests of TLS handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeDigest {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HandshakeDigest {
    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn of(self, message: &[u8]) -> Digest {
        digest::digest(self.algorithm(), message)
    }

    fn len(self) -> usize {
        self.algorithm().output_len()
    }

    /// What stands before the digest in a `DigestInfo` (RFC 8017, section 9.2, note 1).
    fn prefix(self) -> [u8; 19] {
        let (identifier, length) = match self {
            Self::Sha256 => (1, 0x20),
            Self::Sha384 => (2, 0x30),
            Self::Sha512 => (3, 0x40),
        };
        [
            0x30,
            0x11 + length,
            0x30,
            0x0d,
            0x06,
            0x09,
            0x60,
            0x86,
            0x48,
            0x01,
            0x65,
            0x03,
            0x04,
            0x02,
            identifier,
            0x05,
            0x00,
            0x04,
            length,
        ]
    }
}

/// The schemes in which RSA keys sign TLS handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RsaScheme {
    /// RSASSA-PKCS1-v1_5: TLS 1.2 only.
    Pkcs1(HandshakeDigest),
    /// RSASSA-PSS, with a salt as long as the digest.
    Pss(HandshakeDigest),
}

/// Whether the key, an `RSAPublicKey` in DER, made `signature` over `message`.
pub(crate) fn verifies(key: &[u8], scheme: RsaScheme, message: &[u8], signature: &[u8]) -> bool {
    let Some((modulus, exponent)) = numbers(key) else { return false };
    let bits = usize::try_from(modulus.bits()).unwrap_or(usize::MAX);
    let number = BigUint::from_bytes_be(signature);
    let odd = |number: &BigUint| number.bit(0);
    if !odd(&modulus) || !odd(&exponent) || !(2..=33).contains(&exponent.bits()) || bits > 8192 {
        return false;
    }
    if signature.len() != bits.div_ceil(8) || number >= modulus {
        return false;
    }
    let encoded = number.modpow(&exponent, &modulus);
    match scheme {
        RsaScheme::Pkcs1(digest) => {
            left_padded(&encoded, bits.div_ceil(8)).is_some_and(|encoded| pkcs1(&encoded, digest, message))
        }
        RsaScheme::Pss(digest) => left_padded(&encoded, (bits - 1).div_ceil(8))
            .is_some_and(|encoded| pss(&encoded, bits - 1, digest, message)),
    }
}

/// Modulus and exponent.
fn numbers(key: &[u8]) -> Option<(BigUint, BigUint)> {
    let (rest, sequence) = Sequence::from_der(key).ok()?;
    let (after, modulus) = Integer::from_der(&sequence.content).ok()?;
    let (end, exponent) = Integer::from_der(after).ok()?;
    let number = |integer: &Integer<'_>| {
        let digits: &[u8] = integer.as_ref();
        digits.first().filter(|first| **first < 0x80).map(|_| BigUint::from_bytes_be(digits))
    };
    let whole = rest.is_empty() && end.is_empty();
    whole.then_some((number(&modulus)?, number(&exponent)?))
}

/// The number in exactly so many bytes.
fn left_padded(number: &BigUint, length: usize) -> Option<Vec<u8>> {
    let digits = number.to_bytes_be();
    let mut padded = vec![0; length.checked_sub(digits.len())?];
    padded.extend(digits);
    Some(padded)
}

/// EMSA-PKCS1-v1_5: the one encoding that there is must be this one.
fn pkcs1(encoded: &[u8], digest: HandshakeDigest, message: &[u8]) -> bool {
    let info = [&digest.prefix()[..], digest.of(message).as_ref()].concat();
    let Some(padding) = encoded.len().checked_sub(info.len() + 3).filter(|padding| *padding >= 8) else {
        return false;
    };
    [&[0, 1][..], &vec![0xff; padding], &[0], &info].concat() == encoded
}

/// EMSA-PSS-VERIFY (RFC 8017, section 9.1.2).
fn pss(encoded: &[u8], bits: usize, digest: HandshakeDigest, message: &[u8]) -> bool {
    let length = digest.len();
    let Some((body, [0xbc])) = encoded.split_last_chunk::<1>() else { return false };
    let Some((masked, seed)) = body.len().checked_sub(length).and_then(|at| body.split_at_checked(at)) else {
        return false;
    };
    let Some(zeros) = masked.len().checked_sub(length + 1) else { return false };
    let used = 0xff_u8 >> (8 * encoded.len() - bits);
    if masked.first().is_none_or(|first| first & !used != 0) {
        return false;
    }
    let mut block: Vec<u8> =
        masked.iter().zip(mask(digest, seed, masked.len())).map(|(byte, mask)| byte ^ mask).collect();
    if let Some(first) = block.first_mut() {
        *first &= used;
    }
    let (padding, salt) = block.split_at(zeros + 1);
    if padding.split_last() != Some((&1, &vec![0; zeros][..])) {
        return false;
    }
    let expected = digest.of(&[&[0; 8][..], digest.of(message).as_ref(), salt].concat());
    expected.as_ref() == seed
}

/// MGF1 (RFC 8017, section B.2.1).
fn mask(digest: HandshakeDigest, seed: &[u8], length: usize) -> Vec<u8> {
    let blocks = (0u32..).map(|number| digest.of(&[seed, &number.to_be_bytes()].concat()));
    blocks
        .take(length.div_ceil(digest.len()))
        .flat_map(|block| block.as_ref().to_vec())
        .take(length)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn openssl(arguments: &[&str]) {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Signatures by the openssl program, over keys of several odd lengths.
    #[test]
    fn what_openssl_signs_is_verified_and_nothing_else() {
        if !crate::common::available("openssl") {
            return;
        }
        use HandshakeDigest::{Sha256, Sha384, Sha512};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("message"), b"handshake").unwrap();
        for bits in ["1024", "1025", "1031", "1536", "2048"] {
            openssl(&["genrsa", "-traditional", "-out", &path("key"), bits]);
            openssl(&[
                "rsa",
                "-in",
                &path("key"),
                "-RSAPublicKey_out",
                "-outform",
                "DER",
                "-out",
                &path("public"),
            ]);
            let key = std::fs::read(path("public")).unwrap();
            for (name, digest) in [("-sha256", Sha256), ("-sha384", Sha384), ("-sha512", Sha512)] {
                for pss in [false, true] {
                    // Digest, salt and two bytes must fit.
                    if pss && digest == Sha512 && bits.starts_with("10") && bits < "1040" {
                        continue;
                    }
                    let mut arguments = vec!["dgst", name, "-sign"];
                    let (key_path, out, message) = (path("key"), path("signature"), path("message"));
                    arguments.extend([key_path.as_str(), "-out", &out]);
                    if pss {
                        arguments.extend([
                            "-sigopt",
                            "rsa_padding_mode:pss",
                            "-sigopt",
                            "rsa_pss_saltlen:digest",
                        ]);
                    }
                    arguments.push(&message);
                    openssl(&arguments);
                    let signature = std::fs::read(&out).unwrap();
                    let scheme = if pss { RsaScheme::Pss(digest) } else { RsaScheme::Pkcs1(digest) };
                    let other = if pss { RsaScheme::Pkcs1(digest) } else { RsaScheme::Pss(digest) };
                    assert!(verifies(&key, scheme, b"handshake", &signature), "{bits} {scheme:?}");
                    assert!(!verifies(&key, other, b"handshake", &signature), "{bits} {scheme:?}");
                    assert!(!verifies(&key, scheme, b"Handshake", &signature), "{bits} {scheme:?}");
                    for at in [0, signature.len() / 2, signature.len() - 1] {
                        let mut changed = signature.clone();
                        changed[at] ^= 1;
                        assert!(!verifies(&key, scheme, b"handshake", &changed), "{bits} {scheme:?} {at}");
                    }
                    assert!(!verifies(&key, scheme, b"handshake", &signature[1..]));
                    assert!(!verifies(&key, scheme, b"handshake", &[&[0], &signature[..]].concat()));
                }
            }
        }
    }

    #[test]
    fn keys_that_are_none_verify_nothing() {
        for key in [
            &b""[..],
            &[0x30, 0],
            &[0x30, 6, 2, 1, 9, 2, 1, 3],
            &[0x30, 6, 2, 1, 8, 2, 1, 3],
            &[0x30, 3, 2, 1, 9],
        ] {
            for scheme in [RsaScheme::Pkcs1(HandshakeDigest::Sha256), RsaScheme::Pss(HandshakeDigest::Sha256)]
            {
                assert!(!verifies(key, scheme, b"x", &[1]), "{key:?}");
                assert!(!verifies(key, scheme, b"x", &[]), "{key:?}");
            }
        }
    }
}
