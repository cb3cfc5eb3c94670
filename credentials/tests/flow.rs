//! The whole way: mint, verify, authorise.

mod common;

use common::*;
use credentials::mint::{NewCredential, delegate};
use credentials::{Kind, Operation, Target, authorise};

#[test]
fn a_minted_credential_authorises_its_owner() {
    let xml = WORLD.credential(&[("*", true)]);
    let credential = WORLD.verifier().verify(&xml, now()).unwrap();
    assert_eq!(credential.owner, *WORLD.alice.urn());
    assert_eq!(credential.target, urn(SLICE));
    assert_eq!(credential.expires, expiry());
    assert_eq!(credential.chain_expires, end());
    assert_eq!(credential.issuer, *WORLD.lab.urn());
    assert_eq!(credential.delegations, 0);
    assert_eq!(credential.owner_uuid, WORLD.alice.chain[0].uuid());
    let granted = authorise(
        &[Ok(credential)],
        &WORLD.identity(&WORLD.alice),
        &Target::Slice(urn("urn:publicid:IDN+CH.example.org:LAB+slice+DEMO")),
        Operation::CreateSliver,
        &aggregate(),
        now(),
    )
    .unwrap();
    assert_eq!(granted.expires, expiry());
    assert!(!granted.as_operator);
}

#[test]
fn a_credential_can_be_handed_on_twice() {
    let once = WORLD.delegated();
    let credential = WORLD.verifier().verify(&once, now()).unwrap();
    assert_eq!((credential.owner.clone(), credential.delegations), (WORLD.bob.urn().clone(), 1));
    let sooner = at("2026-06-15T00:00:00Z");
    let twice =
        delegate(&once, (&WORLD.bob.chain, &WORLD.bob.key), &WORLD.carol.chain, &[("info", false)], sooner)
            .unwrap();
    let credential = WORLD.verifier().verify(&twice, now()).unwrap();
    assert_eq!((credential.owner.clone(), credential.delegations), (WORLD.carol.urn().clone(), 2));
    assert_eq!(credential.expires, sooner);
    assert_eq!(credential.issuer, *WORLD.lab.urn());
    assert_eq!(credential.privileges.iter().collect::<Vec<_>>(), [("info", false)]);
}

#[test]
fn an_expired_credential_says_so() {
    let xml = WORLD.credential(&[("*", true)]);
    let error = WORLD.verifier().verify(&xml, expiry()).unwrap_err();
    assert_eq!(error.kind(), Kind::Expired);
    assert!(error.to_string().contains("2026-07-01T00:00:00Z"), "{error}");
    let _ = NewCredential { owner: &[], target: &[], privileges: &[], expires: now() };
}
