//! A lane for each driver, and turns within a lane.

use super::*;
use state::Delete;

impl World {
    /// Another slice with these nodes at a driver, allocated and provisioned.
    async fn gets_slice(&self, name: &str, nodes: usize, driver: &str) {
        let later = self.reconciler.now() + TimeDelta::days(30);
        let slivers = (0..nodes).map(|number| NewSliver {
            urn: urn("sliver", &format!("{name}{number}")),
            resource: ResourceKind::Node,
            configuration: Configuration::new(
                format!("n{number}"),
                NODE.into(),
                Grant::Node(Box::new(grant(driver))).to_detail(),
                Vec::new(),
            ),
        });
        let allocate = Allocate {
            slivers: slivers.collect(),
            frame: None,
            creator: urn("user", "alice"),
            end_time: None,
            credential_expires: later,
        };
        let provision = Provision {
            selection: Selection::Slice,
            provisioning: BTreeMap::new(),
            best_effort: false,
            end_time: None,
            credential_expires: later,
        };
        for event in [Event::Allocate(allocate), Event::Provision(provision)] {
            self.does_to(name, event).await;
        }
    }

    async fn does_to(&self, slice: &str, event: Event) {
        let events = |_: &Slice, _: &Ledger| Ok(vec![event.clone()]);
        let slices = &self.reconciler.slices;
        slices.transact(&urn("slice", slice), &SliceIdentity::Any, events).await.unwrap();
    }

    /// Rounds, none of which waits for its steps, until it is so.
    async fn rounds_until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        for _ in 0..3000 {
            self.reconciler.pass().await;
            if is_so().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} did not happen");
    }
}

/// Names of slivers with instances at this cloud, in the order in which they were created.
async fn built(world: &World, cloud: &MockDriver) -> Vec<String> {
    let mut all = cloud.instances().await.unwrap();
    all.retain(|machine| machine.name.starts_with(&world.reconciler.prefix));
    all.into_iter().map(|machine| machine.name[world.reconciler.prefix.len()..].to_owned()).collect()
}

#[tokio::test]
async fn a_driver_that_hangs_holds_up_nothing_at_another() {
    let world = World::of("far", NODE).await;
    world
        .rounds_until("an instance at the other cloud", async || built(&world, &world.far).await == ["a"])
        .await;
    let create = Operation::new(Collection::Instances, Verb::Create);
    world.faults.script(create, std::iter::repeat_n(Some(Fault::Delay { milliseconds: 3_600_000 }), 100));
    world.gets_slice("slow", 40, "lab").await;
    world.reconciler.pass().await;
    // All places of that lane are taken, for an hour.
    world.gets_slice("quick", 1, "far").await;
    let seen = async || built(&world, &world.far).await.contains(&"quick0".to_owned());
    world.rounds_until("a node at the other cloud", seen).await;
    let delete = Delete { selection: Selection::Slice, best_effort: false, operator: false };
    world.does(Event::Delete(delete)).await;
    let gone = async || built(&world, &world.far).await == ["quick0"];
    world.rounds_until("the end of a node at the other cloud", gone).await;
    // Nor does the comparison of everything wait.
    let stray = stray(&world.far, &format!("{}stray", world.reconciler.prefix)).await;
    for _ in 0..2 {
        let seen = Arc::clone(&world.reconciler).look_around().await;
        world.reconciler.compare(seen).await;
    }
    let gone = async || match world.far.instance(&stray.id).await {
        Ok(machine) => machine.state != InstanceState::Running,
        Err(_) => true,
    };
    world.rounds_until("the end of what belongs to no sliver", gone).await;
    assert_eq!(built(&world, &world.lab).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_small_slice_does_not_wait_for_all_of_a_large_one() {
    let world = World::of("far", NODE).await;
    world.gets_slice("large", 200, "lab").await;
    world.gets_slice("small", 2, "lab").await;
    world.passes().await;
    let order = built(&world, &world.lab).await;
    assert_eq!(order.len(), 202);
    for name in ["small0", "small1"] {
        let at = order.iter().position(|it| it == name).unwrap();
        assert!(at < 100, "{name} came as number {at}");
    }
}

#[tokio::test]
async fn one_sliver_has_one_step_under_way() {
    let world = World::of("lab", NODE).await;
    let create = Operation::new(Collection::Instances, Verb::Create);
    world.faults.script(create, [Some(Fault::Delay { milliseconds: 300 })]);
    world.reconciler.pass().await;
    let delete = Delete { selection: Selection::Slice, best_effort: false, operator: false };
    world.does(Event::Delete(delete)).await;
    // The tombstone waits for the creation that is on its way: cleared before it, the instance would be nobody's.
    let tombstones = async || world.reconciler.slices.store().departed(None, 9).await.unwrap().len();
    let is_answered = || {
        world
            .reconciler
            .metrics
            .counted()
            .lines()
            .any(|it| it.starts_with("am_driver_requests_total") && it.contains("create"))
    };
    for _ in 0..10 {
        world.reconciler.pass().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(tombstones().await == 1 || is_answered(), "cleared while a creation is under way");
    }
    world.rounds_until("the end of the sliver", async || tombstones().await == 0).await;
    assert_eq!(world.machine().await, None);
    assert!(is_answered(), "the creation was not broken off");
}

#[tokio::test]
async fn refusals_in_a_row_are_counted_until_there_is_progress() {
    let world = World::of("lab", NODE).await;
    let create = Operation::new(Collection::Instances, Verb::Create);
    world
        .faults
        .script(create, [Some(Fault::Error { status: 503 }), Some(Fault::Error { status: 503 }), None]);
    let refusals = || world.reconciler.with_rechecks(|table, _| table.refusals(&urn("sliver", "a")));
    for expected in [1, 2, 0] {
        world.look().await;
        assert_eq!(refusals(), expected);
    }
    assert!(world.machine().await.is_some());
}

#[tokio::test]
async fn no_step_begins_while_the_service_ends() {
    let world = World::of("lab", NODE).await;
    world.reconciler.under_way.close();
    world.passes().await;
    assert_eq!(world.machine().await, None);
}
