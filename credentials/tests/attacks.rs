//! Signature wrapping and its relatives: every attempt to have something read that nobody signed.
//!
//! Most of these documents hold a genuine signature over a genuine element; what is wrong is where things
//! stand and what refers to what.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::*;
use credentials::Kind;

const ALL: &[(&str, bool)] = &[("*", true)];

#[track_caller]
fn refused(xml: &str, kind: Kind, words: &str) {
    let error = WORLD.verifier().verify(xml, now()).unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(error.kind(), kind, "{error}");
}

fn genuine() -> String {
    WORLD.credential(ALL)
}

/// From the first `from` to the last `to`, both included.
fn part<'a>(xml: &'a str, from: &str, to: &str) -> &'a str {
    let start = xml.find(from).unwrap();
    &xml[start..start + xml[start..].rfind(to).unwrap() + to.len()]
}

fn credential(xml: &str) -> &str {
    part(xml, "<credential ", "</credential>")
}

fn signature(xml: &str) -> &str {
    part(xml, "<Signature ", "</Signature>")
}

fn root(xml: &str) -> &str {
    &xml[xml.find("<signed-credential").unwrap()..xml.find("<credential ").unwrap()]
}

fn document(root: &str, content: &str) -> String {
    format!("{root}{content}</signed-credential>")
}

/// What an attacker would like to have read: everything until the end of time.
fn forged(genuine: &str) -> String {
    credential(genuine).replace("2026-07-01", "2096-07-01")
}

#[track_caller]
fn replaced(xml: &str, from: &str, to: &str) -> String {
    assert!(xml.contains(from), "{from}");
    xml.replacen(from, to, 1)
}

#[test]
fn the_parts_put_together_again_are_good() {
    let xml = genuine();
    let again =
        document(root(&xml), &format!("{}<signatures>{}</signatures>", credential(&xml), signature(&xml)));
    assert!(WORLD.verifier().verify(&again, now()).is_ok());
}

#[test]
fn a_genuine_credential_moved_elsewhere() {
    let xml = genuine();
    let (root, real, signature) = (root(&xml), credential(&xml), signature(&xml));
    let forged = replaced(&forged(&xml), "xml:id=\"ref0\"", "xml:id=\"ref1\"");
    let with = |place: &str| replaced(&forged, "<uuid/>", &format!("<uuid/><{place}>{real}</{place}>"));
    let signatures = format!("<signatures>{signature}</signatures>");
    // Into an extension, into a made-up element, and beside the signature.
    refused(
        &document(root, &format!("{}{signatures}", with("extensions"))),
        Kind::Invalid,
        "no Signature refers to it",
    );
    refused(
        &document(root, &format!("{}{signatures}", with("hidden"))),
        Kind::Invalid,
        "no Signature refers to it",
    );
    let beside = format!("{forged}<signatures>{signature}{real}</signatures>");
    refused(&document(root, &beside), Kind::Invalid, "no Signature refers to it");
    let object = replaced(signature, "</KeyInfo>", &format!("</KeyInfo><Object>{real}</Object>"));
    refused(
        &document(root, &format!("{forged}<signatures>{object}</signatures>")),
        Kind::Invalid,
        "no Signature refers to it",
    );
}

#[test]
fn a_genuine_credential_as_the_parent_of_a_forged_one() {
    let xml = genuine();
    let forged = replaced(&forged(&xml), "xml:id=\"ref0\"", "xml:id=\"ref1\"");
    let child =
        replaced(&forged, "</privileges>", &format!("</privileges><parent>{}</parent>", credential(&xml)));
    let one = format!("{child}<signatures>{}</signatures>", signature(&xml));
    refused(&document(root(&xml), &one), Kind::Invalid, "1 Signature elements for 2 credential elements");
    let twice = replaced(signature(&xml), "Sig_ref0", "Sig_x");
    let two = format!("{child}<signatures>{}{twice}</signatures>", signature(&xml));
    refused(&document(root(&xml), &two), Kind::Invalid, "no Signature refers to it by URI=\"#ref1\"");
}

