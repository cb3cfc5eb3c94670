//! Credentials that are well signed and yet must be refused: minted with the parts of [`crate::mint`] that do
//! not check what they write.

use super::*;
use crate::common::*;
use crate::mint::document::{Draft, Inherited, Level as Text, draft, draft_over};
use crate::mint::{Authority, KeyPair, NewCredential, Subject};
use crate::{CredentialError, Kind as Refused};

const ALL: &[(&str, bool)] = &[("*", true)];

fn verify_at(xml: &str, roots: &TrustRoots, now: DateTime<Utc>) -> Result<Verified, CredentialError> {
    verify(xml, roots, now, &Meter::new(crate::MAX_STEPS))
}

fn judge(xml: &str) -> Result<Credential, CredentialError> {
    verify_at(xml, &WORLD.roots(), now()).map(|verified| verified.credential)
}

#[track_caller]
fn refused(xml: &str, kind: Refused, words: &str) {
    let error = judge(xml).unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(error.kind(), kind, "{error}");
}

fn alices() -> Text<'static> {
    Text { owner: &WORLD.alice.chain, target: &WORLD.slice, privileges: ALL, expires: expiry() }
}

/// The parts of a document that a level above it takes over.
pub(super) fn inherited(parent: &str) -> Inherited<'_> {
    let between = |from: &str, to: &str| {
        let start = parent.find(from).unwrap();
        &parent[start..start + parent[start..].rfind(to).unwrap() + to.len()]
    };
    let root = &parent[parent.find("<signed-credential").unwrap()..parent.find("<credential ").unwrap()];
    Inherited {
        root,
        credential: between("<credential ", "</credential>"),
        signatures: "<signatures>",
        signature: vec![between("<Signature ", "</Signature>")],
    }
}

fn over(level: &Text<'_>, parent: &str) -> Draft {
    draft_over(level, "ref9", &inherited(parent)).unwrap()
}

fn to_bob(privileges: &'static [(&'static str, bool)]) -> Text<'static> {
    Text { owner: &WORLD.bob.chain, privileges, ..alices() }
}

fn signed_by_alice(level: &Text<'_>, parent: &str) -> String {
    over(level, parent).sign(&WORLD.alice.chain, &WORLD.alice.key).unwrap()
}

#[test]
fn delegation_by_the_owner_is_good() {
    let parent = WORLD.credential(ALL);
    let credential = judge(&signed_by_alice(&to_bob(ALL), &parent)).unwrap();
    assert_eq!((credential.owner, credential.delegations), (WORLD.bob.urn().clone(), 1));
}

#[test]
fn only_the_owner_of_the_parent_can_delegate() {
    let parent = WORLD.credential(ALL);
    let by_bob = over(&to_bob(ALL), &parent).sign(&WORLD.bob.chain, &WORLD.bob.key).unwrap();
    refused(&by_bob, Refused::Untrusted, "only urn:publicid:IDN+ch.example.org:lab+user+alice");
    let by_lab = over(&to_bob(ALL), &parent).sign(WORLD.lab.chain(), WORLD.lab.key()).unwrap();
    refused(&by_lab, Refused::Untrusted, "the owner of its parent");
    // A certificate of Alice's name with another key.
    let subject = Subject::new(WORLD.alice.urn().clone());
    let twin = with_issuers(WORLD.lab.issue(&subject, &WORLD.carol.key, start(), end()).unwrap(), &WORLD.lab);
    let by_twin = over(&to_bob(ALL), &parent).sign(&twin, &WORLD.carol.key).unwrap();
    refused(&by_twin, Refused::Untrusted, "the owner of its parent");
}

