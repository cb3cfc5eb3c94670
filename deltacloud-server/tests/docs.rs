//! The documentation that the Deltacloud face gives of itself, held against what the face does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::face;
use deltacloud_server::Face;
use drivers::mock::{MockConfig, MockDriver};
use drivers::{Collection, ComputeDriver, ManualClock, Verb};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use std::sync::Arc;

/// A driver with everything, so that everything is described.
fn complete() -> MockDriver {
    let clock = ManualClock::new(chrono::DateTime::from_timestamp(1_795_290_160, 0).unwrap());
    MockDriver::with_clock(None, MockConfig::default(), Arc::new(clock)).unwrap()
}

async fn call(face: &Face, method: &str, path: &str, accept: &str) -> (u16, String) {
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "h")
        .header("accept", accept)
        .header("authorization", "Basic bW9ja3VzZXI6bW9ja3Bhc3N3b3Jk");
    let answer = face.answer(request.body(Full::new(Bytes::new())).unwrap(), common::PEER).await;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).replace("&#39;", "'"))
}

async fn docs(face: &Face) -> Vec<Value> {
    let (status, body) = call(face, "GET", "/api/docs", "application/json").await;
    assert_eq!(status, 200, "{body}");
    let Value::Array(all) = serde_json::from_str::<Value>(&body).unwrap()["docs"].take() else {
        panic!("{body}")
    };
    all
}

#[tokio::test]
async fn every_operation_that_a_client_can_ask_for_is_described() {
    let driver = complete();
    let beyond_the_api = [Verb::Resize, Verb::SetUserData, Verb::Rebuild];
    let offered: Vec<_> =
        driver.capabilities().operations().filter(|o| !beyond_the_api.contains(&o.verb())).collect();
    let described = docs(&face(Arc::new(driver))).await;
    let mut found = 0;
    for operation in &offered {
        let of_it = described.iter().find(|one| one["name"] == operation.collection().as_str());
        let all = of_it.unwrap_or_else(|| panic!("{operation}"))["operations"].as_array().unwrap();
        assert!(all.iter().any(|one| one["name"] == operation.verb().as_str()), "{operation}");
        found += all.len();
    }
    assert!(found > 60 && described.len() == Collection::ALL.len(), "{found}, {}", described.len());
}

#[tokio::test]
async fn what_is_described_is_there_and_misses_the_parameters_it_is_said_to_need() {
    let face = face(Arc::new(complete()));
    let mut checked = 0;
    for collection in docs(&face).await {
        for operation in collection["operations"].as_array().unwrap() {
            let (method, template) =
                (operation["method"].as_str().unwrap(), operation["path"].as_str().unwrap());
            let path = template.replace(":id", "x").replace(":blob_id", "y").replace(":rule_id", "z");
            // Without any source the API says so before it looks for parameters.
            let path = if path.ends_with("/rules") { path + "?ip_address1=192.0.2.0/24" } else { path };
            let (status, body) = call(&face, method, &path, "application/xml").await;
            assert!(!body.contains("there is nothing here for this verb"), "{method} {path}: {body}");
            let needed: Vec<&str> = operation["params"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|parameter| parameter["required"] == true)
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let missed = body.strip_prefix("Required parameter '").and_then(|rest| rest.split('\'').next());
            assert_eq!(missed.is_some(), !needed.is_empty(), "{method} {path}: {status} {body}");
            if let Some(missed) = missed {
                assert!(
                    needed.contains(&missed),
                    "{method} {path} misses {missed}, described are {needed:?}"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 12, "only {checked} operations need parameters");
}

#[tokio::test]
async fn the_documentation_is_there_in_each_language_and_for_strangers() {
    let face = face(Arc::new(complete()));
    let (status, page) = call(&face, "GET", "/api/docs/", "text/html").await;
    assert!(status == 200 && page.contains("<code>POST /api/instances/:id/run</code>"), "{page}");
    let (status, xml) = call(&face, "GET", "/api/docs/load_balancers", "application/xml").await;
    assert_eq!(status, 200);
    let document = roxmltree::Document::parse(&xml).unwrap();
    let collections = document.descendants().filter(|node| node.has_tag_name("collection"));
    // As the Ruby client reads it.
    fn below<'a, 'i>(node: roxmltree::Node<'a, 'i>, name: &'static str) -> Vec<roxmltree::Node<'a, 'i>> {
        node.children().filter(move |child| child.has_tag_name(name)).collect()
    }
    let operations = below(below(document.root_element(), "collection")[0], "operations")[0];
    for operation in below(operations, "operation") {
        let name = operation.attribute("name").unwrap();
        assert!(!below(operation, "description")[0].text().unwrap().is_empty(), "{name}");
        for parameter in below(operation, "parameter") {
            assert!(["required", "optional"].contains(&parameter.attribute("type").unwrap()), "{name}");
            assert_eq!(below(parameter, "class")[0].text(), Some("string"), "{name}");
        }
        let (status, one) =
            call(&face, "GET", &format!("/api/docs/load_balancers/{name}"), "application/xml").await;
        assert_eq!(status, 200, "{name}");
        let one = roxmltree::Document::parse(&one).unwrap();
        assert_eq!(below(one.root_element(), "operation")[0].attribute("name"), Some(name));
    }
    let (status, json) = call(&face, "GET", "/api/docs/instances/create", "application/json").await;
    let operation = serde_json::from_str::<Value>(&json).unwrap();
    assert_eq!((status, &operation["operation"]["path"]), (200, &Value::from("/api/instances")));
    let (status, page) = call(&face, "GET", "/api/docs/instances/create", "text/html").await;
    assert!(status == 200 && page.contains("<code>image_id</code>, required"), "{page}");
    for nothing in ["/api/docs/instances/nothing", "/api/docs/nothing/index", "/api/docs/instances/create/x"]
    {
        assert_eq!(call(&face, "GET", nothing, "application/xml").await.0, 404, "{nothing}");
    }
    assert_eq!(collections.filter_map(|node| node.attribute("name")).collect::<Vec<_>>(), ["load_balancers"]);
    assert_eq!(call(&face, "GET", "/api/docs/nothing", "application/xml").await.0, 404);
    let request = hyper::Request::get("/api/docs").header("host", "h").body(Full::new(Bytes::new())).unwrap();
    assert_eq!(face.answer(request, common::PEER).await.status(), 200, "it says nothing of the account");
}