#[test]
fn a_second_credential_beside_the_first() {
    let xml = genuine();
    let forged = replaced(&forged(&xml), "ref0", "ref1");
    let signatures = format!("<signatures>{}</signatures>", signature(&xml));
    for both in [format!("{forged}{}", credential(&xml)), format!("{}{forged}", credential(&xml))] {
        refused(
            &document(root(&xml), &format!("{both}{signatures}")),
            Kind::Malformed,
            "more than one credential",
        );
    }
    let other = forged
        .replace("<credential ", "<x:credential xmlns:x=\"urn:x\" ")
        .replace("</credential>", "</x:credential>");
    let both = format!("{other}{}{signatures}", credential(&xml));
    refused(&document(root(&xml), &both), Kind::Malformed, "not credential of namespace urn:x");
    let twice = format!("{}{signatures}{signatures}", credential(&xml));
    refused(&document(root(&xml), &twice), Kind::Malformed, "xml:id");
}

#[test]
fn two_elements_with_the_same_id() {
    let xml = genuine();
    let forged = forged(&xml);
    let inside =
        replaced(&forged, "<uuid/>", &format!("<uuid/><extensions>{}</extensions>", credential(&xml)));
    let signatures = format!("<signatures>{}</signatures>", signature(&xml));
    refused(&document(root(&xml), &format!("{inside}{signatures}")), Kind::Malformed, "same xml:id");
    let in_object =
        replaced(signature(&xml), "</KeyInfo>", &format!("</KeyInfo><Object>{}</Object>", credential(&xml)));
    let whole = format!("{forged}<signatures>{in_object}</signatures>");
    refused(&document(root(&xml), &whole), Kind::Malformed, "same xml:id");
}

#[test]
fn a_reference_to_something_else() {
    let xml = genuine();
    for (uri, words) in [
        ("URI=\"\"", "URI of the form #id"),
        ("URI=\"#xpointer(/)\"", "URI of the form #id"),
        ("URI=\"#xpointer(id('ref0'))\"", "URI of the form #id"),
        ("URI=\"https://example.org/#ref0\"", "URI of the form #id"),
        ("URI=\"#\"", "URI of the form #id"),
        ("", "URI of the form #id"),
        ("URI=\"#Sig_ref0\"", "no Signature refers to it"),
        ("URI=\"#REF0\"", "no Signature refers to it"),
    ] {
        refused(&replaced(&xml, "URI=\"#ref0\"", uri), Kind::Invalid, words);
    }
    // An inner element bears the id; the credential has none, or another.
    let inner = replaced(
        &replaced(&xml, "<credential xml:id=\"ref0\">", "<credential>"),
        "<uuid/>",
        "<uuid xml:id=\"ref0\"/>",
    );
    refused(&inner, Kind::Invalid, "no xml:id");
    let renamed = replaced(&xml, "<credential xml:id", "<credential id");
    refused(&renamed, Kind::Invalid, "no xml:id");
}

#[test]
fn transforms_that_select_or_change() {
    let xml = genuine();
    let enveloped = "<Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
    for algorithm in [
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "http://www.w3.org/2000/09/xmldsig#base64",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
        "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
    ] {
        let more = format!("{enveloped}<Transform Algorithm=\"{algorithm}\"/>");
        refused(&replaced(&xml, enveloped, &more), Kind::Invalid, "is not accepted here");
    }
    let twice = "<Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>".repeat(2);
    refused(&replaced(&xml, enveloped, &twice), Kind::Invalid, "is not accepted here");
    refused(&replaced(&xml, enveloped, "<Transform/>"), Kind::Invalid, "no Algorithm");
    refused(&replaced(&xml, enveloped, "<Other/>"), Kind::Invalid, "Transform elements only");
}

