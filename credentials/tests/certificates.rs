//! Certificates, chains and roots, with certificates of the field's less pleasant kinds.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::*;
use credentials::mint::{Authority, KeyPair, Subject};
use credentials::{Certificate, CertificateError, ChainError, Identity, Policy, RootsError, TrustRoots};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn pem(name: &str) -> Certificate {
    Certificate::chain_from_pem(&fixture(name)).unwrap().remove(0)
}

/// The fixtures are younger than the world of the other tests.
fn later() -> chrono::DateTime<chrono::Utc> {
    at("2027-01-01T00:00:00Z")
}

fn verify(roots: &[&str], presented: &[&str], policy: Policy) -> Result<Identity, ChainError> {
    let presented: Vec<Certificate> = presented.iter().map(|name| pem(name)).collect();
    TrustRoots::from_certificates(roots.iter().map(|name| pem(name)), &policy)?
        .verify_chain(&presented, later())
}

const STRICT: Policy = Policy {
    allow_sha1_certificates: false,
    allow_1024_bit: false,
    allow_authorities_without_urn: false,
    allow_sha1_credentials: false,
    credential_signers: BTreeMap::new(),
};
const LAX: Policy = Policy {
    allow_sha1_certificates: true,
    allow_1024_bit: true,
    allow_authorities_without_urn: true,
    allow_sha1_credentials: true,
    credential_signers: BTreeMap::new(),
};

#[test]
fn names_are_read_in_any_order() {
    let certificate = pem("sha256.pem");
    assert_eq!(certificate.urn(), Some(&urn("urn:publicid:IDN+old.example.org+user+new")));
    assert_eq!(certificate.uuid().unwrap().to_string(), "12345678-1234-4321-8765-123456789abc");
    assert_eq!(certificate.email(), Some("a@b.c"));
    assert!(!certificate.is_ca() && pem("root.pem").is_ca());
    assert_eq!(certificate.subject(), "CN=sha256");
    assert!(certificate.not_before() < later() && certificate.not_after() > at("2100-01-01T00:00:00Z"));
    let identity = verify(&["root.pem"], &["sha256.pem"], STRICT).unwrap();
    assert_eq!(identity.urn, *certificate.urn().unwrap());
    assert_eq!(identity.spki, certificate.spki_der());
    assert_eq!(identity.expires, certificate.not_after().min(pem("root.pem").not_after()));
}

#[test]
fn pem_comes_back_as_it_was() {
    let text = fixture("sha256.pem");
    assert_eq!(pem("sha256.pem").to_pem(), text);
    let both = format!("a comment\n{text}\nBag Attributes\n{}", fixture("root.pem").replace('\n', "\r\n"));
    let chain = Certificate::chain_from_pem(&both).unwrap();
    assert_eq!(chain, [pem("sha256.pem"), pem("root.pem")]);
}

#[test]
fn what_is_no_certificate_is_refused() {
    let good = fixture("sha256.pem");
    let cut = good.replace("-----END", "-----ENDE");
    let spoilt = good.replacen("MII", "M!I", 1);
    let trailing = {
        let mut der = pem("sha256.pem").der().to_vec();
        der.push(0);
        der
    };
    for bad in ["", "nothing here", &fixture("pkcs8.key"), &cut, &spoilt] {
        assert!(matches!(Certificate::chain_from_pem(bad), Err(CertificateError::Pem(_))));
    }
    for bad in [&b""[..], b"0", &trailing, &pem("sha256.pem").der()[..100], &[0x30; 40_000]] {
        assert!(Certificate::from_der(bad).is_err());
    }
    let error = Certificate::chain_from_pem(&fixture("two-urns.pem")).unwrap_err();
    assert!(matches!(error, CertificateError::SeveralUrns(..)), "{error}");
}

