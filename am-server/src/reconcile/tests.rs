//! The reconciler over pretended clouds, look by look.

mod drift;
mod dropped;
mod kept;
mod lanes;
mod volumes;

use super::*;
use crate::clock::GuardedClock;
use crate::cloud::Cloud;
use crate::grant::instance::InstanceDetail;
use crate::grant::{Grant, NodeGrant};
use crate::setup::Setup;
use crate::slices::SliceIdentity;
use chrono::TimeDelta;
use drivers::mock::{Fault, Faults, MockConfig, MockDriver};
use drivers::{Collection, ComputeDriver, CreateInstance, InstanceState, Operation, Verb};
use state::{
    Allocate, Configuration, Event, Ledger, NewSliver, Observe, Operate, Operational, Power, Provision,
    ResourceKind, Restore, Selection, Shutdown, Slice, SqliteStore, Store,
};
use std::sync::atomic::{AtomicI64, Ordering};

const NODE: &str = r#"<node xmlns="http://www.geni.net/resources/rspec/3" client_id="a"/>"#;

/// A reconciler with the drivers `lab` and `far`, and one sliver at `lab`.
struct World {
    reconciler: Arc<Reconciler>,
    lab: Arc<MockDriver>,
    far: Arc<MockDriver>,
    faults: Faults,
    /// Seconds that the clock is ahead.
    ahead: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

fn urn(kind: &str, name: &str) -> Urn {
    Urn::parse(&format!("urn:publicid:IDN+am.example.net+{kind}+{name}")).unwrap()
}

fn grant(driver: &str) -> NodeGrant {
    NodeGrant {
        driver: driver.into(),
        realm: "us".into(),
        profile: "m1-small".into(),
        image: "img1".into(),
        component_id: urn("node", "us").to_string(),
        component_name: "us".into(),
        exclusive: false,
        sliver_type: "m1-small".into(),
        disk_image: "img1".into(),
        asked_image: None,
        hardware_type: None,
        interfaces: Vec::new(),
        interfaces_ever: 0,
        volumes: Vec::new(),
        volumes_ever: 0,
        users: Vec::new(),
        preserve: None,
    }
}

fn cloud(config: MockConfig) -> Arc<MockDriver> {
    Arc::new(MockDriver::with_clock(None, config, Arc::new(drivers::SystemClock)).unwrap())
}

impl World {
    /// The sliver is allocated and provisioned at the driver of this name, with this RSpec; nobody looked yet.
    async fn of(driver: &str, rspec: &str) -> Self {
        Self::with(grant(driver), rspec).await
    }

    /// The same with this grant.
    async fn with(grant: NodeGrant, rspec: &str) -> Self {
        Self::over(cloud(MockConfig::deltacloud()), grant, rspec).await
    }

