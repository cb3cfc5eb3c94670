//! The readers: connections of their own, used off the async threads.

use super::open::reader_connection;
use super::row;
use crate::ledger::Availability;
use crate::slice::{Frame, Slice, Stop};
use crate::store::{Counts, DepartedSliver, RosterEntry, StoreError, UnsettledSliver, Whereabouts};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Params, Row};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use urn::Urn;

/// Reads at the same time; more wait their turn.
const AT_ONCE: usize = 4;

/// Connections that only read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    turns: Semaphore,
    pool: Mutex<Pool>,
    /// A connection was given back.
    returned: Condvar,
}

#[derive(Debug)]
struct Pool {
    idle: Vec<Connection>,
    /// How many connections are lent.
    lent: usize,
    closed: bool,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let idle = (0..AT_ONCE).map(|_| reader_connection(path)).collect::<Result<_, _>>()?;
        let pool = Mutex::new(Pool { idle, lent: 0, closed: false });
        Ok(Self { path: path.to_owned(), turns: Semaphore::new(AT_ONCE), pool, returned: Condvar::new() })
    }

    /// Runs `work` on one snapshot of the database.
    pub(super) async fn run<T, F>(self: &Arc<Self>, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let readers = Arc::clone(self);
        let _turn = self.turns.acquire().await.map_err(|_| StoreError::Closed)?;
        tokio::task::spawn_blocking(move || {
            let lease = readers.lend()?;
            let snapshot = lease.connection()?.unchecked_transaction()?;
            work(&snapshot)
        })
        .await
        .map_err(|_| StoreError::Database("a read was broken off".to_owned()))?
    }

    /// Closes all connections, after waiting for the reads under way. Later reads end with [`StoreError::Closed`].
    pub(super) fn close(&self) {
        let mut pool = self.pool();
        pool.closed = true;
        pool.idle.clear();
        while pool.lent > 0 {
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lend(&self) -> Result<Lease<'_>, StoreError> {
        let idle = {
            let mut pool = self.pool();
            if pool.closed {
                return Err(StoreError::Closed);
            }
            pool.lent += 1;
            pool.idle.pop()
        };
        let mut lease = Lease { readers: self, connection: idle };
        if lease.connection.is_none() {
            lease.connection = Some(reader_connection(&self.path)?);
        }
        Ok(lease)
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is lent to one read, and comes back when it ends, however that may be.
struct Lease<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Lease<'_> {
    fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or(StoreError::Closed)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool();
        pool.lent -= 1;
        // Nobody knows in what state a panic left the connection.
        let connection = self.connection.take().filter(|_| !std::thread::panicking());
        if let Some(connection) = connection
            && !pool.closed
        {
            pool.idle.push(connection);
        }
        self.readers.returned.notify_all();
    }
}

/// All rows of a query.
fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

pub(super) fn load(connection: &Connection, slice: &Urn) -> Result<Option<Slice>, StoreError> {
    let head = all(
        connection,
        "SELECT urn, version, created, shutdown_by, shutdown_at FROM slices WHERE key = ?1",
        [slice.key()],
        |row| {
            let stopped = row.get::<_, Option<String>>(3)?.is_some();
            let shutdown =
                if stopped { Some(Stop { by: row::urn(row, 3)?, at: row::time(row, 4)? }) } else { None };
            Ok(Slice {
                urn: row::urn(row, 0)?,
                version: row::count(row, 1)?,
                created: row::time(row, 2)?,
                shutdown,
                frames: Vec::new(),
                slivers: Vec::new(),
            })
        },
    )?;
    let Some(head) = head.into_iter().next() else {
        return Ok(None);
    };
    let frames = all(
        connection,
        "SELECT number, document FROM frames WHERE slice = ?1 ORDER BY number",
        [slice.key()],
        |row| Ok(Frame { number: row.get(0)?, document: row.get(1)? }),
    )?;
    let columns = row::SLIVER_COLUMNS;
    let slivers = all(
        connection,
        &format!("SELECT {columns} FROM slivers WHERE slice = ?1 ORDER BY position"),
        [slice.key()],
        row::sliver,
    )?;
    Ok(Some(Slice { frames, slivers, ..head }))
}

pub(super) fn slice_of(connection: &Connection, sliver: &Urn) -> Result<Option<Whereabouts>, StoreError> {
    let here = all(
        connection,
        "SELECT slices.urn FROM slivers JOIN slices ON slices.key = slivers.slice WHERE slivers.key = ?1",
        [sliver.key()],
        |row| row::urn(row, 0),
    )?;
    if let Some(slice) = here.into_iter().next() {
        return Ok(Some(Whereabouts::Here(slice)));
    }
    let gone =
        all(connection, "SELECT slice FROM departed WHERE key = ?1", [sliver.key()], |row| row::urn(row, 0))?;
    Ok(gone.into_iter().next().map(Whereabouts::Gone))
}

