//! A verified credential, and how it is verified.
//!
//! Source of the rules: the GENI credentials page and the order of checks of the reference software. The
//! signatures come first, so that nothing is said about content that nobody signed; then the certificates;
//! then the names and times; then who may have signed: for a credential straight from its authority, an
//! authority over the target; for a delegated one, the owner of its parent.

use crate::chain::Chain;
use crate::document::{self, XML, at_most_one, children, children_in, exactly_one, short, text};
use crate::error::{CredentialError, Level, Role};
use crate::signature::{DS, Signature, SignatureError, is_plain_id};
use crate::{Certificate, Privileges, TrustRoots, datetime};
use chrono::{DateTime, Utc};
use roxmltree::Node;
use urn::{Kind, Urn};
use uuid::Uuid;

/// The most levels of one credential: the credential and the parents it was delegated from.
pub(crate) const MAX_LEVELS: usize = 9;
/// The most certificates in one `owner_gid` or `target_gid`.
const MAX_GID: usize = 10;
/// The most privileges of one level.
const MAX_PRIVILEGES: usize = 64;

/// A `geni_sfa` credential whose signatures, chains and delegations held when it was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Who holds it.
    pub owner: Urn,
    /// The owner's SubjectPublicKeyInfo as DER.
    pub owner_spki: Vec<u8>,
    /// The owner's UUID, where the certificate has one.
    pub owner_uuid: Option<Uuid>,
    /// What it is about: a slice, a user, an authority.
    pub target: Urn,
    /// What it grants, `*` expanded.
    pub privileges: Privileges,
    /// When it ends: the earliest end of its levels.
    pub expires: DateTime<Utc>,
    /// The earliest end of the certificates it rests on.
    pub chain_expires: DateTime<Utc>,
    /// Who signed the undelegated credential.
    pub issuer: Urn,
    /// How often it was delegated; 0 for a credential straight from its authority.
    pub delegations: usize,
}

impl Credential {
    /// The type of the target's URN.
    #[must_use]
    pub fn target_kind(&self) -> Kind {
        self.target.kind()
    }

    /// The first second at which it grants nothing more: its own end or that of its certificates.
    #[must_use]
    pub fn usable_until(&self) -> DateTime<Utc> {
        self.expires.min(self.chain_expires)
    }
}

/// A credential with the time from which its certificates hold.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) credential: Credential,
    pub(crate) from: DateTime<Utc>,
}

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

