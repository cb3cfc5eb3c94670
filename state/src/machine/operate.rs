//! `PerformOperationalAction`: a wish about running slivers. It is only noted here; the reconciler carries
//! it out.

use super::selection::Selection;
use super::transition::{Outcome, Step, Work};
use crate::operational::{Operational, Power};
use crate::refusal::Refusal;
use crate::sliver::{Allocation, Configuration, Sliver};
use crate::vocabulary::Action;
use std::collections::BTreeMap;
use std::sync::Arc;
use urn::Urn;

/// The arguments of `PerformOperationalAction`.
#[derive(Debug, Clone)]
pub struct Operate {
    /// The slivers.
    pub selection: Selection,
    /// The action's name as it came.
    pub action: String,
    /// For `geni_update_users`: the configurations with the users replaced. One without a frame stays in its
    /// frame; a sliver that is missing here has no users to change and is left alone. Claims stay as
    /// they were.
    pub users: BTreeMap<Urn, Configuration>,
    /// `geni_best_effort`.
    pub best_effort: bool,
}

pub(super) fn run(call: &Operate, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    let Some(action) = Action::from_name(&call.action) else {
        return Err(Refusal::UnknownAction { action: call.action.chars().take(80).collect() });
    };
    let targets = work.select(None, &call.selection, call.best_effort)?;
    work.each(targets, call.best_effort, |sliver| {
        if is_so_already(action, sliver) {
            return Ok(Step::Keep);
        }
        check_possible(action, sliver)?;
        match action {
            Action::Start => sliver.power = Power::Running,
            Action::Stop => sliver.power = Power::Stopped,
            Action::Restart => sliver.wanted.restarts = sliver.wanted.restarts.wrapping_add(1),
            Action::UpdateUsers => match (&sliver.allocation, call.users.get(&sliver.urn)) {
                (Allocation::Provisioned(own), Some(changed)) => {
                    sliver.allocation = Allocation::Provisioned(Arc::new(Configuration {
                        frame: own.frame,
                        client_id: own.client_id.clone(),
                        claims: own.claims.clone(),
                        ..changed.clone()
                    }));
                    sliver.wanted.users = sliver.wanted.users.wrapping_add(1);
                }
                _ => return Ok(Step::Keep),
            },
        }
        sliver.error = None;
        Ok(Step::Change)
    })
}

/// Whether a sliver is, or is on its way to, what the action is for: starting what runs or is being started is done.
fn is_so_already(action: Action, sliver: &Sliver) -> bool {
    let runs = matches!(sliver.operational(), Operational::Configuring | Operational::Ready);
    let is_settled = matches!(sliver.allocation, Allocation::Provisioned(_));
    action == Action::Start && is_settled && runs && sliver.power == Power::Running
}

