//! XML from strangers: bounds before parsing, and reading that cannot be misled.
//!
//! Everything that could make the parser work hard is counted first in one pass over the text, and a
//! document type declaration ends it there, so that entities never come up. Text is read whole or not at
//! all: comments inside a value are skipped by canonical XML, so a reader that stops at them would see
//! another value than the one that was signed.

use crate::CredentialError;
use crate::effort::Meter;
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::HashSet;

/// The largest credential accepted, in bytes. One level takes about 10 kilobytes.
pub const MAX_BYTES: usize = 512 * 1024;
/// The deepest nesting of elements. One level of delegation takes two.
const MAX_DEPTH: usize = 64;
/// The most attributes of one element.
const MAX_ATTRIBUTES: usize = 32;
/// The most namespace declarations in the whole document.
const MAX_NAMESPACES: usize = 64;
/// The most nodes in the whole document.
const MAX_NODES: u32 = 20_000;
/// The most that names times namespaces times levels of delegation may come to. The parser looks through the namespaces
/// in scope for every name, and what is signed is gone through once for each level. The largest honest credential, of
/// nine levels with 64 privileges each, comes to a quarter of it.
const MAX_LOOKUPS: usize = 1 << 20;
/// What the parser's work on one byte counts as, in steps.
const PARSING: usize = 4;

/// The namespace of the `xml` prefix.
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Parses a document within the bounds. The steps are charged to `meter`.
pub(crate) fn parse<'a>(text: &'a str, meter: &Meter) -> Result<Document<'a>, CredentialError> {
    if text.len() > MAX_BYTES {
        return Err(too_large("bytes", text.len(), MAX_BYTES));
    }
    let text = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_ascii_whitespace());
    meter.charge(text.len());
    check_declaration(text)?;
    meter.charge(PARSING * text.len() + scan(text)?);
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::NodesLimitReached => {
            too_large("nodes or more", MAX_NODES as usize, MAX_NODES as usize)
        }
        // The parser's own message may quote the document.
        error => {
            let at = error.pos();
            CredentialError::NotXml(format!("it is not well-formed at line {}, column {}", at.row, at.col))
        }
    })?;
    check_namespaces(&document)?;
    check_ids(&document)?;
    Ok(document)
}

fn too_large(what: &'static str, found: usize, limit: usize) -> CredentialError {
    CredentialError::TooLarge { what, found, limit }
}

/// Encodings of which ASCII text reads the same as in UTF-8.
const LIKE_ASCII: [&str; 6] = ["ascii", "us-ascii", "iso-8859-1", "latin1", "iso-8859-15", "windows-1252"];

/// The parser does not look into the XML declaration. What it says must be true of the text as it was received: other
/// programs read the document by it.
fn check_declaration(text: &str) -> Result<(), CredentialError> {
    let Some(after) = text.strip_prefix("<?xml").filter(|rest| rest.starts_with(space)) else {
        return Ok(());
    };
    // Without an end it is no document, as the parser says.
    let Some((mut rest, _)) = after.split_once("?>") else { return Ok(()) };
    let mut order = ["version", "encoding", "standalone"].into_iter();
    let mut version = false;
    while !rest.trim_start_matches(space).is_empty() {
        let (name, value, more) = declared(rest).ok_or_else(bad_declaration)?;
        if !order.any(|known| known == name) {
            return Err(bad_declaration());
        }
        let fits = match name {
            "version" => value == "1.0",
            "encoding" if ["utf-8", "utf8"].iter().any(|utf8| value.eq_ignore_ascii_case(utf8)) => true,
            "encoding" => LIKE_ASCII.iter().any(|like| value.eq_ignore_ascii_case(like)) && text.is_ascii(),
            _ => matches!(value, "yes" | "no"),
        };
        if !fits {
            return Err(bad_declaration());
        }
        version |= name == "version";
        rest = more;
    }
    if version { Ok(()) } else { Err(bad_declaration()) }
}

fn bad_declaration() -> CredentialError {
    CredentialError::NotXml(
        "its XML declaration is wrong; it should say version=\"1.0\" and encoding=\"UTF-8\", or be left out"
            .into(),
    )
}

