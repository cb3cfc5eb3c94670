//! What must hold for every document, not just for the examples.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use roxmltree::Document;
use rspec::compare::{link_changes, node_changes};
use rspec::{Frame, Limits, Link, Node, Request, RspecErrorKind};
use std::cell::RefCell;

const GENI: &str = "http://www.geni.net/resources/rspec/3";

/// Extensions as tools write them, and as nobody should.
fn extension() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("<x:a one='1' x:two=\"2\"/>".to_owned()),
        Just("<x:b><x:c/>mixed <![CDATA[<&>]]> text &#228; &lt;</x:b>".to_owned()),
        Just("<q xmlns='urn:q' xmlns:x='urn:shadow' x:y='&quot;&apos;&#10;'> <x:r/> </q>".to_owned()),
        Just("<x:none><plain xmlns=''><y:deep/></plain></x:none>".to_owned()),
        Just("<!-- a comment --><x:e>日本語 🦀</x:e>".to_owned()),
        "[ -~]{0,12}".prop_map(|text| {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            format!("<y:any>{text}</y:any>")
        }),
    ]
}

fn attribute() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(""), Just(" x:mark='1'"), Just(" private = \"p\""), Just("\n   y:z='&#9;é'"),]
}

#[derive(Debug, Clone)]
struct NodeParts {
    manager: usize,
    head: &'static str,
    sliver_type: usize,
    interfaces: usize,
    services: usize,
    inside: [String; 4],
    space: &'static str,
}

prop_compose! {
    fn node()(
        manager in 0usize..4,
        head in attribute(),
        sliver_type in 0usize..3,
        interfaces in 0usize..3,
        services in 0usize..4,
        inside in [extension(), extension(), extension(), extension()],
        space in prop_oneof![Just(""), Just("\n    "), Just("\t")],
    ) -> NodeParts {
        NodeParts { manager, head, sliver_type, interfaces, services, inside, space }
    }
}

/// A request of two to five nodes and a link or two, with GENI's namespace as default or by prefix.
fn document() -> impl Strategy<Value = String> {
    (
        prop::collection::vec(node(), 2..5),
        extension(),
        attribute(),
        prop_oneof![Just(""), Just("g:")],
        any::<bool>(),
    )
        .prop_map(|(nodes, top, root, g, property)| {
            let managers = [
                "",
                " component_manager_id='urn:publicid:IDN+am.example.net+authority+cm'",
                " component_manager_id=\"urn:publicid:IDN+AM.EXAMPLE.NET+authority+am\" exclusive='0'",
                " component_manager_id='urn:publicid:IDN+other.example.org+authority+am'",
            ];
            let default = if g.is_empty() { GENI } else { "urn:some:default" };
            let mut out = format!(
                "<{g}rspec xmlns='{default}' xmlns:g='{GENI}' xmlns:x='urn:x' xmlns:y='urn:y' type='request'{root}>"
            );
            let mut ends = Vec::new();
            for (n, node) in nodes.iter().enumerate() {
                let s = node.space;
                let [a, b, c, d] = &node.inside;
                out += &format!("\n  <{g}node client_id='n{n} ü'{}{}>{s}{a}", managers[node.manager], node.head);
                out += &match node.sliver_type {
                    0 => String::new(),
                    1 => format!("{s}<{g}sliver_type name='vm'/>"),
                    _ => format!("{s}<{g}sliver_type name='vm'>{b}<{g}disk_image name='i&amp;j'/></{g}sliver_type>"),
                };
                for i in 0..node.interfaces {
                    out += &format!("{s}<{g}interface client_id='n{n}:{i}'>{c}<{g}ip address='10.0.{n}.{i}'/></{g}interface>");
                    ends.push(format!("n{n}:{i}"));
                }
                out += &match node.services {
                    0 => String::new(),
                    1 => format!("{s}<{g}services/>"),
                    2 => format!("{s}<{g}services>{d}<{g}login authentication='ssh-keys'/></{g}services>"),
                    _ => format!("{s}<{g}services>{s}<{g}execute shell='sh' command='x &amp; y'/>{d}</{g}services>"),
                };
                out += &format!("{s}</{g}node>");
            }
            if let [first, .., last] = &ends[..] {
                out += &format!("<{g}link client_id='l'><{g}interface_ref client_id='{first}'/><{g}interface_ref client_id='{last}'/>");
                if property {
                    out += &format!("<{g}property source_id='{first}' dest_id='{last}' packet_loss='2.5'/>");
                }
                out += &format!("</{g}link>");
            }
            out + &top + &format!("\n</{g}rspec>")
        })
}

