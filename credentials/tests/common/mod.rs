//! A small federation, minted once for all tests of a file.
// Each test file uses another part of this, and helpers may panic as the tests themselves may.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use chrono::{DateTime, Utc};
use credentials::mint::{Authority, KeyPair, NewCredential, Subject, delegate};
use credentials::{Aggregate, Certificate, Identity, Policy, TrustRoots, Verifier};
use std::sync::LazyLock;
use urn::Urn;
use uuid::Uuid;

pub(crate) const SLICE: &str = "urn:publicid:IDN+ch.example.org:lab+slice+demo";

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn urn(text: &str) -> Urn {
    text.parse().unwrap()
}

/// The moment at which everything is good.
pub(crate) fn now() -> DateTime<Utc> {
    at("2026-06-01T12:00:00Z")
}

pub(crate) fn start() -> DateTime<Utc> {
    at("2026-01-01T00:00:00Z")
}

pub(crate) fn end() -> DateTime<Utc> {
    at("2028-01-01T00:00:00Z")
}

/// When minted credentials end.
pub(crate) fn expiry() -> DateTime<Utc> {
    at("2026-07-01T00:00:00Z")
}

pub(crate) struct Person {
    pub(crate) chain: Vec<Certificate>,
    pub(crate) key: KeyPair,
}

impl Person {
    pub(crate) fn urn(&self) -> &Urn {
        self.chain[0].urn().unwrap()
    }
}

pub(crate) struct Federation {
    /// `ch.example.org`.
    pub(crate) root: Authority,
    /// `ch.example.org:lab`, below the root; issues the people and the slice.
    pub(crate) lab: Authority,
    /// Another authority that nobody trusts.
    pub(crate) stranger: Authority,
    pub(crate) alice: Person,
    pub(crate) bob: Person,
    pub(crate) carol: Person,
    pub(crate) slice: Vec<Certificate>,
}

pub(crate) static WORLD: LazyLock<Federation> = LazyLock::new(|| {
    let key = || KeyPair::generate().unwrap();
    let root =
        Authority::self_signed(urn("urn:publicid:IDN+ch.example.org+authority+sa"), key(), start(), end())
            .unwrap();
    let lab = root
        .subauthority(urn("urn:publicid:IDN+ch.example.org:lab+authority+sa"), key(), start(), end())
        .unwrap();
    let stranger =
        Authority::self_signed(urn("urn:publicid:IDN+ch.example.org+authority+sa"), key(), start(), end())
            .unwrap();
    let person = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let subject = Subject {
            uuid: Some(Uuid::new_v4()),
            email: Some(format!("{name}@example.org")),
            ..Subject::new(urn(&format!("urn:publicid:IDN+ch.example.org:lab+user+{name}")))
        };
        Person { chain: with_issuers(lab.issue(&subject, &key, start(), end()).unwrap(), &lab), key }
    };
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    let slice = with_issuers(lab.issue(&Subject::new(urn(SLICE)), &alice.key, start(), end()).unwrap(), &lab);
    Federation { root, lab, stranger, alice, bob, carol, slice }
});

pub(crate) fn with_issuers(certificate: Certificate, authority: &Authority) -> Vec<Certificate> {
    let mut chain = vec![certificate];
    chain.extend(authority.chain().iter().cloned());
    chain
}

impl Federation {
    pub(crate) fn roots(&self) -> TrustRoots {
        TrustRoots::from_certificates([self.root.chain()[0].clone()], &Policy::default()).unwrap()
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(self.roots(), 0)
    }

    pub(crate) fn identity(&self, person: &Person) -> Identity {
        self.roots().verify_chain(&person.chain, now()).unwrap()
    }

    /// Alice's credential on the slice, with these privileges.
    pub(crate) fn credential(&self, privileges: &[(&str, bool)]) -> String {
        self.lab
            .credential(&NewCredential {
                owner: &self.alice.chain,
                target: &self.slice,
                privileges,
                expires: expiry(),
            })
            .unwrap()
    }

    /// A credential of `owner` on a target.
    pub(crate) fn credential_on(
        &self,
        owner: &Person,
        target: &[Certificate],
        privileges: &[(&str, bool)],
    ) -> String {
        self.root
            .credential(&NewCredential { owner: &owner.chain, target, privileges, expires: expiry() })
            .unwrap()
    }

    /// Alice's credential handed on to Bob.
    pub(crate) fn delegated(&self) -> String {
        let parent = self.credential(&[("*", true)]);
        delegate(&parent, (&self.alice.chain, &self.alice.key), &self.bob.chain, &[("*", true)], expiry())
            .unwrap()
    }
}

pub(crate) fn aggregate() -> Aggregate {
    Aggregate { urn: urn("urn:publicid:IDN+am.example.org+authority+am"), operators: vec![] }
}

/// A value of DER.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    [vec![tag, u8::try_from(content.len()).unwrap()], content.to_vec()].concat()
}

/// The identifier 2.25.305821105408246119474742976030998643995, one arc of which has 128 bits.
pub(crate) fn long_identifier() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut number: u128 = 305_821_105_408_246_119_474_742_976_030_998_643_995;
    while number > 0 || bytes.is_empty() {
        bytes.insert(0, u8::try_from(number & 0x7f).unwrap() | if bytes.is_empty() { 0 } else { 0x80 });
        number >>= 7;
    }
    bytes.insert(0, 2 * 40 + 25);
    tlv(0x06, &bytes)
}

/// authorityInfoAccess with that identifier as the method, as authorities of Emulab and GENI write it.
pub(crate) fn long_access() -> rcgen::CustomExtension {
    let place = tlv(0x86, b"https://x.example.org:12369/protogeni/xmlrpc/sa");
    let access = tlv(0x30, &tlv(0x30, &[long_identifier(), place].concat()));
    rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access)
}

/// Whether a program can be started; tests that need it pass without it, unless `CI` is set.
pub(crate) fn available(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{program} is needed where CI is set");
    if !found {
        eprintln!("{program} is not installed: nothing compared");
    }
    found
}
