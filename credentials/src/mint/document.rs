//! Writing signed credentials.

use super::{KeyPair, MintError};
use crate::c14n::{Form, canonicalise};
use crate::document::{self as xml, XML, children_in};
use crate::effort::Meter;
use crate::error::stamp;
use crate::signature::{DS, ENVELOPED, INCLUSIVE, RSA_SHA256, SHA256};
use crate::{Certificate, CredentialError};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use urn::Urn;
use uuid::Uuid;

/// The outermost element of a new document. The schema is named as GENI's own tools name it.
const ROOT: &str = "<signed-credential xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
    xsi:noNamespaceSchemaLocation=\"http://www.planet-lab.org/resources/sfa/credential.xsd\">";

/// What one level of a credential says.
pub(crate) struct Level<'a> {
    pub(crate) owner: &'a [Certificate],
    pub(crate) target: &'a [Certificate],
    pub(crate) privileges: &'a [(&'a str, bool)],
    pub(crate) expires: DateTime<Utc>,
}

/// What a delegated credential takes over from its parent, as it stands in the parent's document.
pub(crate) struct Inherited<'a> {
    /// The start tag of the outermost element: its namespaces are part of what was signed.
    pub(crate) root: &'a str,
    /// The parent's `credential` element.
    pub(crate) credential: &'a str,
    /// The start tag of `signatures`.
    pub(crate) signatures: &'a str,
    /// The `Signature` elements.
    pub(crate) signature: Vec<&'a str>,
}

/// The URN of a chain's first certificate.
pub(crate) fn urn_of<'a>(chain: &'a [Certificate], whose: &str) -> Result<&'a Urn, MintError> {
    chain
        .first()
        .and_then(Certificate::urn)
        .ok_or_else(|| MintError::Refused(format!("the certificate of the {whose} names no URN")))
}

/// A credential whose outermost signature is still to be made: the document before and after it.
pub(crate) struct Draft {
    head: String,
    tail: &'static str,
    id: String,
}

/// A draft with one level.
pub(crate) fn draft(level: &Level<'_>, id: &str) -> Result<Draft, MintError> {
    draft_over(
        level,
        id,
        &Inherited { root: ROOT, credential: "", signatures: "<signatures>", signature: vec![] },
    )
}

/// A draft whose outer level wraps what is inherited.
pub(crate) fn draft_over(level: &Level<'_>, id: &str, inherited: &Inherited<'_>) -> Result<Draft, MintError> {
    let gid = |chain: &[Certificate]| chain.iter().map(Certificate::to_pem).collect::<String>();
    let parent = match inherited.credential {
        "" => String::new(),
        credential => format!("<parent>{credential}</parent>"),
    };
    let privileges: String = level
        .privileges
        .iter()
        .map(|(name, can_delegate)| {
            let name = escape(name);
            format!("<privilege><name>{name}</name><can_delegate>{can_delegate}</can_delegate></privilege>")
        })
        .collect();
    let head = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         {root}<credential xml:id=\"{id}\"><type>privilege</type><serial>{serial}</serial>\
         <owner_gid>{owner_gid}</owner_gid><owner_urn>{owner_urn}</owner_urn>\
         <target_gid>{target_gid}</target_gid><target_urn>{target_urn}</target_urn>\
         <uuid/><expires>{expires}</expires><privileges>{privileges}</privileges>{parent}</credential>\
         {signatures}{others}",
        root = inherited.root,
        serial = Uuid::new_v4().as_u64_pair().0 >> 16,
        owner_gid = gid(level.owner),
        owner_urn = escape(urn_of(level.owner, "owner")?.as_str()),
        target_gid = gid(level.target),
        target_urn = escape(urn_of(level.target, "target")?.as_str()),
        expires = stamp(&level.expires),
        signatures = inherited.signatures,
        others = inherited.signature.concat(),
    );
    Ok(Draft { head, tail: "</signatures></signed-credential>\n", id: id.to_owned() })
}

impl Draft {
    /// The draft with another text, for tests of what a verifier does about it.
    #[cfg(test)]
    pub(crate) fn map(self, change: impl Fn(&str) -> String) -> Self {
        Self { head: change(&self.head), ..self }
    }

    /// The document without the signature to come.
    pub(crate) fn unsigned(&self) -> String {
        format!("{}{}", self.head, self.tail)
    }

    /// The document with a signature of these values and certificates. Only certificates go into its
    /// KeyInfo: a bare KeyValue would lead some verifiers to trust whoever signed.
    fn with(&self, digest: &str, value: &str, certificates: &str) -> String {
        let Self { head, tail, id } = self;
        format!(
            "{head}<Signature xmlns=\"{DS}\" xml:id=\"Sig_{id}\"><SignedInfo>\
             <CanonicalizationMethod Algorithm=\"{INCLUSIVE}\"/><SignatureMethod Algorithm=\"{RSA_SHA256}\"/>\
             <Reference URI=\"#{id}\"><Transforms><Transform Algorithm=\"{ENVELOPED}\"/></Transforms>\
             <DigestMethod Algorithm=\"{SHA256}\"/><DigestValue>{digest}</DigestValue></Reference>\
             </SignedInfo><SignatureValue>{value}</SignatureValue>\
             <KeyInfo><X509Data>{certificates}</X509Data></KeyInfo></Signature>{tail}"
        )
    }

    /// The signed document.
    pub(crate) fn sign(&self, chain: &[Certificate], key: &KeyPair) -> Result<String, MintError> {
        let digest = with_element(&self.unsigned(), &self.id, |element| {
            let canonical = canonicalise(element, &Form::Inclusive, &Meter::unlimited());
            STANDARD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
        })?;
        let signed_info =
            with_element(&self.with(&digest, "", ""), &format!("Sig_{}", self.id), |element| {
                children_in(element, Some(DS), "SignedInfo")
                    .map(|signed_info| canonicalise(signed_info, &Form::Inclusive, &Meter::unlimited()))
                    .collect::<String>()
            })?;
        let value = STANDARD.encode(key.sign_sha256(signed_info.as_bytes())?);
        let certificates: String = chain
            .iter()
            .map(|one| format!("<X509Certificate>{}</X509Certificate>", STANDARD.encode(one.der())))
            .collect();
        Ok(self.with(&digest, &value, &certificates))
    }
}

/// Parses the document and applies `use_it` to the element with this `xml:id`.
fn with_element<T>(
    document: &str,
    id: &str,
    use_it: impl FnOnce(roxmltree::Node<'_, '_>) -> T,
) -> Result<T, CredentialError> {
    let parsed = xml::parse(document, &Meter::unlimited())?;
    let element = parsed.descendants().find(|node| node.attribute((XML, "id")) == Some(id));
    element.map(use_it).ok_or_else(|| CredentialError::NotACredential(format!("no element has xml:id {id}")))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
