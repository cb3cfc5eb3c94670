//! The way from a certificate to a trusted root.
//!
//! GENI certificates of one authority often bear the same serial number and no key identifiers, so an
//! issuer is whoever has the issuer's name *and* made the signature; of several such, each is tried. A
//! chain counts when every issuer in it may issue certificates and is an authority over what stands below
//! it (GENI certificates page): `a:b` may vouch for `a:b` and `a:b:c`, never for `a` or `ab`.

use crate::algorithm::Scheme;
use crate::effort::Meter;
use crate::error::stamp;
use crate::{Certificate, Identity, Policy};
use chrono::{DateTime, Utc};
use std::fmt;
use urn::{Kind, Urn};

/// The most certificates that may be presented together.
const MAX_PRESENTED: usize = 48;
/// The longest chain, root included.
const MAX_LENGTH: usize = 10;
/// The most signatures checked while looking for one chain.
const MAX_SIGNATURES: usize = 64;

/// Why a certificate does not chain to a trusted root. Certificates are named by their URN, or else by
/// their subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No certificate was presented.
    #[error("no certificate was presented")]
    Empty,
    /// More certificates, or more work, than any honest chain needs.
    #[error("the chain takes more than {limit} {what} to check")]
    TooLong {
        /// What was counted.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Larger keys, or more signatures, than any honest chain has.
    #[error("the chain takes too much work to check: too many signatures of too large keys")]
    TooMuchWork,
    /// Its time is over.
    #[error("the certificate of {name} expired at {}", stamp(not_after))]
    Expired {
        /// Whose certificate.
        name: String,
        /// When it expired.
        not_after: DateTime<Utc>,
    },
    /// Its time has not come.
    #[error("the certificate of {name} is not valid before {}", stamp(not_before))]
    NotYetValid {
        /// Whose certificate.
        name: String,
        /// When it becomes valid.
        not_before: DateTime<Utc>,
    },
    /// No trusted root, and no presented certificate, is its issuer.
    #[error("the certificate of {name} was issued by {issuer:?}, which is not a trusted root")]
    UnknownAuthority {
        /// Whose certificate.
        name: String,
        /// The issuer's subject name.
        issuer: String,
    },
    /// There is an issuer of the right name, but its key did not make the signature.
    #[error("the certificate of {name} bears the name of issuer {issuer:?}, but not its signature")]
    BadSignature {
        /// Whose certificate.
        name: String,
        /// The issuer's subject name.
        issuer: String,
    },
    /// The issuer is not an authority's certificate.
    #[error("the certificate of {name} was issued by {issuer}, which may not issue it: {reason}")]
    NotAnAuthority {
        /// Whose certificate.
        name: String,
        /// The issuer.
        issuer: String,
        /// What it lacks.
        reason: &'static str,
    },
    /// The issuer is an authority, but over others.
    #[error("the certificate of {name} was issued by {issuer}, which has no authority over it")]
    NotAuthorityOver {
        /// Whose certificate.
        name: Box<Urn>,
        /// The issuer.
        issuer: Box<Urn>,
    },
    /// Its key may not be used for this.
    #[error("the certificate of {name} may not be used to {purpose}: {reason}")]
    Usage {
        /// Whose certificate.
        name: String,
        /// What it was used for.
        purpose: Purpose,
        /// Which extension forbids it, and what it would have to allow.
        reason: &'static str,
    },
    /// It holds a name that its issuer may not certify.
    #[error("the certificate of {name} breaks the name constraints of its issuer {issuer}: {reason}")]
    NameConstraints {
        /// Whose certificate.
        name: String,
        /// The issuer.
        issuer: String,
        /// Which name.
        reason: String,
    },
    /// Its signature algorithm or key is too weak, or not one that can be checked.
    #[error("the certificate of {name} is not accepted: {reason}")]
    Weak {
        /// Whose certificate.
        name: String,
        /// What is weak, and what would be accepted.
        reason: String,
    },
    /// It demands something that is not understood here.
    #[error("the certificate of {name} holds a critical extension that is not understood: {extension}")]
    Extension {
        /// Whose certificate.
        name: String,
        /// The extension's object identifier.
        extension: String,
    },
    /// It names nobody.
    #[error("the certificate of {name} names no GENI URN in its subjectAltName")]
    NoUrn {
        /// The subject name.
        name: String,
    },
}