fn space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// The next name and value of an XML declaration, behind white space, and what follows.
fn declared(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.trim_start_matches(space);
    let (name, value) = start.split_once('=').filter(|_| start.len() < text.len())?;
    let value = value.trim_start_matches(space);
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (value, rest) = value.get(1..)?.split_once(quote)?;
    Some((name.trim_end_matches(space), value, rest))
}

/// Whether what follows `<?` begins with a name that an instruction may have.
fn is_instruction(after: &str) -> bool {
    let end = after.find(|c| space(c) || c == '?').unwrap_or(after.len());
    let name = after.get(..end).unwrap_or_default();
    let letter = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}');
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(letter)
}

/// One pass over the markup that counts what the parser's work grows with, and gives how many lookups of namespaces
/// there are. It need not judge well-formedness: where it is misled, the parser refuses the text.
fn scan(text: &str) -> Result<usize, CredentialError> {
    let mut rest = text;
    let (mut depth, mut namespaces, mut names, mut levels) = (0usize, 0usize, 0usize, 1usize);
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        rest = &rest[at..];
        let skipped = if rest.starts_with("<!--") {
            after(rest, 4, "-->")
        } else if rest.starts_with("<![CDATA[") {
            after(rest, 9, "]]>")
        } else if let Some(instruction) = rest.strip_prefix("<?") {
            if !is_instruction(instruction) {
                return Err(CredentialError::NotXml("a processing instruction has no proper name".into()));
            }
            after(rest, 2, "?>")
        } else if rest.starts_with("<!") {
            return Err(CredentialError::NotXml("a document type declaration is not allowed".into()));
        } else if rest.starts_with("</") {
            depth = depth.saturating_sub(1);
            after(rest, 2, ">")
        } else {
            let tag = tag(rest);
            let attributes = equal_signs(tag);
            if attributes > MAX_ATTRIBUTES {
                return Err(too_large("attributes on one element", attributes, MAX_ATTRIBUTES));
            }
            names += 1 + attributes;
            if attributes > 0 {
                namespaces += declared_in(tag);
            }
            if tag
                .strip_prefix("<parent")
                .is_some_and(|after| after.starts_with(['>', ' ', '\t', '\r', '\n']))
            {
                levels += 1;
            }
            if namespaces > MAX_NAMESPACES {
                return Err(too_large("namespace declarations", namespaces, MAX_NAMESPACES));
            }
            if !tag.ends_with("/>") {
                depth += 1;
            }
            if depth > MAX_DEPTH {
                return Err(too_large("levels of nested elements", depth, MAX_DEPTH));
            }
            rest.get(tag.len()..)
        };
        match skipped {
            Some(skipped) => rest = skipped,
            None => break,
        }
    }
    let lookups = names.saturating_mul(namespaces.max(1)).saturating_mul(levels);
    if lookups > MAX_LOOKUPS {
        return Err(too_large("names times namespaces times levels", lookups, MAX_LOOKUPS));
    }
    Ok(lookups)
}

/// What follows the first `end` behind the first `from` bytes.
fn after<'a>(text: &'a str, from: usize, end: &str) -> Option<&'a str> {
    let body = text.get(from..)?;
    body.get(body.find(end)? + end.len()..)
}

/// The start tag at the head of `text`, with its `>`, which quotes may hide.
pub(crate) fn tag(text: &str) -> &str {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return text.get(..=at).unwrap_or(text),
            (None, _) => {}
        }
    }
    text
}

/// The equal signs outside quotes: one for each attribute.
fn equal_signs(tag: &str) -> usize {
    let mut quote = None;
    let mut count = 0;
    for byte in tag.bytes() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'=') => count += 1,
            (None, _) => {}
        }
    }
    count
}

