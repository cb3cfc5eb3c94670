//! The mock cloud: what it keeps, what it counts, and how it misbehaves when told to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use common::{clock, in_memory, realm, request};
use drivers::cloud_init::{self, CloudInit, LoginUser};
use drivers::mock::{
    Fault, FaultConfig, Lifecycle, MockConfig, MockDriver, OpenError, RandomFault, RealmTemplate,
};
use drivers::{
    Collection, ComputeDriver, CreateBucket, CreateInstance, CreateKey, CreateVolume, Disruption,
    DriverError, InstanceState, Operation, ProfileChoice, PutBlob, RealmState, Verb, collect_blob, stream_of,
};

const CREATE: Operation = Operation::new(Collection::Instances, Verb::Create);

fn user_data(names: &[&str]) -> String {
    let users = names
        .iter()
        .map(|n| LoginUser { name: (*n).to_owned(), keys: vec![format!("ssh-ed25519 AAAA {n}")] })
        .collect();
    cloud_init::build(&CloudInit { users, ..CloudInit::default() }).unwrap()
}

#[tokio::test]
async fn everything_survives_a_restart_at_the_state_that_time_has_brought() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mock.db");
    let clock = clock();
    let open =
        || MockDriver::with_clock(Some(&file), MockConfig::default(), Arc::new(clock.clone())).unwrap();

    let driver = open();
    let made = driver.create_instance(&request("one")).await.unwrap();
    assert_eq!(made.state, InstanceState::Pending);
    let volume = CreateVolume { name: Some("data".into()), ..CreateVolume::default() };
    driver.create_storage_volume(&volume).await.unwrap();
    driver.create_bucket(&CreateBucket { name: "b".into(), location: None }).await.unwrap();
    let put = PutBlob {
        id: "hello".into(),
        content_type: "text/plain".into(),
        content_length: None,
        user_metadata: Default::default(),
    };
    driver.put_blob("b", &put, stream_of("hello")).await.unwrap();
    drop(driver);

    clock.advance(TimeDelta::seconds(10));
    let driver = open();
    let found = driver.instance(&made.id).await.unwrap();
    assert_eq!(found.state, InstanceState::Running);
    assert_eq!((&found.disk_id, found.boot_count), (&made.disk_id, made.boot_count));
    assert_eq!(found.launch_time, made.launch_time);
    assert_eq!(driver.create_instance(&request("one")).await.unwrap().id, made.id, "tokens survive, too");
    assert_eq!(driver.storage_volumes().await.unwrap().len(), 1);
    let content = driver.blob_content("b", "hello").await.unwrap();
    assert_eq!(collect_blob(content, 100).await.unwrap(), b"hello");
    let next = driver.create_instance(&request("two")).await.unwrap();
    assert_ne!(next.id, made.id);
    assert_ne!(next.public_addresses, found.public_addresses);
}

