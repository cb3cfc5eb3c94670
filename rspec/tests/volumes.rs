//! Storage volumes of nodes: Emulab's `blockstore`, read, refused, compared and written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use rspec::compare::{NodeChange, VolumeChange, node_changes};
use rspec::{GrantedVolume, Node, RspecErrorKind as Kind, Volume};

const HEAD: &str = r#"<rspec xmlns="http://www.geni.net/resources/rspec/3" type="request"
  xmlns:emulab="http://www.protogeni.net/resources/rspec/ext/emulab/1">
"#;

/// As geni-lib writes them.
const TWO: &str = r#"<node client_id="n" exclusive="false">
  <emulab:blockstore name="bs0" mountpoint="/data" class="local" size="30GB" placement="any"/>
  <emulab:blockstore name="bs1" class="local" size="2TB" placement="nonsysvol"/>
</node>"#;

fn node(inside: &str) -> Node {
    update(&format!("{HEAD}{inside}</rspec>")).nodes.remove(0)
}

fn with(blockstore: &str) -> Node {
    node(&format!("<node client_id=\"n\">\n{blockstore}</node>"))
}

#[track_caller]
fn refuses(blockstore: &str, kind: Kind, place: (u32, u32), words: &str) {
    let error = with(blockstore).volumes.expect_err(blockstore);
    assert_eq!((error.kind, error.line(), error.column()), (kind, place.0, place.1), "{error}");
    assert!(error.message.contains(words), "{:?} should say {words:?}", error.message);
}

