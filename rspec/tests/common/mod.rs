//! What the tests share: an aggregate that grants whatever is asked, and the programs used as oracles.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rspec::{
    GrantedInterface, GrantedLink, GrantedNode, GrantedVolume, Guarantee, Host, Limits, Link, Login,
    ManifestWriter, Node, Request, User,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use urn::{Authority, Urn};

pub(crate) const LAN: &str = include_str!("../fixtures/lan.xml");
pub(crate) const NAMESPACES: &str = include_str!("../fixtures/namespaces.xml");
pub(crate) const TWO_AGGREGATES: &str = include_str!("../fixtures/two-aggregates.xml");

pub(crate) fn ours() -> Authority {
    Authority::parse("am.example.net").unwrap()
}

pub(crate) fn at(seconds: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(1_800_000_000 + seconds, 987_000_000).unwrap()
}

pub(crate) fn request(xml: &str) -> Request {
    Request::parse_request(xml, &Limits::default()).unwrap_or_else(|error| panic!("{error}\n{xml}"))
}

pub(crate) fn update(xml: &str) -> Request {
    Request::parse_update(xml, &Limits::default()).unwrap_or_else(|error| panic!("{error}\n{xml}"))
}

pub(crate) fn sliver(name: &str) -> Urn {
    let name: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    Urn::new(&ours(), "sliver", &name).unwrap()
}

/// Everything that can be granted; with `provisioned` also how to get in.
pub(crate) fn grant(node: &Node, provisioned: bool) -> GrantedNode {
    GrantedNode {
        sliver_id: sliver(&format!("node {}", node.client_id)),
        component_id: node
            .component_id
            .clone()
            .unwrap_or_else(|| "urn:publicid:IDN+am.example.net+node+host-1".into()),
        component_manager_id: "urn:publicid:IDN+am.example.net+authority+am".into(),
        component_name: Some("host-1".into()),
        exclusive: true,
        sliver_type: node.sliver_type().map_or("default-vm".into(), |kind| kind.name.clone()),
        asked_image: None,
        unenforced: vec![],
        disk_image: Some("urn:publicid:IDN+am.example.net+image+granted".into()),
        hardware_type: Some("pc".into()),
        interfaces: node
            .interfaces
            .iter()
            .map(|interface| GrantedInterface {
                client_id: interface.client_id.clone(),
                sliver_id: sliver(&format!("if {}", interface.client_id)),
                component_id: Some("urn:publicid:IDN+am.example.net+interface+host-1:eth0".into()),
                mac_address: Some("02:00:00:00:00:01".into()),
            })
            .collect(),
        logins: if provisioned { vec![login("alice"), login("bob")] } else { vec![] },
        users: if provisioned { vec![user("alice"), user("bob")] } else { vec![] },
        volumes: node
            .volumes
            .iter()
            .flatten()
            .map(|volume| GrantedVolume {
                name: volume.name.clone(),
                device: provisioned.then(|| format!("/dev/disk-{}", volume.name)),
            })
            .collect(),
        host: provisioned.then(|| Host { name: "n.example.net".into(), ipv4: Some("192.0.2.1".into()) }),
        preserve: provisioned.then_some(Guarantee::PersistentState),
    }
}

fn login(name: &str) -> Login {
    Login {
        authentication: "ssh-keys".into(),
        hostname: "192.0.2.1".into(),
        port: 2222,
        username: name.into(),
    }
}

fn user(name: &str) -> User {
    User {
        login: name.into(),
        urn: Some(format!("urn:publicid:IDN+ch.example.org+user+{name}")),
        public_keys: vec!["ssh-ed25519 AAAA <a&b>".into(), "ssh-rsa BBBB".into()],
    }
}

