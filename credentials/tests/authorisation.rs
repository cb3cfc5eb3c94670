//! From a presented credential to a decision, and what a refusal says.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::*;
use credentials::mint::{NewCredential, Subject, delegate};
use credentials::{
    Aggregate, Authorised, Certificate, Credential, CredentialError, Denied, Identity, Kind, Operation,
    Policy, Target, TrustRoots, Verifications, Verifier, authorise,
};
use std::sync::Arc;
use uuid::Uuid;

const ALL: &[(&str, bool)] = &[("*", true)];

fn verified(xml: &str) -> Result<Arc<Credential>, CredentialError> {
    WORLD.verifier().verify(xml, now())
}

fn slice() -> Target {
    Target::Slice(urn(SLICE))
}

fn decide(
    presented: &[String],
    caller: &Person,
    target: &Target,
    operation: Operation,
) -> Result<Authorised, Denied> {
    let presented: Vec<_> = presented.iter().map(|xml| verified(xml)).collect();
    authorise(&presented, &WORLD.identity(caller), target, operation, &aggregate(), now())
}

#[track_caller]
fn denied(result: Result<Authorised, Denied>, kind: Kind, words: &str) {
    let denied = result.unwrap_err();
    assert!(denied.message.contains(words), "{denied}");
    assert_eq!(denied.kind, kind, "{denied}");
}

#[test]
fn a_minted_credential_authorises_its_owner() {
    let xml = WORLD.credential(ALL);
    let credential = verified(&xml).unwrap();
    assert_eq!(credential.owner, *WORLD.alice.urn());
    assert_eq!(credential.target, urn(SLICE));
    assert_eq!(credential.target_kind(), urn::Kind::Slice);
    assert_eq!((credential.expires, credential.chain_expires), (expiry(), end()));
    assert_eq!(credential.issuer, *WORLD.lab.urn());
    assert_eq!(credential.delegations, 0);
    assert_eq!(credential.owner_uuid, WORLD.alice.chain[0].uuid());
    let written_otherwise = Target::Slice(urn("urn:publicid:IDN+CH.example.org:LAB+slice+DEMO"));
    let granted = decide(&[xml], &WORLD.alice, &written_otherwise, Operation::CreateSliver).unwrap();
    assert_eq!(granted, Authorised { expires: expiry(), as_operator: false, slice_uuid: None });
}

/// The slice's certificate with a UUID, as clearinghouses write it.
fn slice_of(uuid: Uuid) -> Vec<Certificate> {
    let subject = Subject { uuid: Some(uuid), ..Subject::new(urn(SLICE)) };
    with_issuers(WORLD.lab.issue(&subject, &WORLD.alice.key, start(), end()).unwrap(), &WORLD.lab)
}

#[test]
fn the_uuid_of_the_slice_comes_out_of_its_certificate() {
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let (one_chain, two_chain) = (slice_of(one), slice_of(two));
    let on = |target: &[Certificate], expires| {
        let new = NewCredential { owner: &WORLD.alice.chain, target, privileges: ALL, expires };
        WORLD.lab.credential(&new).unwrap()
    };
    let (first, second) = (on(&one_chain, expiry()), on(&two_chain, at("2026-06-20T00:00:00Z")));
    assert_eq!(verified(&first).unwrap().target_uuid, Some(one));
    let granted = |presented: &[String]| {
        decide(presented, &WORLD.alice, &slice(), Operation::SliverStatus).unwrap().slice_uuid
    };
    assert_eq!(granted(std::slice::from_ref(&second)), Some(two));
    // The one that ends last is meant, in whichever order they come; one without a UUID takes nothing away.
    assert_eq!(granted(&[first.clone(), second.clone()]), Some(one));
    assert_eq!(granted(&[second.clone(), first.clone()]), Some(one));
    assert_eq!(granted(&[WORLD.credential(ALL), second]), Some(two));
    // The UUID of a user is not that of a slice.
    let user = WORLD.credential_on(&WORLD.alice, &WORLD.alice.chain, ALL);
    let listing = decide(&[user], &WORLD.alice, &Target::Any, Operation::ListResources).unwrap();
    assert_eq!(listing.slice_uuid, None);
    // Handed on, the authority's word counts.
    let holder = (&WORLD.alice.chain[..], &WORLD.alice.key);
    let to_bob = delegate(&first, holder, &WORLD.bob.chain, ALL, expiry()).unwrap();
    assert_eq!(verified(&to_bob).unwrap().target_uuid, Some(one));
}