#[tokio::test]
async fn first_data_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mock.db");
    for instances in [4, 3] {
        let driver = MockDriver::open(&file, MockConfig::deltacloud()).unwrap();
        assert_eq!(driver.instances().await.unwrap().len(), instances);
        if instances == 4 {
            driver.stop_instance("inst0").await.unwrap();
            driver.destroy_instance("inst0").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_file_of_another_shape_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mock.db");
    let other = rusqlite::Connection::open(&file).unwrap();
    other.pragma_update(None, "user_version", 7).unwrap();
    drop(other);
    let opened = MockDriver::open(&file, MockConfig::default());
    assert!(matches!(opened, Err(OpenError::Shape { found: 7 })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_creations_never_exceed_a_realms_capacity() {
    let config = MockConfig { realms: vec![realm("small", Some(7))], ..MockConfig::default() };
    let (driver, _) = in_memory(config);
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let driver = driver.clone();
            tokio::spawn(async move {
                let wanted = CreateInstance { realm_id: Some("small".into()), ..request(&format!("n{n}")) };
                driver.create_instance(&wanted).await
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert_eq!(
                error,
                DriverError::Capacity {
                    collection: Collection::Instances,
                    realm: Some("small".into()),
                    limit: 7
                }
            ),
        }
    }
    assert_eq!(made, 7);
    let all = driver.instances().await.unwrap();
    assert_eq!(all.len(), 7);
    let addresses: HashSet<_> = all.iter().flat_map(|i| &i.public_addresses).map(|a| &a.value).collect();
    assert_eq!(addresses.len(), 7, "no two instances share an address");
}

#[tokio::test]
async fn an_ending_instance_holds_its_place_and_name_until_it_is_gone() {
    let lifecycle = Lifecycle { destroy_ms: 5_000, ..Lifecycle::default() };
    let realms = vec![realm("one", Some(1))];
    let (driver, clock) = in_memory(MockConfig { lifecycle, realms, ..MockConfig::default() });
    let first = driver.create_instance(&request("a")).await.unwrap();
    driver.destroy_instance(&first.id).await.unwrap();
    let same_name = driver.create_instance(&request("a")).await;
    assert!(matches!(same_name, Err(DriverError::Conflict { .. })), "{same_name:?}");
    let other = driver.create_instance(&request("b")).await;
    assert!(matches!(other, Err(DriverError::Capacity { .. })), "{other:?}");
    clock.advance(TimeDelta::seconds(5));
    assert_eq!(driver.instances().await.unwrap(), []);
    let again = driver.create_instance(&request("a")).await.unwrap();
    assert_ne!(again.id, first.id);
}

#[tokio::test]
async fn realms_are_chosen_by_room_and_exclusive_ones_only_when_named() {
    let exclusive = RealmTemplate { exclusive: true, ..realm("whole", None) };
    let closed = RealmTemplate { state: RealmState::Unavailable, ..realm("closed", None) };
    let realms = vec![exclusive, closed, realm("first", Some(1)), realm("second", Some(1))];
    let (driver, _) = in_memory(MockConfig { realms, ..MockConfig::default() });
    assert_eq!(driver.realm("whole").await.unwrap().limit, Some(1));
    assert_eq!(driver.create_instance(&request("a")).await.unwrap().realm_id, "first");
    assert_eq!(driver.create_instance(&request("b")).await.unwrap().realm_id, "second");
    let full = driver.create_instance(&request("c")).await;
    assert!(matches!(full, Err(DriverError::Capacity { realm: None, limit: 2, .. })), "{full:?}");
    let named = CreateInstance { realm_id: Some("whole".into()), ..request("d") };
    assert_eq!(driver.create_instance(&named).await.unwrap().realm_id, "whole");
    let named = CreateInstance { realm_id: Some("closed".into()), ..request("e") };
    match driver.create_instance(&named).await {
        Err(DriverError::Invalid { parameter, allowed, .. }) => {
            assert_eq!(
                (parameter.as_str(), allowed),
                ("realm_id", vec!["whole".into(), "first".into(), "second".into()])
            );
        }
        answer => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn ten_thousand_realms_come_of_one_template() {
    let template = RealmTemplate { count: Some(10_000), exclusive: true, ..realm("pc{n}", None) };
    let (driver, _) = in_memory(MockConfig { realms: vec![template], ..MockConfig::default() });
    let realms = driver.realms().await.unwrap();
    assert_eq!((realms.len(), realms[9_999].id.as_str()), (10_000, "pc10000"));
    let there = CreateInstance { realm_id: Some("pc7777".into()), ..request("x") };
    assert_eq!(driver.create_instance(&there).await.unwrap().realm_id, "pc7777");
}

#[tokio::test]
async fn a_lost_answer_and_a_second_try_make_one_instance() {
    let (driver, _) = in_memory(MockConfig::default());
    for fault in [Fault::LostAnswer, Fault::ErrorAfter, Fault::TimeOut, Fault::Unavailable] {
        driver.faults().once(CREATE, fault);
        let name = format!("{fault:?}");
        let error = driver.create_instance(&request(&name)).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        assert_eq!(error.may_have_happened(), fault != Fault::Unavailable);
        let there = driver.instance_named(&name).await.unwrap();
        assert_eq!(there.is_some(), matches!(fault, Fault::LostAnswer | Fault::ErrorAfter), "{fault:?}");
        let made = driver.create_instance(&request(&name)).await.unwrap();
        assert!(there.is_none_or(|t| t.id == made.id));
    }
    assert_eq!(driver.instances().await.unwrap().len(), 4);
}

#[tokio::test]
async fn many_creations_over_a_bad_line_make_each_instance_once() {
    let faults = FaultConfig {
        seed: 42,
        random: [Fault::LostAnswer, Fault::TimeOut, Fault::Unavailable, Fault::ErrorAfter]
            .map(|fault| RandomFault { operation: Some(CREATE), probability: 0.1, fault })
            .into(),
    };
    let realms = vec![realm("wide", None)];
    let (driver, _) = in_memory(MockConfig { faults, realms, ..MockConfig::default() });
    let mut tries = 0;
    for n in 0..300 {
        loop {
            tries += 1;
            match driver.create_instance(&request(&format!("n{n}"))).await {
                Ok(_) => break,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    }
    assert!(tries > 350, "faults came up: {tries} tries");
    assert_eq!(driver.instances().await.unwrap().len(), 300);
}

#[tokio::test]
async fn an_instance_whose_boot_fails_is_failed_and_can_only_end() {
    let (driver, clock) = in_memory(MockConfig::default());
    driver.faults().once(CREATE, Fault::BootFails);
    let made = driver.create_instance(&request("bad")).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    let failed = driver.instance(&made.id).await.unwrap();
    assert_eq!(failed.state, InstanceState::Failed);
    let started = driver.start_instance(&made.id).await;
    assert!(matches!(started, Err(DriverError::WrongState { verb: Verb::Start, .. })), "{started:?}");
    driver.destroy_instance(&made.id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_in_the_time_of_the_runtime() {
    let (driver, _) = in_memory(MockConfig::default());
    driver.faults().once(CREATE, Fault::Delay { milliseconds: 3_600_000 });
    let before = tokio::time::Instant::now();
    driver.create_instance(&request("slow")).await.unwrap();
    assert!(before.elapsed() >= std::time::Duration::from_secs(3600));
}

#[tokio::test]
async fn the_call_log_tells_what_was_touched_and_reading_leaves_no_trace() {
    let (driver, _) = in_memory(MockConfig { call_log: 3, ..MockConfig::default() });
    let made = driver.create_instance(&request("a")).await.unwrap();
    driver.instances().await.unwrap();
    driver.instance(&made.id).await.unwrap();
    driver.realms().await.unwrap();
    assert!(driver.start_instance(&made.id).await.is_err(), "it is pending");
    driver.faults().once(CREATE, Fault::Unavailable);
    driver.create_instance(&request("b")).await.unwrap_err();
    let calls = driver.calls(0).await.unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[0].operation, calls[0].subject.as_str(), &calls[0].refusal), (CREATE, "a", &None));
    assert_eq!(calls[0].at, DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap());
    assert_eq!(calls[1].subject, made.id);
    assert!(calls[1].refusal.as_ref().unwrap().contains("does not allow start"));

    let last = calls[1].number;
    assert_eq!(driver.calls(last).await.unwrap(), []);
    for n in 0..5 {
        driver.create_instance(&request(&format!("n{n}"))).await.unwrap();
    }
    let kept = driver.calls(0).await.unwrap();
    assert_eq!(kept.iter().map(|c| c.subject.as_str()).collect::<Vec<_>>(), ["n2", "n3", "n4"]);
}

#[tokio::test]
async fn what_a_change_keeps_can_be_proven() {
    let (driver, clock) = in_memory(MockConfig::default());
    let made = driver.create_instance(&request("a")).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    let larger = ProfileChoice { id: "medium".into(), values: [("memory".into(), "8192.0".into())].into() };
    let refused = driver.resize_instance(&made.id, &larger).await;
    assert!(matches!(refused, Err(DriverError::WrongState { verb: Verb::Resize, .. })), "{refused:?}");
    driver.stop_instance(&made.id).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    let resized = driver.resize_instance(&made.id, &larger).await.unwrap();
    assert_eq!(resized.hardware_profile.values["memory"], "8192");
    assert_eq!((&resized.disk_id, resized.boot_count), (&made.disk_id, made.boot_count));
    let started = driver.start_instance(&made.id).await.unwrap();
    assert_eq!((&started.disk_id, started.boot_count), (&made.disk_id, Some(2)));
    clock.advance(TimeDelta::seconds(5));
    let rebuilt = driver.rebuild_instance(&made.id, "fedora-41").await.unwrap();
    assert_ne!(rebuilt.disk_id, made.disk_id);
    assert_eq!((rebuilt.image_id.as_str(), rebuilt.boot_count), ("fedora-41", Some(3)));
    assert_eq!(rebuilt.public_addresses, made.public_addresses);
    let not_there = ProfileChoice { id: "raw-pc".into(), values: [].into() };
    let refused = driver.resize_instance(&made.id, &not_there).await;
    assert!(
        matches!(refused, Err(DriverError::Invalid { .. })),
        "the realm has no such hardware: {refused:?}"
    );
    assert_eq!(
        driver.create_instance(&request("a")).await.unwrap().id,
        made.id,
        "the token outlives changes"
    );
}

#[tokio::test]
async fn changes_cost_what_the_configuration_declares() {
    let mut config = MockConfig::default();
    config.costs.resize = Disruption::None;
    config.costs.set_user_data = Disruption::Reboots;
    let (driver, clock) = in_memory(config);
    assert_eq!(driver.capabilities().costs.resize, Disruption::None);
    let made = driver.create_instance(&request("a")).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    let larger = ProfileChoice { id: "large".into(), values: [].into() };
    let resized = driver.resize_instance(&made.id, &larger).await.unwrap();
    assert_eq!((resized.state, resized.boot_count), (InstanceState::Running, Some(1)));
    let told = driver.set_user_data(&made.id, Some(&user_data(&["alice"]))).await.unwrap();
    assert_eq!((told.state, told.boot_count), (InstanceState::Pending, Some(2)));
    assert_eq!(driver.logins(&made.id).await.unwrap()[0].name, "alice");
}

#[tokio::test]
async fn logins_are_those_of_the_last_boot() {
    let (driver, clock) = in_memory(MockConfig::default());
    let wanted = CreateInstance { user_data: Some(user_data(&["alice"])), ..request("a") };
    let made = driver.create_instance(&wanted).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    let names = async || -> Vec<String> {
        driver.logins(&made.id).await.unwrap().into_iter().map(|u| u.name).collect()
    };
    assert_eq!(names().await, ["alice"]);
    driver.set_user_data(&made.id, Some(&user_data(&["alice", "bob"]))).await.unwrap();
    assert_eq!(names().await, ["alice"]);
    driver.reboot_instance(&made.id).await.unwrap();
    assert_eq!(names().await, ["alice", "bob"]);
    let too_long = "x".repeat(70_000);
    let refused = driver.set_user_data(&made.id, Some(&too_long)).await;
    assert!(matches!(refused, Err(DriverError::Invalid { parameter, .. }) if parameter == "user_data"));
}

#[tokio::test]
async fn a_wrong_request_says_what_would_be_right_and_changes_nothing() {
    let (driver, _) = in_memory(MockConfig::default());
    type Change = fn(&mut CreateInstance);
    let wrong: [(&str, Change); 8] = [
        ("name", |r| r.name = String::new()),
        ("name", |r| r.name = "a\nb".into()),
        ("image_id", |r| r.image_id = "none".into()),
        ("realm_id", |r| r.realm_id = Some("none".into())),
        ("hwp_id", |r| r.hardware_profile_id = Some("none".into())),
        ("hwp_memory", |r| r.values = [("memory".into(), "1".into())].into()),
        ("keyname", |r| r.keyname = Some("none".into())),
        ("firewalls", |r| r.firewalls = vec!["none".into()]),
    ];
    for (expected, change) in wrong {
        let mut asked = request("a");
        change(&mut asked);
        match driver.create_instance(&asked).await {
            Err(DriverError::Invalid { parameter, allowed, .. }) => {
                assert_eq!(parameter, expected);
                let listed = matches!(expected, "image_id" | "realm_id" | "hwp_id" | "hwp_memory");
                assert_eq!(!allowed.is_empty(), listed, "{expected}: {allowed:?}");
            }
            answer => panic!("{expected}: {answer:?}"),
        }
    }
    assert_eq!(driver.instances().await.unwrap(), []);
}

#[tokio::test]
async fn secrets_do_not_show_in_debug_output() {
    let (driver, _) = in_memory(MockConfig::default());
    let key = driver.create_key(&CreateKey { name: "k".into(), public_key: None }).await.unwrap();
    let private = key.private_key.as_ref().unwrap().expose().to_owned();
    assert!(private.contains("PRIVATE KEY"));
    assert!(!format!("{key:?}").contains("PRIVATE KEY"));
    let again = driver.create_key(&CreateKey { name: "k".into(), public_key: None }).await.unwrap();
    let (listed, shown) = (driver.keys().await.unwrap(), driver.key("k").await.unwrap());
    for later in [&again, &shown, &listed[0]] {
        assert_eq!((&later.id, &later.fingerprint), (&key.id, &key.fingerprint));
        assert_eq!(later.private_key, None, "a private key is told once");
    }
    let wanted = CreateInstance { user_data: Some("#cloud-config\n# hush".into()), ..request("a") };
    let made = driver.create_instance(&wanted).await.unwrap();
    assert!(!format!("{wanted:?}{made:?}").contains("hush"));
}

#[test]
fn a_configuration_reads_from_toml_and_its_mistakes_are_all_told() {
    let config: MockConfig = toml::from_str(
        r#"
        lacks = ["instances/resize"]
        [[realms]]
        id = "pc{n}"
        count = 3
        exclusive = true
        location = { country = "BE", latitude = 51.0, longitude = 3.7 }
        [lifecycle]
        after_create = "stopped"
        [addresses]
        kind = "blocks"
        public = "198.51.100.0/24"
        private = "10.0.0.0/8"
        [[faults.random]]
        operation = "instances/create"
        probability = 0.05
        fault = { kind = "lost_answer" }
        "#,
    )
    .unwrap();
    assert_eq!(config.problems(), []);
    assert_eq!(config.images, MockConfig::default().images, "what is not said has its default");
    let driver = MockDriver::with_clock(None, config, Arc::new(clock())).unwrap();
    assert!(!driver.capabilities().supports(Collection::Instances, Verb::Resize));

    let wrong: MockConfig = toml::from_str(
        r#"
        images = []
        [[realms]]
        id = "a"
        count = 2
        [[realms]]
        id = "b"
        exclusive = true
        capacity = 2
        hardware_profiles = ["none"]
        location = { latitude = 91.0 }
        [[faults.random]]
        probability = 2.0
        fault = { kind = "time_out" }
        "#,
    )
    .unwrap();
    let mut places: Vec<String> = wrong.problems().into_iter().map(|p| p.place).collect();
    places.dedup();
    assert_eq!(
        places,
        [
            "images",
            "realms[0].id",
            "realms[1].capacity",
            "realms[1].hardware_profiles",
            "realms[1].location.latitude",
            "faults.random[0].probability",
        ]
    );
    assert!(matches!(MockDriver::with_clock(None, wrong, Arc::new(clock())), Err(OpenError::Config { .. })));
    for text in ["colour = 1", "lacks = [\"realms/fly\"]", "floating_addresses = \"10.0.0.0\""] {
        assert!(toml::from_str::<MockConfig>(text).is_err(), "{text}");
    }
}
