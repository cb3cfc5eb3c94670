//! What the reconciler is to bring about for a sliver, and the operational state that follows from how far it came.

use crate::operational::{Operational, Phase, Power, Revision};
use crate::sliver::{Allocation, Configuration, Sliver};
use std::sync::Arc;

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
    use crate::operational::Instance;

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
    fn the_goal_of_an_updating_sliver_is_what_was_granted() {
        let stage = Stage::mixed();
        let Goal::Present { configuration, .. } = stage.get("u").goal() else { panic!() };
        assert_eq!(configuration.claims[0].amount, 1);
    }
}
