//! The whole chain over real sockets: our client of the Deltacloud API → our server of it → the mock cloud, with
//! faults at the cloud and on the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use common::serve;
use drivers::conformance::{Patience, check};
use drivers::deltacloud::{ConnectError, DeltacloudConfig, DeltacloudDriver};
use drivers::mock::{Fault, FaultConfig, MockConfig, MockDriver, RandomFault};
use drivers::{
    Collection, ComputeDriver, CreateInstance, DriverError, ManualClock, Operation, PutBlob, RunCommand,
    Secret, Verb, collect_blob, stream_of,
};
use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn mock(config: MockConfig) -> (MockDriver, ManualClock) {
    let clock = ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    (MockDriver::with_clock(None, config, Arc::new(clock.clone())).unwrap(), clock)
}

fn config(address: SocketAddr) -> DeltacloudConfig {
    let url = format!("http://{address}/api");
    DeltacloudConfig {
        timeout: Duration::from_secs(20),
        ..DeltacloudConfig::new(url, "mockuser", Secret::new("mockpassword"))
    }
}

struct Advance(ManualClock);

#[async_trait]
impl Patience for Advance {
    async fn wait(&self) {
        self.0.advance(TimeDelta::milliseconds(400));
    }
}

async fn conforms(cloud: MockConfig) {
    let (driver, clock) = mock(cloud);
    let before = driver.instances().await.unwrap();
    let (address, _stop) = serve(Arc::new(driver.clone())).await;
    let client = DeltacloudDriver::connect(config(address)).await.unwrap();
    check(&client, &Advance(clock), "conformance-").await.unwrap();
    assert_eq!(driver.instances().await.unwrap(), before, "the checks clean up after themselves");
}

#[tokio::test]
async fn the_chain_over_the_deltacloud_mock_keeps_the_contract() {
    conforms(MockConfig::deltacloud()).await;
}

#[tokio::test]
async fn the_chain_over_the_default_mock_keeps_the_contract() {
    conforms(MockConfig::default()).await;
}

#[tokio::test]
async fn what_the_cloud_has_is_what_the_client_sees() {
    let (driver, _clock) = mock(MockConfig::deltacloud());
    let (address, _stop) = serve(Arc::new(driver.clone())).await;
    let client = DeltacloudDriver::connect(config(address)).await.unwrap();
    assert_eq!(client.realms().await.unwrap(), driver.realms().await.unwrap());
    assert_eq!(client.hardware_profiles().await.unwrap(), driver.hardware_profiles().await.unwrap());
    assert_eq!(client.instance_states(), driver.instance_states());
    assert_eq!(client.networks().await.unwrap(), driver.networks().await.unwrap());
    assert_eq!(client.subnets().await.unwrap(), driver.subnets().await.unwrap());
    assert_eq!(client.network_interfaces().await.unwrap(), driver.network_interfaces().await.unwrap());
    assert_eq!(client.addresses().await.unwrap(), driver.addresses().await.unwrap());
    assert_eq!(client.buckets().await.unwrap(), driver.buckets().await.unwrap());
    let told: Vec<_> = client.instances().await.unwrap();
    for (told, real) in told.iter().zip(driver.instances().await.unwrap()) {
        assert_eq!((&told.id, &told.name, &told.state), (&real.id, &real.name, &real.state));
        assert_eq!((&told.hardware_profile, &told.actions), (&real.hardware_profile, &real.actions));
        assert_eq!(told.public_addresses, real.public_addresses);
        assert_eq!(told.can_create_image, real.can_create_image);
        assert_eq!(told.storage_volumes, real.storage_volumes);
    }
    assert!(client.capabilities().unique_names);
    assert!(!client.capabilities().has(Collection::Firewalls));
    assert_eq!(client.capabilities().user_data_limit, driver.capabilities().user_data_limit);
}

