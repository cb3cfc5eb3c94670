//! The client of the Deltacloud API against a server that plays answers back: made up ones of old and odd servers,
//! and, where the folder with them is at hand, those recorded from a real one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use drivers::deltacloud::{DeltacloudConfig, DeltacloudDriver};
use drivers::{
    Collection, ComputeDriver, CreateInstance, CreateKey, DriverError, InstanceState, RuleSource, Secret,
    Verb,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Answers by request line (`GET /api`); of several the next each time, the last for ever. What is asked is kept.
#[derive(Clone, Default)]
struct Player {
    answers: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

fn answer(status: &str, media_type: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}")
}

impl Player {
    fn on(&self, line: &str, answers: &[String]) {
        self.answers.lock().unwrap().insert(line.to_owned(), answers.to_vec());
    }

    fn xml(&self, line: &str, body: &str) {
        self.on(line, &[answer("200 OK", "application/xml", body)]);
    }

    fn asked(&self, line: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(known, _)| known == line).map(|(_, body)| body.clone()).collect()
    }

    fn next(&self, line: &str) -> String {
        let mut answers = self.answers.lock().unwrap();
        let path = line.split('?').next().unwrap();
        let key = if answers.contains_key(line) { line } else { path };
        match answers.get_mut(key) {
            Some(several) if several.len() > 1 => several.remove(0),
            Some(one) => one[0].clone(),
            None => answer("404 Not Found", "text/html", "<h1>unknown</h1>"),
        }
    }

    async fn play(&self) -> DeltacloudConfig {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let player = self.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let player = player.clone();
                tokio::spawn(async move {
                    let mut socket = BufReader::new(socket);
                    let mut first = String::new();
                    while socket.read_line(&mut first).await.is_ok_and(|length| length > 0) {
                        let mut length = 0;
                        loop {
                            let mut header = String::new();
                            socket.read_line(&mut header).await.unwrap();
                            let header = header.trim().to_ascii_lowercase();
                            if header.is_empty() {
                                break;
                            }
                            if let Some(value) = header.strip_prefix("content-length: ") {
                                length = value.parse().unwrap();
                            }
                        }
                        let mut body = vec![0; length];
                        socket.read_exact(&mut body).await.unwrap();
                        let line = first.rsplit_once(' ').unwrap().0.to_owned();
                        let body = String::from_utf8(body).unwrap();
                        player.asked.lock().unwrap().push((line.clone(), body));
                        let answer = player.next(&line);
                        if answer.is_empty() {
                            return;
                        }
                        socket.get_mut().write_all(answer.as_bytes()).await.unwrap();
                        first.clear();
                    }
                });
            }
        });
        DeltacloudConfig::new(format!("http://{address}/api"), "mockuser", Secret::new("mockpassword"))
    }
}

const STATES: &str = "<states><state name='start'><transition action='create' to='pending'/></state>\
    <state name='pending'><transition auto='true' to='running'/></state>\
    <state name='running'><transition action='stop' to='shutting_down'/></state>\
    <state name='shutting_down'><transition auto='true' to='stopped'/></state>\
    <state name='stopped'><transition auto='true' to='finish'/></state><state name='finish'/></states>";

/// A server of version 0.3.0: relative links, features without parameters, no OPTIONS.
fn old_server() -> Player {
    let player = Player::default();
    player.xml(
        "GET /api",
        "<api driver='ec2' version='0.3.0'><link href='/api/realms' rel='realms'></link>\
         <link href='/api/images' rel='images'><feature name='owner_id'></feature></link>\
         <link href='/api/instance_states' rel='instance_states'/><link href='/api/keys' rel='keys'/>\
         <link href='/api/hardware_profiles' rel='hardware_profiles'/>\
         <link href='/api/instances' rel='instances'><feature name='user_data'></feature></link></api>",
    );
    player.xml("GET /api/instance_states", STATES);
    player.xml("GET /api/instances", "<instances></instances>");
    player
}

fn instance(id: &str, name: &str, state: &str, links: &str) -> String {
    format!(
        "<instance href='/api/instances/{id}' id='{id}'><name>{name}</name><owner_id>me</owner_id>\
         <image href='/api/images/ami' id='ami'></image><realm href='/api/realms/us' id='us'></realm>\
         <state>{state}</state><hardware_profile href='/api/hardware_profiles/c1' id='c1'></hardware_profile>\
         <actions>{links}</actions><public_addresses><address>192.0.2.7</address></public_addresses>\
         <private_addresses><address>ip-10.internal</address></private_addresses></instance>"
    )
}

