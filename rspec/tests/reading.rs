//! What is read from documents, and what is refused with what words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use rspec::{DocumentType, Limits, Request, RspecErrorKind as Kind};

const HEAD: &str = r#"<rspec xmlns="http://www.geni.net/resources/rspec/3" type="request">"#;

fn refused(xml: &str) -> (Kind, String) {
    let error = Request::parse_request(xml, &Limits::default()).expect_err(xml);
    (error.kind, error.to_string())
}

#[track_caller]
fn refuses(body: &str, kind: Kind, words: &str) {
    let (found, message) = refused(&format!("{HEAD}{body}</rspec>"));
    assert_eq!(found, kind, "{message}");
    assert!(message.contains(words), "{message:?} should say {words:?}");
}

#[test]
fn everything_an_aggregate_acts_upon_is_read() {
    let request = request(LAN);
    assert_eq!(request.document_type, DocumentType::Request);
    let names: Vec<_> = request.nodes.iter().map(|node| node.client_id.as_str()).collect();
    assert_eq!(names, ["left", "right", "unbound"]);
    let left = &request.nodes[0];
    assert_eq!(left.exclusive, Some(false));
    let sliver_type = left.sliver_type().unwrap();
    assert_eq!(sliver_type.name, "default-vm");
    assert_eq!(sliver_type.disk_images[0].os.as_deref(), Some("Debian"));
    assert_eq!(left.hardware_types, ["pc"]);
    assert_eq!(left.interfaces[0].ips[0].netmask.as_deref(), Some("255.255.255.0"));
    assert_eq!(left.services.installs[0].install_path, "/opt");
    assert_eq!(left.services.executes[0].command, "test -d /opt && echo ok");
    assert_eq!(left.services.logins[0].username, None);
    assert_eq!(left.relations[0].client_id, "right");
    let places: Vec<_> = left.extensions.iter().map(|e| (e.place.element(), e.name.as_str())).collect();
    assert_eq!(places, [("sliver_type", "size"), ("node", "icon")]);
    assert_eq!((left.position.line, left.position.column), (8, 3));
    assert_eq!(request.nodes[1].component_id.as_deref(), Some("urn:publicid:IDN+am.example.net+node+host-2"));
    let lan = &request.links[0];
    assert_eq!(lan.properties[0].packet_loss.as_deref(), Some("1.0"));
    assert_eq!(lan.link_types[0].name, "lan");
    assert_eq!(lan.interface_refs[1].client_id, "right:eth1");
    assert_eq!(request.links[1].component_managers, [] as [&str; 0]);
    let root: Vec<_> = request.extensions.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(root, ["canvas", "legend"]);
}

#[test]
fn prefixes_entities_and_other_scripts_are_read() {
    let request = request(NAMESPACES);
    let node = &request.nodes[0];
    assert_eq!(node.client_id, "nœud-1 «α»");
    assert_eq!(node.sliver_type().unwrap().name, "raw \"pc\"");
    assert_eq!(node.services.executes[0].command, "echo '<\"'>'");
    assert_eq!(node.interfaces[0].client_id, "if&0");
    let plain = node.extensions.iter().find(|e| e.name == "plain").unwrap();
    assert!(plain.canonical.contains("&lt;not &amp; markup&gt; 测试 😀"), "{}", plain.canonical);
    assert_eq!(request.nodes[1].client_id, "2");
}

// GENI RSpec v3: a manager is a URN; both the am and the cm spelling mean the aggregate.
#[test]
fn ours_and_theirs_are_told_apart() {
    let request = request(TWO_AGGREGATES);
    let local = request.local(&ours());
    let nodes: Vec<_> = local.nodes.iter().map(|node| node.client_id.as_str()).collect();
    let links: Vec<_> = local.links.iter().map(|link| link.client_id.as_str()).collect();
    assert_eq!((nodes, links), (vec!["here"], vec!["both", "unnamed"]));
    assert!(request.links[3].belongs_to(&ours(), |name| name == "web:0"));
    assert_eq!(request.local_with(&ours(), |name| name == "web:0").links.len(), 3);
}

