//! Comparable forms of what we do not understand.
//!
//! The form is that of canonical XML in what it treats as equal, with two liberties that RSpecs need: prefixes are
//! replaced by the namespaces they stand for, and white space between elements is left out. Each namespace is written
//! out once and is a number from then on, so that a long one, used often, does not make the form long.

use crate::reader::namespace_of;
use crate::xml::{is_blank, push_text, push_value};
use roxmltree::{Attribute, Node};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;

/// The element of ours in which an extension stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(pub(crate) &'static str);

impl Place {
    /// The element's name, such as `node` or `sliver_type`.
    #[must_use]
    pub fn element(self) -> &'static str {
        self.0
    }
}

/// An element or attribute the reader does not act upon, in a form that compares: two of them are equal when
/// they differ in nothing but attribute order, prefixes, and white space between elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// In which element it stands.
    pub place: Place,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its local name.
    pub name: String,
    /// Its content in canonical form: each name with its namespace in braces (`{n=uri}` the first time,
    /// `{n}` afterwards), attributes sorted.
    pub canonical: String,
}

impl Extension {
    pub(crate) fn element(place: Place, element: Node<'_, '_>) -> Self {
        Self {
            place,
            namespace: namespace_of(element).map(str::to_owned),
            name: element.tag_name().name().to_owned(),
            canonical: canonical(element),
        }
    }

    pub(crate) fn attribute(place: Place, attribute: Attribute<'_, '_>) -> Self {
        let mut canonical = String::new();
        push_attribute(&mut canonical, &mut Names::new(), attribute);
        Self {
            place,
            namespace: attribute.namespace().map(str::to_owned),
            name: attribute.name().to_owned(),
            canonical,
        }
    }
}

impl Extension {
    /// The value of an attribute of the element, as the canonical form writes it (`&amp;` for `&`).
    #[must_use]
    pub fn value_of(&self, name: &str) -> Option<&str> {
        // Quotes stand only around values; the start tag ends at the first `>` outside of them.
        let mut parts = self.canonical.split('"');
        loop {
            let before = parts.next()?;
            if before.contains('>') {
                return None;
            }
            let value = parts.next()?;
            if before.rsplit('}').next().and_then(|rest| rest.strip_suffix('=')) == Some(name) {
                return Some(value);
            }
        }
    }
}

/// The canonical form of an element with all it holds.
pub(crate) fn canonical(element: Node<'_, '_>) -> String {
    let mut out = String::new();
    push_element(&mut out, &mut Names::new(), element);
    out
}

/// The namespaces met so far, numbered.
type Names<'d> = HashMap<&'d str, usize>;

fn push_name<'d>(out: &mut String, names: &mut Names<'d>, namespace: Option<&'d str>, name: &str) {
    let uri = namespace.unwrap_or_default();
    let next = names.len();
    match names.entry(uri) {
        Entry::Occupied(known) => {
            let _ = write!(out, "{{{}}}{name}", known.get());
        }
        Entry::Vacant(new) => {
            new.insert(next);
            let _ = write!(out, "{{{next}={uri}}}{name}");
        }
    }
}

fn push_attribute<'d>(out: &mut String, names: &mut Names<'d>, attribute: Attribute<'d, '_>) {
    out.push(' ');
    push_name(out, names, attribute.namespace(), attribute.name());
    out.push_str("=\"");
    push_value(out, attribute.value());
    out.push('"');
}

fn push_element<'d>(out: &mut String, names: &mut Names<'d>, element: Node<'d, '_>) {
    out.push('<');
    push_name(out, names, element.tag_name().namespace(), element.tag_name().name());
    let mut attributes: Vec<_> = element.attributes().collect();
    attributes.sort_by_key(|attribute| (attribute.namespace(), attribute.name()));
    for attribute in attributes {
        push_attribute(out, names, attribute);
    }
    out.push('>');
    let has_elements = element.children().any(|child| child.is_element());
    for child in element.children() {
        if child.is_element() {
            push_element(out, names, child);
        } else if child.is_text() {
            let text = child.text().unwrap_or_default();
            if !(has_elements && is_blank(text)) {
                push_text(out, text);
            }
        }
    }
    out.push_str("</>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use roxmltree::Document;

    fn form(xml: &str) -> String {
        canonical(Document::parse(xml).unwrap().root_element())
    }

    #[test]
    fn what_does_not_matter_is_equal() {
        let a = form("<x:a xmlns:x='u' xmlns:y='v' b='1' y:b='2' a='&#65;'>\n <x:c/>\n</x:a>");
        let b = form("<a xmlns='u' xmlns:q='v' a=\"A\" q:b='2' b='1'><c></c><!-- note --></a>");
        assert_eq!(a, b);
        let long = format!("urn:{}", "x".repeat(400));
        let often = form(&format!("<x:a xmlns:x='{long}'>{}</x:a>", "<x:b/>".repeat(1000)));
        assert!(often.len() < 20_000);
        assert_eq!(form("<a>x &amp; y</a>"), form("<a>x <![CDATA[& ]]>y</a>"));
    }

    #[test]
    fn attributes_of_an_extension_are_read() {
        let xml = "<p xmlns='u' count='2' who='a&quot;&gt;&amp;b'><in deep='1'/></p>";
        let element = Extension::element(Place("rspec"), Document::parse(xml).unwrap().root_element());
        assert_eq!(element.value_of("count"), Some("2"));
        assert_eq!(element.value_of("who"), Some("a&quot;>&amp;b"));
        assert_eq!((element.value_of("deep"), element.value_of("none")), (None, None));
    }

    #[test]
    fn what_matters_differs() {
        let forms = [
            "<a/>",
            "<a xmlns='u'/>",
            "<a b=''/>",
            "<a xmlns:x='u' x:b=''/>",
            "<a> </a>",
            "<a>x</a>",
            "<a> x</a>",
            "<a><b/></a>",
            "<a><b/><c/></a>",
            "<a><c/><b/></a>",
            "<a><b/>x</a>",
        ]
        .map(form);
        for (n, one) in forms.iter().enumerate() {
            for other in &forms[n + 1..] {
                assert_ne!(one, other);
            }
        }
    }
}