pub(super) fn availability(connection: &Connection) -> Result<BTreeMap<String, Availability>, StoreError> {
    let rows = all(connection, "SELECT resource, total, held FROM capacity", [], |row| {
        Ok((row.get(0)?, Availability { total: row::count(row, 1)?, held: row::count(row, 2)? }))
    })?;
    Ok(rows.into_iter().collect())
}

pub(super) fn unsettled(
    connection: &Connection,
    after: &str,
    limit: usize,
) -> Result<Vec<UnsettledSliver>, StoreError> {
    all(
        connection,
        "SELECT slivers.urn, slices.urn FROM slivers JOIN slices ON slices.key = slivers.slice
         WHERE slivers.settled = 0 AND slivers.key > ?1 ORDER BY slivers.key LIMIT ?2",
        (after, at_most(limit)),
        |row| Ok(UnsettledSliver { sliver: row::urn(row, 0)?, slice: row::urn(row, 1)? }),
    )
}

pub(super) fn due(connection: &Connection, now: DateTime<Utc>) -> Result<Vec<Urn>, StoreError> {
    all(
        connection,
        "SELECT DISTINCT slices.urn FROM slivers JOIN slices ON slices.key = slivers.slice
         WHERE slivers.suspended = 0 AND slivers.expires <= ?1",
        [now.timestamp()],
        |row| row::urn(row, 0),
    )
}

pub(super) fn next_expiry(connection: &Connection) -> Result<Option<DateTime<Utc>>, StoreError> {
    let soonest: Option<i64> = connection
        .prepare_cached("SELECT MIN(expires) FROM slivers WHERE suspended = 0")?
        .query_row([], |row| row.get(0))
        .optional()?
        .flatten();
    soonest
        .map(|seconds| DateTime::from_timestamp(seconds, 0).ok_or(StoreError::Corrupt { what: "time" }))
        .transpose()
}

pub(super) fn departed(
    connection: &Connection,
    after: &str,
    limit: usize,
) -> Result<Vec<DepartedSliver>, StoreError> {
    all(
        connection,
        "SELECT urn, slice, resource, departed, configuration, instance FROM departed
         WHERE configuration IS NOT NULL AND key > ?1 ORDER BY key LIMIT ?2",
        (after, at_most(limit)),
        |row| {
            Ok(DepartedSliver {
                sliver: row::urn(row, 0)?,
                slice: row::urn(row, 1)?,
                resource: row::resource(row, 2)?,
                at: row::time(row, 3)?,
                configuration: row::json(row, 4, "configuration")?,
                instance: row::optional_json(row, 5, "instance")?,
            })
        },
    )
}

pub(super) fn roster(
    connection: &Connection,
    after: &str,
    limit: usize,
) -> Result<Vec<RosterEntry>, StoreError> {
    all(
        connection,
        "SELECT slivers.urn, slices.urn, resource, creator, slivers.created, expires, allocation, operational
         FROM slivers JOIN slices ON slices.key = slivers.slice
         WHERE slivers.key > ?1 ORDER BY slivers.key LIMIT ?2",
        (after, at_most(limit)),
        |row| {
            Ok(RosterEntry {
                sliver: row::urn(row, 0)?,
                slice: row::urn(row, 1)?,
                resource: row::resource(row, 2)?,
                creator: row::urn(row, 3)?,
                created: row::time(row, 4)?,
                expires: row::time(row, 5)?,
                status: row::status(row, 6)?,
                operational: row::operational(row, 7)?,
            })
        },
    )
}

pub(super) fn counts(connection: &Connection) -> Result<Counts, StoreError> {
    let states = all(
        connection,
        "SELECT allocation, operational, COUNT(*) FROM slivers GROUP BY allocation, operational",
        [],
        |row| Ok(((row::status(row, 0)?, row::operational(row, 1)?), row::count(row, 2)?)),
    )?;
    let others = all(
        connection,
        "SELECT (SELECT COUNT(*) FROM slices),
                (SELECT COUNT(*) FROM slices WHERE shutdown_at IS NOT NULL),
                (SELECT COUNT(*) FROM slivers WHERE settled = 0),
                (SELECT COUNT(*) FROM departed WHERE configuration IS NOT NULL)",
        [],
        |row| {
            Ok(Counts {
                slices: row::count(row, 0)?,
                shut_down: row::count(row, 1)?,
                unsettled: row::count(row, 2)?,
                departed: row::count(row, 3)?,
                slivers: BTreeMap::new(),
            })
        },
    )?;
    let others = others.into_iter().next().unwrap_or_default();
    Ok(Counts { slivers: states.into_iter().collect(), ..others })
}

pub(super) fn noted(connection: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let found = connection
        .prepare_cached("SELECT text FROM notes WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(found)
}

pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