#[test]
fn a_credential_can_be_handed_on_twice() {
    let once = WORLD.delegated();
    let credential = verified(&once).unwrap();
    assert_eq!((&credential.owner, credential.delegations), (WORLD.bob.urn(), 1));
    assert!(decide(std::slice::from_ref(&once), &WORLD.bob, &slice(), Operation::CreateSliver).is_ok());
    denied(
        decide(std::slice::from_ref(&once), &WORLD.alice, &slice(), Operation::CreateSliver),
        Kind::Mismatch,
        "belongs to",
    );
    let sooner = at("2026-06-15T00:00:00Z");
    let holder = (&WORLD.bob.chain[..], &WORLD.bob.key);
    let twice = delegate(&once, holder, &WORLD.carol.chain, &[("info", false)], sooner).unwrap();
    let credential = verified(&twice).unwrap();
    assert_eq!((&credential.owner, credential.delegations), (WORLD.carol.urn(), 2));
    assert_eq!(credential.expires, sooner);
    assert_eq!(credential.issuer, *WORLD.lab.urn());
    assert_eq!(credential.privileges.iter().collect::<Vec<_>>(), [("info", false)]);
    denied(
        decide(&[twice], &WORLD.carol, &slice(), Operation::SliverStatus),
        Kind::Mismatch,
        "does not grant sliverstatus",
    );
}

#[test]
fn the_owner_must_be_the_caller() {
    let xml = WORLD.credential(ALL);
    denied(
        decide(std::slice::from_ref(&xml), &WORLD.bob, &slice(), Operation::SliverStatus),
        Kind::Mismatch,
        "belongs to urn:publicid:IDN+ch.example.org:lab+user+alice, not to urn:publicid:IDN+ch.example.org:lab+user+bob",
    );
    let alice = WORLD.identity(&WORLD.alice);
    let ask = |caller: &Identity| {
        authorise(&[verified(&xml)], caller, &slice(), Operation::SliverStatus, &aggregate(), now())
    };
    assert!(ask(&alice).is_ok());
    let other_key = Identity { spki: WORLD.bob.key.spki_der().to_vec(), ..alice.clone() };
    denied(ask(&other_key), Kind::Mismatch, "another public key");
    let other_uuid = Identity { uuid: WORLD.bob.chain[0].uuid(), ..alice.clone() };
    denied(ask(&other_uuid), Kind::Mismatch, "another UUID");
    assert!(ask(&Identity { uuid: None, ..alice.clone() }).is_ok(), "a UUID is compared where both have one");
    denied(ask(&Identity { expires: now(), ..alice }), Kind::Expired, "expired at 2026-06-01T12:00:00Z");
}

#[test]
fn the_target_must_be_the_slice() {
    let xml = WORLD.credential(ALL);
    let other = Target::Slice(urn("urn:publicid:IDN+ch.example.org:lab+slice+other"));
    denied(
        decide(std::slice::from_ref(&xml), &WORLD.alice, &other, Operation::Shutdown),
        Kind::Mismatch,
        "on urn:publicid:IDN+ch.example.org:lab+slice+demo, not on urn:publicid:IDN+ch.example.org:lab+slice+other",
    );
    assert!(decide(std::slice::from_ref(&xml), &WORLD.alice, &Target::AnySlice, Operation::Shutdown).is_ok());
    let user = WORLD.credential_on(&WORLD.alice, &WORLD.alice.chain, ALL);
    denied(
        decide(std::slice::from_ref(&user), &WORLD.alice, &slice(), Operation::SliverStatus),
        Kind::Mismatch,
        "the credential is on urn:publicid:IDN+ch.example.org:lab+user+alice",
    );
    denied(
        decide(&[user], &WORLD.alice, &Target::AnySlice, Operation::SliverStatus),
        Kind::Mismatch,
        "not on a slice",
    );
}

#[test]
fn any_valid_credential_of_the_caller_lists_resources() {
    let user = WORLD.credential_on(&WORLD.alice, &WORLD.alice.chain, &[]);
    let listing =
        |xml: &str, caller| decide(&[xml.to_owned()], caller, &Target::Any, Operation::ListResources);
    assert!(listing(&user, &WORLD.alice).is_ok());
    assert!(listing(&WORLD.credential(&[]), &WORLD.alice).is_ok());
    denied(listing(&user, &WORLD.bob), Kind::Mismatch, "belongs to");
    let authority = WORLD.credential_on(&WORLD.alice, WORLD.lab.chain(), ALL);
    denied(listing(&authority, &WORLD.alice), Kind::Mismatch, "neither on a user nor on a slice");
}