/// What a certificate is used for, which its key usage and extended key usage must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be the client of a TLS connection.
    Client,
    /// To sign a credential.
    Signer,
    /// To say whom a credential belongs to, or what it is about: the key is not used.
    Named,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "connect as a TLS client",
            Self::Signer => "sign a credential",
            Self::Named => "name somebody",
        })
    }
}

impl ChainError {
    /// Whether the chain would be good at another time.
    #[must_use]
    pub fn is_about_time(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYetValid { .. })
    }

    /// Of two failed attempts, the one that came further tells more.
    fn progress(&self) -> u8 {
        match self {
            Self::UnknownAuthority { .. } => 0,
            Self::BadSignature { .. } => 1,
            _ => 2,
        }
    }
}

/// A chain that holds, and the time during which it does.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) leaf: Certificate,
    pub(crate) urn: Urn,
    /// The trusted root at its end.
    pub(crate) root: Certificate,
    /// The latest beginning of its certificates.
    pub(crate) from: DateTime<Utc>,
    /// The earliest end of its certificates.
    pub(crate) until: DateTime<Utc>,
}

impl Chain {
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            urn: self.urn.clone(),
            uuid: self.leaf.uuid(),
            email: self.leaf.email().map(str::to_owned),
            spki: self.leaf.spki_der().to_vec(),
            expires: self.until,
        }
    }
}

/// Finds a chain from `leaf` to one of `roots`, over certificates of `pool` in any order. The work is charged to
/// `meter`, and ends where that does.
pub(crate) fn find(
    (roots, policy): (&[Certificate], &Policy),
    leaf: &Certificate,
    pool: &[Certificate],
    purpose: Purpose,
    now: DateTime<Utc>,
    meter: &Meter,
) -> Result<Chain, ChainError> {
    if pool.len() > MAX_PRESENTED {
        return Err(ChainError::TooLong { what: "certificates", limit: MAX_PRESENTED });
    }
    let mut search = Search { roots, policy, pool, purpose, now, meter, signatures: 0, failure: None };
    let mut path = vec![leaf.clone()];
    match search.extend(&mut path)? {
        Some(chain) => Ok(chain),
        None => Err(search.failure.unwrap_or(ChainError::Empty)),
    }
}

struct Search<'a> {
    roots: &'a [Certificate],
    policy: &'a Policy,
    pool: &'a [Certificate],
    purpose: Purpose,
    now: DateTime<Utc>,
    meter: &'a Meter,
    signatures: usize,
    failure: Option<ChainError>,
}

impl Search<'_> {
    /// Goes on from the last certificate of `path`; `None` when there is no way, with the reason kept.
    fn extend(&mut self, path: &mut Vec<Certificate>) -> Result<Option<Chain>, ChainError> {
        let Some(last) = path.last().cloned() else { return Ok(None) };
        if self.roots.contains(&last) {
            match check(path, self.policy, self.purpose, self.now) {
                Ok(chain) => return Ok(Some(chain)),
                Err(error) => self.note(error),
            }
            return Ok(None);
        }
        if let Err(error) = check_scheme(&last, self.policy) {
            self.note(error);
            return Ok(None);
        }
        if path.len() == MAX_LENGTH {
            self.note(ChainError::TooLong { what: "certificates in a row", limit: MAX_LENGTH });
            return Ok(None);
        }
        let mut named = false;
        let mut signed = false;
        for issuer in self.roots.iter().chain(self.pool) {
            if issuer.subject_der() != last.issuer_der() || path.contains(issuer) {
                continue;
            }
            named = true;
            if self.signatures == MAX_SIGNATURES {
                return Err(ChainError::TooLong { what: "signatures", limit: MAX_SIGNATURES });
            }
            self.signatures += 1;
            let cost = last.signature_cost(issuer);
            if !self.meter.allows(cost) {
                return Err(ChainError::TooMuchWork);
            }
            self.meter.charge(cost);
            if !last.is_signed_by(issuer) {
                continue;
            }
            signed = true;
            path.push(issuer.clone());
            let found = self.extend(path)?;
            path.pop();
            if found.is_some() {
                return Ok(found);
            }
        }
        let (name, issuer) = (last.called(), last.issuer().to_owned());
        if !named {
            self.note(ChainError::UnknownAuthority { name, issuer });
        } else if !signed {
            self.note(ChainError::BadSignature { name, issuer });
        }
        Ok(None)
    }

    fn note(&mut self, error: ChainError) {
        if self.failure.as_ref().is_none_or(|kept| kept.progress() < error.progress()) {
            self.failure = Some(error);
        }
    }
}