#[tokio::test]
async fn a_command_and_what_is_measured_come_through() {
    let (driver, _clock) = mock(MockConfig::deltacloud());
    let (address, _stop) = serve(Arc::new(driver.clone())).await;
    let client = DeltacloudDriver::connect(config(address)).await.unwrap();
    let command = RunCommand {
        command: "echo '<&>' | wc".into(),
        private_key: Some(Secret::new("no key of any lock")),
        password: None,
        ip: None,
        port: Some(2222),
    };
    let told = client.run_on_instance("inst1", &command).await.unwrap();
    assert_eq!(told.public_address, "img1.inst1.public.com");
    assert_eq!(told.command, command.command);
    assert!(told.output.contains(&command.command), "{told:?}");
    let operation = Operation::new(Collection::Instances, Verb::Run);
    let noted = driver.calls(0).await.unwrap();
    assert!(noted.iter().any(|call| call.operation == operation && call.subject == "inst1"));

    let gone = client.run_on_instance("nothing", &command).await.unwrap_err();
    assert_eq!(gone, DriverError::not_found(Collection::Instances, "nothing"));
    driver.stop_instance("inst1").await.unwrap();
    let refused = client.run_on_instance("inst1", &command).await.unwrap_err();
    assert!(matches!(refused, DriverError::WrongState { verb: Verb::Run, .. }), "{refused}");

    let measured = client.metric("inst2").await.unwrap();
    assert_eq!(measured, driver.metric("inst2").await.unwrap());
    assert!(measured.series.iter().all(|(_, samples)| samples.len() == 6));
    assert_eq!(client.metrics().await.unwrap(), driver.metrics().await.unwrap());
    let lacking = client.load_balancers().await.unwrap_err();
    assert!(matches!(lacking, DriverError::Unsupported { .. }), "{lacking}");
}

#[tokio::test]
async fn user_data_and_all_that_is_chosen_reach_the_cloud_unchanged() {
    let (driver, _clock) = mock(MockConfig::deltacloud());
    let (address, _stop) = serve(Arc::new(driver.clone())).await;
    let client = DeltacloudDriver::connect(config(address)).await.unwrap();
    for (name, data) in [("a", "#cloud-config\nusers: [é, \"&\"]\n"), ("b", "aGVsbG8="), ("c", " x ")] {
        let request = CreateInstance {
            realm_id: Some("eu".into()),
            hardware_profile_id: Some("m1-large".into()),
            values: BTreeMap::from([("memory".into(), "12288".into())]),
            keyname: Some("test-key".into()),
            user_data: Some(data.into()),
            ..CreateInstance::new(name, "img2")
        };
        let made = client.create_instance(&request).await.unwrap();
        let real = driver.instance(&made.id).await.unwrap();
        assert_eq!(real.user_data.as_deref(), Some(data));
        assert_eq!((real.name.as_str(), real.realm_id.as_str()), (name, "eu"));
        assert_eq!(real.hardware_profile, made.hardware_profile);
        assert_eq!(real.keyname, made.keyname);
    }
}

#[tokio::test]
async fn wrong_credentials_and_strangers_are_known_at_once() {
    let (driver, _clock) = mock(MockConfig::deltacloud());
    let (address, _stop) = serve(Arc::new(driver)).await;
    let wrong = DeltacloudConfig { password: Secret::new("guess"), ..config(address) };
    let error = DeltacloudDriver::connect(wrong).await.unwrap_err();
    assert_eq!(error, ConnectError::Server(DriverError::Unauthorised));
    let other = DeltacloudConfig { driver: Some("ec2".into()), ..config(address) };
    assert!(DeltacloudDriver::connect(other).await.is_err());
    let nobody =
        DeltacloudConfig { timeout: Duration::from_secs(1), ..config("127.0.0.1:1".parse().unwrap()) };
    let error = DeltacloudDriver::connect(nobody).await.unwrap_err();
    assert!(matches!(error, ConnectError::Server(DriverError::Unavailable { .. })), "{error}");
}

#[tokio::test]
async fn a_full_realm_is_told_as_such_with_its_limit() {
    let mut cloud = MockConfig::deltacloud();
    cloud.realms[1].capacity = Some(2);
    let (driver, _clock) = mock(cloud);
    let (address, _stop) = serve(Arc::new(driver)).await;
    let client = DeltacloudDriver::connect(config(address)).await.unwrap();
    let request =
        |name: &str| CreateInstance { realm_id: Some("eu".into()), ..CreateInstance::new(name, "img1") };
    client.create_instance(&request("one")).await.unwrap();
    let error = client.create_instance(&request("two")).await.unwrap_err();
    let full =
        DriverError::Capacity { collection: Collection::Instances, realm: Some("eu".into()), limit: 2 };
    assert_eq!(error, full);
}

