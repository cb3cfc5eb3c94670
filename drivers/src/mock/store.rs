//! The mock cloud's file: one thread owns it, and every call is one transaction on that thread.
//!
//! SQLite calls block, so no async thread makes them; and since one thread makes them all, one after
//! the other, checks made inside a transaction (capacity, names) hold without further locks.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use super::session::Session;
use super::world::World;
use crate::driver::Answer;
use crate::error::DriverError;
use crate::operation::{Collection, Operation};

/// The shape of the file. A file of another shape is refused.
const SHAPE: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE instance (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    realm_id TEXT NOT NULL,
    state TEXT NOT NULL,
    next_state TEXT,
    due INTEGER,
    address_number INTEGER UNIQUE,
    record TEXT NOT NULL
);
CREATE UNIQUE INDEX instance_name ON instance (name) WHERE name <> '';
CREATE INDEX instance_realm ON instance (realm_id);
CREATE INDEX instance_due ON instance (due) WHERE due IS NOT NULL;
CREATE TABLE resource (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT,
    parent TEXT,
    request TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX resource_name ON resource (collection, name) WHERE name IS NOT NULL;
CREATE INDEX resource_parent ON resource (collection, parent) WHERE parent IS NOT NULL;
CREATE TABLE blob (
    bucket_id TEXT NOT NULL,
    id TEXT NOT NULL,
    content INTEGER NOT NULL UNIQUE,
    body TEXT NOT NULL,
    PRIMARY KEY (bucket_id, id)
) WITHOUT ROWID;
CREATE TABLE piece (
    content INTEGER NOT NULL,
    place INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (content, place)
) WITHOUT ROWID;
CREATE TABLE call (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    operation TEXT NOT NULL,
    subject TEXT NOT NULL,
    at INTEGER NOT NULL,
    refusal TEXT
);
";

/// Why the mock's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is wrong.
    #[error("the mock cloud's configuration is wrong: {}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config {
        /// All that is wrong.
        problems: Vec<super::ConfigProblem>,
    },
    /// It cannot be opened or made.
    #[error("the mock cloud's file {path}: {source}")]
    File {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite cannot open or write it.
    #[error("the mock cloud's file: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// It was written by another version.
    #[error("the mock cloud's file has shape {found}; this program knows shape {SHAPE}")]
    Shape {
        /// Its shape.
        found: i64,
    },
    /// What is there at first could not be written.
    #[error("the mock cloud's first data: {0}")]
    FirstData(DriverError),
    /// No thread for it.
    #[error("the mock cloud's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Makes the file if it is not there, and keeps everybody but its owner out of it: it holds keys and user data. SQLite
/// gives the files beside it the same mode.
fn keep_private(path: &Path) -> Result<(), OpenError> {
    const PRIVATE: u32 = 0o600;
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path)
        .map_err(failed)?;
    file.set_permissions(Permissions::from_mode(PRIVATE)).map_err(failed)
}

/// Turns the store's own failures into a driver's error.
pub(super) trait Stored<T> {
    fn stored(self) -> Answer<T>;
}

fn broken(error: &dyn std::fmt::Display) -> DriverError {
    DriverError::Backend { status: None, message: format!("the mock cloud's file: {error}") }
}

impl<T> Stored<T> for rusqlite::Result<T> {
    fn stored(self) -> Answer<T> {
        self.map_err(|e| broken(&e))
    }
}

