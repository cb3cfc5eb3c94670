//! The embedded store: one SQLite file.
//!
//! One thread writes. It takes all saves that are waiting, runs each in its own savepoint, commits them
//! together and only then acknowledges them: the disk is waited for once, not once per call, and a save that
//! fails takes none of the others with it. Readers have connections of their own and, with the write-ahead
//! log, never wait for the writer.

mod open;
mod read;
mod row;
mod totals;
mod write;
mod writer;

use super::{Counts, DepartedSliver, RosterEntry, Store, StoreError, UnsettledSliver, Whereabouts};
use crate::ledger::Availability;
use crate::machine::Transition;
use crate::slice::Slice;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use read::Readers;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use urn::Urn;
use writer::Writer;

/// A store in one SQLite file. See the trait [`Store`].
///
/// Its methods have to be awaited inside a Tokio runtime.
#[derive(Debug)]
pub struct SqliteStore {
    // Dropped in this order: the last connection to close, the writer's, folds the log into the file; only
    // then may another service have it.
    readers: Arc<Readers>,
    writer: Writer,
    _lock: File,
}

impl SqliteStore {
    /// Opens the database at `path`, making it if it is not there (mode 0600, like the files beside it), and
    /// brings its schema up to date. Blocks: call it before serving, or off the async threads.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process (or another store of this one) has it open,
    /// [`StoreError::Newer`] if a later version of this program wrote it, [`StoreError::File`] and
    /// [`StoreError::Database`] for the rest.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = open::lock(path)?;
        let (connection, changes) = open::writer_connection(path)?;
        let readers = Arc::new(Readers::open(path)?);
        let writer = Writer::start(connection, changes)?;
        Ok(Self { readers, writer, _lock: lock })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self, slice: &Urn) -> Result<Option<Slice>, StoreError> {
        let slice = slice.clone();
        self.readers.run(move |connection| read::load(connection, &slice)).await
    }

    async fn slice_of(&self, sliver: &Urn) -> Result<Option<Whereabouts>, StoreError> {
        let sliver = sliver.clone();
        self.readers.run(move |connection| read::slice_of(connection, &sliver)).await
    }

    async fn save(&self, transition: &Transition) -> Result<u64, StoreError> {
        if transition.is_noop() {
            return Ok(transition.slice.version);
        }
        // Rows are made here, on the caller's thread, so that the writer has nothing to do but write.
        let rows = row::Rows::of(transition)?;
        self.writer.run(move |connection| write::save(connection, &rows)).await
    }

    async fn set_totals(&self, totals: &BTreeMap<String, u64>) -> Result<(), StoreError> {
        let totals = totals.clone();
        self.writer.run(move |connection| totals::set(connection, &totals)).await
    }

    async fn availability(&self) -> Result<BTreeMap<String, Availability>, StoreError> {
        self.readers.run(read::availability).await
    }

    async fn unsettled(&self, after: Option<&Urn>, limit: usize) -> Result<Vec<UnsettledSliver>, StoreError> {
        let after = after.map_or_else(String::new, |urn| urn.key().to_owned());
        self.readers.run(move |connection| read::unsettled(connection, &after, limit)).await
    }

    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Urn>, StoreError> {
        self.readers.run(move |connection| read::due(connection, now)).await
    }

    async fn next_expiry(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.readers.run(read::next_expiry).await
    }

    async fn departed(&self, after: Option<&Urn>, limit: usize) -> Result<Vec<DepartedSliver>, StoreError> {
        let after = after.map_or_else(String::new, |urn| urn.key().to_owned());
        self.readers.run(move |connection| read::departed(connection, &after, limit)).await
    }

    async fn forget_departed(&self, slivers: &[Urn]) -> Result<(), StoreError> {
        let slivers = slivers.to_vec();
        self.writer.run(move |connection| write::forget_departed(connection, &slivers)).await
    }

    async fn roster(&self) -> Result<Vec<RosterEntry>, StoreError> {
        self.readers.run(read::roster).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.readers.run(read::counts).await
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.writer.changes()
    }
}
