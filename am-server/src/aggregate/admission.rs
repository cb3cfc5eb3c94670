//! Admission: may this caller do this to that slice. The only place that authorises.
//!
//! The identity comes from the client certificate. The target comes from the URNs named: a slice's own,
//! or the slice of the slivers, which is looked up here. Whether the slice or sliver exists is told only to
//! those who hold a credential for it, so that nobody can ask around (AM API v3, authorisation).

use super::budget::Taken;
use super::caller::{Caller, CredentialText};
use super::{Aggregate, SliverRequest};
use crate::error::{CallError, GeniCode, database};
use crate::slices::SliceIdentity;
use chrono::{DateTime, Utc};
use credentials::{Authorised, Credential, CredentialError, MAX_STEPS, Operation, Target};
use state::{Selection, Whereabouts};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use urn::{Kind, Urn};

/// The most bytes of credentials that one call may bring.
const MAX_CREDENTIAL_BYTES: usize = 1 << 20;
/// Up to so many bytes of one credential are looked at without leaving the async thread.
const INLINE_CREDENTIAL_BYTES: usize = 32 << 10;
/// The most steps of verifying, each about a nanosecond, without leaving it: what two ordinary credentials take.
const INLINE_STEPS: u64 = 1_000_000;
/// What a credential is taken to cost before it is known: signatures, and something for each byte.
const ESTIMATE: u64 = 200_000;
const ESTIMATE_PER_BYTE: u64 = 40;
/// Unknown slivers that are looked for among those that once were; further ones just are not known.
const MAX_LOOKED_UP: usize = 100;

/// Credentials as the verifier judged them.
pub(super) type Presented = Vec<Verdict>;
type Verdict = Result<Arc<Credential>, CredentialError>;

/// The types of credential that are looked into: `geni_unknown` is what clients write who do not know themselves.
const READ_TYPES: [&str; 2] = ["geni_sfa", "geni_unknown"];
/// How much of the name of another type a refusal shows, in characters.
const MAX_TYPE: usize = 40;

/// A call that may go on.
#[derive(Debug)]
pub struct Admitted {
    /// The slice it is about.
    pub slice: Urn,
    /// Which of its slivers.
    pub selection: Selection,
    /// When the credential ends that authorised it.
    pub credential_expires: DateTime<Utc>,
    /// Whether it is an operator of this aggregate who calls.
    pub as_operator: bool,
    /// Which slice of that name is meant.
    pub identity: SliceIdentity,
}

impl Aggregate {
    /// Admits a call that names one slice.
    ///
    /// # Errors
    /// Not a slice URN (geni_code 1), or no right to it (3).
    pub(super) async fn admit_slice(
        &self,
        caller: &Caller,
        slice: &str,
        credentials: &[CredentialText],
        operation: Operation,
    ) -> Result<Admitted, CallError> {
        let slice = Urn::parse_slice(slice)
            .map_err(|error| CallError::bad_arguments(format!("slice_urn: {error}")))?;
        tracing::Span::current().record("slice", slice.as_str());
        let presented = self.verified(caller, credentials).await?;
        let authorised = self.authorise(caller, &presented, Target::Slice(slice.clone()), operation)?;
        self.admitted(slice, Selection::Slice, &authorised).await
    }

    /// Admits a call that names a slice or slivers of one.
    ///
    /// # Errors
    /// URNs that are none, of the wrong type or of several slices (geni_code 1), no right to them (3), slivers
    /// that are not known to someone who may ask (12).
    pub(super) async fn admit(
        &self,
        caller: &Caller,
        request: &SliverRequest,
        operation: Operation,
    ) -> Result<Admitted, CallError> {
        let bad = |error: urn::UrnError| CallError::bad_arguments(format!("urns: {error}"));
        let urns =
            request.urns.iter().map(|text| Urn::parse(text)).collect::<Result<Vec<_>, _>>().map_err(bad)?;
        let mut seen = HashSet::new();
        let urns: Vec<Urn> = urns.into_iter().filter(|urn| seen.insert(urn.clone())).collect();
        if let Some(stray) = urns.iter().find(|urn| !matches!(urn.kind(), Kind::Slice | Kind::Sliver)) {
            return Err(bad(stray.wrong_kind("slice or sliver")));
        }
        let slices = urns.iter().filter(|urn| urn.kind() == Kind::Slice).count();
        if slices > 0 {
            let [slice] = urns.as_slice() else {
                return Err(CallError::bad_arguments(
                    "urns: name one slice, or slivers of one slice; several slices, or a slice together with slivers, cannot be named in one call",
                ));
            };
            return self.admit_slice(caller, slice.as_str(), &request.credentials, operation).await;
        }
        let presented = self.verified(caller, &request.credentials).await?;
        // Nothing is looked up for those who have no right to anything.
        self.authorise(caller, &presented, Target::AnySlice, operation)?;
        let slice = self.slice_of_slivers(&urns).await?;
        let target = match &slice {
            Some(slice) => Target::Slice(slice.clone()),
            None => Target::AnySlice,
        };
        let is_on = |slice: &Urn| presented.iter().flatten().any(|credential| credential.target == *slice);
        let authorised =
            self.authorise(caller, &presented, target, operation).map_err(|denied| match &slice {
                // Whose sliver it is, and that it is one, is told to those only who hold something for its slice.
                Some(slice) if !is_on(slice) => CallError::forbidden(not_yours(&urns)).with_am_code(MISMATCH),
                _ => denied,
            })?;
        match slice {
            Some(slice) => {
                tracing::Span::current().record("slice", slice.as_str());
                self.check_one_slice(&slice, &urns).await?;
                self.admitted(slice, Selection::Slivers(urns), &authorised).await
            }
            None => Err(CallError::search_failed(not_yours(&urns))),
        }
    }

