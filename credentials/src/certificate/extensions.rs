//! The extensions of a certificate, as far as GENI and chain building go.

use super::{CertificateError, malformed};
use urn::Urn;
use uuid::Uuid;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_KEY_USAGE, OID_X509_EXT_SUBJECT_ALT_NAME, Oid,
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
    /// Key usage forbids signing certificates.
    pub(crate) no_cert_sign: bool,
    /// A critical extension that this crate does not know how to honour.
    pub(crate) unknown_critical: Option<String>,
}

/// Reads the extensions of a certificate.
pub(super) fn read(x509: &X509Certificate<'_>) -> Result<(Names, Constraints), CertificateError> {
    let mut names = Names::default();
    let mut constraints = Constraints::default();
    let mut seen = Vec::new();
    for extension in x509.extensions() {
        if seen.contains(&&extension.oid) {
            return Err(malformed("an extension appears twice"));
        }
        seen.push(&extension.oid);
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(alternatives) => {
                names = read_names(&alternatives.general_names)?;
            }
            ParsedExtension::BasicConstraints(basic) => {
                constraints.ca = basic.ca;
                constraints.path_length = basic.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => constraints.no_cert_sign = !usage.key_cert_sign(),
            ParsedExtension::ParseError { .. } if extension.critical || matters(&extension.oid) => {
                return Err(malformed("an extension that matters cannot be read"));
            }
            // What a key may be used for in TLS is the TLS layer's business; key identifiers and policies
            // add nothing to a chain whose signatures are all checked.
            ParsedExtension::ExtendedKeyUsage(_)
            | ParsedExtension::SubjectKeyIdentifier(_)
            | ParsedExtension::AuthorityKeyIdentifier(_)
            | ParsedExtension::CertificatePolicies(_) => {}
            _ if extension.critical => {
                constraints.unknown_critical.get_or_insert_with(|| extension.oid.to_id_string());
            }
            _ => {}
        }
    }
    Ok((names, constraints))
}

/// Whether an extension says something that is acted upon here.
fn matters(oid: &Oid<'_>) -> bool {
    [OID_X509_EXT_SUBJECT_ALT_NAME, OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_KEY_USAGE].contains(oid)
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
