//! The Deltacloud data against recordings of the real mock, where the folder with them is at hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;

use drivers::mock::{MockConfig, MockDriver};
use drivers::{ComputeDriver, ManualClock, PropertyValue, number_text};
use serde_json::Value;

/// The JSON body of a recorded answer.
fn recorded(file: &str) -> Option<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/wire/deltacloud").join(file);
    let text = std::fs::read_to_string(path).ok()?;
    let answer = text.split_once("<<<<< RESPONSE").expect("a recording has an answer").1;
    let body = answer.split_once("\n{").or_else(|| answer.split_once("\n\r\n{")).expect("a JSON body").1;
    Some(serde_json::from_str(&format!("{{{}", body.trim())).expect("JSON"))
}

fn driver() -> MockDriver {
    let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
    MockDriver::with_clock(None, MockConfig::deltacloud(), Arc::new(clock)).unwrap()
}

#[tokio::test]
async fn the_states_are_those_of_the_real_mock() {
    let shown: Vec<String> = driver()
        .instance_states()
        .states()
        .map(|(state, ways)| {
            let ways: Vec<String> = ways
                .iter()
                .map(|w| format!("{}>{}", w.action.map_or("auto", |a| a.as_str()), w.to))
                .collect();
            format!("{state} {}", ways.join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "start create>pending",
            "pending auto>running",
            "running reboot>running stop>stopped",
            "stopped start>running destroy>finish",
            "finish ",
        ]
    );
}

#[tokio::test]
async fn images_profiles_and_instances_are_those_of_the_real_mock() {
    let driver = driver();
    if let Some(images) = recorded("093-images.json.http") {
        let ours = driver.images().await.unwrap();
        let theirs = images["images"].as_array().unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (our, their) in ours.iter().zip(theirs) {
            assert_eq!(our.id, their["id"]);
            assert_eq!(our.name, their["name"]);
            assert_eq!(our.description, their["description"]);
            assert_eq!(our.owner_id, their["owner"]);
            assert_eq!(our.architecture, their["architecture"]);
            assert_eq!(our.state, their["state"]);
        }
    }
    if let Some(profiles) = recorded("081-hardware_profiles.json.http") {
        let ours = driver.hardware_profiles().await.unwrap();
        let theirs = profiles["hardware_profiles"].as_array().unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (our, their) in ours.iter().zip(theirs) {
            assert_eq!(our.id, their["id"]);
            for property in &our.properties {
                assert_eq!(property.default_value(), their["properties"][&property.name], "{}", our.id);
            }
        }
    }
    if let Some(instances) = recorded("122-instances.json.http") {
        let ours = driver.instances().await.unwrap();
        let theirs = instances["instances"].as_array().unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (our, their) in ours.iter().zip(theirs) {
            assert_eq!(our.id, their["id"]);
            assert_eq!(our.name, their["name"]);
            assert_eq!(our.owner_id, their["owner"]);
            assert_eq!(our.state.as_str().to_uppercase(), their["state"]);
            assert_eq!(our.image_id, their["image"]["id"]);
            assert_eq!(our.realm_id, their["realm"]["id"]);
            assert_eq!(our.hardware_profile.id, their["hardware_profile"]["id"]);
            assert_eq!(our.public_addresses[0].value, their["public_addresses"][0]["address"]);
            assert_eq!(our.private_addresses[0].value, their["private_addresses"][0]["address"]);
            assert_eq!(our.can_create_image, their["create_image"] == true);
            assert_eq!(our.keyname.as_deref(), their["authentication"]["keyname"].as_str());
            let actions: Vec<&str> = our.actions.iter().map(|a| a.as_str()).collect();
            let shown: Vec<&str> =
                their["actions"].as_array().unwrap().iter().flat_map(|a| a["rel"].as_str()).collect();
            assert_eq!(actions, shown[..2]);
        }
    }
}

#[tokio::test]
async fn the_large_profile_has_a_range_and_a_list() {
    let large = driver().hardware_profile("m1-large").await.unwrap();
    let PropertyValue::Range { first, last, default } = large.property("memory").unwrap().value else {
        panic!("memory is no range")
    };
    assert_eq!([first, last, default].map(number_text), ["7680", "15360", "10240"]);
    assert_eq!(large.property("memory").unwrap().parameter().as_deref(), Some("hwp_memory"));
    assert_eq!(large.property("storage").unwrap().allowed(), ["850", "1024"]);
    assert_eq!(large.property("architecture").unwrap().parameter(), None);
}

#[tokio::test]
async fn a_new_instance_runs_at_once_under_the_next_number() {
    let driver = driver();
    let mut request = drivers::CreateInstance::new("my-inst", "img1");
    request.hardware_profile_id = Some("m1-large".into());
    request.values = [("cpu", "4"), ("memory", "12288"), ("storage", "1024")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    request.keyname = Some("test-key".into());
    let made = driver.create_instance(&request).await.unwrap();
    assert_eq!((made.id.as_str(), made.realm_id.as_str()), ("inst4", "us"));
    assert_eq!(made.state, drivers::InstanceState::Running);
    assert_eq!(made.public_addresses[0].value, "img1.inst4.public.com");
    assert_eq!(driver.create_address().await.unwrap().ip, "192.168.0.5");
    assert_eq!(driver.bucket("bucket1").await.unwrap().blobs, ["blob1", "blob2", "blob3"]);
    assert_eq!(driver.network("net2").await.unwrap().subnets, ["subnet3", "subnet4"]);
    assert_eq!(driver.instance("inst1").await.unwrap().storage_volumes, ["vol3"]);
}
