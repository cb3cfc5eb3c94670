//! Manifests and advertisements: what is written, and that it validates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use roxmltree::Document;
use rspec::{
    Action, AdBlockstore, AdDiskImage, AdInterface, AdNode, AdSliverType, Advertisement, DiskImage, Frame,
    Link, Location, ManifestWriter, Node, OperationalStates, RspecErrorKind, State, Wait, WaitKind,
};

const GENI: &str = "http://www.geni.net/resources/rspec/3";

fn child<'a, 'i>(parent: roxmltree::Node<'a, 'i>, path: &[&str]) -> roxmltree::Node<'a, 'i> {
    path.iter().fold(parent, |at, name| {
        at.children()
            .find(|child| child.is_element() && child.tag_name().name() == *name)
            .unwrap_or_else(|| panic!("no {name}"))
    })
}

/// All elements named `name` with their client_id.
fn find<'a, 'i>(document: &'a Document<'i>, name: &str, client_id: &str) -> roxmltree::Node<'a, 'i> {
    document
        .descendants()
        .find(|node| node.has_tag_name((GENI, name)) && node.attribute("client_id") == Some(client_id))
        .unwrap_or_else(|| panic!("no {name} {client_id}"))
}

#[test]
fn a_manifest_holds_what_was_granted() {
    let manifest = manifest(&request(LAN), true);
    let document = Document::parse(&manifest).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("type"), Some("manifest"));
    assert_eq!(root.attribute("generated"), Some("2027-01-15T08:00:00Z"));
    assert_eq!(root.attribute("expires"), Some("2027-01-15T09:00:00Z"));
    let schemas = root.attribute(("http://www.w3.org/2001/XMLSchema-instance", "schemaLocation")).unwrap();
    assert!(schemas.starts_with(&format!("{GENI} {GENI}/manifest.xsd")), "{schemas}");
    for extension in ["draw.example.org/rspec/1 ", "ext/user/1 ", "ext/preserve/1 "] {
        assert_eq!(schemas.matches(extension).count(), 1, "{schemas}");
    }
    assert!(!schemas.contains("request.xsd"), "{schemas}");

    let left = find(&document, "node", "left");
    for (name, value) in [
        ("sliver_id", sliver("node left").as_str()),
        ("component_id", "urn:publicid:IDN+am.example.net+node+host-1"),
        // The request's spelling of the same aggregate stays: clients look for what they wrote.
        ("component_manager_id", "urn:publicid:IDN+am.example.net+authority+cm"),
        ("component_name", "host-1"),
        ("exclusive", "true"),
    ] {
        assert_eq!(left.attribute(name), Some(value), "{name}");
    }
    let image = child(left, &["sliver_type", "disk_image"]);
    assert_eq!(image.attribute("name"), Some("urn:publicid:IDN+am.example.net+image+granted"));
    let interface = find(&document, "interface", "left:eth1");
    assert_eq!(interface.attribute("mac_address"), Some("02:00:00:00:00:01"));
    assert_eq!(interface.attribute("sliver_id"), Some(sliver("if left:eth1").as_str()));
    // Clients take each login for a way in, so the requested one, which names no account, is gone.
    let services = child(left, &["services"]);
    let logins: Vec<_> = services.children().filter(|n| n.has_tag_name((GENI, "login"))).collect();
    let users: Vec<_> = logins.iter().map(|login| login.attribute("username").unwrap()).collect();
    assert_eq!(users, ["alice", "bob"]);
    assert!(logins.iter().all(|login| login.attribute("port").unwrap().parse::<u16>() == Ok(2222)));
    let key = child(services, &["services_user", "public_key"]);
    assert_eq!(key.text(), Some("ssh-ed25519 AAAA <a&b>"));
    assert_eq!(child(left, &["host"]).attribute("ipv4"), Some("192.0.2.1"));
    assert_eq!(child(left, &["preserve"]).attribute("guarantee"), Some("geni_persistent_state"));

    // A node that said nothing gets it all said.
    let unbound = find(&document, "node", "unbound");
    assert_eq!(child(unbound, &["sliver_type"]).attribute("name"), Some("default-vm"));
    assert_eq!(child(unbound, &["hardware_type"]).attribute("name"), Some("pc"));
    child(unbound, &["services", "login"]);

    assert_eq!(
        unbound.attribute("component_manager_id"),
        Some("urn:publicid:IDN+am.example.net+authority+am")
    );

    let lan = find(&document, "link", "lan");
    assert_eq!(lan.attribute("vlantag"), Some("1234"));
    assert_eq!(lan.attribute("sliver_id"), Some(sliver("link lan").as_str()));
    assert_eq!(child(lan, &["interface_ref"]).attribute("sliver_id"), Some(sliver("if left:eth1").as_str()));
    assert_eq!(child(lan, &["preserve"]).attribute("guarantee"), Some("geni_no_disruption"));
}

