//! `Provision`: what was allocated is granted for long, and what was updated is put in place. It starts
//! nothing and waits for nothing: the reconciler builds.

use super::allocate::{check_credential, wish};
use super::selection::{Selection, Together};
use super::transition::{Cause, Outcome, Step, Work};
use crate::refusal::Refusal;
use crate::sliver::{Allocation, Configuration, Pending};
use crate::time::later;
use crate::vocabulary::Call;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;
use urn::Urn;

/// What is known about provisioning one sliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioning {
    /// The configuration to put in place, where it differs from the allocated or pending one (users added).
    /// One without a frame stays in the frame of the one it replaces.
    pub configuration: Option<Configuration>,
    /// Whether the cloud has work to do. `false` only for a change of an existing sliver that touches
    /// nothing built: its operational state then stays as it is.
    pub disruption: bool,
}

/// The arguments of `Provision`.
#[derive(Debug, Clone)]
pub struct Provision {
    /// Slivers that are neither allocated nor updating are ignored (change set C).
    pub selection: Selection,
    /// Per sliver, what to put in place; one that is missing gets its own configuration, with work to do.
    pub provisioning: BTreeMap<Urn, Provisioning>,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// `geni_end_time`; a time in the past is ignored, one beyond a limit is cut to the limit.
    pub end_time: Option<DateTime<Utc>>,
    /// When the credential that authorised the call expires.
    pub credential_expires: DateTime<Utc>,
}

