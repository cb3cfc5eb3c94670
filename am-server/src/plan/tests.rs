mod walk;

use super::*;
use InstanceAction::{Create, Destroy, Reboot, Start, Stop};
use InstanceState::{Finish, Pending, Running, Stopped, Stopping};

fn built(realm: &str, image: &str, profile: &str, user_data: &str) -> Built {
    Built {
        driver: "lab".to_owned(),
        realm: realm.to_owned(),
        image: image.to_owned(),
        profile: profile.to_owned(),
        user_data: user_data.to_owned(),
        mounts: String::new(),
        volumes: Default::default(),
    }
}

fn capabilities(verbs: &[Verb], resize: Disruption) -> Capabilities {
    let mut all =
        Capabilities::new(verbs.iter().map(|verb| drivers::Operation::new(Collection::Instances, *verb)), []);
    all.costs.resize = resize;
    all.costs.set_user_data = Disruption::NextBoot;
    all
}

const EVERYTHING: [Verb; 3] = [Verb::Resize, Verb::SetUserData, Verb::Rebuild];

fn machine() -> StateMachine {
    StateMachine::new([
        (InstanceState::Start, Some(Create), Pending),
        (Pending, None, Stopped),
        (Stopped, Some(Start), Running),
        (Running, Some(Reboot), Running),
        (Running, Some(Stop), Stopping),
        (Stopping, None, Stopped),
        (Stopped, Some(Destroy), Finish),
    ])
}

fn instance(state: InstanceState) -> Instance {
    Instance {
        id: "i1".to_owned(),
        name: "n".to_owned(),
        owner_id: String::new(),
        image_id: "a".to_owned(),
        realm_id: "r".to_owned(),
        hardware_profile: drivers::ProfileChoice { id: "p".to_owned(), values: Default::default() },
        state,
        actions: Vec::new(),
        can_create_image: false,
        public_addresses: Vec::new(),
        private_addresses: Vec::new(),
        keyname: None,
        user_data: None,
        launch_time: None,
        firewalls: Vec::new(),
        storage_volumes: Vec::new(),
        network_interfaces: Vec::new(),
        boot_count: None,
        disk_id: None,
    }
}

#[test]
fn guarantees_say_what_survives() {
    let old = built("r", "a", "p", "u");
    let all = capabilities(&EVERYTHING, Disruption::None);
    let guarantee = |new: &Built, capabilities: &Capabilities| {
        Change::plan(&old, new, capabilities, &machine()).guarantee()
    };
    assert_eq!(guarantee(&old, &all), Guarantee::NoDisruption);
    assert_eq!(guarantee(&built("r", "a", "q", "u"), &all), Guarantee::DynamicState);
    assert_eq!(guarantee(&built("r", "a", "q", "v"), &all), Guarantee::PersistentState);
    assert_eq!(guarantee(&built("r", "b", "q", "u"), &all), Guarantee::None);
    assert_eq!(guarantee(&built("s", "a", "p", "u"), &all), Guarantee::None);
    assert_eq!(guarantee(&built("r", "a", "q", "u"), &capabilities(&[], Disruption::None)), Guarantee::None);
}

#[test]
fn volumes_come_and_go_without_disturbing_anybody() {
    let old = Built { volumes: [0, 1].into(), ..built("r", "a", "p", "u") };
    let new = Built { volumes: [1, 2].into(), ..built("r", "a", "p", "u") };
    let mut can = capabilities(&EVERYTHING, Disruption::None);
    let change = |can: &Capabilities| Change::plan(&old, &new, can, &machine());
    let steps = [(Modify::Detach(0), Disruption::None), (Modify::Attach(2), Disruption::None)];
    assert_eq!(change(&can).modifications, steps);
    assert_eq!(change(&can).guarantee(), Guarantee::NoDisruption);
    for cost in [Disruption::NextBoot, Disruption::Reboots, Disruption::MustBeStopped] {
        can.costs.storage_volume = cost;
        assert_eq!(change(&can).guarantee(), Guarantee::PersistentState, "{cost:?}");
    }
    // A cloud that wants the instance stopped for it gets it stopped.
    let wanted = Wanted {
        target: &new,
        power: Power::Running,
        restart: false,
        configure: true,
        promised: Guarantee::None,
        anew: false,
    };
    let step = |state| next(Some(&instance(state)), &old, &wanted, &can, &machine());
    assert_eq!(step(Running), Next::Act(Stop));
    let detach = Next::Modify { modify: Modify::Detach(0), boots: false, then_reboot: false };
    assert_eq!(step(Stopped), detach);
}