fn check_possible(action: Action, sliver: &Sliver) -> Result<(), Refusal> {
    let operational = sliver.operational();
    match sliver.allocation {
        Allocation::Allocated(_) => {
            return Err(Refusal::NotProvisioned {
                sliver: sliver.urn.clone(),
                action,
                status: sliver.status(),
            });
        }
        Allocation::Updating { .. } => {
            return Err(Refusal::Updating { sliver: sliver.urn.clone(), action });
        }
        Allocation::Provisioned(_) => {}
    }
    if Action::possible_in(operational).contains(&action) {
        return Ok(());
    }
    let sliver = sliver.urn.clone();
    Err(match (action, operational) {
        (Action::UpdateUsers, _) => Refusal::UsersNeedReady { sliver, operational },
        (_, Operational::PendingAllocation) => Refusal::StillPending { sliver, action },
        _ => Refusal::WrongOperationalState { sliver, action, operational },
    })
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::fixtures::*;
    use super::*;
    use crate::operational::Operational::{
        Configuring, Failed, NotReady, PendingAllocation, Ready, Stopping, UpdatingUsers,
    };

    fn attempt(state: Operational, action: &str) -> Result<Operational, i32> {
        let mut stage = Stage::operational(state);
        let mut call = operate(Selection::Slice, action);
        call.users.insert(sliver("p"), configuration("p", 1));
        let before = stage.slice.clone();
        match stage.tries(Event::Operate(call)) {
            Ok(done) if done.is_noop() => {
                assert!(done.slice == before && !done.report[0].changed);
                Ok(done.report[0].operational)
            }
            Ok(done) => {
                stage.slice = done.slice;
                assert!(!stage.get("p").is_settled(), "the reconciler has to hear of it");
                assert_eq!(done.report[0].operational, stage.get("p").operational());
                Ok(stage.get("p").operational())
            }
            Err(refusal) => {
                assert!(refusal.to_string().contains(sliver("p").as_str()), "{refusal}");
                Err(refusal.geni_code())
            }
        }
    }

    /// One test per cell of the table of operational states and actions.
    macro_rules! cells {
        ($($name:ident: $state:ident, $action:literal => $expected:expr;)*) => {
            $(
                #[test]
                fn $name() {
                    assert_eq!(attempt($state, $action), $expected);
                }
            )*
        };
    }

    cells! {
        start_waits_for_a_pending_sliver: PendingAllocation, "geni_start" => Err(13);
        stop_waits_for_a_pending_sliver: PendingAllocation, "geni_stop" => Err(13);
        restart_waits_for_a_pending_sliver: PendingAllocation, "geni_restart" => Err(13);
        users_of_a_pending_sliver_stay: PendingAllocation, "geni_update_users" => Err(7);
        start_configures_a_stopped_sliver: NotReady, "geni_start" => Ok(Configuring);
        stop_of_a_stopped_sliver_is_unsupported: NotReady, "geni_stop" => Err(13);
        restart_of_a_stopped_sliver_is_unsupported: NotReady, "geni_restart" => Err(13);
        users_of_a_stopped_sliver_stay: NotReady, "geni_update_users" => Err(7);
        start_of_a_configuring_sliver_changes_nothing: Configuring, "geni_start" => Ok(Configuring);
        stop_of_a_configuring_sliver_is_unsupported: Configuring, "geni_stop" => Err(13);
        restart_of_a_configuring_sliver_is_unsupported: Configuring, "geni_restart" => Err(13);
        users_of_a_configuring_sliver_stay: Configuring, "geni_update_users" => Err(7);
        start_of_a_ready_sliver_changes_nothing: Ready, "geni_start" => Ok(Ready);
        stop_stops_a_ready_sliver: Ready, "geni_stop" => Ok(Stopping);
        restart_configures_a_ready_sliver: Ready, "geni_restart" => Ok(Configuring);
        users_of_a_ready_sliver_are_updated: Ready, "geni_update_users" => Ok(UpdatingUsers);
        start_of_a_stopping_sliver_is_unsupported: Stopping, "geni_start" => Err(13);
        stop_of_a_stopping_sliver_is_unsupported: Stopping, "geni_stop" => Err(13);
        restart_of_a_stopping_sliver_is_unsupported: Stopping, "geni_restart" => Err(13);
        users_of_a_stopping_sliver_stay: Stopping, "geni_update_users" => Err(7);
        start_of_a_failed_sliver_is_unsupported: Failed, "geni_start" => Err(13);
        stop_of_a_failed_sliver_is_unsupported: Failed, "geni_stop" => Err(13);
        restart_of_a_failed_sliver_is_unsupported: Failed, "geni_restart" => Err(13);
        users_of_a_failed_sliver_stay: Failed, "geni_update_users" => Err(7);
        start_while_users_are_updated_is_unsupported: UpdatingUsers, "geni_start" => Err(13);
        stop_while_users_are_updated_is_unsupported: UpdatingUsers, "geni_stop" => Err(13);
        restart_while_users_are_updated_is_unsupported: UpdatingUsers, "geni_restart" => Err(13);
        users_while_users_are_updated_stay: UpdatingUsers, "geni_update_users" => Err(7);
    }

    #[test]
    fn each_action_ends_where_it_should() {
        for (from, action, to) in
            [(NotReady, "geni_start", Ready), (Ready, "geni_stop", NotReady), (Ready, "geni_restart", Ready)]
        {
            let mut stage = Stage::operational(from);
            stage.acts(action);
            stage.settle();
            assert_eq!(stage.get("p").operational(), to, "{action}");
        }
        let mut stage = Stage::operational(UpdatingUsers);
        stage.settle();
        assert_eq!(stage.get("p").operational(), Ready);
    }

    #[test]
    fn what_is_possible_is_what_is_advertised() {
        for state in Operational::ALL {
            for action in Action::ALL {
                let possible = Action::possible_in(state).contains(&action);
                let is_so = action == Action::Start && matches!(state, Configuring | Ready);
                let attempt = attempt(state, action.as_str());
                assert_eq!(attempt.is_ok(), possible || is_so, "{action} when {state}");
                if possible {
                    assert_eq!(attempt, Ok(action.leads_to()));
                }
            }
        }
    }

    #[test]
    fn a_stopped_sliver_that_is_being_changed_is_not_being_started() {
        let mut stage = Stage::operational(NotReady);
        stage.does(Event::Update(update(Selection::Slice, &[("p", configuration("p", 4))])));
        stage.does(Event::Provision(provision(Selection::Slice)));
        assert_eq!(stage.get("p").operational(), Configuring);
        assert_eq!(stage.is_refused(Event::Operate(operate(Selection::Slice, "geni_start"))).geni_code(), 13);
    }

    #[test]
    fn an_action_on_an_unknown_sliver_finds_nothing() {
        assert_eq!(
            Stage::mixed().is_refused(Event::Operate(operate(slivers(&["x"]), "geni_start"))).geni_code(),
            12
        );
    }

    #[test]
    fn an_action_on_an_allocated_sliver_is_unsupported() {
        let refusal = Stage::mixed().is_refused(Event::Operate(operate(slivers(&["a"]), "geni_start")));
        assert_eq!(refusal.geni_code(), 13);
    }

    #[test]
    fn an_action_on_a_provisioned_sliver_goes_by_its_operational_state() {
        let mut stage = Stage::mixed();
        let done = stage.does(Event::Operate(operate(slivers(&["p"]), "geni_start")));
        assert_eq!(done.report[0].operational, Configuring);
    }

    // Change set C: not while updating, in whatever operational state.
    #[test]
    fn an_action_on_an_updating_sliver_has_to_wait() {
        for action in Action::ALL {
            let refusal =
                Stage::mixed().is_refused(Event::Operate(operate(slivers(&["u"]), action.as_str())));
            assert_eq!(refusal.geni_code(), 16, "{action}");
        }
    }

    #[test]
    fn unknown_actions_are_unsupported_and_the_known_ones_named() {
        for action in ["", "random_action", "GENI_START"] {
            let refusal = Stage::mixed().is_refused(Event::Operate(operate(slivers(&["p"]), action)));
            assert_eq!(refusal.geni_code(), 13, "{action:?}");
            assert!(refusal.to_string().contains("geni_restart"), "{refusal}");
        }
    }

    #[test]
    fn best_effort_acts_on_those_that_can() {
        let mut stage = Stage::mixed();
        let call = Operate { best_effort: true, ..operate(Selection::Slice, "geni_start") };
        let done = stage.does(Event::Operate(call));
        let codes: Vec<_> =
            done.report.iter().map(|outcome| outcome.refusal.as_ref().map(Refusal::geni_code)).collect();
        assert_eq!(codes, [Some(13), None, Some(16)]);
        assert_eq!(done.changed, [sliver("p")]);
    }

    #[test]
    fn replacing_users_changes_neither_name_nor_claims() {
        let mut stage = Stage::operational(Ready);
        let mut call = operate(Selection::Slice, "geni_update_users");
        call.users
            .insert(sliver("p"), Configuration { detail: "new keys".into(), ..configuration("other", 50) });
        stage.does(Event::Operate(call));
        let granted = stage.get("p").granted().unwrap();
        assert_eq!(
            (granted.client_id.as_str(), &granted.detail, granted.frame),
            ("p", &"new keys".into(), Some(1))
        );
        assert_eq!(stage.cores(), 1);
    }
}