#[test]
fn delegation_cannot_widen() {
    let narrow = WORLD.credential(&[("info", true), ("embed", false)]);
    refused(&signed_by_alice(&to_bob(&[("control", false)]), &narrow), Refused::Invalid, "privilege control");
    refused(&signed_by_alice(&to_bob(&[("embed", false)]), &narrow), Refused::Invalid, "privilege embed");
    refused(&signed_by_alice(&to_bob(ALL), &narrow), Refused::Invalid, "privilege refresh");
    assert!(judge(&signed_by_alice(&to_bob(&[("info", false)]), &narrow)).is_ok());

    let parent = WORLD.credential(ALL);
    let later = Text { expires: at("2026-07-01T00:00:01Z"), ..to_bob(ALL) };
    refused(
        &signed_by_alice(&later, &parent),
        Refused::Invalid,
        "after the parent's end at 2026-07-01T00:00:00Z",
    );
    let other = WORLD
        .lab
        .issue(
            &Subject::new(urn("urn:publicid:IDN+ch.example.org:lab+slice+other")),
            &WORLD.bob.key,
            start(),
            end(),
        )
        .unwrap();
    let other = with_issuers(other, &WORLD.lab);
    let certify = |uuid| {
        let subject = Subject { uuid: Some(uuid), ..Subject::new(urn(SLICE)) };
        with_issuers(WORLD.lab.issue(&subject, &WORLD.bob.key, start(), end()).unwrap(), &WORLD.lab)
    };
    let (first, again) = (certify(Uuid::new_v4()), certify(Uuid::new_v4()));
    let with_uuid = draft(&Text { target: &first, ..alices() }, "ref0").unwrap();
    let with_uuid = with_uuid.sign(WORLD.lab.chain(), WORLD.lab.key()).unwrap();
    let same_name = Text { target: &again, ..to_bob(ALL) };
    refused(&signed_by_alice(&same_name, &with_uuid), Refused::Invalid, "another target of the same name");
    let elsewhere = Text { target: &other, ..to_bob(ALL) };
    refused(&signed_by_alice(&elsewhere, &parent), Refused::Invalid, "the parent's is");
}

#[test]
fn every_level_must_be_within_its_time() {
    let parent = WORLD.credential(ALL);
    let sooner = Text { expires: at("2026-05-01T00:00:00Z"), ..to_bob(ALL) };
    refused(&signed_by_alice(&sooner, &parent), Refused::Expired, "the credential expired at 2026-05-01");
    let error = verify_at(&signed_by_alice(&to_bob(ALL), &parent), &WORLD.roots(), expiry()).unwrap_err();
    assert_eq!(error.kind(), Refused::Expired);
}

#[test]
fn delegation_ends_somewhere() {
    let mut xml = WORLD.credential(ALL);
    for times in 1..MAX_LEVELS + 1 {
        let (from, to) = if times % 2 == 1 { (&WORLD.alice, &WORLD.bob) } else { (&WORLD.bob, &WORLD.alice) };
        let next = crate::mint::delegate(&xml, (&from.chain, &from.key), &to.chain, ALL, expiry());
        if times < MAX_LEVELS {
            xml = next.unwrap();
            assert_eq!(judge(&xml).unwrap().delegations, times);
        } else {
            assert!(next.unwrap_err().to_string().contains("too often"));
        }
    }
    let level = Text { owner: &WORLD.bob.chain, ..alices() };
    let inner = inherited(&xml);
    let deeper =
        draft_over(&level, "last", &inner).unwrap().sign(&WORLD.alice.chain, &WORLD.alice.key).unwrap();
    refused(&deeper, Refused::Malformed, "levels of delegation");
}

#[test]
fn only_an_authority_over_the_target_can_grant() {
    let sign =
        |chain: &[Certificate], key: &KeyPair| draft(&alices(), "ref0").unwrap().sign(chain, key).unwrap();
    let words = "not an authority over urn:publicid:IDN+ch.example.org:lab+slice+demo";
    refused(&sign(&WORLD.alice.chain, &WORLD.alice.key), Refused::Untrusted, "may not sign credentials");
    refused(&sign(WORLD.stranger.chain(), WORLD.stranger.key()), Refused::Untrusted, "signer's certificate");
    let key = |key: &KeyPair| KeyPair::from_pem(&key.to_pkcs8_pem()).unwrap();
    let sibling = WORLD
        .root
        .subauthority(
            urn("urn:publicid:IDN+ch.example.org:x+authority+sa"),
            key(&WORLD.carol.key),
            start(),
            end(),
        )
        .unwrap();
    refused(&sign(sibling.chain(), sibling.key()), Refused::Untrusted, words);
    assert!(judge(&sign(WORLD.root.chain(), WORLD.root.key())).is_ok(), "an authority above the target's");
}

