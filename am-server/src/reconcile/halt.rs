//! What a shut down slice has running is stopped.

use super::job::stalled;
use super::{Reconciler, act, operation};
use crate::grant::Grant;
use crate::grant::instance::InstanceDetail;
use crate::grant::waiting::WAITING;
use drivers::{DriverError, InstanceAction, InstanceState, Step as Way};
use state::{Instance, Phase, Revision, Sighting, Sliver};
use tokio::time::Instant;
use urn::Urn;

/// How far the stopping of an instance is; of what a sliver has in several places, the greatest.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Halt {
    /// It was seen stopped, or not to be there.
    Done,
    /// It was asked to stop.
    UnderWay,
    /// It may run: its driver does not answer and is left alone, or something else is wanted by now.
    LeftAlone,
    /// It may run, for this reason.
    Unknown(String),
}

impl Reconciler {
    /// Stops what a sliver of a slice that is shut down has running, noted or not: of a creation whose answer was lost
    /// nothing is known but its driver.
    pub(super) async fn halt_node(&self, slice: &Urn, sliver: &Sliver) -> Option<Sighting> {
        let granted = match sliver.granted().map(|it| Grant::of(it)) {
            Some(Ok(Grant::Node(grant))) => grant.driver.clone(),
            _ => return stalled(sliver, "its stored configuration cannot be read".to_owned()),
        };
        let noted = InstanceDetail::of(sliver).map(|noted| noted.built.driver);
        let elsewhere = noted.filter(|noted| *noted != granted);
        let mut all = Halt::Done;
        for driver in std::iter::once(granted).chain(elsewhere) {
            all = all.max(self.halt_at(slice, sliver, &driver).await);
        }
        let halted = all == Halt::Done;
        let error = match all {
            Halt::Done => None,
            Halt::UnderWay => sliver.error.clone(),
            // Nothing was seen; what there is to say is said as long as it is so.
            Halt::LeftAlone => return None,
            // What was seen stopped is taken for stopped until seen otherwise.
            Halt::Unknown(_) if sliver.is_settled() => return None,
            Halt::Unknown(reason) => Some(reason),
        };
        let noted = sliver.instance.clone();
        let instance = match noted
            .unwrap_or_else(|| Instance::new(Phase::Busy, Revision::default(), Default::default()))
        {
            // That it had failed is not forgotten: it was not brought nearer to what was wanted.
            instance if instance.phase == Phase::Failed => Instance { halted, ..instance },
            instance => {
                Instance { halted, phase: if halted { Phase::Stopped } else { Phase::Busy }, ..instance }
            }
        };
        let error = if instance.phase == Phase::Failed { sliver.error.clone().or(error) } else { error };
        Some(Sighting { sliver: sliver.urn.clone(), instance: Some(instance), error, stays: None })
    }

    /// Takes the next step to stop what a sliver has at one driver.
    async fn halt_at(&self, slice: &Urn, sliver: &Sliver, driver: &str) -> Halt {
        let inventory = self.inventory.current();
        let Some(cloud) = inventory.cloud(driver) else {
            return Halt::Unknown(format!("waiting for driver {driver}, which is not configured any more"));
        };
        let begun = Instant::now();
        let _place = cloud.lane.enter(slice.as_str()).await;
        if !self.still_wants(slice, sliver, begun).await {
            return Halt::LeftAlone;
        }
        let machine = match self.find(sliver, cloud).await {
            Some(Ok(Some(machine))) => machine,
            Some(Ok(None)) => return Halt::Done,
            Some(Err(error)) => return Halt::Unknown(format!("{WAITING}: {error}")),
            None => return Halt::LeftAlone,
        };
        match cloud.driver.instance_states().step(&machine.state, &InstanceState::Stopped) {
            Way::Done => Halt::Done,
            Way::Wait => Halt::UnderWay,
            Way::Act(InstanceAction::Stop) => {
                let id = &machine.id;
                let stop = InstanceAction::Stop;
                match cloud.ask(operation(stop), |driver| async move { act(&*driver, id, stop).await }).await
                {
                    Some(Ok(_)) => Halt::UnderWay,
                    // It moved meanwhile.
                    Some(Err(DriverError::WrongState { .. } | DriverError::NotFound { .. })) => {
                        Halt::UnderWay
                    }
                    Some(Err(error)) => Halt::Unknown(format!("{WAITING}: {error}")),
                    None => Halt::LeftAlone,
                }
            }
            // What cannot be stopped without being destroyed is kept: it may be evidence.
            Way::Act(_) | Way::Impossible => Halt::Unknown(format!(
                "its instance {} is {} and cannot be stopped without being destroyed",
                machine.id, machine.state
            )),
        }
    }
}