/// Checks a path whose signatures hold and whose last certificate is a root.
fn check(
    path: &[Certificate],
    policy: &Policy,
    purpose: Purpose,
    now: DateTime<Utc>,
) -> Result<Chain, ChainError> {
    for certificate in path {
        check_key(certificate, policy)?;
        if let Some(extension) = &certificate.constraints().unknown_critical {
            return Err(ChainError::Extension { name: certificate.called(), extension: extension.clone() });
        }
    }
    for (below, pair) in path.windows(2).enumerate() {
        if let [subject, issuer] = pair {
            check_issuer(subject, issuer, below)?;
        }
    }
    let urn = check_authorities(path, policy)?;
    check_names(path)?;
    check_usage(path, purpose)?;
    let mut chain: Option<(DateTime<Utc>, DateTime<Utc>)> = None;
    for certificate in path {
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        if now < not_before {
            return Err(ChainError::NotYetValid { name: certificate.called(), not_before });
        }
        if now >= not_after {
            return Err(ChainError::Expired { name: certificate.called(), not_after });
        }
        chain = Some(match chain {
            Some((from, until)) => (from.max(not_before), until.min(not_after)),
            None => (not_before, not_after),
        });
    }
    match (path.first(), path.last(), chain) {
        (Some(leaf), Some(root), Some((from, until))) => {
            Ok(Chain { leaf: leaf.clone(), urn, root: root.clone(), from, until })
        }
        _ => Err(ChainError::Empty),
    }
}

/// Every name must be allowed by the name constraints of all authorities above it. Certificates that an authority issued
/// to itself are exempt, unless one is the leaf (RFC 5280, section 6.1.4).
fn check_names(path: &[Certificate]) -> Result<(), ChainError> {
    for (position, issuer) in path.iter().enumerate().filter(|(_, issuer)| issuer.constraints().names) {
        for (below, subject) in path.iter().enumerate().take(position) {
            if below > 0 && subject.subject_der() == subject.issuer_der() {
                continue;
            }
            issuer.check_names_of(subject).map_err(|reason| ChainError::NameConstraints {
                name: subject.called(),
                issuer: issuer.called(),
                reason,
            })?;
        }
    }
    Ok(())
}

