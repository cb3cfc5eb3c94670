//! Canonical XML 1.0 of one element with all that is in it, inclusive and exclusive, without comments.
//!
//! The element is a subset of its document, which matters twice. The inclusive form takes over every
//! namespace in scope and the `xml:` attributes of the ancestors (so the `SignedInfo` of a GENI signature
//! comes out with the `xml:id` of the `Signature` around it); the exclusive form declares only the
//! namespaces that are used in names, plus those of its prefix list.
//!
//! The parser keeps names without their prefixes; they are taken from the source text.

use crate::CredentialError;
use crate::document::XML;
use roxmltree::{Attribute, Node};

/// Which canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// Canonical XML 1.0.
    Inclusive,
    /// Exclusive XML Canonicalization 1.0.
    Exclusive {
        /// The prefixes treated as in the inclusive form; the default namespace is the empty prefix.
        prefixes: Vec<String>,
    },
}

/// The canonical form (Canonical XML 1.0, inclusive, without comments) of a whole document: what a signature over all
/// of it would be computed from.
///
/// # Errors
/// [`CredentialError`] when the text is not well-formed, or beyond the bounds for credentials.
pub fn canonical_xml(xml: &str) -> Result<String, CredentialError> {
    let document = crate::document::parse(xml)?;
    Ok(canonicalise(document.root_element(), &Form::Inclusive))
}

/// Writes the canonical form of an element. The document must have passed the bounds of
/// [`crate::document::parse`], which keep the recursion shallow.
pub(crate) fn canonicalise(element: Node<'_, '_>, form: &Form) -> String {
    // Canonical form is about as long as the source.
    let mut writer = Writer { form, out: String::with_capacity(element.range().len()), rendered: Vec::new() };
    writer.element(element, true);
    writer.out
}

/// How much text is looked over at once.
const BLOCK: usize = 64;

struct Writer<'f, 'a> {
    form: &'f Form,
    out: String,
    /// The namespaces declared on the elements around the current one: prefix and URI, innermost last.
    rendered: Vec<(&'a str, &'a str)>,
}

