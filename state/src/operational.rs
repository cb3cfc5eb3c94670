//! The operational state: derived from what is wanted and what was last seen, never stored by hand.
//!
//! An experimenter's action changes a wish ([`Power`], [`Revision`]); the reconciler works towards it and
//! reports what it sees ([`Instance`]). The state that the API reports follows from both. A crash between
//! wish and work therefore loses nothing: the difference is still there afterwards.

use crate::sliver::{Allocation, Configuration, Sliver};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Whether something is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Power {
    /// Built but not running. `Provision` starts nothing.
    Stopped,
    /// Running.
    Running,
}

impl Power {
    /// `stopped` or `running`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Running => "running",
        }
    }
}

/// Counts the wishes of each sort, so that a wish can be told from its repetition. In a [`Sliver`] it says
/// how many were made, in an [`Instance`] how many of them are done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Configurations that the cloud has to put in place; the first `Provision` makes it 1, later ones raise
    /// it only where the cloud has work to do.
    pub configuration: u32,
    /// Restarts asked for.
    pub restarts: u32,
    /// Changes of users asked for while running.
    pub users: u32,
}

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The cloud is building or changing it.
    Busy,
    /// There, and not running.
    Stopped,
    /// There, and usable.
    Running,
    /// The wishes in [`Instance::done`] were tried and given up.
    Failed,
}

/// What the reconciler last saw in the cloud for one sliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// What it is doing.
    pub phase: Phase,
    /// How many of the sliver's wishes are finished (or, when failed, given up). `configuration: 0` while
    /// the very first one is being built.
    pub done: Revision,
    /// The driver's own record of it: identifier, addresses… Opaque here.
    pub detail: serde_json::Value,
    /// Whether it was seen stopped, or not there at all, since the slice was shut down.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub halted: bool,
    /// Whether it failed because the cloud did not have it any more: should the cloud show it again, it is looked at
    /// again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vanished: bool,
}

impl Instance {
    /// One that was just seen.
    #[must_use]
    pub fn new(phase: Phase, done: Revision, detail: serde_json::Value) -> Self {
        Self { phase, done, detail, halted: false, vanished: false }
    }
}

/// The operational states by their protocol names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operational {
    /// `geni_pending_allocation`: not provisioned, or not built yet. No action is possible.
    PendingAllocation,
    /// `geni_notready`: built and stopped.
    NotReady,
    /// `geni_configuring`: on its way to running, or being changed.
    Configuring,
    /// `geni_stopping`: on its way to stopped.
    Stopping,
    /// `geni_ready`: running, users installed.
    Ready,
    /// `geni_updating_users`: running, keys of users being replaced.
    UpdatingUsers,
    /// `geni_failed`: tried and given up.
    Failed,
}

impl Operational {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::PendingAllocation,
        Self::NotReady,
        Self::Configuring,
        Self::Stopping,
        Self::Ready,
        Self::UpdatingUsers,
        Self::Failed,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingAllocation => "geni_pending_allocation",
            Self::NotReady => "geni_notready",
            Self::Configuring => "geni_configuring",
            Self::Stopping => "geni_stopping",
            Self::Ready => "geni_ready",
            Self::UpdatingUsers => "geni_updating_users",
            Self::Failed => "geni_failed",
        }
    }

    /// The state with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether it stays until an experimenter acts; the others pass by themselves.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::NotReady | Self::Ready | Self::Failed)
    }
}

impl fmt::Display for Operational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the reconciler is to bring about for one sliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// Nothing of it in the cloud.
    Absent,
    /// Whatever of it exists stays, unchanged and stopped: the slice is shut down.
    Halted,
    /// There, as configured.
    Present {
        /// Running or stopped.
        power: Power,
        /// What it is to be: the granted configuration, never a pending one.
        configuration: Arc<Configuration>,
        /// What to report as [`Instance::done`] once all of it is true.
        revision: Revision,
    },
}

impl Sliver {
    /// What the cloud should have for this sliver.
    #[must_use]
    pub fn goal(&self) -> Goal {
        match self.granted() {
            None => Goal::Absent,
            Some(_) if self.suspended => Goal::Halted,
            Some(granted) => {
                Goal::Present { power: self.power, configuration: Arc::clone(granted), revision: self.wanted }
            }
        }
    }

    /// The operational state to report.
    #[must_use]
    pub fn operational(&self) -> Operational {
        let Some(instance) = &self.instance else {
            return Operational::PendingAllocation;
        };
        if matches!(self.allocation, Allocation::Allocated(_)) || instance.done.configuration == 0 {
            return Operational::PendingAllocation;
        }
        if self.suspended {
            return match instance.phase {
                Phase::Busy | Phase::Running => Operational::Stopping,
                Phase::Stopped => Operational::NotReady,
                Phase::Failed => Operational::Failed,
            };
        }
        let (done, wanted) = (instance.done, self.wanted);
        if done.configuration != wanted.configuration {
            return Operational::Configuring;
        }
        match (self.power, instance.phase) {
            (_, Phase::Failed) if done.restarts == wanted.restarts => Operational::Failed,
            (Power::Stopped, Phase::Stopped) => Operational::NotReady,
            (Power::Stopped, Phase::Busy | Phase::Running) => Operational::Stopping,
            (Power::Running, Phase::Running) if done.restarts == wanted.restarts => {
                if done.users == wanted.users { Operational::Ready } else { Operational::UpdatingUsers }
            }
            (Power::Running, _) | (_, Phase::Failed) => Operational::Configuring,
        }
    }

