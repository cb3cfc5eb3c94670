//! What is wrong with a document, and where.

use std::fmt;

/// A place in the caller's document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// Line, counted from 1; 0 for what was not read from a document.
    pub line: u32,
    /// Column in characters (not bytes), counted from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// The kinds of error, as far as a caller has to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RspecErrorKind {
    /// Nothing but white space.
    Empty,
    /// Not well-formed XML, or namespace prefixes that are bound to nothing.
    Malformed,
    /// A document type declaration; RSpecs have none, and with it entities could be defined.
    Doctype,
    /// More bytes, elements, attributes or namespaces than [`crate::Limits`] allows.
    TooLarge,
    /// Elements nested deeper than [`crate::Limits`] allows.
    TooDeep,
    /// An RSpec of another version or format: geni_code 4 (BADVERSION) rather than 1.
    WrongVersion,
    /// The root element is no RSpec at all.
    WrongRoot,
    /// A GENI v3 RSpec, but of a type that is of no use here (an advertisement given to Allocate).
    WrongType,
    /// Breaks the schema: an element at the wrong place, a required attribute missing, stray text.
    Schema,
    /// Two nodes, two links or two interfaces with the same client_id.
    DuplicateClientId,
    /// Two volumes of one node with the same name or mount point.
    DuplicateVolume,
    /// What a known extension can ask for and no aggregate here does: geni_code 13 (UNSUPPORTED) rather than 1.
    Unsupported,
    /// An interface_ref that names no interface of the document.
    DanglingInterfaceRef,
    /// One sliver_id on elements that cannot be one sliver.
    ConflictingSliverId,
    /// An attribute whose value cannot be read.
    BadValue,
    /// A fragment or frame of our own making that cannot be read back.
    BadFragment,
}

/// Why a document was refused. Displays as `line 3, column 7: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct RspecError {
    /// What kind of error.
    pub kind: RspecErrorKind,
    /// Where in the caller's document.
    pub position: Position,
    /// What is wrong and what would be right; never the whole document.
    pub message: String,
}

impl RspecError {
    pub(crate) fn new(kind: RspecErrorKind, position: Position, message: impl Into<String>) -> Self {
        Self { kind, position, message: message.into() }
    }

    /// The line of the error, counted from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.position.line
    }

    /// The column of the error in characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.position.column
    }
}

/// The place of a byte of `xml`. Costs a look at everything before it.
pub(crate) fn position_at(xml: &str, offset: usize) -> Position {
    let mut places = Places::new(xml);
    places.at(offset)
}

/// Finds the places of bytes, with one pass over the document for all that are asked for in rising order; going back
/// begins again at the start.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    xml: &'a [u8],
    done: usize,
    position: Position,
}

impl<'a> Places<'a> {
    pub(crate) fn new(xml: &'a str) -> Self {
        Self { xml: xml.as_bytes(), done: 0, position: Position { line: 1, column: 1 } }
    }

    /// The place of the byte at `offset`.
    pub(crate) fn at(&mut self, offset: usize) -> Position {
        let offset = offset.min(self.xml.len());
        if offset < self.done {
            (self.done, self.position) = (0, Position { line: 1, column: 1 });
        }
        let mut rest = &self.xml[self.done..offset];
        let lines = memchr::memchr_iter(b'\n', rest).count();
        if lines > 0 {
            self.position.line += u32::try_from(lines).unwrap_or(u32::MAX);
            self.position.column = 1;
            rest = memchr::memrchr(b'\n', rest).map_or(rest, |last| &rest[last + 1..]);
        }
        // Bytes 10xxxxxx continue a character.
        let characters = rest.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
        self.position.column += u32::try_from(characters).unwrap_or(u32::MAX);
        self.done = offset;
        self.position
    }
}

/// A text from the document, cut to what fits in a message.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let text = "ab\nñö<x/>\n\n  y";
        assert_eq!(position_at(text, 0), Position { line: 1, column: 1 });
        assert_eq!(position_at(text, text.find('<').unwrap()), Position { line: 2, column: 3 });
        assert_eq!(position_at(text, text.find('y').unwrap()), Position { line: 4, column: 3 });
        let mut places = Places::new(text);
        for (offset, _) in text.char_indices() {
            assert_eq!(places.at(offset), position_at(text, offset));
        }
        assert_eq!(position_at(text, 10_000).line, 4);
    }
}
