//! GENI certificates and credentials, both directions: verify, authorise, mint.
//!
//! In a GENI federation nobody logs in at an aggregate. A caller shows a certificate, which says who it is,
//! and credentials, which say what it may do: signed XML documents in which an authority grants an owner
//! privileges on a target, most often a slice. An owner may hand a credential on by wrapping it into one of
//! its own, signed with its own key.
//!
//! - [`TrustRoots`] holds the authorities that an aggregate trusts and follows certificate chains to them.
//! - [`Verifier`] judges signed credentials (`geni_sfa` 2 and 3) and remembers the good ones.
//! - [`authorise`] decides a call, given caller, credentials, target and operation.
//! - [`mint`] makes keys, certificates, credentials and delegations.
//!
//! Nothing here reads a clock: the time of a check is always an argument. Nothing here waits or touches
//! the network, and only [`TrustRoots::load_dir`] reads files.
//!
//! ```
//! use credentials::mint::{Authority, KeyPair, NewCredential, Subject};
//! use credentials::{Aggregate, Operation, Policy, Target, TrustRoots, Verifier, authorise};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = "2026-06-01T12:00:00Z".parse()?;
//! let (start, end) = ("2026-01-01T00:00:00Z".parse()?, "2027-01-01T00:00:00Z".parse()?);
//!
//! let sa = Authority::self_signed("urn:publicid:IDN+ch.example.org+authority+sa".parse()?,
//!     KeyPair::generate()?, start, end)?;
//! let key = KeyPair::generate()?;
//! let alice = sa.issue(&Subject::new("urn:publicid:IDN+ch.example.org+user+alice".parse()?), &key, start, end)?;
//! let slice = sa.issue(&Subject::new("urn:publicid:IDN+ch.example.org+slice+demo".parse()?), &key, start, end)?;
//! let xml = sa.credential(&NewCredential {
//!     owner: std::slice::from_ref(&alice),
//!     target: std::slice::from_ref(&slice),
//!     privileges: &[("*", true)],
//!     expires: "2026-07-01T00:00:00Z".parse()?,
//! })?;
//!
//! let roots = TrustRoots::from_certificates(sa.chain().to_vec(), &Policy::default())?;
//! let caller = roots.verify_chain(&[alice], now)?;
//! let verifier = Verifier::new(roots, 1000);
//! let aggregate =
//!     Aggregate { urn: "urn:publicid:IDN+am.example.net+authority+am".parse()?, operators: vec![] };
//! let target = Target::Slice("urn:publicid:IDN+ch.example.org+slice+demo".parse()?);
//! let granted =
//!     authorise(&[verifier.verify(&xml, now)], &caller, &target, Operation::CreateSliver, &aggregate, now)?;
//! assert_eq!(granted.expires.to_rfc3339(), "2026-07-01T00:00:00+00:00");
//! # Ok(())
//! # }
//! ```

pub mod mint;

#[cfg(test)]
extern crate self as credentials;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;

mod algorithm;
mod authorise;
mod c14n;
mod certificate;
mod chain;
mod credential;
mod datetime;
mod document;
mod effort;
mod error;
mod known;
mod memory;
mod privileges;
mod short_rsa;
mod signature;
mod trust;
mod verifier;

pub use authorise::{Aggregate, Authorised, Denied, Target, authorise};
pub use c14n::canonical_xml;
pub use certificate::{Certificate, CertificateError};
pub use chain::{ChainError, Purpose};
pub use credential::Credential;
pub use document::MAX_BYTES;
pub use effort::MAX_STEPS;
pub use error::{CredentialError, Kind, Level, Role};
pub use privileges::{Operation, Privileges};
pub use short_rsa::{HandshakeDigest, RsaScheme};
pub use trust::{Identity, Policy, RootsError, TrustRoots};
pub use verifier::{Judged, Verifications, Verifier};
