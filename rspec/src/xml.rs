//! Small things about XML text: names, namespaces, escaping.

use crate::error::shorten;
use crate::{Limits, Position, RspecError, RspecErrorKind, limits};
use roxmltree::{Document, ParsingOptions};
use std::borrow::Cow;
use std::fmt::Write as _;

pub(crate) use crate::namespaces::{EMULAB, GENI, OPSTATE, PRESERVE, UNENFORCED, USER};

/// What XML Schema defines for instance documents: schemaLocation.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A document as it is meant when there is white space before its declaration, where XML allows none: some tools
/// begin their template with a line end. The declaration becomes white space too, so that every position stays.
pub(crate) fn from_its_start(xml: &str) -> Cow<'_, str> {
    let at = xml.len() - xml.trim_start_matches([' ', '\t', '\r', '\n']).len();
    let (space, rest) = xml.split_at(at);
    let Some(end) = rest.find("?>").filter(|_| at > 0 && rest.starts_with("<?xml ")) else {
        return Cow::Borrowed(xml);
    };
    let (declaration, rest) = rest.split_at(end + 2);
    let blank = |c: char| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) };
    let mut out = String::with_capacity(xml.len());
    out.push_str(space);
    out.extend(declaration.chars().map(blank));
    out.push_str(rest);
    Cow::Owned(out)
}

/// Parses text into a tree, within the limits.
pub(crate) fn parse<'a>(xml: &'a str, limits: &Limits) -> Result<Document<'a>, RspecError> {
    if xml.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty() {
        return Err(RspecError::new(
            RspecErrorKind::Empty,
            Position { line: 1, column: 1 },
            "the document is empty where an RSpec is needed",
        ));
    }
    limits::check(xml, limits)?;
    // Beside each element at most a text before it, and as many comments again.
    let nodes_limit =
        u32::try_from(limits.max_elements).unwrap_or(u32::MAX).saturating_mul(3).saturating_add(100);
    let options = ParsingOptions { allow_dtd: false, nodes_limit, ..ParsingOptions::default() };
    Document::parse_with_options(xml, options).map_err(|error| {
        let place = error.pos();
        let kind = match error {
            roxmltree::Error::DtdDetected => RspecErrorKind::Doctype,
            roxmltree::Error::NodesLimitReached
            | roxmltree::Error::AttributesLimitReached
            | roxmltree::Error::NamespacesLimitReached => RspecErrorKind::TooLarge,
            _ => RspecErrorKind::Malformed,
        };
        // The place is told in the position, not twice.
        let text = error.to_string();
        let text = shorten(text.strip_suffix(&format!(" at {place}")).unwrap_or(&text));
        RspecError::new(
            kind,
            Position { line: place.row, column: place.col },
            match kind {
                RspecErrorKind::Malformed => {
                    format!("not well-formed: {}", wrong_character(xml, &error).unwrap_or(text))
                }
                _ => text,
            },
        )
    })
}

/// The parser's complaint about one character; by itself it names the character's first byte only.
fn wrong_character(xml: &str, error: &roxmltree::Error) -> Option<String> {
    let (expected, place) = match error {
        roxmltree::Error::InvalidChar(expected, _, place) => (format!("'{}'", char::from(*expected)), place),
        roxmltree::Error::InvalidChar2(expected, _, place) => ((*expected).to_owned(), place),
        _ => return None,
    };
    let line = xml.split('\n').nth(usize::try_from(place.row).ok()?.checked_sub(1)?)?;
    let found = line.chars().nth(usize::try_from(place.col).ok()?.checked_sub(1)?).unwrap_or('\n');
    let hint = match found {
        '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{ff02}' | '\u{ff07}' => {
            "; values stand between straight quotes, \" or '"
        }
        _ => "",
    };
    Some(format!("expected {expected}, not {found:?} (U+{:04X}){hint}", u32::from(found)))
}

/// Appends `text` as element content.
pub(crate) fn push_text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            c if is_xml_char(c) => out.push(c),
            // What XML cannot hold at all, not even escaped.
            _ => out.push('\u{fffd}'),
        }
    }
}

/// Appends `text` as an attribute value between either sort of quotes.
pub(crate) fn push_value(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c if is_xml_char(c) => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
}

/// Appends ` name="value"`.
pub(crate) fn push_attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    push_value(out, value);
    out.push('"');
}

fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether `text` is white space as XML understands it.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(is_space)
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_character_is_named_whole() {
        for (xml, place, words) in [
            (
                "<rspec>\n  <node client_id=“a”/></rspec>",
                (2, 19),
                "expected a quote, not '“' (U+201C); values stand between straight quotes, \" or '",
            ),
            (
                "<rspec é=‘a’/>",
                (1, 10),
                "expected a quote, not '‘' (U+2018); values stand between straight quotes, \" or '",
            ),
            ("<rspec a−\"b\"/>", (1, 9), "expected '=', not '−' (U+2212)"),
            ("<rspec a='1'\u{a0}b='2'/>", (1, 13), "not"),
            ("<rspec a=\n/>", (2, 1), "expected a quote, not '/' (U+002F)"),
        ] {
            let error = parse(xml, &Limits::default()).unwrap_err();
            assert_eq!(error.kind, RspecErrorKind::Malformed, "{xml:?}: {error}");
            assert!(error.message.contains(words), "{words:?} is not in {error}");
            assert_eq!((error.line(), error.column()), place, "{xml:?}: {error}");
        }
    }
}