#[test]
fn volumes_are_read() {
    let volumes = node(TWO).volumes.unwrap();
    let read: Vec<_> =
        volumes.iter().map(|it| (it.name.as_str(), it.gigabytes, it.mountpoint.as_deref())).collect();
    assert_eq!(read, [("bs0", 30, Some("/data")), ("bs1", 2000, None)]);
    assert_eq!((volumes[1].position.line, volumes[1].position.column), (5, 3));
    // Nothing is an extension that is acted upon; what other namespaces add is one still.
    assert_eq!(node(TWO).extensions, []);
    let odd =
        with(r#"<emulab:blockstore name="a" size="1GB" o:x="1" xmlns:o="urn:o"><o:in/></emulab:blockstore>"#);
    let places: Vec<_> = odd.extensions.iter().map(|it| (it.place.element(), it.name.as_str())).collect();
    assert_eq!(places, [("blockstore", "x"), ("blockstore", "in")]);
    assert_eq!(odd.volumes.unwrap().len(), 1);
    assert_eq!(node("<node client_id=\"n\"/>").volumes, Ok(vec![]));
}

#[test]
fn what_cannot_be_read_says_where() {
    let store = |attributes: &str| format!("<emulab:blockstore {attributes}/>");
    refuses(&store("size='1GB'"), Kind::Schema, (4, 1), "needs the attribute name");
    refuses(&store("name='a'"), Kind::Schema, (4, 1), "needs the attribute size");
    refuses(&store("name='' size='1GB'"), Kind::BadValue, (4, 20), "a name of 1 to 64 characters");
    refuses(&store("name='a' size='many'"), Kind::BadValue, (4, 29), "such as 30GB");
    refuses(&store("name='a' size='0GB'"), Kind::BadValue, (4, 29), "size=\"0GB\"");
    refuses(&store("name='a' size='1GB' mountpoint='data'"), Kind::BadValue, (4, 40), "such as /data");
    refuses(&store("name='a' size='1GB' readonly='perhaps'"), Kind::BadValue, (4, 40), "true or false");
    let one = store("name='a' size='1GB' mountpoint='/x'");
    refuses(&format!("{one}\n{one}"), Kind::DuplicateVolume, (5, 1), "the first stands at line 4, column 1");
    let other = store("name='b' size='1GB' mountpoint='/x'");
    refuses(&format!("{one}\n{other}"), Kind::DuplicateVolume, (5, 1), "mountpoint \"/x\"");
}

#[test]
fn what_the_extension_has_and_nobody_here_does_is_refused_not_passed_over() {
    for (attribute, words) in [
        ("class='remote'", "class=\"local\""),
        ("dataset='urn:publicid:IDN+emulab.net:p+ltdataset+d'", "begin empty"),
        ("placement='sysvol'", "a disk of its own"),
        ("readonly='true'", "cannot be written"),
        ("rwclone='1'", "begin empty"),
        ("leasename='x'", "name, size and mountpoint"),
    ] {
        let store = format!("<emulab:blockstore name='a' size='1GB' {attribute}/>");
        refuses(&store, Kind::Unsupported, (4, 40), words);
    }
    let harmless =
        "<emulab:blockstore name='a' size='1GB' readonly='false' rwclone='0' dataset='' mountpoint=''/>";
    assert_eq!(with(harmless).volumes.unwrap()[0].mountpoint, None);
}

// What another aggregate can do is for that one to say.
#[test]
fn a_foreign_nodes_volumes_are_passed_on() {
    let manager = "component_manager_id=\"urn:publicid:IDN+other.example.org+authority+cm\"";
    let store = "<emulab:blockstore name=\"a\" class=\"remote\" dataset=\"d\"/>";
    let text = format!("{HEAD}<node client_id=\"f\" {manager}>{store}</node></rspec>");
    let request = request(&text);
    assert!(request.nodes[0].volumes.is_err() && request.local(&ours()).nodes.is_empty());
    assert!(manifest(&request, true).contains(store));
}

#[test]
fn volumes_come_go_and_change() {
    let changes = |from: &str, to: &str| {
        assert!(TWO.contains(from), "{from}");
        let asked = node(&TWO.replace(from, to));
        node_changes(&node(TWO), Some(&grant(&node(TWO), true)), &asked)
    };
    let new = changes("</node>", "<emulab:blockstore name=\"bs2\" size=\"1GB\"/></node>");
    assert!(matches!(&new[..], [NodeChange::VolumeAdded(Volume { gigabytes: 1, .. })]), "{new:?}");
    let second = "<emulab:blockstore name=\"bs1\" class=\"local\" size=\"2TB\" placement=\"nonsysvol\"/>";
    let gone = changes(second, "");
    assert!(matches!(&gone[..], [NodeChange::VolumeRemoved(it)] if it.name == "bs1"), "{gone:?}");
    assert_eq!(
        changes("30GB", "31GB"),
        [NodeChange::VolumeChanged {
            name: "bs0".to_owned(),
            changes: vec![VolumeChange::Size { from: 30, to: 31 }]
        }]
    );
    assert_eq!(
        changes(" mountpoint=\"/data\"", ""),
        [NodeChange::VolumeChanged {
            name: "bs0".to_owned(),
            changes: vec![VolumeChange::Mountpoint { from: Some("/data".to_owned()), to: None }]
        }]
    );
    let renamed = changes("bs1", "bs9");
    assert!(
        matches!(&renamed[..], [NodeChange::VolumeRemoved(_), NodeChange::VolumeAdded(_)]),
        "{renamed:?}"
    );
    // Other words for the same.
    assert_eq!(changes("2TB", "2000GB"), []);
    assert_eq!(changes(" class=\"local\" size=\"30GB\" placement=\"any\"", " size='30GB'"), []);
}

#[test]
fn a_manifest_tells_the_device_and_sent_back_is_no_change() {
    let request = request(&format!("{HEAD}{TWO}</rspec>"));
    let before = manifest(&request, false);
    assert!(!before.contains("device="), "{before}");
    let after = manifest(&request, true);
    assert!(after.contains("size=\"30GB\" placement=\"any\" device=\"/dev/disk-bs0\""), "{after}");
    let valid = xmllint_valid("manifest.xsd", &[before.clone(), after.clone(), after.replace("30GB", "30")]);
    assert!(valid[0].is_ok() && valid[1].is_ok() && valid[2].is_err(), "{valid:?}");
    for sent in [&before, &after] {
        let back = update(sent).nodes.remove(0);
        let granted = grant(&request.nodes[0], true);
        assert_eq!(node_changes(&request.nodes[0], Some(&granted), &back), []);
        assert_eq!(back.fragment().matches("device=").count(), 0, "only an aggregate knows it");
    }
    // A volume that is not attached any more has no device.
    let mut granted = grant(&request.nodes[0], true);
    granted.volumes = vec![GrantedVolume { name: "bs0".to_owned(), device: None }];
    let mut writer = rspec::ManifestWriter::new(at(0), None, &[]);
    writer.node(&update(&after).nodes[0], &granted);
    assert!(!writer.finish().contains("device="));
}

// One verdict, by hand and by schema, whatever attributes come together.
#[test]
fn reader_and_schema_agree_on_blockstores() {
    let long = "n".repeat(65);
    let choices: [(&str, &[&str]); 9] = [
        ("name", &["a", "", "b c", "é", &long]),
        ("size", &["1GB", " 2TB ", "0GB", "1.5GB", "1gb", "", "007GB", "10 GB", "99999999999999999GB"]),
        ("mountpoint", &["/a", "", "/", "a", "/a/../b", "/.a", "/..a", "/...", "/.", "/a/", "/a b", " /a"]),
        ("class", &["local", "remote", ""]),
        ("placement", &["any", "nonsysvol", "sysvol", ""]),
        ("readonly", &["false", "true", "0", "1", "no", " false "]),
        ("rwclone", &["false", "true"]),
        ("dataset", &["", "urn:publicid:IDN+x+dataset+y"]),
        ("leasename", &["x"]),
    ];
    let insides = ["", " \n", "text", "<x:in xmlns:x='urn:x'/>", "<!-- note -->"];
    let mut stores = vec![("name='a' size='1GB' device='/dev/vdb' x:y='1' xmlns:x='urn:x'".to_owned(), "")];
    for (name, values) in choices {
        for value in values {
            let others = [("name", "a"), ("size", "1GB")].iter().filter(|(it, _)| *it != name);
            let others: String = others.map(|(name, value)| format!("{name}='{value}' ")).collect();
            stores.push((format!("{others}{name}='{value}'"), ""));
        }
    }
    stores.extend(["name='a'", "size='1GB'", ""].map(|it| (it.to_owned(), "")));
    stores.extend(insides.map(|inside| ("name='a' size='1GB'".to_owned(), inside)));
    let documents: Vec<String> = stores
        .iter()
        .map(|(attributes, inside)| {
            let store = format!("<emulab:blockstore {attributes}>{inside}</emulab:blockstore>");
            format!("{HEAD}<node client_id=\"n\">{store}</node></rspec>")
        })
        .collect();
    let verdicts = xmllint_valid("request.xsd", &documents);
    let mut accepted = 0;
    for (document, theirs) in documents.iter().zip(verdicts) {
        let ours = update(document).nodes.remove(0).volumes;
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{document}: {ours:?}, {theirs:?}");
        accepted += usize::from(ours.is_ok());
    }
    assert!(accepted > 10 && documents.len() - accepted > 10, "both verdicts occur: {accepted}");
}
