//! A verified credential, and how it is verified.
//!
//! Source of the rules: the GENI credentials page. A credential straight from its authority is signed by an authority
//! over the target, a delegated one by the owner of its parent. The checks go from the authority's level outwards, and
//! at each level from who signed to what is said, so that work is done only for those who have a right to it, and
//! nothing is said about content that nobody signed.

mod reading;

pub(crate) use reading::{MAX_LEVELS, Reading, elements, read};

use crate::chain::{Chain, Purpose};
use crate::document::{self, short};
use crate::effort::Meter;
use crate::error::{CredentialError, Level, Role};
use crate::signature::Signature;
use crate::{Certificate, Privileges, TrustRoots};
use chrono::{DateTime, Utc};
use reading::{content, signature_error, signatures, unsigned_target};
use roxmltree::Node;
use urn::{Kind, Urn};
use uuid::Uuid;

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
    /// The UUID in the target's certificate (`target_gid`), where it has one. A URN can be given to another slice
    /// one day, a UUID cannot (GENI certificates page).
    pub target_uuid: Option<Uuid>,
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
    /// A digest of what was signed, in its canonical form, and of the keys that signed it, at all levels. It is the same
    /// for every text of one credential: white space, comments and certificates outside of what is signed do not count.
    /// A deny-list or an audit trail names a credential by it.
    pub fingerprint: [u8; 32],
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

/// Verifies a signed credential against the roots, from the level that an authority signed to the outermost.
///
/// At each level the signature value comes first, which covers a kilobyte; then the signer's chain, and whether the
/// signer is anybody who may sign here. The content, which can be large, is digested only then: those without any right
/// cannot make it be looked at.
pub(crate) fn verify(
    xml: &str,
    roots: &TrustRoots,
    now: DateTime<Utc>,
    meter: &Meter,
) -> Result<Verified, CredentialError> {
    let document = document::parse(xml, meter)?;
    let levels = elements(document.root_element())?;
    let signatures = signatures(document.root_element(), &levels, roots.known(), meter)?;
    let mut check = Check { roots, now, meter, window: Window::new(), fingerprint: blake3::Hasher::new() };
    let mut signed: Vec<Signed> = Vec::with_capacity(levels.len());
    for ((level, element), signature) in levels.iter().zip(signatures).rev() {
        let one = check.level(*level, *element, &signature, signed.last())?;
        signed.push(one);
    }
    signed.reverse();
    for Signed { reading, .. } in &signed {
        if now >= reading.expires {
            return Err(CredentialError::Expired { level: reading.level, expired: reading.expires, now });
        }
    }
    conclude(&signed, &check)
}

/// One level whose signature holds, made by somebody who may.
struct Signed {
    reading: Reading,
    signer: Urn,
}

/// The checks that need the roots.
struct Check<'a> {
    roots: &'a TrustRoots,
    now: DateTime<Utc>,
    meter: &'a Meter,
    window: Window,
    /// Over all that was signed, and the keys it was signed with.
    fingerprint: blake3::Hasher,
}

impl Check<'_> {
    /// Checks one level, below which everything holds.
    fn level(
        &mut self,
        level: Level,
        element: Node<'_, '_>,
        signature: &Signature<'_, '_>,
        parent: Option<&Signed>,
    ) -> Result<Signed, CredentialError> {
        let parent = parent.map(|parent| &parent.reading);
        let wrong = |error| signature_error(level, error);
        if signature.rests_on_sha1() && !self.roots.policy().allow_sha1_credentials {
            let reason = "it rests on SHA-1; RSA-SHA256 over SHA-256 digests is needed".to_owned();
            return Err(CredentialError::Signature { level, reason });
        }
        let signers = signature.signers(self.meter).map_err(wrong)?;
        let candidates = self.entitled(level, element, signature, &signers, parent)?;
        let canonical = signature.check_digest(element, self.meter).map_err(wrong)?;
        let reading = read(level, element, self.roots.known(), self.meter)?;
        self.parties(&reading)?;
        let signer = authorised(candidates, &reading, parent)?;
        if let Some(parent) = parent {
            check_delegation(&reading, parent)?;
        }
        self.window.narrow(&signer);
        self.fingerprint.update(blake3::hash(canonical.as_bytes()).as_bytes());
        self.fingerprint.update(blake3::hash(signer.leaf.spki_der()).as_bytes());
        Ok(Signed { reading, signer: signer.urn })
    }

    fn chain(
        &self,
        (level, role): (Level, Role),
        leaf: &Certificate,
        pool: &[Certificate],
        purpose: Purpose,
    ) -> Result<Chain, CredentialError> {
        let chain = self.roots.chain(leaf, pool, purpose, self.now, self.meter);
        chain.map_err(|source| CredentialError::Chain { level, role, source })
    }

    /// The certificates of owner and target must be good.
    fn parties(&mut self, reading: &Reading) -> Result<(), CredentialError> {
        for (role, gid) in [(Role::Owner, &reading.owner), (Role::Target, &reading.target)] {
            if let Some(leaf) = gid.first() {
                let chain = self.chain((reading.level, role), leaf, gid, Purpose::Named)?;
                self.window.narrow(&chain);
            }
        }
        Ok(())
    }

    /// The chains of those of the signers who may sign a level at all: at the authority's level some authority, at the
    /// others the owner of the parent.
    fn entitled(
        &self,
        level: Level,
        element: Node<'_, '_>,
        signature: &Signature<'_, '_>,
        signers: &[Certificate],
        parent: Option<&Reading>,
    ) -> Result<Vec<Chain>, CredentialError> {
        // Intermediate certificates may stand beside the signature, or with the party that signs.
        let mut pool = signature.certificates.clone();
        match parent {
            Some(parent) => pool.extend(parent.owner.iter().cloned()),
            None => pool.extend(unsigned_target(element, self.roots.known(), self.meter)),
        }
        let mut entitled = Vec::new();
        let mut failure = None;
        for candidate in signers {
            let chain = self.chain((level, Role::Signer), candidate, &pool, Purpose::Signer);
            let checked = chain.and_then(|chain| match parent {
                Some(parent) => is_owner(chain, level, parent),
                None if self.roots.signs_credentials(&chain) => Ok(chain),
                None => Err(CredentialError::NotASigner { level, signer: Box::new(chain.urn) }),
            });
            match checked {
                Ok(chain) => entitled.push(chain),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(failure) if entitled.is_empty() => Err(failure),
            _ => Ok(entitled),
        }
    }
}

