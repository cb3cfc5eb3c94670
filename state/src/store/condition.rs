//! How well a store is.

use std::fmt;
use std::time::Duration;

/// A row that cannot be read. It stays where it is, and nothing is done with what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnreadableRow {
    /// The table.
    pub table: &'static str,
    /// The row's key, as far as it is text: the folded name of the slice or sliver.
    pub key: String,
    /// The slice it belongs to, in whatever spelling the row has. Empty if it cannot be told.
    pub slice: String,
    /// The value that cannot be read.
    pub what: &'static str,
}

impl fmt::Display for UnreadableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} in table {}, row {}", self.what, self.table, self.key.escape_debug())
    }
}

/// What a store knows of its own condition without being asked to look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// How long ago a commit failed last, and why.
    pub failed_commit: Option<(Duration, String)>,
    /// What the last examination found wrong with the file as a whole.
    pub findings: Vec<String>,
    /// Rows that cannot be read.
    pub unreadable: Vec<UnreadableRow>,
    /// Bytes that can still be written to the disk with the database; `None` if the system does not tell.
    pub free_bytes: Option<u64>,
}