/// Whether the key usages allow what the leaf is used for. An extended key usage of an issuer limits what it issues for,
/// as TLS libraries have it.
fn check_usage(path: &[Certificate], purpose: Purpose) -> Result<(), ChainError> {
    let Some(leaf) = path.first() else { return Ok(()) };
    let refused = |certificate: &Certificate, reason| {
        Err(ChainError::Usage { name: certificate.called(), purpose, reason })
    };
    if let Some(usage) = leaf.constraints().usage {
        match purpose {
            Purpose::Client if !usage.digital_signature => {
                return refused(leaf, "its key usage does not include digitalSignature");
            }
            // With a key that signs certificates, an authority could give itself one for credentials.
            Purpose::Signer if !(usage.digital_signature || usage.content_commitment || usage.cert_sign) => {
                return refused(leaf, "its key usage includes neither digitalSignature nor nonRepudiation");
            }
            _ => {}
        }
    }
    for certificate in path {
        let Some(purposes) = certificate.constraints().purposes else { continue };
        match purpose {
            Purpose::Client if !purposes.client => {
                return refused(certificate, "its extended key usage does not include clientAuth");
            }
            Purpose::Signer if !purposes.documents => {
                return refused(
                    certificate,
                    "its extended key usage includes none of clientAuth, emailProtection and documentSigning",
                );
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether `issuer` may issue certificates, with `below` authorities between it and the leaf.
fn check_issuer(subject: &Certificate, issuer: &Certificate, below: usize) -> Result<(), ChainError> {
    let constraints = issuer.constraints();
    let reason = if !constraints.ca {
        "its basic constraints do not say CA:TRUE"
    } else if constraints.usage.is_some_and(|usage| !usage.cert_sign) {
        "its key usage excludes signing certificates"
    } else if constraints.path_length.is_some_and(|limit| below as u64 > u64::from(limit)) {
        "its path length constraint allows fewer authorities below it"
    } else if issuer.urn().is_some_and(|urn| urn.kind() != Kind::Authority) {
        "its URN is not of type authority"
    } else {
        return Ok(());
    };
    Err(ChainError::NotAnAuthority { name: subject.called(), issuer: issuer.called(), reason })
}

/// From the root downwards, every certificate must lie under the authority above it. Gives the leaf's URN.
fn check_authorities(path: &[Certificate], policy: &Policy) -> Result<Urn, ChainError> {
    let mut above: Option<&Urn> = None;
    for (position, certificate) in path.iter().enumerate().rev() {
        match (certificate.urn(), above) {
            (Some(urn), Some(issuer)) if !issuer.authority().covers(&urn.authority()) => {
                return Err(ChainError::NotAuthorityOver {
                    name: Box::new(urn.clone()),
                    issuer: Box::new(issuer.clone()),
                });
            }
            (Some(urn), _) => above = Some(urn),
            (None, None) if position > 0 && policy.allow_authorities_without_urn => {}
            (None, _) => return Err(ChainError::NoUrn { name: certificate.subject().to_owned() }),
        }
    }
    above.cloned().ok_or(ChainError::Empty)
}

/// The key sizes: RSA below 1024 bits never, below 2048 by policy only.
pub(crate) fn check_key(certificate: &Certificate, policy: &Policy) -> Result<(), ChainError> {
    let weak = |reason: String| Err(ChainError::Weak { name: certificate.called(), reason });
    match certificate.key().rsa_bits() {
        Some(bits) if bits < 1024 => weak(format!("its RSA key has {bits} bits; 2048 or more are needed")),
        Some(bits) if bits < 2048 && !policy.allow_1024_bit => weak(format!(
            "its RSA key has {bits} bits; 2048 or more are needed unless the aggregate allows 1024"
        )),
        None if !certificate.key().is_known() => weak(
            "its key is of a kind not supported; RSA, ECDSA on P-256, P-384 or P-521, and Ed25519 are".into(),
        ),
        _ => Ok(()),
    }
}

/// The algorithm of the signature on a certificate that is not itself a root: MD5 never, SHA-1 by policy
/// only. Nothing rests on the signature of a root, which is trusted by being in the folder.
fn check_scheme(certificate: &Certificate, policy: &Policy) -> Result<(), ChainError> {
    let reason = match certificate.scheme() {
        Scheme::RsaMd => "it is signed with MD5; SHA-256 or better is needed".to_owned(),
        Scheme::RsaSha1 if !policy.allow_sha1_certificates => {
            "it is signed with SHA-1; SHA-256 or better is needed unless the aggregate allows SHA-1"
                .to_owned()
        }
        Scheme::Other(oid) => {
            format!("its signature algorithm {oid} is not supported; RSA or ECDSA with SHA-2 are")
        }
        _ => return Ok(()),
    };
    Err(ChainError::Weak { name: certificate.called(), reason })
}
