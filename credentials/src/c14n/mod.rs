//! Canonical XML 1.0 of one element with all that is in it, inclusive and exclusive, without comments.
//!
//! The element is a subset of its document, which matters twice. The inclusive form takes over every
//! namespace in scope and the `xml:` attributes of the ancestors (so the `SignedInfo` of a GENI signature
//! comes out with the `xml:id` of the `Signature` around it); the exclusive form declares only the
//! namespaces that are used in names, plus those of its prefix list.
//!
//! The parser keeps names without their prefixes; they are taken from the source text.

use crate::CredentialError;
use crate::document::{XML, declared_in, tag};
use crate::effort::{MAX_STEPS, Meter};
use roxmltree::{Attribute, Node};
use std::collections::{HashMap, HashSet};

/// Which canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// Canonical XML 1.0.
    Inclusive,
    /// Exclusive XML Canonicalization 1.0.
    Exclusive {
        /// The prefixes treated as in the inclusive form; the default namespace is the empty prefix.
        prefixes: HashSet<String>,
    },
}

/// The canonical form (Canonical XML 1.0, inclusive, without comments) of a whole document: what a signature over all
/// of it would be computed from.
///
/// # Errors
/// [`CredentialError`] when the text is not well-formed, or beyond the bounds for credentials.
pub fn canonical_xml(xml: &str) -> Result<String, CredentialError> {
    let meter = Meter::new(MAX_STEPS);
    let document = crate::document::parse(xml, &meter)?;
    Ok(canonicalise(document.root_element(), &Form::Inclusive, &meter))
}

/// Writes the canonical form of an element. The document must have passed the bounds of
/// [`crate::document::parse`], which keep the recursion shallow.
///
/// The work is linear in the element and in what is in scope at it: namespaces are looked at where they are declared,
/// not at every element below. Its steps are charged to `meter`.
pub(crate) fn canonicalise(element: Node<'_, '_>, form: &Form, meter: &Meter) -> String {
    let mut writer = Writer {
        form,
        // Canonical form is about as long as the source.
        out: String::with_capacity(element.range().len()),
        in_scope: Bindings::default(),
        rendered: Bindings::default(),
        steps: 0,
    };
    writer.element(element, true);
    meter.charge(writer.steps + 2 * writer.out.len());
    writer.out
}

/// How much text is looked over at once.
const BLOCK: usize = 64;

/// What a lookup in [`Bindings`] counts as, in steps.
const LOOKUP: usize = 20;

/// Namespaces by their prefix, the innermost last; the default namespace has the empty prefix.
#[derive(Default)]
struct Bindings<'a>(HashMap<&'a str, Vec<&'a str>>);

impl<'a> Bindings<'a> {
    /// The URI that `prefix` stands for; empty for none.
    fn uri(&self, prefix: &str) -> &'a str {
        self.0.get(prefix).and_then(|uris| uris.last()).copied().unwrap_or("")
    }

    fn push(&mut self, (prefix, uri): (&'a str, &'a str)) {
        self.0.entry(prefix).or_default().push(uri);
    }

    fn pop(&mut self, prefix: &str) {
        if let Some(uris) = self.0.get_mut(prefix) {
            uris.pop();
        }
    }
}

struct Writer<'f, 'a> {
    form: &'f Form,
    out: String,
    /// The namespaces in scope at the current element, where the form asks for them.
    in_scope: Bindings<'a>,
    /// The namespaces declared in what is written around the current element.
    rendered: Bindings<'a>,
    /// The work so far, without what grows with the length of `out`.
    steps: usize,
}

impl<'a> Writer<'_, 'a> {
    fn element<'i: 'a>(&mut self, element: Node<'a, 'i>, apex: bool) {
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
        if apex && *self.form == Form::Inclusive {
            self.inherit(element, &mut attributes);
        }
        attributes.sort_unstable_by_key(|(namespace, local, ..)| (*namespace, *local));
        let own = own_declarations(element, name, apex);
        let declarations = self.declarations(&own, apex, name, &attributes);
        self.steps += LOOKUP * (1 + attributes.len() + own.len() + declarations.len());

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
        declarations.iter().for_each(|declared| self.rendered.push(*declared));
        self.children(element);
        declarations.iter().for_each(|(prefix, _)| self.rendered.pop(prefix));
        own.iter().for_each(|(prefix, _)| self.in_scope.pop(prefix));
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn children<'i: 'a>(&mut self, element: Node<'a, 'i>) {
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
    }

    /// Adds the `xml:` attributes of the ancestors, the nearest of each name.
    fn inherit<'i: 'a>(
        &mut self,
        apex: Node<'a, 'i>,
        attributes: &mut Vec<(&'a str, &'a str, &'a str, &'a str)>,
    ) {
        let own = attributes.iter().filter(|(space, ..)| *space == XML).map(|(_, local, ..)| *local);
        let mut taken: HashSet<&str> = own.collect();
        for ancestor in apex.ancestors().skip(1) {
            let source = ancestor.document().input_text();
            for attribute in ancestor.attributes().filter(|attribute| attribute.namespace() == Some(XML)) {
                self.steps += LOOKUP;
                if taken.insert(attribute.name()) {
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

    /// The namespaces to declare on an element, in canonical order. `own` are those declared on it in the document, at
    /// the apex all in scope; elsewhere the others were declared around it, or are not used.
    fn declarations(
        &mut self,
        own: &[(&'a str, &'a str)],
        apex: bool,
        name: &'a str,
        attributes: &[(&'a str, &'a str, &'a str, &'a str)],
    ) -> Vec<(&'a str, &'a str)> {
        let mut prefixes: Vec<&'a str> = own.iter().map(|(prefix, _)| *prefix).collect();
        own.iter().for_each(|declared| self.in_scope.push(*declared));
        if let Form::Exclusive { prefixes: listed } = self.form {
            prefixes.retain(|own| listed.contains(*own));
            prefixes.extend(attributes.iter().map(|(_, _, name, _)| prefix(name)).filter(|p| !p.is_empty()));
            prefixes.push(prefix(name));
        } else if !apex && prefixes.is_empty() {
            return Vec::new();
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes
            .into_iter()
            .filter(|prefix| *prefix != "xml")
            .map(|prefix| (prefix, self.in_scope.uri(prefix)))
            .filter(|(prefix, uri)| *uri != self.rendered.uri(prefix))
            .collect()
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

/// The namespaces declared on an element; at the apex, all that are in scope. The parser lists an element's own before
/// those around it; how many are its own is in its start tag.
fn own_declarations<'a, 'i: 'a>(element: Node<'a, 'i>, name: &str, apex: bool) -> Vec<(&'a str, &'a str)> {
    let source = element.document().input_text();
    let markup = source.get(element.range().start..).unwrap_or_default();
    let count = if apex {
        usize::MAX
    } else if markup.as_bytes().get(1 + name.len()) == Some(&b'>') {
        // A start tag of nothing but its name declares none. Most are such.
        0
    } else {
        declared_in(tag(markup))
    };
    element
        .namespaces()
        .take(count)
        .map(|namespace| (namespace.name().unwrap_or(""), namespace.uri()))
        .collect()
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