/// A delegated level is signed by the owner of its parent: by name and by key.
fn is_owner(chain: Chain, level: Level, parent: &Reading) -> Result<Chain, CredentialError> {
    let owners_key = parent.owner.first().is_some_and(|owner| owner.spki_der() == chain.leaf.spki_der());
    if owners_key && chain.urn == parent.owner_urn {
        return Ok(chain);
    }
    let (signer, owner) = (Box::new(chain.urn), Box::new(parent.owner_urn.clone()));
    Err(CredentialError::NotTheOwner { level, signer, owner })
}

/// Of the candidates, one that may sign what the level says: an authority must be over the target.
fn authorised(
    candidates: Vec<Chain>,
    reading: &Reading,
    parent: Option<&Reading>,
) -> Result<Chain, CredentialError> {
    let mut failure = None;
    for chain in candidates {
        if parent.is_some() || chain.urn.authority().covers(&reading.target_urn.authority()) {
            return Ok(chain);
        }
        failure = failure.or_else(|| {
            let (signer, target) = (Box::new(chain.urn), Box::new(reading.target_urn.clone()));
            Some(CredentialError::NotTheAuthority { level: reading.level, signer, target })
        });
    }
    Err(failure.unwrap_or_else(|| content(reading.level, "nobody signed it".into())))
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

fn conclude(signed: &[Signed], check: &Check<'_>) -> Result<Verified, CredentialError> {
    let (Some(Signed { reading: outer, .. }), Some(innermost), Some(expires)) =
        (signed.first(), signed.last(), signed.iter().map(|level| level.reading.expires).min())
    else {
        return Err(CredentialError::NotACredential("it holds no credential element".into()));
    };
    let owner = outer.owner.first();
    let credential = Credential {
        owner: outer.owner_urn.clone(),
        owner_spki: owner.map(|owner| owner.spki_der().to_vec()).unwrap_or_default(),
        owner_uuid: owner.and_then(Certificate::uuid),
        target: outer.target_urn.clone(),
        // The authority's word, not that of somebody who handed it on.
        target_uuid: innermost.reading.target_uuid(),
        privileges: outer.privileges.clone(),
        expires,
        chain_expires: check.window.until,
        issuer: innermost.signer.clone(),
        delegations: signed.len() - 1,
        fingerprint: *check.fingerprint.finalize().as_bytes(),
    };
    Ok(Verified { credential, from: check.window.from })
}

/// Whether a delegated level stays within its parent.
pub(crate) fn check_delegation(child: &Reading, parent: &Reading) -> Result<(), CredentialError> {
    let refused = |reason: String| Err(CredentialError::Delegation { level: child.level, reason });
    if child.target_urn != parent.target_urn {
        return refused(format!("its target is {}, the parent's is {}", child.target_urn, parent.target_urn));
    }
    if let (Some(own), Some(parents)) = (child.target_uuid(), parent.target_uuid())
        && own != parents
    {
        return refused(format!(
            "the UUID of its target is {own}, the parent's is {parents}: another target of the same name"
        ));
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

#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod tests;
