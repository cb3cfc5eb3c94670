//! The XML signatures of a credential: one for each level, of one fixed shape.
//!
//! A signature counts only for the very element that is read as the credential. The usual attack moves a
//! genuine signed element to where nobody reads it and puts a forged one in its place; therefore the
//! element is found first, by its place in the document, and the signature must then refer to exactly that
//! element's `xml:id`, once, with no transform that could select or change anything.
//!
//! The key is taken from an `X509Certificate` in the signature, never from a `KeyValue`: whether that
//! certificate is trusted is for the caller to find out.

use crate::algorithm::Scheme;
use crate::c14n::{Form, canonicalise};
use crate::certificate::decode as decode_certificate;
use crate::document::children_in;
use crate::effort::Meter;
use crate::known::Known;
use crate::{Certificate, CertificateError};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;
use std::collections::HashSet;

/// The namespace of XML signatures.
pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(crate) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub(crate) const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
pub(crate) const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(crate) const RSA_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
pub(crate) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub(crate) const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
pub(crate) const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// The most certificates read from one signature.
const MAX_CERTIFICATES: usize = 12;
/// The longest canonical `SignedInfo`. It is read before anything is known of whoever signed it; real ones have one
/// kilobyte, and the namespaces around them.
const MAX_SIGNED_INFO: usize = 64 * 1024;
/// The most prefixes in an `InclusiveNamespaces` list.
const MAX_PREFIXES: usize = 32;

/// Why a signature is refused.
#[derive(Debug)]
pub(crate) enum SignatureError {
    /// Its form or its values.
    Form(String),
    /// A certificate in it.
    Certificate(CertificateError),
}

impl From<String> for SignatureError {
    fn from(reason: String) -> Self {
        Self::Form(reason)
    }
}

/// A signature as it stands in the document, its form checked.
pub(crate) struct Signature<'a, 'i> {
    signed_info: Node<'a, 'i>,
    /// The canonical form of `SignedInfo`.
    form: Form,
    scheme: Scheme,
    /// The `xml:id` that it signs.
    pub(crate) reference: String,
    /// The canonical form of what it signs.
    transformed: Form,
    digest_algorithm: &'static digest::Algorithm,
    digest: Vec<u8>,
    value: Vec<u8>,
    /// The certificates that come with it, in the order they are in.
    pub(crate) certificates: Vec<Certificate>,
}

impl<'a, 'i> Signature<'a, 'i> {
    /// Reads a `Signature` element.
    pub(crate) fn read(element: Node<'a, 'i>, known: &Known, meter: &Meter) -> Result<Self, SignatureError> {
        let signed_info = only(element, "SignedInfo")?;
        let form = canonical_form(only(signed_info, "CanonicalizationMethod")?)?;
        let method = algorithm(only(signed_info, "SignatureMethod")?)?;
        let scheme = match method {
            RSA_SHA1 => Scheme::RsaSha1,
            RSA_SHA256 => Scheme::RsaSha256,
            other => return Err(unsupported("signature method", other, &[RSA_SHA1, RSA_SHA256]).into()),
        };
        let reference = only(signed_info, "Reference")?;
        let id = reference
            .attribute("URI")
            .and_then(|uri| uri.strip_prefix('#'))
            .filter(|id| is_plain_id(id))
            .ok_or_else(|| "the Reference must have a URI of the form #id".to_owned())?;
        let digest_algorithm = match algorithm(only(reference, "DigestMethod")?)? {
            SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            SHA256 => &digest::SHA256,
            other => return Err(unsupported("digest method", other, &[SHA1, SHA256]).into()),
        };
        Ok(Self {
            signed_info,
            form,
            scheme,
            reference: id.to_owned(),
            transformed: transforms(reference)?,
            digest_algorithm,
            digest: decode(only(reference, "DigestValue")?)?,
            value: decode(only(element, "SignatureValue")?)?,
            certificates: certificates(element, known, meter)?,
        })
    }

    /// Checks the signature value, which is over `SignedInfo` alone, and gives those of the certificates whose key made
    /// it. Nothing of the document has been looked at yet: that is for those who turn out to be allowed to sign.
    pub(crate) fn signers(&self, meter: &Meter) -> Result<Vec<Certificate>, SignatureError> {
        let signed = canonicalise(self.signed_info, &self.form, meter);
        if signed.len() > MAX_SIGNED_INFO {
            let reason =
                format!("SignedInfo has {} bytes; at most {MAX_SIGNED_INFO} are accepted", signed.len());
            return Err(reason.into());
        }
        let mut signers = Vec::new();
        for certificate in &self.certificates {
            let cost = certificate.key().cost() + signed.len();
            if !meter.allows(cost) {
                return Err("its keys take too much work to check".to_owned().into());
            }
            meter.charge(cost);
            if certificate.key().verifies(&self.scheme, signed.as_bytes(), &self.value) {
                signers.push(certificate.clone());
            }
        }
        if signers.is_empty() {
            return Err("no X509Certificate in its KeyInfo has the key that made it".to_owned().into());
        }
        Ok(signers)
    }

