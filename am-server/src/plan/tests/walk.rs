//! The plan walked to its end against a cloud in a few lines, with answers that get lost.

use super::super::*;
use InstanceState::{Finish, Pending, Running, Stopped, Stopping};
use drivers::{ChangeCosts, Operation};
use proptest::prelude::*;

/// A machine in that cloud.
#[derive(Debug, Clone, PartialEq)]
struct Sim {
    id: u32,
    state: InstanceState,
    built: Built,
    /// Counts fresh disks.
    disk: u32,
    /// Counts beginnings and ends of running: memory is kept while it stays the same.
    session: u32,
    booted_with: String,
    /// The last action on it.
    by: Option<InstanceAction>,
}

impl Sim {
    fn enter(&mut self, state: InstanceState) {
        if (self.state == Running) != (state == Running) {
            self.session += 1;
        }
        if state == Running {
            self.booted_with.clone_from(&self.built.user_data);
        }
        self.state = state;
    }

    fn reboot(&mut self) {
        self.session += 1;
        self.booted_with.clone_from(&self.built.user_data);
    }

    fn shown(&self) -> Instance {
        Instance { id: self.id.to_string(), ..super::instance(self.state.clone()) }
    }

    /// What a change costs, paid as the driver declares it.
    fn pay(&mut self, cost: Disruption) {
        match (cost, self.state == Running) {
            (Disruption::MustBeStopped, true) => panic!("changed while running"),
            (Disruption::Reboots, true) => self.reboot(),
            _ => {}
        }
    }
}

/// The cloud: at most one machine, and how it lives.
#[derive(Debug, Clone)]
struct Cloud {
    sim: Option<Sim>,
    next_id: u32,
    machine: StateMachine,
    capabilities: Capabilities,
    steps: Vec<String>,
}

impl Cloud {
    /// Carries out one step; gives what the answer says the machine is built as now.
    fn take(&mut self, step: &Next, target: &Built) {
        self.steps.push(format!("{step:?}"));
        let costs = self.capabilities.costs;
        match (step, &mut self.sim) {
            (Next::Create, none) => {
                assert!(none.is_none(), "created over a living one");
                self.next_id += 1;
                let state = self.machine.target(&InstanceState::Start, InstanceAction::Create).unwrap();
                *none = Some(Sim {
                    id: self.next_id,
                    state: state.clone(),
                    // Volumes are given to it afterwards.
                    built: Built { volumes: Default::default(), ..target.clone() },
                    disk: self.next_id * 100,
                    session: self.next_id * 100,
                    booted_with: target.user_data.clone(),
                    by: None,
                });
            }
            (Next::Act(InstanceAction::Reboot), Some(sim)) => sim.reboot(),
            (Next::Act(InstanceAction::Destroy), _) => {
                panic!("destroyed what is to be kept: {:?}", self.steps)
            }
            (Next::Act(action) | Next::End(action), Some(sim)) => {
                sim.by = Some(*action);
                let to =
                    self.machine.target(&sim.state, *action).expect("an action the state does not allow");
                sim.enter(to.clone());
            }
            (Next::Wait, Some(sim)) => {
                let own: Vec<_> =
                    self.machine.transitions(&sim.state).iter().filter(|it| it.action.is_none()).collect();
                let meant = match sim.by {
                    Some(InstanceAction::Destroy) => own.iter().find(|it| it.to == Finish),
                    Some(InstanceAction::Stop) => own.iter().find(|it| it.to == Stopped),
                    _ => None,
                };
                sim.enter(meant.or(own.first()).expect("waits where nothing moves").to.clone());
            }
            (Next::Modify { modify: Modify::Resize, .. }, Some(sim)) => {
                if sim.built.profile != target.profile {
                    sim.pay(costs.resize);
                    sim.built.profile.clone_from(&target.profile);
                }
            }
            (Next::Modify { modify: Modify::SetUserData, .. }, Some(sim)) => {
                if sim.built.user_data != target.user_data {
                    sim.built.user_data.clone_from(&target.user_data);
                    sim.pay(costs.set_user_data);
                    if costs.set_user_data == Disruption::None {
                        sim.booted_with.clone_from(&target.user_data);
                    }
                }
            }
            (Next::Modify { modify: Modify::Attach(number), .. }, Some(sim)) => {
                assert!(!sim.built.volumes.contains(number), "attached twice");
                sim.pay(costs.storage_volume);
                sim.built.volumes.insert(*number);
            }
            (Next::Modify { modify: Modify::Detach(number), .. }, Some(sim)) => {
                assert!(sim.built.volumes.remove(number), "detached twice");
                sim.pay(costs.storage_volume);
            }
            (Next::Modify { modify: Modify::Rebuild, .. }, Some(sim)) => {
                sim.pay(costs.rebuild);
                sim.built.image.clone_from(&target.image);
                sim.disk += 1;
            }
            (step, sim) => panic!("{step:?} of {sim:?}"),
        }
        if self.sim.as_ref().is_some_and(|sim| sim.state == Finish) {
            self.sim = None;
        }
    }
}

