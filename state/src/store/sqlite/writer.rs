//! The thread that writes, and its group commit.

use super::watch::Watch;
use crate::store::{StoreError, Written};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// The most pieces of work in one commit: bounds how long the first of them waits.
const MOST_AT_ONCE: usize = 256;

/// How often the thread looks after the files while it has nothing to write.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A handle on the writer thread. Dropping it lets the thread finish what it was given, and waits for that.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    changes: watch::Receiver<u64>,
    written: Arc<Mutex<Written>>,
}

/// A piece of work waiting to be written.
trait Job: Send {
    /// Does it inside a savepoint; `false` if the savepoint has to be rolled back.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells the caller: what came of it, or that the commit failed.
    fn acknowledge(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Task<T, F, G> {
    work: Option<F>,
    /// What follows from it once it is on the disk, before anybody is told.
    then: G,
    outcome: Result<T, StoreError>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F, G> Job for Task<T, F, G>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    G: FnOnce(&T) + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        if let Some(work) = self.work.take() {
            self.outcome = work(connection);
        }
        self.outcome.is_ok()
    }

    fn acknowledge(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (self.outcome, committed) {
            (Ok(_), Err(error)) => Err(error),
            // A commit that failed before this work was begun.
            (Err(_), Err(error)) if self.work.is_some() => Err(error),
            (outcome, _) => outcome,
        };
        if let Ok(value) = &outcome {
            (self.then)(value);
        }
        // A caller that no longer waits has nothing to be told.
        let _ = self.caller.send(outcome);
    }
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection, saves: u64, files: Arc<Watch>) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel();
        let (signal, changes) = watch::channel(saves);
        let written = Arc::new(Mutex::new(Written::default()));
        let count = Arc::clone(&written);
        let thread = std::thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || serve(connection, &waiting, &signal, &count, &files))
            .map_err(|error| StoreError::Database(format!("no writer thread: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), changes, written })
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    pub(super) fn written(&self) -> Written {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` in a transaction of its own (or as good as: see the module) and returns once it is on the
    /// disk.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.run_then(work, |_| ()).await
    }

    /// As [`Writer::run`]; after the commit, and whether or not the caller still waits, `then` is done on the
    /// writer's thread: in the order of the commits, before the next one and before any answer to this one.
    pub(super) async fn run_then<T, F, G>(&self, work: F, then: G) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        G: FnOnce(&T) + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let task = Task { work: Some(work), then, outcome: Err(StoreError::Closed), caller };
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Box::new(task)).map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the database writer had ended with a panic");
        }
    }
}

fn serve(
    mut connection: Connection,
    waiting: &mpsc::Receiver<Box<dyn Job>>,
    signal: &watch::Sender<u64>,
    written: &Mutex<Written>,
    files: &Watch,
) {
    loop {
        let first = match waiting.recv_timeout(BETWEEN_LOOKS) {
            Ok(first) => first,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                // A loss ends the service; what cannot be told now is told when something is written.
                let _ = files.verify();
                continue;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        };
        let mut batch = vec![first];
        batch.extend(waiting.try_iter().take(MOST_AT_ONCE - 1));
        let begun = Instant::now();
        let committed = commit_to_files(&mut connection, &mut batch, files);
        let time = begun.elapsed();
        let mut so_far = written.lock().unwrap_or_else(PoisonError::into_inner);
        *so_far = Written {
            commits: so_far.commits + 1,
            failed: so_far.failed + u64::from(committed.is_err()),
            jobs: so_far.jobs + batch.len() as u64,
            time: so_far.time + time,
        };
        drop(so_far);
        if let Err(error) = &committed {
            files.commit_failed(error);
            tracing::error!(%error, calls = batch.len(), "a commit failed; nothing of it was kept");
        }
        for job in batch {
            job.acknowledge(committed.as_ref().map(|_| ()).map_err(Clone::clone));
        }
        if let Ok(saves) = committed {
            signal.send_if_modified(|seen| std::mem::replace(seen, saves) != saves);
        }
    }
    close(connection, files);
}

/// A commit that counts only if the files are still there under their names before it and after it.
fn commit_to_files(
    connection: &mut Connection,
    batch: &mut [Box<dyn Job>],
    files: &Watch,
) -> Result<u64, StoreError> {
    files.verify()?;
    let saves = commit(connection, batch)?;
    match files.verify() {
        Err(lost @ StoreError::Lost { .. }) => Err(lost),
        // What cannot be told is no reason to deny what is on the disk.
        Ok(()) | Err(_) => Ok(saves),
    }
}

/// Closes the connection. The last one to close folds the log into the file, and removes it by its name: a log that
/// somebody put there instead is not the store's to remove.
fn close(connection: Connection, files: &Watch) {
    if files.has_foreign_log() {
        let folded = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if let Some(error) = folded.err().or(kept.err()) {
            tracing::error!(%error, "the log of the lost database cannot be folded into it");
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::error!(%error, "the database cannot be closed");
    }
}

/// Runs all jobs in one transaction, each in a savepoint. Gives the number of saves so far.
fn commit(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Result<u64, StoreError> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in batch.iter_mut() {
        let savepoint = transaction.savepoint()?;
        if job.run(&savepoint) {
            savepoint.commit()?;
        } else {
            // Some failures (a full disk) make SQLite roll back the whole transaction by itself. Going on
            // would then write, and acknowledge, outside of any transaction.
            if savepoint.is_autocommit() {
                return Err(StoreError::Database("the transaction was rolled back".to_owned()));
            }
            savepoint.finish()?;
        }
    }
    let saves: i64 = transaction.query_row("SELECT count FROM saves", [], |row| row.get(0))?;
    transaction.commit()?;
    u64::try_from(saves).map_err(|_| StoreError::Corrupt { what: "count of saves" })
}

#[cfg(test)]
mod tests {
    use super::super::lock::Lock;
    use super::*;
    use std::sync::{Arc, Barrier};

    fn writer() -> (Writer, tempfile::TempDir) {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE saves (count INTEGER); INSERT INTO saves VALUES (7);
                 CREATE TABLE kept (value INTEGER UNIQUE);",
            )
            .unwrap();
        // Files that stand for those of a database: what is written goes into memory.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("am.sqlite");
        std::fs::write(folder.path().join("am.sqlite-wal"), "").unwrap();
        let lock = Lock::take(&path).unwrap();
        let files = Watch::new(&path, lock.path(), lock.id()).unwrap();
        (Writer::start(connection, 7, Arc::new(files)).unwrap(), folder)
    }

    fn keep(connection: &Connection, value: i64) -> Result<(), StoreError> {
        connection.execute("INSERT INTO kept VALUES (?1)", [value])?;
        Ok(())
    }

    async fn kept(writer: &Writer) -> Vec<i64> {
        writer
            .run(|connection| {
                let mut statement = connection.prepare("SELECT value FROM kept ORDER BY value")?;
                Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
            })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_job_that_fails_takes_none_of_its_group_with_it() {
        let (writer, _folder) = writer();
        let writer = Arc::new(writer);
        // Hold the writer until three jobs are queued behind it, so that they share a commit.
        let gate = Arc::new(Barrier::new(2));
        let held = {
            let (writer, gate) = (Arc::clone(&writer), Arc::clone(&gate));
            tokio::spawn(async move {
                writer
                    .run(move |_| {
                        gate.wait();
                        Ok(())
                    })
                    .await
            })
        };
        tokio::task::yield_now().await;
        let good = writer.run(|connection| keep(connection, 1));
        let bad = writer.run(|connection| {
            keep(connection, 2)?;
            Err::<(), _>(StoreError::Closed)
        });
        let other = writer.run(|connection| keep(connection, 3));
        let open = async {
            gate.wait();
        };
        let (good, bad, other, ()) = tokio::join!(good, bad, other, open);
        held.await.unwrap().unwrap();
        assert!(good.is_ok() && bad.is_err() && other.is_ok());
        assert_eq!(kept(&writer).await, [1, 3]);
    }

    #[tokio::test]
    async fn when_the_transaction_is_lost_nobody_is_told_it_was_kept() {
        let (writer, _folder) = writer();
        let lost = writer.run(|connection| {
            keep(connection, 1)?;
            // What SQLite does by itself when the disk is full.
            connection.execute_batch("ROLLBACK")?;
            Err::<(), _>(StoreError::Closed)
        });
        assert!(lost.await.is_err());
        assert!(kept(&writer).await.is_empty());
    }

    #[tokio::test]
    async fn nothing_is_acknowledged_once_the_file_is_gone_or_another_one() {
        for replaced in [false, true] {
            for name in ["am.sqlite", "am.sqlite-wal"] {
                let (writer, folder) = writer();
                let path = folder.path().join(name);
                writer.run(|connection| keep(connection, 1)).await.unwrap();
                // In the middle of a commit, before it is acknowledged.
                let middle = writer.run({
                    let path = path.clone();
                    move |connection| {
                        std::fs::rename(&path, path.with_extension("away")).unwrap();
                        if replaced {
                            std::fs::write(&path, "").unwrap();
                        }
                        keep(connection, 2)
                    }
                });
                let how = if replaced { "replaced" } else { "removed" };
                let error = middle.await.unwrap_err().to_string();
                assert!(error.contains(how) && error.contains(name), "{error}");
                // Lost for good: putting it back does not bring back what was written since.
                std::fs::rename(path.with_extension("away"), &path).unwrap();
                let later = writer.run(|connection| keep(connection, 3)).await.unwrap_err();
                assert!(matches!(later, StoreError::Lost { .. }), "{later}");
            }
        }
    }

    #[tokio::test]
    async fn dropping_the_writer_finishes_what_was_queued() {
        let (writer, _folder) = writer();
        writer.run(|connection| keep(connection, 5)).await.unwrap();
        assert_eq!(kept(&writer).await, [5]);
        let mut changes = writer.changes();
        assert_eq!(*changes.borrow_and_update(), 7);
        drop(writer);
        assert!(changes.changed().await.is_err());
    }
}
