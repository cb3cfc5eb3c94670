//! Images, volumes, networks, firewalls and blobs of the mock cloud.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use chrono::TimeDelta;
use common::{in_memory, request};
use drivers::mock::{Fault, MockConfig, MockDriver};
use drivers::{
    Collection, ComputeDriver, CreateBucket, CreateFirewall, CreateImage, CreateInstance, CreateLoadBalancer,
    CreateNetwork, CreateNetworkInterface, CreateSnapshot, CreateSubnet, CreateVolume, DriverError, Feature,
    Listener, Operation, PutBlob, Verb, collect_blob, stream_of,
};

/// Content that breaks off: some bytes, then an error.
struct BreaksOff(u32);

impl futures_core::Stream for BreaksOff {
    type Item = Result<bytes::Bytes, DriverError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0 += 1;
        std::task::Poll::Ready(Some(match self.0 {
            1..=3 => Ok(bytes::Bytes::from(vec![7; 300_000])),
            _ => Err(DriverError::Unavailable { why: "the line broke".into(), retry_after: None }),
        }))
    }
}

#[tokio::test]
async fn a_feature_is_declared_only_where_its_collection_is() {
    let (driver, _) = in_memory(MockConfig::deltacloud());
    assert!(!driver.capabilities().has_feature(Feature::Firewalls));
    assert!(driver.capabilities().has_feature(Feature::AuthenticationKey));
    let (driver, _) = in_memory(MockConfig::default());
    assert!(driver.capabilities().has_feature(Feature::Firewalls));
}

#[tokio::test]
async fn a_load_balancer_stands_in_its_realm_and_listens_for_what_there_is() {
    let (driver, clock) = in_memory(MockConfig::default());
    let listener =
        |protocol: &str| Listener { protocol: protocol.into(), balancer_port: 80, instance_port: 8080 };
    let wanted = |realm: &str, protocol: &str| CreateLoadBalancer {
        name: "front".into(),
        realm_id: realm.into(),
        listener: listener(protocol),
    };
    for (request, parameter) in
        [(wanted("nowhere", "HTTP"), "realm_id"), (wanted("host-1", "SCTP"), "listener_protocol")]
    {
        let refused = driver.create_load_balancer(&request).await.unwrap_err();
        assert!(matches!(&refused, DriverError::Invalid { parameter: p, .. } if p == parameter), "{refused}");
    }
    let made = driver.create_load_balancer(&wanted("host-1", "HTTP")).await.unwrap();
    let elsewhere = CreateInstance { realm_id: Some("host-2".into()), ..request("a") };
    let instance = driver.create_instance(&elsewhere).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    let refused = driver.register_instance(&made.id, &instance.id).await.unwrap_err();
    assert!(matches!(refused, DriverError::Conflict { .. }), "{refused}");
    let again = driver.create_load_balancer(&wanted("host-1", "TCP")).await.unwrap_err();
    assert!(matches!(again, DriverError::Conflict { .. }), "{again}");
}

#[tokio::test]
async fn what_is_measured_depends_on_the_time_alone() {
    let (driver, clock) = in_memory(MockConfig::deltacloud());
    let first = driver.metric("inst1").await.unwrap();
    assert_eq!(first, driver.metric("inst1").await.unwrap());
    clock.advance(TimeDelta::seconds(1));
    let later = driver.metric("inst1").await.unwrap();
    for ((measure, before), (_, now)) in first.series.iter().zip(&later.series) {
        assert_eq!(before[..5], now[1..], "{measure}: a second has been added at the front");
        assert!(now.iter().all(|s| s.minimum < s.maximum && (s.minimum..=s.maximum).contains(&s.average)));
    }
    driver.stop_instance("inst1").await.unwrap();
    let stopped = driver.metric("inst1").await.unwrap();
    assert!(
        stopped.series.iter().all(|(_, samples)| samples.is_empty()),
        "nothing runs, nothing is measured"
    );
}