#[test]
fn authorities_that_are_no_ca_sign_by_their_name() {
    let signed_by = |name: &str, is_authority| {
        let subject = Subject {
            is_authority,
            ..Subject::new(urn(&format!("urn:publicid:IDN+ch.example.org:lab+authority+{name}")))
        };
        let certificate = WORLD.lab.issue(&subject, &WORLD.carol.key, start(), end()).unwrap();
        let chain = with_issuers(certificate, &WORLD.lab);
        draft(&alices(), "ref0").unwrap().sign(&chain, &WORLD.carol.key).unwrap()
    };
    for good in ["sa", "SA", "ma", "ch", "Ca", "ROOT"] {
        judge(&signed_by(good, false)).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for bad in ["am", "AM", "am1", "cm", "Cm", "sa1", "boss"] {
        refused(&signed_by(bad, false), Refused::Untrusted, "may not sign credentials");
        judge(&signed_by(bad, true)).unwrap_or_else(|error| panic!("a CA named {bad}: {error}"));
    }
    // The operator may name others for a root, and then only those.
    for root in ["ch.example.org", "CH.example.org", "urn:publicid:IDN+ch.example.org+authority+sa"] {
        let signers = [(root.to_owned(), vec!["boss".to_owned()])];
        let policy = crate::Policy { credential_signers: signers.into(), ..crate::Policy::default() };
        let roots = TrustRoots::from_certificates([WORLD.root.chain()[0].clone()], &policy).unwrap();
        assert!(verify_at(&signed_by("Boss", false), &roots, now()).is_ok(), "{root}");
        assert!(verify_at(&signed_by("sa", false), &roots, now()).is_err(), "{root}");
        assert!(verify_at(&signed_by("sa", true), &roots, now()).is_ok(), "{root}: a CA may");
        assert_ne!(roots.generation(), WORLD.roots().generation());
    }
}

#[test]
fn sha1_is_accepted_in_credentials_unless_switched_off() {
    let policy = crate::Policy { allow_sha1_credentials: false, ..crate::Policy::default() };
    let roots = TrustRoots::from_certificates([WORLD.root.chain()[0].clone()], &policy).unwrap();
    assert!(crate::Policy::default().allow_sha1_credentials);
    let xml = WORLD.credential(ALL);
    assert!(verify_at(&xml, &roots, now()).is_ok());
    for (sha256, sha1) in [
        (crate::signature::RSA_SHA256, crate::signature::RSA_SHA1),
        (crate::signature::SHA256, crate::signature::SHA1),
    ] {
        let error = verify_at(&xml.replace(sha256, sha1), &roots, now()).unwrap_err();
        assert!(error.to_string().contains("rests on SHA-1"), "{error}");
        let error = verify_at(&xml.replace(sha256, sha1), &WORLD.roots(), now()).unwrap_err();
        assert!(!error.to_string().contains("rests on SHA-1"), "{error}");
    }
}

#[test]
fn certificates_inside_must_chain_to_the_roots() {
    let strange = |name: &str| {
        let subject = Subject::new(urn(name));
        with_issuers(
            WORLD.stranger.issue(&subject, &WORLD.carol.key, start(), end()).unwrap(),
            &WORLD.stranger,
        )
    };
    let (owner, target) = (strange("urn:publicid:IDN+ch.example.org:lab+user+alice"), strange(SLICE));
    for (level, part) in [
        (Text { owner: &owner, ..alices() }, "owner_gid"),
        (Text { target: &target, ..alices() }, "target_gid"),
    ] {
        let xml = draft(&level, "ref0").unwrap().sign(WORLD.lab.chain(), WORLD.lab.key()).unwrap();
        refused(&xml, Refused::Untrusted, part);
    }
    let short = WORLD
        .lab
        .issue(
            &Subject::new(WORLD.alice.urn().clone()),
            &WORLD.alice.key,
            start(),
            at("2026-02-01T00:00:00Z"),
        )
        .unwrap();
    let short = with_issuers(short, &WORLD.lab);
    let xml = draft(&Text { owner: &short, ..alices() }, "ref0").unwrap();
    let xml = xml.sign(WORLD.lab.chain(), WORLD.lab.key()).unwrap();
    refused(&xml, Refused::Expired, "expired at 2026-02-01T00:00:00Z");
}

/// Signs the text of a level after changing it.
fn rewritten(change: impl Fn(&str) -> String) -> String {
    let draft = draft(&alices(), "ref0").unwrap().map(change);
    draft.sign(WORLD.lab.chain(), WORLD.lab.key()).unwrap()
}

#[test]
fn signed_content_is_still_checked() {
    let replace = |from: &'static str, to: &'static str| {
        rewritten(move |text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        })
    };
    let alice = "urn:publicid:IDN+ch.example.org:lab+user+alice</owner_urn>";
    let bob = "urn:publicid:IDN+ch.example.org:lab+user+bob</owner_urn>";
    for (from, to, words) in [
        (alice, bob, "owner_urn is urn:publicid:IDN+ch.example.org:lab+user+bob, but"),
        ("slice+demo</target_urn>", "slice+other</target_urn>", "target_urn is"),
        ("<type>privilege", "<type>abac", "type is abac"),
        ("<type>privilege</type>", "", "type element is missing"),
        ("<uuid/>", "<type>privilege</type>", "more than one type"),
        ("2026-07-01T00:00:00Z", "tomorrow", "expires is tomorrow"),
        ("<can_delegate>true", "<can_delegate>maybe", "can_delegate is maybe"),
        ("<name>*</name>", "", "name element is missing"),
        ("<name>*</name>", "<name><x/></name>", "only text is allowed"),
        ("<uuid/>", "<owner_gid>x</owner_gid>", "more than one owner_gid"),
        ("<uuid/>", "<privileges/>", "more than one privileges"),
        ("-----BEGIN CERTIFICATE-----", "-----BEGIN CERT-----", "owner_gid"),
    ] {
        let error = judge(&replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.kind(), Refused::Invalid, "{error}");
    }
    let many = rewritten(|text| {
        let one = "<privilege><name>info</name><can_delegate>true</can_delegate></privilege>";
        text.replacen("<privileges>", &format!("<privileges>{}", one.repeat(100)), 1)
    });
    refused(&many, Refused::Invalid, "more than 64 privileges");
}