pub(crate) fn grant_link(link: &Link, provisioned: bool) -> GrantedLink {
    GrantedLink {
        sliver_id: sliver(&format!("link {}", link.client_id)),
        vlantag: Some("1234".into()),
        interface_refs: link
            .interface_refs
            .iter()
            .map(|end| GrantedInterface {
                client_id: end.client_id.clone(),
                sliver_id: sliver(&format!("if {}", end.client_id)),
                component_id: None,
                mac_address: None,
            })
            .collect(),
        link_type: link.link_types.first().map(|kind| kind.name.clone()),
        preserve: provisioned.then_some(Guarantee::NoDisruption),
        unenforced: vec![],
    }
}

/// The manifest that answers a request, everything granted.
pub(crate) fn manifest(request: &Request, provisioned: bool) -> String {
    let mut writer = ManifestWriter::new(at(0), Some(at(3600)), &[request.frame(&ours())]);
    let local = request.local(&ours());
    for node in local.nodes {
        writer.node(node, &grant(node, provisioned));
    }
    for link in local.links {
        writer.link(link, &grant_link(link, provisioned));
    }
    writer.finish()
}

/// An element with all it holds, as text that is equal for two elements exactly when their exclusive canonical
/// forms are, prefixes set aside.
pub(crate) fn tree(element: roxmltree::Node<'_, '_>) -> String {
    let mut attributes: Vec<_> =
        element.attributes().map(|a| format!("{:?}", (a.namespace(), a.name(), a.value()))).collect();
    attributes.sort();
    let mut out = format!("({:?} {attributes:?}", element.tag_name());
    for child in element.children() {
        if child.is_element() {
            out += &tree(child);
        } else if let Some(text) = child.text().filter(|_| child.is_text()) {
            out += &format!("{text:?}");
        }
    }
    out + ")"
}

/// Writes the schemas to `folder`, with one more that brings a main schema and the extensions together.
pub(crate) fn write_schemas(folder: &Path) {
    for (file, _, schema) in rspec_schemas::ALL {
        std::fs::write(folder.join(file), schema).unwrap();
    }
    for main in ["request.xsd", "manifest.xsd", "ad.xsd"] {
        let imports: String = rspec_schemas::ALL
            .iter()
            .filter(|(file, ..)| {
                let blockstore = if main == "ad.xsd" { "blockstore-ad.xsd" } else { "blockstore.xsd" };
                *file == main || [blockstore, "preserve.xsd", "opstate.xsd", "user.xsd"].contains(file)
            })
            .map(|(file, namespace, _)| {
                format!("<xs:import namespace=\"{namespace}\" schemaLocation=\"{file}\"/>")
            })
            .collect();
        let schema =
            format!("<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">{imports}</xs:schema>");
        std::fs::write(folder.join(format!("with-extensions-{main}")), schema).unwrap();
    }
}

/// Which of the documents the `xmllint` program finds valid, extensions included; `main` is a schema's file name.
pub(crate) fn xmllint_valid(main: &str, documents: &[String]) -> Vec<Result<(), String>> {
    let folder = tempfile::tempdir().unwrap();
    write_schemas(folder.path());
    let mut files = Vec::new();
    for (n, document) in documents.iter().enumerate() {
        let file = format!("document-{n}.xml");
        std::fs::write(folder.path().join(&file), document).unwrap();
        files.push(file);
    }
    let schema = format!("with-extensions-{main}");
    let output = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema", &schema])
        .args(&files)
        .current_dir(folder.path())
        .output()
        .expect("the xmllint program (Debian package libxml2-utils)");
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    files
        .iter()
        .map(|file| {
            if report.lines().any(|line| line == format!("{file} validates")) {
                Ok(())
            } else {
                Err(report.lines().filter(|line| line.starts_with(file.as_str())).collect())
            }
        })
        .collect()
}

/// The exclusive canonical form of stand-alone elements, all in one run of the `xmllint` program.
pub(crate) fn xmllint_canonical(elements: &[String]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.xml");
    std::fs::write(&file, format!("<all>\n{}\n</all>", elements.join("\n"))).unwrap();
    let output = Command::new("xmllint").args(["--nonet", "--exc-c14n"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder of documents collected elsewhere, where there is one beside the project.
pub(crate) fn collected() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/spec/samples");
    folder.is_dir().then_some(folder)
}
