//! `Allocate`: new slivers, held for a short time. Always all or nothing.

use super::transition::{Outcome, Work};
use crate::policy::AllocateMode;
use crate::refusal::Refusal;
use crate::sliver::NewSliver;
use chrono::{DateTime, Utc};
use urn::Urn;

/// The arguments of `Allocate`.
#[derive(Debug, Clone)]
pub struct Allocate {
    /// The new slivers, in the order of the request.
    pub slivers: Vec<NewSliver>,
    /// What the request held besides them.
    pub frame: Option<String>,
    /// The caller.
    pub creator: Urn,
    /// `geni_end_time`: an earlier expiry than the aggregate's own. A time in the past is ignored.
    pub end_time: Option<DateTime<Utc>>,
    /// When the credential that authorised the call expires.
    pub credential_expires: DateTime<Utc>,
}

pub(super) fn run(call: &Allocate, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    if call.slivers.is_empty() {
        return Err(Refusal::NothingRequested { slice: work.slice.urn.clone() });
    }
    if work.policy.allocate == AllocateMode::Single && !work.slice.slivers.is_empty() {
        return Err(Refusal::SecondAllocate {
            slice: work.slice.urn.clone(),
            slivers: work.slice.slivers.len(),
        });
    }
    let expires = short_expiry(work, call.end_time, call.credential_expires)?;
    let frame = work.add_frame(call.frame.as_deref());
    let report = work.add_slivers(&call.slivers, &call.creator, expires, frame)?;
    work.check_client_ids()?;
    Ok(report)
}

/// The expiry of what waits for `Provision`: as the policy says, or sooner if the caller or the credential
/// ends sooner.
///
/// # Errors
/// [`Refusal::CredentialOver`].
pub(super) fn short_expiry(
    work: &Work<'_>,
    end_time: Option<DateTime<Utc>>,
    credential_expires: DateTime<Utc>,
) -> Result<DateTime<Utc>, Refusal> {
    let credential_expires = check_credential(work, credential_expires)?;
    let cap = work.policy.allocated_cap(work.now, credential_expires).latest;
    Ok(wish(end_time, work.now).map_or(cap, |end| end.min(cap)))
}

/// The credential's expiry in whole seconds.
///
/// # Errors
/// [`Refusal::CredentialOver`] when it is not in the future.
pub(super) fn check_credential(
    work: &Work<'_>,
    credential_expires: DateTime<Utc>,
) -> Result<DateTime<Utc>, Refusal> {
    let expires = crate::time::whole_seconds(credential_expires);
    if expires > work.now { Ok(expires) } else { Err(Refusal::CredentialOver { expired: expires }) }
}

