//! The mock cloud in several shapes, run through the driver contract.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use drivers::conformance::{Breach, Patience, check};
use drivers::mock::{AfterCreate, Lifecycle, MockConfig, MockDriver};
use drivers::{
    Answer, Capabilities, Collection, ComputeDriver, CreateInstance, HardwareProfile, Image, Instance,
    ManualClock, Operation, Realm, StateMachine, Verb,
};

struct Advance(ManualClock);

#[async_trait]
impl Patience for Advance {
    async fn wait(&self) {
        self.0.advance(TimeDelta::milliseconds(400));
    }
}

fn mock(config: MockConfig) -> (MockDriver, Advance) {
    let clock = ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let driver = MockDriver::with_clock(None, config, Arc::new(clock.clone())).unwrap();
    (driver, Advance(clock))
}

async fn conforms(config: MockConfig) {
    let (driver, patience) = mock(config);
    let before = driver.instances().await.unwrap();
    check(&driver, &patience, "conformance-").await.unwrap();
    assert_eq!(driver.instances().await.unwrap(), before, "the checks clean up after themselves");
}

#[tokio::test]
async fn the_default_mock_conforms() {
    conforms(MockConfig::default()).await;
}

#[tokio::test]
async fn the_deltacloud_mock_conforms() {
    conforms(MockConfig::deltacloud()).await;
}

#[tokio::test]
async fn a_cloud_that_creates_stopped_and_ends_slowly_conforms() {
    let lifecycle = Lifecycle {
        after_create: AfterCreate::Stopped,
        destroy_ms: 3_000,
        destroy_anytime: false,
        ..Lifecycle::default()
    };
    conforms(MockConfig { lifecycle, ..MockConfig::default() }).await;
}

#[tokio::test]
async fn a_cloud_with_little_more_than_instances_conforms() {
    use Collection::{HardwareProfiles, Images, InstanceStates, Instances, Realms};
    let kept = [Realms, HardwareProfiles, Images, InstanceStates, Instances];
    let beyond = [Verb::Resize, Verb::SetUserData, Verb::Rebuild, Verb::Reboot];
    let lacks =
        Operation::all().filter(|o| !kept.contains(&o.collection()) || beyond.contains(&o.verb())).collect();
    conforms(MockConfig { lacks, ..MockConfig::default() }).await;
}

/// A driver that forgets tokens: every creation gets a name of its own.
struct Forgetful(MockDriver, std::sync::atomic::AtomicU32);

#[async_trait]
impl ComputeDriver for Forgetful {
    fn name(&self) -> &str {
        "forgetful"
    }
    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }
    fn instance_states(&self) -> &StateMachine {
        self.0.instance_states()
    }
    async fn realms(&self) -> Answer<Vec<Realm>> {
        self.0.realms().await
    }
    async fn hardware_profiles(&self) -> Answer<Vec<HardwareProfile>> {
        self.0.hardware_profiles().await
    }
    async fn images(&self) -> Answer<Vec<Image>> {
        self.0.images().await
    }
    async fn instances(&self) -> Answer<Vec<Instance>> {
        self.0.instances().await
    }
    async fn create_instance(&self, request: &CreateInstance) -> Answer<Instance> {
        let n = self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0
            .create_instance(&CreateInstance { name: format!("{}{n}", request.name), ..request.clone() })
            .await
    }
    async fn destroy_instance(&self, id: &str) -> Answer<()> {
        self.0.destroy_instance(id).await
    }
}

#[tokio::test]
async fn a_driver_that_creates_twice_is_found_out() {
    use Collection::{HardwareProfiles, Images, Instances, Realms};
    let kept = [Realms, HardwareProfiles, Images, Instances];
    let verbs = [Verb::Index, Verb::Show, Verb::Create, Verb::Destroy];
    let lacks =
        Operation::all().filter(|o| !kept.contains(&o.collection()) || !verbs.contains(&o.verb())).collect();
    let (driver, patience) = mock(MockConfig { lacks, ..MockConfig::default() });
    let breach = check(&Forgetful(driver, 0.into()), &patience, "x-").await.unwrap_err();
    assert!(matches!(&breach, Breach::Wrong(what) if what.contains("the same request made")), "{breach}");
}
