//! What was built for slivers that are gone is destroyed.

use super::job::tell_refusal;
use super::{PAGE, Reconciler, act, instances, log_store, operation};
use crate::cloud::Cloud;
use crate::grant::instance::InstanceDetail;
use crate::grant::{Grant, NodeGrant};
use drivers::{DriverError, Instance as Machine, InstanceState, Step as Way, Verb};
use state::DepartedSliver;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError};
use tokio::time::Instant;
use tracing::{debug, warn};
use urn::Urn;

/// How far the clearing away of a tombstone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cleared {
    /// Nothing is left.
    Entirely,
    /// There is a next step.
    NotYet,
    /// The driver refused the step.
    Refused,
    /// Nothing can be done while the service is configured as it is: why.
    Blocked(String),
}

impl Reconciler {
    /// Starts a step for each tombstone; the number of those for which there may be more to do.
    pub(super) async fn clear_tombstones(self: &Arc<Self>) -> usize {
        let mut after: Option<Urn> = None;
        let mut all: HashSet<Urn> = HashSet::new();
        loop {
            let page = match self.slices.store().departed(after.as_ref(), PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    log_store(error);
                    return all.len() + 1;
                }
            };
            let Some(last) = page.last() else { break };
            after = Some(last.sliver.clone());
            for tombstone in page {
                all.insert(tombstone.sliver.clone());
                self.start_clearing(tombstone);
            }
        }
        let (blocked, by_reason) = {
            let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
            blocked.retain(|sliver, _| all.contains(sliver));
            let mut by_reason: BTreeMap<String, usize> = BTreeMap::new();
            for reason in blocked.values() {
                *by_reason.entry(reason.clone()).or_default() += 1;
            }
            (blocked.len(), by_reason)
        };
        self.tell_of_blocked(by_reason);
        all.len() - blocked
    }

    /// Says what stays behind, when that is not what was said last.
    fn tell_of_blocked(&self, blocked: BTreeMap<String, usize>) {
        let mut told = self.blocked_told.lock().unwrap_or_else(PoisonError::into_inner);
        for (reason, instances) in blocked.iter().filter(|(reason, count)| told.get(*reason) != Some(*count))
        {
            warn!(reason, instances, "what was built for slivers that are gone stays");
        }
        *told = blocked;
    }

    /// Takes the next step to clear one tombstone away; whether nothing is left of its sliver.
    pub(super) async fn clear(&self, tombstone: &DepartedSliver) -> bool {
        let cleared = self.clear_everywhere(tombstone).await;
        let sliver = &tombstone.sliver;
        if cleared == Cleared::Refused {
            let refusals = self.with_rechecks(|table, pause| table.refused(sliver, Instant::now(), pause));
            tell_refusal(refusals, sliver, "what was built for a sliver that is gone cannot be destroyed");
        } else {
            self.with_rechecks(|table, _| table.progressed(sliver));
        }
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        match &cleared {
            Cleared::Blocked(reason) => drop(blocked.insert(sliver.clone(), reason.clone())),
            _ => drop(blocked.remove(sliver)),
        }
        cleared == Cleared::Entirely
    }

    async fn clear_everywhere(&self, departed: &DepartedSliver) -> Cleared {
        let grant = match Grant::of(&departed.configuration) {
            Ok(Grant::Link(_)) => return Cleared::Entirely,
            Ok(Grant::Node(grant)) => grant,
            Err(error) => return Cleared::Blocked(error.to_string()),
        };
        // A sliver that went in the middle of a move to another driver may have an instance at either.
        let noted = departed.instance.as_ref().and_then(|instance| InstanceDetail::read(&instance.detail));
        let elsewhere = noted.map(|noted| noted.built.driver).filter(|driver| *driver != grant.driver);
        let mut all = Cleared::Entirely;
        for driver in std::iter::once(grant.driver.clone()).chain(elsewhere) {
            let here = self.clear_at(departed, &grant, &driver).await;
            // A step that can be taken comes before what cannot be helped.
            if all == Cleared::Entirely || matches!(here, Cleared::NotYet | Cleared::Refused) {
                all = here;
            }
        }
        all
    }

    /// Takes the next step to clear one departed sliver away from one driver.
    async fn clear_at(&self, departed: &DepartedSliver, grant: &NodeGrant, driver: &str) -> Cleared {
        let inventory = self.inventory.current();
        let Some(cloud) = inventory.cloud(driver) else {
            return Cleared::Blocked(format!("driver {driver} is not configured any more"));
        };
        let _place = cloud.lane.enter(departed.slice.as_str()).await;
        if !self.under_way.is_open() {
            return Cleared::NotYet;
        }
        let token = self.token(&departed.sliver);
        let result = cloud
            .ask(instances(Verb::Show), |driver| async move { driver.instance_named(&token).await })
            .await;
        let gone = match result {
            Some(Ok(None)) => Cleared::Entirely,
            Some(Ok(Some(machine))) => self.destroy(cloud, &machine).await,
            Some(Err(_)) => Cleared::Refused,
            None => Cleared::NotYet,
        };
        if gone != Cleared::Entirely {
            return gone;
        }
        if !grant.volumes.is_empty() && !cloud.driver.capabilities().gives_volumes() {
            return Cleared::Blocked(format!("driver {driver} does nothing with volumes any more"));
        }
        // Volumes last: they are free once their instance is gone.
        self.clear_volumes(&departed.sliver, grant, cloud).await
    }

    /// Takes the next step to destroy an instance.
    pub(super) async fn destroy(&self, cloud: &Cloud, machine: &Machine) -> Cleared {
        match cloud.driver.instance_states().step(&machine.state, &InstanceState::Finish) {
            Way::Done => Cleared::Entirely,
            Way::Wait => Cleared::NotYet,
            Way::Act(action) => {
                let id = &machine.id;
                let done = cloud
                    .ask(operation(action), |driver| async move { act(&*driver, id, action).await })
                    .await;
                match done {
                    Some(Ok(_)) => {
                        debug!(driver = cloud.name, instance = machine.id, %action, "toward the end of an instance");
                        Cleared::NotYet
                    }
                    Some(Err(DriverError::NotFound { .. })) => Cleared::Entirely,
                    // It moved meanwhile, or nothing was asked.
                    Some(Err(DriverError::WrongState { .. })) | None => Cleared::NotYet,
                    Some(Err(_)) => Cleared::Refused,
                }
            }
            Way::Impossible => {
                warn!(driver = cloud.name, instance = machine.id, state = %machine.state, "cannot be destroyed from this state");
                Cleared::Refused
            }
        }
    }
}
