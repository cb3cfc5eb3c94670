//! Reading a signed credential: its levels, each found by its place, and the signature of each.
//!
//! Source of the form: the GENI credentials page and its schema. What GENI's tools write differently is read
//! leniently (empty `owner_urn`, white space around values, any extension); what could be read in two ways is
//! refused.

use crate::document::{XML, at_most_one, children, children_in, exactly_one, short, text};
use crate::effort::Meter;
use crate::error::{CredentialError, Level, Role};
use crate::known::Known;
use crate::signature::{DS, Signature, SignatureError, is_plain_id};
use crate::{Certificate, Privileges, datetime};
use chrono::{DateTime, Utc};
use roxmltree::Node;
use urn::Urn;
use uuid::Uuid;

/// The most levels of one credential: the credential and the parents it was delegated from.
pub(crate) const MAX_LEVELS: usize = 9;
/// The most certificates in one `owner_gid` or `target_gid`.
const MAX_GID: usize = 10;
/// The most privileges of one level.
const MAX_PRIVILEGES: usize = 64;

/// One level as it stands in the document, its form checked.
pub(crate) struct Reading {
    pub(crate) level: Level,
    pub(crate) owner: Vec<Certificate>,
    pub(crate) owner_urn: Urn,
    pub(crate) target: Vec<Certificate>,
    pub(crate) target_urn: Urn,
    pub(crate) privileges: Privileges,
    pub(crate) expires: DateTime<Utc>,
}

impl Reading {
    /// The UUID in the target's certificate.
    pub(crate) fn target_uuid(&self) -> Option<Uuid> {
        self.target.first().and_then(Certificate::uuid)
    }
}

/// Finds the `credential` elements by their places: the outer one directly under `signed-credential`, each
/// next one under `parent` of the one before.
pub(crate) fn elements<'a, 'i>(root: Node<'a, 'i>) -> Result<Vec<(Level, Node<'a, 'i>)>, CredentialError> {
    let not_one = CredentialError::NotACredential;
    let plain = |node: &Node<'_, '_>, names: &[&str]| {
        node.tag_name().namespace().is_none() && names.contains(&node.tag_name().name())
    };
    if !plain(&root, &["signed-credential"]) {
        return Err(not_one(format!(
            "its outermost element is {}; it must be signed-credential in no namespace",
            called(root)
        )));
    }
    let mut elements = root.children().filter(Node::is_element);
    if let Some(other) = elements.find(|node| !plain(node, &["credential", "signatures"])) {
        return Err(not_one(format!(
            "signed-credential may hold credential and signatures (in no namespace) only, not {}",
            called(other)
        )));
    }
    let mut levels = vec![(Level(0), exactly_one(root, "credential").map_err(not_one)?)];
    while let Some((level, element)) = levels.last().copied() {
        let Some(parent) = at_most_one(element, "parent").map_err(|reason| content(level, reason))? else {
            break;
        };
        if levels.len() == MAX_LEVELS {
            return Err(CredentialError::TooLarge {
                what: "levels of delegation or more",
                found: MAX_LEVELS,
                limit: MAX_LEVELS - 1,
            });
        }
        let inner = exactly_one(parent, "credential").map_err(|reason| content(level, reason))?;
        levels.push((Level(levels.len()), inner));
    }
    Ok(levels)
}

/// Finds for each level the one signature that refers to it.
pub(super) fn signatures<'a, 'i>(
    root: Node<'a, 'i>,
    levels: &[(Level, Node<'a, 'i>)],
    known: &Known,
    meter: &Meter,
) -> Result<Vec<Signature<'a, 'i>>, CredentialError> {
    let list = exactly_one(root, "signatures").map_err(CredentialError::NotACredential)?;
    let found: Vec<Node<'_, '_>> = children_in(list, Some(DS), "Signature").take(MAX_LEVELS + 1).collect();
    if found.len() != levels.len() {
        let reason = format!(
            "signatures holds {} Signature elements for {} credential elements; each must have exactly one",
            found.len(),
            levels.len()
        );
        return Err(CredentialError::Signature { level: Level(0), reason });
    }
    let mut read = Vec::with_capacity(found.len());
    for element in found {
        let signature = Signature::read(element, known, meter)
            .map_err(|error| signature_error(meant(element, levels), error))?;
        read.push(signature);
    }
    let mut matched = Vec::with_capacity(levels.len());
    for (level, element) in levels {
        let id = element_id(*level, *element)?;
        let position = read.iter().position(|signature| signature.reference == id).ok_or_else(|| {
            let reason = format!("no Signature refers to it by URI=\"#{id}\"");
            CredentialError::Signature { level: *level, reason }
        })?;
        // Each is taken once, so two for one level leave another level without.
        matched.push(read.swap_remove(position));
    }
    Ok(matched)
}