#[test]
fn what_the_request_said_stands_at_its_place() {
    let text = manifest(&request(LAN), true);
    for echoed in [
        r#"<install url="http://files.example.org/a.tar.gz" install_path="/opt"/>"#,
        r#"<execute shell="bash" command="test -d /opt &amp;&amp; echo ok"/>"#,
        r#"<ip address="10.1.0.1" netmask="255.255.255.0" type="ipv4"/>"#,
        r#"<draw:size cores="2"/>"#,
        r#"<draw:icon x="10" y="20"/>"#,
        r#"draw:colour="red""#,
        r#"draw:canvas="800x600""#,
        r#"capacity="1000" latency="5" packet_loss="1.0"/>"#,
        "<draw:legend>three &lt;nodes&gt;</draw:legend>",
    ] {
        assert_eq!(text.matches(echoed).count(), 1, "{echoed} in {text}");
    }
    // The prefix is declared once, at the root.
    assert_eq!(text.matches("xmlns:draw=").count(), 1);
    assert_eq!(text.matches(&format!("xmlns=\"{GENI}\"")).count(), 1);
}

#[test]
fn other_aggregates_parts_are_copied_as_they_are() {
    let text = manifest(&request(TWO_AGGREGATES), true);
    let (before, after) = (Document::parse(TWO_AGGREGATES).unwrap(), Document::parse(&text).unwrap());
    for (name, client_id) in
        [("node", "there"), ("node", "web"), ("link", "theirs"), ("link", "unnamed-theirs")]
    {
        assert_eq!(tree(find(&before, name, client_id)), tree(find(&after, name, client_id)), "{client_id}");
    }
    assert_eq!(
        tree(child(before.root_element(), &["stitching"])),
        tree(child(after.root_element(), &["stitching"]))
    );
    assert_eq!(after.root_element().children().filter(roxmltree::Node::is_element).count(), 8);
}

// A link between two aggregates: each describes its own end, and finds the other's as it was told.
#[test]
fn the_other_end_of_a_shared_link_is_left_alone() {
    let theirs = " sliver_id=\"urn:publicid:IDN+other.example.org+sliver+7\" component_id=\"c\"";
    let xml = TWO_AGGREGATES.replacen(
        "<interface_ref client_id=\"there:0\"/>",
        &format!("<interface_ref client_id=\"there:0\"{theirs}/>"),
        1,
    );
    let asked = request(&xml);
    let link = &asked.links[0];
    let mut granted = grant_link(link, false);
    granted.interface_refs.truncate(1);
    let mut writer = ManifestWriter::new(at(0), None, &[]);
    writer.link(link, &granted);
    let back = update(&writer.finish());
    let fragment = back.links[0].fragment();
    assert!(fragment.contains(theirs), "{fragment}");
    assert_eq!(fragment.matches("sliver_id").count(), 1, "{fragment}");
}

// One services element is the rule; a second one must not keep what a grant put in.
#[test]
fn several_services_are_all_looked_into() {
    let xml = format!(
        "<rspec xmlns='{GENI}' type='request'><node client_id='n'><services><login authentication='a'/></services>\
         <services><login authentication='b' username='old'/><execute shell='s' command='c'/></services></node></rspec>"
    );
    let text = manifest(&request(&xml), true);
    assert_eq!(text.matches("<login").count(), 2, "{text}");
    assert_eq!(text.matches("<services>").count(), 2, "{text}");
    let fragment = update(&text).nodes[0].fragment();
    assert!(!fragment.contains("<login") && fragment.contains("<execute"), "{fragment}");
}

#[test]
fn extensions_survive_namespace_games() {
    let request = request(NAMESPACES);
    let text = manifest(&request, true);
    let (before, after) = (Document::parse(NAMESPACES).unwrap(), Document::parse(&text).unwrap());
    for name in ["inner", "plain", "none", "top", "execute"] {
        let find = |document: &Document<'_>| {
            tree(
                document
                    .descendants()
                    .find(|node| node.is_element() && node.tag_name().name() == name)
                    .unwrap(),
            )
        };
        assert_eq!(find(&before), find(&after), "{name}");
    }
    let root = after.root_element();
    assert_eq!(root.attribute(("urn:far:up", "root")), Some("say \"hi\""));
    let node = find(&after, "node", "nœud-1 «α»");
    assert_eq!(node.attribute(("urn:far:up", "mark")), Some("1"));
    assert_eq!(node.attribute("private"), Some("x \ny"));
    assert!(text.contains("<!-- kept -->"));
    assert!(xmllint_valid("manifest.xsd", &[text]).remove(0).is_ok());
}

