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

/// Writes a tree; with `repair` each element gets the attributes it needs, so that errors are rare and sit deep.
fn write(out: &mut String, tree: &Tree, repair: bool, count: &mut usize) {
    *count += 1;
    let name = ELEMENTS[tree.name];
    out.push_str(&format!("<{name}"));
    let mut written: Vec<&str> = Vec::new();
    let mut push = |out: &mut String, attribute: &'static str| {
        let key = attribute.split('=').next().unwrap();
        if !written.contains(&key) {
            written.push(key);
            out.push_str(&format!(" {}", attribute.replace('$', &count.to_string())));
        }
    };
    if repair {
        for needed in [
            "client_id='$'",
            "name='n'",
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
            "component_id='c'",
            "component_manager_id='m'",
        ] {
            push(out, needed);
        }
    }
    for attribute in &tree.attributes {
        push(out, ATTRIBUTES[*attribute]);
    }
    out.push('>');
    for child in &tree.children {
        match child {
            Child::Element(tree) => write(out, tree, repair, count),
            Child::Foreign => out.push_str("<e xmlns='urn:e'>text<f xmlns=''/></e>"),
            Child::NoNamespace => out.push_str("<f xmlns=''/>"),
            Child::Space => out.push_str(" \n\t"),
            Child::Text => out.push_str("text"),
            Child::Comment => out.push_str("<!-- c -->"),
        }
    }
    out.push_str(&format!("</{name}>"));
}

fn documents() -> impl Strategy<Value = String> {
    (
        prop::collection::vec(tree_of_elements(), 0..3),
        any::<bool>(),
        prop_oneof![6 => Just(" type='request'"), 1 => Just(""), 1 => Just(" type=' request '"), 1 => Just(" type='advertisement'")],
        prop_oneof![6 => Just(""), 1 => Just(" expires='soon'"), 1 => Just(" generated='2026-01-01T00:00:00Z'"), 1 => Just(" generated='2026-02-30T00:00:00Z'")],
    )
        .prop_map(|(trees, repair, kind, time)| {
            let mut out = format!("<rspec xmlns='http://www.geni.net/resources/rspec/3'{kind}{time}>");
            let mut count = 0;
            for tree in &trees {
                write(&mut out, tree, repair, &mut count);
            }
            out + "</rspec>"
        })
}

#[test]
fn reader_and_schema_agree_on_any_tree_of_elements() {
    let validator = validator();
    let seen = RefCell::new((Vec::new(), Vec::new()));
    let mut runner = TestRunner::new(Config { cases: 1500, ..Config::default() });
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
