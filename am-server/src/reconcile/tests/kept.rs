//! Nothing is destroyed that nobody asked to destroy.

use super::*;
use chrono::DateTime;
use drivers::mock::Lifecycle;
use drivers::{Clock, ManualClock};

/// A world whose cloud takes its time, by a clock that each look moves on.
async fn slow(config: MockConfig) -> (World, ManualClock) {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let timed: Arc<dyn Clock> = Arc::new(clock.clone());
    let lab = Arc::new(MockDriver::with_clock(None, config, timed).unwrap());
    (World::over(lab, grant("lab"), NODE).await, clock)
}

/// Looks, each time 50 ms later, until the sliver has nothing left to be done.
async fn settles(world: &World, clock: &ManualClock) -> Sliver {
    for _ in 0..60 {
        clock.advance(TimeDelta::milliseconds(50));
        let sliver = world.look().await;
        if sliver.is_settled() {
            return sliver;
        }
    }
    panic!("not settled: {:?}", world.sliver().await);
}

/// Stopping and destroying both go by way of `stopping`, as in clouds that are deployed.
fn by_way_of_stopping(after_create: drivers::mock::AfterCreate) -> MockConfig {
    let lifecycle = Lifecycle {
        after_create,
        create_ms: 200,
        start_ms: 100,
        stop_ms: 100,
        reboot_ms: 100,
        destroy_ms: 100,
        destroy_anytime: true,
        can_fail: true,
    };
    MockConfig { lifecycle, ..MockConfig::deltacloud() }
}

#[tokio::test]
async fn stopping_never_destroys_where_the_two_look_alike() {
    use drivers::mock::AfterCreate;
    for after_create in [AfterCreate::Running, AfterCreate::Stopped] {
        let (world, clock) = slow(by_way_of_stopping(after_create)).await;
        assert_eq!(settles(&world, &clock).await.operational(), Operational::NotReady);
        let built = world.machine().await.unwrap();
        let actions = ["geni_start", "geni_stop", "geni_start", "geni_restart", "geni_stop"];
        let ends = [Operational::Ready, Operational::NotReady, Operational::Ready, Operational::Ready];
        for (action, end) in actions.into_iter().zip(ends.into_iter().chain([Operational::NotReady])) {
            world.operate(action).await;
            let sliver = settles(&world, &clock).await;
            assert_eq!((sliver.operational(), sliver.error), (end, None), "{action}");
            let machine = world.machine().await.unwrap();
            assert_eq!((&machine.id, &machine.disk_id), (&built.id, &built.disk_id), "{action}");
        }
        assert_eq!(InstanceDetail::of(&world.sliver().await).unwrap().creations.count, 1);
    }
}

/// A cloud whose instances cannot be stopped, only destroyed.
fn without_stop() -> MockConfig {
    let mut config = MockConfig::deltacloud();
    config.lacks.insert(Operation::new(Collection::Instances, Verb::Stop));
    config.lifecycle = Lifecycle { destroy_anytime: true, create_ms: 200, ..config.lifecycle };
    config
}

#[tokio::test]
async fn a_cloud_that_can_only_destroy_refuses_a_stop_and_says_why() {
    let (world, clock) = slow(without_stop()).await;
    let sliver = settles(&world, &clock).await;
    assert_eq!(sliver.operational(), Operational::Ready, "it runs, whoever did not ask for it");
    assert!(sliver.error.unwrap().contains("cannot be stopped"));
    let built = world.machine().await.unwrap();
    world.operate("geni_restart").await;
    assert_eq!(settles(&world, &clock).await.error, None);
    world.operate("geni_stop").await;
    let sliver = settles(&world, &clock).await;
    assert_eq!((sliver.operational(), sliver.power), (Operational::Ready, Power::Running));
    assert!(sliver.error.unwrap().contains("its cloud can only destroy it"));
    let machine = world.machine().await.unwrap();
    assert_eq!((machine.id, machine.disk_id), (built.id, built.disk_id));
    assert_eq!(machine.boot_count, Some(2), "booted anew for geni_restart only");
    // What the slice is shut down for stays as well, and is said to run.
    world.shut_down().await;
    let sliver = world.look().await;
    assert!(!sliver.is_settled() && sliver.error.unwrap().contains("without being destroyed"));
    assert!(world.machine().await.is_some());
}

#[tokio::test]
async fn instances_that_come_and_go_are_stopped_being_made() {
    let world = World::of("lab", NODE).await;
    let mut made = 0;
    for _ in 0..10 {
        let sliver = world.look().await;
        if sliver.operational() == Operational::Failed {
            break;
        }
        if world.machine().await.is_some() {
            made += 1;
            world.loses_machine().await;
        }
    }
    assert_eq!(made, 3);
    let sliver = world.sliver().await;
    assert_eq!(sliver.operational(), Operational::Failed);
    assert!(sliver.error.unwrap().contains("3 instances were created for the same configuration"));
    let text = world.reconciler.metrics.counted();
    assert!(text.contains(r#"am_sliver_recreations_stopped_total{driver="lab"} 1"#), "{text}");
    // Another wish is another matter.
    world.becomes(grant("lab")).await;
    world.looks_until(Operational::NotReady).await;
}

#[tokio::test]
async fn other_accounts_never_cost_the_instance() {
    let mut config = MockConfig::deltacloud();
    for verb in [Verb::SetUserData, Verb::Rebuild, Verb::Resize] {
        config.lacks.insert(Operation::new(Collection::Instances, verb));
    }
    let (world, clock) = slow(config).await;
    settles(&world, &clock).await;
    world.operate("geni_start").await;
    settles(&world, &clock).await;
    let built = world.machine().await.unwrap();
    let sliver = world.sliver().await;
    let granted = sliver.granted().unwrap();
    let Ok(Grant::Node(mut grant)) = Grant::of(granted) else { panic!() };
    grant.users.push(crate::grant::users::User {
        urn: urn("user", "carol").to_string(),
        login: "carol".into(),
        keys: vec![
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6Vv0sKPXpHKfBsMDPMSC3DhAGmEGkmCCnbvwLkkv6a carol".into(),
        ],
    });
    let changed = Configuration { detail: Grant::Node(grant).to_detail(), ..Configuration::clone(granted) };
    world
        .does(Event::Operate(Operate {
            selection: Selection::Slice,
            action: "geni_update_users".into(),
            users: BTreeMap::from([(sliver.urn.clone(), changed)]),
            best_effort: false,
        }))
        .await;
    let sliver = settles(&world, &clock).await;
    assert_eq!(sliver.operational(), Operational::Ready);
    assert!(sliver.error.unwrap().starts_with("geni_update_users: the cloud cannot change the accounts"));
    assert_eq!(world.machine().await, Some(built));
}