#[test]
fn where_volumes_are_mounted_is_told_to_fresh_disks_only() {
    let old = Built { mounts: "x".to_owned(), ..built("r", "a", "p", "u") };
    let new = Built { mounts: "y".to_owned(), ..built("r", "a", "p", "u") };
    let all = capabilities(&EVERYTHING, Disruption::None);
    assert!(Change::plan(&old, &new, &all, &machine()).is_nothing() && old.is_as_good_as(&new));
    let fresh = Built { image: "b".to_owned(), ..new };
    let steps = Change::plan(&old, &fresh, &all, &machine()).modifications;
    assert_eq!(
        steps,
        [(Modify::SetUserData, Disruption::NextBoot), (Modify::Rebuild, all.costs.rebuild)],
        "the fresh disk hears of it"
    );
}

#[test]
fn a_resize_that_needs_a_stop_gets_one() {
    let (old, new) = (built("r", "a", "p", "u"), built("r", "a", "q", "u"));
    let can = capabilities(&EVERYTHING, Disruption::MustBeStopped);
    let wanted = Wanted {
        target: &new,
        power: Power::Running,
        restart: false,
        configure: true,
        promised: Guarantee::None,
        anew: false,
    };
    let step = |state, built: &Built| next(Some(&instance(state)), built, &wanted, &can, &machine());
    assert_eq!(step(Running, &old), Next::Act(Stop));
    assert_eq!(step(Stopping, &old), Next::Wait);
    assert_eq!(
        step(Stopped, &old),
        Next::Modify { modify: Modify::Resize, boots: false, then_reboot: false }
    );
    assert_eq!(step(Stopped, &new), Next::Act(Start));
    assert_eq!(step(Running, &new), Next::Settled);
}

#[test]
fn a_replacement_goes_through_destroy_and_create() {
    let (old, new) = (built("r", "a", "p", "u"), built("s", "a", "p", "u"));
    let can = capabilities(&EVERYTHING, Disruption::None);
    let wanted = Wanted {
        target: &new,
        power: Power::Stopped,
        restart: false,
        configure: true,
        promised: Guarantee::None,
        anew: false,
    };
    let step = |state| next(Some(&instance(state)), &old, &wanted, &can, &machine());
    assert_eq!(step(Running), Next::End(Stop));
    assert_eq!(step(Stopped), Next::End(Destroy));
    assert_eq!(next(None, &old, &wanted, &can, &machine()), Next::Create);
}

#[test]
fn user_data_never_reboots_what_was_promised_to_go_on() {
    let (old, new) = (built("r", "a", "p", "u"), built("r", "a", "p", "v"));
    let can = capabilities(&EVERYTHING, Disruption::None);
    for (promised, may_reboot) in [
        (Guarantee::PersistentState, true),
        (Guarantee::DynamicState, false),
        (Guarantee::NoDisruption, false),
    ] {
        let wanted = Wanted {
            target: &new,
            power: Power::Running,
            restart: false,
            configure: true,
            promised,
            anew: false,
        };
        let step = next(Some(&instance(Running)), &old, &wanted, &can, &machine());
        assert_eq!(step, Next::Modify { modify: Modify::SetUserData, boots: false, then_reboot: may_reboot });
    }
}