/// Stands between client and server and breaks off one answer in so many.
async fn lossy(server: SocketAddr, one_in: u64, lost: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Arc::new(AtomicU64::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (lost, answers) = (Arc::clone(&lost), Arc::clone(&answers));
            tokio::spawn(async move {
                let Ok(upstream) = TcpStream::connect(server).await else { return };
                let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = upstream.into_split();
                let requests = tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                });
                let mut piece = vec![0; 64 << 10];
                while let Ok(length @ 1..) = from_server.read(&mut piece).await {
                    if answers.fetch_add(1, Ordering::Relaxed) % one_in == one_in - 1 {
                        lost.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                    if to_client.write_all(&piece[..length]).await.is_err() {
                        break;
                    }
                }
                requests.abort();
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_creations_with_lost_answers_make_nothing_twice() {
    const INSTANCES: usize = 10_000;
    const AT_ONCE: usize = 16;
    let create = Operation::new(Collection::Instances, Verb::Create);
    let lost_at_the_cloud =
        RandomFault { operation: Some(create), probability: 0.05, fault: Fault::LostAnswer };
    let mut cloud = MockConfig::deltacloud();
    cloud.first.instances.clear();
    cloud.faults = FaultConfig { seed: 7, random: vec![lost_at_the_cloud] };
    let (driver, _clock) = mock(cloud);
    let (server, _stop) = serve(Arc::new(driver.clone())).await;
    let lost = Arc::new(AtomicU64::new(0));
    let address = lossy(server, 20, Arc::clone(&lost)).await;
    let client = loop {
        // Discovery meets the same wire.
        if let Ok(client) = DeltacloudDriver::connect(config(address)).await {
            break Arc::new(client);
        }
    };
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let client = Arc::clone(&client);
        workers.spawn(async move {
            let mut made = Vec::new();
            for number in (worker..INSTANCES).step_by(AT_ONCE) {
                let request = CreateInstance::new(format!("token-{number}"), "img1");
                // As the reconciler does: what may have happened is asked for again under the same name.
                let instance = loop {
                    match client.create_instance(&request).await {
                        Ok(instance) => break instance,
                        Err(error) => assert!(error.is_retryable(), "{error}"),
                    }
                };
                made.push((request.name, instance.id));
            }
            made
        });
    }
    let mut told = HashSet::new();
    while let Some(made) = workers.join_next().await {
        told.extend(made.unwrap());
    }
    let real: HashSet<_> =
        driver.instances().await.unwrap().into_iter().map(|instance| (instance.name, instance.id)).collect();
    assert_eq!(real.len(), INSTANCES, "as many as were asked for");
    assert_eq!(told, real, "the client knows each of them by its name");
    assert!(lost.load(Ordering::Relaxed) > 400, "the wire lost {}", lost.load(Ordering::Relaxed));
}

#[tokio::test]
async fn faults_at_the_cloud_come_through_as_what_they_are() {
    let (driver, _clock) = mock(MockConfig::deltacloud());
    let (address, _stop) = serve(Arc::new(driver.clone())).await;
    let client = DeltacloudDriver::connect(config(address)).await.unwrap();
    let create = Operation::new(Collection::Instances, Verb::Create);
    let faults = driver.faults();
    // Nothing has happened, or it has and is found: a creation comes through all of these.
    for (number, fault) in [
        Fault::Unavailable,
        Fault::LostAnswer,
        Fault::ErrorAfter,
        Fault::TimeOut,
        Fault::Error { status: 500 },
    ]
    .into_iter()
    .enumerate()
    {
        faults.once(create, fault);
        let request = CreateInstance::new(format!("fault-{number}"), "img1");
        client.create_instance(&request).await.unwrap();
        let named = |i: &&drivers::Instance| i.name == request.name;
        assert_eq!(driver.instances().await.unwrap().iter().filter(named).count(), 1, "{fault:?}");
    }
    // A refusal of the cloud's own is no reason to try again.
    faults.once(create, Fault::Error { status: 422 });
    let error = client.create_instance(&CreateInstance::new("refused", "img1")).await.unwrap_err();
    assert!(!error.may_have_happened() && !error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_large_blob_flows_through_in_both_directions() {
    let (driver, _clock) = mock(MockConfig::deltacloud());
    let (address, _stop) = serve(Arc::new(driver)).await;
    let client = DeltacloudDriver::connect(config(address)).await.unwrap();
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let request = PutBlob {
        id: "big/one".into(),
        content_type: "application/x-thing".into(),
        content_length: Some(content.len() as u64),
        user_metadata: BTreeMap::from([("author".into(), "me".into())]),
    };
    let blob = client.put_blob("bucket1", &request, stream_of(content.clone())).await.unwrap();
    assert_eq!((blob.id.as_str(), blob.content_length), ("big/one", content.len() as u64));
    assert_eq!(
        (blob.content_type.as_str(), &blob.user_metadata),
        ("application/x-thing", &request.user_metadata)
    );
    let back = client.blob_content("bucket1", "big/one").await.unwrap();
    assert_eq!(collect_blob(back, content.len()).await.unwrap(), content);
    let none = client.blob_content("bucket1", "nothing").await.err().unwrap();
    assert!(matches!(none, DriverError::NotFound { collection: Collection::Blobs, .. }), "{none}");
}
