//! Canonical XML, by example and against `xmllint`, byte for byte.

use super::*;
use crate::document::parse;
use crate::effort::Meter;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::process::Command;

fn exclusive(prefixes: &[&str]) -> Form {
    Form::Exclusive { prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect() }
}

/// The canonical form of the element with the local name `apex`, or else of the outermost one.
fn canonical(xml: &str, form: &Form) -> String {
    let meter = Meter::unlimited();
    let document = parse(xml, &meter).unwrap();
    let apex = document.descendants().find(|node| node.tag_name().name() == "apex");
    canonicalise(apex.unwrap_or(document.root_element()), form, &meter)
}

#[test]
fn attributes_and_namespaces_are_sorted() {
    let xml = "<e  z='1' b:a='2' a:z='3' xmlns:b='urn:1' xmlns:a='urn:2' xmlns='urn:3' a='4'/>";
    assert_eq!(
        canonical(xml, &Form::Inclusive),
        "<e xmlns=\"urn:3\" xmlns:a=\"urn:2\" xmlns:b=\"urn:1\" a=\"4\" z=\"1\" b:a=\"2\" a:z=\"3\"></e>"
    );
}

#[test]
fn characters_are_written_one_way_only() {
    let xml =
        "<e a='&lt;&#9;&#10;&#13;\"&apos;&gt;&amp;\n\t'>&lt;&gt;&amp;\"'&#13;\r\n\t<![CDATA[<&>]]>&#65;é</e>";
    assert_eq!(
        canonical(xml, &Form::Inclusive),
        "<e a=\"&lt;&#x9;&#xA;&#xD;&quot;'>&amp;  \">&lt;&gt;&amp;\"'&#xD;\n\t&lt;&amp;&gt;Aé</e>"
    );
}

#[test]
fn comments_go_and_instructions_stay() {
    let xml = "<e>a<!-- b -->c<?d?><?e  f ?></e>";
    assert_eq!(canonical(xml, &Form::Inclusive), "<e>ac<?d?><?e f ?></e>");
}

#[test]
fn a_subset_takes_what_is_in_scope() {
    let xml = "<r xmlns='urn:d' xmlns:p='urn:p' xmlns:q='urn:q' xml:lang='en' xml:id='r'>\
               <m xml:lang='de' xml:space='preserve'><apex xml:id='x' q:a='1'><p:c/><n xmlns=''/></apex></m></r>";
    assert_eq!(
        canonical(xml, &Form::Inclusive),
        "<apex xmlns=\"urn:d\" xmlns:p=\"urn:p\" xmlns:q=\"urn:q\" xml:id=\"x\" xml:lang=\"de\" xml:space=\"preserve\" \
         q:a=\"1\"><p:c></p:c><n xmlns=\"\"></n></apex>"
    );
    assert_eq!(
        canonical(xml, &exclusive(&[])),
        "<apex xmlns=\"urn:d\" xmlns:q=\"urn:q\" xml:id=\"x\" q:a=\"1\"><p:c xmlns:p=\"urn:p\"></p:c><n xmlns=\"\"></n></apex>"
    );
    assert_eq!(
        canonical(xml, &exclusive(&["p"])),
        "<apex xmlns=\"urn:d\" xmlns:p=\"urn:p\" xmlns:q=\"urn:q\" xml:id=\"x\" q:a=\"1\"><p:c></p:c><n xmlns=\"\"></n></apex>"
    );
}

#[test]
fn the_default_namespace_can_be_in_the_prefix_list() {
    let xml = "<r xmlns='urn:d' xmlns:p='urn:p'><p:apex><c/></p:apex></r>";
    assert_eq!(canonical(xml, &exclusive(&[])), "<p:apex xmlns:p=\"urn:p\"><c xmlns=\"urn:d\"></c></p:apex>");
    assert_eq!(
        canonical(xml, &exclusive(&[""])),
        "<p:apex xmlns=\"urn:d\" xmlns:p=\"urn:p\"><c></c></p:apex>"
    );
}

#[test]
fn two_prefixes_of_one_namespace_keep_apart() {
    let xml = "<a:r xmlns:a='urn:x' xmlns:b='urn:x'><b:c a:k='1' b:l='2'/></a:r>";
    assert_eq!(
        canonical(xml, &exclusive(&[])),
        "<a:r xmlns:a=\"urn:x\"><b:c xmlns:b=\"urn:x\" a:k=\"1\" b:l=\"2\"></b:c></a:r>"
    );
}

/// An element without the namespaces it may lack; [`write`] declares what is used and not yet declared.
#[derive(Debug, Clone)]
struct Tree {
    prefix: usize,
    /// Declarations: prefix and which of its URIs. The default namespace can be undeclared.
    declared: Vec<(usize, usize)>,
    attributes: Vec<(usize, String, String)>,
    children: Vec<Child>,
}

#[derive(Debug, Clone)]
enum Child {
    Text(String),
    Element(Tree),
}

