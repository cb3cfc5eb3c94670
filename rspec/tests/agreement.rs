//! The reader's own checks against the schemas: the same verdict, whatever is done to a document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rspec::{Limits, Request, RspecErrorKind};
use std::cell::RefCell;
use uppsala::XsdValidator;

fn validator() -> XsdValidator {
    XsdValidator::from_schema(&uppsala::parse(rspec_schemas::REQUEST).unwrap()).unwrap()
}

/// The verdict of the reader, as far as a schema can give one.
fn accepted(xml: &str) -> Option<bool> {
    match Request::parse_update(xml, &Limits::default()) {
        Ok(_) => Some(true),
        Err(error) => match error.kind {
            RspecErrorKind::Schema | RspecErrorKind::BadValue | RspecErrorKind::WrongType => Some(false),
            // Not well-formed, or beyond a schema.
            _ => None,
        },
    }
}

const ELEMENTS: &[&str] = &[
    "node",
    "link",
    "sliver_type",
    "disk_image",
    "hardware_type",
    "interface",
    "ip",
    "services",
    "login",
    "install",
    "execute",
    "relation",
    "location",
    "host",
    "interface_ref",
    "component_manager",
    "link_type",
    "property",
    "component_hop",
    "available",
    "unknown",
];

/// Attributes by turns right, wrong and missing.
const ATTRIBUTES: &[&str] = &[
    "client_id='$'",
    "client_id=''",
    "name='n'",
    "name=''",
    "exclusive='true'",
    "exclusive='yes'",
    "exclusive=' 1 '",
    "sliver_id='urn:publicid:IDN+a+sliver+$'",
    "sliver_id='x'",
    "component_id='c'",
    "component_manager_id='m'",
    "authentication='a'",
    "url='u'",
    "install_path='p'",
    "shell='s'",
    "command='c'",
    "address='1'",
    "type='t'",
    "country='DE'",
    "source_id='a'",
    "dest_id='b'",
    "now='true'",
    "unknown='u'",
    "xml:lang='de'",
];

#[derive(Debug, Clone)]
struct Tree {
    name: usize,
    attributes: Vec<usize>,
    children: Vec<Child>,
}

#[derive(Debug, Clone)]
enum Child {
    Element(Tree),
    Foreign,
    NoNamespace,
    Space,
    Text,
    Comment,
}

fn tree_of_elements() -> impl Strategy<Value = Tree> {
    // The likely names first, so that many documents are valid.
    let name = prop_oneof![3 => 0..2usize, 1 => 0..ELEMENTS.len()];
    let attributes = || prop::collection::vec(0..ATTRIBUTES.len(), 0..4);
    let leaf = (0..ELEMENTS.len(), attributes()).prop_map(|(name, attributes)| Tree {
        name,
        attributes,
        children: vec![],
    });
    let other = prop_oneof![
        4 => Just(Child::Foreign), 4 => Just(Child::Space), 2 => Just(Child::Comment), 1 => Just(Child::Text),
        1 => Just(Child::NoNamespace)
    ];
    let inner = leaf.prop_recursive(3, 12, 3, move |inner| {
        let child = prop_oneof![3 => inner.prop_map(Child::Element), 2 => other.clone()];
        (
            0..ELEMENTS.len(),
            prop::collection::vec(0..ATTRIBUTES.len(), 0..4),
            prop::collection::vec(child, 0..3),
        )
            .prop_map(|(name, attributes, children)| Tree { name, attributes, children })
    });
    (name, attributes(), prop::collection::vec(inner.prop_map(Child::Element), 0..3))
        .prop_map(|(name, attributes, children)| Tree { name, attributes, children })
}

/// What each element needs, and what may stand in it: the well-formed half of the documents is made from this.
const GRAMMAR: &[(&str, &[&str], &[&str])] = &[
    (
        "node",
        &["client_id='$'"],
        &["sliver_type", "hardware_type", "interface", "services", "relation", "location", "host"],
    ),
    (
        "link",
        &["client_id='$'"],
        &["interface_ref", "component_manager", "link_type", "property", "component_hop"],
    ),
    ("sliver_type", &["name='n'"], &["disk_image"]),
    ("disk_image", &["name='n'"], &[]),
    ("hardware_type", &["name='n'"], &[]),
    ("interface", &["client_id='$'"], &["ip", "host"]),
    ("ip", &["address='1'"], &[]),
    ("host", &["name='n'"], &[]),
    ("services", &[], &["login", "install", "execute"]),
    ("login", &["authentication='a'"], &[]),
    ("install", &["url='u'", "install_path='p'"], &[]),
    ("execute", &["shell='s'", "command='c'"], &[]),
    ("relation", &["type='t'", "client_id='$'"], &[]),
    ("location", &["country='DE'"], &[]),
    ("interface_ref", &["client_id='$'"], &[]),
    ("component_manager", &["name='n'"], &[]),
    ("link_type", &["name='n'"], &[]),
    ("property", &["source_id='a'", "dest_id='b'"], &[]),
    ("component_hop", &[], &["component_manager", "interface_ref"]),
];

/// Writes a tree. With `repair`, elements stand where they may and have what they need, except for the one element
/// numbered `damaged`: errors are then single and can sit anywhere.
struct Writer {
    out: String,
    repair: bool,
    damaged: usize,
    count: usize,
}

