//! The frame: what a request says that belongs to no sliver of ours.

use crate::canonical::canonical;
use crate::source::{Context, Source, scope_of};
use crate::xml::{GENI, XSI, parse, push_attribute};
use crate::{Limits, Position, RspecError, RspecErrorKind};
use roxmltree::{Document, Node as Element};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Pairs of a root's schemaLocation that are looked at. They are hints; tools repeat them.
const MAX_SCHEMAS: usize = 256;

/// What belongs to no sliver of ours but must come back in every manifest: the root's extension attributes,
/// extension elements at the root, nodes and links of other aggregates.
///
/// A frame displays as one XML document and is read back from it, so it can be kept as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// Prefixes the request's root declared; declared at the manifest's root they need not be repeated below.
    pub(crate) prefixes: Vec<(String, String)>,
    /// Extension attributes of the root.
    pub(crate) attributes: Vec<RootAttribute>,
    /// Pairs of namespace and schema for the extensions used.
    pub(crate) schema_locations: Vec<(String, String)>,
    pub(crate) items: Vec<FrameItem>,
}

/// An extension attribute of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootAttribute {
    pub(crate) prefix: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// An element at the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameItem {
    pub(crate) kind: ItemKind,
    pub(crate) client_id: Option<String>,
    /// The element, standing alone.
    pub(crate) xml: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ItemKind {
    Node,
    Link,
    Extension,
}

impl FrameItem {
    pub(crate) fn new(kind: ItemKind, client_id: Option<&str>, xml: String) -> Self {
        Self { kind, client_id: client_id.map(str::to_owned), xml }
    }

    /// Equal for items that say the same.
    pub(crate) fn canonical(&self) -> String {
        Document::parse(&self.xml)
            .map_or_else(|_| self.xml.clone(), |document| canonical(document.root_element()))
    }
}

impl Frame {
    /// Whether it holds nothing that a manifest would have to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.items.is_empty()
    }

    /// The root's own part.
    pub(crate) fn of_root(root: Element<'_, '_>) -> Self {
        let mut frame = Self::default();
        for (prefix, uri) in scope_of(root) {
            if let Some(prefix) = prefix {
                frame.prefixes.push((prefix, uri));
            }
        }
        for attribute in root.attributes() {
            match (attribute.namespace(), attribute.name()) {
                (Some(XSI), "schemaLocation") => {
                    let words: Vec<_> = attribute.value().split_ascii_whitespace().collect();
                    for pair in words.chunks_exact(2).take(MAX_SCHEMAS) {
                        let pair = (pair[0].to_owned(), pair[1].to_owned());
                        if pair.0 != GENI && !frame.schema_locations.contains(&pair) {
                            frame.schema_locations.push(pair);
                        }
                    }
                }
                (Some(XSI), _) | (None, "type" | "generated" | "generated_by" | "expires") => {}
                (namespace, name) => frame.attributes.push(RootAttribute {
                    prefix: namespace.and_then(|uri| root.lookup_prefix(uri)).map(str::to_owned),
                    namespace: namespace.map(str::to_owned),
                    name: name.to_owned(),
                    value: attribute.value().to_owned(),
                }),
            }
        }
        frame
    }

    /// Writes the root's start tag without its end, so that more attributes can follow.
    fn push_root(&self, out: &mut String, context: &mut Context) {
        let mut attributes = String::new();
        push_root_attributes(&mut attributes, context, &self.attributes);
        push_schema_locations(&mut attributes, &self.schema_locations);
        out.push_str("<rspec");
        context.push_declarations(out);
        out.push_str(" type=\"request\"");
        out.push_str(&attributes);
    }

    /// What the frame's document declares.
    fn context(&self) -> Context {
        let mut context = Context::default();
        context.declare("xsi", XSI);
        for (prefix, uri) in &self.prefixes {
            context.declare(prefix, uri);
        }
        context
    }
}

pub(crate) fn push_root_attributes(out: &mut String, context: &mut Context, attributes: &[RootAttribute]) {
    for attribute in attributes {
        match &attribute.namespace {
            Some(uri) if uri == "http://www.w3.org/XML/1998/namespace" => {
                push_attribute(out, &format!("xml:{}", attribute.name), &attribute.value);
            }
            Some(uri) => {
                let prefix = context.prefix_for(attribute.prefix.as_deref().unwrap_or("ns"), uri);
                push_attribute(out, &format!("{prefix}:{}", attribute.name), &attribute.value);
            }
            None => push_attribute(out, &attribute.name, &attribute.value),
        }
    }
}

pub(crate) fn push_schema_locations(out: &mut String, pairs: &[(String, String)]) {
    if !pairs.is_empty() {
        let words: Vec<_> = pairs.iter().map(|(namespace, schema)| format!("{namespace} {schema}")).collect();
        push_attribute(out, "xsi:schemaLocation", &words.join(" "));
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut context = self.context();
        let mut out = String::new();
        self.push_root(&mut out, &mut context);
        out.push('>');
        for item in &self.items {
            out.push_str(&context.place(&item.xml));
        }
        out.push_str("</rspec>");
        f.write_str(&out)
    }
}

impl FromStr for Frame {
    type Err = RspecError;

    /// Reads back what [`Frame`] displays as.
    fn from_str(text: &str) -> Result<Self, RspecError> {
        let document = parse(text, &Limits::OWN).map_err(|error| bad(error.position, &error.message))?;
        let root = document.root_element();
        if !root.has_tag_name((GENI, "rspec")) {
            return Err(bad(Position::default(), "the root is not rspec"));
        }
        let mut frame = Self::of_root(root);
        let scope = Arc::new(scope_of(root));
        for child in root.children().filter(Element::is_element) {
            let kind = if child.has_tag_name((GENI, "node")) {
                ItemKind::Node
            } else if child.has_tag_name((GENI, "link")) {
                ItemKind::Link
            } else {
                ItemKind::Extension
            };
            let client_id = child.attribute("client_id").filter(|_| kind != ItemKind::Extension);
            let source = Source::new(&text[child.range()], Arc::clone(&scope));
            frame.items.push(FrameItem::new(kind, client_id, source.standalone()));
        }
        Ok(frame)
    }
}

fn bad(position: Position, message: &str) -> RspecError {
    RspecError::new(RspecErrorKind::BadFragment, position, format!("this is no frame: {message}"))
}