const PREFIXES: [&str; 4] = ["", "a", "b", "zz"];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ a-z\u{e4}\u{4e2d}\u{1f600}]{0,6}",
        prop::sample::select(vec![
            "&lt;", "&gt;", "&amp;", "&quot;", "&apos;", "&#9;", "&#10;", "&#13;", "\t", "\n", "\r\n", "\r",
            "\"", ">", "&#x41;", "]]", "x\r\r\ny",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn content() -> impl Strategy<Value = String> {
    prop_oneof![
        // `]]>` may not stand in text.
        text().prop_map(|text| text.replace("]]", "]")),
        "[ a-z<&>\"'\r\n\t]{0,8}".prop_map(|data| format!("<![CDATA[{data}]]>")),
        "[ a-z<&>\"'\n]{0,6}".prop_map(|data| format!("<?target {data}?>")),
        Just("<?empty?>".to_owned()),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let node = || {
        let declared = prop::collection::vec((0..PREFIXES.len(), 0..3usize), 0..3);
        let attributes = prop::collection::vec((0..PREFIXES.len(), "[a-d]", text()), 0..4);
        (0..PREFIXES.len(), declared, attributes)
    };
    let leaf = (node(), prop::collection::vec(content().prop_map(Child::Text), 0..3));
    let leaf = leaf.prop_map(|((prefix, declared, attributes), children)| Tree {
        prefix,
        declared,
        attributes,
        children,
    });
    leaf.prop_recursive(5, 24, 4, move |inner| {
        let child = prop_oneof![content().prop_map(Child::Text), inner.prop_map(Child::Element)];
        (node(), prop::collection::vec(child, 0..4)).prop_map(|((prefix, declared, attributes), children)| {
            Tree { prefix, declared, attributes, children }
        })
    })
}

/// Writes the tree; `scope` says which URI each prefix has around it.
fn write(tree: &Tree, scope: [Option<usize>; 4], out: &mut String) {
    let mut scope = scope;
    let mut here: Vec<(usize, Option<usize>)> = Vec::new();
    let mut used: Vec<usize> =
        tree.attributes.iter().map(|(prefix, ..)| *prefix).filter(|p| *p > 0).collect();
    used.push(tree.prefix);
    for (prefix, uri) in &tree.declared {
        if !here.iter().any(|(known, _)| known == prefix) {
            // The third URI of the default namespace stands for none.
            here.push((*prefix, (*prefix > 0 || *uri < 2).then_some(*uri)));
        }
    }
    for (prefix, uri) in &here {
        scope[*prefix] = *uri;
    }
    for prefix in used {
        if prefix > 0 && scope[prefix].is_none() {
            here.push((prefix, Some(0)));
            scope[prefix] = Some(0);
        }
    }
    let name = |prefix: usize, local: &str| match PREFIXES[prefix] {
        "" => local.to_owned(),
        prefix => format!("{prefix}:{local}"),
    };
    out.push('<');
    out.push_str(&name(tree.prefix, "e"));
    for (prefix, uri) in here {
        // All prefixes share their first URI, so that names can meet. (No `&` in them: xmllint writes it
        // without its escape, which is not even well-formed.)
        let uri = match uri {
            None => String::new(),
            Some(0) => "urn:shared".to_owned(),
            Some(n) => format!("urn:{prefix}:{n}"),
        };
        let declaration =
            if prefix == 0 { "xmlns".to_owned() } else { format!("xmlns:{}", PREFIXES[prefix]) };
        out.push_str(&format!("\n {declaration}='{uri}'"));
    }
    let mut seen: Vec<(Option<(usize, usize)>, &str)> = Vec::new();
    for (prefix, local, value) in &tree.attributes {
        // Two attributes may not have the same expanded name.
        let space = match (prefix, scope[*prefix]) {
            (0, _) | (_, None) => None,
            (_, Some(0)) => Some((0, 0)),
            (prefix, Some(uri)) => Some((*prefix, uri)),
        };
        if !seen.contains(&(space, local)) {
            seen.push((space, local));
            out.push_str(&format!("  {} = \"{}\"", name(*prefix, local), value.replace('"', "&quot;")));
        }
    }
    out.push('>');
    for child in &tree.children {
        match child {
            Child::Text(text) => out.push_str(text),
            Child::Element(element) => write(element, scope, out),
        }
    }
    out.push_str(&format!("</{}>", name(tree.prefix, "e")));
}

fn xmllint(option: &str, files: &[std::path::PathBuf]) -> String {
    let output = Command::new("xmllint").arg(option).args(files).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "xmllint {option} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn generated_documents_come_out_as_from_xmllint() {
    if Command::new("xmllint").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "xmllint is needed where CI is set");
        eprintln!("xmllint is not installed: nothing compared");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::deterministic();
    let mut batch = Vec::new();
    for number in 0..600 {
        let tree = tree().new_tree(&mut runner).unwrap().current();
        let mut xml = String::from("<?xml version=\"1.0\"?>\n");
        write(&tree, [None; 4], &mut xml);
        let path = folder.path().join(format!("{number}.xml"));
        std::fs::write(&path, &xml).unwrap();
        batch.push((path, xml));
    }
    for (option, form) in [("--c14n", Form::Inclusive), ("--exc-c14n", exclusive(&[]))] {
        let paths: Vec<_> = batch.iter().map(|(path, _)| path.clone()).collect();
        let ours: String = batch.iter().map(|(_, xml)| canonical(xml, &form)).collect();
        if ours == xmllint(option, &paths) {
            continue;
        }
        for (path, xml) in &batch {
            assert_eq!(
                canonical(xml, &form),
                xmllint(option, std::slice::from_ref(path)),
                "{option} of {xml}"
            );
        }
    }
}

proptest! {
    #[test]
    fn the_canonical_form_is_its_own_canonical_form(tree in tree()) {
        let mut xml = String::new();
        write(&tree, [None; 4], &mut xml);
        for form in [Form::Inclusive, exclusive(&[]), exclusive(&["", "a"])] {
            let once = canonical(&xml, &form);
            prop_assert_eq!(&canonical(&once, &form), &once);
        }
    }
}
