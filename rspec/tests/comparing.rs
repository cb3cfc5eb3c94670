//! What counts as a change, and what does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use rspec::compare::{InterfaceChange, LinkChange, NodeChange, link_changes, node_changes};
use rspec::{GrantedLink, GrantedNode, Link, Node};

const GENI: &str = "http://www.geni.net/resources/rspec/3";

const NODE: &str = r#"<node client_id="n" component_manager_id="urn:publicid:IDN+am.example.net+authority+cm" exclusive="false">
  <sliver_type name="vm"><disk_image name="img-1"/></sliver_type><hardware_type name="pc"/>
  <interface client_id="n:0"><ip address="10.0.0.1"/></interface><interface client_id="n:1"/>
  <services><execute shell="sh" command="a"/></services>
  <x:tool xmlns:x="urn:x" a="1" b="2"> <x:in/> </x:tool>
</node>"#;

const LINK: &str = r#"<link client_id="l"><component_manager name="urn:publicid:IDN+am.example.net+authority+cm"/>
  <interface_ref client_id="a"/><interface_ref client_id="b"/><link_type name="lan"/>
  <property source_id="a" dest_id="b" capacity="100"/></link>"#;

fn read(xml: &str) -> (Vec<Node>, Vec<Link>) {
    let request = update(&format!("<rspec xmlns='{GENI}' type='request'>{xml}</rspec>"));
    (request.nodes, request.links)
}

fn node(xml: &str) -> Node {
    read(xml).0.remove(0)
}

fn link(xml: &str) -> Link {
    read(xml).1.remove(0)
}

fn granted() -> GrantedNode {
    grant(&node(NODE), true)
}

fn granted_link() -> GrantedLink {
    grant_link(&link(LINK), true)
}

/// The changes when `from` in the node is replaced by `to`.
#[track_caller]
fn with(from: &str, to: &str) -> Vec<NodeChange> {
    assert!(NODE.contains(from), "{from}");
    node_changes(&node(NODE), Some(&granted()), &node(&NODE.replace(from, to)))
}

#[track_caller]
fn link_with(from: &str, to: &str) -> Vec<LinkChange> {
    assert!(LINK.contains(from), "{from}");
    link_changes(&link(LINK), Some(&granted_link()), &link(&LINK.replace(from, to)))
}

fn text(words: &str) -> String {
    words.to_owned()
}

// AM API v4 draft, change set C: a manifest may be handed to Update as it is, and then asks for nothing new.
#[test]
fn our_own_manifest_sent_back_is_no_change() {
    for xml in [LAN, NAMESPACES, TWO_AGGREGATES] {
        for provisioned in [false, true] {
            let asked = request(xml);
            let back = update(&manifest(&asked, provisioned));
            for now in asked.local(&ours()).nodes {
                let granted = grant(now, provisioned);
                let kept = Node::from_fragment(&now.fragment()).unwrap();
                let returned = back.nodes.iter().find(|other| other.client_id == now.client_id).unwrap();
                assert_eq!(node_changes(&kept, Some(&granted), returned), [], "{}", now.client_id);
                // And the other way round: the request again, after the manifest was taken for the request.
                let kept = Node::from_fragment(&returned.fragment()).unwrap();
                assert_eq!(node_changes(&kept, Some(&granted), returned), []);
            }
            for now in asked.local(&ours()).links {
                let granted = grant_link(now, provisioned);
                let kept = Link::from_fragment(&now.fragment()).unwrap();
                let returned = back.links.iter().find(|other| other.client_id == now.client_id).unwrap();
                assert_eq!(link_changes(&kept, Some(&granted), returned), [], "{}", now.client_id);
            }
        }
    }
}

