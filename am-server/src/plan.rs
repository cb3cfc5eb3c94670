//! The plan: from what an instance is to what it shall be, in steps a driver can take.
//!
//! This is the one place that maps a difference of configurations onto driver operations. Update asks it
//! what a change will cost, and promises that to the experimenter ([`Change::guarantee`]); the reconciler asks
//! it for the next step ([`next`]) and so cannot do anything that was not promised. Every step leads to a
//! state from which the plan can be made anew, so a crash between two steps needs no memory of the first.

use crate::aggregate::grant::NodeGrant;
use drivers::cloud_init::{self, CloudInit, CloudInitError, Execute, Install, LoginUser};
use drivers::{
    Capabilities, Collection, Disruption, Instance, InstanceAction, InstanceState, StateMachine, Step as Way,
    Verb,
};
use rspec::{Guarantee, Node};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use state::Power;

/// Everything about an instance that a change of configuration can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The driver's name.
    pub driver: String,
    /// The realm it is in.
    pub realm: String,
    /// The image its disk was made from.
    pub image: String,
    /// Its hardware profile.
    pub profile: String,
    /// SHA-256 of its user data, hexadecimal: the text itself holds keys.
    pub user_data: String,
}

impl Built {
    /// What an instance for this grant is built as.
    #[must_use]
    pub fn of(grant: &NodeGrant, user_data: &str) -> Self {
        let digest = Sha256::digest(user_data.as_bytes());
        Self {
            driver: grant.driver.clone(),
            realm: grant.realm.clone(),
            image: grant.image.clone(),
            profile: grant.profile.clone(),
            user_data: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// The user data of a node's instance: accounts from the grant, install and execute services from the RSpec.
///
/// # Errors
/// Something in it cannot be put into a cloud-init document.
pub fn user_data(node: &Node, grant: &NodeGrant) -> Result<String, CloudInitError> {
    cloud_init::build(&CloudInit {
        users: grant
            .users
            .iter()
            .map(|user| LoginUser { name: user.login.clone(), keys: user.keys.clone() })
            .collect(),
        install: node
            .services
            .installs
            .iter()
            .map(|it| Install { url: it.url.clone(), path: it.install_path.clone() })
            .collect(),
        execute: node
            .services
            .executes
            .iter()
            .map(|it| Execute { shell: it.shell.clone(), command: it.command.clone() })
            .collect(),
    })
}

/// One change of an instance that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modify {
    /// Destroy it and create another.
    Replace,
    /// Put a fresh disk from another image under it.
    Rebuild,
    /// Give it another hardware profile.
    Resize,
    /// Give it other user data.
    SetUserData,
}

/// How one [`Built`] becomes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What has to be done, in order, each with what it costs a running instance.
    pub modifications: Vec<(Modify, Disruption)>,
}

impl Change {
    /// Plans the change from `from` to `to` with what the driver can do.
    #[must_use]
    pub fn plan(from: &Built, to: &Built, capabilities: &Capabilities) -> Self {
        let can = |verb| capabilities.supports(Collection::Instances, verb);
        let costs = capabilities.costs;
        let replace = Self { modifications: vec![(Modify::Replace, Disruption::MustBeStopped)] };
        if (&from.driver, &from.realm) != (&to.driver, &to.realm) {
            return replace;
        }
        let mut modifications = Vec::new();
        for (differs, verb, modify, cost) in [
            (from.profile != to.profile, Verb::Resize, Modify::Resize, costs.resize),
            (from.user_data != to.user_data, Verb::SetUserData, Modify::SetUserData, costs.set_user_data),
            (from.image != to.image, Verb::Rebuild, Modify::Rebuild, costs.rebuild),
        ] {
            if differs && !can(verb) {
                return replace;
            }
            if differs {
                modifications.push((modify, cost));
            }
        }
        Self { modifications }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.modifications.is_empty()
    }

    /// What of the instance survives the change: the least that any of its modifications preserves (AM API v4
    /// draft, change set C, state guarantees).
    #[must_use]
    pub fn guarantee(&self) -> Guarantee {
        self.modifications
            .iter()
            .map(|(modify, cost)| match (modify, cost) {
                (Modify::Replace | Modify::Rebuild, _) => Guarantee::None,
                (Modify::Resize | Modify::SetUserData, Disruption::None) => Guarantee::DynamicState,
                (Modify::Resize | Modify::SetUserData, _) => Guarantee::PersistentState,
            })
            .min()
            .unwrap_or(Guarantee::NoDisruption)
    }
}

/// What to do next for one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Create it.
    Create,
    /// Take this action on it.
    Act(InstanceAction),
    /// Change it; it has to be rebooted afterwards for the change to take hold, if so said.
    Modify {
        /// What.
        modify: Modify,
        /// Whether a reboot has to follow.
        then_reboot: bool,
    },
    /// It moves by itself: look again later.
    Wait,
    /// It is as it shall be.
    Settled,
    /// There is no way to what is wanted.
    Stuck(String),
}

/// What is wanted of an instance.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What it shall be.
    pub target: &'a Built,
    /// Whether it shall run.
    pub power: Power,
    /// Whether it shall be restarted once.
    pub restart: bool,
    /// Whether it may be rebooted for a change of its user data; false where Update promised that its dynamic state
    /// stays.
    pub may_reboot: bool,
}