    /// The same with this cloud as `lab`.
    async fn over(lab: Arc<MockDriver>, grant: NodeGrant, rspec: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in ["a.pem", "a.key"] {
            std::fs::write(path.join(name), "").unwrap();
        }
        std::fs::create_dir(path.join("roots")).unwrap();
        let text = r#"
            [aggregate]
            authority = "am.example.net"
            listen = "127.0.0.1:0"
            [tls]
            certificate = "a.pem"
            key = "a.key"
            trusted_roots = "roots"
            [reconcile]
            busy_seconds = 0.01
            [[drivers]]
            name = "lab"
            kind = "mock"
        "#;
        let config = Setup::parse(text, path).unwrap().config;
        let far = cloud(MockConfig::deltacloud());
        let ahead = Arc::new(AtomicI64::new(0));
        let seconds = Arc::clone(&ahead);
        let clock: crate::time::Clock = Arc::new(move || {
            crate::time::system_clock()() + TimeDelta::seconds(seconds.load(Ordering::Relaxed))
        });
        let metrics: Arc<Metrics> = Arc::default();
        let clouds = [("lab", &lab), ("far", &far)].map(|(name, driver)| {
            let driver: Arc<dyn ComputeDriver> = driver.clone();
            Cloud::new(name, driver, Arc::clone(&clock), Arc::clone(&metrics))
        });
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path.join("state.db")).unwrap());
        let (authority, settings) = (config.authority(), config.reconcile.clone());
        let inventory =
            LiveInventory::start(Arc::new(config), Arc::clone(&store), clouds.into()).await.unwrap();
        let slices = Slices::new(store, Arc::new(GuardedClock::steady(clock)), state::Policy::default());
        let reconciler =
            Reconciler::new(Arc::new(slices), Arc::new(inventory), metrics, &authority, &settings);
        let world = Self { reconciler, faults: lab.faults(), lab, far, ahead, _folder: folder };
        let later = world.reconciler.now() + TimeDelta::days(30);
        let detail = Grant::Node(Box::new(grant)).to_detail();
        world
            .does(Event::Allocate(Allocate {
                slivers: vec![NewSliver {
                    urn: urn("sliver", "a"),
                    resource: ResourceKind::Node,
                    configuration: Configuration::new("a".into(), rspec.into(), detail, Vec::new()),
                }],
                frame: None,
                creator: urn("user", "alice"),
                end_time: None,
                credential_expires: later,
            }))
            .await;
        world
            .does(Event::Provision(Provision {
                selection: Selection::Slice,
                provisioning: BTreeMap::new(),
                best_effort: false,
                end_time: None,
                credential_expires: later,
            }))
            .await;
        world
    }

    /// The sliver runs.
    async fn running() -> Self {
        let world = Self::of("lab", NODE).await;
        world.looks_until(Operational::NotReady).await;
        world.operate("geni_start").await;
        world.looks_until(Operational::Ready).await;
        world
    }

    async fn does(&self, event: Event) {
        let events = |_: &Slice, _: &Ledger| Ok(vec![event.clone()]);
        let slices = &self.reconciler.slices;
        slices.transact(&urn("slice", "demo"), &SliceIdentity::Any, events).await.unwrap();
    }

    async fn operate(&self, action: &str) {
        let (action, users) = (action.to_owned(), BTreeMap::new());
        self.does(Event::Operate(Operate { selection: Selection::Slice, action, users, best_effort: false }))
            .await;
    }

    async fn shut_down(&self) {
        self.does(Event::Shutdown(Shutdown { by: urn("user", "operator") })).await;
    }

    async fn version(&self) -> u64 {
        self.reconciler.slices.slice(&urn("slice", "demo")).await.unwrap().version
    }

    async fn sliver(&self) -> Sliver {
        let slice = self.reconciler.slices.slice(&urn("slice", "demo")).await.unwrap();
        slice.slivers[0].clone()
    }

    /// Looks at the sliver, settled or not.
    async fn look(&self) -> Sliver {
        let all = BTreeMap::from([(urn("slice", "demo"), HashSet::from([urn("sliver", "a")]))]);
        self.reconciler.start_steps(all, Duration::ZERO).await;
        self.finishes().await;
        self.sliver().await
    }

    async fn looks_until(&self, state: Operational) {
        for _ in 0..10 {
            if self.look().await.operational() == state {
                return;
            }
        }
        panic!("{state} was not reached: {:?}", self.sliver().await);
    }

    fn token(&self) -> String {
        self.reconciler.token(&urn("sliver", "a"))
    }

    /// Compares everything with everything.
    async fn compares(&self) {
        let seen = Arc::clone(&self.reconciler).look_around().await;
        self.reconciler.compare(seen).await;
        self.finishes().await;
    }

    /// All steps that were started come to their end.
    async fn finishes(&self) {
        self.reconciler.under_way.finish(Duration::from_secs(30)).await;
    }

    /// One round, and all steps that it starts.
    async fn passes(&self) {
        self.reconciler.pass().await;
        self.finishes().await;
    }

    /// A request to `lab` gets no answer.
    fn lab_is_silent(&self) {
        let breaker = &self.reconciler.inventory.clouds()[0].breaker;
        let operation = Operation::new(Collection::Instances, Verb::Index);
        breaker.admit().unwrap().report(Verb::Index, Some(&DriverError::TimedOut { operation }));
    }

    /// Time passes, and the next probe of `lab` gets one.
    async fn lab_answers_again(&self) {
        self.ahead.fetch_add(100, Ordering::Relaxed);
        let lab = &self.reconciler.inventory.clouds()[0];
        self.reconciler.inventory.probe(lab, lab.breaker.probe().unwrap()).await.unwrap();
        assert_eq!(lab.breaker.state(), crate::cloud::breaker::State::Closed);
    }

    /// What is said of the sliver beyond its states.
    async fn said(&self) -> String {
        let sliver = self.sliver().await;
        crate::grant::waiting::waits_for(self.reconciler.inventory.clouds(), &sliver)
            .or(sliver.error)
            .unwrap_or_default()
    }

    /// The sliver's instance at `lab`.
    async fn machine(&self) -> Option<Machine> {
        self.lab.instance_named(&self.token()).await.unwrap()
    }

    /// A person destroys the instance behind our back.
    async fn loses_machine(&self) -> Machine {
        let machine = self.machine().await.unwrap();
        if machine.state == InstanceState::Running {
            self.lab.stop_instance(&machine.id).await.unwrap();
        }
        self.lab.destroy_instance(&machine.id).await.unwrap();
        machine
    }

    /// Lets the time pass after which a missing instance is believed to be gone.
    async fn pause(&self) {
        tokio::time::sleep(self.reconciler.busy * (LOOKS_TO_BELIEVE + 1)).await;
    }
}