impl Writer {
    fn write(&mut self, tree: &Tree, parent: &str) {
        self.count += 1;
        let is_whole = self.repair && self.count != self.damaged;
        let allowed: &[&str] = match parent {
            "rspec" => &["node", "link"],
            _ => GRAMMAR.iter().find(|(name, ..)| *name == parent).map_or(&[], |(_, _, children)| children),
        };
        if is_whole && allowed.is_empty() {
            return;
        }
        let name = if is_whole { allowed[tree.name % allowed.len()] } else { ELEMENTS[tree.name] };
        let needed: &[&str] = match name {
            "interface_ref" if parent == "component_hop" => &["component_id='c'", "component_manager_id='m'"],
            _ => GRAMMAR.iter().find(|(element, ..)| *element == name).map_or(&[], |(_, needed, _)| needed),
        };
        self.out.push_str(&format!("<{name}"));
        let mut written: Vec<&str> = Vec::new();
        // Half of the damaged elements lack one attribute and are right otherwise.
        let lacks_one = !is_whole && self.repair && tree.attributes.len() % 2 == 1;
        let needed = if is_whole {
            needed
        } else if lacks_one {
            needed.split_first().map_or(needed, |(_, rest)| rest)
        } else {
            &[]
        };
        let chosen = tree.attributes.iter().map(|n| ATTRIBUTES[*n]).filter(|_| !is_whole && !lacks_one);
        for attribute in needed.iter().copied().chain(chosen) {
            let key = attribute.split('=').next().unwrap();
            if !written.contains(&key) {
                written.push(key);
                self.out.push_str(&format!(" {}", attribute.replace('$', &self.count.to_string())));
            }
        }
        self.out.push('>');
        for child in &tree.children {
            match child {
                Child::Element(tree) => self.write(tree, name),
                Child::Foreign => self.out.push_str("<e xmlns='urn:e'>text<f xmlns=''/></e>"),
                Child::NoNamespace if !is_whole => self.out.push_str("<f xmlns=''/>"),
                Child::Text if !is_whole => self.out.push_str("text"),
                Child::NoNamespace | Child::Text | Child::Space => self.out.push_str(" \n\t"),
                Child::Comment => self.out.push_str("<!-- c -->"),
            }
        }
        self.out.push_str(&format!("</{name}>"));
    }
}

fn documents() -> impl Strategy<Value = String> {
    (
        prop::collection::vec(tree_of_elements(), 0..3),
        prop_oneof![1 => Just(false), 3 => Just(true)],
        0..12usize,
        prop_oneof![12 => Just(" type='request'"), 1 => Just(""), 1 => Just(" type=' request '"), 1 => Just(" type='advertisement'")],
        prop_oneof![12 => Just(""), 1 => Just(" expires='soon'"), 1 => Just(" generated='2026-01-01T00:00:00Z'"), 1 => Just(" generated='2026-02-30T00:00:00Z'")],
    )
        .prop_map(|(trees, repair, damaged, kind, time)| {
            let out = format!("<rspec xmlns='http://www.geni.net/resources/rspec/3'{kind}{time}>");
            let mut writer = Writer { out, repair, damaged, count: 0 };
            for tree in &trees {
                writer.write(tree, "rspec");
            }
            writer.out + "</rspec>"
        })
}

#[test]
fn reader_and_schema_agree_on_any_tree_of_elements() {
    let validator = validator();
    let seen = RefCell::new((Vec::new(), Vec::new()));
    let mut runner = TestRunner::new(Config { cases: 4000, ..Config::default() });
    runner
        .run(&documents(), |xml| {
            let Some(ours) = accepted(&xml) else { return Ok(()) };
            let errors = validator.validate(&uppsala::parse(&xml).unwrap());
            prop_assert_eq!(ours, errors.is_empty(), "{}: {:?}", xml, errors);
            let mut seen = seen.borrow_mut();
            seen.0.push(xml);
            seen.1.push(ours);
            Ok(())
        })
        .unwrap();
    let (documents, verdicts) = seen.into_inner();
    for wanted in [true, false] {
        let share = verdicts.iter().filter(|verdict| **verdict == wanted).count();
        assert!(share * 20 > verdicts.len(), "both verdicts occur: {share} of {} {wanted}", verdicts.len());
    }
    // The second opinion, on a part of them: one process, many files.
    let part = &documents[..documents.len().min(300)];
    for ((xml, ours), theirs) in part.iter().zip(&verdicts).zip(xmllint_valid("request.xsd", part)) {
        assert_eq!(*ours, theirs.is_ok(), "{xml}: {theirs:?}");
    }
}

#[test]
fn both_validators_take_every_schema() {
    for (file, _, schema) in rspec_schemas::ALL {
        XsdValidator::from_schema(&uppsala::parse(schema).unwrap())
            .unwrap_or_else(|error| panic!("{file}: {error:?}"));
    }
    let validator = validator();
    for xml in [LAN, NAMESPACES, TWO_AGGREGATES] {
        assert!(validator.validate(&uppsala::parse(xml).unwrap()).is_empty());
    }
    let folder = tempfile::tempdir().unwrap();
    write_schemas(folder.path());
    for (file, ..) in rspec_schemas::ALL {
        let output = std::process::Command::new("xmllint")
            .args(["--nonet", "--noout", "--schema", file, file])
            .current_dir(folder.path())
            .output()
            .unwrap();
        // A schema is no valid RSpec (3), but it compiles (5 if not).
        assert_eq!(output.status.code(), Some(3), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn reader_and_schema_agree_on_collected_documents() {
    let Some(folder) = collected() else { return };
    let validator = validator();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(xml) = std::fs::read_to_string(&path) else { continue };
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("req-")) {
            continue;
        }
        let Some(ours) = accepted(&xml) else { continue };
        assert_eq!(ours, validator.validate(&uppsala::parse(&xml).unwrap()).is_empty(), "{}", path.display());
    }
}