/// How many namespaces a start tag declares.
pub(crate) fn declared_in(tag: &str) -> usize {
    if memchr::memmem::find(tag.as_bytes(), b"xmlns").is_none() {
        return 0;
    }
    let mut quote = None;
    let mut count = 0;
    let mut before = b'<';
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'x') if before.is_ascii_whitespace() || matches!(before, b'"' | b'\'') => {
                let after = tag.as_bytes().get(at..).and_then(|name| name.strip_prefix(b"xmlns"));
                let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b':' | b'=');
                count += usize::from(after.and_then(<[u8]>::first).is_some_and(ends));
            }
            (None, _) => {}
        }
        before = byte;
    }
    count
}

/// The parser lets two things through that are not well-formed and that canonical XML has no form for:
/// two default namespaces on one element, and a prefix bound to nothing.
fn check_namespaces(document: &Document<'_>) -> Result<(), CredentialError> {
    let text = document.input_text();
    for element in document.descendants().filter(Node::is_element) {
        // The parser lists an element's own namespaces first; those around it were checked there.
        let own = declared_in(tag(text.get(element.range().start..).unwrap_or_default()));
        let own = || element.namespaces().take(own);
        let defaults = own().filter(|namespace| namespace.name().is_none()).count();
        let unbound = own().any(|namespace| namespace.name().is_some() && namespace.uri().is_empty());
        if defaults > 1 || unbound {
            return Err(CredentialError::NotXml("a namespace is declared twice or bound to nothing".into()));
        }
    }
    Ok(())
}

/// A signature names what it signs by `xml:id`: two elements with the same one would make that ambiguous.
fn check_ids(document: &Document<'_>) -> Result<(), CredentialError> {
    let mut seen = HashSet::new();
    for id in document.descendants().filter_map(|node| node.attribute((XML, "id"))) {
        if !seen.insert(id) {
            return Err(CredentialError::NotACredential("two elements have the same xml:id".into()));
        }
    }
    Ok(())
}

/// The element children with this local name and no namespace.
pub(crate) fn children<'a, 'i>(
    parent: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    children_in(parent, None, name)
}

/// The element children with this local name in this namespace.
pub(crate) fn children_in<'a, 'i>(
    parent: Node<'a, 'i>,
    namespace: Option<&'static str>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    parent.children().filter(move |node| {
        node.is_element() && node.tag_name().name() == name && node.tag_name().namespace() == namespace
    })
}

/// The one child with this name; `None` when there is none.
///
/// # Errors
/// The reason, when there are several.
pub(crate) fn at_most_one<'a, 'i>(
    parent: Node<'a, 'i>,
    name: &'static str,
) -> Result<Option<Node<'a, 'i>>, String> {
    let mut found = children(parent, name);
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        _ => Err(format!("more than one {name} element; exactly one is allowed")),
    }
}

/// The one child with this name.
///
/// # Errors
/// The reason, when there is none or several.
pub(crate) fn exactly_one<'a, 'i>(parent: Node<'a, 'i>, name: &'static str) -> Result<Node<'a, 'i>, String> {
    at_most_one(parent, name)?.ok_or_else(|| format!("the {name} element is missing"))
}

/// All the text of an element that holds nothing else.
///
/// # Errors
/// The reason, when there are elements inside.
pub(crate) fn text(element: Node<'_, '_>) -> Result<String, String> {
    let mut all = String::new();
    for node in element.children() {
        if node.is_element() {
            return Err(format!(
                "{} holds the element {}; only text is allowed",
                short(element.tag_name().name()),
                short(node.tag_name().name())
            ));
        }
        if node.is_text() {
            all.push_str(node.text().unwrap_or_default());
        }
    }
    Ok(all)
}