#[test]
fn one_credential_must_grant_the_operation() {
    for (privileges, operation, good) in [
        (&[("control", false)][..], Operation::DeleteSliver, true),
        (&[("control", false)], Operation::Shutdown, false),
        (&[("info", false), ("bind", false)], Operation::SliverStatus, false),
        (&[("embed", false)], Operation::Shutdown, true),
        (&[("authority", false)], Operation::Shutdown, true),
        (&[], Operation::GetSliceResources, false),
        (&[("createsliver", false)], Operation::CreateSliver, false),
    ] {
        let result = decide(&[WORLD.credential(privileges)], &WORLD.alice, &slice(), operation);
        assert_eq!(result.is_ok(), good, "{privileges:?} {operation:?}");
        if !good {
            denied(result, Kind::Mismatch, &format!("does not grant {}", operation.name()));
        }
    }
}

#[test]
fn the_latest_end_of_those_that_authorise_counts() {
    let sooner = WORLD.credential(ALL);
    let parent = WORLD.credential(&[("embed", true)]);
    let back = delegate(
        &parent,
        (&WORLD.alice.chain, &WORLD.alice.key),
        &WORLD.bob.chain,
        &[("embed", true)],
        at("2026-06-20T00:00:00Z"),
    )
    .unwrap();
    let own = delegate(
        &WORLD.credential(ALL),
        (&WORLD.alice.chain, &WORLD.alice.key),
        &WORLD.bob.chain,
        ALL,
        at("2026-06-10T00:00:00Z"),
    )
    .unwrap();
    let granted = decide(&[own, sooner, back], &WORLD.bob, &slice(), Operation::CreateSliver).unwrap();
    assert_eq!(
        granted.expires,
        at("2026-06-20T00:00:00Z"),
        "Alice's own credential ends later, but is not Bob's"
    );
}

#[test]
fn operators_hold_rights_over_every_slice() {
    let lab = |name: &str| {
        let subject = credentials::mint::Subject::new(urn(&format!("urn:publicid:IDN+{name}")));
        with_issuers(WORLD.root.issue(&subject, &WORLD.carol.key, start(), end()).unwrap(), &WORLD.root)
    };
    let ask = |target: &str, operators: Vec<urn::Urn>, privileges: &[(&str, bool)], operation| {
        let xml = WORLD.credential_on(&WORLD.alice, &lab(target), privileges);
        let aggregate = Aggregate { urn: urn("urn:publicid:IDN+ch.example.org:am1+authority+am"), operators };
        authorise(&[verified(&xml)], &WORLD.identity(&WORLD.alice), &slice(), operation, &aggregate, now())
    };
    let alice = || vec![urn("urn:publicid:IDN+CH.example.org:lab+user+ALICE")];
    for manager in ["ch.example.org:am1+authority+am", "ch.example.org:am1+authority+cm"] {
        let granted = ask(manager, alice(), ALL, Operation::Shutdown).unwrap();
        assert_eq!(granted, Authorised { expires: expiry(), as_operator: true, slice_uuid: None });
        assert!(ask(manager, alice(), &[("control", false)], Operation::CreateSliver).is_ok());
        denied(
            ask(manager, alice(), &[("operator", false)], Operation::Shutdown),
            Kind::Mismatch,
            "does not grant shutdown",
        );
        denied(ask(manager, vec![], ALL, Operation::Shutdown), Kind::Mismatch, "is not an operator");
    }
    // A credential on the slice beside it takes nothing away.
    let on_aggregate = WORLD.credential_on(&WORLD.alice, &lab("ch.example.org:am1+authority+am"), ALL);
    let on_slice = WORLD.credential(ALL);
    let aggregate =
        Aggregate { urn: urn("urn:publicid:IDN+ch.example.org:am1+authority+am"), operators: alice() };
    for shown in [[&on_aggregate, &on_slice], [&on_slice, &on_aggregate]] {
        let judged = shown.map(|xml| verified(xml));
        let identity = WORLD.identity(&WORLD.alice);
        let granted =
            authorise(&judged, &identity, &slice(), Operation::Shutdown, &aggregate, now()).unwrap();
        assert!(granted.as_operator);
    }
    denied(
        ask("ch.example.org:am2+authority+am", alice(), ALL, Operation::Shutdown),
        Kind::Mismatch,
        "the credential is on",
    );
}