/// Walks to the end; `losses` says which answers get lost (the step is taken, but not noted).
fn walk(cloud: &mut Cloud, from: &Built, mut wanted: Wanted<'_>, losses: &[bool]) -> Next {
    let mut noted = from.clone();
    let mut noted_id = cloud.sim.as_ref().map(|sim| sim.id);
    let mut losses = losses.iter().copied();
    for _ in 0..60 {
        // An instance that is not the one noted is what it says it is, as the reconciler takes it.
        if let Some(sim) = cloud.sim.as_ref().filter(|sim| Some(sim.id) != noted_id) {
            (noted, noted_id) = (sim.built.clone(), Some(sim.id));
        }
        // What volumes it has, the cloud is asked each time.
        if let Some(sim) = &cloud.sim {
            noted.volumes.clone_from(&sim.built.volumes);
        }
        let shown = cloud.sim.as_ref().map(Sim::shown);
        wanted.restart &= cloud.sim.as_ref().is_some_and(|sim| sim.state == Running);
        let step = next(shown.as_ref(), &noted, &wanted, &cloud.capabilities, &cloud.machine);
        if matches!(step, Next::Settled | Next::Stuck(_)) {
            return step;
        }
        cloud.take(&step, wanted.target);
        if losses.next().unwrap_or(false) {
            continue;
        }
        match step {
            Next::Modify { modify, boots, then_reboot } => {
                match modify {
                    Modify::Resize => noted.profile.clone_from(&wanted.target.profile),
                    Modify::SetUserData => noted.user_data.clone_from(&wanted.target.user_data),
                    Modify::Rebuild => noted.image.clone_from(&wanted.target.image),
                    Modify::Attach(_) | Modify::Detach(_) => {}
                    Modify::Replace => unreachable!("a replacement is destruction and creation"),
                }
                wanted.restart = (wanted.restart && !boots) || then_reboot;
            }
            Next::Act(InstanceAction::Reboot) => wanted.restart = false,
            _ => {}
        }
    }
    panic!("no end: {:?}", cloud.steps);
}

fn disruption() -> impl Strategy<Value = Disruption> {
    prop_oneof![
        Just(Disruption::None),
        Just(Disruption::NextBoot),
        Just(Disruption::Reboots),
        Just(Disruption::MustBeStopped)
    ]
}

fn machine() -> impl Strategy<Value = StateMachine> {
    use InstanceAction::{Create, Destroy, Reboot, Start, Stop};
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    flags.prop_map(|(destroy_anytime, starts_by_itself, by_way_of_stopping, finish_first)| {
        let after = if starts_by_itself { Running } else { Stopped };
        let mut all = vec![
            (InstanceState::Start, Some(Create), Pending),
            (Pending, None, after),
            (Running, Some(Reboot), Running),
            (Running, Some(Stop), Stopping),
            (Stopping, None, Stopped),
            (Stopped, Some(Start), Running),
        ];
        let end = if by_way_of_stopping { Stopping } else { Finish };
        all.push((Stopped, Some(Destroy), end.clone()));
        if destroy_anytime {
            all.push((Running, Some(Destroy), end));
        }
        if by_way_of_stopping {
            // As some clouds publish it: what is stopped and what is destroyed looks alike for a while.
            let way = (Stopping, None, Finish);
            if finish_first { all.insert(0, way) } else { all.push(way) }
        }
        StateMachine::new(all)
    })
}