#[tokio::test]
async fn a_server_of_version_0_3_0_is_understood() {
    let player = old_server();
    let driver = DeltacloudDriver::connect(player.play().await).await.unwrap();
    assert!(!driver.capabilities().unique_names);
    // Without OPTIONS everything that the API has is assumed; what the states do not know is not.
    assert!(driver.capabilities().supports(Collection::Instances, Verb::Create));
    assert!(!driver.capabilities().supports(Collection::Instances, Verb::Reboot));
    assert!(driver.instance_states().states().any(|(state, _)| *state == InstanceState::Stopping));
    player.xml(
        "GET /api/instances",
        &format!("<instances>{}</instances>", instance("i-1", "n", "RUNNING", "")),
    );
    let shown = driver.instances().await.unwrap().remove(0);
    assert_eq!(shown.public_addresses[0].kind, drivers::AddressKind::Ipv4);
    assert_eq!(shown.private_addresses[0].kind, drivers::AddressKind::Hostname);
}

#[tokio::test]
async fn a_creation_that_failed_after_it_happened_is_found_by_its_name() {
    let player = old_server();
    let driver = DeltacloudDriver::connect(player.play().await).await.unwrap();
    let request = CreateInstance { user_data: Some("#!".into()), ..CreateInstance::new("token", "ami") };
    let error = answer("500 Internal Server Error", "application/json", r#"{"code":500,"message":"nil"}"#);
    player.on("POST /api/instances", &[error]);
    let error = driver.create_instance(&request).await.unwrap_err();
    assert!(error.may_have_happened(), "nothing of the name was there: {error}");
    let form = player.asked("POST /api/instances").remove(0);
    let name = form.split('&').find_map(|field| field.strip_prefix("name=")).unwrap().to_owned();
    assert!(name.starts_with("token--r") && form.contains("user_data=IyE%3D"), "{form}");

    // Now it is there, by the name that the first attempt gave it: it is that which is meant.
    let there = instance("i-9", &name, "PENDING", "");
    player.xml("GET /api/instances", &format!("<instances>{there}</instances>"));
    let found = driver.create_instance(&request).await.unwrap();
    assert_eq!((found.id.as_str(), found.name.as_str()), ("i-9", "token"));
    assert_eq!(player.asked("POST /api/instances").len(), 1, "it was not created again");
    let other = CreateInstance::new("token", "ami");
    let error = driver.create_instance(&other).await.unwrap_err();
    assert!(matches!(error, DriverError::Conflict { .. }), "{error}");
}

#[tokio::test]
async fn actions_go_where_the_instance_says_and_nowhere_else() {
    let player = old_server();
    let driver = DeltacloudDriver::connect(player.play().await).await.unwrap();
    let link = "<link href='http://elsewhere.example/api/instances/i-1/halt' method='post' rel='stop'/>";
    player.xml("GET /api/instances/i-1", &instance("i-1", "n", "RUNNING", link));
    let stopped = instance("i-1", "n", "SHUTTING_DOWN", "");
    player.on("POST /api/instances/i-1/halt", &[answer("202 Accepted", "application/xml", &stopped)]);
    assert_eq!(driver.stop_instance("i-1").await.unwrap().state, InstanceState::Stopping);
    let error = driver.destroy_instance("i-1").await.unwrap_err();
    assert!(matches!(error, DriverError::Unsupported { .. } | DriverError::WrongState { .. }), "{error}");
    let error = driver.stop_instance("i-2").await.unwrap_err();
    assert_eq!(error, DriverError::not_found(Collection::Instances, "i-2"));
}

#[tokio::test]
async fn reading_is_tried_again_and_creating_an_address_is_not() {
    let player = old_server();
    let driver = DeltacloudDriver::connect(player.play().await).await.unwrap();
    let busy = answer("503 Service Unavailable", "text/html", "later");
    let realms = "<realms><realm href='/api/realms/us' id='us'><name>US</name><state>available</state>\
         <limit></limit></realm></realms>";
    player.on("GET /api/realms", &[busy, String::new(), answer("200 OK", "application/xml", realms)]);
    assert_eq!(driver.realms().await.unwrap()[0].limit, None);
    assert_eq!(player.asked("GET /api/realms").len(), 3);

    // A broken connection after a key was asked for: looked for by its name, and not made again.
    player.on("POST /api/keys", &[String::new()]);
    player.xml("GET /api/keys", "<keys></keys>");
    let request = CreateKey { name: "k".into(), public_key: None };
    assert!(driver.create_key(&request).await.unwrap_err().may_have_happened());
    assert_eq!(player.asked("POST /api/keys").len(), 1);
}

#[tokio::test]
async fn a_server_that_speaks_json_alone_is_understood() {
    let player = Player::default();
    let link = |rel: &str| format!(r#"{{"rel":"{rel}","href":"http://h/api/{rel}","features":[]}}"#);
    let links: Vec<_> = ["realms", "images", "instances", "instance_states", "firewalls"].map(link).into();
    let json = |body: &str| answer("200 OK", "application/json", body);
    let entry = format!(r#"{{"api":{{"version":"1.1.3","driver":"mock","links":[{}]}}}}"#, links.join(","));
    player.on("GET /api", &[json(&entry)]);
    let states = r#"[{"name":"start","transitions":[{"to":"running","action":"create"}]},
        {"name":"running","transitions":[{"to":"finish","action":"destroy"}]},{"name":"finish","transitions":[]}]"#;
    player.on("GET /api/instance_states", &[json(states)]);
    let firewall = r#"{"firewalls":[{"id":"f","name":"f","description":"d","owner_id":"me","rules":[{"id":"r",
        "allow_protocol":"tcp","port_from":"22","port_to":"22","direction":"ingress",
        "sources":[{"type":"address","family":"ipv4","address":"10.0.0.0","prefix":"8"}]}]}]}"#;
    player.on("GET /api/firewalls", &[json(firewall)]);
    let driver = DeltacloudDriver::connect(player.play().await).await.unwrap();
    assert!(driver.instance_states().allows(&InstanceState::Running, drivers::InstanceAction::Destroy));
    let rule = driver.firewalls().await.unwrap().remove(0).rules.remove(0);
    assert_eq!(rule.allow.sources, [RuleSource::Address { address: "10.0.0.0".into(), prefix: 8 }]);
}

