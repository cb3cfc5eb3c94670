//! `Update` (AM API v4 draft, change set C): the slivers named are to become what the request says; what it
//! leaves out is to go; what it adds is allocated. Allocated slivers change at once, provisioned ones wait
//! for `Provision` or `Cancel`. The operational state is not touched.

use super::allocate::short_expiry;
use super::selection::{Selection, Target, Together};
use super::transition::{Cause, Outcome, Step, Work, framed};
use crate::refusal::Refusal;
use crate::sliver::{Allocation, Configuration, NewSliver, Pending};
use crate::vocabulary::Call;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use urn::Urn;

/// What the request makes of a sliver that it describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// It is to become this (which may be no change at all).
    Configuration(Configuration),
    /// It cannot become what was asked; without best effort this refuses the call.
    Refused {
        /// The `geni_code`.
        code: i32,
        /// Why, for people.
        reason: String,
    },
}

/// The arguments of `Update`.
#[derive(Debug, Clone)]
pub struct Update {
    /// The slivers that the request describes completely.
    pub selection: Selection,
    /// What it makes of those it mentions; a selected sliver that is missing here is to go.
    pub changes: BTreeMap<Urn, Proposal>,
    /// Resources that are no slivers yet.
    pub new: Vec<NewSliver>,
    /// What the request held besides slivers; it goes with every configuration of this call.
    pub frame: Option<String>,
    /// The caller.
    pub creator: Urn,
    /// `geni_best_effort`. A clash of names refuses the call even so.
    pub best_effort: bool,
    /// `geni_end_time`, for slivers that are or stay allocated; updating ones keep their expiry, so that
    /// `Cancel` has nothing to undo.
    pub end_time: Option<DateTime<Utc>>,
    /// When the credential that authorised the call expires.
    pub credential_expires: DateTime<Utc>,
}

pub(super) fn run(call: &Update, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    let behaves_like_allocate = call.selection == Selection::Slice && work.slice.slivers.is_empty();
    let targets = if behaves_like_allocate {
        if call.new.is_empty() {
            return Err(Refusal::NothingRequested { slice: work.slice.urn.clone() });
        }
        Vec::new()
    } else {
        work.select(Some((Call::Update, Together::All)), &call.selection, call.best_effort)?
    };
    check_listed(call, &targets, work)?;
    let expires = short_expiry(work, call.end_time, call.credential_expires)?;
    let frame = work.add_frame(call.frame.as_deref());
    let mut report = work.each(targets, call.best_effort, |sliver| {
        let change = match call.changes.get(&sliver.urn) {
            None => None,
            Some(Proposal::Configuration(configuration)) => Some(framed(configuration, frame)),
            Some(Proposal::Refused { code, reason }) => {
                return Err(Refusal::Unfit {
                    sliver: sliver.urn.clone(),
                    code: *code,
                    reason: reason.clone(),
                });
            }
        };
        let granted = match (&sliver.allocation, &change) {
            (Allocation::Allocated(_), None) => return Ok(Step::Depart(Cause::Removed)),
            (Allocation::Allocated(_), Some(change)) => {
                sliver.allocation = Allocation::Allocated(Arc::clone(change));
                sliver.expires = expires;
                return Ok(Step::Change);
            }
            (Allocation::Provisioned(granted) | Allocation::Updating { granted, .. }, _) => {
                Arc::clone(granted)
            }
        };
        let pending = change.map_or(Pending::Removal, Pending::Change);
        sliver.allocation = Allocation::Updating { granted, pending };
        Ok(Step::Change)
    })?;
    report.extend(work.add_slivers(&call.new, &call.creator, expires, frame)?);
    work.check_client_ids()?;
    Ok(report)
}

