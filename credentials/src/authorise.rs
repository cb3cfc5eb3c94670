//! May this caller do this: the verified credentials against caller, target and operation.
//!
//! Source of the rules: AM API v3, common concepts (authorisation), and the privilege table of the reference
//! software. One credential must carry everything: the caller as owner, the target, the operation. A
//! credential on the aggregate itself, held by one of its operators, stands for rights over every slice.

use crate::error::stamp;
use crate::{Credential, CredentialError, Identity, Kind, Operation};
use chrono::{DateTime, Utc};
use std::sync::Arc;
use urn::Urn;
use uuid::Uuid;

/// What a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The slice with this URN.
    Slice(Urn),
    /// Nothing in particular (ListResources): any valid user or slice credential of the caller will do.
    Any,
    /// A sliver that is not known here: the caller must hold the operation for some slice, so that the
    /// answer gives nothing away.
    AnySlice,
}

/// The aggregate that is asked, and the people who run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// The aggregate's authority URN, such as `urn:publicid:IDN+am.example.org+authority+am`.
    pub urn: Urn,
    /// Users whose credential on the aggregate itself stands for rights over every slice.
    pub operators: Vec<Urn>,
}

impl Aggregate {
    fn is(&self, target: &Urn) -> bool {
        *target == self.urn || target.is_manager_of(&self.urn.authority())
    }
}

/// A call that may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorised {
    /// The latest end among the credentials that authorise, each cut short by the end of its certificates;
    /// slivers must not outlive it.
    pub expires: DateTime<Utc>,
    /// Whether one of them is an operator's credential on the aggregate itself.
    pub as_operator: bool,
    /// The UUID of the slice that is meant, out of the slice certificate in the credential; `None` where that names
    /// none, and where only an operator's credential or one on a user authorises. Of several credentials that
    /// authorise, the one that ends last says which slice is meant.
    pub slice_uuid: Option<Uuid>,
}

impl Authorised {
    /// What two credentials allow together, each of which authorises the call by itself.
    fn or(self, other: Self) -> Self {
        let as_operator = self.as_operator || other.as_operator;
        let (last, first) = if other.expires > self.expires { (other, self) } else { (self, other) };
        Self { expires: last.expires, as_operator, slice_uuid: last.slice_uuid.or(first.slice_uuid) }
    }
}

/// A call that may not, with the reason for the caller's eyes. It speaks of the credentials only, never of
/// what exists here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// The coarse reason; its `am_code` goes beside `geni_code` 3.
    pub kind: Kind,
    /// What is missing, credential by credential.
    pub message: String,
}

/// The most credentials that a refusal goes into.
const MAX_REASONS: usize = 5;