proptest! {
    #[test]
    fn reading_never_panics(text in any::<String>()) {
        let _ = Request::parse_update(&text, &Limits::default());
        let _ = Node::from_fragment(&text);
        let _ = Link::from_fragment(&text);
        let _ = text.parse::<Frame>();
    }

    #[test]
    fn reading_what_looks_like_a_document_never_panics(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "<rspec xmlns='http://www.geni.net/resources/rspec/3' type='request'>", "</rspec>", "<node client_id='a'>",
                "<node client_id='b' ", "</node>", "<link client_id='l'>", "</link>", "<interface_ref client_id='i'/>",
                "<interface client_id='i'/>", "<x:y xmlns:x='u'/>", "<![CDATA[", "]]>", "<!--", "-->", "<?p ?>", "&amp;", "&#x41;",
                "&", "<", ">", "/>", "'", "\"", "ä", " ", "xmlns=''", "<!DOCTYPE a>", "text", "\u{feff}",
            ]),
            0..30,
        )
    ) {
        let text: String = parts.concat();
        let _ = Request::parse_update(&text, &Limits::default());
        let _ = Node::from_fragment(&text);
        let _ = text.parse::<Frame>();
    }

    // Cut or bent somewhere, a document is refused or read, and the place of the error lies within it.
    #[test]
    fn a_damaged_document_is_refused_at_a_place_within_it(xml in document(), at in any::<prop::sample::Index>(), with in "[<>&'\"a ]?") {
        let places: Vec<usize> = xml.char_indices().map(|(place, _)| place).collect();
        let at = places[at.index(places.len())];
        let bent = format!("{}{with}{}", &xml[..at], xml[at..].chars().skip(1).collect::<String>());
        if let Err(error) = Request::parse_request(&bent, &Limits::default()) {
            let lines = u32::try_from(bent.lines().count()).unwrap();
            prop_assert!(error.line() >= 1 && error.line() <= lines, "{error} in {bent}");
            prop_assert!(error.message.len() < 500);
        }
        let cut = &xml[..at];
        let error = Request::parse_request(cut, &Limits::default()).expect_err("half a document");
        prop_assert!(matches!(error.kind, RspecErrorKind::Malformed | RspecErrorKind::Empty));
    }

    // AM API v4 draft, change set C: describe, update with the same manifest, and nothing changes.
    #[test]
    fn a_manifest_sent_back_asks_for_nothing_new(xml in document(), provisioned in any::<bool>()) {
        let asked = request(&xml);
        let text = manifest(&asked, provisioned);
        let back = update(&text);
        let local = asked.local(&ours());
        let returned = back.local(&ours());
        prop_assert_eq!(local.nodes.len(), returned.nodes.len());
        for (now, back) in local.nodes.iter().zip(&returned.nodes) {
            let kept = Node::from_fragment(&now.fragment()).unwrap();
            prop_assert_eq!(node_changes(&kept, Some(&grant(now, provisioned)), back), []);
        }
        for (now, back) in local.links.iter().zip(&returned.links) {
            let kept = Link::from_fragment(&now.fragment()).unwrap();
            prop_assert_eq!(link_changes(&kept, Some(&grant_link(now, provisioned)), back), []);
        }
        // What is not ours comes back as it was, and a manifest of the manifest is the manifest.
        let frame = asked.frame(&ours()).to_string().parse::<Frame>().unwrap();
        let written = |frame: &Frame| {
            let mut writer = rspec::ManifestWriter::new(at(0), Some(at(3600)), std::slice::from_ref(frame));
            for node in &returned.nodes {
                writer.node(node, &grant(asked.nodes.iter().find(|n| n.client_id == node.client_id).unwrap(), provisioned));
            }
            for link in &returned.links {
                writer.link(link, &grant_link(link, provisioned));
            }
            writer.finish()
        };
        let again = written(&frame);
        let (first, second) = (Document::parse(&text).unwrap(), Document::parse(&again).unwrap());
        for (a, b) in first.root_element().children().zip(second.root_element().children()) {
            if a.is_element() {
                prop_assert_eq!(rspec_tree(a), rspec_tree(b));
            }
        }
    }
}