pub(super) fn run(call: &Provision, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    let targets =
        work.select(Some((Call::Provision, Together::Pending)), &call.selection, call.best_effort)?;
    let credential_expires = check_credential(work, call.credential_expires)?;
    let (now, policy) = (work.now, work.policy);
    let cap = policy.provisioned_cap(now, credential_expires).latest;
    let asked = wish(call.end_time, now).map(|end| end.min(cap));
    let report = work.each(targets, call.best_effort, |sliver| {
        let prepared = call.provisioning.get(&sliver.urn);
        let in_place = |own: &Arc<Configuration>| match prepared.and_then(|it| it.configuration.as_ref()) {
            Some(replaced) => {
                Arc::new(Configuration { frame: replaced.frame.or(own.frame), ..replaced.clone() })
            }
            None => Arc::clone(own),
        };
        match &sliver.allocation {
            Allocation::Provisioned(_) => Ok(Step::Keep),
            Allocation::Allocated(own) => {
                sliver.allocation = Allocation::Provisioned(in_place(own));
                sliver.expires = asked.unwrap_or_else(|| later(now, policy.provisioned_for).min(cap));
                sliver.wanted.configuration = 1;
                Ok(Step::Change)
            }
            Allocation::Updating { pending: Pending::Change(own), .. } => {
                sliver.allocation = Allocation::Provisioned(in_place(own));
                if let Some(end) = asked {
                    sliver.expires = end;
                }
                if prepared.is_none_or(|it| it.disruption) {
                    sliver.wanted.configuration = sliver.wanted.configuration.saturating_add(1);
                    sliver.error = None;
                }
                Ok(Step::Change)
            }
            Allocation::Updating { pending: Pending::Removal, .. } => Ok(Step::Depart(Cause::Removed)),
        }
    })?;
    work.check_client_ids()?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::fixtures::*;
    use super::*;
    use crate::goal::Goal;
    use crate::operational::Operational;
    use crate::sliver::AllocationStatus::{Provisioned, Unallocated, Updating};
    use crate::sliver::NextAllocation;

    #[test]
    fn provision_of_an_unknown_sliver_finds_nothing() {
        let refusal = Stage::mixed().is_refused(Event::Provision(provision(slivers(&["a", "x"]))));
        assert_eq!(refusal.geni_code(), 12);
        assert!(refusal.to_string().contains(sliver("x").as_str()), "{refusal}");
        assert_eq!(Stage::empty().is_refused(Event::Provision(provision(Selection::Slice))).geni_code(), 12);
        assert_eq!(Stage::mixed().is_refused(Event::Provision(provision(slivers(&[])))).geni_code(), 1);
    }

    // AM API v3, Provision.
    #[test]
    fn provision_makes_an_allocated_sliver_provisioned_for_a_long_time() {
        let mut stage = Stage::mixed();
        let done = stage.does(Event::Provision(provision(slivers(&["a", "a"]))));
        assert_eq!(done.report.len(), 1);
        let outcome = &done.report[0];
        assert_eq!((outcome.status, outcome.next), (Provisioned, None));
        assert_eq!(outcome.operational, Operational::PendingAllocation);
        assert_eq!(outcome.expires, Some(at(7 * 86_400)));
        assert_eq!(done.changed, [sliver("a")]);
        assert!(!stage.get("a").is_settled());
        assert!(
            matches!(stage.get("a").goal(), Goal::Present { revision, .. } if revision.configuration == 1)
        );
    }

    // Change set C, mixed state calls.
    #[test]
    fn provision_leaves_a_provisioned_sliver_unchanged() {
        let mut stage = Stage::mixed();
        let before = stage.slice.clone();
        let done = stage.does(Event::Provision(provision(slivers(&["p"]))));
        assert_eq!(stage.slice, before);
        assert!(done.is_noop() && !done.report[0].changed);
    }

    #[test]
    fn provision_puts_the_change_of_an_updating_sliver_in_place() {
        let mut stage = Stage::mixed();
        let before = stage.get("u").expires;
        let done = stage.does(Event::Provision(provision(slivers(&["u"]))));
        assert_eq!(stage.state("u"), Provisioned);
        assert_eq!(stage.get("u").granted().unwrap().claims[0].amount, 5);
        assert_eq!(stage.get("u").expires, before);
        assert_eq!(stage.get("u").operational(), Operational::Configuring);
        assert!(done.held.is_empty(), "both were held already");
        stage.settle();
        assert_eq!(stage.get("u").operational(), Operational::NotReady);
    }

    #[test]
    fn provision_removes_a_sliver_that_is_marked_for_removal() {
        let mut stage = Stage::mixed();
        stage.does(Event::Update(update(slivers(&["u"]), &[])));
        let done = stage.does(Event::Provision(provision(slivers(&["u"]))));
        let outcome = &done.report[0];
        assert_eq!((outcome.status, outcome.next, outcome.changed), (Unallocated, None, true));
        assert_eq!(outcome.expires, Some(at(7 * 86_400)));
        assert_eq!(done.departed[0].cause, Cause::Removed);
        assert_eq!(done.departed[0].sliver.granted().unwrap().claims[0].amount, 1);
        assert_eq!(done.held["cores"], -1);
        assert_eq!(stage.state("u"), Unallocated);
    }

    #[test]
    fn a_change_that_touches_nothing_built_keeps_the_operational_state() {
        let mut stage = Stage::operational(Operational::Ready);
        stage.does(Event::Update(update(Selection::Slice, &[("p", configuration("renamed", 1))])));
        let mut call = provision(Selection::Slice);
        call.provisioning.insert(sliver("p"), Provisioning { configuration: None, disruption: false });
        stage.does(Event::Provision(call));
        assert_eq!(stage.get("p").operational(), Operational::Ready);
        assert!(stage.get("p").is_settled());
        assert_eq!(stage.get("p").granted().unwrap().client_id, "renamed");
    }

    #[test]
    fn a_running_sliver_is_configuring_until_its_change_is_done_then_ready_again() {
        let mut stage = Stage::operational(Operational::Ready);
        stage.does(Event::Update(update(Selection::Slice, &[("p", configuration("p", 4))])));
        assert_eq!(stage.get("p").operational(), Operational::Ready);
        stage.does(Event::Provision(provision(Selection::Slice)));
        assert_eq!(stage.get("p").operational(), Operational::Configuring);
        stage.settle();
        assert_eq!(stage.get("p").operational(), Operational::Ready);
    }

    #[test]
    fn the_users_that_came_with_the_call_stand_in_the_granted_configuration() {
        let mut stage = Stage::mixed();
        let mut call = provision(slivers(&["a"]));
        let mut with_users = configuration("a", 1);
        with_users.detail = "alice's keys".into();
        call.provisioning
            .insert(sliver("a"), Provisioning { configuration: Some(with_users), disruption: true });
        stage.does(Event::Provision(call));
        let granted = stage.get("a").granted().unwrap();
        assert_eq!(granted.detail, "alice's keys");
        assert_eq!(granted.frame, Some(1), "it stays in its frame");
    }

    #[test]
    fn the_end_time_is_honoured_within_the_limits_and_else_ignored() {
        let expiry = |end: i64, credential: i64, name: &str| {
            let mut stage = Stage::mixed();
            let mut call = provision(slivers(&[name]));
            call.end_time = Some(at(end));
            call.credential_expires = at(credential);
            stage.does(Event::Provision(call));
            stage.get(name).expires
        };
        let day = 86_400;
        assert_eq!(expiry(20 * day, 400 * day, "a"), at(20 * day));
        assert_eq!(expiry(200 * day, 400 * day, "a"), at(90 * day));
        assert_eq!(expiry(20 * day, 3 * day, "a"), at(3 * day));
        assert_eq!(expiry(-day, 400 * day, "a"), at(7 * day));
        assert_eq!(expiry(-day, 3 * day, "a"), at(3 * day));
        assert_eq!(expiry(20 * day, 400 * day, "u"), at(20 * day));
        assert_eq!(expiry(-day, 3 * day, "u"), at(7 * day), "an updating sliver keeps its expiry");
    }

    #[test]
    fn best_effort_provisions_what_it_can_and_says_what_it_cannot() {
        let mut stage = Stage::mixed();
        let mut call = provision(slivers(&["x", "a"]));
        call.best_effort = true;
        let done = stage.does(Event::Provision(call));
        assert_eq!(done.report[0].refusal, Some(Refusal::UnknownSliver { sliver: sliver("x") }));
        assert_eq!((done.report[0].status, done.report[0].expires), (Unallocated, None));
        assert_eq!(done.report[1].status, Provisioned);
    }

    // Change set C, geni_single_allocation: all allocated and updating slivers, or the slice.
    #[test]
    fn single_allocation_wants_every_allocated_and_updating_sliver() {
        let mut stage = Stage::mixed();
        stage.policy.single_allocation = true;
        let refusal = stage.is_refused(Event::Provision(provision(slivers(&["a"]))));
        assert_eq!(refusal.geni_code(), 13);
        assert_eq!(refusal, Refusal::PartialSet { call: Call::Provision, missing: vec![sliver("u")] });
        stage.tries(Event::Provision(provision(slivers(&["a", "u"])))).unwrap();
        stage.tries(Event::Provision(provision(Selection::Slice))).unwrap();
    }

    #[test]
    fn a_part_of_the_slice_cannot_take_a_name_that_its_other_part_would_return_to() {
        let mut stage = Stage::mixed();
        let mut call = update(slivers(&["p", "u"]), &[("u", configuration("u", 1))]);
        call.new = vec![node("n", "p")];
        stage.does(Event::Update(call));
        // `p` is marked for removal and `n` has its name: they go together or not at all.
        assert_eq!(stage.is_refused(Event::Provision(provision(slivers(&["n"])))).geni_code(), 17);
        assert_eq!(stage.get("p").next_allocation(), Some(NextAllocation::Unallocated));
        assert_eq!(stage.state("u"), Updating);
        stage.does(Event::Provision(provision(slivers(&["n", "p"]))));
        assert_eq!((stage.state("n"), stage.state("p")), (Provisioned, Unallocated));
    }
}