#[test]
fn accounts_wait_where_they_cannot_be_had_without_breaking_the_promise() {
    let (old, new) = (built("r", "a", "p", "u"), built("r", "a", "p", "v"));
    let mut at_once = capabilities(&EVERYTHING, Disruption::None);
    at_once.costs.set_user_data = Disruption::None;
    for (can, promised, waits) in [
        (capabilities(&EVERYTHING, Disruption::None), Guarantee::PersistentState, false),
        (capabilities(&EVERYTHING, Disruption::None), Guarantee::DynamicState, true),
        (at_once, Guarantee::NoDisruption, false),
        (capabilities(&[], Disruption::None), Guarantee::PersistentState, true),
        (capabilities(&[], Disruption::None), Guarantee::None, false),
    ] {
        assert_eq!(accounts_wait(&old, &new, promised, &can, &machine()), waits, "{promised:?}");
        assert!(!accounts_wait(&old, &old, promised, &can, &machine()));
    }
}

#[test]
fn a_restart_is_for_what_runs() {
    let same = built("r", "a", "p", "u");
    let can = capabilities(&EVERYTHING, Disruption::None);
    let wanted = |power| Wanted {
        target: &same,
        power,
        restart: true,
        configure: true,
        promised: Guarantee::None,
        anew: false,
    };
    let step = |state, power| next(Some(&instance(state)), &same, &wanted(power), &can, &machine());
    assert_eq!(step(Running, Power::Running), Next::Act(Reboot));
    assert_eq!(step(Stopped, Power::Stopped), Next::Settled);
    assert_eq!(step(Stopped, Power::Running), Next::Act(Start));
}

#[test]
fn accounts_never_break_a_promise() {
    let (old, new) = (built("r", "a", "p", "u"), built("r", "a", "p", "v"));
    let mut can = capabilities(&EVERYTHING, Disruption::None);
    for cost in [Disruption::Reboots, Disruption::MustBeStopped] {
        can.costs.set_user_data = cost;
        let wanted = Wanted {
            target: &new,
            power: Power::Running,
            restart: false,
            configure: true,
            promised: Guarantee::DynamicState,
            anew: false,
        };
        let step = |state, wanted: &Wanted<'_>| next(Some(&instance(state)), &old, wanted, &can, &machine());
        // They wait, until the instance does not run or is restarted for another reason.
        assert_eq!(step(Running, &wanted), Next::Settled);
        let set = |boots| Next::Modify { modify: Modify::SetUserData, boots, then_reboot: false };
        assert_eq!(step(Stopped, &wanted), set(false));
        let restarting = Wanted { restart: true, ..wanted };
        let expected = if cost == Disruption::Reboots { set(true) } else { Next::Act(Stop) };
        assert_eq!(step(Running, &restarting), expected);
    }
    // A driver that cannot do it at all would have to replace the instance: never.
    let cannot = capabilities(&[], Disruption::None);
    let wanted = Wanted {
        target: &new,
        power: Power::Running,
        restart: false,
        configure: true,
        promised: Guarantee::PersistentState,
        anew: false,
    };
    assert_eq!(next(Some(&instance(Running)), &old, &wanted, &cannot, &machine()), Next::Settled);
}

#[test]
fn a_change_that_was_not_promised_is_not_made() {
    // The operator took the ability to resize away between Update and Provision.
    let (old, new) = (built("r", "a", "p", "u"), built("r", "a", "q", "u"));
    let cannot = capabilities(&[], Disruption::None);
    let wanted = Wanted {
        target: &new,
        power: Power::Running,
        restart: false,
        configure: true,
        promised: Guarantee::PersistentState,
        anew: false,
    };
    let step = next(Some(&instance(Running)), &old, &wanted, &cannot, &machine());
    assert!(matches!(&step, Next::Stuck(why) if why.contains("geni_persistent_state")), "{step:?}");
}