#[test]
fn what_tools_write_differently_is_accepted() {
    for change in [
        ("<owner_urn>urn:publicid:IDN+ch.example.org:lab+user+alice</owner_urn>", ""),
        ("urn:publicid:IDN+ch.example.org:lab+user+alice</owner_urn>", "</owner_urn>"),
        (
            "urn:publicid:IDN+ch.example.org:lab+user+alice</owner_urn>",
            " urn:publicid:IDN+CH.example.org:lab+user+Alice\n</owner_urn>",
        ),
        ("2026-07-01T00:00:00Z", "2026-07-01T02:00:00.25+02:00"),
        ("2026-07-01T00:00:00Z", "\n2026-07-01T00:00:00 "),
        ("<can_delegate>true", "<can_delegate>1"),
        ("<uuid/>", "<extensions><anything xmlns='urn:x'>y</anything></extensions>"),
        ("<name>*<", "<name>\n * <"),
        ("<credential ", "\n  <!-- a comment --><credential "),
    ] {
        let xml = rewritten(|text| {
            assert!(text.contains(change.0), "{}", change.0);
            text.replacen(change.0, change.1, 1)
        });
        let credential = judge(&xml).unwrap_or_else(|error| panic!("{}: {error}", change.1));
        assert_eq!(credential.expires, expiry());
        assert_eq!(credential.privileges.iter().count(), 5);
    }
}

#[test]
fn a_comment_inside_a_value_does_not_change_it() {
    let xml =
        WORLD.credential(&[("embed", false)]).replace("<name>embed</name>", "<name>em<!-- x -->bed</name>");
    let credential = judge(&xml).unwrap();
    assert_eq!(credential.privileges.iter().collect::<Vec<_>>(), [("embed", false)]);
}

#[test]
fn minting_refuses_what_would_be_refused() {
    let new = |target: &[Certificate], owner: &[Certificate]| {
        let new = NewCredential { owner, target, privileges: ALL, expires: expiry() };
        WORLD.lab.credential(&new).map_err(|error| error.to_string())
    };
    assert!(new(WORLD.root.chain(), &WORLD.alice.chain).unwrap_err().contains("no authority over"));
    assert!(new(&WORLD.slice, &[]).unwrap_err().contains("owner"));
    assert!(new(&[], &WORLD.alice.chain).unwrap_err().contains("target"));

    let parent = WORLD.credential(&[("embed", true), ("info", false)]);
    let hand_on = |holder: &Person, privileges: &[(&str, bool)], expires| {
        crate::mint::delegate(&parent, (&holder.chain, &holder.key), &WORLD.carol.chain, privileges, expires)
            .map_err(|error| error.to_string())
    };
    assert!(hand_on(&WORLD.alice, &[("embed", true)], expiry()).is_ok());
    assert!(hand_on(&WORLD.bob, &[("embed", true)], expiry()).unwrap_err().contains("belongs to"));
    assert!(hand_on(&WORLD.alice, &[("info", false)], expiry()).unwrap_err().contains("privilege info"));
    assert!(
        hand_on(&WORLD.alice, &[], at("2027-01-01T00:00:00Z"))
            .unwrap_err()
            .contains("after the parent's end")
    );
    let unsigned = draft(&alices(), "ref0").unwrap().unsigned();
    let holder = (&WORLD.alice.chain[..], &WORLD.alice.key);
    let error = crate::mint::delegate(&unsigned, holder, &WORLD.bob.chain, ALL, expiry()).unwrap_err();
    assert!(error.to_string().contains("not signed"), "{error}");
    let wrong_key = (&WORLD.alice.chain[..], &WORLD.bob.key);
    assert!(crate::mint::delegate(&parent, wrong_key, &WORLD.bob.chain, &[], expiry()).is_err());
}