/// The next step for an instance that was built as `built` and is now as the driver shows it.
#[must_use]
pub fn next(
    instance: Option<&Instance>,
    built: &Built,
    wanted: &Wanted<'_>,
    capabilities: &Capabilities,
    machine: &StateMachine,
) -> Next {
    let Some(instance) = instance else { return Next::Create };
    let at = &instance.state;
    if *at == InstanceState::Failed {
        return Next::Stuck(format!("instance {} failed", instance.id));
    }
    let toward = |goal: &InstanceState| match machine.step(at, goal) {
        Way::Done => Next::Settled,
        Way::Act(action) => Next::Act(action),
        Way::Wait => Next::Wait,
        Way::Impossible => Next::Stuck(format!("instance {} is {at} and cannot become {goal}", instance.id)),
    };
    let running = *at == InstanceState::Running;
    let at_rest = running || *at == InstanceState::Stopped;
    if let Some((modify, cost)) =
        Change::plan(built, wanted.target, capabilities).modifications.first().copied()
    {
        return match (modify, cost) {
            (Modify::Replace, _) => toward(&InstanceState::Finish),
            _ if !at_rest => Next::Wait,
            (_, Disruption::MustBeStopped) if running => toward(&InstanceState::Stopped),
            (modify, cost) => {
                let reboot = cost == Disruption::NextBoot
                    && running
                    && (wanted.may_reboot || modify != Modify::SetUserData);
                Next::Modify { modify, then_reboot: reboot }
            }
        };
    }
    if wanted.restart && running && wanted.power == Power::Running {
        return Next::Act(InstanceAction::Reboot);
    }
    match wanted.power {
        Power::Running => toward(&InstanceState::Running),
        Power::Stopped => toward(&InstanceState::Stopped),
    }
}

#[cfg(test)]
mod tests {
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
        }
    }

    fn capabilities(verbs: &[Verb], resize: Disruption) -> Capabilities {
        let mut all = Capabilities::new(
            verbs.iter().map(|verb| drivers::Operation::new(Collection::Instances, *verb)),
            [],
        );
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
        let guarantee =
            |new: &Built, capabilities: &Capabilities| Change::plan(&old, new, capabilities).guarantee();
        assert_eq!(guarantee(&old, &all), Guarantee::NoDisruption);
        assert_eq!(guarantee(&built("r", "a", "q", "u"), &all), Guarantee::DynamicState);
        assert_eq!(guarantee(&built("r", "a", "q", "v"), &all), Guarantee::PersistentState);
        assert_eq!(guarantee(&built("r", "b", "q", "u"), &all), Guarantee::None);
        assert_eq!(guarantee(&built("s", "a", "p", "u"), &all), Guarantee::None);
        assert_eq!(
            guarantee(&built("r", "a", "q", "u"), &capabilities(&[], Disruption::None)),
            Guarantee::None
        );
    }

    #[test]
    fn a_resize_that_needs_a_stop_gets_one() {
        let (old, new) = (built("r", "a", "p", "u"), built("r", "a", "q", "u"));
        let can = capabilities(&EVERYTHING, Disruption::MustBeStopped);
        let wanted = Wanted { target: &new, power: Power::Running, restart: false, may_reboot: true };
        let step = |state, built: &Built| next(Some(&instance(state)), built, &wanted, &can, &machine());
        assert_eq!(step(Running, &old), Next::Act(Stop));
        assert_eq!(step(Stopping, &old), Next::Wait);
        assert_eq!(step(Stopped, &old), Next::Modify { modify: Modify::Resize, then_reboot: false });
        assert_eq!(step(Stopped, &new), Next::Act(Start));
        assert_eq!(step(Running, &new), Next::Settled);
    }

    #[test]
    fn a_replacement_goes_through_destroy_and_create() {
        let (old, new) = (built("r", "a", "p", "u"), built("s", "a", "p", "u"));
        let can = capabilities(&EVERYTHING, Disruption::None);
        let wanted = Wanted { target: &new, power: Power::Stopped, restart: false, may_reboot: true };
        let step = |state| next(Some(&instance(state)), &old, &wanted, &can, &machine());
        assert_eq!(step(Running), Next::Act(Stop));
        assert_eq!(step(Stopped), Next::Act(Destroy));
        assert_eq!(next(None, &old, &wanted, &can, &machine()), Next::Create);
    }

    #[test]
    fn user_data_never_reboots_what_was_promised_to_go_on() {
        let (old, new) = (built("r", "a", "p", "u"), built("r", "a", "p", "v"));
        let can = capabilities(&EVERYTHING, Disruption::None);
        for may_reboot in [true, false] {
            let wanted = Wanted { target: &new, power: Power::Running, restart: false, may_reboot };
            let step = next(Some(&instance(Running)), &old, &wanted, &can, &machine());
            assert_eq!(step, Next::Modify { modify: Modify::SetUserData, then_reboot: may_reboot });
        }
    }

    #[test]
    fn a_restart_is_for_what_runs() {
        let same = built("r", "a", "p", "u");
        let can = capabilities(&EVERYTHING, Disruption::None);
        let wanted = |power| Wanted { target: &same, power, restart: true, may_reboot: true };
        let step = |state, power| next(Some(&instance(state)), &same, &wanted(power), &can, &machine());
        assert_eq!(step(Running, Power::Running), Next::Act(Reboot));
        assert_eq!(step(Stopped, Power::Stopped), Next::Settled);
        assert_eq!(step(Stopped, Power::Running), Next::Act(Start));
    }
}