#[test]
fn what_failed_is_made_anew_only_when_asked() {
    let same = built("r", "a", "p", "u");
    let can = capabilities(&EVERYTHING, Disruption::None);
    let machine = StateMachine::new([
        (InstanceState::Start, Some(Create), Pending),
        (Pending, None, Running),
        (Pending, None, InstanceState::Failed),
        (InstanceState::Failed, Some(Destroy), Finish),
    ]);
    for (anew, expected) in [(true, Some(Destroy)), (false, None)] {
        let wanted = Wanted {
            target: &same,
            power: Power::Running,
            restart: false,
            configure: true,
            promised: Guarantee::None,
            anew,
        };
        match (next(Some(&instance(InstanceState::Failed)), &same, &wanted, &can, &machine), expected) {
            (Next::End(action), Some(expected)) => assert_eq!(action, expected),
            (Next::Stuck(why), None) => assert!(why.contains("failed")),
            (other, _) => panic!("{other:?}"),
        }
    }
}

/// A cloud in which stopping is another word for destroying.
fn without_stop() -> StateMachine {
    StateMachine::new([
        (InstanceState::Start, Some(Create), Pending),
        (Pending, None, Running),
        (Running, Some(Reboot), Running),
        (Running, Some(Stop), Stopping),
        (Stopping, None, Stopped),
        (Stopped, None, Finish),
    ])
}

#[test]
fn a_cloud_that_can_only_destroy_is_not_asked_to_stop() {
    let same = built("r", "a", "p", "u");
    let can = capabilities(&EVERYTHING, Disruption::None);
    let wanted = |power| Wanted {
        target: &same,
        power,
        restart: false,
        configure: true,
        promised: Guarantee::None,
        anew: false,
    };
    let step = |at, power| next(Some(&instance(at)), &same, &wanted(power), &can, &without_stop());
    assert!(
        matches!(step(Running, Power::Stopped), Next::CannotStop(why) if why.contains("cannot be stopped"))
    );
    assert_eq!(step(Pending, Power::Stopped), Next::Wait, "it comes up, as there is no other way");
    assert_eq!(step(Running, Power::Running), Next::Settled);
}

#[test]
fn a_change_that_needs_a_stop_is_promised_nothing_where_nothing_can_be_stopped() {
    let (old, new) = (built("r", "a", "p", "u"), built("r", "a", "q", "u"));
    let with_volume = Built { volumes: [0].into(), ..old.clone() };
    let mut can = capabilities(&EVERYTHING, Disruption::MustBeStopped);
    can.costs.storage_volume = Disruption::MustBeStopped;
    for (to, kept) in
        [(&new, Guarantee::None), (&with_volume, Guarantee::None), (&old, Guarantee::NoDisruption)]
    {
        assert_eq!(Change::plan(&old, to, &can, &without_stop()).guarantee(), kept);
    }
    assert_eq!(Change::plan(&old, &new, &can, &machine()).guarantee(), Guarantee::PersistentState);
}

#[test]
fn other_wishes_than_a_configuration_put_nothing_in_the_place_of_what_there_is() {
    // What was built differs in everything from what is wanted: another version of the service wrote it, say.
    let (old, new) = (built("r", "a", "p", "u"), built("s", "b", "q", "v"));
    for can in [capabilities(&EVERYTHING, Disruption::None), capabilities(&[], Disruption::None)] {
        for (restart, power) in [(false, Power::Stopped), (true, Power::Running), (false, Power::Running)] {
            let wanted = Wanted {
                target: &new,
                power,
                restart,
                configure: false,
                promised: Guarantee::None,
                anew: false,
            };
            let step = next(Some(&instance(Running)), &old, &wanted, &can, &machine());
            let expected = match (can.supports(Collection::Instances, Verb::SetUserData), restart, power) {
                (true, ..) => Next::Modify { modify: Modify::SetUserData, boots: false, then_reboot: true },
                (false, true, _) => Next::Act(Reboot),
                (false, false, Power::Stopped) => Next::Act(Stop),
                (false, false, Power::Running) => Next::Settled,
            };
            assert_eq!(step, expected, "{restart} {power:?}");
        }
    }
}