async fn stray(driver: &MockDriver, name: &str) -> Machine {
    driver.create_instance(&CreateInstance::new(name, "img1")).await.unwrap()
}

#[test]
fn what_bears_our_prefix_was_built_from_our_database() {
    let ours = token_prefix("am.example.net", "1");
    assert_eq!(ours, token_prefix("AM.example.net", "1"));
    assert_ne!(ours, token_prefix("am.example.net", "2"), "another database");
    assert_ne!(ours, token_prefix("other.example.net", "1"), "another aggregate");
    // As instances of databases from before installations are named.
    assert_eq!(token_prefix("am.example.net", "")[2..10], {
        let digest = Sha256::digest("am.example.net");
        digest[..4].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    });
}

#[tokio::test]
async fn a_failed_sliver_of_a_shut_down_slice_is_stopped_and_stays_failed() {
    let world = World::running().await;
    let sliver = world.sliver().await;
    let detail = sliver.instance.unwrap().detail;
    let failed = Instance::new(Phase::Failed, sliver.wanted, detail);
    let sighting = Sighting {
        sliver: sliver.urn,
        instance: Some(failed),
        error: Some("no such size".into()),
        stays: None,
    };
    world.does(Event::Observe(Observe { sightings: vec![sighting] })).await;
    world.shut_down().await;
    assert!(!world.look().await.is_settled());
    let after = world.look().await;
    assert_eq!(world.machine().await.unwrap().state, InstanceState::Stopped);
    assert!(after.is_settled());
    assert_eq!((after.operational(), after.error.as_deref()), (Operational::Failed, Some("no such size")));
}

#[tokio::test]
async fn an_instance_whose_creation_was_never_answered_is_stopped_at_shutdown() {
    let world = World::of("lab", NODE).await;
    world.faults.once(Operation::new(Collection::Instances, Verb::Create), Fault::LostAnswer);
    assert_eq!(InstanceDetail::of(&world.look().await), None);
    assert_eq!(world.machine().await.unwrap().state, InstanceState::Running);
    world.lab_answers_again().await;
    world.shut_down().await;
    assert!(!world.sliver().await.is_settled());
    world.look().await;
    assert!(world.look().await.is_settled());
    assert_eq!(world.machine().await.unwrap().state, InstanceState::Stopped);
    world.does(Event::Restore(Restore)).await;
    world.looks_until(Operational::NotReady).await;
}

