//! What can go wrong with a store.

use super::UnreadableRow;
use std::path::PathBuf;
use urn::Urn;

/// Why the store did not do what it was asked. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The slice is not what it was when it was loaded.
    #[error("slice {slice} was changed by another call meanwhile: load it and try again")]
    Conflict {
        /// The slice.
        slice: Urn,
    },
    /// Not enough of a resource is free.
    #[error("not enough {resource}: {wanted} more wanted, {free} of {total} free")]
    Exhausted {
        /// The resource.
        resource: String,
        /// How much more was wanted.
        wanted: u64,
        /// How much of it is free.
        free: u64,
        /// How much there is in all.
        total: u64,
    },
    /// A sliver of this name exists, or once did.
    #[error("sliver name {sliver} was used before: names are never given twice")]
    NameTaken {
        /// The name.
        sliver: Urn,
    },
    /// Another process has the database.
    #[error("{} is in use by another process: two services cannot share one database file", .path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The database file has several names.
    #[error(
        "{} has {names} names (hard links), and the database keeps a log beside each name: remove all names but one", .path.display()
    )]
    Linked {
        /// The database.
        path: PathBuf,
        /// How many names it has.
        names: u64,
    },
    /// The database was written by a later version of this program.
    #[error(
        "{} has schema version {found}, this program knows versions up to {known}: run the newer program, or restore a copy from before the upgrade", .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The latest schema version known here.
        known: i64,
    },
    /// The file cannot be made or opened.
    #[error("cannot open {}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// What is stored is not what this program writes.
    #[error("the database holds an unreadable {what}")]
    Corrupt {
        /// Which value.
        what: &'static str,
    },
    /// A row of what was asked for cannot be read; everything else can.
    #[error("a row of the database cannot be read: {row}")]
    Unreadable {
        /// The row.
        row: UnreadableRow,
    },
    /// The file as a whole is damaged.
    #[error(
        "{} is damaged ({finding}): restore a copy, or recover what is readable with the sqlite3 program (.recover)", .path.display()
    )]
    Malformed {
        /// The database.
        path: PathBuf,
        /// What was found first.
        finding: String,
    },
    /// The file is not there any more under its name: whatever were written now would be lost.
    #[error("{} was {how} while the service was running: what it holds cannot be kept any more", .path.display())]
    Lost {
        /// The database, or its log.
        path: PathBuf,
        /// `removed`, or `replaced by another file`.
        how: &'static str,
    },
    /// The database failed.
    #[error("database: {0}")]
    Database(String),
    /// The store is closing.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The `geni_code` with which a call that met this error answers (AM API v3, table of return codes).
    #[must_use]
    pub fn geni_code(&self) -> i32 {
        match self {
            Self::Exhausted { .. } => TOOBIG,
            Self::Conflict { .. } => BUSY,
            Self::NameTaken { .. } => SERVERERROR,
            Self::Closed => UNAVAILABLE,
            Self::InUse { .. }
            | Self::Linked { .. }
            | Self::Newer { .. }
            | Self::File { .. }
            | Self::Corrupt { .. }
            | Self::Unreadable { .. }
            | Self::Malformed { .. }
            | Self::Lost { .. }
            | Self::Database(_) => DBERROR,
        }
    }
}

const SERVERERROR: i32 = 5;
const TOOBIG: i32 = 6;
const DBERROR: i32 = 9;
const UNAVAILABLE: i32 = 11;
const BUSY: i32 = 14;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        // A statement's error may quote SQL, which holds no values here: they are bound, never written in.
        Self::Database(error.to_string())
    }
}
