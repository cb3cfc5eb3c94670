//! The plan: from what an instance is to what it shall be, in steps a driver can take.
//!
//! This is the one place that maps a difference of configurations onto driver operations. Update asks it
//! what a change will cost, and promises that to the experimenter ([`Change::guarantee`]); the reconciler asks
//! it for the next step ([`next`]) and so cannot do anything that was not promised. Every step leads to a
//! state from which the plan can be made anew, so a crash between two steps needs no memory of the first.

use crate::grant::built::Built;
use drivers::{
    Capabilities, Collection, Disruption, Instance, InstanceAction, InstanceState, StateMachine, Step as Way,
    Verb,
};
use rspec::Guarantee;
use state::Power;

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
    /// Take the volume of this number away, and destroy it.
    Detach(u32),
    /// Give it the volume of this number, which is made if it is not there.
    Attach(u32),
}

/// How one [`Built`] becomes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What has to be done, in order, each with what it costs a running instance.
    pub modifications: Vec<(Modify, Disruption)>,
}

impl Change {
    /// Plans the change from `from` to `to` with what the driver can do. Where instances cannot be stopped without
    /// ending them, a change that needs a stop needs another instance.
    #[must_use]
    pub fn plan(from: &Built, to: &Built, capabilities: &Capabilities, machine: &StateMachine) -> Self {
        let affordable = |cost| cost != Disruption::MustBeStopped || machine.can_stop();
        let can = |verb, cost| capabilities.supports(Collection::Instances, verb) && affordable(cost);
        let costs = capabilities.costs;
        let replace = Self { modifications: vec![(Modify::Replace, Disruption::MustBeStopped)] };
        if (&from.driver, &from.realm) != (&to.driver, &to.realm) {
            return replace;
        }
        let gone = from.volumes.difference(&to.volumes).map(|number| Modify::Detach(*number));
        let new = to.volumes.difference(&from.volumes).map(|number| Modify::Attach(*number));
        // What goes makes room for what comes; a fresh disk finds the volumes that it is told to mount.
        let mut modifications: Vec<_> = gone.chain(new).map(|it| (it, costs.storage_volume)).collect();
        if !modifications.is_empty() && !affordable(costs.storage_volume) {
            return replace;
        }
        let other_user_data =
            from.user_data != to.user_data || (from.image != to.image && from.mounts != to.mounts);
        for (differs, verb, modify, cost) in [
            (from.profile != to.profile, Verb::Resize, Modify::Resize, costs.resize),
            (other_user_data, Verb::SetUserData, Modify::SetUserData, costs.set_user_data),
            (from.image != to.image, Verb::Rebuild, Modify::Rebuild, costs.rebuild),
        ] {
            if differs && !can(verb, cost) {
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
        self.modifications.iter().map(preserved).min().unwrap_or(Guarantee::NoDisruption)
    }

    /// The change, if carrying it out keeps the promise. New user data that a cloud takes without disturbing the
    /// instance may always be handed over: a running one then simply is not rebooted for it.
    fn within(self, promised: Guarantee, running: bool) -> Option<Self> {
        let quiet = |(modify, cost): &(Modify, Disruption)| {
            *modify == Modify::SetUserData
                && (!running || matches!(cost, Disruption::None | Disruption::NextBoot))
        };
        self.modifications.iter().all(|it| quiet(it) || preserved(it) >= promised).then_some(self)
    }
}

/// What one modification preserves of a running instance.
fn preserved((modify, cost): &(Modify, Disruption)) -> Guarantee {
    match (modify, cost) {
        (Modify::Replace | Modify::Rebuild, _) => Guarantee::None,
        // What the volume held that goes is the experimenter's to give up, not the node's.
        (Modify::Attach(_) | Modify::Detach(_), Disruption::None) => Guarantee::NoDisruption,
        (Modify::Attach(_) | Modify::Detach(_), _) => Guarantee::PersistentState,
        (Modify::Resize | Modify::SetUserData, Disruption::None) => Guarantee::DynamicState,
        (Modify::Resize | Modify::SetUserData, _) => Guarantee::PersistentState,
    }
}

/// What to do next for one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Create it.
    Create,
    /// Take this action on it, after which it still is there: never [`InstanceAction::Destroy`].
    Act(InstanceAction),
    /// Take this action on the way to its end: another instance takes its place.
    End(InstanceAction),
    /// Change it.
    Modify {
        /// What.
        modify: Modify,
        /// Whether it boots in the course of that.
        boots: bool,
        /// Whether a reboot has to follow for the change to take hold.
        then_reboot: bool,
    },
    /// It moves by itself: look again later.
    Wait,
    /// It is as it shall be.
    Settled,
    /// It runs and shall be stopped, which its cloud cannot do without ending it: why, for people. It goes on running.
    CannotStop(String),
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
    /// Whether another configuration is to be put in place. If not, what is wanted is another power state, a restart or
    /// other accounts, and in all else the instance stays as it is.
    pub configure: bool,
    /// What of it has to survive: what Update promised. Accounts that came with Provision and would break it wait for
    /// the next time the instance is not running anyway.
    pub promised: Guarantee,
    /// Whether it is to be destroyed and made anew if it has failed.
    pub anew: bool,
}

/// The next step for an instance that was built as `built` and is now as the driver shows it.
///
/// Asked again after every step, with `built` brought up to date, it leads to [`Next::Settled`] or
/// [`Next::Stuck`], and on the way does nothing to the instance that `wanted.promised` excludes.
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
    let toward = |goal: &InstanceState| match machine.step(at, goal) {
        Way::Done => Next::Settled,
        Way::Act(action) => Next::Act(action),
        Way::Wait => Next::Wait,
        Way::Impossible => Next::Stuck(format!("instance {} is {at} and cannot become {goal}", instance.id)),
    };
    let toward_its_end = || match toward(&InstanceState::Finish) {
        Next::Act(action) => Next::End(action),
        other => other,
    };
    if *at == InstanceState::Failed {
        if wanted.anew {
            return toward_its_end();
        }
        return Next::Stuck(format!("instance {} failed", instance.id));
    }
    let running = *at == InstanceState::Running;
    let at_rest = running || *at == InstanceState::Stopped;
    // Only another configuration may take the place of what there is.
    let asked = if wanted.configure { Guarantee::None } else { Guarantee::PersistentState };
    let promised = wanted.promised.max(asked);
    // What does not run, or was asked to restart, has no dynamic state to lose.
    let promised =
        if running && !wanted.restart { promised } else { promised.min(Guarantee::PersistentState) };
    let target = if wanted.configure { wanted.target.clone() } else { built.with_accounts_of(wanted.target) };
    let change = match Change::plan(built, &target, capabilities, machine).within(promised, running) {
        Some(change) => change,
        None => {
            let without_accounts = Built { user_data: built.user_data.clone(), ..target };
            let change = Change::plan(built, &without_accounts, capabilities, machine);
            match change.within(promised, running) {
                Some(change) => change,
                None => {
                    return Next::Stuck(format!(
                        "instance {}: the change that is left to do would break the promise {} that Update gave; Update and Provision it again",
                        instance.id,
                        promised.as_str()
                    ));
                }
            }
        }
    };
    if let Some((modify, cost)) = change.modifications.first().copied() {
        return match (modify, cost) {
            (Modify::Replace, _) => toward_its_end(),
            _ if !at_rest => Next::Wait,
            (_, Disruption::MustBeStopped) if running => toward(&InstanceState::Stopped),
            (modify, cost) => {
                let then_reboot =
                    cost == Disruption::NextBoot && running && promised < Guarantee::DynamicState;
                let boots = running && (cost == Disruption::Reboots || modify == Modify::Rebuild);
                Next::Modify { modify, boots, then_reboot }
            }
        };
    }
    if wanted.restart && running && wanted.power == Power::Running {
        return Next::Act(InstanceAction::Reboot);
    }
    match wanted.power {
        Power::Running => toward(&InstanceState::Running),
        Power::Stopped if *at != InstanceState::Stopped && machine.is_known() && !machine.can_stop() => {
            match toward(&InstanceState::Running) {
                Next::Settled => Next::CannotStop(format!(
                    "instance {} cannot be stopped: its cloud can only destroy it; it goes on running",
                    instance.id
                )),
                on_its_way => on_its_way,
            }
        }
        Power::Stopped => toward(&InstanceState::Stopped),
    }
}

/// Whether a running instance goes on with the accounts that it has until it next boots for another reason: new ones would
/// need a boot that was promised not to be.
#[must_use]
pub fn accounts_wait(
    built: &Built,
    target: &Built,
    promised: Guarantee,
    capabilities: &Capabilities,
    machine: &StateMachine,
) -> bool {
    if built.user_data == target.user_data {
        return false;
    }
    match Change::plan(built, target, capabilities, machine).within(promised, true) {
        Some(change) => {
            promised >= Guarantee::DynamicState
                && change.modifications.iter().any(|(_, cost)| *cost == Disruption::NextBoot)
        }
        None => true,
    }
}

#[cfg(test)]
mod tests;