    /// What the verifier says of each credential presented; those of types that are not read are refused by name.
    ///
    /// # Errors
    /// More of them than any honest caller has (geni_code 1), or more new ones than the caller's share of the processor
    /// allows for now (14).
    pub(super) async fn verified(
        &self,
        caller: &Caller,
        credentials: &[CredentialText],
    ) -> Result<Presented, CallError> {
        let now = self.clock().latest();
        let is_read = |credential: &&CredentialText| {
            READ_TYPES.iter().any(|known| credential.kind.trim().eq_ignore_ascii_case(known))
        };
        let kinds: BTreeSet<&str> =
            credentials.iter().filter(|it| !is_read(it)).map(|it| it.kind.trim()).collect();
        let short = |kind: &str| kind.chars().take(MAX_TYPE).collect();
        let unread = kinds.into_iter().map(|kind| Err(CredentialError::OfAnotherType(short(kind))));
        let texts: Vec<&str> =
            credentials.iter().filter(is_read).map(|credential| credential.xml.as_str()).collect();
        let bytes: usize = texts.iter().copied().map(readable).sum();
        if bytes > MAX_CREDENTIAL_BYTES {
            return Err(CallError::bad_arguments(format!(
                "credentials: {bytes} bytes of them are more than the {MAX_CREDENTIAL_BYTES} one call may bring"
            )));
        }
        let mut verdicts: Vec<Option<Verdict>> =
            texts.iter().map(|xml| self.verifier.recall(xml, now)).collect();
        let new: u64 = texts
            .iter()
            .zip(&verdicts)
            .filter(|(_, known)| known.is_none())
            .map(|(xml, _)| estimate(xml))
            .sum();
        if new > 0 {
            let taken = self.budgets.take(caller.urn(), new, now);
            let taken = taken.map_err(|seconds| share_used_up(caller.urn(), seconds))?;
            self.verify_new(caller.urn(), &texts, &mut verdicts, taken, now).await?;
        }
        Ok(verdicts.into_iter().flatten().chain(unread).collect())
    }

    /// Fills in the verdicts that are missing: a little work is done here, more of it off the async threads. It is paid
    /// for out of `taken`, one credential after the other.
    ///
    /// # Errors
    /// The caller's share of the processor is used up (geni_code 14).
    async fn verify_new(
        &self,
        caller: &Urn,
        texts: &[&str],
        verdicts: &mut [Option<Verdict>],
        mut taken: Taken,
        now: DateTime<Utc>,
    ) -> Result<(), CallError> {
        let mut room = INLINE_STEPS;
        let mut left = Vec::new();
        for (place, (xml, verdict)) in texts.iter().zip(verdicts.iter_mut()).enumerate() {
            if verdict.is_some() {
                continue;
            }
            if left.is_empty() && readable(xml) <= INLINE_CREDENTIAL_BYTES && room > 0 {
                let judged = self.verifier.judge(xml, now, room);
                taken.pay(judged.steps);
                let too_much =
                    matches!(judged.verdict, Err(CredentialError::TooMuchWork { limit }) if limit == room);
                room = room.saturating_sub(judged.steps);
                if !too_much {
                    *verdict = Some(judged.verdict);
                    continue;
                }
            }
            left.push((place, (*xml).to_owned()));
        }
        if left.is_empty() {
            return Ok(());
        }
        let unavailable = || CallError::new(GeniCode::ServerError, "the credentials could not be verified");
        let room = Arc::clone(&self.verifying).acquire_owned().await.map_err(|_| unavailable())?;
        let verifier = Arc::clone(&self.verifier);
        // A caller who hangs up does not stop the work; it goes on in its place and at the caller's cost.
        let work = move || {
            let _room = room;
            let mut judged = Vec::with_capacity(left.len());
            for (place, xml) in left {
                taken.may_go_on()?;
                let one = verifier.judge(&xml, now, MAX_STEPS);
                taken.pay(one.steps);
                judged.push((place, one.verdict));
            }
            Ok(judged)
        };
        let judged = tokio::task::spawn_blocking(work).await.map_err(|_| unavailable())?;
        for (place, judged) in judged.map_err(|seconds| share_used_up(caller, seconds))? {
            if let Some(verdict) = verdicts.get_mut(place) {
                *verdict = Some(judged);
            }
        }
        Ok(())
    }