#[test]
fn more_than_one_of_what_there_must_be_one() {
    let xml = genuine();
    let reference = part(&xml, "<Reference ", "</Reference>");
    let other = replaced(reference, "#ref0", "#ref1");
    for both in [format!("{reference}{other}"), format!("{other}{reference}"), reference.repeat(2)] {
        refused(&replaced(&xml, reference, &both), Kind::Invalid, "more than one Reference");
    }
    refused(&replaced(&xml, reference, ""), Kind::Invalid, "Reference is missing");
    for name in ["SignedInfo", "SignatureValue", "KeyInfo", "DigestValue"] {
        let element = part(&xml, &format!("<{name}>"), &format!("</{name}>"));
        refused(
            &replaced(&xml, element, &element.repeat(2)),
            Kind::Invalid,
            &format!("more than one {name}"),
        );
        refused(&replaced(&xml, element, ""), Kind::Invalid, &format!("{name} is missing"));
    }
    let second = replaced(signature(&xml), "Sig_ref0", "Sig_ref1");
    refused(
        &replaced(&xml, "</signatures>", &format!("{second}</signatures>")),
        Kind::Invalid,
        "2 Signature elements for 1",
    );
    refused(&replaced(&xml, signature(&xml), ""), Kind::Invalid, "0 Signature elements for 1");
    refused(
        &replaced(&xml, &format!("<signatures>{}</signatures>", signature(&xml)), ""),
        Kind::Malformed,
        "signatures element is missing",
    );
}

#[test]
fn parent_and_child_changed_places() {
    let xml = WORLD.delegated();
    let child = credential(&xml);
    let parent = &child[child.find("<parent>").unwrap() + 8..child.find("</parent>").unwrap()];
    let bare_child = child.replace(&format!("<parent>{parent}</parent>"), "");
    let turned = replaced(parent, "</privileges>", &format!("</privileges><parent>{bare_child}</parent>"));
    refused(&replaced(&xml, child, &turned), Kind::Untrusted, "may not sign credentials");
    // The parent alone is good; the child alone is not: Alice is no authority.
    let parents_signature = &signature(&xml)[..signature(&xml).find("</Signature>").unwrap() + 12];
    let alone = format!("{parent}<signatures>{parents_signature}</signatures>");
    assert!(WORLD.verifier().verify(&document(root(&xml), &alone), now()).is_ok());
    let childs_signature = signature(&xml).replacen(parents_signature, "", 1);
    let alone = format!("{bare_child}<signatures>{childs_signature}</signatures>");
    refused(&document(root(&xml), &alone), Kind::Untrusted, "may not sign credentials");
    let stripped = format!("{child}<signatures>{childs_signature}</signatures>");
    refused(&document(root(&xml), &stripped), Kind::Invalid, "1 Signature elements for 2");
}

#[test]
fn a_signature_of_another_document() {
    let (one, two) = (genuine(), WORLD.credential(&[("info", false)]));
    refused(&replaced(&two, signature(&two), signature(&one)), Kind::Invalid, "changed after it was signed");
    // With the right digest, but the other's value.
    let value = |xml: &str| part(xml, "<SignatureValue>", "</SignatureValue>").to_owned();
    refused(&replaced(&two, &value(&two), &value(&one)), Kind::Invalid, "has the key that made it");
}