#[test]
fn a_manifest_sent_back_leaves_no_trace_of_having_been_one() {
    for (xml, provisioned) in [(LAN, true), (LAN, false), (NAMESPACES, true), (TWO_AGGREGATES, true)] {
        let asked = request(xml);
        let back = update(&manifest(&asked, provisioned));
        for node in asked.local(&ours()).nodes {
            let returned = back.nodes.iter().find(|other| other.client_id == node.client_id).unwrap();
            assert_eq!(returned.sliver_id, Some(sliver(&format!("node {}", node.client_id))));
            let fragment = returned.fragment();
            for word in ["sliver_id", "mac_address", "<host", "username", "services_user", "preserve"] {
                assert!(!fragment.contains(word), "{word} in {fragment}");
            }
            // Written again from what came back, the manifest is the same.
            let node = Node::from_fragment(&fragment).unwrap();
            assert_eq!(node.fragment(), fragment);
        }
        for link in back.local(&ours()).links {
            let fragment = link.fragment();
            assert!(!fragment.contains("sliver_id") && !fragment.contains("vlantag"), "{fragment}");
            assert_eq!(Link::from_fragment(&fragment).unwrap().fragment(), fragment);
        }
    }
}

#[test]
fn fragments_and_frames_stand_alone_and_come_back() {
    for xml in [LAN, NAMESPACES, TWO_AGGREGATES] {
        let request = request(xml);
        let document = Document::parse(xml).unwrap();
        let (mut nodes, mut links) = (request.nodes.iter(), request.links.iter());
        for child in document.root_element().children() {
            let (fragment, has_grants) = if child.has_tag_name((GENI, "node")) {
                let node = nodes.next().unwrap();
                (node.fragment(), node.sliver_id.is_some())
            } else if child.has_tag_name((GENI, "link")) {
                (links.next().unwrap().fragment(), false)
            } else {
                continue;
            };
            let alone = Document::parse(&fragment).unwrap();
            if !has_grants {
                assert_eq!(tree(alone.root_element()), tree(child));
            }
        }
        let frame = request.frame(&ours());
        let text = frame.to_string();
        let again: Frame = text.parse().unwrap();
        assert_eq!(again.to_string(), text);
        let write = |frame: &Frame| {
            let text = ManifestWriter::new(at(0), None, std::slice::from_ref(frame)).finish();
            tree(Document::parse(&text).unwrap().root_element())
        };
        assert_eq!(write(&again), write(&frame));
    }
    for bad in ["", "<node", "<x/>", "<node xmlns='http://www.geni.net/resources/rspec/3'/>"] {
        assert_eq!(Node::from_fragment(bad).unwrap_err().kind, RspecErrorKind::BadFragment, "{bad}");
        assert_eq!(Link::from_fragment(bad).unwrap_err().kind, RspecErrorKind::BadFragment, "{bad}");
        assert_eq!(bad.parse::<Frame>().unwrap_err().kind, RspecErrorKind::BadFragment, "{bad}");
    }
}

#[test]
fn frames_of_several_requests_come_together() {
    let frame = |inside: &str, attributes: &str| {
        request(&format!(
            "<rspec xmlns='{GENI}' xmlns:p='urn:p' type='request' {attributes}>{inside}</rspec>"
        ))
        .frame(&ours())
    };
    let node = |x: &str| {
        format!("<node client_id='t' component_manager_id='urn:publicid:IDN+o+authority+cm' x='{x}'/>")
    };
    let one = frame(&(node("old") + "<p:e/>"), "p:a='1' p:b='1'");
    let two = frame(&(node("new") + "<p:e/><p:f/>"), "xmlns:q='urn:p' q:a='2'");
    let other =
        request(&format!("<rspec xmlns='{GENI}' xmlns:p='urn:else' type='request' p:c='3'><p:g/></rspec>"))
            .frame(&ours());
    let text = ManifestWriter::new(at(0), None, &[one, two, other]).finish();
    let document = Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(find(&document, "node", "t").attribute("x"), Some("new"));
    assert_eq!(text.matches("client_id=\"t\"").count() + text.matches("client_id='t'").count(), 1);
    assert_eq!(root.children().filter(|n| n.has_tag_name(("urn:p", "e"))).count(), 1);
    child(root, &["f"]);
    assert_eq!(child(root, &["g"]).tag_name().namespace(), Some("urn:else"));
    assert_eq!(root.attribute(("urn:p", "a")), Some("2"));
    assert_eq!(root.attribute(("urn:p", "b")), Some("1"));
    assert_eq!(root.attribute(("urn:else", "c")), Some("3"));
}