impl<'a> Writer<'_, 'a> {
    fn element<'i: 'a>(&mut self, element: Node<'a, 'i>, apex: bool) {
        let outer = self.rendered.len();
        let source = element.document().input_text();
        let markup = source.get(element.range().start + 1..).unwrap_or_default();
        let name = qualified_name(markup);
        let mut attributes: Vec<(&str, &str, &str, &str)> = element
            .attributes()
            .map(|attribute| {
                let qualified = attribute_name(source, attribute);
                (attribute.namespace().unwrap_or(""), attribute.name(), qualified, attribute.value())
            })
            .collect();
        let inclusive = *self.form == Form::Inclusive;
        if apex && inclusive {
            self.inherit(element, &mut attributes);
        }
        attributes.sort_unstable_by_key(|(namespace, local, ..)| (*namespace, *local));
        // What is in scope was declared around it: a start tag of nothing but its name adds none. Most are such.
        let adds_none = !apex && inclusive && markup.as_bytes().get(name.len()) == Some(&b'>');
        let declarations = if adds_none { Vec::new() } else { self.declarations(element, name, &attributes) };

        self.out.push('<');
        self.out.push_str(name);
        for (prefix, uri) in &declarations {
            self.out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.out.push_str(prefix);
            self.value(uri);
        }
        for (_, _, qualified, value) in &attributes {
            self.out.push(' ');
            self.out.push_str(qualified);
            self.value(value);
        }
        self.out.push('>');
        self.rendered.extend(declarations);
        for child in element.children() {
            if child.is_element() {
                self.element(child, false);
            } else if child.is_text() {
                self.text(child.text().unwrap_or_default());
            } else if let Some(instruction) = child.pi() {
                self.out.push_str("<?");
                self.out.push_str(instruction.target);
                if let Some(value) = instruction.value {
                    self.out.push(' ');
                    // Line ends are normalised by the parser in text, but left as they are in here.
                    self.out.push_str(&value.replace("\r\n", "\n").replace('\r', "\n"));
                }
                self.out.push_str("?>");
            }
        }
        self.rendered.truncate(outer);
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// Adds the `xml:` attributes of the ancestors, the nearest of each name.
    fn inherit<'i: 'a>(
        &self,
        apex: Node<'a, 'i>,
        attributes: &mut Vec<(&'a str, &'a str, &'a str, &'a str)>,
    ) {
        for ancestor in apex.ancestors().skip(1) {
            let source = ancestor.document().input_text();
            for attribute in ancestor.attributes().filter(|attribute| attribute.namespace() == Some(XML)) {
                if !attributes.iter().any(|(space, local, ..)| *space == XML && *local == attribute.name()) {
                    attributes.push((
                        XML,
                        attribute.name(),
                        attribute_name(source, attribute),
                        attribute.value(),
                    ));
                }
            }
        }
    }

    /// The namespaces to declare on an element, in canonical order.
    fn declarations<'i: 'a>(
        &self,
        element: Node<'a, 'i>,
        name: &'a str,
        attributes: &[(&'a str, &'a str, &'a str, &'a str)],
    ) -> Vec<(&'a str, &'a str)> {
        let mut prefixes: Vec<&'a str> = match self.form {
            Form::Inclusive => {
                let mut all: Vec<&str> =
                    element.namespaces().map(|namespace| namespace.name().unwrap_or("")).collect();
                all.push("");
                all
            }
            Form::Exclusive { prefixes } => {
                let used = attributes.iter().map(|(_, _, name, _)| prefix(name)).filter(|p| !p.is_empty());
                let listed = element
                    .namespaces()
                    .map(|namespace| namespace.name().unwrap_or(""))
                    .chain([""])
                    .filter(|known| prefixes.iter().any(|listed| listed == known));
                used.chain([prefix(name)]).chain(listed).collect()
            }
        };
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes
            .into_iter()
            .filter(|prefix| *prefix != "xml")
            .map(|prefix| (prefix, in_scope(element, prefix)))
            .filter(|(prefix, uri)| *uri != self.declared(prefix))
            .collect()
    }

    /// The URI that `prefix` stands for in what is written so far; empty for none.
    fn declared(&self, prefix: &str) -> &'a str {
        self.rendered.iter().rev().find(|(known, _)| *known == prefix).map_or("", |(_, uri)| uri)
    }

    fn value(&mut self, value: &str) {
        self.out.push_str("=\"");
        self.escaped(value, |byte| matches!(byte, b'&' | b'<' | b'"' | b'\t' | b'\n' | b'\r'));
        self.out.push('"');
    }

    fn text(&mut self, text: &str) {
        self.escaped(text, |byte| matches!(byte, b'&' | b'<' | b'>' | b'\r'));
    }

    /// Writes text with some of its characters, all of them ASCII, put otherwise, and what lies between them as it is.
    fn escaped(&mut self, text: &str, special: impl Fn(u8) -> bool) {
        let mut written = 0;
        for (number, block) in text.as_bytes().chunks(BLOCK).enumerate() {
            // Most blocks have nothing special in them. All bytes are looked at, which the processor does at once.
            if !block.iter().fold(false, |any, byte| any | special(*byte)) {
                continue;
            }
            for (at, byte) in (number * BLOCK..).zip(block).filter(|(_, byte)| special(**byte)) {
                self.out.push_str(text.get(written..at).unwrap_or_default());
                self.out.push_str(reference(*byte));
                written = at + 1;
            }
        }
        self.out.push_str(text.get(written..).unwrap_or_default());
    }
}

/// What canonical XML puts for a character that does not stand for itself.
fn reference(special: u8) -> &'static str {
    match special {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\t' => "&#x9;",
        b'\n' => "&#xA;",
        _ => "&#xD;",
    }
}

/// The URI that `prefix` stands for at an element; empty for none.
fn in_scope<'a, 'i: 'a>(element: Node<'a, 'i>, prefix: &str) -> &'a str {
    element
        .namespaces()
        .find(|namespace| namespace.name().unwrap_or("") == prefix)
        .map_or("", |namespace| namespace.uri())
}

/// The name at the head of a piece of markup, with its prefix.
fn qualified_name(markup: &str) -> &str {
    let ends = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'=' | b'/' | b'>');
    let end = markup.bytes().position(ends);
    markup.get(..end.unwrap_or(markup.len())).unwrap_or_default()
}

fn attribute_name<'a, 'i: 'a>(source: &'a str, attribute: Attribute<'a, 'i>) -> &'a str {
    qualified_name(source.get(attribute.range().start..).unwrap_or_default())
}

fn prefix(qualified: &str) -> &str {
    qualified.split_once(':').map_or("", |(prefix, _)| prefix)
}

#[cfg(test)]
mod tests;
