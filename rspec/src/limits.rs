//! Bounds on what is read.
//!
//! One scan over the markup, before a tree is built, keeps every later step linear in the size of the
//! document: it stops what nests too deep, what has too many elements or attributes, and namespace
//! declarations that would have to be looked up again and again. It also finds a document type declaration,
//! so that no entity is ever defined.

use crate::error::position_at;
use crate::{RspecError, RspecErrorKind};
use memchr::{memchr, memchr3, memmem};

/// Bounds on a document, checked before anything is built from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document.
    pub max_bytes: usize,
    /// Elements inside each other, the root counted. More than 600 is read as 600.
    pub max_depth: usize,
    /// Elements in all.
    pub max_elements: usize,
    /// Attributes of one element, namespace declarations counted.
    pub max_attributes: usize,
}

impl Default for Limits {
    /// 16 MiB, 64 deep, 500,000 elements (some 40,000 nodes), 256 attributes on one element.
    fn default() -> Self {
        Self { max_bytes: 16 << 20, max_depth: 64, max_elements: 500_000, max_attributes: 256 }
    }
}

impl Limits {
    /// For fragments and frames, which passed the limits of their document when they were made.
    pub(crate) const OWN: Self =
        Self { max_bytes: 1 << 30, max_depth: 600, max_elements: 4_000_000, max_attributes: 1024 };

    /// No document may nest deeper: the walk over extensions recurses.
    const DEEPEST: usize = 600;
}

/// Namespaces in scope, summed over the elements that declare one. Each such element costs a copy of what is in scope.
const MAX_NAMESPACE_WORK: usize = 4_000_000;

/// The longest namespace name, in bytes. Real ones stay below 100; what is kept of each extension names its namespace.
const MAX_NAMESPACE: usize = 512;