#[test]
fn refusals_tell_what_is_needed_and_why_each_credential_fails() {
    denied(
        decide(&[], &WORLD.alice, &slice(), Operation::RenewSliver),
        Kind::Invalid,
        "no credential was given; needed is a credential of urn:publicid:IDN+ch.example.org:lab+user+alice on urn:publicid:IDN+ch.example.org:lab+slice+demo that grants renewsliver",
    );
    denied(
        decide(&["<x".into()], &WORLD.alice, &slice(), Operation::RenewSliver),
        Kind::Malformed,
        "not acceptable XML",
    );
    let user = WORLD.credential_on(&WORLD.alice, &WORLD.alice.chain, ALL);
    let tampered = WORLD.credential(ALL).replace("2026-07-01", "2027-07-01");
    denied(
        decide(
            &["<x".into(), tampered.clone(), user.clone()],
            &WORLD.alice,
            &slice(),
            Operation::RenewSliver,
        ),
        Kind::Mismatch,
        "not acceptable XML",
    );
    denied(
        decide(&[user, tampered, "<x".into()], &WORLD.alice, &slice(), Operation::RenewSliver),
        Kind::Mismatch,
        "changed after it was signed",
    );

    // An expired credential for the right slice tells more than a good one for something else.
    let judged = [
        WORLD.verifier().verify(&WORLD.credential_on(&WORLD.alice, &WORLD.alice.chain, ALL), now()),
        Err(WORLD.verifier().verify(&WORLD.credential(ALL), expiry()).unwrap_err()),
    ];
    let result = authorise(
        &judged,
        &WORLD.identity(&WORLD.alice),
        &slice(),
        Operation::CreateSliver,
        &aggregate(),
        now(),
    );
    denied(result, Kind::Expired, "expired at 2026-07-01T00:00:00Z");

    let crowd: Vec<String> = vec!["<x".into(); 500];
    let message = decide(&crowd, &WORLD.alice, &slice(), Operation::Shutdown).unwrap_err().message;
    assert!(message.len() < 1000, "{message}");
}