    /// Whether the reconciler has nothing to do for it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match (self.goal(), &self.instance) {
            (Goal::Absent, instance) => instance.is_none(),
            // Neither a failure nor an answer that never came says that nothing runs: only having looked does.
            (Goal::Halted, instance) => instance.as_ref().is_some_and(|instance| instance.halted),
            (Goal::Present { .. }, _) => self.operational().is_final(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixtures::Stage;

    /// The state of a provisioned sliver with this wish and this sighting; the configuration wanted is the
    /// second, and one restart and one change of users were asked for.
    fn state(power: Power, phase: Phase, configuration: u32, restarts: u32, users: u32) -> Operational {
        let mut sliver = Stage::operational(Operational::NotReady).get("p").clone();
        sliver.power = power;
        sliver.wanted = Revision { configuration: 2, restarts: 1, users: 1 };
        let done = Revision { configuration, restarts, users };
        sliver.instance = Some(Instance::new(phase, done, serde_json::Value::Null));
        sliver.operational()
    }

    #[test]
    fn the_state_follows_from_wish_and_sighting() {
        use Phase::{Busy, Failed, Running as Up, Stopped as Down};
        use Power::{Running, Stopped};
        for (power, phase, done, expected) in [
            (Stopped, Busy, (0, 0, 0), Operational::PendingAllocation),
            (Stopped, Down, (2, 1, 1), Operational::NotReady),
            (Stopped, Down, (2, 0, 0), Operational::NotReady),
            (Stopped, Up, (2, 1, 1), Operational::Stopping),
            (Stopped, Busy, (2, 1, 1), Operational::Stopping),
            (Stopped, Down, (1, 1, 1), Operational::Configuring),
            (Running, Down, (2, 1, 1), Operational::Configuring),
            (Running, Busy, (2, 1, 1), Operational::Configuring),
            (Running, Up, (1, 1, 1), Operational::Configuring),
            (Running, Up, (2, 0, 1), Operational::Configuring),
            (Running, Up, (2, 1, 0), Operational::UpdatingUsers),
            (Running, Up, (2, 1, 1), Operational::Ready),
            (Running, Failed, (2, 1, 1), Operational::Failed),
            (Stopped, Failed, (2, 1, 1), Operational::Failed),
            (Running, Failed, (1, 1, 1), Operational::Configuring),
            (Running, Failed, (2, 0, 1), Operational::Configuring),
        ] {
            assert_eq!(state(power, phase, done.0, done.1, done.2), expected, "{power:?} {phase:?} {done:?}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for state in Operational::ALL {
            assert_eq!(Operational::from_name(state.as_str()), Some(state));
        }
        assert_eq!(Operational::from_name("ready"), None);
    }

    #[test]
    fn an_allocated_sliver_wants_nothing_built() {
        let stage = Stage::mixed();
        assert_eq!(stage.get("a").goal(), Goal::Absent);
        assert!(stage.get("a").is_settled());
    }

    #[test]
    fn a_suspended_sliver_is_settled_only_once_it_was_seen_not_to_run() {
        for state in Operational::ALL {
            let mut sliver = Stage::operational(state).get("p").clone();
            sliver.suspended = true;
            assert!(!sliver.is_settled(), "{state}: it may run");
            let instance = sliver.instance.take();
            let seen = Instance::new(Phase::Stopped, Revision::default(), serde_json::Value::Null);
            sliver.instance = Some(Instance { halted: true, ..instance.unwrap_or(seen) });
            assert!(sliver.is_settled(), "{state}");
        }
    }

    #[test]
    fn instances_noted_by_earlier_versions_are_read_and_new_ones_written_as_before() {
        let old = r#"{"phase":"failed","done":{"configuration":1,"restarts":0,"users":0},"detail":null}"#;
        let read: Instance = serde_json::from_str(old).unwrap();
        assert_eq!(read, Instance::new(Phase::Failed, read.done, serde_json::Value::Null));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let marked = Instance { halted: true, vanished: true, ..read };
        let text = serde_json::to_string(&marked).unwrap();
        assert_eq!(serde_json::from_str::<Instance>(&text).unwrap(), marked);
    }

    #[test]
    fn the_goal_of_an_updating_sliver_is_what_was_granted() {
        let stage = Stage::mixed();
        let Goal::Present { configuration, .. } = stage.get("u").goal() else { panic!() };
        assert_eq!(configuration.claims[0].amount, 1);
    }
}