/// The level that a signature seems to be for, to name in a message about its form.
fn meant(signature: Node<'_, '_>, levels: &[(Level, Node<'_, '_>)]) -> Level {
    let mut references = signature.descendants().filter_map(|node| node.attribute("URI")?.strip_prefix('#'));
    references
        .find_map(|uri| levels.iter().find(|(_, element)| element.attribute((XML, "id")) == Some(uri)))
        .map_or(Level(0), |(level, _)| *level)
}

fn element_id<'a>(level: Level, element: Node<'a, '_>) -> Result<&'a str, CredentialError> {
    element.attribute((XML, "id")).filter(|id| is_plain_id(id)).ok_or_else(|| {
        content(level, "its credential element has no xml:id of letters, digits, '-', '_' and '.'".into())
    })
}

/// The certificates in the `target_gid` of a level whose content is not known to be signed yet. They prove themselves:
/// an issuer of the signer's certificate may be among them. What cannot be read is left to [`read`] to complain of.
pub(super) fn unsigned_target(element: Node<'_, '_>, known: &Known, meter: &Meter) -> Vec<Certificate> {
    let gid = exactly_one(element, "target_gid").and_then(text).unwrap_or_default();
    let chain = Certificate::chain_from_pem_with(&gid, |der| known.certificate(der, meter));
    chain.unwrap_or_default().into_iter().take(MAX_GID).collect()
}

/// Reads one level.
pub(crate) fn read(
    level: Level,
    element: Node<'_, '_>,
    known: &Known,
    meter: &Meter,
) -> Result<Reading, CredentialError> {
    let wrong = |reason| content(level, reason);
    let value = |name| exactly_one(element, name).and_then(text).map_err(wrong);
    let kind = value("type")?;
    if kind.trim() != "privilege" {
        return Err(wrong(format!("its type is {}; privilege is the only one accepted", short(kind.trim()))));
    }
    let gid = |role: Role, name, urn_name| -> Result<(Vec<Certificate>, Urn), CredentialError> {
        let certificate = |source| CredentialError::Certificate { level, role, source };
        let chain = Certificate::chain_from_pem_with(&value(name)?, |der| known.certificate(der, meter))
            .map_err(certificate)?;
        if chain.len() > MAX_GID {
            return Err(wrong(format!(
                "{name} holds {} certificates; at most {MAX_GID} are accepted",
                chain.len()
            )));
        }
        let urn = chain
            .first()
            .and_then(Certificate::urn)
            .cloned()
            .ok_or_else(|| wrong(format!("the certificate in {name} names no URN")))?;
        if let Some(said) = at_most_one(element, urn_name).map_err(wrong)? {
            let said = text(said).map_err(wrong)?;
            // Some tools leave the element empty, which says nothing.
            if !said.trim().is_empty() && said.trim().parse::<Urn>().ok().as_ref() != Some(&urn) {
                return Err(wrong(format!(
                    "{urn_name} is {}, but the certificate in {name} is that of {urn}",
                    short(said.trim())
                )));
            }
        }
        Ok((chain, urn))
    };
    let (owner, owner_urn) = gid(Role::Owner, "owner_gid", "owner_urn")?;
    let (target, target_urn) = gid(Role::Target, "target_gid", "target_urn")?;
    let expires = value("expires")?;
    let expires = datetime::parse(&expires).ok_or_else(|| {
        wrong(format!("expires is {}, not a date such as 2030-01-31T12:00:00Z", short(expires.trim())))
    })?;
    let privileges = Privileges::expand(privileges(element).map_err(wrong)?, target_urn.kind());
    Ok(Reading { level, owner, owner_urn, target, target_urn, privileges, expires })
}

fn privileges(element: Node<'_, '_>) -> Result<Vec<(String, bool)>, String> {
    let list = exactly_one(element, "privileges")?;
    let mut found = Vec::new();
    for privilege in children(list, "privilege") {
        if found.len() == MAX_PRIVILEGES {
            return Err(format!("it has more than {MAX_PRIVILEGES} privileges"));
        }
        let name = text(exactly_one(privilege, "name")?)?.trim().to_owned();
        let can_delegate = match text(exactly_one(privilege, "can_delegate")?)?.trim() {
            "true" | "1" => true,
            "false" | "0" => false,
            other => return Err(format!("can_delegate is {}; true or false is needed", short(other))),
        };
        found.push((name, can_delegate));
    }
    Ok(found)
}

/// An element's name for messages, with its namespace.
fn called(element: Node<'_, '_>) -> String {
    let name = element.tag_name();
    match name.namespace() {
        Some(namespace) => format!("{} of namespace {}", short(name.name()), short(namespace)),
        None => short(name.name()),
    }
}

pub(super) fn content(level: Level, reason: String) -> CredentialError {
    CredentialError::Content { level, reason }
}

pub(super) fn signature_error(level: Level, error: SignatureError) -> CredentialError {
    match error {
        SignatureError::Form(reason) => CredentialError::Signature { level, reason },
        SignatureError::Certificate(source) => {
            CredentialError::Certificate { level, role: Role::Signer, source }
        }
    }
}