#[test]
fn a_key_without_a_certificate() {
    let xml = genuine();
    let data = part(&xml, "<X509Data>", "</X509Data>");
    let key_value =
        "<KeyValue><RSAKeyValue><Modulus>AQAB</Modulus><Exponent>AQAB</Exponent></RSAKeyValue></KeyValue>";
    for instead in [key_value, "<KeyName>sa</KeyName>", "<X509Data/>", ""] {
        refused(&replaced(&xml, data, instead), Kind::Invalid, "no X509Certificate");
    }
    // Beside the certificate it does no harm, and no good.
    let beside = replaced(&xml, "</X509Data>", &format!("<X509IssuerSerial/></X509Data>{key_value}"));
    assert!(WORLD.verifier().verify(&beside, now()).is_ok());
    let strange = &WORLD.stranger.chain()[0].to_pem();
    let strange = strange.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let other =
        replaced(&xml, data, &format!("<X509Data><X509Certificate>{strange}</X509Certificate></X509Data>"));
    refused(&other, Kind::Invalid, "has the key that made it");
    let not_one = replaced(&xml, data, "<X509Data><X509Certificate>AAAA</X509Certificate></X509Data>");
    refused(&not_one, Kind::Invalid, "signer's certificate: not a DER");
}

#[test]
fn a_stranger_who_does_everything_right() {
    let xml = WORLD.stranger.credential(&credentials::mint::NewCredential {
        owner: &WORLD.alice.chain,
        target: &WORLD.slice,
        privileges: ALL,
        expires: expiry(),
    });
    // The stranger bears the root's name and URN.
    refused(&xml.unwrap(), Kind::Untrusted, "signer's certificate");
}

#[test]
fn other_algorithms() {
    let xml = genuine();
    for (from, to, words) in [
        (
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
            "signature method",
        ),
        (
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
            "signature method",
        ),
        (
            "http://www.w3.org/2001/04/xmlenc#sha256",
            "http://www.w3.org/2001/04/xmldsig-more#md5",
            "digest method",
        ),
        (
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            "http://www.w3.org/2006/12/xml-c14n11",
            "canonicalization",
        ),
    ] {
        refused(&replaced(&xml, from, to), Kind::Invalid, words);
    }
    refused(&replaced(&xml, "<SignatureValue>", "<SignatureValue>!"), Kind::Invalid, "not base64");
    let short = replaced(&xml, part(&xml, "<DigestValue>", "</DigestValue>"), "<DigestValue></DigestValue>");
    refused(&short, Kind::Invalid, "has the key that made it");
}

#[test]
fn every_changed_character_that_matters_is_noticed() {
    let xml = genuine();
    for (from, to) in [
        ("2026-07-01T00:00:00Z", "2027-07-01T00:00:00Z"),
        ("<name>*</name>", "<name>**</name>"),
        ("<can_delegate>true", "<can_delegate>false"),
        ("user+alice</owner_urn>", "user+bob</owner_urn>"),
        ("<uuid/>", "<uuid> </uuid>"),
        ("<uuid/>", ""),
        ("-----END CERTIFICATE-----\n", "-----END CERTIFICATE-----"),
    ] {
        let changed = replaced(&xml, from, to);
        refused(&changed, Kind::Invalid, "changed after it was signed");
    }
    // A namespace in scope is part of SignedInfo too.
    let changed = replaced(&xml, "xmlns:xsi=\"http", "xmlns:xsj=\"https").replace("xsi:no", "xsj:no");
    refused(&changed, Kind::Invalid, "has the key that made it");
}

#[test]
fn documents_that_are_no_credentials() {
    let xml = genuine();
    let body = &xml[xml.find("<signed-credential").unwrap()..];
    let dtd = format!("<!DOCTYPE signed-credential [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{body}");
    refused(&dtd, Kind::Malformed, "document type");
    refused(&xml[1..], Kind::Malformed, "not");
    refused("<credential/>", Kind::Malformed, "its outermost element is credential;");
    refused("<signed-credential xmlns='urn:x'/>", Kind::Malformed, "signed-credential of namespace urn:x");
    refused("<signed-credential/>", Kind::Malformed, "credential element is missing");
    let prefixed = body
        .replace("<signatures>", "<x:signatures xmlns:x='urn:x'>")
        .replace("</signatures", "</x:signatures");
    refused(&prefixed, Kind::Malformed, "not signatures of namespace urn:x");
}