#[test]
fn spelling_is_no_change() {
    for (from, to) in [
        ("a=\"1\" b=\"2\"", "b='2'   a='&#49;'"),
        (" <x:in/> ", "<x:in></x:in>"),
        ("xmlns:x=\"urn:x\"", "xmlns:x=\"urn:x\" xmlns:unused=\"urn:u\""),
        ("exclusive=\"false\"", "exclusive=\" 0\""),
        ("exclusive=\"false\"", "exclusive=\"true\""), // as granted
        ("exclusive=\"false\"", ""),
        ("authority+cm", "authority+am"),
        ("<sliver_type name=\"vm\"><disk_image name=\"img-1\"/></sliver_type>", ""),
        ("<disk_image name=\"img-1\"/>", ""),
        ("img-1", "urn:publicid:IDN+am.example.net+image+granted"),
        ("<hardware_type name=\"pc\"/>", ""),
        ("<services>", "<services><login authentication=\"ssh-keys\"/>"),
        ("client_id=\"n\"", "client_id=\"n\" component_id=\"urn:publicid:IDN+AM.example.net+node+host-1\""),
        ("10.0.0.1\"", "10.0.0.1\" type=\"ipv4\""),
        (
            "</node>",
            "<host name=\"x\"/><preserve xmlns=\"http://www.geni.net/resources/rspec/ext/preserve/1\" guarantee=\"geni_none\"/></node>",
        ),
    ] {
        assert_eq!(with(from, to), [], "{from} -> {to}");
    }
    let prefixed = NODE.replace("<x:", "<y:").replace("</x:", "</y:").replace("xmlns:x", "xmlns:y");
    assert_eq!(node_changes(&node(NODE), None, &node(&prefixed)), []);
}

#[test]
fn every_kind_of_node_change_is_told_with_old_and_new() {
    assert_eq!(
        with("client_id=\"n\"", "client_id=\"m\""),
        [NodeChange::Renamed { from: text("n"), to: text("m") }]
    );
    let host = |n: u32| format!("urn:publicid:IDN+am.example.net+node+host-{n}");
    assert_eq!(
        with("client_id=\"n\"", &format!("client_id=\"n\" component_id=\"{}\"", host(2))),
        [NodeChange::Moved { from: Some(host(1)), to: host(2) }]
    );
    assert_eq!(
        with("name=\"vm\"", "name=\"big\""),
        [NodeChange::SliverTypes { from: vec![text("vm")], to: vec![text("big")] }]
    );
    assert_eq!(
        with("img-1", "img-2"),
        [NodeChange::DiskImages {
            from: vec![text("urn:publicid:IDN+am.example.net+image+granted")],
            to: vec![text("img-2")]
        }]
    );
    assert_eq!(
        with("name=\"pc\"", "name=\"arm\""),
        [NodeChange::HardwareTypes { from: vec![text("pc")], to: vec![text("arm")] }]
    );
    let shared = GrantedNode { exclusive: false, ..granted() };
    assert_eq!(
        node_changes(&node(NODE), Some(&shared), &node(&NODE.replace("\"false\"", "\"1\""))),
        [NodeChange::Exclusive { from: Some(false), to: true }]
    );
    assert_eq!(
        with("exclusive=\"false\"", "colocate=\"c\""),
        [NodeChange::Colocate { from: None, to: Some(text("c")) }]
    );
    assert!(matches!(&with("command=\"a\"", "command=\"b\"")[..],
        [NodeChange::Executes { from, to }] if from[0].command == "a" && to[0].command == "b"));
    assert!(matches!(&with("<services>", "<services><install url=\"u\" install_path=\"p\"/>")[..],
        [NodeChange::Installs { from, to }] if from.is_empty() && to[0].url == "u"));
    assert!(matches!(&with("</node>", "<relation type=\"t\" client_id=\"o\"/></node>")[..],
        [NodeChange::Relations { to, .. }] if to[0].client_id == "o"));
}