#[test]
fn weak_certificates_need_the_operators_word() {
    for (name, word) in [("sha1.pem", "SHA-1"), ("rsa1024.pem", "1024 bits")] {
        let error = verify(&["root.pem"], &[name], STRICT).unwrap_err();
        assert!(matches!(error, ChainError::Weak { .. }) && error.to_string().contains(word), "{error}");
        assert!(verify(&["root.pem"], &[name], LAX).is_ok(), "{name}");
    }
    for name in ["md5.pem", "rsa768.pem"] {
        for policy in [STRICT, LAX] {
            let error = verify(&["root.pem"], &[name], policy).unwrap_err();
            assert!(matches!(error, ChainError::Weak { .. }), "{name}: {error}");
        }
    }
    assert!(matches!(verify(&["md5-root.pem"], &["sha256.pem"], LAX), Err(ChainError::Weak { .. })));
    assert!(verify(&["root.pem"], &["ec.pem"], STRICT).is_ok());
}

#[test]
fn only_authorities_vouch_and_only_for_their_own() {
    let refused = |presented: &[&str]| verify(&["root.pem"], presented, LAX).unwrap_err();
    assert!(matches!(refused(&["foreign.pem"]), ChainError::NotAuthorityOver { .. }));
    let error = refused(&["below-not-ca.pem", "not-ca.pem"]);
    assert!(
        matches!(error, ChainError::NotAnAuthority { .. }) && error.to_string().contains("CA:TRUE"),
        "{error}"
    );
    let error = refused(&["below-user.pem", "user-as-ca.pem"]);
    assert!(
        matches!(error, ChainError::NotAnAuthority { .. }) && error.to_string().contains("type authority")
    );
    assert!(matches!(refused(&["no-urn.pem"]), ChainError::NoUrn { .. }));
    assert!(matches!(refused(&["critical.pem"]), ChainError::Extension { .. }));
    assert!(matches!(refused(&[]), ChainError::Empty));
}

