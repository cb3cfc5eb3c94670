//! The extensions of a certificate, as far as GENI and chain building go.

use super::{CertificateError, der, malformed};
use std::collections::HashSet;
use urn::Urn;
use uuid::Uuid;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE,
    OID_X509_EXT_NAME_CONSTRAINTS, OID_X509_EXT_SUBJECT_ALT_NAME, Oid,
};

/// What the subjectAltName says.
#[derive(Default)]
pub(super) struct Names {
    pub(super) urn: Option<Urn>,
    pub(super) uuid: Option<Uuid>,
    pub(super) email: Option<String>,
}

/// What the other extensions say.
#[derive(Default, Clone)]
pub(crate) struct Constraints {
    /// Basic constraints: CA:TRUE.
    pub(crate) ca: bool,
    /// Basic constraints: how many authorities may follow below this one.
    pub(crate) path_length: Option<u32>,
    /// Key usage, where there is one.
    pub(crate) usage: Option<Usage>,
    /// Extended key usage, where there is one.
    pub(crate) purposes: Option<Purposes>,
    /// Whether there are name constraints.
    pub(crate) names: bool,
    /// A critical extension that this crate does not know how to honour.
    pub(crate) unknown_critical: Option<String>,
}

/// What a key may be used for (RFC 5280, section 4.2.1.3).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Signatures other than those on certificates and revocation lists: TLS handshakes, documents.
    pub(crate) digital_signature: bool,
    /// Signatures that bind their maker: documents.
    pub(crate) content_commitment: bool,
    /// Signatures on certificates.
    pub(crate) cert_sign: bool,
}

/// The purposes a certificate is limited to (RFC 5280, section 4.2.1.12).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Purposes {
    /// Being a TLS client.
    pub(crate) client: bool,
    /// Signing documents: as such (RFC 9336), in mail, or as the client whose identity the certificate proves.
    pub(crate) documents: bool,
}

impl Purposes {
    fn of(extended: &ExtendedKeyUsage<'_>) -> Self {
        let document_signing = |oid: &Oid<'_>| oid.as_bytes() == [0x2b, 6, 1, 5, 5, 7, 3, 36];
        let client = extended.any || extended.client_auth;
        Self {
            client,
            documents: client || extended.email_protection || extended.other.iter().any(document_signing),
        }
    }
}

/// Reads the extensions of a certificate.
pub(super) fn read(x509: &X509Certificate<'_>) -> Result<(Names, Constraints), CertificateError> {
    let mut names = Names::default();
    let mut constraints = Constraints::default();
    let mut seen = HashSet::new();
    for extension in x509.extensions() {
        if !seen.insert(extension.oid.as_bytes()) {
            return Err(malformed("an extension appears twice"));
        }
        if matters(&extension.oid) {
            der::check(extension.value).map_err(malformed)?;
        }
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(alternatives) => {
                names = read_names(&alternatives.general_names)?;
            }
            ParsedExtension::BasicConstraints(basic) => {
                constraints.ca = basic.ca;
                constraints.path_length = basic.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => {
                constraints.usage = Some(Usage {
                    digital_signature: usage.digital_signature(),
                    content_commitment: usage.non_repudiation(),
                    cert_sign: usage.key_cert_sign(),
                });
            }
            ParsedExtension::ExtendedKeyUsage(extended) => {
                constraints.purposes = Some(Purposes::of(extended));
            }
            ParsedExtension::NameConstraints(_) => constraints.names = true,
            ParsedExtension::ParseError { .. } if extension.critical || matters(&extension.oid) => {
                return Err(malformed("an extension that matters cannot be read"));
            }
            // Key identifiers and policies add nothing to a chain whose signatures are all checked.
            ParsedExtension::SubjectKeyIdentifier(_)
            | ParsedExtension::AuthorityKeyIdentifier(_)
            | ParsedExtension::CertificatePolicies(_) => {}
            _ if extension.critical => {
                constraints.unknown_critical.get_or_insert_with(|| identifier(&extension.oid));
            }
            _ => {}
        }
    }
    Ok((names, constraints))
}

/// An object identifier for a message. One with very long arcs is not spelt out.
fn identifier(oid: &Oid<'_>) -> String {
    if oid.as_bytes().len() > 64 { "a very long identifier".to_owned() } else { oid.to_id_string() }
}

/// Whether an extension says something that is acted upon here.
fn matters(oid: &Oid<'_>) -> bool {
    [
        OID_X509_EXT_SUBJECT_ALT_NAME,
        OID_X509_EXT_BASIC_CONSTRAINTS,
        OID_X509_EXT_KEY_USAGE,
        OID_X509_EXT_EXTENDED_KEY_USAGE,
        OID_X509_EXT_NAME_CONSTRAINTS,
    ]
    .contains(oid)
}

fn read_names(alternatives: &[GeneralName<'_>]) -> Result<Names, CertificateError> {
    let mut names = Names::default();
    for alternative in alternatives {
        match alternative {
            GeneralName::URI(uri) if starts_with(uri, "urn:publicid:IDN+") => {
                let urn: Urn = uri.parse()?;
                if let Some(first) = names.urn.replace(urn.clone()) {
                    return Err(CertificateError::SeveralUrns(Box::new(first), Box::new(urn)));
                }
            }
            GeneralName::URI(uri) if starts_with(uri, "urn:uuid:") && names.uuid.is_none() => {
                names.uuid = uri.get("urn:uuid:".len()..).and_then(|text| Uuid::try_parse(text).ok());
            }
            GeneralName::RFC822Name(email) if names.email.is_none() => {
                names.email = Some((*email).to_owned());
            }
            _ => {}
        }
    }
    Ok(names)
}

fn starts_with(text: &str, head: &str) -> bool {
    text.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head))
}