#[test]
fn interfaces_come_go_and_change() {
    assert!(matches!(&with("<interface client_id=\"n:1\"/>", "")[..],
        [NodeChange::InterfaceRemoved(gone)] if gone.client_id == "n:1"));
    assert!(matches!(&with("</node>", "<interface client_id=\"n:2\"/></node>")[..],
        [NodeChange::InterfaceAdded(new)] if new.client_id == "n:2"));
    assert!(matches!(&with("10.0.0.1", "10.0.0.2")[..],
        [NodeChange::InterfaceChanged { client_id, changes }]
            if client_id == "n:0" && matches!(&changes[..], [InterfaceChange::Addresses { to, .. }] if to[0].address == "10.0.0.2")));
    // Without the sliver_id a new name is a new interface; with it the interface is renamed.
    assert_eq!(with("n:1", "n:9").len(), 2);
    let known = format!("client_id=\"n:9\" sliver_id=\"{}\"", sliver("if n:1"));
    assert_eq!(
        with("client_id=\"n:1\"", &known),
        [NodeChange::InterfaceChanged {
            client_id: text("n:1"),
            changes: vec![InterfaceChange::Renamed { from: text("n:1"), to: text("n:9") }]
        }]
    );
    assert!(matches!(&with("client_id=\"n:1\"", "client_id=\"n:1\" component_id=\"eth7\"")[..],
        [NodeChange::InterfaceChanged { changes, .. }]
            if matches!(&changes[..], [InterfaceChange::Bound { to, .. }] if to == "eth7")));
    assert!(matches!(&with("client_id=\"n:1\"", "client_id=\"n:1\" mtu=\"9000\"")[..],
        [NodeChange::InterfaceChanged { changes, .. }] if matches!(&changes[..], [InterfaceChange::Extension(_)])));
}

// Some aggregates give all interfaces of a node the node's own sliver_id.
#[test]
fn a_sliver_id_that_several_interfaces_share_tells_nothing() {
    let mut granted = granted();
    for interface in &mut granted.interfaces {
        interface.sliver_id = granted.sliver_id.clone();
    }
    let id = format!(" sliver_id=\"{}\"", granted.sliver_id);
    let asked = NODE
        .replace("client_id=\"n:0\"", &format!("client_id=\"n:0\"{id}"))
        .replace("client_id=\"n:1\"", &format!("client_id=\"n:1\"{id}"));
    assert_eq!(node_changes(&node(NODE), Some(&granted), &node(&asked)), []);
    // Nor when they come in another order.
    let second = format!("<interface client_id=\"n:1\"{id}/>");
    assert!(asked.contains(&second));
    let turned = asked
        .replace(&second, "")
        .replace("<interface client_id=\"n:0\"", &format!("{second}<interface client_id=\"n:0\""));
    assert_eq!(node_changes(&node(NODE), Some(&granted), &node(&turned)), []);
}

// Whatever element an extension stands in, its coming is seen, as attribute and as element.
#[test]
fn extensions_are_seen_in_every_element() {
    let wide = "<node client_id='n'><sliver_type name='v'><disk_image name='i'></disk_image></sliver_type><hardware_type name='h'></hardware_type>\
        <interface client_id='i'><ip address='1'></ip></interface><services><install url='u' install_path='p'></install>\
        <execute shell='s' command='c'></execute></services><relation type='t' client_id='o'></relation><location country='DE'></location></node>";
    let link_text = "<link client_id='l'><interface_ref client_id='i'></interface_ref><component_manager name='m'></component_manager>\
        <link_type name='t'></link_type><property source_id='a' dest_id='b'></property><component_hop></component_hop></link>";
    for element in [
        "node",
        "sliver_type",
        "disk_image",
        "hardware_type",
        "interface",
        "ip",
        "services",
        "install",
        "execute",
        "relation",
        "location",
    ] {
        for (from, to) in [
            (format!("<{element}"), format!("<{element} odd='1'")),
            (format!("</{element}>"), format!("<e xmlns='urn:e'/></{element}>")),
        ] {
            let asked = wide.replacen(&from, &to, 1);
            assert_ne!(asked, wide);
            let changes = node_changes(&node(wide), None, &node(&asked));
            assert_eq!(changes.len(), 1, "{asked}: {changes:?}");
            assert_eq!(node_changes(&node(&asked), None, &node(wide)).len(), 1, "{asked}, gone again");
        }
    }
    for element in ["link", "interface_ref", "component_manager", "link_type", "property", "component_hop"] {
        for (from, to) in [
            (format!("<{element} "), format!("<{element} odd='1' ")),
            (format!("</{element}>"), format!("<e xmlns='urn:e'/></{element}>")),
        ] {
            let asked = link_text.replace("<component_hop>", "<component_hop >").replacen(&from, &to, 1);
            let changes = link_changes(&link(link_text), None, &link(&asked));
            assert_eq!(changes.len(), 1, "{asked}: {changes:?}");
        }
    }
}

