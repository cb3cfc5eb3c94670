//! The text of an element, and how to change it without touching what need not change.
//!
//! What we do not understand must come back untouched. So an element is never taken apart and written anew: its
//! text is kept as it stood, and changes are edits of byte ranges. Moving an element to another document only takes the
//! namespaces that were in scope where it stood, declared again in its start tag.

use crate::xml::{GENI, is_space, push_attribute, push_value};
use ahash::AHashMap;
use roxmltree::{Document, Node};
use std::ops::Range;
use std::sync::Arc;

/// Prefixes and what they stand for; no prefix is the default namespace.
pub(crate) type Scope = Vec<(Option<String>, String)>;

/// The text of one element as it stood in its document, with the namespaces in scope around it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    text: Box<str>,
    scope: Arc<Scope>,
}

impl Source {
    pub(crate) fn new(text: &str, scope: Arc<Scope>) -> Self {
        Self { text: text.into(), scope }
    }

    /// The element as XML that stands alone.
    pub(crate) fn standalone(&self) -> String {
        let tag = StartTag::read(&self.text, 0);
        let mut declarations = String::new();
        for (prefix, uri) in self.scope.iter() {
            if tag.declaration(&self.text, prefix.as_deref()).is_none() {
                push_declaration(&mut declarations, prefix.as_deref(), uri);
            }
        }
        let mut out = String::with_capacity(self.text.len() + declarations.len());
        out.push_str(&self.text[..tag.name_end]);
        out.push_str(&declarations);
        out.push_str(&self.text[tag.name_end..]);
        out
    }
}

/// The namespaces an element puts in scope for its children, `xml` left out.
pub(crate) fn scope_of(element: Node<'_, '_>) -> Scope {
    element
        .namespaces()
        .filter(|namespace| namespace.name() != Some("xml"))
        .filter(|namespace| namespace.name().is_some() || !namespace.uri().is_empty())
        .map(|namespace| (namespace.name().map(str::to_owned), namespace.uri().to_owned()))
        .collect()
}

fn push_declaration(out: &mut String, prefix: Option<&str>, uri: &str) {
    match prefix {
        Some(prefix) => push_attribute(out, &format!("xmlns:{prefix}"), uri),
        None => push_attribute(out, "xmlns", uri),
    }
}

/// What the document declares around an element that is put into it: GENI's namespace as default, and prefixes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    prefixes: Vec<(String, String)>,
    by_prefix: AHashMap<String, usize>,
    /// The first prefix of each namespace.
    by_uri: AHashMap<String, usize>,
    /// The number behind a wanted prefix that was tried last: the next search goes on from there.
    tried: AHashMap<String, usize>,
}

impl Context {
    pub(crate) fn get(&self, prefix: &str) -> Option<&str> {
        self.by_prefix.get(prefix).map(|at| self.prefixes[*at].1.as_str())
    }

    pub(crate) fn prefix_of(&self, uri: &str) -> Option<&str> {
        self.by_uri.get(uri).map(|at| self.prefixes[*at].0.as_str())
    }

    /// Declares a prefix unless it stands for something already.
    pub(crate) fn declare(&mut self, prefix: &str, uri: &str) {
        if self.by_prefix.contains_key(prefix) {
            return;
        }
        let at = self.prefixes.len();
        self.prefixes.push((prefix.to_owned(), uri.to_owned()));
        self.by_prefix.insert(prefix.to_owned(), at);
        self.by_uri.entry(uri.to_owned()).or_insert(at);
    }

    /// A prefix for `uri`: the wanted one if it is free, else another.
    pub(crate) fn prefix_for(&mut self, wanted: &str, uri: &str) -> String {
        if let Some(prefix) = self.prefix_of(uri) {
            return prefix.to_owned();
        }
        let mut prefix = wanted.to_owned();
        let mut n = self.tried.get(wanted).copied().unwrap_or(0);
        while self.by_prefix.contains_key(&prefix) {
            n += 1;
            prefix = format!("{wanted}{n}");
        }
        self.tried.insert(wanted.to_owned(), n);
        self.declare(&prefix, uri);
        prefix
    }

    /// Appends the declarations, the default namespace first.
    pub(crate) fn push_declarations(&self, out: &mut String) {
        push_declaration(out, None, GENI);
        for (prefix, uri) in &self.prefixes {
            push_declaration(out, Some(prefix), uri);
        }
    }

    /// Notes what has to change in the start tag of a stand-alone element that is put into this context.
    pub(crate) fn adapt(&self, edits: &mut Edits<'_>, document: &Document<'_>) {
        let root = document.root_element();
        let tag = StartTag::read(edits.text, root.range().start);
        for attribute in &tag.attributes {
            let name = &edits.text[attribute.name.clone()];
            let prefix = match name.strip_prefix("xmlns") {
                Some("") => None,
                Some(rest) if rest.starts_with(':') => Some(&rest[1..]),
                _ => continue,
            };
            let bound = root.lookup_namespace_uri(prefix);
            let around = match prefix {
                None => Some(GENI),
                Some(prefix) => self.get(prefix),
            };
            if bound.is_some() && bound == around {
                edits.remove(attribute.whole.clone());
            }
        }
        if tag.declaration(edits.text, None).is_none() {
            edits.insert(tag.name_end, " xmlns=\"\"".to_owned());
        }
    }

