//! `Renew`: one new expiry for all slivers named, whatever their states.

use super::allocate::check_credential;
use super::selection::{Selection, Target, Together};
use super::transition::{Outcome, Step, Work};
use crate::refusal::Refusal;
use crate::time::whole_seconds;
use crate::vocabulary::Call;
use chrono::{DateTime, Utc};

/// The arguments of `Renew`.
#[derive(Debug, Clone)]
pub struct Renew {
    /// The slivers, in any states.
    pub selection: Selection,
    /// The expiry asked for; sooner than the present one is allowed.
    pub until: DateTime<Utc>,
    /// `geni_extend_alap`: as far as the limits allow, instead of a refusal.
    pub as_late_as_possible: bool,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// When the credential that authorised the call expires.
    pub credential_expires: DateTime<Utc>,
}

pub(super) fn run(call: &Renew, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    let targets = work.select(Some((Call::Renew, Together::SameState)), &call.selection, call.best_effort)?;
    let credential_expires = check_credential(work, call.credential_expires)?;
    let asked = whole_seconds(call.until);
    let (now, policy) = (work.now, work.policy);
    // One time is asked for all, so the time that would have been allowed is what the most limited one may get.
    let latest = targets
        .iter()
        .filter_map(|target| match target {
            Target::Live(at) => work.slice.slivers.get(*at),
            Target::Unknown(_) => None,
        })
        .map(|sliver| policy.renewal_cap(sliver, now, credential_expires).latest)
        .min();
    work.each(targets, call.best_effort, |sliver| {
        let cap = policy.renewal_cap(sliver, now, credential_expires);
        let allowed = if call.best_effort { cap.latest } else { latest.unwrap_or(cap.latest) };
        if asked <= now {
            return Err(Refusal::Past { sliver: sliver.urn.clone(), asked, latest: allowed });
        }
        if asked <= cap.latest {
            sliver.expires = asked;
        } else if call.as_late_as_possible {
            // Asking for more never takes away what was granted under a longer credential.
            sliver.expires = cap.latest.max(sliver.expires.min(asked));
        } else {
            return Err(Refusal::TooLate {
                sliver: sliver.urn.clone(),
                asked,
                limit: cap.limit,
                latest: allowed,
            });
        }
        Ok(Step::Change)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::fixtures::*;
    use super::*;
    use crate::refusal::Limit;
    use crate::sliver::AllocationStatus;
    use chrono::TimeDelta;

    const DAY: i64 = 86_400;

    #[test]
    fn renew_of_an_unknown_sliver_finds_nothing() {
        assert_eq!(Stage::mixed().is_refused(Event::Renew(renew(slivers(&["x"]), at(60)))).geni_code(), 12);
    }

    #[test]
    fn renew_after_the_expiry_finds_nothing() {
        let mut stage = Stage::mixed();
        stage.passes(TimeDelta::seconds(600));
        assert_eq!(stage.is_refused(Event::Renew(renew(slivers(&["a"]), at(660)))).geni_code(), 12);
    }

    fn renewed(name: &str, until: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
        let mut stage = Stage::mixed();
        let (state, operational) = (stage.state(name), stage.get(name).operational());
        let done = stage.tries(Event::Renew(renew(slivers(&[name]), until)))?;
        stage.slice = done.slice;
        assert_eq!((stage.state(name), stage.get(name).operational()), (state, operational));
        assert_eq!(done.report[0].expires, Some(stage.get(name).expires));
        Ok(stage.get(name).expires)
    }

    #[test]
    fn renew_keeps_an_allocated_sliver_within_the_short_limit() {
        assert_eq!(renewed("a", at(600)), Ok(at(600)));
        assert_eq!(renewed("a", at(30)), Ok(at(30)), "sooner is allowed");
        let refusal = renewed("a", at(601)).unwrap_err();
        assert_eq!(refusal.geni_code(), 19);
        assert_eq!(refusal.latest_allowed(), Some(at(600)));
        assert!(matches!(refusal, Refusal::TooLate { limit: Limit::Allocated, .. }));
    }

    #[test]
    fn renew_gives_a_provisioned_sliver_its_new_expiry() {
        assert_eq!(renewed("p", at(90 * DAY)), Ok(at(90 * DAY)));
        assert_eq!(renewed("p", at(1)), Ok(at(1)));
        let refusal = renewed("p", at(90 * DAY + 1)).unwrap_err();
        assert_eq!(refusal.latest_allowed(), Some(at(90 * DAY)));
        assert!(matches!(refusal, Refusal::TooLate { limit: Limit::Lifetime, .. }));
    }

    #[test]
    fn renew_gives_an_updating_sliver_its_new_expiry() {
        assert_eq!(renewed("u", at(30 * DAY)), Ok(at(30 * DAY)));
        assert!(renewed("u", at(91 * DAY)).is_err());
    }

    #[test]
    fn a_time_in_the_past_is_out_of_range_and_the_answer_says_what_is_not() {
        let refusal = renewed("p", at(0)).unwrap_err();
        assert_eq!((refusal.geni_code(), refusal.latest_allowed()), (19, Some(at(90 * DAY))));
        assert!(refusal.to_string().contains("2030-"), "{refusal}");
        assert!(refusal.to_string().contains(sliver("p").as_str()), "{refusal}");
    }

    #[test]
    fn nothing_is_renewed_beyond_the_credential() {
        let mut call = renew(slivers(&["p"]), at(3 * DAY));
        call.credential_expires = at(2 * DAY);
        let refusal = Stage::mixed().is_refused(Event::Renew(call));
        assert_eq!(refusal.latest_allowed(), Some(at(2 * DAY)));
        assert!(matches!(refusal, Refusal::TooLate { limit: Limit::Credential, .. }));
    }

    // Change set C, mixed state calls: one time for all.
    #[test]
    fn slivers_in_mixed_states_get_the_same_expiry_or_none() {
        let mut stage = Stage::mixed();
        let refusal = stage.is_refused(Event::Renew(renew(Selection::Slice, at(30 * DAY))));
        assert_eq!(refusal.latest_allowed(), Some(at(600)), "what all of them could get");
        stage.does(Event::Renew(renew(Selection::Slice, at(500))));
        assert!(stage.slice.slivers.iter().all(|sliver| sliver.expires == at(500)));
    }

    #[test]
    fn best_effort_renews_those_that_can_be() {
        let mut stage = Stage::mixed();
        let mut call = renew(Selection::Slice, at(30 * DAY));
        call.best_effort = true;
        let done = stage.does(Event::Renew(call));
        let refused: Vec<bool> = done.report.iter().map(|outcome| outcome.refusal.is_some()).collect();
        assert_eq!(refused, [true, false, false]);
        assert_eq!(done.report[0].expires, Some(at(600)));
        assert_eq!(stage.get("u").expires, at(30 * DAY));
        assert_eq!(done.changed, [sliver("p"), sliver("u")]);
    }

    // geni_extend_alap.
    #[test]
    fn as_late_as_possible_stops_at_each_slivers_own_limit() {
        let mut stage = Stage::mixed();
        let mut call = renew(Selection::Slice, at(300 * DAY));
        call.as_late_as_possible = true;
        stage.does(Event::Renew(call.clone()));
        let expiries: Vec<_> = stage.slice.slivers.iter().map(|sliver| sliver.expires).collect();
        assert_eq!(expiries, [at(600), at(90 * DAY), at(90 * DAY)]);

        call.credential_expires = at(2 * DAY);
        stage.does(Event::Renew(call.clone()));
        assert_eq!(stage.get("p").expires, at(90 * DAY), "more was asked for, so nothing is taken away");

        call.until = at(-1);
        assert_eq!(stage.is_refused(Event::Renew(call)).geni_code(), 19);
    }

    // AM API v3, geni_single_allocation.
    #[test]
    fn single_allocation_wants_all_slivers_of_a_state() {
        let mut stage = Stage::mixed();
        stage.policy.single_allocation = true;
        stage.does(Event::Provision(provision(Selection::Slice)));
        assert_eq!(stage.state("u"), AllocationStatus::Provisioned);
        let refusal = stage.is_refused(Event::Renew(renew(slivers(&["p"]), at(60))));
        assert_eq!(refusal.geni_code(), 13);
        stage.does(Event::Renew(renew(slivers(&["p", "u", "a"]), at(60))));
    }
}
