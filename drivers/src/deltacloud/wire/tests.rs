use super::*;
use proptest::prelude::*;

#[test]
fn xml_and_json_of_the_same_thing_read_the_same() {
    let xml = Tree::read(
        "application/xml",
        "<instance href='http://h/api/instances/i1' id='i1'><name>n</name>\
         <realm href='http://h/api/realms/us' id='us'></realm><actions><link rel='stop'/></actions></instance>",
    )
    .unwrap();
    let json = Tree::read(
        "application/json",
        r#"{"instance":{"id":"i1","name":"n","realm":{"id":"us"},"actions":[{"rel":"stop"}]}}"#,
    )
    .unwrap();
    for tree in [xml, json] {
        let node = tree.root();
        assert_eq!(node.name(), "instance");
        assert_eq!(node.text(&["name"]), Some("n"));
        assert_eq!(node.reference("realm").as_deref(), Some("us"));
        assert_eq!(node.list("actions").filter_map(|a| a.text(&["rel"])).collect::<Vec<_>>(), ["stop"]);
    }
}

#[test]
fn a_list_is_read_as_its_tree_is() {
    let words = |node: Node<'_>| node.text(&["name"]).map(str::to_owned);
    for (kind, body) in [
        (
            "application/xml",
            "<realms id='x'><realm><name>a</name></realm><realm><name>b</name></realm></realms>",
        ),
        ("application/json", r#"{"realms":[{"name":"a"},{"name":"b"}]}"#),
    ] {
        let listed = Tree::read_list(kind, body, words).unwrap();
        let tree = Tree::read(kind, body).unwrap();
        assert_eq!(listed, tree.root().fields().filter_map(words).collect::<Vec<_>>(), "{kind}");
        assert_eq!(listed, ["a", "b"]);
    }
    let list = |kind, body| Tree::read_list(kind, body, words);
    assert_eq!(list("text/xml", "<realms><realm/></realms>"), Err(Unreadable::Unexpected));
    assert_eq!(list("text/xml", "<realms></realms>"), Ok(Vec::new()));
    assert_eq!(list("text/html", "oops"), Err(Unreadable::Malformed));
}

#[test]
fn a_link_tells_an_id_where_nothing_else_does() {
    let tree = Tree::read("text/xml", "<realm href='/api/realms/eu%2D1'/>").unwrap();
    assert_eq!(tree.root().id().as_deref(), Some("eu-1"));
}

#[test]
fn numbers_and_truths_of_json_are_text() {
    let tree = Tree::read("application/json", r#"{"a":1.0,"b":-7,"c":true,"d":null,"e":"x\n"}"#).unwrap();
    let texts: Vec<_> = tree.root().fields().map(Node::own_text).collect();
    assert_eq!(texts, [Some("1.0"), Some("-7"), Some("true"), None, Some("x")]);
}

#[test]
fn line_ends_are_line_feeds() {
    let tree = Tree::read("application/xml", "<a>1\r\n2\r3\r<![CDATA[4\r\n5]]>&#13;6</a>").unwrap();
    assert_eq!(tree.root().own_text(), Some("1\n2\n3\n4\n5\r6"));
}

#[test]
fn damaged_documents_are_refused() {
    for body in [
        "",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "text<a/>",
        "<a>&b;</a>",
        "<a>&#1;</a>",
        "<a b='&#1;'/>",
        "<a b='1' b='2'/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "{\"a\":1",
        "{\"a\":1} 2",
        "[1,]",
    ] {
        assert_eq!(Tree::read("", body).unwrap_err(), Unreadable::Malformed, "{body}");
        let all = |node: Node<'_>| Some(node.fields().count());
        assert_eq!(Tree::read_list("", body, all).unwrap_err(), Unreadable::Malformed, "{body}");
    }
}

/// Documents beyond each bound, in both languages.
fn excessive() -> Vec<(String, Unreadable)> {
    let nested = |n: usize| "<a>".repeat(n) + &"</a>".repeat(n);
    let attributes = |n: usize| (0..n).map(|i| format!(" a{i}=''")).collect::<String>();
    vec![
        (nested(1_000_000), Unreadable::Depth),
        ("<a>".repeat(1_000_000), Unreadable::Depth),
        ("[".repeat(1_000_000), Unreadable::Depth),
        ("{\"a\":".repeat(1_000_000), Unreadable::Depth),
        (format!("<r><a{}/></r>", attributes(MOST_ATTRIBUTES + 1)), Unreadable::Fields),
        (format!("<r><t>{}</t></r>", "<a/>".repeat(MOST_FIELDS)), Unreadable::Fields),
        (format!("[[{}0]]", "0,".repeat(MOST_FIELDS)), Unreadable::Fields),
    ]
}

#[test]
fn what_is_beyond_a_bound_is_refused() {
    for (body, bound) in excessive() {
        let start: String = body.chars().take(40).collect();
        assert_eq!(Tree::read("", &body).unwrap_err(), bound, "{start}");
        assert_eq!(Tree::read_list("", &body, |_| Some(())).unwrap_err(), bound, "{start}");
        assert!(bound.is_beyond_bounds());
    }
    let nested = "<a>".repeat(MOST_DEPTH) + &"</a>".repeat(MOST_DEPTH);
    assert!(Tree::read("", &nested).is_ok());
    for list in
        [format!("<r>{}</r>", "<a/>".repeat(MOST_THINGS + 1)), format!("[{}0]", "0,".repeat(MOST_THINGS))]
    {
        assert_eq!(Tree::read_list("", &list, |_| Some(())).unwrap_err(), Unreadable::Things);
    }
}

/// A tree as an independent reader sees it.
#[derive(Debug, PartialEq)]
struct Model {
    name: String,
    text: Option<String>,
    fields: Vec<Model>,
}

fn of_xml(element: roxmltree::Node<'_, '_>) -> Model {
    let attributes = element.attributes().map(|attribute| Model {
        name: attribute.name().to_owned(),
        text: Some(attribute.value().trim().to_owned()).filter(|text| !text.is_empty()),
        fields: Vec::new(),
    });
    let children = element.children().filter(roxmltree::Node::is_element).map(of_xml);
    let text: String = element.children().filter(roxmltree::Node::is_text).filter_map(|t| t.text()).collect();
    Model {
        name: element.tag_name().name().to_owned(),
        text: Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        fields: attributes.chain(children).collect(),
    }
}

fn of_tree(node: Node<'_>) -> Model {
    Model {
        name: node.name().to_owned(),
        text: node.own_text().map(str::to_owned),
        fields: node.fields().map(of_tree).collect(),
    }
}

fn element() -> impl Strategy<Value = String> {
    // Without \r: before a CDATA section the independent reader leaves it as it is.
    let text = "([ -%'-;=?-~\u{e9}\n\t]|&amp;|&lt;|&#233;|<!-- c -->|<!\\[CDATA\\[<&]]>|<\\?p d\\?>){0,8}";
    let attribute = ("[a-z]{1,4}", "([ -%(-;=?-~\r\n\t]|&amp;|&#10;|&quot;){0,6}");
    let leaf = ("[a-z]{1,4}", proptest::collection::btree_map(attribute.0, attribute.1, 0..4), text)
        .prop_map(|(name, attributes, text)| {
            let attributes: String = attributes
                .iter()
                .map(|(name, value)| format!(" {name}=\"{}\"", value.replace('"', "")))
                .collect();
            format!(
                "<{name}{attributes}>{}</{name}>",
                text.replace("]]>", "]]&gt;").replace("[<&]]&gt;", "[<&]]>")
            )
        });
    leaf.prop_recursive(4, 40, 6, |inner| {
        ("[a-z]{1,4}", proptest::collection::vec(inner, 0..6), "[a-z \n]{0,5}")
            .prop_map(|(name, inner, text)| format!("<{name}>{text}{}{text}</{name}>", inner.concat()))
    })
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(body: String, json: bool) {
        let kind = if json { "application/json" } else { "application/xml" };
        let _ = Tree::read(kind, &body);
        let _ = Tree::read_list(kind, &body, |node| node.id());
    }

    #[test]
    fn xml_is_read_as_an_independent_reader_does(body in element()) {
        let document = roxmltree::Document::parse(&body).unwrap();
        let tree = Tree::read("application/xml", &body).unwrap();
        prop_assert_eq!(of_tree(tree.root()), of_xml(document.root_element()));
        let listed = Tree::read_list("application/xml", &body, |node| Some(of_tree(node))).unwrap();
        let children: Vec<Model> =
            document.root_element().children().filter(roxmltree::Node::is_element).map(of_xml).collect();
        prop_assert_eq!(listed, children);
    }
}