    /// A stand-alone element as it is written into this context.
    pub(crate) fn place(&self, standalone: &str) -> String {
        match Document::parse(standalone) {
            Ok(document) => {
                let mut edits = Edits::new(standalone);
                self.adapt(&mut edits, &document);
                edits.apply(document.root_element().range())
            }
            // Never for what was read from a well-formed document; then it is still right, only longer.
            Err(_) => standalone.to_owned(),
        }
    }
}

/// An attribute in a start tag, as ranges of the text.
#[derive(Debug)]
pub(crate) struct TagAttribute {
    /// With the white space before it.
    whole: Range<usize>,
    name: Range<usize>,
    /// Between the quotes.
    value: Range<usize>,
}

/// A start tag, as ranges of the text.
#[derive(Debug)]
pub(crate) struct StartTag {
    start: usize,
    pub(crate) name_end: usize,
    attributes: Vec<TagAttribute>,
    /// Where a further attribute goes.
    attributes_end: usize,
    /// After the `>`.
    end: usize,
    empty: bool,
}

impl StartTag {
    /// Reads the start tag at `start` of well-formed text. On other text the ranges mean nothing, but lie within it.
    pub(crate) fn read(text: &str, start: usize) -> Self {
        let bytes = text.as_bytes();
        let until = |from: usize, stop: &dyn Fn(u8) -> bool| {
            bytes
                .get(from..)
                .and_then(|rest| rest.iter().position(|b| stop(*b)))
                .map_or(bytes.len(), |n| from + n)
        };
        let name_end = until(start, &|b| is_space(b) || b == b'/' || b == b'>');
        let mut tag = Self {
            start,
            name_end,
            attributes: Vec::new(),
            attributes_end: name_end,
            end: bytes.len(),
            empty: false,
        };
        let mut at = name_end;
        loop {
            let name = until(at, &|b| !is_space(b));
            match bytes.get(name) {
                None => return tag,
                Some(b'>') => {
                    tag.end = name + 1;
                    return tag;
                }
                Some(b'/') => {
                    tag.end = (name + 2).min(bytes.len());
                    tag.empty = true;
                    return tag;
                }
                Some(_) => {}
            }
            let after_name = until(name, &|b| is_space(b) || b == b'=');
            let open = until(after_name, &|b| b == b'"' || b == b'\'');
            let Some(quote) = bytes.get(open).copied() else { return tag };
            let close = until(open + 1, &|b| b == quote);
            let whole_end = (close + 1).min(bytes.len());
            tag.attributes.push(TagAttribute {
                whole: at..whole_end,
                name: name..after_name,
                value: open + 1..close,
            });
            tag.attributes_end = whole_end;
            at = whole_end;
        }
    }

    /// The declaration of a prefix in this tag.
    fn declaration(&self, text: &str, prefix: Option<&str>) -> Option<&TagAttribute> {
        self.attributes.iter().find(|attribute| {
            match (text[attribute.name.clone()].strip_prefix("xmlns"), prefix) {
                (Some(""), None) => true,
                (Some(rest), Some(prefix)) => rest.strip_prefix(':') == Some(prefix),
                _ => false,
            }
        })
    }

    fn attribute(&self, text: &str, name: &str) -> Option<&TagAttribute> {
        self.attributes.iter().find(|attribute| &text[attribute.name.clone()] == name)
    }
}

/// Changes to a text, collected first and made in one go.
#[derive(Debug)]
pub(crate) struct Edits<'a> {
    text: &'a str,
    edits: Vec<(Range<usize>, String)>,
}