/// A name or value from the document, cut to a length fit for messages.
pub(crate) fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn refused(text: &str) -> String {
        let error = parse(text, &Meter::unlimited()).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        error.to_string()
    }

    #[test]
    fn bounds_hold_before_parsing() {
        assert!(refused(&"x".repeat(MAX_BYTES + 1)).contains("bytes"));
        assert!(refused(&"<a>".repeat(100_000)).contains("nested"));
        let attributes: String = (0..40).map(|n| format!(" a{n}=''")).collect();
        assert!(refused(&format!("<a{attributes}/>")).contains("attributes"));
        let namespaces: String = (0..100).map(|n| format!("<a xmlns:n{n}='u'/>")).collect();
        assert!(refused(&format!("<r>{namespaces}</r>")).contains("namespace"));
        assert!(refused(&format!("<r>{}</r>", "<a/>".repeat(30_000))).contains("nodes"));
    }

    #[test]
    fn document_types_and_broken_documents_are_refused() {
        assert!(refused("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>").contains("document type"));
        assert!(refused("<?xml version='1.0'?> <!-- x --><!DOCTYPE a><a/>").contains("document type"));
        for broken in [
            "",
            " ",
            "<",
            "<a",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a>&b;</a>",
            "<a b='1' b='2'/>",
            "plain",
            "<a xmlns='x' xmlns='y'/>",
            "<a xmlns:p=''/>",
            "<p:a/>",
            "<!--",
            "<![CDATA[",
            "<?",
            "</",
            "<a b='>",
        ] {
            assert!(!refused(broken).is_empty(), "{broken}");
        }
    }

    // The parser takes all of these.
    #[test]
    fn a_declaration_must_be_true() {
        for wrong in [
            "encoding=\"UTF-8\"",
            "version=\"\"",
            "version=\"1.0 \"",
            "version=\"1.1\"",
            "version=\"1.0\"encoding=\"UTF-8\"",
            "version=\"1.0\" encoding=\"=UTF-8\"",
            "version=\"1.0\" encoding=\"UTF-16\"",
            "version=\"1.0\" encoding0=\"UTF-8\"",
            "version=\"1.0\" standalone=\"maybe\"",
            "version=\"1.0\" standalone=\"no\" encoding=\"UTF-8\"",
            "version=\"1.0\" version=\"1.0\"",
        ] {
            refused(&format!("<?xml {wrong}?><a/>"));
        }
        refused("<?xml version='1.0' encoding='ISO-8859-1'?><a>\u{e4}</a>");
        for strange in ["<?x\"l b?><a/>", "<a><?=l?></a>", "<?xm< version='1.0'?><a/>", "<a><? x?></a>"] {
            refused(strange);
        }
        for right in [
            "<?xml version=\"1.0\"?><a/>",
            "<?xml version = '1.0'\n\tencoding = 'utf-8' ?><a>\u{e4}</a>",
            "<?xml version='1.0' encoding='ISO-8859-1' standalone='yes'?><a/>",
            "<?xml version='1.0' encoding='us-ascii'?><a/>",
            "<?xml-stylesheet href='x'?><a/>",
        ] {
            assert!(parse(right, &Meter::unlimited()).is_ok(), "{right}");
        }
    }

    #[test]
    fn messages_do_not_quote_the_document() {
        assert!(!refused("<a>secret</b>").contains("secret"));
        assert!(!refused("<secret></b>").contains("secret"));
    }

    #[test]
    fn markup_inside_quotes_comments_and_data_is_not_counted() {
        let many = "<a>".repeat(200);
        for good in [
            format!("<r><!-- {many} --></r>"),
            format!("<r><![CDATA[{many}]]></r>"),
            format!("<r><?pi {many}?></r>"),
            "<r a='>' b=\"=====================================\"/>".to_owned(),
            "\u{feff} \n<?xml version='1.0'?><r/>".to_owned(),
        ] {
            assert!(parse(&good, &Meter::unlimited()).is_ok(), "{good}");
        }
    }

    #[test]
    fn equal_ids_are_refused() {
        assert!(refused("<a xml:id='x'><b xml:id='x'/></a>").contains("xml:id"));
        assert!(parse("<a xml:id='x'><b xml:id='y' id='x'/></a>", &Meter::unlimited()).is_ok());
    }

    #[test]
    fn text_is_read_across_comments_and_never_through_elements() {
        let document =
            parse("<r><a>em<!-- x -->bed<![CDATA[&]]></a><b>x<c/></b></r>", &Meter::unlimited()).unwrap();
        let element = |name| children(document.root_element(), name).next().unwrap();
        assert_eq!(text(element("a")).unwrap(), "embed&");
        assert!(text(element("b")).is_err());
        assert!(exactly_one(document.root_element(), "z").is_err());
    }
}
