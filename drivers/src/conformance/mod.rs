//! The driver contract as a series of checks that any driver can be run through.
//!
//! It reads what the driver declares and checks that the driver keeps to it: instances walk the
//! declared states, tokens protect creations, what is lacking is refused as such, errors are of
//! the right kind. It creates things under names that begin with the given prefix and removes them
//! again; nothing else is touched.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;

use crate::driver::{Answer, ComputeDriver};
use crate::error::DriverError;
use crate::model::{CreateInstance, Instance};
use crate::operation::{Collection, Operation, Verb};
use crate::states::{InstanceAction, InstanceState, Step};

/// How often an instance is looked at on its way to a state before it counts as stuck.
const LOOKS: usize = 100;

/// Lets time pass between two looks at an instance.
#[async_trait]
pub trait Patience: Send + Sync {
    /// Waits as long as it makes sense for the driver's cloud.
    async fn wait(&self);
}

/// Where the driver does not keep the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Something is not as it must be.
    #[error("{0}")]
    Wrong(String),
    /// An operation that must succeed did not.
    #[error("{what}: {error}")]
    Failed {
        /// What was attempted.
        what: String,
        /// What came of it.
        error: DriverError,
    },
}

/// Ends a check with a message unless something holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(Breach::Wrong(format!($($message)+)));
        }
    };
}

mod things;

/// Names the attempt in the breach that its failure is.
fn must<T>(what: &str, answer: Answer<T>) -> Result<T, Breach> {
    answer.map_err(|error| Breach::Failed { what: what.to_owned(), error })
}

fn must_be_missing<T>(what: &str, collection: Collection, answer: Answer<T>) -> Result<(), Breach> {
    match answer {
        Err(DriverError::NotFound { collection: c, .. }) if c == collection => Ok(()),
        Err(error) => Err(Breach::Failed { what: format!("{what} must not be found"), error }),
        Ok(_) => Err(Breach::Wrong(format!("{what} must not be found"))),
    }
}

/// Runs a driver through all checks.
///
/// # Errors
/// The first [`Breach`]; what was created until then may be left over, under names that begin with the
/// prefix.
pub async fn check(driver: &dyn ComputeDriver, patience: &dyn Patience, prefix: &str) -> Result<(), Breach> {
    let run = Run { driver, patience, prefix };
    run.declarations()?;
    run.inventory().await?;
    run.what_is_lacking_is_refused().await?;
    run.instance_life().await?;
    run.changes().await?;
    run.keys_and_firewalls().await?;
    run.addresses_and_volumes().await?;
    run.networks().await?;
    run.balancers_and_metrics().await?;
    run.blobs().await
}

struct Run<'a> {
    driver: &'a dyn ComputeDriver,
    patience: &'a dyn Patience,
    prefix: &'a str,
}