/// Checks a document against the limits.
///
/// Only well-formed markup is understood. Where it is not well-formed the scan may stop early, and the parser, which
/// reads the same bytes in the same order, stops there too.
pub(crate) fn check(xml: &str, limits: &Limits) -> Result<(), RspecError> {
    let bytes = xml.as_bytes();
    let fail = |kind, at, message: String| Err(RspecError::new(kind, position_at(xml, at), message));
    if bytes.len() > limits.max_bytes {
        return fail(
            RspecErrorKind::TooLarge,
            0,
            format!("the document has {} bytes; {} are allowed", bytes.len(), limits.max_bytes),
        );
    }
    let deepest = limits.max_depth.min(Limits::DEEPEST);
    let mut elements = 0;
    let mut namespace_work = 0;
    let mut in_scope = 0;
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr(b'<', rest)) {
        let start = at + found;
        let rest = &bytes[start..];
        let skip = |end: &[u8], from: usize| {
            rest.get(from..).and_then(|tail| memmem::find(tail, end)).map(|found| from + found + end.len())
        };
        let length = if rest.starts_with(b"<!--") {
            skip(b"-->", 4)
        } else if rest.starts_with(b"<![CDATA[") {
            skip(b"]]>", 9)
        } else if rest.starts_with(b"<!DOCTYPE") {
            return fail(
                RspecErrorKind::Doctype,
                start,
                "a document type declaration is not accepted in an RSpec".into(),
            );
        } else if rest.starts_with(b"<!") {
            return Ok(());
        } else if rest.starts_with(b"<?") {
            skip(b"?>", 2)
        } else if rest.starts_with(b"</") {
            in_scope -= open.pop().unwrap_or(0);
            skip(b">", 2)
        } else {
            let Some(tag) = Tag::scan(rest) else { return Ok(()) };
            elements += 1;
            if elements > limits.max_elements {
                return fail(
                    RspecErrorKind::TooLarge,
                    start,
                    format!("the document has more than {} elements", limits.max_elements),
                );
            }
            if tag.attributes > limits.max_attributes {
                return fail(
                    RspecErrorKind::TooLarge,
                    start,
                    format!(
                        "the element has {} attributes; {} are allowed",
                        tag.attributes, limits.max_attributes
                    ),
                );
            }
            if open.len() >= deepest {
                return fail(
                    RspecErrorKind::TooDeep,
                    start,
                    format!("elements are nested more than {deepest} deep"),
                );
            }
            if tag.longest_namespace > MAX_NAMESPACE {
                return fail(
                    RspecErrorKind::TooLarge,
                    start,
                    format!("a namespace name is longer than {MAX_NAMESPACE} bytes"),
                );
            }
            if tag.namespaces > 0 {
                namespace_work += in_scope + tag.namespaces;
                if namespace_work > MAX_NAMESPACE_WORK {
                    return fail(
                        RspecErrorKind::TooLarge,
                        start,
                        "the document has too many namespace declarations".into(),
                    );
                }
            }
            if !tag.empty {
                in_scope += tag.namespaces;
                open.push(tag.namespaces);
            }
            Some(tag.length)
        };
        match length {
            Some(length) => at = start + length,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// What the scan has to know of a start tag.
struct Tag {
    length: usize,
    attributes: usize,
    namespaces: usize,
    longest_namespace: usize,
    empty: bool,
}

impl Tag {
    /// Reads the tag at the start of `bytes`; nothing if it does not end.
    fn scan(bytes: &[u8]) -> Option<Self> {
        let mut tag = Self { length: 0, attributes: 0, namespaces: 0, longest_namespace: 0, empty: false };
        let mut at = 1;
        loop {
            let rest = bytes.get(at..)?;
            let found = memchr3(b'>', b'"', b'\'', rest)?;
            let mark = at + found;
            if bytes[mark] == b'>' {
                tag.empty = bytes[mark - 1] == b'/';
                tag.length = mark + 1;
                return Some(tag);
            }
            tag.attributes += 1;
            // Before the first quote the element's name stands as well; white space parts it from the attribute's.
            let before = rest[..found].trim_ascii_start();
            let name = match before.iter().position(u8::is_ascii_whitespace) {
                Some(end) if tag.attributes == 1 => before[end..].trim_ascii_start(),
                _ => before,
            };
            let length = memchr(bytes[mark], bytes.get(mark + 1..)?)?;
            if name.starts_with(b"xmlns") {
                tag.namespaces += 1;
                tag.longest_namespace = tag.longest_namespace.max(length);
            }
            at = mark + 1 + length + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(xml: &str, limits: Limits) -> Option<RspecErrorKind> {
        check(xml, &limits).err().map(|error| error.kind)
    }

    #[test]
    fn each_limit_holds() {
        let limits = Limits { max_bytes: 200, max_depth: 3, max_elements: 5, max_attributes: 2 };
        assert_eq!(kind("<a><b><c/></b></a>", limits), None);
        assert_eq!(kind("<a><b><c><d/></c></b></a>", limits), Some(RspecErrorKind::TooDeep));
        assert_eq!(kind("<a><b/><b/><b/><b/></a>", limits), None);
        assert_eq!(kind("<a><b/><b/><b/><b/><b/></a>", limits), Some(RspecErrorKind::TooLarge));
        assert_eq!(kind("<a x='1' y='2'/>", limits), None);
        assert_eq!(kind("<a x='1' y='2' z='3'/>", limits), Some(RspecErrorKind::TooLarge));
        assert_eq!(kind(&"<a>".repeat(70), limits), Some(RspecErrorKind::TooLarge));
    }

    #[test]
    fn what_only_looks_like_markup_does_not_count() {
        let limits = Limits { max_depth: 1, max_elements: 1, ..Limits::default() };
        let xml = "<?p <b> ?><a x='<y>' z=\"/>'\"><!-- <b><c> --><![CDATA[<d><e><!DOCTYPE]]></a>";
        assert_eq!(kind(xml, limits), None);
    }

    #[test]
    fn a_document_type_is_found_with_its_place() {
        let error = check("<?xml version='1.0'?>\n  <!DOCTYPE a [<!ENTITY b 'c'>]><a/>", &Limits::default());
        let error = error.unwrap_err();
        assert_eq!((error.kind, error.line(), error.column()), (RspecErrorKind::Doctype, 2, 3));
    }

    #[test]
    fn namespaces_declared_over_and_over_are_stopped() {
        let many: String = (0..200).map(|n| format!(" xmlns:n{n}='u{n}'")).collect();
        let again = "<b xmlns:x='y'/>".repeat(30_000);
        assert_eq!(kind(&format!("<a{many}>{again}</a>"), Limits::default()), Some(RspecErrorKind::TooLarge));
        assert_eq!(kind(&format!("<a>{again}</a>"), Limits::default()), None);
        let long = "u".repeat(600);
        let xml = format!("<a x='{long}'><b c='' xmlns='{long}'/></a>");
        assert_eq!(kind(&xml, Limits::default()), Some(RspecErrorKind::TooLarge));
        assert_eq!(kind(&xml.replace("xmlns", "y"), Limits::default()), None);
    }
}
