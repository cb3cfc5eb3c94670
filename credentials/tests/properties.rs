//! Whatever comes in, there is an answer and no panic; whatever is minted is accepted.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::*;
use credentials::mint::{KeyPair, NewCredential, Subject, delegate};
use credentials::{Certificate, Operation, Target, authorise};
use proptest::prelude::*;
use std::sync::LazyLock;

static GENUINE: LazyLock<String> = LazyLock::new(|| WORLD.delegated());

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<signed-credential>",
        "</signed-credential>",
        "<credential xml:id='a'>",
        "</credential>",
        "<parent>",
        "</parent>",
        "<signatures>",
        "</signatures>",
        "<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'>",
        "</Signature>",
        "<SignedInfo>",
        "<Reference URI='#a'/>",
        "<type>privilege</type>",
        "<owner_gid>",
        "</owner_gid>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?x",
        "?>",
        "<!DOCTYPE x>",
        "&#0;",
        "&amp;",
        "'",
        "\"",
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----",
        "AAAA",
        " ",
        "xmlns:a=''",
        "é",
    ]);
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>(), pieces in pieces()) {
        for text in [&text, &pieces] {
            prop_assert!(WORLD.verifier().verify(text, now()).is_err());
            prop_assert!(Certificate::chain_from_pem(text).is_err());
            prop_assert!(KeyPair::from_pem(text).is_err());
            let holder = (&WORLD.alice.chain[..], &WORLD.alice.key);
            prop_assert!(delegate(text, holder, &WORLD.bob.chain, &[], now()).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_certificate(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Certificate::from_der(&bytes).is_err());
    }

    #[test]
    fn a_damaged_certificate_never_panics_nor_verifies(at in any::<usize>(), value in any::<u8>(), cut in any::<usize>()) {
        let whole = WORLD.alice.chain[0].der();
        let mut bytes = whole.to_vec();
        let at = at % bytes.len();
        bytes[at] = value;
        let damaged = bytes.clone();
        bytes.truncate(cut % bytes.len());
        prop_assert!(Certificate::from_der(&bytes).is_err());
        if let Ok(certificate) = Certificate::from_der(&damaged) {
            let presented = with_issuers(certificate, &WORLD.lab);
            prop_assert_eq!(WORLD.roots().verify_chain(&presented, now()).is_ok(), damaged == whole);
        }
    }

    #[test]
    fn a_damaged_credential_never_says_more(at in any::<usize>(), length in 0..40usize, piece in pieces()) {
        let whole: &str = &GENUINE;
        let at = at % whole.len();
        let end = (at + length).min(whole.len());
        let damaged = format!("{}{piece}{}", &whole[..at], &whole[end..]);
        if let Ok(credential) = WORLD.verifier().verify(&damaged, now()) {
            let genuine = WORLD.verifier().verify(whole, now()).unwrap();
            prop_assert_eq!(credential, genuine);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_minted_is_accepted(
        slice in "[a-zA-Z0-9][a-zA-Z0-9-]{0,18}",
        seconds in 1..10_000_000i64,
        names in prop::collection::vec((prop::sample::select(vec!["embed", "info", "control", "bind", "odd & <strange>"]), any::<bool>()), 0..5),
    ) {
        let target = Subject::new(urn(&format!("urn:publicid:IDN+ch.example.org:lab+slice+{slice}")));
        let target = with_issuers(WORLD.lab.issue(&target, &WORLD.alice.key, start(), end()).unwrap(), &WORLD.lab);
        let expires = now() + chrono::Duration::seconds(seconds);
        let new = NewCredential { owner: &WORLD.alice.chain, target: &target, privileges: &names, expires };
        let xml = WORLD.lab.credential(&new).unwrap();
        let credential = WORLD.verifier().verify(&xml, now()).unwrap();
        prop_assert_eq!(credential.expires, expires);
        prop_assert_eq!(credential.target.name(), &slice);
        for (name, can_delegate) in credential.privileges.iter() {
            prop_assert!(names.iter().any(|(asked, _)| *asked == name));
            let always = names.iter().all(|(asked, can)| *asked != name || *can);
            prop_assert_eq!(can_delegate, always);
        }
        let granted = authorise(
            &[Ok(credential.clone())], &WORLD.identity(&WORLD.alice), &Target::Slice(target[0].urn().unwrap().clone()),
            Operation::CreateSliver, &aggregate(), now(),
        );
        let wanted = names.iter().any(|(name, _)| matches!(*name, "embed" | "control"));
        prop_assert_eq!(granted.is_ok(), wanted);
        let handed_on: Vec<(&str, bool)> = credential.privileges.iter().filter(|(_, can)| *can).collect();
        let holder = (&WORLD.alice.chain[..], &WORLD.alice.key);
        let xml = delegate(&xml, holder, &WORLD.bob.chain, &handed_on, expires).unwrap();
        prop_assert_eq!(WORLD.verifier().verify(&xml, now()).unwrap().delegations, 1);
    }
}
