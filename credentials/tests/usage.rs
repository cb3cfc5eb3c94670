//! What certificates may be used for, and for whom: key usage, extended key usage, name constraints, odd contents.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::*;
use credentials::{Certificate, CertificateError, ChainError, Identity, Policy, TrustRoots};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

const NAME_CONSTRAINTS: &[u64] = &[2, 5, 29, 30];

fn parameters(kind: &str, name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, "Example");
    parameters.distinguished_name.push(DnType::CommonName, name);
    let urn = format!("urn:publicid:IDN+x.example.org+{kind}+{name}");
    parameters.subject_alt_names = vec![SanType::URI(urn.as_str().try_into().unwrap())];
    if kind == "authority" {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    parameters
}

/// The verdict on a TLS client's certificate below an authority.
fn client(
    root: impl FnOnce(&mut CertificateParams),
    user: impl FnOnce(&mut CertificateParams),
) -> Result<Identity, ChainError> {
    let (mut authority, mut leaf) = (parameters("authority", "sa"), parameters("user", "u"));
    root(&mut authority);
    user(&mut leaf);
    let (root_key, user_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let issuer = Issuer::from_params(&authority, &root_key);
    let read = |certificate: rcgen::Certificate| Certificate::from_der(certificate.der()).unwrap();
    let leaf = read(leaf.signed_by(&user_key, &issuer).unwrap());
    let root = read(authority.self_signed(&root_key).unwrap());
    TrustRoots::from_certificates([root], &Policy::default())?.verify_chain(&[leaf], now())
}

#[track_caller]
fn refused(result: Result<Identity, ChainError>, words: &str) {
    let error = result.unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn a_client_needs_a_key_that_signs_handshakes() {
    let with = |usages: &[KeyUsagePurpose]| client(|_| {}, |user| user.key_usages = usages.to_vec());
    assert!(with(&[]).is_ok());
    assert!(with(&[KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment]).is_ok());
    for wrong in
        [KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::ContentCommitment, KeyUsagePurpose::KeyCertSign]
    {
        refused(with(&[wrong]), "does not include digitalSignature");
    }
}

#[test]
fn a_client_needs_a_certificate_for_clients() {
    let with = |purposes: &[ExtendedKeyUsagePurpose]| {
        client(|_| {}, |user| user.extended_key_usages = purposes.to_vec())
    };
    assert!(with(&[]).is_ok());
    assert!(with(&[ExtendedKeyUsagePurpose::Any]).is_ok());
    assert!(with(&[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]).is_ok());
    refused(with(&[ExtendedKeyUsagePurpose::ServerAuth]), "does not include clientAuth");
    refused(with(&[ExtendedKeyUsagePurpose::EmailProtection]), "does not include clientAuth");
    // An authority's own limits what it issues.
    let limited = |purpose| client(|root| root.extended_key_usages = vec![purpose], |_| {});
    assert!(limited(ExtendedKeyUsagePurpose::ClientAuth).is_ok());
    refused(
        limited(ExtendedKeyUsagePurpose::ServerAuth),
        "of urn:publicid:IDN+x.example.org+authority+sa may not",
    );
}

/// Name constraints, permitted or excluded, by tag and content of their names; not critical.
fn constraints(excluded: bool, names: &[(u8, &[u8])]) -> CustomExtension {
    let subtrees: Vec<u8> = names.iter().flat_map(|(tag, content)| tlv(0x30, &tlv(*tag, content))).collect();
    let list = tlv(if excluded { 0xa1 } else { 0xa0 }, &subtrees);
    CustomExtension::from_oid_content(NAME_CONSTRAINTS, tlv(0x30, &list))
}

#[test]
fn name_constraints_hold_though_they_are_not_critical() {
    const EMAIL: u8 = 0x81;
    const DNS: u8 = 0x82;
    const DIRECTORY: u8 = 0xa4;
    const URI: u8 = 0x86;
    const IP: u8 = 0x87;
    let with = |extension: CustomExtension, names: &[SanType]| {
        let names = names.to_vec();
        client(|root| root.custom_extensions = vec![extension], |user| user.subject_alt_names.extend(names))
    };
    let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
    let dns = |text: &str| SanType::DnsName(text.try_into().unwrap());
    let ip = |text: &str| SanType::IpAddress(text.parse().unwrap());
    for (permitted, good, bad) in [
        ((EMAIL, &b"x.example.org"[..]), email("u@x.example.org"), email("u@y.example.org")),
        ((EMAIL, b".example.org"), email("u@x.example.org"), email("u@example.org")),
        ((EMAIL, b"u@x.example.org"), email("U@x.example.org"), email("v@x.example.org")),
        ((DNS, b"example.org"), dns("a.b.Example.org"), dns("badexample.org")),
        ((IP, &[192, 0, 2, 0, 255, 255, 255, 0]), ip("192.0.2.9"), ip("192.0.3.9")),
    ] {
        assert!(with(constraints(false, &[permitted]), &[]).is_ok(), "nothing of that form: {permitted:?}");
        assert!(with(constraints(false, &[permitted]), std::slice::from_ref(&good)).is_ok(), "{permitted:?}");
        refused(
            with(constraints(false, &[permitted]), &[good.clone(), bad.clone()]),
            "not among those permitted",
        );
        refused(with(constraints(true, &[permitted]), &[bad.clone(), good]), "is excluded");
        assert!(with(constraints(true, &[permitted]), &[bad]).is_ok(), "{permitted:?}");
    }
    // A GENI URN has no host: an authority limited by hosts certifies nobody.
    refused(
        with(constraints(false, &[(URI, b".example.org")]), &[]),
        "urn:publicid:IDN+x.example.org+user+u is not",
    );
    refused(with(constraints(true, &[(URI, b".example.org")]), &[]), "is excluded");
    // Distinguished names: the constraint must be the beginning.
    let organisation = |name: &[u8]| {
        let attribute = tlv(0x30, &[vec![0x06, 0x03, 0x55, 0x04, 0x0a], tlv(0x0c, name)].concat());
        tlv(0x30, &tlv(0x31, &attribute))
    };
    assert!(with(constraints(false, &[(DIRECTORY, &organisation(b"EXAMPLE"))]), &[]).is_ok());
    refused(
        with(constraints(false, &[(DIRECTORY, &organisation(b"Other"))]), &[]),
        "not among those permitted",
    );
    refused(with(constraints(true, &[(DIRECTORY, &organisation(b"example"))]), &[]), "is excluded");
    assert!(with(constraints(true, &[(DIRECTORY, &organisation(b"Other"))]), &[]).is_ok());
}

#[test]
fn identifiers_with_long_arcs_do_no_harm() {
    let identity = client(
        |root| root.custom_extensions = vec![long_access()],
        |user| user.custom_extensions = vec![long_access()],
    );
    assert_eq!(identity.unwrap().urn, urn("urn:publicid:IDN+x.example.org+user+u"));
}

#[test]
fn extensions_are_counted_while_they_are_read() {
    let with = |count: u64| {
        let mut user = parameters("user", "u");
        user.custom_extensions = (0..count)
            .map(|number| CustomExtension::from_oid_content(&[1, 2, 3, number], vec![0x05, 0x00]))
            .collect();
        let certificate = user.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::from_der(certificate.der())
    };
    assert!(with(50).is_ok());
    let error = with(100).unwrap_err();
    assert!(matches!(&error, CertificateError::Der(reason) if reason.contains("64 extensions")), "{error}");
}