/// The recorded answers to requests that only read, with the first that was given to each.
fn recordings(kind: &str, folders: &[&str]) -> Option<Player> {
    let mut files = Vec::new();
    for folder in folders {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/wire").join(folder);
        let mut found: Vec<_> = std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).collect();
        found.sort();
        files.extend(found);
    }
    let player = Player::default();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "http")) {
        let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).replace('\r', "");
        let (request, response) = text.split_once("<<<<< RESPONSE\n").unwrap();
        let line = request.lines().nth(1).unwrap().rsplit_once(' ').unwrap().0;
        let wanted = request.contains(&format!("Accept: application/{kind}\n"))
            && request.contains("Basic bW9ja3VzZXI6bW9ja3Bhc3N3b3Jk");
        let (head, body) = response.split_once("\n\n").unwrap();
        let status = head.lines().next().unwrap().trim_start_matches("HTTP/1.1 ");
        if wanted
            && line.starts_with("GET ")
            && !line.contains(['?', ';'])
            && !player.answers.lock().unwrap().contains_key(line)
        {
            player.on(line, &[answer(status, &format!("application/{kind}"), body)]);
        }
    }
    Some(player)
}

#[tokio::test]
async fn what_was_recorded_from_a_real_server_is_understood_in_both_languages() {
    for kind in ["xml", "json"] {
        let Some(player) = recordings(kind, &["deltacloud"]) else { return };
        let driver = DeltacloudDriver::connect(player.play().await).await.unwrap();
        assert_eq!(
            driver.realms().await.unwrap().iter().map(|r| r.id.as_str()).collect::<Vec<_>>(),
            ["us", "eu"]
        );
        let profiles = driver.hardware_profiles().await.unwrap();
        assert_eq!(profiles[1].property("memory").unwrap().default_value(), "10240");
        assert_eq!(profiles[1].property("memory").unwrap().parameter().is_some(), kind == "xml");
        let images = driver.images().await.unwrap();
        assert_eq!((images[2].owner_id.as_str(), images[2].hardware_profiles.len()), ("mockuser", 4));
        assert_eq!(images[0].creation_time.unwrap().to_rfc3339(), "2012-10-25T12:27:53+00:00");
        let instances = driver.instances().await.unwrap();
        assert_eq!(instances.len(), 4);
        assert_eq!(instances[0].hardware_profile.values["memory"], "12288");
        assert_eq!(instances[0].state, InstanceState::Running);
        assert_eq!(instances[3].public_addresses[0].value, "img3.inst3.public.com");
        assert!(instances[0].can_create_image && !instances[3].can_create_image);
        let volumes = driver.storage_volumes().await.unwrap();
        assert_eq!(volumes[2].instance_id.as_deref(), Some("inst1"));
        assert_eq!((volumes[2].device.as_deref(), volumes[2].capacity), (Some("/dev/sda1"), 1));
        assert_eq!(volumes[0].created.to_rfc3339(), "2009-07-30T14:35:11+00:00");
        assert_eq!(driver.storage_snapshots().await.unwrap()[2].volume_id, "vol2");
        assert_eq!(driver.buckets().await.unwrap()[0].blobs, ["blob1", "blob2", "blob3"]);
        assert_eq!(driver.addresses().await.unwrap().len(), 4);
        let key = driver.keys().await.unwrap().remove(0);
        assert!(key.private_key.is_some() && key.fingerprint.unwrap().starts_with("5e:ce:b6"));
        assert_eq!(driver.networks().await.unwrap()[1].subnets, ["subnet3", "subnet4"]);
        assert_eq!(driver.subnets().await.unwrap()[0].address_block, "192.168.1.0/24");
        assert_eq!(driver.network_interfaces().await.unwrap()[0].subnet_id, "subnet1");
        let blob = driver.blob("bk1", "b1").await.unwrap();
        assert_eq!((blob.content_length, blob.user_metadata["author"].as_str()), (10, "me"));
        let metrics = driver.metrics().await.unwrap();
        assert_eq!(
            (metrics[0].entity.as_str(), metrics[0].series.len()),
            ("Mock Instance With Profile Change", 9)
        );
        // The real server answers with its first instance, whichever is asked for.
        let other = driver.metric("inst1").await.unwrap_err();
        assert_eq!(other, DriverError::not_found(Collection::Metrics, "inst1"));
        let gone = driver.instance("nope").await.unwrap_err();
        assert_eq!(gone, DriverError::not_found(Collection::Instances, "nope"));
        let lacking = driver.firewalls().await.unwrap_err();
        assert!(matches!(lacking, DriverError::Unsupported { .. }), "{lacking}");
    }
}