/// As `tree`, without white space between elements, and without the order in which grants were put in.
fn rspec_tree(element: roxmltree::Node<'_, '_>) -> String {
    let mut children: Vec<_> =
        element.children().filter(|child| child.is_element()).map(rspec_tree).collect();
    if element.tag_name().namespace() == Some(GENI) {
        children.sort();
    }
    let mut attributes: Vec<_> =
        element.attributes().map(|a| format!("{:?}", (a.namespace(), a.name(), a.value()))).collect();
    attributes.sort();
    let text: String = element.children().filter_map(|c| c.text().filter(|_| c.is_text())).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("({:?} {attributes:?} {text:?} {})", element.tag_name(), children.concat())
}

// Unknown elements are kept byte for byte under canonical XML: proven with the xmllint program, all documents in one run.
#[test]
fn extensions_are_kept_under_canonical_xml() {
    let pairs = RefCell::new((Vec::new(), Vec::new(), Vec::new()));
    let mut runner = TestRunner::new(Config { cases: 120, ..Config::default() });
    runner
        .run(&document(), |xml| {
            let asked = request(&xml);
            let text = manifest(&asked, true);
            let back = Document::parse(&text).unwrap();
            let before = Document::parse(&xml).unwrap();
            let foreign = |document: &Document<'_>| -> Vec<String> {
                let known = [
                    "http://www.geni.net/resources/rspec/ext/user/1",
                    "http://www.geni.net/resources/rspec/ext/preserve/1",
                ];
                let mut trees: Vec<_> = document
                    .descendants()
                    .filter(|node| node.is_element() && node.tag_name().namespace() != Some(GENI))
                    .filter(|node| {
                        node.parent_element().is_some_and(|p| p.tag_name().namespace() == Some(GENI))
                    })
                    .filter(|node| !node.tag_name().namespace().is_some_and(|uri| known.contains(&uri)))
                    .map(tree)
                    .collect();
                trees.sort();
                trees
            };
            assert_eq!(foreign(&before), foreign(&back));
            let mut pairs = pairs.borrow_mut();
            for node in &asked.nodes {
                let alone = node.fragment();
                let again = Node::from_fragment(&alone).unwrap().fragment();
                pairs.0.push(alone);
                pairs.1.push(again);
            }
            for (node, returned) in asked.local(&ours()).nodes.iter().zip(update(&text).local(&ours()).nodes)
            {
                assert_eq!(node.extensions, returned.extensions);
            }
            pairs.2.push(text);
            Ok(())
        })
        .unwrap();
    let (before, after, manifests) = pairs.into_inner();
    assert_eq!(xmllint_canonical(&before), xmllint_canonical(&after));
    for (manifest, verdict) in manifests.iter().zip(xmllint_valid("manifest.xsd", &manifests)) {
        assert_eq!(verdict, Ok(()), "{manifest}");
    }
}