/// Verifies a signed credential against the roots.
pub(crate) fn verify(xml: &str, roots: &TrustRoots, now: DateTime<Utc>) -> Result<Verified, CredentialError> {
    let document = document::parse(xml)?;
    let levels = elements(document.root_element())?;
    let signatures = signatures(document.root_element(), &levels)?;
    let mut signers = Vec::with_capacity(levels.len());
    for ((level, element), signature) in levels.iter().zip(&signatures) {
        signers.push(signature.verify(*element).map_err(|error| signature_error(*level, error))?);
    }
    let readings =
        levels.iter().map(|(level, element)| read(*level, *element)).collect::<Result<Vec<_>, _>>()?;

    let mut window = Window::new();
    let mut issuer = None;
    for (index, (reading, candidates)) in readings.iter().zip(&signers).enumerate() {
        let chain = |role: Role, leaf: &Certificate, pool: &[Certificate]| {
            roots.chain(leaf, pool, now).map_err(|source| CredentialError::Chain {
                level: reading.level,
                role,
                source,
            })
        };
        for (role, gid) in [(Role::Owner, &reading.owner), (Role::Target, &reading.target)] {
            if let Some(leaf) = gid.first() {
                window.narrow(&chain(role, leaf, gid)?);
            }
        }
        let parent = readings.get(index + 1);
        let mut pool =
            signatures.get(index).map(|signature| signature.certificates.clone()).unwrap_or_default();
        pool.extend(parent.map_or(&reading.target, |parent| &parent.owner).iter().cloned());
        let mut failure = None;
        let mut signer = None;
        for candidate in candidates {
            match chain(Role::Signer, candidate, &pool).and_then(|chain| may_sign(reading, parent, chain)) {
                Ok(chain) => {
                    signer = Some(chain);
                    break;
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match (signer, failure) {
            (Some(chain), _) => {
                window.narrow(&chain);
                issuer = Some(chain.urn);
            }
            (None, Some(error)) => return Err(error),
            (None, None) => return Err(content(reading.level, "nobody signed it".into())),
        }
        if let Some(parent) = parent {
            check_delegation(reading, parent)?;
        }
    }
    for reading in &readings {
        if now >= reading.expires {
            return Err(CredentialError::Expired { level: reading.level, expired: reading.expires, now });
        }
    }
    conclude(&readings, issuer, &window)
}

/// The time during which all certificates hold.
struct Window {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Window {
    fn new() -> Self {
        Self { from: DateTime::<Utc>::MIN_UTC, until: DateTime::<Utc>::MAX_UTC }
    }

    fn narrow(&mut self, chain: &Chain) {
        self.from = self.from.max(chain.from);
        self.until = self.until.min(chain.until);
    }
}

fn conclude(readings: &[Reading], issuer: Option<Urn>, window: &Window) -> Result<Verified, CredentialError> {
    let (Some(outer), Some(issuer), Some(expires)) =
        (readings.first(), issuer, readings.iter().map(|reading| reading.expires).min())
    else {
        return Err(CredentialError::NotACredential("it holds no credential element".into()));
    };
    let owner = outer.owner.first();
    let credential = Credential {
        owner: outer.owner_urn.clone(),
        owner_spki: owner.map(|owner| owner.spki_der().to_vec()).unwrap_or_default(),
        owner_uuid: owner.and_then(Certificate::uuid),
        target: outer.target_urn.clone(),
        privileges: outer.privileges.clone(),
        expires,
        chain_expires: window.until,
        issuer,
        delegations: readings.len() - 1,
    };
    Ok(Verified { credential, from: window.from })
}

/// Whether the certificate at the end of `chain` may sign this level.
fn may_sign(reading: &Reading, parent: Option<&Reading>, chain: Chain) -> Result<Chain, CredentialError> {
    let level = reading.level;
    let Some(parent) = parent else {
        if is_authority_over(&chain, &reading.target_urn) {
            return Ok(chain);
        }
        return Err(CredentialError::NotTheAuthority {
            level,
            signer: Box::new(chain.urn),
            target: Box::new(reading.target_urn.clone()),
        });
    };
    let owners_key = parent.owner.first().is_some_and(|owner| owner.spki_der() == chain.leaf.spki_der());
    if owners_key && chain.urn == parent.owner_urn {
        return Ok(chain);
    }
    Err(CredentialError::NotTheOwner {
        level,
        signer: Box::new(chain.urn),
        owner: Box::new(parent.owner_urn.clone()),
    })
}

/// Whether the signer is an authority that may speak about the target: of type authority, and with the
/// target's authority at or below its own. An aggregate's certificate names an authority too; without the
/// right to issue certificates it may not issue credentials either.
fn is_authority_over(signer: &Chain, target: &Urn) -> bool {
    signer.urn.kind() == Kind::Authority
        && (signer.leaf.is_ca() || !matches!(signer.urn.name(), "am" | "cm"))
        && signer.urn.authority().covers(&target.authority())
}

/// Whether a delegated level stays within its parent.
pub(crate) fn check_delegation(child: &Reading, parent: &Reading) -> Result<(), CredentialError> {
    let refused = |reason: String| Err(CredentialError::Delegation { level: child.level, reason });
    if child.target_urn != parent.target_urn {
        return refused(format!("its target is {}, the parent's is {}", child.target_urn, parent.target_urn));
    }
    if child.expires > parent.expires {
        return refused(format!(
            "it ends at {}, after the parent's end at {}",
            crate::error::stamp(&child.expires),
            crate::error::stamp(&parent.expires)
        ));
    }
    match child.privileges.beyond(&parent.privileges) {
        Some(name) => {
            refused(format!("privilege {} is not among those that the parent lets be delegated", short(name)))
        }
        None => Ok(()),
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
fn signatures<'a, 'i>(
    root: Node<'a, 'i>,
    levels: &[(Level, Node<'a, 'i>)],
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
        let signature =
            Signature::read(element).map_err(|error| signature_error(meant(element, levels), error))?;
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

/// Reads one level.
pub(crate) fn read(level: Level, element: Node<'_, '_>) -> Result<Reading, CredentialError> {
    let wrong = |reason| content(level, reason);
    let value = |name| exactly_one(element, name).and_then(text).map_err(wrong);
    let kind = value("type")?;
    if kind.trim() != "privilege" {
        return Err(wrong(format!("its type is {}; privilege is the only one accepted", short(kind.trim()))));
    }
    let gid = |role: Role, name, urn_name| -> Result<(Vec<Certificate>, Urn), CredentialError> {
        let certificate = |source| CredentialError::Certificate { level, role, source };
        let chain = Certificate::chain_from_pem(&value(name)?).map_err(certificate)?;
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

fn content(level: Level, reason: String) -> CredentialError {
    CredentialError::Content { level, reason }
}

fn signature_error(level: Level, error: SignatureError) -> CredentialError {
    match error {
        SignatureError::Form(reason) => CredentialError::Signature { level, reason },
        SignatureError::Certificate(source) => {
            CredentialError::Certificate { level, role: Role::Signer, source }
        }
    }
}

#[cfg(test)]
mod tests;
