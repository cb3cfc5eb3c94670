//! A verified credential, and how it is verified.
//!
//! Source of the rules: the GENI credentials page and the order of checks of the reference software. The
//! signatures come first, so that nothing is said about content that nobody signed; then the certificates;
//! then the names and times; then who may have signed: for a credential straight from its authority, an
//! authority over the target; for a delegated one, the owner of its parent.

mod reading;

pub(crate) use reading::{MAX_LEVELS, Reading, elements, read};

use crate::chain::Chain;
use crate::document::{self, short};
use crate::error::{CredentialError, Level, Role};
use crate::{Certificate, Privileges, TrustRoots};
use chrono::{DateTime, Utc};
use reading::{content, signature_error, signatures};
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

/// Verifies a signed credential against the roots.
pub(crate) fn verify(xml: &str, roots: &TrustRoots, now: DateTime<Utc>) -> Result<Verified, CredentialError> {
    let document = document::parse(xml)?;
    let levels = elements(document.root_element())?;
    let signatures = signatures(document.root_element(), &levels, roots.known())?;
    let mut signed = Vec::with_capacity(levels.len());
    for ((level, element), signature) in levels.iter().zip(signatures) {
        let signers = signature.verify(*element).map_err(|error| signature_error(*level, error))?;
        signed.push(Signed {
            reading: read(*level, *element, roots.known())?,
            signers,
            certificates: signature.certificates,
        });
    }
    let mut check = Check { roots, now, window: Window::new() };
    let mut issuer = None;
    for (index, level) in signed.iter().enumerate() {
        let parent = signed.get(index + 1).map(|above| &above.reading);
        check.parties(&level.reading)?;
        issuer = Some(check.signer(level, parent)?);
        if let Some(parent) = parent {
            check_delegation(&level.reading, parent)?;
        }
    }
    for Signed { reading, .. } in &signed {
        if now >= reading.expires {
            return Err(CredentialError::Expired { level: reading.level, expired: reading.expires, now });
        }
    }
    conclude(&signed, issuer, &check.window)
}

/// One level whose signature holds.
struct Signed {
    reading: Reading,
    /// The certificates whose key made the signature: more than one only where a key was certified twice.
    signers: Vec<Certificate>,
    /// All certificates that came with the signature.
    certificates: Vec<Certificate>,
}

/// The checks that need the roots.
struct Check<'a> {
    roots: &'a TrustRoots,
    now: DateTime<Utc>,
    window: Window,
}

impl Check<'_> {
    fn chain(
        &self,
        level: Level,
        role: Role,
        leaf: &Certificate,
        pool: &[Certificate],
    ) -> Result<Chain, CredentialError> {
        self.roots.chain(leaf, pool, self.now).map_err(|source| CredentialError::Chain {
            level,
            role,
            source,
        })
    }

    /// The certificates of owner and target must be good.
    fn parties(&mut self, reading: &Reading) -> Result<(), CredentialError> {
        for (role, gid) in [(Role::Owner, &reading.owner), (Role::Target, &reading.target)] {
            if let Some(leaf) = gid.first() {
                let chain = self.chain(reading.level, role, leaf, gid)?;
                self.window.narrow(&chain);
            }
        }
        Ok(())
    }

    /// Some certificate of the key that signed must be good and allowed to sign this. Gives its URN.
    fn signer(&mut self, level: &Signed, parent: Option<&Reading>) -> Result<Urn, CredentialError> {
        let reading = &level.reading;
        // Intermediate certificates may stand beside the signature, or with the party that signs.
        let mut pool = level.certificates.clone();
        pool.extend(parent.map_or(&reading.target, |parent| &parent.owner).iter().cloned());
        let mut failure = None;
        for candidate in &level.signers {
            let chain = self.chain(reading.level, Role::Signer, candidate, &pool);
            match chain.and_then(|chain| may_sign(reading, parent, chain)) {
                Ok(chain) => {
                    self.window.narrow(&chain);
                    return Ok(chain.urn);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.unwrap_or_else(|| content(reading.level, "nobody signed it".into())))
    }
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

fn conclude(signed: &[Signed], issuer: Option<Urn>, window: &Window) -> Result<Verified, CredentialError> {
    let (Some(Signed { reading: outer, .. }), Some(issuer), Some(expires)) =
        (signed.first(), issuer, signed.iter().map(|level| level.reading.expires).min())
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
        target_uuid: signed.last().and_then(|level| level.reading.target_uuid()),
        privileges: outer.privileges.clone(),
        expires,
        chain_expires: window.until,
        issuer,
        delegations: signed.len() - 1,
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
mod tests;