#[test]
fn an_empty_request_is_read_and_empty_text_is_not() {
    let request = request(&format!("{HEAD}</rspec>"));
    assert!(request.nodes.is_empty() && request.links.is_empty() && request.frame(&ours()).is_empty());
    for empty in ["", " \n\t", "\u{feff}"] {
        assert_eq!(refused(empty).0, Kind::Empty);
    }
}

#[test]
fn what_is_not_well_formed_is_refused_with_its_place() {
    for (xml, place) in [
        ("<rspec", ""),
        ("no XML", ""),
        ("<rspec>", ""),
        ("<a><b></a>", "line 1"),
        ("<rspec>\n  <node client_id='ä' client_id='b'/></rspec>", "line 2, column 23"),
        ("<rspec>\n<x:y/></rspec>", "line 2, column 2"),
        ("<rspec>&nothing;</rspec>", "line 1, column 8"),
        ("<rspec>&#0;</rspec>", "line 1"),
        ("<rspec>\u{1}</rspec>", "line 1, column 8"),
        ("<rspec/><rspec/>", "line 1"),
    ] {
        let (kind, message) = refused(xml);
        assert_eq!(kind, Kind::Malformed, "{xml}: {message}");
        assert!(message.starts_with(place), "{xml}: {message}");
    }
}

#[test]
fn white_space_before_the_declaration_changes_nothing() {
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    for space in ["\n", " ", "\r\n\t "] {
        let document = format!("{space}{declaration}\n{HEAD}<node client_id='a'/></rspec>");
        let request = Request::parse_request(&document, &Limits::default()).unwrap();
        assert_eq!(request.nodes.len(), 1);
    }
    // What is wrong is told at the line the author sees.
    let (kind, message) = refused(&format!("\n{declaration}\n{HEAD}<node></rspec>"));
    assert_eq!(kind, Kind::Malformed);
    assert!(message.starts_with("line 3"), "{message}");
    let (kind, _) = refused(&format!("\n<!DOCTYPE rspec>\n{HEAD}</rspec>"));
    assert_eq!(kind, Kind::Doctype);
    for junk in ["x", "<!-- -->", "\u{a0}"] {
        assert_eq!(refused(&format!("{junk}{declaration}{HEAD}</rspec>")).0, Kind::Malformed, "{junk}");
    }
}

#[test]
fn document_types_are_refused_before_anything_is_resolved() {
    for declaration in [
        "<!DOCTYPE rspec>",
        "<!DOCTYPE rspec SYSTEM 'file:///etc/passwd'>",
        "<!DOCTYPE r [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]>",
    ] {
        let (kind, message) = refused(&format!("{declaration}{HEAD}</rspec>"));
        assert_eq!(kind, Kind::Doctype, "{message}");
        assert!(!message.contains("passwd"));
    }
}

#[test]
fn limits_hold() {
    let deep = format!("{HEAD}<x xmlns='u'>{}{}</x></rspec>", "<x>".repeat(70), "</x>".repeat(70));
    assert_eq!(refused(&deep).0, Kind::TooDeep);
    let limits = Limits { max_bytes: 100, ..Limits::default() };
    assert_eq!(Request::parse_request(LAN, &limits).unwrap_err().kind, Kind::TooLarge);
    let limits = Limits { max_elements: 5, ..Limits::default() };
    assert_eq!(Request::parse_request(LAN, &limits).unwrap_err().kind, Kind::TooLarge);
    let comments = format!("{HEAD}{}</rspec>", "<!---->".repeat(2000));
    assert_eq!(Request::parse_request(&comments, &limits).unwrap_err().kind, Kind::TooLarge);
    let declared: String = (0..200).map(|n| format!(" xmlns:n{n}='urn:{}'", "u".repeat(400))).collect();
    let many = "<node client_id='$'/>".repeat(2000);
    let wide = format!("{}{declared}>{many}</rspec>", HEAD.trim_end_matches('>'));
    assert_eq!(refused(&wide).0, Kind::TooLarge);
    let many: String = (0..300).map(|n| format!(" a{n}=''")).collect();
    refuses(&format!("<node client_id='a'{many}/>"), Kind::TooLarge, "attributes");
}

