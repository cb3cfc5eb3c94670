//! What was built for slivers that are gone is destroyed.

use super::{PAGE, Reconciler, act, finished, instances, log_store, operation};
use crate::cloud::Cloud;
use crate::grant::instance::InstanceDetail;
use crate::grant::{Grant, NodeGrant};
use drivers::{DriverError, Instance as Machine, InstanceState, Step as Way, Verb};
use state::DepartedSliver;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, warn};
use urn::Urn;

/// How far the clearing away of a departed sliver is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cleared {
    /// Nothing is left.
    Entirely,
    /// There is a next step.
    NotYet,
    /// Nothing can be done while the service is configured as it is: why.
    Stranded(String),
}

impl Reconciler {
    /// Destroys what was built for slivers that are gone; the number of those for which there is more to do.
    pub(super) async fn clear_departed(self: &Arc<Self>) -> usize {
        let mut after: Option<Urn> = None;
        let mut left = 0;
        let mut stranded: BTreeMap<String, usize> = BTreeMap::new();
        loop {
            let page = match self.slices.store().departed(after.as_ref(), PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    log_store(error);
                    return left + 1;
                }
            };
            let Some(last) = page.last() else { break };
            after = Some(last.sliver.clone());
            let count = page.len();
            let mut done_with = 0;
            let mut tasks = JoinSet::new();
            for sliver in page {
                let this = Arc::clone(self);
                tasks.spawn(async move {
                    let _place = this.places.acquire().await;
                    (this.clear(&sliver).await, sliver.sliver)
                });
            }
            let mut gone: Vec<Urn> = Vec::new();
            for (cleared, sliver) in finished(tasks).await {
                match cleared {
                    Cleared::Entirely => gone.push(sliver),
                    Cleared::NotYet => {}
                    Cleared::Stranded(reason) => {
                        *stranded.entry(reason).or_default() += 1;
                        done_with += 1;
                    }
                }
            }
            if !gone.is_empty() {
                match self.slices.store().forget_departed(&gone).await {
                    Ok(()) => done_with += gone.len(),
                    Err(error) => log_store(error),
                }
            }
            left += count - done_with;
        }
        self.tell_of_stranded(stranded);
        left
    }

    /// Says what stays behind, when that is not what was said last.
    fn tell_of_stranded(&self, stranded: BTreeMap<String, usize>) {
        let mut told = self.stranded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (reason, instances) in stranded.iter().filter(|(reason, count)| told.get(*reason) != Some(*count))
        {
            warn!(reason, instances, "what was built for slivers that are gone stays");
        }
        *told = stranded;
    }

    /// Takes the next step to clear one departed sliver away.
    async fn clear(&self, departed: &DepartedSliver) -> Cleared {
        let grant = match Grant::of(&departed.configuration) {
            Ok(Grant::Link(_)) => return Cleared::Entirely,
            Ok(Grant::Node(grant)) => grant,
            Err(error) => return Cleared::Stranded(error.to_string()),
        };
        let rests =
            self.with_looks(|looks, pause| !looks.is_due_departed(&departed.sliver, Instant::now(), pause));
        if rests {
            return Cleared::NotYet;
        }
        // A sliver that went in the middle of a move to another driver may have an instance at either.
        let noted = departed.instance.as_ref().and_then(|instance| InstanceDetail::read(&instance.detail));
        let elsewhere = noted.map(|noted| noted.built.driver).filter(|driver| *driver != grant.driver);
        let mut all = Cleared::Entirely;
        for driver in std::iter::once(grant.driver.clone()).chain(elsewhere) {
            let here = self.clear_at(departed, &grant, &driver).await;
            // A step that can be taken comes before what cannot be helped.
            if all == Cleared::Entirely || here == Cleared::NotYet {
                all = here;
            }
        }
        all
    }

    /// Takes the next step to clear one departed sliver away from one driver.
    async fn clear_at(&self, departed: &DepartedSliver, grant: &NodeGrant, driver: &str) -> Cleared {
        let inventory = self.inventory.current();
        let Some(cloud) = inventory.cloud(driver) else {
            return Cleared::Stranded(format!("driver {driver} is not configured any more"));
        };
        let token = self.token(&departed.sliver);
        let result = cloud
            .ask(instances(Verb::Show), |driver| async move { driver.instance_named(&token).await })
            .await;
        let gone = match result {
            Some(Ok(None)) => true,
            Some(Ok(Some(machine))) => self.destroy(cloud, &machine).await,
            Some(Err(_)) | None => false,
        };
        if gone && !grant.volumes.is_empty() && !cloud.driver.capabilities().gives_volumes() {
            return Cleared::Stranded(format!("driver {driver} does nothing with volumes any more"));
        }
        // Volumes last: they are free once their instance is gone.
        let gone = gone && self.clear_volumes(&departed.sliver, grant, cloud).await;
        if gone { Cleared::Entirely } else { Cleared::NotYet }
    }

    /// Takes the next step to destroy an instance; whether it is gone.
    pub(super) async fn destroy(&self, cloud: &Cloud, machine: &Machine) -> bool {
        match cloud.driver.instance_states().step(&machine.state, &InstanceState::Finish) {
            Way::Done => true,
            Way::Wait => false,
            Way::Act(action) => {
                let id = &machine.id;
                let done = cloud
                    .ask(operation(action), |driver| async move { act(&*driver, id, action).await })
                    .await;
                match done {
                    Some(Ok(_)) => {
                        debug!(driver = cloud.name, instance = machine.id, %action, "toward the end of an instance");
                        false
                    }
                    Some(Err(DriverError::NotFound { .. })) => true,
                    _ => false,
                }
            }
            Way::Impossible => {
                warn!(driver = cloud.name, instance = machine.id, state = %machine.state, "cannot be destroyed from this state");
                false
            }
        }
    }
}