#[tokio::test]
async fn a_slice_is_not_said_to_be_halted_while_its_driver_does_not_answer() {
    let world = World::running().await;
    world.shut_down().await;
    world.lab_is_silent();
    assert!(!world.look().await.is_settled());
    assert!(world.said().await.contains("driver lab is not answering since"));
    world.lab_answers_again().await;
    world.look().await;
    assert!(world.look().await.is_settled());
    assert_eq!(world.said().await, "");
}

#[tokio::test]
async fn one_look_that_finds_nothing_fails_nobody_and_who_failed_by_it_recovers() {
    let world = World::running().await;
    let machine = world.loses_machine().await;
    assert_eq!(world.look().await.operational(), Operational::Ready);
    assert_eq!(world.look().await.operational(), Operational::Ready, "right after it is no second look");
    world.pause().await;
    world.passes().await;
    let failed = world.sliver().await;
    assert_eq!(failed.operational(), Operational::Failed);
    assert!(failed.error.unwrap().contains("vanished"));

    let mut again = CreateInstance::new(machine.name, machine.image_id);
    again.realm_id = Some(machine.realm_id);
    again.hardware_profile_id = Some(machine.hardware_profile.id);
    again.user_data = machine.user_data;
    world.lab.create_instance(&again).await.unwrap();
    world.compares().await;
    world.looks_until(Operational::Ready).await;
    assert_eq!(world.sliver().await.error, None);
}

#[tokio::test]
async fn what_failed_for_another_reason_is_not_tried_again() {
    let world = World::running().await;
    let sliver = world.sliver().await;
    let failed = Instance::new(Phase::Failed, sliver.wanted, sliver.instance.unwrap().detail);
    let sighting =
        Sighting { sliver: sliver.urn, instance: Some(failed), error: Some("given up".into()), stays: None };
    world.does(Event::Observe(Observe { sightings: vec![sighting] })).await;
    world.compares().await;
    assert_eq!(world.sliver().await.operational(), Operational::Failed);
}

#[tokio::test]
async fn strangers_are_destroyed_when_two_comparisons_find_them() {
    let world = World::running().await;
    let names = [
        format!("{}stranger", world.reconciler.prefix),
        format!("{}theirs", token_prefix("am.example.net", "another")),
    ];
    for name in &names {
        stray(&world.lab, name).await;
    }
    world.compares().await;
    let (ours, theirs) = (&names[0], &names[1]);
    assert_eq!(world.lab.instance_named(ours).await.unwrap().unwrap().state, InstanceState::Running);
    for _ in 0..3 {
        world.compares().await;
    }
    assert_eq!(world.lab.instance_named(ours).await.unwrap(), None);
    assert!(world.lab.instance_named(theirs).await.unwrap().is_some(), "another installation's");
    assert!(world.machine().await.is_some(), "the sliver's own");
}

#[tokio::test]
async fn a_double_at_a_driver_the_sliver_does_not_know_of_is_a_stranger() {
    let world = World::running().await;
    stray(&world.far, &world.token()).await;
    for _ in 0..4 {
        world.compares().await;
    }
    assert_eq!(world.far.instance_named(&world.token()).await.unwrap(), None);
    assert_eq!(world.sliver().await.operational(), Operational::Ready);
    assert!(world.machine().await.is_some());
}