    /// Holds verified credentials against caller, target and operation.
    ///
    /// # Errors
    /// geni_code 3, with the reason in `am_code`.
    pub(super) fn authorise(
        &self,
        caller: &Caller,
        presented: &Presented,
        target: Target,
        operation: Operation,
    ) -> Result<Authorised, CallError> {
        credentials::authorise(
            presented,
            caller.identity(),
            &target,
            operation,
            &self.principal,
            self.clock().latest(),
        )
        .map_err(|denied| CallError::forbidden(denied.to_string()).with_am_code(denied.kind.am_code()))
    }

    /// Admits to a slice, if it is the one that the credential is for.
    ///
    /// # Errors
    /// Another slice of the same name is here (geni_code 3); what is stored of it cannot be read (9).
    async fn admitted(
        &self,
        slice: Urn,
        selection: Selection,
        authorised: &Authorised,
    ) -> Result<Admitted, CallError> {
        let identity = if authorised.as_operator {
            SliceIdentity::Any
        } else {
            SliceIdentity::Certified(authorised.slice_uuid.map(|uuid| uuid.hyphenated().to_string()))
        };
        let here = self.slices.slice(&slice).await?;
        identity.check(&here, self.now())?;
        Ok(Admitted {
            slice,
            selection,
            credential_expires: authorised.expires,
            as_operator: authorised.as_operator,
            identity,
        })
    }

    /// The slice of the first sliver that was ever known here.
    async fn slice_of_slivers(&self, urns: &[Urn]) -> Result<Option<Urn>, CallError> {
        for urn in urns.iter().filter(|urn| urn.authority() == *self.authority()).take(MAX_LOOKED_UP) {
            if let Some(Whereabouts::Here(slice) | Whereabouts::Gone(slice)) =
                self.store().slice_of(urn).await.map_err(database)?
            {
                return Ok(Some(slice));
            }
        }
        Ok(None)
    }

    /// Refuses slivers of several slices in one call. Slivers that are not known at all are left to the call.
    async fn check_one_slice(&self, slice: &Urn, urns: &[Urn]) -> Result<(), CallError> {
        let here = self.slices.slice(slice).await?;
        let known: HashSet<&Urn> = here.slivers.iter().map(|sliver| &sliver.urn).collect();
        for urn in urns.iter().filter(|urn| !known.contains(urn)).take(MAX_LOOKED_UP) {
            match self.store().slice_of(urn).await.map_err(database)? {
                Some(Whereabouts::Here(other) | Whereabouts::Gone(other)) if other != *slice => {
                    return Err(CallError::bad_arguments(format!(
                        "urns: {urn} is not a sliver of {slice}; all slivers of a call must be of one slice"
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn share_used_up(caller: &Urn, seconds: u64) -> CallError {
    CallError::new(
        GeniCode::Busy,
        format!(
            "credentials: verifying new ones for {caller} has taken its share of the processor; try again in {seconds} seconds"
        ),
    )
}

/// `am_code` of credentials that are for something else (`geni-error-codes.xml`).
const MISMATCH: i32 = 22;

/// What is said of slivers to somebody who has no right to them, whether they are here or not.
fn not_yours(urns: &[Urn]) -> String {
    let shown: Vec<&str> = urns.iter().take(3).map(Urn::as_str).collect();
    format!("there is no sliver {} here that the credentials given are for", shown.join(", "))
}

/// How many bytes of a credential are read: none where it is refused for its size alone.
fn readable(xml: &str) -> usize {
    if xml.len() > credentials::MAX_BYTES { 0 } else { xml.len() }
}

/// The steps that verifying a credential may take, before that is known.
fn estimate(xml: &str) -> u64 {
    MAX_STEPS.min(ESTIMATE + ESTIMATE_PER_BYTE * readable(xml) as u64)
}
