//! The embedded store: one SQLite file.
//!
//! One thread writes. It takes all saves that are waiting, runs each in its own savepoint, commits them
//! together and only then acknowledges them: the disk is waited for once, not once per call, and a save that
//! fails takes none of the others with it. Readers have connections of their own and, with the write-ahead
//! log, never wait for the writer.

mod cache;
mod examine;
mod lock;
mod open;
mod quarantine;
mod read;
mod row;
mod totals;
mod watch;
mod write;
mod writer;

use super::{
    Condition, Counts, DepartedSliver, RosterEntry, Store, StoreError, UnsettledSliver, Whereabouts, Written,
};
use crate::ledger::{Availability, Ledger};
use crate::machine::Transition;
use crate::slice::Slice;
use async_trait::async_trait;
use cache::Cache;
use chrono::{DateTime, Utc};
use lock::Lock;
use quarantine::Quarantine;
use read::Readers;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch::Receiver;
use urn::Urn;
use watch::Watch;
use writer::Writer;

/// The name under which the moment of the last check is noted.
const CHECKED: &str = "checked";

/// A store in one SQLite file. See the trait [`Store`].
///
/// Its methods have to be awaited inside a Tokio runtime.
#[derive(Debug)]
pub struct SqliteStore {
    // Dropped in this order, after the readers have closed their connections: the last connection to close, the
    // writer's, folds the log into the file; only then may another service have it.
    readers: Arc<Readers>,
    writer: Writer,
    cache: Arc<Cache>,
    ledger: Arc<RwLock<Arc<Ledger>>>,
    installation: String,
    watch: Arc<Watch>,
    lock: Lock,
}

impl SqliteStore {
    /// Opens the database at `path`, making it if it is not there (mode 0600, like the files beside it), and
    /// brings its schema up to date. Blocks: call it before serving, or off the async threads.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process (or another store of this one) has it open, by whatever name,
    /// [`StoreError::Linked`] if the file has several names, [`StoreError::Malformed`] if it is damaged as a whole (single
    /// rows that cannot be read are set aside), [`StoreError::Newer`] if a later version of this program wrote it, [`StoreError::File`] and
    /// [`StoreError::Database`] for the rest.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = Lock::take(path)?;
        let real = lock.path();
        let (connection, changes) = open::writer_connection(real)?;
        let watch = Arc::new(Watch::new(path, real, lock.id())?);
        let found = examine::examine(&open::reader_connection(real)?)?;
        if let Some(finding) = found.damage.first() {
            return Err(StoreError::Malformed { path: real.to_owned(), finding: finding.clone() });
        }
        watch.examined(found);
        let readers = Arc::new(Readers::open(real)?);
        let ledger = Ledger::new(read::availability(&connection)?);
        let installation = connection.query_row("SELECT id FROM installation", [], |row| row.get(0))?;
        let writer = Writer::start(connection, changes, Arc::clone(&watch))?;
        let (cache, ledger) = (Arc::new(Cache::new()), Arc::new(RwLock::new(Arc::new(ledger))));
        Ok(Self { readers, writer, cache, ledger, installation, watch, lock })
    }

    /// Runs `work` on one snapshot of the database; rows that cannot be read are set aside.
    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Quarantine) -> Result<T, StoreError> + Send + 'static,
    {
        let watch = Arc::clone(&self.watch);
        self.readers.run(move |connection| work(connection, watch.quarantine())).await
    }
}