fn abilities() -> impl Strategy<Value = Capabilities> {
    let verbs = proptest::sample::subsequence(super::EVERYTHING.to_vec(), 0..=3);
    let costs = [disruption(), disruption(), disruption(), disruption()];
    (verbs, costs).prop_map(|(verbs, [resize, set_user_data, rebuild, storage_volume])| {
        let operations = verbs.into_iter().map(|verb| Operation::new(Collection::Instances, verb));
        let mut all = Capabilities::new(operations, []);
        // No cloud takes a fresh disk without a boot.
        let rebuild = if rebuild == Disruption::MustBeStopped { rebuild } else { Disruption::Reboots };
        all.costs = ChangeCosts { resize, set_user_data, rebuild, storage_volume, ..ChangeCosts::default() };
        all
    })
}

fn any_built() -> impl Strategy<Value = Built> {
    let volumes = proptest::sample::subsequence(vec![0, 1, 2], 0..=3);
    (0..2u8, 0..2u8, 0..2u8, 0..3u8, volumes).prop_map(|(realm, image, profile, data, volumes)| Built {
        volumes: volumes.into_iter().collect(),
        ..super::built(
            &format!("r{realm}"),
            &format!("i{image}"),
            &format!("p{profile}"),
            &format!("u{data}"),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is to be changed, whatever the driver can and whichever answers get lost: the walk settles, and what
    /// Update promised for the change survives it, with other accounts on top or not.
    #[test]
    fn every_walk_settles_and_keeps_its_promise(
        from in any_built(),
        asked in any_built(),
        accounts in proptest::option::of(0..3u8),
        runs in any::<bool>(),
        machine in machine(),
        capabilities in abilities(),
        losses in proptest::collection::vec(any::<bool>(), 0..12),
    ) {
        let promised = Change::plan(&from, &asked, &capabilities, &machine).guarantee();
        // What Provision puts in place: what Update asked for, with the accounts it brings.
        let target = match accounts {
            Some(users) => Built { user_data: format!("{}+{users}", asked.user_data), ..asked.clone() },
            None => asked.clone(),
        };
        let (state, power) = if runs { (Running, Power::Running) } else { (Stopped, Power::Stopped) };
        let before = Sim {
            id: 1, state, built: from.clone(), disk: 1, session: 1, booted_with: from.user_data.clone(),
            by: None,
        };
        let mut cloud = Cloud {
            sim: Some(before.clone()), next_id: 1, machine, capabilities, steps: Vec::new(),
        };
        let wanted = Wanted { target: &target, power, restart: false, configure: true, promised, anew: false };
        let end = walk(&mut cloud, &from, wanted, &losses);

        prop_assert_eq!(end, Next::Settled, "{:?}", cloud.steps);
        let after = cloud.sim.clone().unwrap();
        prop_assert_eq!(&after.state, &before.state);
        prop_assert_eq!((&after.built.realm, &after.built.image, &after.built.profile),
            (&target.realm, &target.image, &target.profile));
        prop_assert_eq!(&after.built.volumes, &target.volumes);
        if accounts.is_none() {
            prop_assert_eq!(&after.built.user_data, &target.user_data);
        }
        if promised >= Guarantee::PersistentState {
            prop_assert_eq!((after.id, after.disk), (before.id, before.disk), "{:?}", cloud.steps);
        }
        if promised >= Guarantee::DynamicState {
            prop_assert_eq!(after.session, before.session, "{:?}", cloud.steps);
        }
        if promised == Guarantee::NoDisruption {
            let quiet = |step: &String| ["SetUserData", "Attach", "Detach"].iter().any(|it| step.contains(it));
            prop_assert!(cloud.steps.iter().all(quiet), "{:?}", cloud.steps);
            if accounts.is_none() && from.volumes == asked.volumes {
                prop_assert!(cloud.steps.is_empty(), "{:?}", cloud.steps);
            }
        }
        // A machine that runs knows what it was told, unless that had to wait for its next boot.
        if runs && accounts.is_none() {
            prop_assert_eq!(&after.booted_with, &target.user_data, "{:?}", cloud.steps);
        }
    }

    /// No step is taken that a plan without losses would not take: nothing is done twice.
    #[test]
    fn a_settled_machine_is_left_alone(built in any_built(), runs in any::<bool>(), machine in machine(), capabilities in abilities()) {
        let (state, power) = if runs { (Running, Power::Running) } else { (Stopped, Power::Stopped) };
        let shown = super::instance(state);
        let wanted =
            Wanted { target: &built, power, restart: false, configure: true, promised: Guarantee::None, anew: false };
        prop_assert_eq!(next(Some(&shown), &built, &wanted, &capabilities, &machine), Next::Settled);
    }
}