impl<T> Stored<T> for serde_json::Result<T> {
    fn stored(self) -> Answer<T> {
        self.map_err(|e| broken(&e))
    }
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The thread that owns the file. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Store {
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Opens the file (`None`: in memory), makes its tables and first data when it is new.
    pub(super) fn open(path: Option<&Path>, world: &World) -> Result<Self, OpenError> {
        let mut connection = match path {
            Some(path) => {
                keep_private(path)?;
                Connection::open(path)?
            }
            None => Connection::open_in_memory()?,
        };
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A crash of the process loses nothing; a loss of power may lose the last calls, never break
        // the file. A pretended cloud needs no more.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.set_prepared_statement_cache_capacity(64);
        prepare(&mut connection, world)?;

        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new().name("mock-cloud".into()).spawn(move || {
            while let Ok(job) = queue.recv() {
                job(&mut connection);
            }
        })?;
        Ok(Self { jobs })
    }

    /// Leaves a job to the file's thread, after all that were given to it before.
    pub(super) fn post(&self, job: impl FnOnce(&mut Connection) + Send + 'static) {
        // Without its thread the file is closed, and there is nothing left to do.
        let _ = self.jobs.send(Box::new(job));
    }

    /// Runs a job on the file's thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let gone = || broken(&"its thread has ended");
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // The caller may have gone away; what it asked for is done all the same.
            let _ = answer.send(job(connection));
        });
        self.jobs.send(job).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn prepare(connection: &mut Connection, world: &World) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", SHAPE)?;
            Session::new(&transaction, world, world.clock.now())
                .write_first_data()
                .map_err(OpenError::FirstData)?;
        }
        SHAPE => {
            // Uploads that were cut off by the end of the process.
            transaction.execute("DELETE FROM piece WHERE content NOT IN (SELECT content FROM blob)", [])?;
        }
        found => return Err(OpenError::Shape { found }),
    }
    Ok(transaction.commit()?)
}

/// Writes down a call that asked for a change; drops the oldest beyond the limit.
pub(super) fn log_call(
    connection: &Connection,
    world: &World,
    operation: Operation,
    subject: &str,
    refusal: Option<&DriverError>,
) -> Answer<()> {
    connection
        .prepare_cached("INSERT INTO call (operation, subject, at, refusal) VALUES (?1, ?2, ?3, ?4)")
        .stored()?
        .execute(params![
            operation.to_string(),
            subject,
            world.clock.now().timestamp(),
            refusal.map(ToString::to_string)
        ])
        .stored()?;
    connection
        .prepare_cached("DELETE FROM call WHERE number <= ?1")
        .stored()?
        .execute([connection.last_insert_rowid() - i64::from(world.config.call_log)])
        .stored()?;
    Ok(())
}

/// A row of the `resource` table: everything but instances and blobs.
pub(super) struct NewResource<'a, T> {
    pub(super) id: &'a str,
    pub(super) name: Option<&'a str>,
    pub(super) parent: Option<&'a str>,
    pub(super) request: Option<String>,
    pub(super) body: &'a T,
}

