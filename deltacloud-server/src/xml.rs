//! A small tree for XML answers, written out indented.

use std::fmt::Write;

/// What every document begins with.
pub const DECLARATION: &str = "<?xml version='1.0' encoding='utf-8' ?>\n";

/// An element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Children(Vec<Element>),
    Text(String),
    CData(String),
}

impl Element {
    /// An empty element.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), content: Content::Children(Vec::new()) }
    }

    /// An element that holds text.
    #[must_use]
    pub fn leaf(name: &'static str, text: impl Into<String>) -> Self {
        Self { content: Content::Text(text.into()), ..Self::new(name) }
    }

    /// An element whose text stands in a CDATA section, as the API has messages and metadata.
    #[must_use]
    pub fn cdata(name: &'static str, text: impl Into<String>) -> Self {
        Self { content: Content::CData(text.into()), ..Self::new(name) }
    }

    /// With an attribute more.
    #[must_use]
    pub fn attr(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// With a child more. An element that held text forgets it.
    #[must_use]
    pub fn with(mut self, child: Self) -> Self {
        self.push(child);
        self
    }

    /// With these children more.
    #[must_use]
    pub fn with_all(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        for child in children {
            self.push(child);
        }
        self
    }

    fn push(&mut self, child: Self) {
        match &mut self.content {
            Content::Children(children) => children.push(child),
            Content::Text(_) | Content::CData(_) => self.content = Content::Children(vec![child]),
        }
    }

    /// The document with this element as its root.
    #[must_use]
    pub fn document(&self) -> String {
        let mut out = String::from(DECLARATION);
        self.write(&mut out, 0);
        out
    }

    /// Writes it with everything in it, indented as something so deep in a document.
    pub fn write(&self, out: &mut String, depth: usize) {
        indent(out, depth);
        out.push('<');
        out.push_str(self.name);
        for (name, value) in &self.attributes {
            // Writing to a string does not fail.
            let _ = write!(out, " {name}='");
            escape(out, value);
            out.push('\'');
        }
        match &self.content {
            Content::Children(children) if children.is_empty() => {
                let _ = writeln!(out, "></{}>", self.name);
            }
            Content::Children(children) => {
                out.push_str(">\n");
                for child in children {
                    child.write(out, depth + 1);
                }
                indent(out, depth);
                let _ = writeln!(out, "</{}>", self.name);
            }
            Content::Text(text) => {
                out.push('>');
                escape(out, text);
                let _ = writeln!(out, "</{}>", self.name);
            }
            Content::CData(text) => {
                out.push_str("><![CDATA[");
                // The end of a section cannot stand in one: it is divided between two.
                out.push_str(&clean(text).replace("]]>", "]]]]><![CDATA[>"));
                let _ = writeln!(out, "]]></{}>", self.name);
            }
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// Whether XML 1.0 can hold the character at all.
fn holds(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..) && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if holds(c) { c } else { '\u{fffd}' }).collect()
}

/// Writes text as content of an element or of an attribute; also right for HTML.
pub fn escape(out: &mut String, text: &str) {
    // Nearly all of most texts stands for itself, and goes over in one piece.
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let instead = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '\'' => "&#39;",
            '"' => "&quot;",
            '\r' => "&#13;",
            c if holds(c) => continue,
            _ => "\u{fffd}",
        };
        out.push_str(&text[from..at]);
        out.push_str(instead);
        from = at + c.len_utf8();
    }
    out.push_str(&text[from..]);
}

/// As [`escape`], into a text of its own.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_indented_and_escaped() {
        let document = Element::new("realm")
            .attr("id", "a'b")
            .with(Element::leaf("name", "x < y & z"))
            .with(Element::new("limit"))
            .document();
        assert_eq!(
            document,
            "<?xml version='1.0' encoding='utf-8' ?>\n<realm id='a&#39;b'>\n  <name>x &lt; y &amp; z</name>\n  \
             <limit></limit>\n</realm>\n"
        );
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_a_reader(text in "[^\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}\u{fffe}\u{ffff}\r]*") {
            let written = Element::new("a").attr("b", text.replace(['\n', '\t'], " "))
                .with(Element::leaf("c", text.clone())).with(Element::cdata("d", text.clone())).document();
            let read = roxmltree::Document::parse(&written).unwrap();
            let all = |name: &str| -> String {
                read.descendants().find(|n| n.has_tag_name(name)).unwrap()
                    .children().filter_map(|n| n.text()).collect()
            };
            prop_assert_eq!(all("c"), text.clone());
            prop_assert_eq!(all("d"), text);
        }
    }
}