#[test]
fn extensions_come_go_and_change() {
    let changed = with("a=\"1\"", "a=\"2\"");
    let [NodeChange::Extension(change)] = &changed[..] else { panic!("{changed:?}") };
    assert_eq!(
        (change.place.element(), change.namespace.as_deref(), change.name.as_str()),
        ("node", Some("urn:x"), "tool")
    );
    assert_eq!((change.from.len(), change.to.len()), (1, 1));
    let gone = with("<x:in/>", "<x:in>text</x:in>");
    assert!(matches!(&gone[..], [NodeChange::Extension(_)]));
    let new = with("<services>", "<services xmlns:y=\"urn:y\"><y:z/>");
    assert!(
        matches!(&new[..], [NodeChange::Extension(e)] if e.place.element() == "services" && e.from.is_empty())
    );
    let location = with("</node>", "<location country=\"DE\"/></node>");
    assert!(matches!(&location[..], [NodeChange::Extension(e)] if e.name == "location"));
}

#[test]
fn links_change() {
    assert_eq!(link_with("authority+cm", "authority+am"), []);
    assert_eq!(
        link_with("client_id=\"l\"", "client_id=\"m\" vlantag=\"7\""),
        [
            LinkChange::Renamed { from: text("l"), to: text("m") },
            LinkChange::VlanTag { from: Some(text("1234")), to: text("7") }
        ]
    );
    assert_eq!(
        link_with(
            "<interface_ref client_id=\"b\"/>",
            "<interface_ref client_id=\"b\"/><interface_ref client_id=\"c\"/>"
        ),
        [LinkChange::EndAdded { client_id: text("c") }]
    );
    assert_eq!(
        link_with("<interface_ref client_id=\"b\"/>", ""),
        [LinkChange::EndRemoved { client_id: text("b") }]
    );
    assert!(matches!(&link_with("\"100\"", "\"200\"")[..],
        [LinkChange::Property { from: Some(from), to: Some(to) }]
            if from.capacity.as_deref() == Some("100") && to.capacity.as_deref() == Some("200")));
    assert!(matches!(
        &link_with("<property source_id=\"a\" dest_id=\"b\" capacity=\"100\"/>", "")[..],
        [LinkChange::Property { from: Some(_), to: None }]
    ));
    assert!(matches!(
        &link_with("source_id=\"a\" dest_id=\"b\"", "source_id=\"b\" dest_id=\"a\"")[..],
        [LinkChange::Property { to: None, .. }, LinkChange::Property { from: None, .. }]
    ));
    assert!(matches!(&link_with("name=\"lan\"", "name=\"vlan\"")[..], [LinkChange::Types { .. }]));
    assert!(matches!(&link_with("am.example.net", "other.example.org")[..], [LinkChange::Managers { .. }]));
    assert!(matches!(&link_with("</link>", "<e xmlns=\"urn:e\"/></link>")[..], [LinkChange::Extension(_)]));
    // An interface that got another name takes its link's properties along.
    let renamed = LINK
        .replace(
            "<interface_ref client_id=\"b\"/>",
            &format!("<interface_ref client_id=\"z\" sliver_id=\"{}\"/>", sliver("if b")),
        )
        .replace("dest_id=\"b\"", "dest_id=\"z\"");
    assert_eq!(
        link_changes(&link(LINK), Some(&granted_link()), &link(&renamed)),
        [LinkChange::EndRenamed { from: text("b"), to: text("z") }]
    );
}
