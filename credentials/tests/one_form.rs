//! A certificate has one form: no byte of it can be changed without its being refused.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::*;
use credentials::{Certificate, TrustRoots};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

/// A root and a user below it, in as few bytes as can be, with keys on P-256.
fn small() -> (Certificate, Certificate) {
    let parameters = |urn: &str| {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, urn.rsplit('+').next().unwrap());
        parameters.subject_alt_names = vec![SanType::URI(urn.try_into().unwrap())];
        parameters
    };
    let mut root = parameters("urn:publicid:IDN+a+authority+sa");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (root_key, user_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let issuer = Issuer::from_params(&root, &root_key);
    let user = parameters("urn:publicid:IDN+a+user+u").signed_by(&user_key, &issuer).unwrap();
    let read = |certificate: &rcgen::Certificate| Certificate::from_der(certificate.der()).unwrap();
    (read(&root.self_signed(&root_key).unwrap()), read(&user))
}

/// Puts every other value in place of every byte of `range`; none may be accepted.
fn every_change_is_refused(
    certificate: &Certificate,
    issuers: &[Certificate],
    range: std::ops::Range<usize>,
) {
    let root = issuers.last().unwrap().clone();
    let roots = TrustRoots::from_certificates([root], &credentials::Policy::default()).unwrap();
    let accepts = |der: &[u8]| {
        let Ok(changed) = Certificate::from_der(der) else { return false };
        let mut presented = vec![changed];
        presented.extend(issuers.iter().cloned());
        roots.verify_chain(&presented, now()).is_ok()
    };
    let whole = certificate.der();
    assert!(accepts(whole));
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (range, accepts) = (range.clone(), &accepts);
            scope.spawn(move || {
                let mut changed = whole.to_vec();
                for at in range.filter(|at| at % 2 == half) {
                    for value in (0..=u8::MAX).filter(|value| *value != whole[at]) {
                        changed[at] = value;
                        assert!(!accepts(&changed), "byte {at}: {} became {value}", whole[at]);
                    }
                    changed[at] = whole[at];
                }
            });
        }
    });
}

#[test]
fn every_byte_and_every_value_of_a_certificate_counts() {
    let (root, user) = small();
    let length = user.der().len();
    every_change_is_refused(&user, std::slice::from_ref(&root), 0..length);
}

#[test]
fn every_byte_outside_of_what_is_signed_counts_with_rsa_too() {
    let certificate = &WORLD.alice.chain[0];
    // The signature of 256 bytes, and before it its head and the algorithm.
    let length = certificate.der().len();
    every_change_is_refused(certificate, WORLD.lab.chain(), length - 280..length);
    every_change_is_refused(certificate, WORLD.lab.chain(), 0..8);
}

#[test]
fn bytes_cannot_be_added_or_taken_away() {
    let (root, user) = small();
    let roots = TrustRoots::from_certificates([root.clone()], &credentials::Policy::default()).unwrap();
    for at in 0..user.der().len() {
        let mut shorter = user.der().to_vec();
        shorter.remove(at);
        assert!(Certificate::from_der(&shorter).is_err(), "without byte {at}");
        for value in [0x00, 0x30, 0x80, 0xff] {
            let mut longer = user.der().to_vec();
            longer.insert(at, value);
            assert!(Certificate::from_der(&longer).is_err(), "{value} before byte {at}");
        }
    }
    assert!(roots.verify_chain(&[user], now()).is_ok());
}

#[test]
fn the_twin_of_an_ecdsa_signature_has_the_same_fingerprint() {
    let (root, user) = small();
    let der = user.der();
    // The order of P-256, from which the second number of the signature is taken away.
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    // Where the value that begins at a place ends: lengths are below 256 here.
    let end = |at: usize| match der[at + 1] {
        0x81 => at + 3 + usize::from(der[at + 2]),
        length => at + 2 + usize::from(length),
    };
    assert_eq!(der[..2], [0x30, 0x82]);
    let signature_at = end(end(4));
    assert_eq!(der[signature_at], 0x03, "a BIT STRING");
    let sequence = &der[signature_at + 3..];
    let integer = |at: usize| sequence[at + 2..at + 2 + usize::from(sequence[at + 1])].to_vec();
    let r = integer(2);
    let s = integer(4 + r.len());
    let mut twin = [0u8; 32];
    let mut borrow = 0i16;
    for at in 0..32 {
        let digit =
            |number: &[u8]| number.len().checked_sub(at + 1).map_or(0, |place| i16::from(number[place]));
        let difference = digit(&order) - digit(&s) - borrow;
        borrow = i16::from(difference < 0);
        twin[31 - at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let number = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap();
        let mut content = bytes[start..].to_vec();
        if content[0] >= 0x80 {
            content.insert(0, 0);
        }
        [vec![0x02, u8::try_from(content.len()).unwrap()], content].concat()
    };
    let numbers = [number(&r), number(&twin)].concat();
    let sequence = [vec![0x30, u8::try_from(numbers.len()).unwrap()], numbers].concat();
    let bits = [vec![0x03, u8::try_from(sequence.len() + 1).unwrap(), 0], sequence].concat();
    let content = [&der[4..signature_at], &bits].concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let other = Certificate::from_der(&[vec![0x30, 0x82], length.to_vec(), content].concat()).unwrap();
    assert_ne!(other, user);
    assert_eq!(other.fingerprint(), user.fingerprint());
    assert_ne!(other.fingerprint(), root.fingerprint());
    let roots = TrustRoots::from_certificates([root], &credentials::Policy::default()).unwrap();
    assert!(roots.verify_chain(&[other], now()).is_ok(), "nothing can tell the two apart");
}