/// A `geni_end_time` that can be taken into account: one in the future.
pub(super) fn wish(end_time: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    end_time.map(crate::time::whole_seconds).filter(|end| *end > now)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::*;
    use super::super::{Event, Selection, status};
    use super::*;
    use crate::operational::Operational;
    use crate::sliver::AllocationStatus::{self, Allocated};
    use crate::sliver::ResourceKind;
    use chrono::TimeDelta;

    fn expiry_with(change: impl FnOnce(&mut Allocate)) -> DateTime<Utc> {
        let mut stage = Stage::empty();
        let mut call = allocate(vec![node("a", "a")]);
        change(&mut call);
        stage.does(Event::Allocate(call));
        stage.get("a").expires
    }

    // AM API v3, Allocate; table of allocation states.
    #[test]
    fn allocate_makes_new_slivers_allocated_for_a_short_time() {
        let mut stage = Stage::empty();
        let done = stage.does(Event::Allocate(allocate(vec![node("a", "x"), node("b", "y")])));
        assert_eq!(done.changed, [sliver("a"), sliver("b")]);
        assert_eq!(done.report.len(), 2);
        for outcome in &done.report {
            assert_eq!(outcome.status, Allocated);
            assert_eq!(outcome.operational, Operational::PendingAllocation);
            assert_eq!(outcome.expires, Some(at(600)));
            assert!(outcome.changed);
        }
        assert_eq!(stage.get("a").creator, urn("user", "alice"));
        assert_eq!(done.held["cores"], 2);
    }

    #[test]
    fn the_expiry_is_the_soonest_of_policy_wish_and_credential() {
        assert_eq!(expiry_with(|_| {}), at(600));
        assert_eq!(expiry_with(|call| call.end_time = Some(at(100))), at(100));
        assert_eq!(expiry_with(|call| call.end_time = Some(at(6000))), at(600));
        assert_eq!(expiry_with(|call| call.end_time = Some(at(-5))), at(600));
        assert_eq!(expiry_with(|call| call.credential_expires = at(50)), at(50));
        assert_eq!(expiry_with(|call| call.end_time = Some(DateTime::<Utc>::MAX_UTC)), at(600));
    }

    #[test]
    fn a_credential_whose_time_is_over_grants_nothing() {
        let mut call = allocate(vec![node("a", "a")]);
        call.credential_expires = at(0);
        assert_eq!(Stage::empty().is_refused(Event::Allocate(call)).geni_code(), 19);
    }

    fn clash_with(name: &str) {
        let stage = Stage::mixed();
        let refusal = stage.is_refused(Event::Allocate(allocate(vec![node("n", "fresh"), node("m", name)])));
        assert_eq!(refusal.geni_code(), 17);
        assert!(refusal.to_string().contains(&format!("{name:?}")), "{refusal}");
        assert!(refusal.to_string().contains(sliver(name).as_str()), "{refusal}");
    }

    #[test]
    fn allocate_refuses_the_client_id_of_an_allocated_sliver() {
        clash_with("a");
    }

    #[test]
    fn allocate_refuses_the_client_id_of_a_provisioned_sliver() {
        clash_with("p");
    }

    #[test]
    fn allocate_refuses_the_client_id_of_an_updating_sliver() {
        clash_with("u");
    }

    #[test]
    fn a_node_and_a_link_may_share_a_client_id() {
        let mut link = node("l", "x");
        link.resource = ResourceKind::Link;
        Stage::empty().does(Event::Allocate(allocate(vec![node("n", "x"), link])));
        assert_eq!(
            Stage::empty()
                .is_refused(Event::Allocate(allocate(vec![node("n", "x"), node("m", "x")])))
                .geni_code(),
            17
        );
    }

    #[test]
    fn allocate_leaves_other_slivers_alone() {
        let mut stage = Stage::mixed();
        let before = stage.slice.slivers.clone();
        let done = stage.does(Event::Allocate(allocate(vec![node("n", "n")])));
        assert_eq!(stage.slice.slivers[..3], before);
        assert_eq!(done.changed, [sliver("n")]);
        assert_eq!(done.report.len(), 1);
    }

    #[test]
    fn a_second_allocate_is_unsupported_where_one_is_all_there_is() {
        let mut stage = Stage::mixed();
        stage.policy.allocate = AllocateMode::Single;
        let refusal = stage.is_refused(Event::Allocate(allocate(vec![node("n", "n")])));
        assert_eq!(refusal.geni_code(), 13);
        assert!(refusal.to_string().contains("3 sliver(s)"), "{refusal}");
        stage.passes(TimeDelta::days(8));
        stage.does(Event::Allocate(allocate(vec![node("n", "n")])));
        assert_eq!(stage.slice.slivers.len(), 1);
    }

    #[test]
    fn an_expired_sliver_is_dropped_before_its_client_id_is_taken_again() {
        let mut stage = Stage::empty();
        stage.does(Event::Allocate(allocate(vec![node("a", "x")])));
        stage.passes(TimeDelta::seconds(600));
        let done = stage.does(Event::Allocate(allocate(vec![node("b", "x")])));
        assert_eq!(done.departed.len(), 1);
        assert!(done.held.is_empty());
        assert_eq!(stage.state("a"), AllocationStatus::Unallocated);
        assert_eq!(status(&stage.slice, &Selection::Slice, stage.now).unwrap().len(), 1);
    }

    #[test]
    fn nothing_to_allocate_and_a_name_in_use_are_refused() {
        assert_eq!(Stage::empty().is_refused(Event::Allocate(allocate(vec![]))).geni_code(), 1);
        let refusal = Stage::mixed().is_refused(Event::Allocate(allocate(vec![node("a", "other")])));
        assert_eq!(refusal, Refusal::NameInUse { sliver: sliver("a") });
    }
}
