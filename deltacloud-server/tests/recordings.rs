//! Exchanges recorded from Apache Deltacloud 1.1.3 with its mock driver, sent again to our face over our mock
//! cloud with the same data. Where the folder with the recordings is not at hand, the test does nothing.
//!
//! `docs/deltacloud-differences.md` names the exchanges that are answered otherwise, with the reason. An exchange
//! that is named there and answered the same is an error too, so that the list stays true.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::face;
use drivers::mock::{MockConfig, MockDriver};
use drivers::{ManualClock, Operation};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One side of a recorded exchange.
#[derive(Debug, Clone)]
struct Message {
    first: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

impl Message {
    fn parse(raw: &[u8]) -> Self {
        let crlf = find(raw, b"\r\n\r\n").map(|at| (at, at + 4));
        let lf = find(raw, b"\n\n").map(|at| (at, at + 2));
        let (end, body) = [crlf, lf].into_iter().flatten().min().unwrap_or((raw.len(), raw.len()));
        let head = String::from_utf8_lossy(&raw[..end]).replace('\r', "");
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default().to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut message = Self { first, headers, body: raw[body..].to_vec() };
        // What follows the announced length belongs to the file and not to the message.
        let length = message.header("content-length").and_then(|length| length.parse().ok());
        message.body.truncate(length.unwrap_or(message.body.len()));
        message
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn exchange(file: &Path) -> (Message, Message) {
    let raw = std::fs::read(file).unwrap();
    let mark = b"<<<<< RESPONSE\n";
    let at = find(&raw, mark).expect("a recording has an answer");
    let request = raw[..at].strip_prefix(b">>>>> REQUEST\n").unwrap();
    (Message::parse(request), Message::parse(&raw[at + mark.len()..]))
}

/// What one side answered, in a form in which equal means equal.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    media_type: Option<String>,
    body: String,
}

const TIMES: [&str; 4] = ["created", "created_at", "creation_time", "last_modified"];
const SECRETS: [&str; 3] = ["pem", "pem_rsa_key", "fingerprint"];
/// What only one side tells; the document of differences says why.
const DROPPED: [&str; 8] =
    ["launch_time", "backtrace", "message", "feature", "features", "content", "description", "mac_address"];

fn xml(node: roxmltree::Node<'_, '_>) -> String {
    let name = node.tag_name().name();
    let mut attributes: Vec<_> = node.attributes().map(|a| format!("{}={:?}", a.name(), a.value())).collect();
    attributes.sort();
    let vol3_only = |volumes: &roxmltree::Node<'_, '_>| {
        volumes.children().all(|volume| volume.attribute("id").is_none_or(|id| id == "vol3"))
    };
    let dropped = |child: &roxmltree::Node<'_, '_>| match child.tag_name().name() {
        name if DROPPED.contains(&name) => true,
        "network_interfaces" => !child.has_children(),
        "state" => name == "storage_snapshot",
        // Sent empty where there is nothing to say.
        "limit" | "device" | "instance" => {
            child.attributes().len() == 0
                && child.text().is_none_or(|text| text.trim().is_empty())
                && !child.has_children()
        }
        "param" => matches!(child.attribute("name"), Some("splat" | "captures")),
        "storage_volumes" => name == "instance" && vol3_only(child),
        // As an instance refers to it: in the list of volumes it has no device of its own.
        "storage_volume" => child.attribute("id") == Some("vol3") && child.attribute("device").is_some(),
        _ => false,
    };
    let kept = |child: &roxmltree::Node<'_, '_>| child.is_element() && !dropped(child);
    let mut children: Vec<String> = node.children().filter(kept).map(xml).collect();
    if matches!(name, "hardware_profile" | "user_metadata") {
        children.sort();
    }
    let text: String =
        node.children().filter(|child| child.is_text()).filter_map(|child| child.text()).collect();
    let text = match name {
        _ if TIMES.contains(&name) => "(time)",
        _ if SECRETS.contains(&name) => "(secret)",
        "name" if text.starts_with("i-") => "(made up)",
        _ => text.trim(),
    };
    format!("<{name} {}>{text}{}</>", attributes.join(" "), children.concat())
}

fn json(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let instance = members.contains_key("public_addresses");
            let kept: BTreeMap<&str, String> = members
                .iter()
                .map(|(name, value)| (name.as_str(), value))
                .filter(|(name, _)| !DROPPED.contains(name))
                .filter(|(name, _)| !instance || *name != "network_interfaces")
                .map(|(name, value)| match name {
                    name if TIMES.contains(&name) => (name, "(time)".to_owned()),
                    name if SECRETS.contains(&name) => (name, "(secret)".to_owned()),
                    "name" if value.as_str().is_some_and(|text| text.starts_with("i-")) => {
                        (name, "(made up)".to_owned())
                    }
                    _ => (name, json(value)),
                })
                .collect();
            format!("{kept:?}")
        }
        Value::Array(items) => {
            let kept = |item: &&Value| {
                let reference_to_vol3 = item["id"] == "vol3" && item["rel"] == "storage_volume";
                !reference_to_vol3
            };
            format!("{:?}", items.iter().filter(kept).map(json).collect::<Vec<_>>())
        }
        // The real server has the same number as text here and as a number there.
        Value::Number(number) => format!("\"{number}\""),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn normal(status: u16, media_type: Option<&str>, body: &[u8], headed: bool) -> Answer {
    let media_type = media_type.map(|full| full.split(';').next().unwrap_or_default().trim().to_owned());
    let text = String::from_utf8_lossy(body).into_owned();
    let body = match media_type.as_deref() {
        _ if headed || text.trim().is_empty() => String::new(),
        Some("application/xml") => match roxmltree::Document::parse(&text) {
            Ok(document) => xml(document.root_element()),
            Err(error) => format!("not XML: {error}"),
        },
        Some("application/json") => {
            serde_json::from_str(&text).map_or_else(|e| format!("not JSON: {e}"), |value| json(&value))
        }
        Some("text/html") if text.contains('<') => "(a page)".to_owned(),
        _ => text.replace("splat,captures,", "").replace("&#39;", "'").trim().to_owned(),
    };
    // Without a body there is nothing whose type could matter.
    let media_type = media_type.filter(|_| !body.is_empty() || headed && status == 200);
    Answer { status, media_type, body }
}

/// The numbers in the first column of the table of a section, with the reasons.
fn differences(section: &str) -> BTreeMap<u32, String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/deltacloud-differences.md");
    let text = std::fs::read_to_string(file).expect("the list of differences is part of the project");
    let start = text.find(&format!("## {section}\n")).expect("the list has this section");
    let rest = &text[start + 3..];
    let rest = &rest[..rest.find("\n## ").unwrap_or(rest.len())];
    let mut found = BTreeMap::new();
    for line in rest.lines().filter(|line| line.starts_with('|')) {
        let mut columns = line.trim_matches('|').split('|').map(str::trim);
        let (Some(numbers), Some(reason)) = (columns.next(), columns.next_back()) else { continue };
        for number in numbers.split(',') {
            let mut ends = number.trim().split('–').map(str::parse::<u32>);
            match (ends.next(), ends.next()) {
                (Some(Ok(first)), Some(Ok(last))) => {
                    found.extend((first..=last).map(|n| (n, reason.to_owned())));
                }
                (Some(Ok(one)), None) => {
                    found.insert(one, reason.to_owned());
                }
                _ => {}
            }
        }
    }
    found
}

/// Sends every exchange of a folder again and says what differs.
async fn replay(folder: &str, section: &str, config: MockConfig) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/wire").join(folder);
    let Ok(listing) = std::fs::read_dir(&folder) else { return };
    let mut files: Vec<PathBuf> = listing
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "http"))
        .collect();
    files.sort();
    assert!(files.len() > 40, "{} holds few recordings", folder.display());
    let clock = ManualClock::new(chrono::DateTime::from_timestamp(1_795_290_160, 0).unwrap());
    let driver = MockDriver::with_clock(None, config, Arc::new(clock)).unwrap();
    let face = face(Arc::new(driver));

    let listed = differences(section);
    // Ids that the server makes, from theirs to ours.
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let (mut wrong, mut same) = (Vec::new(), BTreeSet::new());
    let mut compared = 0;
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let number: u32 = name[..3].parse().unwrap();
        let (asked, theirs) = exchange(&file);
        let translate = |text: &str, ids: &BTreeMap<String, String>| {
            ids.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        let mut words = asked.first.split(' ');
        let method = words.next().unwrap();
        let mut request =
            hyper::Request::builder().method(method).uri(translate(words.next().unwrap(), &ids));
        for (header, value) in asked.headers.iter().filter(|(name, _)| name != "content-length") {
            request = request.header(header, value);
        }
        let body = translate(&String::from_utf8_lossy(&asked.body), &ids);
        let answer = face.answer(request.body(Full::new(Bytes::from(body))).unwrap(), common::PEER).await;
        let status: u16 = theirs.first.split(' ').nth(1).unwrap().parse().unwrap();
        let last = |text: Option<&str>| text.and_then(|t| t.rsplit('/').next()).map(str::to_owned);
        let ours = answer.headers().get("location").and_then(|value| value.to_str().ok());
        if let (Some(from), Some(to)) = (last(theirs.header("location")), last(ours))
            && from != to
            && from.len() > 3
        {
            ids.insert(from, to);
        }
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let media_type = head.headers.get("content-type").and_then(|value| value.to_str().ok());
        let rules = |text: &str, is_rule: fn(&str) -> bool| -> Vec<String> {
            let mut found: Vec<String> = Vec::new();
            for word in text.split(['\'', '"', '/', ' ']).filter(|word| is_rule(word)) {
                if !found.iter().any(|known| known == word) {
                    found.push(word.to_owned());
                }
            }
            found
        };
        let theirs_in_order =
            rules(&String::from_utf8_lossy(&theirs.body), |word| word.starts_with("mockuser~"));
        let ours_in_order = rules(&String::from_utf8_lossy(&body), |word| {
            word.strip_prefix("rule").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        });
        if head.status.as_u16() == status {
            ids.extend(theirs_in_order.into_iter().zip(ours_in_order));
        }
        let their_body = translate(&String::from_utf8_lossy(&theirs.body), &ids);
        let headed = method == "HEAD";
        let expected = normal(status, theirs.header("content-type"), their_body.as_bytes(), headed);
        let found = normal(head.status.as_u16(), media_type, &body, headed);
        compared += 1;
        if expected == found {
            same.insert(number);
        } else if !listed.contains_key(&number) {
            wrong.push(format!("{name}\n  theirs: {expected:?}\n  ours:   {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    let stale: Vec<_> = listed.keys().filter(|number| same.contains(number)).collect();
    assert!(stale.is_empty(), "listed as different and yet the same: {stale:?}");
}

#[tokio::test]
async fn recorded_exchanges_are_answered_as_the_real_server_did() {
    replay("deltacloud", "Recorded exchanges", MockConfig::deltacloud()).await;
}

#[tokio::test]
async fn recorded_firewalls_are_answered_as_the_real_server_did() {
    let config = MockConfig { lacks: BTreeSet::<Operation>::new(), ..MockConfig::deltacloud() };
    replay("deltacloud-extra", "Recorded firewalls and load balancers", config).await;
}