impl Drop for SqliteStore {
    /// Waits for reads under way, whose callers may be long gone.
    fn drop(&mut self) {
        self.readers.close();
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn slice(&self, slice: &Urn) -> Result<Option<Arc<Slice>>, StoreError> {
        let begun = match self.cache.get(slice) {
            Ok(slice) => return Ok(Some(slice)),
            Err(begun) => begun,
        };
        let urn = slice.clone();
        let found =
            self.read(move |connection, apart| read::load(connection, apart, &urn)).await?.map(Arc::new);
        if let Some(slice) = &found {
            self.cache.keep_read(begun, slice);
        }
        Ok(found)
    }

    async fn slice_of(&self, sliver: &Urn) -> Result<Option<Whereabouts>, StoreError> {
        let sliver = sliver.clone();
        self.read(move |connection, apart| read::slice_of(connection, apart, &sliver)).await
    }

    async fn save(&self, transition: &Transition) -> Result<u64, StoreError> {
        if transition.is_noop() {
            return Ok(transition.slice.version);
        }
        // Rows are made here, on the caller's thread, so that the writer has nothing to do but write.
        let rows = Arc::new(row::Rows::of(transition)?);
        let (saved, moves) = (transition.slice.clone(), Arc::clone(&rows));
        let (cache, ledger) = (Arc::clone(&self.cache), Arc::clone(&self.ledger));
        let then = move |version: &u64| {
            ledger.read().unwrap_or_else(PoisonError::into_inner).apply(&moves.held);
            cache.keep_saved(Arc::new(Slice { version: *version, ..saved }));
        };
        let saved = self.writer.run_then(move |connection| write::save(connection, &rows), then).await;
        if let Err(StoreError::Conflict { slice }) = &saved {
            // Whatever the caller had was not the last version: the next one is read from the file.
            self.cache.forget(slice);
        }
        saved
    }

    async fn set_totals(&self, totals: &BTreeMap<String, u64>) -> Result<(), StoreError> {
        let totals = totals.clone();
        let work = move |connection: &Connection| {
            totals::set(connection, &totals)?;
            read::availability(connection)
        };
        let ledger = Arc::clone(&self.ledger);
        let then = move |shares: &BTreeMap<String, Availability>| {
            let new = Arc::new(Ledger::new(shares.clone()));
            *ledger.write().unwrap_or_else(PoisonError::into_inner) = new;
        };
        self.writer.run_then(work, then).await.map(drop)
    }

    fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn availability(&self) -> Result<BTreeMap<String, Availability>, StoreError> {
        self.readers.run(read::availability).await
    }

    async fn unsettled(&self, after: Option<&Urn>, limit: usize) -> Result<Vec<UnsettledSliver>, StoreError> {
        let after = after.map_or_else(String::new, |urn| urn.key().to_owned());
        self.read(move |connection, apart| read::unsettled(connection, apart, &after, limit)).await
    }

    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Urn>, StoreError> {
        self.read(move |connection, apart| read::due(connection, apart, now)).await
    }

    async fn next_expiry(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.read(read::next_expiry).await
    }

    async fn departed(&self, after: Option<&Urn>, limit: usize) -> Result<Vec<DepartedSliver>, StoreError> {
        let after = after.map_or_else(String::new, |urn| urn.key().to_owned());
        self.read(move |connection, apart| read::departed(connection, apart, &after, limit)).await
    }

    async fn forget_departed(&self, slivers: &[Urn]) -> Result<(), StoreError> {
        let slivers = slivers.to_vec();
        self.writer.run(move |connection| write::forget_departed(connection, &slivers)).await
    }

    async fn drop_departed(&self, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        self.writer.run(move |connection| write::drop_departed(connection, before, limit)).await
    }

    async fn roster(&self, after: Option<&Urn>, limit: usize) -> Result<Vec<RosterEntry>, StoreError> {
        let after = after.map_or_else(String::new, |urn| urn.key().to_owned());
        self.read(move |connection, apart| read::roster(connection, apart, &after, limit)).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.read(read::counts).await
    }

    async fn note(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let (name, text) = (name.to_owned(), text.to_owned());
        self.writer.run(move |connection| write::note(connection, &name, &text)).await
    }

    async fn noted(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.readers.run(move |connection| read::noted(connection, &name)).await
    }

    async fn check(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let second = now.timestamp().to_string();
        self.writer.run(move |connection| write::note(connection, CHECKED, &second)).await
    }

    async fn examine(&self) -> Result<(), StoreError> {
        let path = self.lock.path().to_owned();
        // In a turn of the readers, so that the store is not closed meanwhile.
        let found = self.readers.run(move |_| examine::examine(&open::reader_connection(&path)?)).await?;
        self.watch.examined(found);
        Ok(())
    }

    fn condition(&self) -> Condition {
        self.watch.condition()
    }

    fn lost(&self) -> Receiver<Option<StoreError>> {
        self.watch.lost()
    }

    fn written(&self) -> Written {
        self.writer.written()
    }

    fn installation(&self) -> &str {
        &self.installation
    }

    fn changes(&self) -> Receiver<u64> {
        self.writer.changes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    /// A new store, and the folder it is in.
    fn store() -> (SqliteStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (SqliteStore::open(&folder.path().join("am.sqlite")).unwrap(), folder)
    }

    /// Rows that the writer has changed so far.
    async fn changed(store: &SqliteStore) -> u64 {
        store.writer.run(|connection| Ok(connection.total_changes())).await.unwrap()
    }

    #[tokio::test]
    async fn a_check_notices_that_nothing_more_can_be_written() {
        let (store, _folder) = store();
        let limit = "PRAGMA max_page_count = 1";
        // It cannot be set below what there is.
        store.writer.run(|connection| Ok(connection.query_row(limit, [], |_| Ok(()))?)).await.unwrap();
        // Notes without a text are smaller than that of a check, and all of these stand before it.
        let mut name = 0;
        let full = loop {
            match store.note(&format!("a{name:05}"), "").await {
                Ok(()) => name += 1,
                Err(error) => break error,
            }
        };
        assert!(full.to_string().contains("full"), "{full}");
        let now = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        assert_eq!(store.check(now).await.unwrap_err().to_string(), full.to_string());
        assert_eq!(store.noted("a00000").await.unwrap().as_deref(), Some(""), "what only reads goes on");
    }

    #[tokio::test]
    async fn a_store_is_closed_only_after_the_reads_under_way() {
        let (store, folder) = store();
        store.note("a", "b").await.unwrap();
        let log = folder.path().join("am.sqlite-wal");
        assert!(log.exists());
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let readers = Arc::clone(&store.readers);
        // A caller that goes away before its answer is there.
        let read = tokio::spawn(async move {
            readers
                .run(move |connection| {
                    // A connection that has read nothing yet stands in nobody's way.
                    let saves: i64 = connection.query_row("SELECT count FROM saves", [], |row| row.get(0))?;
                    let _ = begun.send(());
                    let _ = ended.recv();
                    Ok(saves)
                })
                .await
        });
        tokio::task::yield_now().await;
        has_begun.recv().unwrap();
        read.abort();
        let closing = std::thread::spawn(move || drop(store));
        // A store that did not wait would be gone by then.
        for _ in 0..100 {
            if !closing.is_finished() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        end.send(()).unwrap();
        closing.join().unwrap();
        assert!(!log.exists(), "the last connection folds the log into the file");
        SqliteStore::open(&folder.path().join("am.sqlite")).unwrap();
    }

    #[tokio::test]
    async fn checks_write_once_a_second() {
        let (store, _folder) = store();
        let mut now = DateTime::from_timestamp(1_900_000_000, 0).unwrap();
        let before = changed(&store).await;
        for second in 1..=3 {
            for _ in 0..5 {
                store.check(now).await.unwrap();
            }
            assert_eq!(changed(&store).await - before, second);
            now += TimeDelta::seconds(1);
        }
    }
}