impl Run<'_> {
    fn has(&self, collection: Collection, verb: Verb) -> bool {
        self.driver.capabilities().supports(collection, verb)
    }

    fn name(&self, what: &str) -> String {
        format!("{}{what}", self.prefix)
    }

    fn declarations(&self) -> Result<(), Breach> {
        let machine = self.driver.instance_states();
        ensure!(!self.driver.name().is_empty(), "the driver has no name");
        ensure!(
            machine.allows(&InstanceState::Start, InstanceAction::Create),
            "instances cannot be created by the declared states"
        );
        for (state, _) in machine.states() {
            let ends = *state == InstanceState::Finish
                || machine.step(state, &InstanceState::Finish) != Step::Impossible;
            ensure!(ends, "no way leads from state {state} to the end");
        }
        for (action, verb) in [
            (InstanceAction::Start, Verb::Start),
            (InstanceAction::Stop, Verb::Stop),
            (InstanceAction::Reboot, Verb::Reboot),
            (InstanceAction::Destroy, Verb::Destroy),
        ] {
            let declared = machine.states().any(|(s, _)| machine.allows(s, action));
            ensure!(
                declared || !self.has(Collection::Instances, verb),
                "{verb} is offered, but no state allows it"
            );
        }
        Ok(())
    }

    async fn inventory(&self) -> Result<(), Breach> {
        fn unique<'i>(what: &str, ids: impl Iterator<Item = &'i str>) -> Result<(), Breach> {
            let mut seen = HashSet::new();
            for id in ids {
                ensure!(!id.is_empty() && seen.insert(id), "{what} {id:?} is empty or there twice");
            }
            ensure!(!seen.is_empty(), "there are no {what}");
            Ok(())
        }
        let realms = must("listing realms", self.driver.realms().await)?;
        let profiles = must("listing hardware profiles", self.driver.hardware_profiles().await)?;
        let images = must("listing images", self.driver.images().await)?;
        unique("realms", realms.iter().map(|r| r.id.as_str()))?;
        unique("hardware profiles", profiles.iter().map(|p| p.id.as_str()))?;
        unique("images", images.iter().map(|i| i.id.as_str()))?;
        for realm in realms.iter().take(3) {
            ensure!(
                must("realm", self.driver.realm(&realm.id).await)? == *realm,
                "realm {} differs",
                realm.id
            );
        }
        for profile in &profiles {
            let defaults = must("the defaults of a profile", profile.resolve(&BTreeMap::new()))?;
            must("a profile's own defaults", profile.check(&defaults))?;
        }
        let none = self.name("nothing");
        must_be_missing("an unknown realm", Collection::Realms, self.driver.realm(&none).await)?;
        must_be_missing("an unknown image", Collection::Images, self.driver.image(&none).await)?;
        must_be_missing("an unknown instance", Collection::Instances, self.driver.instance(&none).await)?;
        must_be_missing(
            "an unknown hardware profile",
            Collection::HardwareProfiles,
            self.driver.hardware_profile(&none).await,
        )
    }

    async fn what_is_lacking_is_refused(&self) -> Result<(), Breach> {
        let driver = self.driver;
        let answers = [
            (Collection::Keys, driver.keys().await.err()),
            (Collection::Addresses, driver.addresses().await.err()),
            (Collection::Firewalls, driver.firewalls().await.err()),
            (Collection::StorageVolumes, driver.storage_volumes().await.err()),
            (Collection::StorageSnapshots, driver.storage_snapshots().await.err()),
            (Collection::Buckets, driver.buckets().await.err()),
            (Collection::Networks, driver.networks().await.err()),
            (Collection::Subnets, driver.subnets().await.err()),
            (Collection::NetworkInterfaces, driver.network_interfaces().await.err()),
            (Collection::LoadBalancers, driver.load_balancers().await.err()),
            (Collection::Metrics, driver.metrics().await.err()),
        ];
        for (collection, error) in answers {
            let operation = Operation::new(collection, Verb::Index);
            let expected = match self.has(collection, Verb::Index) {
                true => None,
                false => Some(DriverError::Unsupported { operation }),
            };
            ensure!(error == expected, "{operation} gave {error:?}, declared is {expected:?}");
        }
        Ok(())
    }

    async fn create(&self, what: &str) -> Result<(CreateInstance, Instance), Breach> {
        let images = must("listing images", self.driver.images().await)?;
        let image = images.first().map(|i| i.id.clone()).unwrap_or_default();
        let request = CreateInstance::new(self.name(what), image);
        let instance = must("creating an instance", self.driver.create_instance(&request).await)?;
        Ok((request, instance))
    }

    /// Brings an instance to a state by the declared steps; checks on the way that it shows no state
    /// and no action but the declared.
    async fn bring(&self, id: &str, to: &InstanceState) -> Result<Option<Instance>, Breach> {
        let machine = self.driver.instance_states();
        for _ in 0..LOOKS {
            let instance = match self.driver.instance(id).await {
                Err(DriverError::NotFound { .. }) if *to == InstanceState::Finish => return Ok(None),
                other => must("looking at an instance", other)?,
            };
            let state = &instance.state;
            ensure!(machine.states().any(|(s, _)| s == state), "state {state} is not declared");
            ensure!(
                instance.actions == machine.actions(state),
                "an instance that is {state} offers {:?}",
                instance.actions
            );
            let acted = match machine.step(state, to) {
                Step::Done => return Ok(Some(instance)),
                Step::Impossible => return Err(Breach::Wrong(format!("no way from {state} to {to}"))),
                Step::Wait => {
                    self.patience.wait().await;
                    Ok(())
                }
                Step::Act(InstanceAction::Start) => self.driver.start_instance(id).await.map(drop),
                Step::Act(InstanceAction::Stop) => self.driver.stop_instance(id).await.map(drop),
                Step::Act(InstanceAction::Reboot) => self.driver.reboot_instance(id).await.map(drop),
                Step::Act(InstanceAction::Destroy) => self.driver.destroy_instance(id).await,
                Step::Act(InstanceAction::Create) => Ok(()),
            };
            must("a declared step", acted)?;
        }
        Err(Breach::Wrong(format!("instance {id} does not reach {to}")))
    }

    /// As [`Self::bring`], for states in which an instance still is.
    async fn bring_alive(&self, id: &str, to: &InstanceState) -> Result<Instance, Breach> {
        self.bring(id, to).await?.ok_or_else(|| Breach::Wrong(format!("instance {id} is gone")))
    }

    async fn end(&self, id: &str) -> Result<(), Breach> {
        self.bring(id, &InstanceState::Finish).await.map(drop)
    }

    async fn instance_life(&self) -> Result<(), Breach> {
        let (request, first) = self.create("life").await?;
        let again = must("creating it again", self.driver.create_instance(&request).await)?;
        ensure!(again.id == first.id, "the same request made {} and {}", first.id, again.id);
        let listed = must("listing instances", self.driver.instances().await)?;
        let of_name = listed.iter().filter(|i| i.name == request.name).count();
        ensure!(of_name == 1, "{of_name} instances have the name {}", request.name);
        let named = must("looking by name", self.driver.instance_named(&request.name).await)?;
        ensure!(named.is_some_and(|i| i.id == first.id), "the name does not lead to the instance");
        let other = CreateInstance { user_data: Some("#cloud-config\n".into()), ..request.clone() };
        match self.driver.create_instance(&other).await {
            Err(DriverError::Conflict { .. }) => {}
            answer => return Err(Breach::Wrong(format!("another request under the name gave {answer:?}"))),
        }
        let wrong = CreateInstance { image_id: self.name("no-image"), ..request.clone() };
        let wrong = CreateInstance { name: self.name("wrong"), ..wrong };
        match self.driver.create_instance(&wrong).await {
            Err(DriverError::Invalid { .. } | DriverError::NotFound { .. }) => {}
            answer => return Err(Breach::Wrong(format!("an unknown image gave {answer:?}"))),
        }

        let running = self.bring_alive(&first.id, &InstanceState::Running).await?;
        self.refuses_what_the_state_does_not_allow(&running).await?;
        if self.has(Collection::Instances, Verb::Stop) && self.has(Collection::Instances, Verb::Start) {
            let stopped = self.bring_alive(&first.id, &InstanceState::Stopped).await?;
            ensure!(stopped.disk_id == running.disk_id, "stopping changed the disk");
            self.refuses_what_the_state_does_not_allow(&stopped).await?;
            let started = self.bring_alive(&first.id, &InstanceState::Running).await?;
            ensure!(started.disk_id == running.disk_id, "starting changed the disk");
            ensure!(
                started.boot_count.is_none() || started.boot_count > running.boot_count,
                "starting did not boot"
            );
        }
        if self.has(Collection::Instances, Verb::Reboot) {
            let before = self.bring_alive(&first.id, &InstanceState::Running).await?;
            must("rebooting", self.driver.reboot_instance(&first.id).await)?;
            let after = self.bring_alive(&first.id, &InstanceState::Running).await?;
            ensure!(
                after.boot_count.is_none() || after.boot_count > before.boot_count,
                "rebooting did not boot"
            );
            ensure!(after.disk_id == before.disk_id, "rebooting changed the disk");
        }
        self.end(&first.id).await?;
        must_be_missing(
            "a destroyed instance",
            Collection::Instances,
            self.driver.instance(&first.id).await,
        )?;
        let destroyed = self.driver.destroy_instance(&first.id).await;
        must_be_missing("destroying it again: it", Collection::Instances, destroyed)?;
        let reborn = must("creating it once more", self.driver.create_instance(&request).await)?;
        ensure!(reborn.id != first.id, "the identity {} was used twice", first.id);
        self.end(&reborn.id).await
    }

    async fn refuses_what_the_state_does_not_allow(&self, instance: &Instance) -> Result<(), Breach> {
        let id = &instance.id;
        for (action, verb) in [
            (InstanceAction::Start, Verb::Start),
            (InstanceAction::Stop, Verb::Stop),
            (InstanceAction::Reboot, Verb::Reboot),
            (InstanceAction::Destroy, Verb::Destroy),
        ] {
            if instance.actions.contains(&action) || !self.has(Collection::Instances, verb) {
                continue;
            }
            let answer = match action {
                InstanceAction::Start => self.driver.start_instance(id).await.map(drop),
                InstanceAction::Stop => self.driver.stop_instance(id).await.map(drop),
                InstanceAction::Reboot => self.driver.reboot_instance(id).await.map(drop),
                InstanceAction::Destroy | InstanceAction::Create => self.driver.destroy_instance(id).await,
            };
            let refused = matches!(answer, Err(DriverError::WrongState { .. }));
            ensure!(refused, "{action} of an instance that is {} gave {answer:?}", instance.state);
            let now = must("looking at it", self.driver.instance(id).await)?;
            ensure!(now == *instance, "a refused {action} changed the instance");
        }
        Ok(())
    }
}
