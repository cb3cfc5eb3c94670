//! What real clients of the Deltacloud API need of a server, one by one: Apache Deltacloud's own suite, its Ruby client
//! and `deltacloudc`, libraries that compose their addresses carelessly, browsers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::{PEER, face};
use deltacloud_server::Face;
use drivers::mock::{MockConfig, MockDriver};
use drivers::{Capabilities, Collection, Feature, Operation, SystemClock};
use http_body_util::{BodyExt, Full};
use hyper::header::HeaderMap;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The Deltacloud mock with everything.
fn cloud() -> Arc<Face> {
    let config = MockConfig { lacks: BTreeSet::<Operation>::new(), ..MockConfig::deltacloud() };
    face(Arc::new(MockDriver::with_clock(None, config, Arc::new(SystemClock)).unwrap()))
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// Sends a request with these headers, of which `accept` is JSON unless said otherwise; a body is a form.
async fn ask(face: &Face, method: &str, path: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "h")
        .header("authorization", "Basic bW9ja3VzZXI6bW9ja3Bhc3N3b3Jk");
    if !headers.iter().any(|(name, _)| *name == "accept") {
        request = request.header("accept", "application/json");
    }
    if !headers.iter().any(|(name, _)| *name == "content-type") && !form.is_empty() {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer =
        face.answer(request.body(Full::new(Bytes::copy_from_slice(form.as_bytes()))).unwrap(), PEER).await;
    let (head, body) = answer.into_parts();
    let body = String::from_utf8_lossy(&body.collect().await.unwrap().to_bytes()).into_owned();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

async fn get(face: &Face, path: &str) -> Answer {
    ask(face, "GET", path, "", &[]).await
}

const XML: (&str, &str) = ("accept", "application/xml");
const HTML: (&str, &str) = ("accept", "text/html");

#[tokio::test]
async fn addresses_with_a_slash_too_many_are_understood_as_by_the_real_server() {
    let face = cloud();
    for (path, status) in [
        ("/api/", 200),
        ("/api//realms", 200),
        ("//api//realms//us", 200),
        ("/api//buckets/bucket1//blob1/content", 200),
        ("/api/realms/", 404),
    ] {
        assert_eq!(ask(&face, "GET", path, "", &[("accept", "*/*")]).await.status, status, "{path}");
    }
    assert_eq!(ask(&face, "POST", "/api//instances", "image_id=img1", &[]).await.status, 201);
    assert_eq!(ask(&face, "OPTIONS", "/api/", "", &[]).await.status, 200);
}

#[tokio::test]
async fn an_error_has_no_backtrace_for_the_ruby_client_to_take_apart() {
    let face = cloud();
    let answer = ask(&face, "GET", "/api/instances/none", "", &[XML]).await;
    assert_eq!(answer.status, 404);
    let document = roxmltree::Document::parse(&answer.body).unwrap();
    assert!(document.descendants().any(|node| node.has_tag_name("message")));
    assert!(!document.descendants().any(|node| node.has_tag_name("backtrace")), "{}", answer.body);
}

#[tokio::test]
async fn every_list_can_be_asked_for_one() {
    let face = cloud();
    let form = "name=fw&description=d";
    assert_eq!(ask(&face, "POST", "/api/firewalls", form, &[]).await.status, 201);
    let form =
        "name=lb&realm_id=us&listener_protocol=HTTP&listener_balancer_port=80&listener_instance_port=80";
    assert_eq!(ask(&face, "POST", "/api/load_balancers", form, &[]).await.status, 201);
    let mut checked = 0;
    for collection in Collection::ALL {
        if matches!(collection, Collection::InstanceStates | Collection::Blobs) {
            continue;
        }
        let name = collection.as_str();
        let list = async |query: String| get(&face, &format!("/api/{name}{query}")).await.json()[name].take();
        let all = list(String::new()).await;
        let ids: Vec<&str> = all.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
        let last = ids.last().unwrap_or_else(|| panic!("{name} is empty"));
        let one = list(format!("?id={last}")).await;
        assert_eq!(one.as_array().unwrap().len(), 1, "{name}");
        assert_eq!(one[0]["id"], **last, "{name}");
        assert_eq!(list("?id=none".into()).await, Value::Array(Vec::new()), "{name}");
        checked += 1;
    }
    assert_eq!(checked, Collection::ALL.len() - 2);
    assert_eq!(get(&face, "/api/drivers?id=none").await.json(), serde_json::json!({}));
    assert_eq!(get(&face, "/api/drivers?id=mock").await.json()["mock"]["name"], "Mock");
}

#[tokio::test]
async fn an_empty_accept_is_none() {
    let answer = ask(&cloud(), "GET", "/api/realms", "", &[("accept", "")]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/xml"));
}

#[tokio::test]
async fn a_realm_without_a_profile_takes_one_that_fits() {
    let clock = Arc::new(SystemClock);
    let face = face(Arc::new(MockDriver::with_clock(None, MockConfig::default(), clock).unwrap()));
    for (realm, profile) in [("machine-2", "raw-pc"), ("host-2", "small")] {
        let form = format!("image_id=debian-12&realm_id={realm}");
        let made = ask(&face, "POST", "/api/instances", &form, &[]).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let instance = &made.json()["instance"];
        assert_eq!(
            (&instance["realm"]["id"], &instance["hardware_profile"]["id"]),
            (&realm.into(), &profile.into())
        );
    }
}

#[tokio::test]
async fn a_form_without_a_file_makes_a_blob_of_text() {
    let face = cloud();
    let made = ask(&face, "POST", "/api/buckets/bucket1", "blob_id=f&blob_data=hello", &[]).await;
    assert_eq!((made.status, &made.json()["blob"]["content_type"]), (201, &Value::from("text/plain")));
    let content = get(&face, "/api/buckets/bucket1/f/content").await;
    assert_eq!((content.header("content-type"), content.body.as_str()), ("text/plain", "hello"));
}

#[tokio::test]
async fn a_segment_does_not_take_the_place_of_a_blob() {
    let face = cloud();
    let before = get(&face, "/api/buckets/bucket1/blob1/content").await.body;
    for (query, header) in [
        ("", ("x-deltacloud-blobtype", "segmented")),
        ("", ("x-deltacloud-segmentorder", "1")),
        ("", ("x-deltacloud-segmentedblob", "blob1")),
        ("?blob_type=segmented", ("x-any", "thing")),
    ] {
        let path = format!("/api/buckets/bucket1/blob1{query}");
        assert_eq!(ask(&face, "PUT", &path, "a piece", &[header]).await.status, 501, "{header:?}");
    }
    assert_eq!(get(&face, "/api/buckets/bucket1/blob1/content").await.body, before);
}

#[tokio::test]
async fn a_browser_is_sent_to_a_page_after_each_change() {
    let face = cloud();
    let change = async |method: &str, path: &str, form: &str, to: &str| {
        let answer = ask(&face, method, path, form, &[HTML]).await;
        let told = (answer.status, answer.header("location").to_owned());
        assert_eq!(told, (303, format!("http://h/api/{to}")), "{method} {path}: {}", answer.body);
        assert_eq!(ask(&face, "GET", &format!("/api/{to}"), "", &[HTML]).await.status, 200, "{to}");
    };
    change("POST", "/api/instances", "image_id=img1&name=n", "instances/inst4").await;
    change("POST", "/api/instances/inst4/reboot", "", "instances/inst4").await;
    change("POST", "/api/storage_volumes", "name=v&realm_id=us", "storage_volumes/v").await;
    change("POST", "/api/storage_volumes/v/attach", "instance_id=inst4", "storage_volumes/v").await;
    change("POST", "/api/storage_volumes/v/detach", "", "storage_volumes/v").await;
    change("POST", "/api/storage_volumes/v", "_method=delete", "storage_volumes").await;
    change("POST", "/api/instances/inst4/stop", "", "instances/inst4").await;
    change("DELETE", "/api/instances/inst4", "", "instances").await;
    change("POST", "/api/networks", "name=n", "networks/n").await;
    change("DELETE", "/api/networks/n", "", "networks").await;
    change("POST", "/api/addresses/192.168.0.1/associate", "instance_id=inst1", "addresses/192.168.0.1")
        .await;
    change("POST", "/api/buckets", "name=b", "buckets/b").await;
    change("POST", "/api/buckets/b", "blob_id=x&blob_data=y", "buckets/b/x").await;
    change("DELETE", "/api/buckets/b/x", "", "buckets/b").await;
    change("POST", "/api/firewalls", "name=f&description=d", "firewalls/f").await;
    let rule = "protocol=tcp&port_from=1&port_to=2&ip_address1=192.0.2.0/24";
    change("POST", "/api/firewalls/f/rules", rule, "firewalls/f").await;
    let rule = get(&face, "/api/firewalls/f").await.json()["firewall"]["rules"][0]["id"].take();
    change("DELETE", &format!("/api/firewalls/f/{}", rule.as_str().unwrap()), "", "firewalls/f").await;
    let public = "name=k&public_key=ssh-ed25519%20AAAA";
    change("POST", "/api/keys", public, "keys/k").await;
    // Programs are told.
    assert_eq!(ask(&face, "DELETE", "/api/keys/k", "", &[]).await.status, 204);
}

#[tokio::test]
async fn a_private_key_is_shown_to_those_who_have_it_made_and_to_nobody_later() {
    for accept in [XML, HTML, ("accept", "application/json")] {
        let face = cloud();
        let made = ask(&face, "POST", "/api/keys", "name=k", &[accept]).await;
        assert_eq!(made.status, 201);
        assert!(made.body.contains("BEGIN RSA PRIVATE KEY"), "{}", made.body);
        let again = ask(&face, "POST", "/api/keys", "name=k", &[accept]).await;
        assert!([201, 303].contains(&again.status));
        let mut later = vec![again];
        for path in ["/api/keys", "/api/keys/k", "/api/keys/test-key"] {
            later.push(ask(&face, "GET", path, "", &[accept]).await);
        }
        for answer in later {
            assert!(!answer.body.contains("PRIVATE KEY"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn messages_hold_no_entities_outside_of_pages() {
    let face = cloud();
    for accept in [XML, ("accept", "application/json"), HTML] {
        let answer = ask(&face, "POST", "/api/instances", "name=n&a%3Cb%3E=c", &[accept]).await;
        assert_eq!((answer.status, answer.header("content-type")), (400, "text/plain; charset=utf-8"));
        assert_eq!(answer.body, "Required parameter 'image_id' not found in [name,a<b>]");
    }
}

#[tokio::test]
async fn what_old_clients_look_for_is_there_and_empty() {
    let face = cloud();
    let taken = "volume_id=vol1&name=s";
    assert_eq!(ask(&face, "POST", "/api/storage_snapshots", taken, &[]).await.status, 201);
    for (path, name) in [
        ("/api/realms/us", "limit"),
        ("/api/storage_volumes/vol1", "device"),
        ("/api/storage_volumes/vol1", "instance"),
        ("/api/storage_snapshots/snap1", "state"),
    ] {
        let answer = ask(&face, "GET", path, "", &[XML]).await;
        let document = roxmltree::Document::parse(&answer.body).unwrap();
        let found = document.root_element().children().find(|child| child.has_tag_name(name));
        assert!(!found.unwrap_or_else(|| panic!("{path} has no {name}")).has_children(), "{path} {name}");
    }
    let answer = ask(&face, "GET", "/api/storage_volumes/vol3", "", &[XML]).await;
    assert!(answer.body.contains("<device>/dev/sda1</device>") && answer.body.contains("<mount>"));
}

#[tokio::test]
async fn a_feature_is_done_or_absent() {
    let advertised = async |face: &Face| {
        let answer = ask(face, "GET", "/api", "", &[XML]).await;
        let document = roxmltree::Document::parse(&answer.body).unwrap();
        let named = document.descendants().filter(|node| node.has_tag_name("feature"));
        named.map(|node| node.attribute("name").unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let face = cloud();
    assert!(advertised(&face).await.contains("user_data"));
    for form in ["instance_count=2", "snapshot_id=snap1", "password=p", "user_files=f", "user_iso=i"] {
        let answer = ask(&face, "POST", "/api/instances", &format!("image_id=img1&{form}"), &[]).await;
        assert_eq!(answer.status, 400, "{form}");
        assert!(answer.body.contains("is not offered here"), "{}", answer.body);
    }
    assert_eq!(ask(&face, "POST", "/api/instances", "image_id=img1&instance_count=1", &[]).await.status, 201);
    // A driver that has all of them: what this face cannot pass on is not advertised.
    let all = Capabilities::new(Operation::all(), Feature::ALL.iter().copied());
    let found = advertised(&common::face(Arc::new(common::Declares::new(all)))).await;
    for lacking in ["instance_count", "attach_snapshot", "user_files", "user_iso", "authentication_password"]
    {
        assert!(!found.contains(lacking), "{found:?}");
    }
    assert!(found.contains("hardware_profiles") && found.contains("user_data"), "{found:?}");
}

#[tokio::test]
async fn nothing_is_named_so_that_no_address_leads_to_it() {
    let face = cloud();
    for (path, form) in [
        ("/api/buckets", "name=.."),
        ("/api/keys", "name=."),
        ("/api/buckets/bucket1", "blob_id=..&blob_data=x"),
        ("/api/buckets/bucket1", "blob=.&blob_data=x"),
    ] {
        assert_eq!(ask(&face, "POST", path, form, &[]).await.status, 400, "{path} {form}");
    }
    for path in ["/api/buckets/bucket1/%2e%2e", "/api/buckets/bucket1/.", "/api/buckets/../x"] {
        assert_eq!(
            ask(&face, "PUT", path, "x", &[("content-type", "text/plain")]).await.status,
            400,
            "{path}"
        );
    }
    let blobs = get(&face, "/api/buckets/bucket1").await.json()["bucket"]["size"].take();
    assert_eq!(blobs, 3);
}