#[test]
fn one_credential_takes_one_place_however_it_is_written() {
    let verifier = Verifier::new(WORLD.roots(), 2);
    let (mine, other) = (WORLD.credential(ALL), WORLD.delegated());
    let first = verifier.verify(&mine, now()).unwrap();
    verifier.verify(&other, now()).unwrap();
    let variants = [
        mine.replace("</signatures>", " <!-- x --></signatures>"),
        mine.replace("<signatures>", "\n\n<signatures>"),
        mine.replace("</X509Data>", "<X509SubjectName/></X509Data>"),
        mine.replace("<credential xml:id=\"ref0\">", "<credential  xml:id='ref0'>"),
        format!("<!-- first -->{}", mine.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")),
    ];
    for variant in &variants {
        assert_ne!(*variant, mine);
        let again = verifier.verify(variant, now()).unwrap();
        assert!(Arc::ptr_eq(&first, &again), "the same credential");
        assert_eq!(verifier.remembered(), 2);
        assert!(verifier.recall(variant, now()).is_some(), "its latest text is remembered");
    }
    assert!(verifier.recall(&mine, now()).is_none(), "one text for each");
    assert!(verifier.recall(&other, now()).is_some(), "and nothing is pushed out");
    assert_ne!(first.fingerprint, verifier.verify(&other, now()).unwrap().fingerprint);
    assert_ne!(first.fingerprint, verifier.verify(&WORLD.credential(ALL), now()).unwrap().fingerprint);
}

#[test]
fn refusals_are_remembered_for_a_minute() {
    let verifier = Verifier::new(WORLD.roots(), 2);
    let refused = WORLD.credential(ALL).replace("2026-07-01", "2027-07-01");
    let error = verifier.verify(&refused, now()).unwrap_err();
    let second = chrono::Duration::seconds(1);
    assert_eq!(verifier.recall(&refused, now()).unwrap().unwrap_err(), error);
    assert!(verifier.recall(&refused, now() + second * 59).is_some());
    assert!(verifier.recall(&refused, now() + second * 60).is_none());
    assert!(verifier.recall(&refused, now() - second).is_none(), "not before it was judged");
    assert_eq!(verifier.remembered(), 0);
    // Bounded as the good ones are.
    for letter in ["<a/>", "<b/>"] {
        verifier.verify(letter, now()).unwrap_err();
    }
    assert!(verifier.recall(&refused, now()).is_none());
    // What time mends is not kept, nor what other roots would mend.
    let expired = WORLD.credential(ALL);
    assert_eq!(verifier.verify(&expired, expiry()).unwrap_err().kind(), Kind::Expired);
    assert!(verifier.recall(&expired, expiry()).is_none());
    let none = TrustRoots::from_certificates([], &Policy::default()).unwrap();
    verifier.replace_roots(none);
    verifier.verify(&expired, now()).unwrap_err();
    verifier.replace_roots(WORLD.roots());
    assert!(verifier.verify(&expired, now()).is_ok());
}

#[test]
fn a_limit_that_is_too_low_is_no_lasting_verdict() {
    let verifier = Verifier::new(WORLD.roots(), 2);
    let xml = WORLD.delegated();
    let judged = verifier.judge(&xml, now(), 100_000);
    assert!(matches!(judged.verdict, Err(CredentialError::TooMuchWork { limit: 100_000 })));
    assert!(verifier.recall(&xml, now()).is_none());
    let judged = verifier.judge(&xml, now(), credentials::MAX_STEPS);
    assert!(judged.verdict.is_ok() && judged.steps > 100_000, "{judged:?}");
}

#[test]
fn good_credentials_are_remembered_bad_ones_are_not() {
    let verifier = Verifier::new(WORLD.roots(), 2);
    let (one, two, three) = (WORLD.credential(ALL), WORLD.credential(ALL), WORLD.delegated());
    let first = verifier.verify(&one, now()).unwrap();
    assert!(Arc::ptr_eq(&first, &verifier.verify(&one, now()).unwrap()), "the second time it is the same");
    assert!(verifier.verify(&one.replace("2026-07-01", "2027-07-01"), now()).is_err());
    assert_eq!(verifier.remembered(), 1);
    verifier.verify(&two, now()).unwrap();
    verifier.verify(&one, now()).unwrap();
    verifier.verify(&three, now()).unwrap();
    assert_eq!(verifier.remembered(), 2);
    assert!(Arc::ptr_eq(&first, &verifier.verify(&one, now()).unwrap()), "the one used last is kept");
    assert_eq!(verifier.verifications(), Verifications { known: 3, anew: 3 });
}

#[test]
fn remembered_credentials_still_expire_and_fall_with_their_roots() {
    let verifier = Verifier::new(WORLD.roots(), 10);
    let xml = WORLD.credential(ALL);
    let first = verifier.verify(&xml, now()).unwrap();
    assert_eq!(verifier.verify(&xml, expiry()).unwrap_err().kind(), Kind::Expired);
    let before = start() - chrono::Duration::seconds(1);
    assert_eq!(verifier.verify(&xml, before).unwrap_err().kind(), Kind::Expired);
    assert!(Arc::ptr_eq(&first, &verifier.verify(&xml, now()).unwrap()), "time may come back");

    let generation = verifier.roots().generation();
    verifier.replace_roots(TrustRoots::from_certificates([], &Policy::default()).unwrap());
    assert_ne!(verifier.roots().generation(), generation);
    assert_eq!(verifier.verify(&xml, now()).unwrap_err().kind(), Kind::Untrusted);
    verifier.replace_roots(WORLD.roots());
    assert!(verifier.verify(&xml, now()).is_ok());
}

#[test]
fn the_older_form_of_signature_is_good() {
    let root = Certificate::chain_from_pem(include_str!("fixtures/old-form-root.pem")).unwrap();
    let verifier = Verifier::new(TrustRoots::from_certificates(root, &Policy::default()).unwrap(), 0);
    let xml = include_str!("fixtures/old-form.xml");
    let later = at("2027-01-01T00:00:00Z");
    let credential = verifier.verify(xml, later).unwrap();
    assert_eq!(credential.owner, urn("urn:publicid:IDN+old.example.org+user+ann"));
    assert_eq!(credential.expires, at("2100-01-01T00:00:00Z"));
    assert!(credential.privileges.allows(Operation::Shutdown));
    for (from, to) in [("2100-01-01", "2101-01-01"), ("user+ann</owner_urn>", "user+eve</owner_urn>")] {
        let error = verifier.verify(&xml.replacen(from, to, 1), later).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
    }
}

#[test]
fn each_kind_has_its_code() {
    let codes =
        [Kind::Malformed, Kind::Invalid, Kind::Expired, Kind::Mismatch, Kind::Untrusted].map(Kind::am_code);
    assert_eq!(codes, [20, 20, 21, 22, 23]);
}