#[tokio::test]
async fn a_sliver_says_what_it_waits_for() {
    let world = World::of("lab", NODE).await;
    world.faults.once(Operation::new(Collection::Instances, Verb::Create), Fault::Error { status: 500 });
    world.look().await;
    let said = world.said().await;
    assert!(said.starts_with("waiting for the cloud: the cloud failed"), "{said}");
    world.lab_is_silent();
    let version = world.version().await;
    for _ in 0..3 {
        assert_eq!(world.look().await.operational(), Operational::PendingAllocation);
    }
    assert_eq!(world.version().await, version, "to wait writes nothing");
    let said = world.said().await;
    assert!(said.starts_with("waiting for the cloud: driver lab is not answering since 20"), "{said}");
    assert!(said.contains("it is tried again at 20"), "{said}");
    world.lab_answers_again().await;
    world.looks_until(Operational::NotReady).await;
    assert_eq!(world.said().await, "");

    let unconfigured = World::of("gone", NODE).await;
    let sliver = unconfigured.look().await;
    assert!(sliver.error.unwrap().contains("driver gone, which is not configured any more"));

    let unreadable = World::of("lab", "<node").await;
    let sliver = unreadable.look().await;
    assert_eq!(sliver.operational(), Operational::Failed);
    assert!(sliver.error.unwrap().contains("user data cannot be made"));
}

#[tokio::test]
async fn a_save_by_somebody_else_makes_no_further_look_but_new_work_does() {
    let mut world = World::of("lab", NODE).await;
    Arc::get_mut(&mut world.reconciler).unwrap().busy = Duration::from_secs(3600);
    let create = Operation::new(Collection::Instances, Verb::Create);
    world.faults.script(create, [Some(Fault::Error { status: 503 }), None]);
    world.passes().await;
    assert!(world.said().await.starts_with("waiting for the cloud"));
    world.passes().await;
    assert_eq!(world.machine().await, None, "it was looked at a moment ago");
    world.looks_until(Operational::NotReady).await;
    world.operate("geni_start").await;
    world.shut_down().await;
    world.passes().await;
    assert_eq!(world.machine().await.unwrap().state, InstanceState::Stopped, "a new wish is seen at once");
}

#[tokio::test]
async fn departed_slivers_of_a_removed_driver_keep_nobody_busy() {
    let world = World::of("gone", NODE).await;
    let delete = state::Delete { selection: Selection::Slice, best_effort: false, operator: false };
    world.does(Event::Delete(delete)).await;
    world.passes().await;
    assert_eq!(world.reconciler.pass().await, Left::default());
    let told = world.reconciler.blocked_told.lock().unwrap().clone();
    assert_eq!(told, BTreeMap::from([("driver gone is not configured any more".to_owned(), 1)]));
    assert_eq!(world.reconciler.slices.store().departed(None, 9).await.unwrap().len(), 1, "not forgotten");
}

#[tokio::test]
async fn a_sliver_is_forgotten_long_after_nothing_of_it_is_left() {
    let world = World::running().await;
    let delete = state::Delete { selection: Selection::Slice, best_effort: false, operator: false };
    world.does(Event::Delete(delete)).await;
    let store = Arc::clone(world.reconciler.slices.store());
    let known = async || store.slice_of(&urn("sliver", "a")).await.unwrap().is_some();
    let day = 24 * 3600;
    world.ahead.fetch_add(200 * day, Ordering::Relaxed);
    world.compares().await;
    assert!(known().await, "its instance is still there");
    for _ in 0..5 {
        world.pause().await;
        world.passes().await;
    }
    assert_eq!(world.machine().await, None);
    world.ahead.fetch_sub(111 * day, Ordering::Relaxed);
    world.compares().await;
    assert!(known().await, "89 days after it went");
    world.ahead.fetch_add(2 * day, Ordering::Relaxed);
    world.compares().await;
    assert!(!known().await);
}

#[tokio::test]
async fn a_step_that_panics_takes_no_other_with_it() {
    let mut tasks = JoinSet::new();
    tasks.spawn(async { 1 });
    tasks.spawn(async { panic!("a fault of ours") });
    assert_eq!(finished(tasks).await, [1]);
}

#[tokio::test]
async fn an_instance_that_shows_up_late_in_a_shut_down_slice_is_stopped() {
    let world = World::of("lab", NODE).await;
    world.shut_down().await;
    assert!(world.look().await.is_settled(), "there is nothing");
    stray(&world.lab, &world.token()).await;
    world.compares().await;
    assert!(world.look().await.is_settled());
    assert_eq!(world.machine().await.unwrap().state, InstanceState::Stopped);
}