/// Decides whether the presented credentials, as the verifier judged them, let `caller` do `operation` on
/// `target`. One credential must carry everything; the others do no harm.
///
/// # Errors
/// [`Denied`], with the kind of the credential that came nearest.
pub fn authorise(
    presented: &[Result<Arc<Credential>, CredentialError>],
    caller: &Identity,
    target: &Target,
    operation: Operation,
    aggregate: &Aggregate,
    now: DateTime<Utc>,
) -> Result<Authorised, Denied> {
    if now >= caller.expires {
        let message = format!("the certificate of {} expired at {}", caller.urn, stamp(&caller.expires));
        return Err(Denied { kind: Kind::Expired, message });
    }
    let call = Call { caller, target, operation, aggregate, now };
    let mut granted: Option<Authorised> = None;
    let mut refusals = Vec::new();
    for judged in presented {
        match judged.as_ref().map_err(Refusal::of_verification).and_then(|credential| call.judge(credential))
        {
            Ok(one) => {
                granted = Some(match granted {
                    Some(so_far) => so_far.or(one),
                    None => one,
                });
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    granted.ok_or_else(|| call.denied(&refusals))
}

/// Why one credential does not authorise.
struct Refusal {
    kind: Kind,
    /// The further it came, the more it tells.
    progress: u8,
    reason: String,
}

impl Refusal {
    fn of_verification(error: &CredentialError) -> Self {
        let kind = error.kind();
        let progress = match kind {
            Kind::Malformed => 0,
            Kind::Invalid => 1,
            Kind::Untrusted => 2,
            Kind::Mismatch => 3,
            Kind::Expired => 4,
        };
        Self { kind, progress, reason: error.to_string() }
    }
}

struct Call<'a> {
    caller: &'a Identity,
    target: &'a Target,
    operation: Operation,
    aggregate: &'a Aggregate,
    now: DateTime<Utc>,
}

impl Call<'_> {
    fn judge(&self, credential: &Credential) -> Result<Authorised, Refusal> {
        let mismatch = |progress, reason| Refusal { kind: Kind::Mismatch, progress, reason };
        self.check_owner(credential).map_err(|reason| mismatch(3, reason))?;
        let as_operator = self.covers_target(credential).map_err(|reason| mismatch(3, reason))?;
        let expires = credential.usable_until();
        if self.now >= expires {
            let reason = format!("the credential on {} expired at {}", credential.target, stamp(&expires));
            return Err(Refusal { kind: Kind::Expired, progress: 5, reason });
        }
        if !credential.privileges.allows(self.operation) {
            let held: Vec<String> =
                credential.privileges.iter().map(|(name, _)| crate::document::short(name)).take(12).collect();
            let reason = format!(
                "the credential on {} does not grant {} (its privileges: {})",
                credential.target,
                self.operation.name(),
                if held.is_empty() { "none".to_owned() } else { held.join(", ") }
            );
            return Err(mismatch(6, reason));
        }
        let slice_uuid = credential.target_uuid.filter(|_| credential.target_kind() == urn::Kind::Slice);
        Ok(Authorised { expires, as_operator, slice_uuid })
    }

    /// The owner must be the caller: by URN, and by key and UUID too, since a URN may be given to somebody
    /// else one day.
    fn check_owner(&self, credential: &Credential) -> Result<(), String> {
        let (owner, caller) = (&credential.owner, self.caller);
        if *owner != caller.urn {
            return Err(format!("the credential belongs to {owner}, not to {}, who is calling", caller.urn));
        }
        if let (Some(theirs), Some(yours)) = (credential.owner_uuid, caller.uuid)
            && theirs != yours
        {
            return Err(format!(
                "the credential's owner {owner} has another UUID than the caller's certificate"
            ));
        }
        if credential.owner_spki != caller.spki {
            return Err(format!(
                "the credential names {owner} with another public key than the caller's certificate; get a new one"
            ));
        }
        Ok(())
    }

    /// Whether the credential is about the target; true when it is one on the aggregate itself.
    fn covers_target(&self, credential: &Credential) -> Result<bool, String> {
        let about = &credential.target;
        let slice = about.kind() == urn::Kind::Slice;
        let fits = match self.target {
            Target::Slice(wanted) => about == wanted,
            Target::AnySlice => slice,
            Target::Any => slice || about.kind() == urn::Kind::User,
        };
        if fits {
            return Ok(false);
        }
        if self.aggregate.is(about) {
            return if self.aggregate.operators.contains(&credential.owner) {
                Ok(true)
            } else {
                Err(format!("{} is not an operator of this aggregate", credential.owner))
            };
        }
        Err(match self.target {
            Target::Slice(wanted) => format!("the credential is on {about}, not on {wanted}"),
            Target::AnySlice => format!("the credential is on {about}, not on a slice"),
            Target::Any => format!("the credential is on {about}, neither on a user nor on a slice"),
        })
    }

    fn denied(&self, refusals: &[Refusal]) -> Denied {
        let need = match self.target {
            Target::Slice(wanted) => format!("a credential of {} on {wanted}", self.caller.urn),
            Target::AnySlice => format!("a credential of {} on the slice", self.caller.urn),
            Target::Any => format!("a user or slice credential of {}", self.caller.urn),
        };
        let need = match self.operation {
            Operation::ListResources => need,
            operation => format!("{need} that grants {}", operation.name()),
        };
        let Some(nearest) = refusals.iter().reduce(|a, b| if b.progress > a.progress { b } else { a }) else {
            return Denied {
                kind: Kind::Invalid,
                message: format!("no credential was given; needed is {need}"),
            };
        };
        let mut reasons: Vec<&str> = refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
        reasons.dedup();
        let more = reasons.len().saturating_sub(MAX_REASONS);
        reasons.truncate(MAX_REASONS);
        let mut message = format!("needed is {need}, but {}", reasons.join("; "));
        if more > 0 {
            message.push_str(&format!("; and {more} more that do not fit"));
        }
        Denied { kind: nearest.kind, message }
    }
}