#[test]
fn other_versions_and_other_documents_are_told_apart() {
    for (xml, kind) in [
        ("<rspec xmlns='http://www.protogeni.net/resources/rspec/2' type='request'/>", Kind::WrongVersion),
        ("<RSpec/>", Kind::WrongVersion),
        ("<rspec type='request'/>", Kind::WrongVersion),
        ("<html/>", Kind::WrongRoot),
        ("<node xmlns='http://www.geni.net/resources/rspec/3'/>", Kind::WrongRoot),
        ("<rspec xmlns='http://www.geni.net/resources/rspec/3'/>", Kind::WrongType),
        ("<rspec xmlns='http://www.geni.net/resources/rspec/3' type='advertisement'/>", Kind::WrongType),
        ("<rspec xmlns='http://www.geni.net/resources/rspec/3' type='manifest'/>", Kind::WrongType),
    ] {
        assert_eq!(refused(xml).0, kind, "{xml}");
    }
    let manifest = update("<rspec xmlns='http://www.geni.net/resources/rspec/3' type=' manifest '/>");
    assert_eq!(manifest.document_type, DocumentType::Manifest);
}

#[test]
fn the_schema_is_enforced_with_words_that_help() {
    refuses("<node/>", Kind::Schema, "node needs the attribute client_id");
    refuses("<node client_id='a'>text</node>", Kind::Schema, "node may not hold text");
    refuses(
        "<node client_id='a'><available now='true'/></node>",
        Kind::Schema,
        "available may not stand inside node",
    );
    refuses("<node client_id='a'><x xmlns=''/></node>", Kind::Schema, "x has no namespace");
    refuses(
        "<node client_id='a'><sliver_type/></node>",
        Kind::Schema,
        "sliver_type needs the attribute name",
    );
    refuses("<node client_id='a'><services><execute/></services></node>", Kind::Schema, "shell");
    refuses("<node client_id='a'><interface/></node>", Kind::Schema, "client_id");
    refuses("<link/>", Kind::Schema, "client_id");
    refuses("<link client_id='l'><interface_ref/></link>", Kind::Schema, "client_id");
    refuses("<link client_id='l'><node client_id='a'/></link>", Kind::Schema, "inside link");
    refuses("<node client_id=''/>", Kind::BadValue, "client_id=\"\" should be a name");
    refuses(
        "<node client_id='a' exclusive='maybe'/>",
        Kind::BadValue,
        "exclusive=\"maybe\" should be true or false",
    );
    refuses("<node client_id='a' sliver_id='7'/>", Kind::BadValue, "sliver_id=\"7\" should be a URN");
}

#[test]
fn attributes_nobody_knows_are_accepted() {
    let request = request(&format!(
        "{HEAD}<node client_id='a' pi_tag='yes'><interface client_id='i' x='1'/></node></rspec>"
    ));
    assert_eq!(request.nodes[0].extensions[0].name, "pi_tag");
    assert_eq!(request.nodes[0].interfaces[0].extensions[0].name, "x");
}

#[test]
fn names_are_unique_and_the_error_says_where_the_first_one_stands() {
    let node = |name: &str, inside: &str| format!("\n <node client_id='{name}'>{inside}</node>");
    let interface = "<interface client_id='i'/>";
    refuses(
        &(node("a", "") + &node("a", "")),
        Kind::DuplicateClientId,
        "two nodes have the client_id \"a\"; the first stands at line 2, column 2",
    );
    refuses(&(node("a", interface) + &node("b", interface)), Kind::DuplicateClientId, "two interfaces");
    refuses("<link client_id='l'/><link client_id='l'/>", Kind::DuplicateClientId, "two links");
    request(&format!("{HEAD}{}<link client_id='a'/></rspec>", node("a", "<interface client_id='a'/>")));
    let sliver = "sliver_id='urn:publicid:IDN+x+sliver+1'";
    refuses(
        &format!("<node client_id='a' {sliver}/>\n<link client_id='b' {sliver}/>"),
        Kind::ConflictingSliverId,
        "line 1",
    );
}

