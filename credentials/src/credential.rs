//! A verified credential.

use crate::Privileges;
use chrono::{DateTime, Utc};
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
