//! Credentials recorded from the reference clearinghouse, where the recordings stand beside the project:
//! RSA-SHA1 over SHA-1 digests, KeyValue beside the certificates, serial number 3 everywhere, no key
//! identifiers. Without the recordings this file checks nothing; the same rules are checked on minted
//! credentials elsewhere.
#![allow(clippy::unwrap_used, clippy::panic)]

use chrono::{DateTime, Utc};
use credentials::{
    Aggregate, Certificate, Identity, Kind, Operation, Policy, Target, TrustRoots, Verifier, authorise,
};
use std::path::PathBuf;

struct Recordings {
    folder: PathBuf,
    verifier: Verifier,
}

impl Recordings {
    fn open() -> Option<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/wire/geni-credentials");
        let root = std::fs::read_to_string(folder.join("ch-cert.pem")).ok()?;
        let roots =
            TrustRoots::from_certificates(Certificate::chain_from_pem(&root).unwrap(), &Policy::default());
        Some(Self { folder, verifier: Verifier::new(roots.unwrap(), 10) })
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    fn caller(&self, name: &str) -> Identity {
        let chain = Certificate::chain_from_pem(&self.read(name)).unwrap();
        self.verifier.roots().verify_chain(&chain, now()).unwrap()
    }

    fn ask(
        &self,
        caller: &str,
        name: &str,
        target: Target,
        operation: Operation,
    ) -> Result<DateTime<Utc>, Kind> {
        let aggregate = Aggregate {
            urn: "urn:publicid:IDN+geni:gpo:gcf:am1+authority+am".parse().unwrap(),
            operators: vec![],
        };
        let judged = [self.verifier.verify(&self.read(name), now())];
        authorise(&judged, &self.caller(caller), &target, operation, &aggregate, now())
            .map(|granted| granted.expires)
            .map_err(|denied| {
                eprintln!("{name}: {denied}");
                denied.kind
            })
    }
}

fn now() -> DateTime<Utc> {
    "2026-11-21T20:00:00Z".parse().unwrap()
}

fn slice(name: &str) -> Target {
    Target::Slice(format!("urn:publicid:IDN+geni:gpo:gcf+slice+{name}").parse().unwrap())
}

#[test]
fn recorded_credentials_are_good() {
    let Some(all) = Recordings::open() else { return };
    let alice = "alice-cert.pem";
    let month = Ok("2026-12-16T19:35:01Z".parse().unwrap());
    assert_eq!(all.ask(alice, "slice-cred.xml", slice("bf615f001"), Operation::CreateSliver), month);
    assert_eq!(all.ask(alice, "slice-cred.xml", Target::Any, Operation::ListResources), month);
    assert_eq!(
        all.ask("bob-cert.pem", "delegated-to-bob.xml", slice("bf615f000"), Operation::Shutdown),
        month
    );
    assert!(all.ask(alice, "user-cred.alice.xml", Target::Any, Operation::ListResources).is_ok());
    let delegated = all.verifier.verify(&all.read("delegated-to-bob.xml"), now()).unwrap();
    assert_eq!((delegated.delegations, delegated.issuer.name()), (1, "sa"));
}

#[test]
fn recorded_wrong_credentials_are_refused() {
    let Some(all) = Recordings::open() else { return };
    for (name, kind) in [
        ("expired", Kind::Expired),
        ("info-only", Kind::Mismatch),
        ("malformed", Kind::Malformed),
        ("other-slice", Kind::Mismatch),
        ("other-user", Kind::Mismatch),
        ("tampered-expires", Kind::Invalid),
        ("tampered-privilege", Kind::Invalid),
        ("unsigned", Kind::Invalid),
        ("untrusted-signer", Kind::Untrusted),
        ("user-cred-as-slice", Kind::Mismatch),
    ] {
        let name = format!("neg/{name}.xml");
        let result = all.ask("alice-cert.pem", &name, slice("bf615f000"), Operation::CreateSliver);
        assert_eq!(result, Err(kind), "{name}");
    }
    let result =
        all.ask("alice-cert.pem", "delegated-to-bob.xml", slice("bf615f000"), Operation::CreateSliver);
    assert_eq!(result, Err(Kind::Mismatch), "it was handed on to Bob");
}

#[test]
fn a_recorded_credential_cannot_be_handed_on_with_another_key() {
    let Some(all) = Recordings::open() else { return };
    // Nobody has Alice's recorded key, so a delegation must be refused, not made wrongly.
    let chain = Certificate::chain_from_pem(&all.read("alice-cert.pem")).unwrap();
    let key = credentials::mint::KeyPair::generate().unwrap();
    let result = credentials::mint::delegate(&all.read("slice-cred.xml"), (&chain, &key), &chain, &[], now());
    assert!(result.unwrap_err().to_string().contains("only that certificate and key"));
}