#[test]
fn manifests_validate() {
    let mut documents = Vec::new();
    for xml in [LAN, NAMESPACES, TWO_AGGREGATES] {
        for provisioned in [false, true] {
            documents.push(manifest(&request(xml), provisioned));
        }
    }
    documents.push(ManifestWriter::new(at(0), None, &[]).finish());
    for (document, verdict) in documents.iter().zip(xmllint_valid("manifest.xsd", &documents)) {
        assert_eq!(verdict, Ok(()), "{document}");
    }
    let wrong = documents[1].replace("geni_persistent_state", "geni_something");
    assert!(xmllint_valid("manifest.xsd", &[wrong]).remove(0).is_err(), "the oracle looks into extensions");
}

fn advertisement(nodes: usize) -> Advertisement {
    let manager = "urn:publicid:IDN+am.example.net+authority+am".to_owned();
    Advertisement {
        nodes: (0..nodes)
            .map(|n| AdNode {
                component_id: format!("urn:publicid:IDN+am.example.net+node+host-{n}"),
                component_manager_id: manager.clone(),
                component_name: format!("host-{n}"),
                exclusive: n % 2 == 1,
                available: n % 3 != 0,
                hardware_types: vec!["pc".into()],
                sliver_types: vec![
                    AdSliverType {
                        name: "default-vm".into(),
                        disk_images: vec![AdDiskImage {
                            image: DiskImage {
                                name: "urn:publicid:IDN+am.example.net+image+debian".into(),
                                os: Some("Debian".into()),
                                version: Some("12 \"bookworm\"".into()),
                                description: Some("small & <fast>".into()),
                            },
                            default: true,
                        }],
                    },
                    AdSliverType { name: "raw-pc".into(), disk_images: vec![] },
                ],
                location: Some(Location {
                    country: "DE".into(),
                    latitude: Some(52.5),
                    longitude: Some(if n == 0 { f64::NAN } else { -13.25 }),
                }),
                blockstore: (n % 2 == 0).then_some(AdBlockstore { gigabytes: 1000 }),
                interfaces: vec![AdInterface {
                    component_id: format!("urn:publicid:IDN+am.example.net+interface+host-{n}:eth0"),
                    component_name: Some("eth0".into()),
                    role: Some("experimental".into()),
                }],
            })
            .collect(),
        operational_states: vec![OperationalStates {
            aggregate_manager_id: manager,
            start: "geni_notready".into(),
            sliver_types: vec!["default-vm".into(), "raw-pc".into()],
            states: vec![
                State {
                    name: "geni_notready".into(),
                    description: "Off.".into(),
                    actions: vec![Action {
                        name: "geni_start".into(),
                        next: "geni_configuring".into(),
                        description: "Switch on.".into(),
                    }],
                    waits: vec![],
                },
                State {
                    name: "geni_configuring".into(),
                    description: "Starting <now>.".into(),
                    actions: vec![],
                    waits: vec![
                        Wait { kind: WaitKind::Success, next: "geni_ready".into() },
                        Wait { kind: WaitKind::Failure, next: "geni_failed".into() },
                    ],
                },
            ],
        }],
    }
}

#[test]
fn advertisements_say_everything_and_validate() {
    let text = advertisement(3).write(at(0), Some(at(60)));
    let document = Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("type"), Some("advertisement"));
    assert_eq!(root.attribute("expires"), Some("2027-01-15T08:01:00Z"));
    let node = child(root, &["node"]);
    assert_eq!(node.attribute("component_name"), Some("host-0"));
    assert_eq!(node.attribute("exclusive"), Some("false"));
    assert_eq!(child(node, &["available"]).attribute("now"), Some("false"));
    let image = child(node, &["sliver_type", "disk_image"]);
    assert_eq!(image.attribute("version"), Some("12 \"bookworm\""));
    assert_eq!(image.attribute("default"), Some("true"));
    let location = child(node, &["location"]);
    assert_eq!((location.attribute("latitude"), location.attribute("longitude")), (Some("52.5"), None));
    let states = child(root, &["rspec_opstate"]);
    assert_eq!(states.attribute("start"), Some("geni_notready"));
    assert_eq!(child(states, &["state", "action"]).attribute("next"), Some("geni_configuring"));
    let waits: Vec<_> =
        states.descendants().filter(|n| n.tag_name().name() == "wait").map(|n| n.attribute("type")).collect();
    assert_eq!(waits, [Some("geni_success"), Some("geni_failure")]);
    let empty = Advertisement::default().write(at(0), None);
    for (text, verdict) in
        [&text, &empty].into_iter().zip(xmllint_valid("ad.xsd", &[text.clone(), empty.clone()]))
    {
        assert_eq!(verdict, Ok(()), "{text}");
    }
    let wrong = text.replace("type=\"geni_success\"", "type=\"geni_maybe\"");
    assert!(xmllint_valid("ad.xsd", &[wrong]).remove(0).is_err(), "the oracle looks into extensions");
}