#[test]
fn an_authority_from_another_root_has_no_say() {
    let authority = Authority::self_signed(
        urn("urn:publicid:IDN+elsewhere.example.com+authority+sa"),
        KeyPair::from_pem(&WORLD.carol.key.to_pkcs8_pem()).unwrap(),
        start(),
        end(),
    )
    .unwrap();
    let both = [WORLD.root.chain()[0].clone(), authority.chain()[0].clone()];
    let roots = TrustRoots::from_certificates(both, &crate::Policy::default()).unwrap();
    let xml = draft(&alices(), "ref0").unwrap().sign(authority.chain(), authority.key()).unwrap();
    let error = verify_at(&xml, &roots, now()).unwrap_err();
    assert!(matches!(error, CredentialError::NotTheAuthority { .. }), "{error}");
}

/// The chain of an authority of the lab, whose certificate is changed before Carol's key gets it.
fn authority(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Vec<Certificate> {
    certified("urn:publicid:IDN+ch.example.org:lab+authority+sa", &WORLD.carol.key, change)
}

fn certified(
    urn: &str,
    key: &KeyPair,
    change: impl FnOnce(&mut rcgen::CertificateParams),
) -> Vec<Certificate> {
    let mut parameters = rcgen::CertificateParams::default();
    parameters.subject_alt_names = vec![rcgen::SanType::URI(urn.try_into().unwrap())];
    change(&mut parameters);
    let lab = WORLD.lab.chain()[0].der();
    let issuer = rcgen::Issuer::from_ca_cert_der(&lab.into(), WORLD.lab.key()).unwrap();
    let certificate = parameters.signed_by(key, &issuer).unwrap();
    with_issuers(Certificate::from_der(certificate.der()).unwrap(), &WORLD.lab)
}

#[test]
fn a_signer_needs_a_key_that_signs_documents() {
    use rcgen::{ExtendedKeyUsagePurpose as Purpose, KeyUsagePurpose as Usage};
    let document_signing = Purpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 36]);
    for (usages, purposes, good) in [
        (vec![], vec![], true),
        (vec![Usage::DigitalSignature], vec![], true),
        (vec![Usage::ContentCommitment], vec![], true),
        (vec![Usage::KeyCertSign, Usage::CrlSign], vec![], true),
        (vec![Usage::KeyEncipherment], vec![], false),
        (vec![], vec![Purpose::EmailProtection], true),
        (vec![], vec![document_signing], true),
        (vec![], vec![Purpose::ServerAuth], false),
        (vec![], vec![Purpose::TimeStamping, Purpose::OcspSigning], false),
    ] {
        let chain = authority(|parameters| {
            parameters.key_usages.clone_from(&usages);
            parameters.extended_key_usages.clone_from(&purposes);
        });
        let xml = draft(&alices(), "ref0").unwrap().sign(&chain, &WORLD.carol.key).unwrap();
        if good {
            judge(&xml).unwrap_or_else(|error| panic!("{usages:?} {purposes:?}: {error}"));
        } else {
            refused(&xml, Refused::Untrusted, "may not be used to sign a credential");
        }
    }
    // Whom a certificate names is not a matter of its usage.
    let owner = certified(WORLD.alice.urn().as_str(), &WORLD.alice.key, |parameters| {
        parameters.extended_key_usages = vec![Purpose::TimeStamping];
    });
    let level = Text { owner: &owner, ..alices() };
    assert!(judge(&draft(&level, "ref0").unwrap().sign(WORLD.lab.chain(), WORLD.lab.key()).unwrap()).is_ok());
}

#[test]
fn identifiers_with_long_arcs_do_no_harm_in_credentials() {
    let with = |urn: &str, key: &KeyPair| {
        certified(urn, key, |parameters| parameters.custom_extensions = vec![long_access()])
    };
    let signer = with("urn:publicid:IDN+ch.example.org:lab+authority+sa", &WORLD.carol.key);
    let (owner, target) = (with(WORLD.alice.urn().as_str(), &WORLD.alice.key), with(SLICE, &WORLD.alice.key));
    let level = Text { owner: &owner, target: &target, ..alices() };
    let xml = draft(&level, "ref0").unwrap().sign(&signer, &WORLD.carol.key).unwrap();
    assert_eq!(judge(&xml).unwrap().target, urn(SLICE));
}