    /// Checks the digest over `element`, which must bear the referenced `xml:id`. Gives the canonical text that was
    /// signed.
    pub(crate) fn check_digest(
        &self,
        element: Node<'_, '_>,
        meter: &Meter,
    ) -> Result<String, SignatureError> {
        if !meter.allows(element.range().len()) {
            return Err("its content takes too much work to check".to_owned().into());
        }
        let canonical = canonicalise(element, &self.transformed, meter);
        meter.charge(canonical.len());
        if digest::digest(self.digest_algorithm, canonical.as_bytes()).as_ref() != self.digest {
            return Err("the content was changed after it was signed (its digest differs)".to_owned().into());
        }
        Ok(canonical)
    }

    /// Whether SHA-1 has a part in it.
    pub(crate) fn rests_on_sha1(&self) -> bool {
        self.scheme == Scheme::RsaSha1 || *self.digest_algorithm == digest::SHA1_FOR_LEGACY_USE_ONLY
    }
}

/// The one child in the signature namespace with this name.
fn only<'a, 'i>(parent: Node<'a, 'i>, name: &'static str) -> Result<Node<'a, 'i>, String> {
    let mut found = children_in(parent, Some(DS), name);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("{name} is missing")),
        _ => Err(format!("more than one {name}; exactly one is allowed")),
    }
}

fn algorithm<'a>(element: Node<'a, '_>) -> Result<&'a str, String> {
    element.attribute("Algorithm").ok_or_else(|| format!("{} has no Algorithm", element.tag_name().name()))
}

fn unsupported(what: &str, found: &str, wanted: &[&str]) -> String {
    format!("{what} {} is not supported; use {}", crate::document::short(found), wanted.join(" or "))
}

/// Reads a canonicalization method, or a transform that is one.
fn canonical_form(element: Node<'_, '_>) -> Result<Form, String> {
    match algorithm(element)? {
        INCLUSIVE => Ok(Form::Inclusive),
        EXCLUSIVE => {
            let list = children_in(element, Some(EXCLUSIVE), "InclusiveNamespaces")
                .filter_map(|list| list.attribute("PrefixList"))
                .flat_map(str::split_ascii_whitespace);
            let prefixes: HashSet<String> = list
                .take(MAX_PREFIXES + 1)
                .map(|prefix| if prefix == "#default" { String::new() } else { prefix.to_owned() })
                .collect();
            if prefixes.len() > MAX_PREFIXES {
                return Err(format!("InclusiveNamespaces lists more than {MAX_PREFIXES} prefixes"));
            }
            Ok(Form::Exclusive { prefixes })
        }
        other => Err(unsupported("canonicalization", other, &[INCLUSIVE, EXCLUSIVE])),
    }
}

/// Reads the transforms. Since the signature stands outside of what it signs, `enveloped-signature` takes
/// nothing away; it is allowed because GENI's tools write it. What comes out is canonicalised, inclusively
/// unless a transform says otherwise.
fn transforms(reference: Node<'_, '_>) -> Result<Form, String> {
    let mut lists = children_in(reference, Some(DS), "Transforms");
    let (Some(list), more) = (lists.next(), lists.next()) else { return Ok(Form::Inclusive) };
    if more.is_some() {
        return Err("more than one Transforms; at most one is allowed".to_owned());
    }
    let mut enveloped = false;
    let mut form = None;
    for transform in list.children().filter(Node::is_element) {
        if transform.tag_name().name() != "Transform" || transform.tag_name().namespace() != Some(DS) {
            return Err("Transforms may hold Transform elements only".to_owned());
        }
        match algorithm(transform)? {
            ENVELOPED if !enveloped && form.is_none() => enveloped = true,
            INCLUSIVE | EXCLUSIVE if form.is_none() => form = Some(canonical_form(transform)?),
            other => {
                return Err(format!(
                    "transform {} is not accepted here; enveloped-signature and then one canonicalization are",
                    crate::document::short(other)
                ));
            }
        }
    }
    Ok(form.unwrap_or(Form::Inclusive))
}

fn certificates(
    signature: Node<'_, '_>,
    known: &Known,
    meter: &Meter,
) -> Result<Vec<Certificate>, SignatureError> {
    let info = only(signature, "KeyInfo")?;
    let mut found = Vec::new();
    for data in children_in(info, Some(DS), "X509Data") {
        for certificate in children_in(data, Some(DS), "X509Certificate") {
            if found.len() == MAX_CERTIFICATES {
                return Err(format!("more than {MAX_CERTIFICATES} X509Certificate elements").into());
            }
            let text = crate::document::text(certificate)?;
            let der = decode_certificate(&text).map_err(SignatureError::Certificate)?;
            found.push(known.certificate(&der, meter).map_err(SignatureError::Certificate)?);
        }
    }
    if found.is_empty() {
        let reason = "its KeyInfo holds no X509Certificate; a KeyValue or KeyName alone is never trusted";
        return Err(reason.to_owned().into());
    }
    Ok(found)
}

fn decode(element: Node<'_, '_>) -> Result<Vec<u8>, String> {
    let compact: String =
        crate::document::text(element)?.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).map_err(|_| format!("{} is not base64", element.tag_name().name()))
}

/// Identifiers are compared as they stand, so they must be such that no reader sees them differently.
pub(crate) fn is_plain_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}
