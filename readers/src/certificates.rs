//! Certificates, as DER and as PEM.

use credentials::Certificate;

use crate::credential::ROOT;
use crate::{Growth, Reader, bounded, refused, taken, text};

/// A certificate as DER.
pub const CERTIFICATE_DER: Reader =
    Reader { name: "certificate_der", read: |bytes| Certificate::from_der(bytes).is_ok(), growths: ENCODED };

/// The certificates of a PEM text.
pub const CERTIFICATE_PEM: Reader = Reader {
    name: "certificate_pem",
    read: |bytes| text(bytes).is_some_and(|text| Certificate::chain_from_pem(text).is_ok()),
    growths: TEXTS,
};

const ENCODED: &[Growth] = &[
    taken("alternative names", 200, |n| {
        certificate(&extension(&[0x55, 0x1d, 0x11], &sequence(&names(n))), &name(1))
    }),
    taken("policies", 200, |n| {
        let policies: Vec<u8> = (0..n).flat_map(|i| sequence(&oid(i))).collect();
        certificate(&extension(&[0x55, 0x1d, 0x20], &sequence(&policies)), &name(1))
    }),
    taken("parts of the name", 100, |n| certificate(&[], &name(n))),
    taken("a long extension", 4000, |n| {
        certificate(&extension(&[0x2a, 0x03], &tlv(0x04, &vec![1; n])), &name(1))
    }),
    refused("extensions", 100, |n| {
        let one = |i| sequence(&[oid(i), tlv(0x04, &[5, 0])].concat());
        certificate(&(0..n).flat_map(one).collect::<Vec<u8>>(), &name(1))
    }),
    refused("equal extensions", 200, |n| certificate(&extension(&[0x2a, 0x03], &[5, 0]).repeat(n), &name(1))),
    refused("nested", 1000, |n| (0..n).fold(Vec::new(), |inner, _| sequence(&inner))),
    refused("bytes after the end", 5000, |n| [certificate(&[], &name(1)), vec![0; n]].concat()),
    refused("too long", 100_000, |n| certificate(&extension(&[0x2a, 0x03], &vec![5; n]), &name(1))),
];

const TEXTS: &[Growth] = &[
    taken("certificates", 25, |n| ROOT.repeat(n).into_bytes()),
    taken("text around", 2000, |n| {
        format!("{0}{ROOT}{0}", "-----BEGIN NOTHING-----\n".repeat(n)).into_bytes()
    }),
    bounded("many certificates", 250, |n| ROOT.repeat(n).into_bytes()),
    refused("begins", 2000, |n| "-----BEGIN CERTIFICATE-----\n".repeat(n).into_bytes()),
    refused("ends", 2000, |n| "-----END CERTIFICATE-----\n".repeat(n).into_bytes()),
    refused("a long block", 5000, |n| {
        let block = "AAAAAAAA\n".repeat(n);
        format!("-----BEGIN CERTIFICATE-----\n{block}-----END CERTIFICATE-----\n").into_bytes()
    }),
];

/// A value with its tag and length, in the distinguished encoding rules.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let short: &[u8] = match length.iter().position(|byte| *byte != 0) {
        Some(first) => &length[first..],
        None => &[0],
    };
    let mut encoded = vec![tag];
    if let [only @ 0..=127] = short {
        encoded.push(*only);
    } else {
        encoded.push(0x80 | u8::try_from(short.len()).unwrap_or_default());
        encoded.extend(short);
    }
    encoded.extend(value);
    encoded
}

fn sequence(value: &[u8]) -> Vec<u8> {
    tlv(0x30, value)
}

/// An object identifier of its own for each number.
fn oid(number: usize) -> Vec<u8> {
    let low = |shift: usize| u8::try_from(number >> shift & 0x7f).unwrap_or_default();
    tlv(0x06, &[0x2a, 0x03, 0x80 | 1, 0x80 | low(7), low(0)])
}

fn extension(id: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[tlv(0x06, id), tlv(0x04, value)].concat())
}

/// Alternative names: host names.
fn names(n: usize) -> Vec<u8> {
    (0..n).flat_map(|i| tlv(0x82, format!("host-{i}.example").as_bytes())).collect()
}

/// A distinguished name of `n` organisational units.
fn name(n: usize) -> Vec<u8> {
    let unit = |i| {
        let value = tlv(0x0c, format!("unit {i}").as_bytes());
        tlv(0x31, &sequence(&[tlv(0x06, &[0x55, 0x04, 0x0b]), value].concat()))
    };
    sequence(&(0..n).flat_map(unit).collect::<Vec<u8>>())
}

/// A certificate with these extensions and this subject, whose signature is worth nothing.
fn certificate(extensions: &[u8], subject: &[u8]) -> Vec<u8> {
    let algorithm =
        sequence(&[tlv(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11]), vec![5, 0]].concat());
    let key = Certificate::chain_from_pem(ROOT)
        .ok()
        .and_then(|chain| chain.first().map(|root| root.spki_der().to_vec()))
        .unwrap_or_default();
    let validity = sequence(&[tlv(0x17, b"260101000000Z"), tlv(0x17, b"460101000000Z")].concat());
    let extensions = if extensions.is_empty() { Vec::new() } else { tlv(0xa3, &sequence(extensions)) };
    let signed = sequence(
        &[
            tlv(0xa0, &tlv(0x02, &[2])),
            tlv(0x02, &[1]),
            algorithm.clone(),
            name(1),
            validity,
            subject.to_vec(),
            key,
            extensions,
        ]
        .concat(),
    );
    sequence(&[signed, algorithm, tlv(0x03, &[0; 257])].concat())
}