/// Refuses a change of a sliver that was not named: whether it was meant cannot be known.
fn check_listed(call: &Update, targets: &[Target], work: &Work<'_>) -> Result<(), Refusal> {
    let listed: HashSet<&Urn> = targets
        .iter()
        .filter_map(|target| match target {
            Target::Live(at) => work.slice.slivers.get(*at).map(|sliver| &sliver.urn),
            Target::Unknown(urn) => Some(urn),
        })
        .collect();
    match call.changes.keys().find(|urn| !listed.contains(urn)) {
        None => Ok(()),
        Some(stray) if work.slice.sliver(stray).is_some() => {
            Err(Refusal::NotListed { sliver: stray.clone() })
        }
        Some(stray) => Err(Refusal::UnknownSliver { sliver: stray.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::fixtures::*;
    use super::*;
    use crate::operational::Operational;
    use crate::sliver::AllocationStatus::{Allocated, Provisioned, Unallocated, Updating};
    use crate::sliver::{NextAllocation, View};
    use chrono::TimeDelta;

    /// The stage of mixed states a minute later, so that a new expiry differs from an old one.
    fn later() -> Stage {
        let mut stage = Stage::mixed();
        stage.passes(TimeDelta::minutes(1));
        stage
    }

    fn change(name: &str, cores: u32) -> Event {
        Event::Update(update(slivers(&[name]), &[(name, configuration(name, cores))]))
    }

    fn leave_out(name: &str) -> Event {
        Event::Update(update(slivers(&[name]), &[]))
    }

    #[test]
    fn update_of_an_unknown_sliver_finds_nothing() {
        assert_eq!(later().is_refused(change("x", 1)).geni_code(), 12);
        assert_eq!(later().is_refused(Event::Update(update(slivers(&[]), &[]))).geni_code(), 1);
    }

    #[test]
    fn update_of_a_slice_without_slivers_behaves_like_allocate() {
        let mut stage = Stage::empty();
        assert_eq!(stage.is_refused(Event::Update(update(Selection::Slice, &[]))).geni_code(), 1);
        let mut call = update(Selection::Slice, &[]);
        call.new = vec![node("n", "n")];
        let done = stage.does(Event::Update(call));
        assert_eq!((done.report[0].status, done.report[0].expires), (Allocated, Some(at(600))));
    }

    #[test]
    fn update_adds_what_is_new_as_allocated() {
        let mut stage = later();
        let mut call = update(slivers(&["p"]), &[("p", configuration("p", 1))]);
        call.new = vec![node("n", "n")];
        call.end_time = Some(at(200));
        let done = stage.does(Event::Update(call));
        assert_eq!(done.report.last().unwrap().urn, sliver("n"));
        assert_eq!((stage.state("n"), stage.get("n").expires), (Allocated, at(200)));
        assert_eq!(stage.get("n").creator, urn("user", "bob"));
    }

    // Change set C, Update.
    #[test]
    fn update_changes_an_allocated_sliver_at_once_with_a_new_expiry() {
        let mut stage = later();
        let done = stage.does(change("a", 3));
        assert_eq!((stage.state("a"), stage.get("a").expires), (Allocated, at(660)));
        assert_eq!(stage.get("a").configuration(View::Future).unwrap().claims[0].amount, 3);
        assert_eq!(done.held["cores"], 2);
        assert_eq!(stage.get("a").created, at(0));
    }

    #[test]
    fn update_makes_a_provisioned_sliver_updating_and_keeps_expiry_and_operational_state() {
        let mut stage = Stage::operational(Operational::Ready);
        stage.passes(TimeDelta::minutes(1));
        let mut call = update(Selection::Slice, &[("p", configuration("p", 3))]);
        call.end_time = Some(at(100));
        let done = stage.does(Event::Update(call));
        let outcome = &done.report[0];
        assert_eq!((outcome.status, outcome.next), (Updating, Some(NextAllocation::Provisioned)));
        assert_eq!((outcome.operational, outcome.expires), (Operational::Ready, Some(at(7 * 86_400))));
        assert_eq!(stage.get("p").configuration(View::Cancelled).unwrap().claims[0].amount, 1);
        assert_eq!(stage.get("p").configuration(View::Future).unwrap().claims[0].amount, 3);
        assert_eq!(done.held["cores"], 2);
        assert!(stage.get("p").is_settled(), "nothing is to be built before Provision");
    }

    #[test]
    fn update_without_a_difference_is_an_update_all_the_same() {
        let mut stage = later();
        let same = stage.get("p").granted().unwrap().as_ref().clone();
        stage.does(Event::Update(update(slivers(&["p"]), &[("p", same)])));
        assert_eq!(stage.state("p"), Updating);
        assert_eq!(stage.cores(), 7);
    }

    #[test]
    fn update_replaces_the_pending_change_of_an_updating_sliver() {
        let mut stage = later();
        let done = stage.does(change("u", 2));
        assert_eq!((stage.state("u"), stage.get("u").expires), (Updating, at(7 * 86_400)));
        assert_eq!(stage.get("u").configuration(View::Future).unwrap().claims[0].amount, 2);
        assert_eq!(stage.get("u").granted().unwrap().claims[0].amount, 1);
        assert_eq!(done.held["cores"], -3);
    }

    #[test]
    fn an_allocated_sliver_that_is_left_out_goes_at_once() {
        let mut stage = later();
        let done = stage.does(leave_out("a"));
        assert_eq!((done.report[0].status, done.report[0].next), (Unallocated, None));
        assert_eq!(done.departed[0].cause, Cause::Removed);
        assert_eq!(stage.state("a"), Unallocated);
    }

    #[test]
    fn a_provisioned_sliver_that_is_left_out_is_marked_for_removal_and_keeps_running() {
        let mut stage = Stage::operational(Operational::Ready);
        let before = stage.get("p").goal();
        let done = stage.does(leave_out("p"));
        let outcome = &done.report[0];
        assert_eq!((outcome.status, outcome.next), (Updating, Some(NextAllocation::Unallocated)));
        assert_eq!(outcome.operational, Operational::Ready);
        assert_eq!(stage.get("p").goal(), before);
        assert_eq!(stage.get("p").configuration(View::Future), None);
    }

    #[test]
    fn an_updating_sliver_that_is_left_out_is_marked_for_removal() {
        let mut stage = later();
        let done = stage.does(leave_out("u"));
        assert_eq!(done.report[0].next, Some(NextAllocation::Unallocated));
        assert_eq!(done.held["cores"], -4);
        stage.does(change("u", 2));
        assert_eq!(stage.get("u").next_allocation(), Some(NextAllocation::Provisioned));
    }

    fn untouched(name: &str) {
        let mut stage = later();
        let before = stage.get(name).clone();
        let mut call = update(slivers(&[if name == "p" { "u" } else { "p" }]), &[]);
        call.new = vec![node("n", "n")];
        let done = stage.does(Event::Update(call));
        assert_eq!(*stage.get(name), before);
        assert!(done.report.iter().all(|outcome| outcome.urn != sliver(name)));
    }

    #[test]
    fn update_leaves_an_allocated_sliver_that_is_not_named_unchanged() {
        untouched("a");
    }

    #[test]
    fn update_leaves_a_provisioned_sliver_that_is_not_named_unchanged() {
        untouched("p");
    }

    #[test]
    fn update_leaves_an_updating_sliver_that_is_not_named_unchanged() {
        untouched("u");
    }

    #[test]
    fn a_sliver_that_is_described_but_not_named_is_ambiguous() {
        let call = update(slivers(&["p"]), &[("p", configuration("p", 1)), ("a", configuration("a", 2))]);
        let refusal = later().is_refused(Event::Update(call));
        assert_eq!(refusal, Refusal::NotListed { sliver: sliver("a") });
        assert_eq!(refusal.geni_code(), 1);
        let call = update(slivers(&["p"]), &[("p", configuration("p", 1)), ("x", configuration("x", 2))]);
        assert_eq!(later().is_refused(Event::Update(call)).geni_code(), 12);
    }

    #[test]
    fn a_change_that_cannot_be_refuses_the_call_or_with_best_effort_itself() {
        let mut stage = later();
        let mut call =
            update(Selection::Slice, &[("a", configuration("a", 2)), ("p", configuration("p", 2))]);
        call.changes.insert(sliver("u"), Proposal::Refused { code: 13, reason: "no such image".into() });
        let refusal = stage.is_refused(Event::Update(call.clone()));
        assert_eq!(refusal.geni_code(), 13);
        assert!(refusal.to_string().contains("no such image"), "{refusal}");

        let before = stage.get("u").clone();
        call.best_effort = true;
        let done = stage.does(Event::Update(call));
        assert_eq!(done.report[2].refusal.as_ref().map(Refusal::geni_code), Some(13));
        assert_eq!(*stage.get("u"), before);
        assert_eq!((stage.state("a"), stage.state("p")), (Allocated, Updating));
    }

    #[test]
    fn best_effort_reports_slivers_that_are_not_there() {
        let mut call = update(slivers(&["x", "p"]), &[]);
        call.best_effort = true;
        let done = later().does(Event::Update(call));
        assert_eq!(done.report[0].refusal.as_ref().map(Refusal::geni_code), Some(12));
        assert_eq!(done.report[1].status, Updating);
    }

    #[test]
    fn names_may_be_exchanged_but_not_doubled() {
        let mut stage = later();
        let swap =
            update(slivers(&["p", "u"]), &[("p", configuration("u", 1)), ("u", configuration("p", 1))]);
        stage.does(Event::Update(swap));
        assert_eq!(stage.is_refused(Event::Provision(provision(slivers(&["p"])))).geni_code(), 17);
        stage.does(Event::Provision(provision(slivers(&["p", "u"]))));
        assert_eq!(stage.get("p").granted().unwrap().client_id, "u");

        let double = update(slivers(&["p"]), &[("p", configuration("a", 1))]);
        assert_eq!(stage.is_refused(Event::Update(double)).geni_code(), 17);
    }

    #[test]
    fn the_frames_of_both_sides_are_kept_until_one_side_is_gone() {
        let mut stage = later();
        assert_eq!(stage.slice.frames.len(), 2);
        let u = stage.get("u").clone();
        let frame_of = |view| u.configuration(view).unwrap().frame.unwrap();
        assert_eq!(stage.slice.frame(frame_of(View::Cancelled)).unwrap().document, "<frame/>");
        assert_eq!(stage.slice.frame(frame_of(View::Future)).unwrap().document, "<update/>");
        let done = stage.does(change("u", 2));
        assert_eq!((done.added_frames, done.dropped_frames), (vec![3], vec![2]));
    }

    #[test]
    fn single_allocation_wants_every_sliver() {
        let mut stage = later();
        stage.policy.single_allocation = true;
        let refusal = stage.is_refused(Event::Update(update(slivers(&["a", "p"]), &[])));
        assert_eq!(refusal, Refusal::PartialSet { call: Call::Update, missing: vec![sliver("u")] });
        stage.tries(Event::Update(update(slivers(&["a", "p", "u"]), &[]))).unwrap();
        stage.tries(Event::Update(update(Selection::Slice, &[]))).unwrap();
        assert_eq!(stage.state("p"), Provisioned);
    }
}
