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

/// A text from the document, cut to what fits in a message.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