#[tokio::test]
async fn recorded_load_balancers_and_firewalls_are_understood_in_both_languages() {
    for kind in ["xml", "json"] {
        let Some(player) = recordings(kind, &["deltacloud-extra", "deltacloud"]) else { return };
        let driver = DeltacloudDriver::connect(player.play().await).await.unwrap();
        assert!(driver.capabilities().supports(Collection::LoadBalancers, Verb::Register));
        let balancer = driver.load_balancers().await.unwrap().remove(0);
        assert_eq!(
            (balancer.id.as_str(), balancer.instances.as_slice()),
            ("lbxml", &["inst1".to_owned()][..])
        );
        assert_eq!(balancer.public_addresses, ["lb.mock.example"]);
        let listener = &balancer.listeners[0];
        let told = (listener.protocol.as_str(), listener.balancer_port, listener.instance_port);
        assert_eq!(told, ("SCTP", 80, 8080));
        // In JSON the real server has a word of Ruby where the realm should be.
        assert_eq!(balancer.realm_id.as_deref(), (kind == "xml").then_some("us"));
        assert_eq!(balancer.created.unwrap().to_rfc3339(), "2026-11-21T19:41:43+00:00");
        assert!(driver.firewalls().await.unwrap().is_empty(), "as was recorded first");
        let firewall = driver.firewall("fwxml").await.unwrap();
        assert_eq!(firewall.rules[0].allow.protocol, "tcp");
    }
}