#[test]
fn grants_keep_as_json() {
    let request = request(LAN);
    for provisioned in [false, true] {
        let granted = grant(&request.nodes[0], provisioned);
        let json = serde_json::to_string(&granted).unwrap();
        assert_eq!(serde_json::from_str::<rspec::GrantedNode>(&json).unwrap(), granted);
        let granted = grant_link(&request.links[0], provisioned);
        let json = serde_json::to_string(&granted).unwrap();
        assert_eq!(serde_json::from_str::<rspec::GrantedLink>(&json).unwrap(), granted);
    }
}

// Collected requests, where the collection lies beside the project: the manifest validates and echoes them.
#[test]
fn collected_requests_are_answered_with_valid_manifests() {
    let Some(folder) = collected() else { return };
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(xml) = std::fs::read_to_string(&path) else { continue };
        let Ok(request) = rspec::Request::parse_update(&xml, &rspec::Limits::default()) else { continue };
        let mut writer = ManifestWriter::new(at(0), None, &[request.frame(&ours())]);
        for node in &request.nodes {
            writer.node(node, &grant(node, true));
        }
        for link in &request.links {
            writer.link(link, &grant_link(link, true));
        }
        documents.push(writer.finish());
    }
    assert!(documents.len() > 20);
    for (document, verdict) in documents.iter().zip(xmllint_valid("manifest.xsd", &documents)) {
        assert_eq!(verdict, Ok(()), "{document}");
    }
}

/// The children of an element by name, each with its attribute `name`.
fn named(parent: roxmltree::Node<'_, '_>, element: &str) -> Vec<String> {
    let children = parent.children().filter(|child| child.has_tag_name((GENI, element)));
    children.map(|child| child.attribute("name").unwrap_or_default().to_owned()).collect()
}

#[test]
fn of_alternatives_the_granted_one_is_shown_alone() {
    let xml = format!(
        r#"<rspec xmlns="{GENI}" type="request"><node client_id="a">
  <sliver_type name="big"/> <sliver_type name="vm"><disk_image name="one"/><disk_image name="two" os="B"/></sliver_type>
  <hardware_type name="arm"/><hardware_type name="pc"/>
</node><link client_id="l"><link_type name="tunnel"/><link_type name="lan"/></link></rspec>"#
    );
    let asked = request(&xml);
    let granted = rspec::GrantedNode {
        sliver_type: "vm".into(),
        asked_image: Some("two".into()),
        unenforced: vec!["ip".into(), "xen".into()],
        ..grant(&asked.nodes[0], false)
    };
    let link = rspec::GrantedLink { link_type: Some("lan".into()), ..grant_link(&asked.links[0], false) };
    let mut writer = rspec::ManifestWriter::new(chrono::DateTime::UNIX_EPOCH, None, &[]);
    writer.node(&asked.nodes[0], &granted).link(&asked.links[0], &link);
    let text = writer.finish();
    let document = Document::parse(&text).unwrap();
    let node = find(&document, "node", "a");
    assert_eq!(named(node, "sliver_type"), ["vm"]);
    let sliver_type = child(node, &["sliver_type"]);
    assert_eq!(named(sliver_type, "disk_image"), ["urn:publicid:IDN+am.example.net+image+granted"]);
    assert_eq!(child(sliver_type, &["disk_image"]).attribute("os"), Some("B"));
    assert_eq!(named(node, "hardware_type"), ["pc"]);
    assert_eq!(named(find(&document, "link", "l"), "link_type"), ["lan"]);
    assert_eq!(child(node, &["unenforced"]).attribute("demands"), Some("ip xen"));
    // Sent back it is no change, and the note is gone from what is kept.
    let again = update(&text);
    assert_eq!(rspec::compare::node_changes(&asked.nodes[0], Some(&granted), &again.nodes[0]), []);
    assert_eq!(rspec::compare::link_changes(&asked.links[0], Some(&link), &again.links[0]), []);
    assert!(!again.nodes[0].fragment().contains("unenforced"));
    assert_eq!(again.nodes[0].extensions, []);
}