impl<'a> Edits<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, edits: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    fn remove(&mut self, range: Range<usize>) {
        self.edits.push((range, String::new()));
    }

    fn insert(&mut self, at: usize, text: String) {
        self.edits.push((at..at, text));
    }

    /// Takes out an attribute without a namespace.
    pub(crate) fn remove_attribute(&mut self, element: Node<'_, '_>, name: &str) {
        let tag = StartTag::read(self.text, element.range().start);
        if let Some(attribute) = tag.attribute(self.text, name) {
            self.remove(attribute.whole.clone());
        }
    }

    /// Sets attributes without a namespace; one that has the value already keeps its spelling.
    pub(crate) fn set_attributes(&mut self, element: Node<'_, '_>, values: &[(&str, Option<&str>)]) {
        let tag = StartTag::read(self.text, element.range().start);
        let mut added = String::new();
        for (name, value) in values {
            let Some(value) = value else { continue };
            match tag.attribute(self.text, name) {
                Some(_) if element.attribute(*name) == Some(value) => {}
                Some(attribute) => {
                    let mut text = String::new();
                    push_value(&mut text, value);
                    self.edits.push((attribute.value.clone(), text));
                }
                None => push_attribute(&mut added, name, value),
            }
        }
        if !added.is_empty() {
            self.insert(tag.attributes_end, added);
        }
    }

    /// Takes out an element with the white space before it.
    pub(crate) fn remove_element(&mut self, element: Node<'_, '_>) {
        let range = element.range();
        self.remove(self.before_blank(range.start)..range.end);
    }

    /// Adds children after the last one; at most once per element.
    pub(crate) fn append(&mut self, element: Node<'_, '_>, children: String) {
        if children.is_empty() {
            return;
        }
        let tag = StartTag::read(self.text, element.range().start);
        if tag.empty {
            let name = &self.text[tag.start + 1..tag.name_end];
            self.edits.push((tag.attributes_end..tag.end, format!(">{children}</{name}>")));
        } else {
            let range = element.range();
            let end_tag = self.text[range.clone()].rfind("</").map_or(range.end, |n| range.start + n);
            self.insert(self.before_blank(end_tag).max(tag.end), children);
        }
    }

    /// The first byte of the white space that ends at `at`.
    fn before_blank(&self, at: usize) -> usize {
        let blank = self.text.as_bytes()[..at].iter().rev().take_while(|b| is_space(**b)).count();
        at - blank
    }

    /// The text of `range` with all edits made.
    pub(crate) fn apply(mut self, range: Range<usize>) -> String {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let added: usize = self.edits.iter().map(|(_, text)| text.len()).sum();
        let mut out = String::with_capacity(range.len() + added);
        let mut at = range.start;
        for (edit, text) in &self.edits {
            // Edits inside a part that is taken out go with it.
            if edit.start < at {
                continue;
            }
            out.push_str(&self.text[at..edit.start]);
            out.push_str(text);
            at = edit.end;
        }
        out.push_str(&self.text[at..range.end]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, change: impl Fn(&mut Edits<'_>, Node<'_, '_>)) -> String {
        let document = Document::parse(text).unwrap();
        let mut edits = Edits::new(text);
        change(&mut edits, document.root_element());
        edits.apply(0..text.len())
    }

    #[test]
    fn attributes_change_and_nothing_else() {
        let set =
            |text: &str| edit(text, |e, root| e.set_attributes(root, &[("b", Some("<\"'")), ("n", None)]));
        assert_eq!(set("<a/>"), "<a b=\"&lt;&quot;&apos;\"/>");
        assert_eq!(set("<a  c = '>'\n>x</a >"), "<a  c = '>' b=\"&lt;&quot;&apos;\"\n>x</a >");
        assert_eq!(set("<a b='old' x:b='1' xmlns:x='u'/>"), "<a b='&lt;&quot;&apos;' x:b='1' xmlns:x='u'/>");
        assert_eq!(set("<a b='&#60;\"&apos;'/>"), "<a b='&#60;\"&apos;'/>");
        assert_eq!(
            edit("<a  c='1'\n b='2' d='3'/>", |e, root| e.remove_attribute(root, "b")),
            "<a  c='1' d='3'/>"
        );
    }

    #[test]
    fn children_come_and_go_without_a_trace() {
        let add = |text: &str| edit(text, |e, root| e.append(root, "\n  <n/>".into()));
        let take = |text: &str| {
            edit(text, |e, root| {
                for child in root.children().filter(|child| child.has_tag_name("n")) {
                    e.remove_element(child);
                }
            })
        };
        for text in [
            "<a></a>",
            "<a>\n <b/>\n</a>",
            "<a><b>n</b></a>",
            "<a><!-- </a> --></a>",
            "<x:a xmlns:x='u'><b/> </x:a >",
        ] {
            assert_eq!(take(&add(text)), text);
        }
        assert_eq!(add("<a b='1' />"), "<a b='1'>\n  <n/></a>");
    }

    #[test]
    fn a_moved_element_keeps_its_namespaces() {
        let whole = "<r xmlns='u' xmlns:p='v' xmlns:q='w'><n xmlns:q='other' p:a='1'><c/></n></r>";
        let document = Document::parse(whole).unwrap();
        let root = document.root_element();
        let child = root.first_element_child().unwrap();
        let source = Source::new(&whole[child.range()], Arc::new(scope_of(root)));
        let alone = source.standalone();
        assert_eq!(alone, "<n xmlns=\"u\" xmlns:p=\"v\" xmlns:q='other' p:a='1'><c/></n>");
        let again = Document::parse(&alone).unwrap();
        assert_eq!(crate::canonical::canonical(again.root_element()), crate::canonical::canonical(child));
    }

    #[test]
    fn what_the_context_declares_is_not_declared_again() {
        let mut context = Context::default();
        context.declare("p", "v");
        context.declare("q", "w");
        let geni = format!("<n xmlns='{GENI}' xmlns:p='v' xmlns:q='x' a='1'/>");
        assert_eq!(context.place(&geni), "<n xmlns:q='x' a='1'/>");
        assert_eq!(context.place("<p:n xmlns:p='v'><m/></p:n>"), "<p:n xmlns=\"\"><m/></p:n>");
        assert_eq!(context.prefix_for("p", "v"), "p");
        assert_eq!(context.prefix_for("p", "z"), "p1");
    }
}