impl Session<'_> {
    /// The next number of a series, from 0.
    pub(super) fn count_up(&self, series: &str) -> Answer<u32> {
        self.connection
            .prepare_cached(
                "INSERT INTO counter VALUES (?1, 1) ON CONFLICT DO UPDATE SET value = value + 1
                 RETURNING value - 1",
            )
            .stored()?
            .query_row([series], |row| row.get(0))
            .stored()
    }

    /// All of a collection, in the order of their making.
    pub(super) fn all<T: DeserializeOwned>(&self, collection: Collection) -> Answer<Vec<T>> {
        self.read_bodies(
            "SELECT body FROM resource WHERE collection = ?1 ORDER BY number",
            [collection.as_str()],
        )
    }

    /// All of a collection that belong to this parent, in the order of their making.
    pub(super) fn of_parent<T: DeserializeOwned>(
        &self,
        collection: Collection,
        parent: &str,
    ) -> Answer<Vec<T>> {
        self.read_bodies(
            "SELECT body FROM resource WHERE collection = ?1 AND parent = ?2 ORDER BY number",
            [collection.as_str(), parent],
        )
    }

    pub(super) fn read_bodies<T: DeserializeOwned>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
    ) -> Answer<Vec<T>> {
        let mut statement = self.connection.prepare_cached(query).stored()?;
        let mut rows = statement.query(parameters).stored()?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().stored()? {
            let body = row.get_ref(0).stored()?.as_str().map_err(rusqlite::Error::from).stored()?;
            found.push(serde_json::from_str(body).stored()?);
        }
        Ok(found)
    }

    /// The one of this identity, if there is one.
    pub(super) fn find<T: DeserializeOwned>(&self, collection: Collection, id: &str) -> Answer<Option<T>> {
        let query = "SELECT body FROM resource WHERE collection = ?1 AND id = ?2";
        Ok(self.read_bodies(query, [collection.as_str(), id])?.pop())
    }

    /// The one of this identity.
    pub(super) fn get<T: DeserializeOwned>(&self, collection: Collection, id: &str) -> Answer<T> {
        self.find(collection, id)?.ok_or_else(|| DriverError::not_found(collection, id))
    }

    /// The one of this name, if there is one.
    pub(super) fn named<T: DeserializeOwned>(&self, collection: Collection, name: &str) -> Answer<Option<T>> {
        let body: Option<String> = self
            .connection
            .prepare_cached("SELECT body FROM resource WHERE collection = ?1 AND name = ?2")
            .stored()?
            .query_row([collection.as_str(), name], |row| row.get(0))
            .optional()
            .stored()?;
        body.map(|body| serde_json::from_str(&body).stored()).transpose()
    }

    /// What an equal request has made under this name before.
    pub(super) fn made_before<T: DeserializeOwned>(
        &self,
        collection: Collection,
        name: Option<&str>,
        request: &impl Serialize,
    ) -> Answer<Option<T>> {
        let Some(name) = name else { return Ok(None) };
        let found: Option<(Option<String>, String)> = self
            .connection
            .prepare_cached("SELECT request, body FROM resource WHERE collection = ?1 AND name = ?2")
            .stored()?
            .query_row([collection.as_str(), name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .stored()?;
        match found {
            None => Ok(None),
            Some((Some(before), body)) if before == serde_json::to_string(request).stored()? => {
                serde_json::from_str(&body).stored().map(Some)
            }
            Some(_) => Err(DriverError::conflict(
                collection,
                name,
                "the name is taken by one that differs from this request",
            )),
        }
    }

    /// Whether the identity is taken.
    pub(super) fn exists(&self, collection: Collection, id: &str) -> Answer<bool> {
        self.connection
            .prepare_cached("SELECT 1 FROM resource WHERE collection = ?1 AND id = ?2")
            .stored()?
            .exists([collection.as_str(), id])
            .stored()
    }

    pub(super) fn add<T: Serialize>(&self, collection: Collection, new: &NewResource<'_, T>) -> Answer<()> {
        let number = self.count_up("resource")?;
        self.connection
            .prepare_cached("INSERT INTO resource VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
            .stored()?
            .execute(params![
                collection.as_str(),
                new.id,
                number,
                new.name,
                new.parent,
                new.request,
                serde_json::to_string(new.body).stored()?
            ])
            .stored()?;
        Ok(())
    }

    /// Replaces what is stored under an identity, and whose it is.
    pub(super) fn put<T: Serialize>(
        &self,
        collection: Collection,
        id: &str,
        parent: Option<&str>,
        body: &T,
    ) -> Answer<()> {
        self.connection
            .prepare_cached("UPDATE resource SET parent = ?3, body = ?4 WHERE collection = ?1 AND id = ?2")
            .stored()?
            .execute(params![collection.as_str(), id, parent, serde_json::to_string(body).stored()?])
            .stored()?;
        Ok(())
    }

    pub(super) fn remove(&self, collection: Collection, id: &str) -> Answer<()> {
        let removed = self
            .connection
            .prepare_cached("DELETE FROM resource WHERE collection = ?1 AND id = ?2")
            .stored()?
            .execute([collection.as_str(), id])
            .stored()?;
        if removed == 0 { Err(DriverError::not_found(collection, id)) } else { Ok(()) }
    }
}