#[tokio::test]
async fn what_is_attached_is_free_again_after_the_instance() {
    let (driver, clock) = in_memory(MockConfig::default());
    let made = driver.create_instance(&request("a")).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    let address = driver.create_address().await.unwrap();
    driver.associate_address(&address.id, &made.id).await.unwrap();
    let network = CreateNetwork { name: "net".into(), address_block: None };
    let network = driver.create_network(&network).await.unwrap();
    let outside =
        CreateSubnet { name: None, network_id: network.id.clone(), address_block: "192.0.2.0/24".into() };
    let refused = driver.create_subnet(&outside).await;
    assert!(
        matches!(refused, Err(DriverError::Invalid { allowed, .. }) if allowed == network.address_blocks)
    );
    let within = CreateSubnet { address_block: "10.0.5.0/24".into(), ..outside };
    let subnet = driver.create_subnet(&within).await.unwrap();
    let nic = |name: &str, ip: Option<&str>| CreateNetworkInterface {
        name: name.into(),
        instance_id: made.id.clone(),
        subnet_id: subnet.id.clone(),
        ip_address: ip.map(str::to_owned),
    };
    let first = driver.create_network_interface(&nic("n1", None)).await.unwrap();
    let second = driver.create_network_interface(&nic("n2", None)).await.unwrap();
    assert_eq!(first.ip_address.as_deref(), Some("10.0.5.1"));
    assert_eq!(second.ip_address.as_deref(), Some("10.0.5.2"));
    assert_ne!(first.mac_address, second.mac_address);
    let taken = driver.create_network_interface(&nic("n3", Some("10.0.5.2"))).await;
    assert!(matches!(taken, Err(DriverError::Conflict { .. })), "{taken:?}");
    driver.destroy_instance(&made.id).await.unwrap();
    assert_eq!(driver.network_interfaces().await.unwrap(), []);
    assert_eq!(driver.address(&address.id).await.unwrap().instance_id, None);
    driver.destroy_subnet(&subnet.id).await.unwrap();
}

#[tokio::test]
async fn a_cut_off_upload_leaves_the_blob_as_it_was() {
    let (driver, _) = in_memory(MockConfig::default());
    driver.create_bucket(&CreateBucket { name: "b".into(), location: None }).await.unwrap();
    let put = |length| PutBlob {
        id: "x".into(),
        content_type: "text/plain".into(),
        content_length: length,
        user_metadata: Default::default(),
    };
    driver.put_blob("b", &put(None), stream_of("before")).await.unwrap();
    let short = driver.put_blob("b", &put(Some(10)), stream_of("after")).await;
    assert!(matches!(short, Err(DriverError::Invalid { .. })), "{short:?}");
    let content = driver.blob_content("b", "x").await.unwrap();
    assert_eq!(collect_blob(content, 100).await.unwrap(), b"before");
    let empty = driver.put_blob("b", &put(Some(0)), stream_of("")).await.unwrap();
    assert_eq!(empty.content_length, 0);
    let content = driver.blob_content("b", "x").await.unwrap();
    assert_eq!(collect_blob(content, 0).await.unwrap(), b"");
    let nowhere = driver.put_blob("none", &put(None), stream_of("x")).await;
    assert!(matches!(nowhere, Err(DriverError::NotFound { collection: Collection::Buckets, .. })));
}

#[tokio::test]
async fn nothing_is_left_of_uploads_that_no_blob_owns() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mock.db");
    let driver = MockDriver::open(&file, MockConfig::default()).unwrap();
    driver.create_bucket(&CreateBucket { name: "b".into(), location: None }).await.unwrap();
    let put = PutBlob {
        id: "x".into(),
        content_type: "text/plain".into(),
        content_length: None,
        user_metadata: Default::default(),
    };
    let broken = driver.put_blob("b", &put, Box::pin(BreaksOff(0))).await;
    assert!(matches!(broken, Err(DriverError::Unavailable { .. })), "{broken:?}");
    let operation = Operation::new(Collection::Blobs, Verb::Put);
    driver.faults().once(operation, Fault::TimeOut);
    driver.put_blob("b", &put, stream_of(vec![1; 600_000])).await.unwrap_err();
    assert!(driver.bucket("b").await.unwrap().blobs.is_empty());
    driver.faults().once(operation, Fault::LostAnswer);
    driver.put_blob("b", &put, stream_of(vec![2; 600_000])).await.unwrap_err();
    assert_eq!(driver.blob("b", "x").await.unwrap().content_length, 600_000);

    let stored = rusqlite::Connection::open(&file).unwrap();
    let pieces: u32 = stored.query_row("SELECT count(*) FROM piece", [], |row| row.get(0)).unwrap();
    assert_eq!(pieces, 3, "only those of the one blob there is");
}

