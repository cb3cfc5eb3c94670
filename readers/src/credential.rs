//! Credentials: signed XML, and its canonical form.
//!
//! `fixtures/credential.xml` is a credential that `fixtures/root.pem` issued; the key is not kept. Growth puts more into
//! it, which breaks the signature where it stands in the signed part, so that most of these inputs are refused.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use credentials::{Certificate, Policy, TrustRoots, Verifier, canonical_xml};

use crate::{Growth, Reader, bounded, parts, refused, taken, text, xml};

/// A signed credential, verified whole.
pub const CREDENTIAL: Reader = Reader { name: "credential", read: verify, growths: CREDENTIALS };

/// The canonical form of a document, inclusive.
pub const C14N: Reader = Reader {
    name: "c14n",
    read: |bytes| text(bytes).is_some_and(|text| canonical_xml(text).is_ok()),
    growths: DOCUMENTS,
};

/// The certificate of the authority that issued [`SIGNED`].
pub(crate) const ROOT: &str = include_str!("../fixtures/root.pem");

/// A credential that verifies.
const SIGNED: &str = include_str!("../fixtures/credential.xml");

/// Without a memory: each reading does the whole work.
static VERIFIER: LazyLock<Option<Verifier>> = LazyLock::new(|| Some(Verifier::new(roots()?, 0)));

const CREDENTIALS: &[Growth] = &[
    refused("elements", 1000, |n| inside(&"<e/>".repeat(n))),
    refused("text", 30_000, |n| inside(&format!("<e>{}</e>", xml::long_text(n)))),
    refused("privileges", 500, |n| {
        inside(&parts(n, |i| format!("<privilege><name>p{i}</name></privilege>")))
    }),
    refused("certificates", 5, |n| signed(|whole| whole.replacen("<owner_gid>", &owners(n), 1))),
    refused("certificates beside the signature", 5, |n| {
        let certificates = "<X509Certificate>MIIB</X509Certificate>".repeat(n * 50);
        signed(|whole| whole.replace("</X509Data>", &format!("{certificates}</X509Data>")))
    }),
    refused("signatures", 100, |n| {
        let more = "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"/>".repeat(n);
        signed(|whole| whole.replace("</signatures>", &format!("{more}</signatures>")))
    }),
    refused("parents", 100, |n| {
        let (open, close) = ("<parent><credential>".repeat(n), "</credential></parent>".repeat(n));
        signed(|whole| whole.replacen("</credential>", &format!("{open}{close}</credential>"), 1))
    }),
    refused("nested", 5000, |n| inside(&xml::nested(n))),
    refused("unclosed", 5000, |n| "<signed-credential>".repeat(n).into_bytes()),
    taken("space after the end", 20_000, |n| signed(|whole| whole + &" ".repeat(n))),
    taken("comments after the end", 2000, |n| signed(|whole| whole + &"<!-- a -->".repeat(n))),
];

const DOCUMENTS: &[Growth] = &[
    taken("elements", 1000, |n| within(&"<e>a</e>".repeat(n))),
    taken("mixed", 200, |n| within(&xml::mixed(n))),
    taken("text", 30_000, |n| within(&xml::long_text(n))),
    taken("signs", 10_000, |n| within(&"&lt;&amp;".repeat(n))),
    taken("attributes", 500, |n| within(&parts(n, |i| format!("<e c=\"{i}\" b=\"&#9;\" a=\"\"/>")))),
    taken("instructions", 1000, |n| within(&"<?a\r\nb?>".repeat(n))),
    bounded("namespaces", 15, |n| within(&xml::namespaces(n))),
    bounded("attributes of one element", 15, |n| within(&xml::attributes(n))),
    bounded("declarations", 30, |n| within(&xml::declarations(n))),
    bounded("nested", 30, |n| within(&xml::nested(n))),
    refused("open comments", 5000, |n| within(&"<!--".repeat(n))),
    refused("broken declaration", 5000, |n| format!("<?xml {}?><a/>", "version=".repeat(n)).into_bytes()),
];

fn roots() -> Option<TrustRoots> {
    TrustRoots::from_certificates(Certificate::chain_from_pem(ROOT).ok()?, &Policy::default()).ok()
}

fn verify(bytes: &[u8]) -> bool {
    let (Some(text), Some(verifier)) = (text(bytes), VERIFIER.as_ref()) else { return false };
    let now: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
    verifier.verify(text, now).is_ok()
}

fn signed(change: impl Fn(String) -> String) -> Vec<u8> {
    change(SIGNED.trim_end().to_owned()).into_bytes()
}

/// The credential with more in its signed part.
fn inside(content: &str) -> Vec<u8> {
    signed(|whole| whole.replacen("<privileges>", &format!("{content}<privileges>"), 1))
}

/// The start of the owner's certificates, with `n` more before them.
fn owners(n: usize) -> String {
    format!("<owner_gid>{}", ROOT.repeat(n))
}

fn within(content: &str) -> Vec<u8> {
    format!("<r xmlns=\"http://d.example\" xmlns:p=\"http://p.example\">{content}</r>").into_bytes()
}
