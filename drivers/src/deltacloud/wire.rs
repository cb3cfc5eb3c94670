//! Answers in XML or JSON, read into one kind of tree.
//!
//! The API models some things differently in its two languages (an attribute here is a member there, a list
//! with named elements here a plain one there). In the tree, attributes, child elements and members are all
//! fields; the items of a list are fields too. What is left of the differences, names, is the readers' matter.

use serde_json::Value;

/// One field of an answer, with what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// Its name; empty for an item of a JSON list.
    pub(super) name: String,
    text: Option<String>,
    fields: Vec<Node>,
}

fn is_json(media_type: &str, body: &str) -> bool {
    media_type.contains("json") || body.trim_start().starts_with(['{', '['])
}

impl Node {
    /// Reads an answer; `None` when it is neither XML nor JSON. The root is what the document is about, without
    /// the member that JSON wraps around it.
    pub(super) fn read(media_type: &str, body: &str) -> Option<Self> {
        if !is_json(media_type, body) {
            return roxmltree::Document::parse(body)
                .ok()
                .map(|document| Self::of_xml(document.root_element()));
        }
        let root = Self::of_json(String::new(), &serde_json::from_str(body).ok()?);
        match root.fields.as_slice() {
            [only] if !only.name.is_empty() && only.text.is_none() => Some(only.clone()),
            _ => Some(root),
        }
    }

    /// Reads the things of a list one after the other; `None` when it is no list, or one of them is not what it
    /// should be.
    pub(super) fn read_list<T>(
        media_type: &str,
        body: &str,
        decode: impl Fn(&Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        if is_json(media_type, body) {
            return Self::read(media_type, body)?.fields().map(decode).collect();
        }
        let document = roxmltree::Document::parse(body).ok()?;
        let things = document.root_element().children().filter(roxmltree::Node::is_element);
        things.map(|element| decode(&Self::of_xml(element))).collect()
    }

    fn of_xml(element: roxmltree::Node<'_, '_>) -> Self {
        let attributes = element.attributes().map(|attribute| Self {
            name: attribute.name().to_owned(),
            text: Some(attribute.value().to_owned()),
            fields: Vec::new(),
        });
        let children = element.children().filter(roxmltree::Node::is_element).map(Self::of_xml);
        let text: String =
            element.children().filter(|child| child.is_text()).filter_map(|child| child.text()).collect();
        Self {
            name: element.tag_name().name().to_owned(),
            fields: attributes.chain(children).collect(),
            text: Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        }
    }

    fn of_json(name: String, value: &Value) -> Self {
        let (text, fields) = match value {
            Value::Null => (None, Vec::new()),
            Value::String(text) => (Some(text.clone()), Vec::new()),
            Value::Bool(_) | Value::Number(_) => (Some(value.to_string()), Vec::new()),
            Value::Array(items) => (None, items.iter().map(|v| Self::of_json(String::new(), v)).collect()),
            Value::Object(members) => {
                (None, members.iter().map(|(name, v)| Self::of_json(name.clone(), v)).collect())
            }
        };
        Self { name, text, fields }
    }

    /// The field of this name.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields in it.
    pub(super) fn fields(&self) -> impl Iterator<Item = &Self> {
        self.fields.iter()
    }

    /// What is listed in the field of this name: its items, or the elements in it.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.fields.iter().filter(move |field| field.name == name).flat_map(|field| field.fields.iter())
    }

    /// Its own text; absent when empty.
    pub(super) fn own_text(&self) -> Option<&str> {
        self.text.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    /// The text of the first of these fields that has one.
    pub(super) fn text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            self.fields.iter().filter(|field| field.name == *name).find_map(|field| field.own_text())
        })
    }

    /// The same, owned; empty when there is none.
    pub(super) fn words(&self, names: &[&str]) -> String {
        self.text(names).unwrap_or_default().to_owned()
    }

    /// The identity: as told, else the end of the link.
    pub(super) fn id(&self) -> Option<String> {
        let of_link = || {
            let link = self.text(&["href"])?;
            let last = link.trim_end_matches('/').rsplit('/').next()?;
            Some(percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned())
        };
        self.text(&["id"]).map(str::to_owned).or_else(of_link)
    }

    /// The identity of what the field of this name refers to.
    pub(super) fn reference(&self, name: &str) -> Option<String> {
        self.field(name).and_then(Self::id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn xml_and_json_of_the_same_thing_read_the_same() {
        let xml = Node::read(
            "application/xml",
            "<instance href='http://h/api/instances/i1' id='i1'><name>n</name>\
             <realm href='http://h/api/realms/us' id='us'></realm><actions><link rel='stop'/></actions></instance>",
        )
        .unwrap();
        let json = Node::read(
            "application/json",
            r#"{"instance":{"id":"i1","name":"n","realm":{"id":"us"},"actions":[{"rel":"stop"}]}}"#,
        )
        .unwrap();
        for node in [xml, json] {
            assert_eq!(node.name, "instance");
            assert_eq!(node.text(&["name"]), Some("n"));
            assert_eq!(node.reference("realm").as_deref(), Some("us"));
            assert_eq!(node.list("actions").filter_map(|a| a.text(&["rel"])).collect::<Vec<_>>(), ["stop"]);
        }
    }

    #[test]
    fn a_list_is_read_as_its_tree_is() {
        let words = |node: &Node| node.text(&["name"]).map(str::to_owned);
        for (kind, body) in [
            (
                "application/xml",
                "<realms><realm><name>a</name></realm><realm><name>b</name></realm></realms>",
            ),
            ("application/json", r#"{"realms":[{"name":"a"},{"name":"b"}]}"#),
        ] {
            let listed = Node::read_list(kind, body, words).unwrap();
            let tree = Node::read(kind, body).unwrap();
            assert_eq!(listed, tree.fields().filter_map(words).collect::<Vec<_>>(), "{kind}");
            assert_eq!(listed, ["a", "b"]);
        }
        assert_eq!(Node::read_list("text/xml", "<realms><realm/></realms>", words), None, "a realm without");
        assert_eq!(Node::read_list("text/xml", "<realms></realms>", words), Some(Vec::new()));
        assert_eq!(Node::read_list("text/html", "oops", words), None);
    }

    #[test]
    fn a_link_tells_an_id_where_nothing_else_does() {
        let node = Node::read("text/xml", "<realm href='/api/realms/eu%2D1'/>").unwrap();
        assert_eq!(node.id().as_deref(), Some("eu-1"));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(body: String, json: bool) {
            let _ = Node::read(if json { "application/json" } else { "application/xml" }, &body);
        }
    }
}