#[tokio::test]
async fn an_image_made_of_an_instance_can_be_started_from() {
    let (driver, clock) = in_memory(MockConfig::default());
    let made = driver.create_instance(&request("a")).await.unwrap();
    let wanted = CreateImage {
        instance_id: made.id.clone(),
        name: Some("golden".into()),
        description: Some("with everything".into()),
    };
    let early = driver.create_image(&wanted).await;
    assert!(matches!(early, Err(DriverError::WrongState { .. })), "{early:?}");
    clock.advance(TimeDelta::seconds(5));
    let image = driver.create_image(&wanted).await.unwrap();
    assert_eq!((image.os.as_deref(), image.version.as_deref()), (Some("Debian"), Some("12")));
    let copy = driver.create_instance(&CreateInstance::new("b", &image.id)).await.unwrap();
    assert_eq!(copy.image_id, "golden");
    let kept = driver.destroy_image("debian-12").await;
    assert!(matches!(kept, Err(DriverError::Conflict { .. })), "{kept:?}");
    driver.destroy_image("golden").await.unwrap();
    assert_eq!(driver.images().await.unwrap().len(), 3);
    assert!(driver.instance(&copy.id).await.is_ok(), "instances outlive their image");
}

#[tokio::test]
async fn a_volume_of_a_snapshot_is_no_smaller_and_stays_in_its_realm() {
    let (driver, clock) = in_memory(MockConfig::default());
    let wanted =
        CreateVolume { capacity: Some(10), realm_id: Some("host-1".into()), ..CreateVolume::default() };
    let volume = driver.create_storage_volume(&wanted).await.unwrap();
    let taken = CreateSnapshot { volume_id: volume.id.clone(), name: Some("s".into()), description: None };
    let snapshot = driver.create_storage_snapshot(&taken).await.unwrap();
    let of_it = CreateVolume { snapshot_id: Some(snapshot.id.clone()), ..CreateVolume::default() };
    assert_eq!(driver.create_storage_volume(&of_it).await.unwrap().capacity, 10);
    let smaller = driver.create_storage_volume(&CreateVolume { capacity: Some(9), ..of_it }).await;
    assert!(matches!(smaller, Err(DriverError::Invalid { parameter, .. }) if parameter == "capacity"));

    let elsewhere = CreateInstance { realm_id: Some("host-2".into()), ..request("far") };
    let far = driver.create_instance(&elsewhere).await.unwrap();
    let near = driver.create_instance(&request("near")).await.unwrap();
    clock.advance(TimeDelta::seconds(5));
    let refused = driver.attach_storage_volume(&volume.id, &far.id, None).await;
    assert!(matches!(refused, Err(DriverError::Conflict { .. })), "{refused:?}");
    let attached = driver.attach_storage_volume(&volume.id, &near.id, None).await.unwrap();
    assert_eq!(attached.device.as_deref(), Some("/dev/vdb"));
    assert_eq!(driver.attach_storage_volume(&volume.id, &near.id, None).await.unwrap(), attached);
    let taken = driver.attach_storage_volume(&volume.id, &far.id, None).await;
    assert!(matches!(taken, Err(DriverError::Conflict { .. })), "{taken:?}");
    assert_eq!(driver.detach_storage_volume(&volume.id).await.unwrap().instance_id, None);
    driver.destroy_storage_snapshot("s").await.unwrap();
}

#[tokio::test]
async fn a_firewall_in_use_stays() {
    let (driver, _) = in_memory(MockConfig::default());
    let wanted = CreateFirewall { name: "web".into(), description: String::new() };
    driver.create_firewall(&wanted).await.unwrap();
    let behind = CreateInstance { firewalls: vec!["web".into()], ..request("a") };
    let made = driver.create_instance(&behind).await.unwrap();
    let kept = driver.destroy_firewall("web").await;
    assert!(matches!(kept, Err(DriverError::Conflict { .. })), "{kept:?}");
    driver.destroy_instance(&made.id).await.unwrap();
    driver.destroy_firewall("web").await.unwrap();
}
