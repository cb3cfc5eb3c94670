//! Name constraints: an authority that may speak for some names only (RFC 5280, section 4.2.1.10).
//!
//! They are honoured whether or not the extension is critical. A constraint on URIs is about their hosts; a GENI URN has
//! none, so that an authority with such a constraint may certify nobody here, as the RFC has it.

use super::Certificate;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, GeneralSubtree, ParsedExtension};
use x509_parser::oid_registry::OID_PKCS9_EMAIL_ADDRESS;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

impl Certificate {
    /// Whether the name constraints of `self`, an issuer, allow all the names of `subject`. They are read anew: hardly
    /// any authority has some.
    ///
    /// # Errors
    /// Which name is not allowed.
    pub(crate) fn check_names_of(&self, subject: &Self) -> Result<(), String> {
        let unreadable = |_| "its structure cannot be read".to_owned();
        let (_, issuer) = X509Certificate::from_der(self.der()).map_err(unreadable)?;
        let (_, subject) = X509Certificate::from_der(subject.der()).map_err(unreadable)?;
        let names = names(&subject);
        for extension in issuer.extensions() {
            let ParsedExtension::NameConstraints(constraints) = extension.parsed_extension() else {
                continue;
            };
            let permitted = constraints.permitted_subtrees.as_deref().unwrap_or_default();
            let excluded = constraints.excluded_subtrees.as_deref().unwrap_or_default();
            for name in &names {
                if excluded.iter().any(|subtree| is_excluded(name, subtree)) {
                    return Err(format!("{} is excluded", shown(name)));
                }
                let mut of_its_form = permitted.iter().filter(|subtree| same_form(name, subtree)).peekable();
                if of_its_form.peek().is_some() && !of_its_form.any(|subtree| lies_in(name, subtree)) {
                    return Err(format!("{} is not among those permitted", shown(name)));
                }
            }
        }
        Ok(())
    }
}

/// All the names of a certificate that constraints speak of.
fn names<'a>(x509: &'a X509Certificate<'a>) -> Vec<GeneralName<'a>> {
    let mut names = Vec::new();
    if x509.subject().iter().next().is_some() {
        names.push(GeneralName::DirectoryName(x509.subject().clone()));
    }
    let addresses = x509.subject().iter_attributes().filter(|a| *a.attr_type() == OID_PKCS9_EMAIL_ADDRESS);
    names.extend(addresses.filter_map(|address| address.as_str().ok()).map(GeneralName::RFC822Name));
    for extension in x509.extensions() {
        if let ParsedExtension::SubjectAlternativeName(alternatives) = extension.parsed_extension() {
            names.extend(alternatives.general_names.iter().cloned());
        }
    }
    names
}

fn same_form(name: &GeneralName<'_>, subtree: &GeneralSubtree<'_>) -> bool {
    match (name, &subtree.base) {
        // A form that could not be read may be any.
        (GeneralName::Invalid(..), _) | (_, GeneralName::Invalid(..)) => true,
        (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}

/// Whether a name is, or may be, within an excluded subtree: forms that are not understood count as within.
fn is_excluded(name: &GeneralName<'_>, subtree: &GeneralSubtree<'_>) -> bool {
    let understood = match name {
        GeneralName::URI(uri) => host(uri).is_some(),
        GeneralName::RFC822Name(_)
        | GeneralName::DNSName(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::IPAddress(_) => !matches!(subtree.base, GeneralName::Invalid(..)),
        _ => false,
    };
    same_form(name, subtree) && (!understood || lies_in(name, subtree))
}

/// Whether a name lies within a subtree of its form; never where the form is not understood.
fn lies_in(name: &GeneralName<'_>, subtree: &GeneralSubtree<'_>) -> bool {
    match (name, &subtree.base) {
        (GeneralName::DNSName(name), GeneralName::DNSName(base)) => in_domain(name, base),
        (GeneralName::RFC822Name(name), GeneralName::RFC822Name(base)) => {
            if base.contains('@') {
                return name.eq_ignore_ascii_case(base);
            }
            name.rsplit_once('@').is_some_and(|(_, host)| in_host(host, base))
        }
        (GeneralName::URI(name), GeneralName::URI(base)) => {
            host(name).is_some_and(|host| in_host(host, base))
        }
        (GeneralName::DirectoryName(name), GeneralName::DirectoryName(base)) => in_directory(name, base),
        (GeneralName::IPAddress(name), GeneralName::IPAddress(base)) => {
            let (network, mask) = base.split_at(base.len() / 2);
            name.len() == network.len()
                && mask.len() == network.len()
                && name.iter().zip(network).zip(mask).all(|((a, b), mask)| a & mask == b & mask)
        }
        _ => false,
    }
}

/// A host name within a domain, which an empty base makes all of them.
fn in_domain(name: &str, base: &str) -> bool {
    let base = base.strip_prefix('.').unwrap_or(base);
    base.is_empty() || name.eq_ignore_ascii_case(base) || ends_with_label(name, base)
}

/// A host that is the base itself, or lies below it where the base begins with a dot.
fn in_host(host: &str, base: &str) -> bool {
    match base.strip_prefix('.') {
        Some(domain) => ends_with_label(host, domain),
        None => base.is_empty() || host.eq_ignore_ascii_case(base),
    }
}

fn ends_with_label(name: &str, base: &str) -> bool {
    let Some(at) = name.len().checked_sub(base.len() + 1) else { return false };
    name.get(at..at + 1) == Some(".") && name.get(at + 1..).is_some_and(|end| end.eq_ignore_ascii_case(base))
}

/// The host name in a URI's authority component; none where it is an address.
fn host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = authority.split_once(':').map_or(authority, |(host, _)| host);
    let is_name =
        host.contains('.') && host.contains(|c: char| c.is_ascii_alphabetic()) && !host.starts_with('[');
    is_name.then_some(host)
}

/// Whether a distinguished name begins with all parts of another.
fn in_directory(name: &X509Name<'_>, base: &X509Name<'_>) -> bool {
    let mut parts = name.iter();
    base.iter().all(|wanted| {
        let Some(part) = parts.next() else { return false };
        let of = |rdn: &x509_parser::x509::RelativeDistinguishedName<'_>| {
            let mut all: Vec<(String, String)> = rdn
                .iter()
                .map(|one| {
                    let value = match one.as_str() {
                        Ok(text) => text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase(),
                        Err(_) => format!("{:?}", one.as_slice()),
                    };
                    (one.attr_type().to_id_string(), value)
                })
                .collect();
            all.sort();
            all
        };
        of(part) == of(wanted)
    })
}

fn shown(name: &GeneralName<'_>) -> String {
    let text = match name {
        GeneralName::RFC822Name(text) | GeneralName::DNSName(text) | GeneralName::URI(text) => {
            (*text).to_owned()
        }
        GeneralName::DirectoryName(name) => name.to_string(),
        GeneralName::IPAddress(_) => "an address in it".to_owned(),
        _ => "a name of another form".to_owned(),
    };
    crate::document::short(&text)
}