/// A chain of three whose middle is made with these usages and limits, all keys on P-256.
fn limited(
    usages: Vec<rcgen::KeyUsagePurpose>,
    limit: rcgen::BasicConstraints,
) -> Result<Identity, ChainError> {
    use rcgen::{CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
    let parameters = |name: &str, kind: &str| {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let urn = format!("urn:publicid:IDN+x.example.org+{kind}+{name}");
        parameters.subject_alt_names = vec![SanType::URI(urn.as_str().try_into().unwrap())];
        if kind == "authority" {
            parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        parameters
    };
    let (root, mut middle, low) =
        (parameters("root", "authority"), parameters("middle", "authority"), parameters("low", "authority"));
    middle.key_usages = usages;
    middle.is_ca = IsCa::Ca(limit);
    let keys: Vec<KeyPair> = (0..4).map(|_| KeyPair::generate().unwrap()).collect();
    let issuer = |parameters, key| Issuer::from_params(parameters, key);
    let read = |certificate: rcgen::Certificate| Certificate::from_der(certificate.der()).unwrap();
    let presented = [
        read(parameters("user", "user").signed_by(&keys[3], &issuer(&low, &keys[2])).unwrap()),
        read(low.signed_by(&keys[2], &issuer(&middle, &keys[1])).unwrap()),
        read(middle.signed_by(&keys[1], &issuer(&root, &keys[0])).unwrap()),
    ];
    let root = read(root.self_signed(&keys[0]).unwrap());
    TrustRoots::from_certificates([root], &STRICT)?.verify_chain(&presented, now())
}

#[test]
fn an_issuers_own_limits_hold() {
    use rcgen::{BasicConstraints, KeyUsagePurpose};
    let sign = || vec![KeyUsagePurpose::KeyCertSign];
    assert!(limited(vec![], BasicConstraints::Unconstrained).is_ok());
    assert!(limited(sign(), BasicConstraints::Constrained(1)).is_ok());
    let error = limited(sign(), BasicConstraints::Constrained(0)).unwrap_err();
    assert!(error.to_string().contains("path length"), "{error}");
    let error = limited(vec![KeyUsagePurpose::CrlSign], BasicConstraints::Unconstrained).unwrap_err();
    assert!(error.to_string().contains("key usage"), "{error}");
}

#[test]
fn a_certificate_with_two_minds_about_its_algorithm_is_refused() {
    // The identifier of sha256WithRSAEncryption stands inside and outside of what is signed.
    let sha256 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    let mut der = pem("sha256.pem").der().to_vec();
    let last = der.windows(9).rposition(|window| window == sha256).unwrap();
    der[last + 8] = 0x05;
    let error = Certificate::from_der(&der).unwrap_err();
    assert!(error.to_string().contains("two different signature algorithms"), "{error}");
}

#[test]
fn a_root_without_urn_needs_the_operators_word() {
    assert!(matches!(
        verify(&["plain-root.pem"], &["below-plain.pem"], STRICT),
        Err(ChainError::NoUrn { .. })
    ));
    assert!(verify(&["plain-root.pem"], &["below-plain.pem"], LAX).is_ok());
}

#[test]
fn an_issuer_is_known_by_its_signature_not_its_name() {
    assert!(matches!(
        verify(&["root.pem"], &["below-twin.pem", "twin-root.pem"], STRICT),
        Err(ChainError::BadSignature { .. } | ChainError::UnknownAuthority { .. })
    ));
    assert!(matches!(
        verify(&["root.pem"], &["below-twin.pem"], STRICT),
        Err(ChainError::BadSignature { .. })
    ));
    assert!(verify(&["root.pem", "twin-root.pem"], &["below-twin.pem"], STRICT).is_ok());
    assert!(verify(&["root.pem", "twin-root.pem"], &["sha256.pem", "twin-root.pem"], STRICT).is_ok());
    assert!(matches!(
        verify(&["plain-root.pem"], &["sha256.pem", "root.pem"], STRICT),
        Err(ChainError::UnknownAuthority { .. })
    ));
    assert!(matches!(verify(&[], &["sha256.pem"], STRICT), Err(ChainError::UnknownAuthority { .. })));
}

#[test]
fn chains_may_come_in_any_order_with_and_without_the_root() {
    let roots = WORLD.roots();
    let [leaf, lab, root] = &WORLD.alice.chain[..] else { panic!("three certificates") };
    let other = &WORLD.stranger.chain()[0];
    for presented in [
        vec![leaf, lab, root],
        vec![leaf, lab],
        vec![leaf, root, lab],
        vec![leaf, other, root, lab, leaf, other],
    ] {
        let presented: Vec<Certificate> = presented.into_iter().cloned().collect();
        assert_eq!(roots.verify_chain(&presented, now()).unwrap().urn, *WORLD.alice.urn());
    }
    let alone = roots.verify_chain(std::slice::from_ref(leaf), now());
    assert!(matches!(alone, Err(ChainError::UnknownAuthority { .. })));
    let itself = roots.verify_chain(std::slice::from_ref(root), now()).unwrap();
    assert_eq!(itself.urn, *WORLD.root.urn());
    let crowd = vec![leaf.clone(); 200];
    assert!(matches!(roots.verify_chain(&crowd, now()), Err(ChainError::TooLong { .. })));
}

#[test]
fn an_intermediate_can_be_the_root_of_trust() {
    let roots = TrustRoots::from_certificates([WORLD.lab.chain()[0].clone()], &STRICT).unwrap();
    assert!(roots.verify_chain(&WORLD.alice.chain, now()).is_ok());
    let above = roots.verify_chain(WORLD.root.chain(), now());
    assert!(matches!(above, Err(ChainError::UnknownAuthority { .. })));
}

#[test]
fn every_certificate_must_be_within_its_time() {
    let roots = WORLD.roots();
    let verify = |now| roots.verify_chain(&WORLD.alice.chain, now);
    assert!(verify(start()).is_ok());
    let second = chrono::Duration::seconds(1);
    assert!(matches!(verify(start() - second), Err(ChainError::NotYetValid { .. })));
    assert!(verify(end() - second).is_ok());
    let error = verify(end()).unwrap_err();
    assert!(matches!(error, ChainError::Expired { .. }) && error.is_about_time());
    assert!(error.to_string().contains("2028-01-01T00:00:00Z"), "{error}");

    // A short-lived authority above a long-lived user.
    let lab = WORLD
        .root
        .subauthority(
            urn("urn:publicid:IDN+ch.example.org:short+authority+sa"),
            KeyPair::from_pem(&WORLD.lab.key().to_pkcs8_pem()).unwrap(),
            start(),
            at("2026-03-01T00:00:00Z"),
        )
        .unwrap();
    let user = Subject::new(urn("urn:publicid:IDN+ch.example.org:short+user+x"));
    let chain = with_issuers(lab.issue(&user, &WORLD.bob.key, start(), end()).unwrap(), &lab);
    assert_eq!(roots.verify_chain(&chain, start()).unwrap().expires, at("2026-03-01T00:00:00Z"));
    let error = roots.verify_chain(&chain, now()).unwrap_err();
    assert!(error.to_string().contains("short+authority+sa expired"), "{error}");
}

#[test]
fn folders_of_roots_are_read_whole_and_errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let empty = TrustRoots::load_dir(folder.path(), &STRICT).unwrap();
    assert!(empty.certificates().is_empty());
    put("a.pem", &format!("{}{}", fixture("root.pem"), fixture("twin-root.pem")));
    put("b.crt", &fixture("plain-root.pem"));
    put("again.pem", &fixture("root.pem"));
    put("README.txt", "not a certificate");
    let roots = TrustRoots::load_dir(folder.path(), &STRICT).unwrap();
    assert_eq!(roots.certificates().len(), 3);
    assert_eq!(roots.subjects().len(), 2, "two roots share one subject name");
    let same =
        TrustRoots::from_certificates(["plain-root.pem", "twin-root.pem", "root.pem"].map(pem), &STRICT)
            .unwrap();
    assert_eq!(roots.generation(), same.generation(), "neither order nor repetition matters");
    assert_ne!(roots.generation(), empty.generation());
    assert_ne!(roots.generation(), TrustRoots::load_dir(folder.path(), &LAX).unwrap().generation());

    put("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let error = TrustRoots::load_dir(folder.path(), &STRICT).unwrap_err();
    assert!(
        matches!(error, RootsError::Certificate { .. }) && error.to_string().contains("bad.pem"),
        "{error}"
    );
    put("bad.pem", &fixture("md5-root.pem"));
    let error = TrustRoots::load_dir(folder.path(), &LAX).unwrap_err();
    assert!(matches!(error, RootsError::Refused { .. }) && error.to_string().contains("bad.pem"), "{error}");
    let error = TrustRoots::load_dir(&folder.path().join("none"), &STRICT).unwrap_err();
    assert!(matches!(error, RootsError::Io { .. }) && error.to_string().contains("none"), "{error}");
}

#[test]
fn keys_are_read_in_both_forms_and_kept_quiet() {
    let pkcs8 = KeyPair::from_pem(&fixture("pkcs8.key")).unwrap();
    let pkcs1 = KeyPair::from_pem(&fixture("pkcs1.key")).unwrap();
    assert_eq!(pkcs8.spki_der(), pem("sha256.pem").spki_der());
    assert_eq!(pkcs1.spki_der(), pkcs8.spki_der());
    let again = KeyPair::from_pem(&pkcs1.to_pkcs8_pem()).unwrap();
    assert_eq!(again.spki_der(), pkcs8.spki_der());
    assert_eq!(format!("{pkcs8:?}"), "KeyPair(..)");
    for (bad, word) in [
        (fixture("encrypted.key"), "encrypted"),
        (fixture("short.key"), "2048 bits"),
        (fixture("root.pem"), "BEGIN PRIVATE KEY"),
        ("-----BEGIN PRIVATE KEY-----\n".to_owned(), "no END"),
        ("-----BEGIN PRIVATE KEY-----\n%\n-----END PRIVATE KEY-----".to_owned(), "base64"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned(), "not a readable"),
    ] {
        let error = KeyPair::from_pem(&bad).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn issued_certificates_say_what_was_asked() {
    let subject = Subject {
        email: Some("ops@example.org".into()),
        dns_names: vec!["am.example.org".into(), "localhost".into()],
        ip_addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        common_name: Some("x".repeat(100)),
        ..Subject::new(urn("urn:publicid:IDN+ch.example.org:lab+authority+am"))
    };
    let certificate = WORLD.lab.issue(&subject, &WORLD.bob.key, start(), end()).unwrap();
    assert_eq!(certificate.urn(), Some(&subject.urn));
    assert_eq!(certificate.email(), Some("ops@example.org"));
    assert_eq!((certificate.not_before(), certificate.not_after()), (start(), end()));
    assert_eq!(certificate.subject(), format!("CN={}", "x".repeat(64)));
    assert_eq!(certificate.spki_der(), WORLD.bob.key.spki_der());
    assert_eq!(certificate.key_id(), WORLD.bob.chain[0].key_id());
    assert_eq!(certificate.key_id().len(), 40);
    assert!(!certificate.is_ca());
    let other = WORLD.lab.issue(&subject, &WORLD.bob.key, start(), end()).unwrap();
    assert_ne!(certificate.der(), other.der(), "serial numbers differ");
}

#[test]
fn authorities_issue_within_their_rights_only() {
    let refused =
        |subject: Subject| WORLD.lab.issue(&subject, &WORLD.bob.key, start(), end()).unwrap_err().to_string();
    let outside = Subject::new(urn("urn:publicid:IDN+ch.example.org+user+x"));
    assert!(refused(outside).contains("no authority over"));
    let user = Subject::new(urn("urn:publicid:IDN+ch.example.org:lab+user+x"));
    assert!(refused(Subject { is_authority: true, ..user.clone() }).contains("not of type authority"));
    assert!(refused(Subject { email: Some("é@x".into()), ..user.clone() }).contains("ASCII"));
    assert!(WORLD.lab.issue(&user, &WORLD.bob.key, end(), start()).is_err());
    let name = urn("urn:publicid:IDN+ch.example.org+user+x");
    let key = KeyPair::from_pem(&WORLD.bob.key.to_pkcs8_pem()).unwrap();
    assert!(Authority::self_signed(name, key, start(), end()).is_err());
}

#[test]
fn authorities_come_back_from_pem() {
    let chain: String = WORLD.lab.chain().iter().map(Certificate::to_pem).collect();
    let lab = Authority::from_pem(&chain, &WORLD.lab.key().to_pkcs8_pem()).unwrap();
    assert_eq!((lab.urn(), lab.chain()), (WORLD.lab.urn(), WORLD.lab.chain()));
    let user = Subject::new(urn("urn:publicid:IDN+ch.example.org:lab+user+x"));
    let issued = with_issuers(lab.issue(&user, &WORLD.bob.key, start(), end()).unwrap(), &lab);
    assert!(WORLD.roots().verify_chain(&issued, now()).is_ok());
    let error = Authority::from_pem(&chain, &WORLD.bob.key.to_pkcs8_pem()).unwrap_err();
    assert!(error.to_string().contains("does not belong"), "{error}");
    let error = Authority::from_pem(&fixture("sha256.pem"), &fixture("pkcs8.key")).unwrap_err();
    assert!(error.to_string().contains("not an authority's"), "{error}");
}