#[test]
fn link_ends_name_interfaces() {
    let link = |managers: &str| {
        format!(
            "<node client_id='a'><interface client_id='i'/></node><link client_id='l'>{managers}<interface_ref client_id='i'/><interface_ref client_id='nowhere'/></link>"
        )
    };
    refuses(&link(""), Kind::DanglingInterfaceRef, "link \"l\": interface_ref \"nowhere\"");
    let manager = |name: &str| format!("<component_manager name='urn:publicid:IDN+{name}+authority+cm'/>");
    refuses(&link(&manager("am.example.net")), Kind::DanglingInterfaceRef, "nowhere");
    // The other aggregate's nodes are not in this document; the end may be one of theirs.
    let both = link(&(manager("am.example.net") + &manager("other.example.org")));
    request(&format!("{HEAD}{both}</rspec>"));
    // An Update describes only what it changes.
    let partial = update(&format!("{HEAD}{}</rspec>", link("")));
    assert!(partial.dangling_interface_refs(|name| name == "nowhere").is_ok());
    assert_eq!(partial.dangling_interface_refs(|_| false).unwrap_err().kind, Kind::DanglingInterfaceRef);
}

#[test]
fn a_link_to_nobodys_interfaces_is_ours_to_refuse() {
    let ours = urn::Authority::parse("am.example.net").unwrap();
    let link = "<link client_id='l'><interface_ref client_id='i'/></link>";
    let lost = update(&format!("{HEAD}<node client_id='a'/>{link}</rspec>"));
    assert_eq!(lost.local(&ours).links.len(), 1);
    let other = "component_manager_id='urn:publicid:IDN+other.example.org+authority+cm'";
    let theirs = format!("<node client_id='a' {other}><interface client_id='i'/></node>");
    assert!(update(&format!("{HEAD}{theirs}{link}</rspec>")).local(&ours).links.is_empty());
}

// The verdicts on documents collected from other projects, where the collection lies beside the project.
#[test]
fn collected_documents_get_the_right_verdict() {
    let Some(folder) = collected() else { return };
    let refused = [
        ("ad-gcf-am3-opstate.xml", Kind::WrongType),
        ("ad-gcf-amapi2.xml", Kind::WrongType),
        ("ad-gib-advert.xml", Kind::Malformed),
        ("ad-opstate-full.xml", Kind::WrongType),
        ("man-fiteagle-allocate-0.xml", Kind::Schema),
        ("man-fiteagle-provision-0.xml", Kind::Schema),
        ("req-accept-pgv2.xml", Kind::WrongVersion),
        ("req-fiteagle-pnode.xml", Kind::Malformed),
        ("req-genilib-ps103.xml", Kind::WrongVersion),
        ("req-gib-click.xml", Kind::WrongVersion),
        ("x-max-legacy.xml", Kind::WrongVersion),
        ("x-sfa-legacy.xml", Kind::WrongVersion),
        ("broken/01-empty.xml", Kind::Empty),
        ("broken/02-not-closed.xml", Kind::Malformed),
        ("broken/03-no-client-id.xml", Kind::Schema),
        ("broken/04-duplicate-client-id.xml", Kind::DuplicateClientId),
        ("broken/05-type-advertisement.xml", Kind::WrongType),
        ("broken/06-wrong-namespace.xml", Kind::WrongVersion),
        ("broken/08-xxe.xml", Kind::Doctype),
        ("broken/12-bad-exclusive.xml", Kind::BadValue),
    ];
    let mut seen = 0;
    for sub in ["", "broken"] {
        for entry in std::fs::read_dir(folder.join(sub)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "xml") {
                continue;
            }
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
            let xml = std::fs::read_to_string(&path).unwrap();
            let found = Request::parse_update(&xml, &Limits::default()).map_err(|error| error.kind);
            let wanted = refused.iter().find(|(file, _)| *file == name).map(|(_, kind)| *kind);
            assert_eq!(found.as_ref().err(), wanted.as_ref(), "{name}");
            if name.starts_with("req-") {
                let found = Request::parse_request(&xml, &Limits::default()).map_err(|error| error.kind);
                assert_eq!(found.err(), wanted, "{name} as request");
            }
            seen += 1;
        }
    }
    assert!(seen >= refused.len());
}
