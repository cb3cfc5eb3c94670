//! The readers: connections of their own, used off the async threads.

use super::open::reader_connection;
use super::quarantine::{DEPARTED, Quarantine};
use super::row;
use crate::ledger::Availability;
use crate::slice::{Frame, Slice, Stop};
use crate::store::{
    Counts, DepartedSliver, RosterEntry, StoreError, UnreadableRow, UnsettledSliver, Whereabouts,
};
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

/// All rows of a query that has to be read whole or not at all.
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

/// What a query found.
pub(super) struct Readable<T> {
    pub(super) found: Vec<T>,
    pub(super) unreadable: Vec<UnreadableRow>,
}

impl<T> Readable<T> {
    /// What was found, if all of it could be read.
    fn whole(self, quarantine: &Quarantine) -> Result<Vec<T>, StoreError> {
        let first = self.unreadable.first().cloned();
        self.unreadable.into_iter().for_each(|row| quarantine.put(row));
        first.map_or(Ok(self.found), |row| Err(StoreError::Unreadable { row }))
    }

    /// What was found, and the rest set aside.
    fn but_for(self, quarantine: &Quarantine) -> Vec<T> {
        self.unreadable.into_iter().for_each(|row| quarantine.put(row));
        self.found
    }
}

/// The rows of a query that can be read, `limit` at most. The first two columns are the row's key and its slice.
pub(super) fn readable<T>(
    connection: &Connection,
    table: &'static str,
    sql: &str,
    params: impl Params,
    limit: usize,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Readable<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut all = Readable { found: Vec::new(), unreadable: Vec::new() };
    while all.found.len() < limit
        && let Some(row) = rows.next()?
    {
        match read(row) {
            Ok(value) => all.found.push(value),
            Err(StoreError::Corrupt { what }) => {
                let (key, slice) = (row::as_text(row, 0), row::as_text(row, 1));
                all.unreadable.push(UnreadableRow { table, key, slice, what });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// All slices; [`head`] knows the columns.
pub(super) const ALL_SLICES: &str =
    "SELECT key, key, urn, version, created, shutdown_by, shutdown_at, uuid FROM slices";

/// A slice without what is in it.
pub(super) fn head(row: &Row<'_>) -> Result<Slice, StoreError> {
    let stopped = row::value::<Option<String>>(row, 5, "shutdown")?.is_some();
    let shutdown = if stopped { Some(Stop { by: row::urn(row, 5)?, at: row::time(row, 6)? }) } else { None };
    Ok(Slice {
        urn: row::urn_of_key(row, 2, 0)?,
        version: row::count(row, 3)?,
        uuid: row::value(row, 7, "UUID")?,
        created: row::time(row, 4)?,
        shutdown,
        frames: Vec::new(),
        slivers: Vec::new(),
    })
}

/// All frames; [`frame`] knows the columns.
pub(super) const ALL_FRAMES: &str = "SELECT number, slice, document FROM frames";

pub(super) fn frame(row: &Row<'_>) -> Result<Frame, StoreError> {
    Ok(Frame { number: row::value(row, 0, "number")?, document: row::value(row, 2, "document")? })
}

pub(super) fn load(
    connection: &Connection,
    quarantine: &Quarantine,
    slice: &Urn,
) -> Result<Option<Slice>, StoreError> {
    let key = [slice.key()];
    let one = format!("{ALL_SLICES} WHERE key = ?1");
    let head = readable(connection, "slices", &one, key, 1, head)?.whole(quarantine)?;
    let Some(head) = head.into_iter().next() else {
        return no_slice(connection, quarantine, slice);
    };
    let of_slice = format!("{ALL_FRAMES} WHERE slice = ?1 ORDER BY number");
    let frames = readable(connection, "frames", &of_slice, key, usize::MAX, frame)?.whole(quarantine)?;
    let of_slice = format!("{} WHERE slivers.slice = ?1 ORDER BY position", row::SLIVERS);
    let slivers =
        readable(connection, "slivers", &of_slice, key, usize::MAX, row::sliver)?.whole(quarantine)?;
    Ok(Some(Slice { frames, slivers, ..head }))
}

/// There is no row of a slice. Were there slivers of it all the same, a new slice of that name would get them.
fn no_slice(
    connection: &Connection,
    quarantine: &Quarantine,
    slice: &Urn,
) -> Result<Option<Slice>, StoreError> {
    let strays: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM slivers WHERE slice = ?1)")?
        .query_row([slice.key()], |row| row.get(0))?;
    if !strays {
        return Ok(None);
    }
    let key = slice.key().to_owned();
    let row = UnreadableRow { table: "slices", key: key.clone(), slice: key, what: "slice of slivers" };
    quarantine.put(row.clone());
    Err(StoreError::Unreadable { row })
}

pub(super) fn slice_of(
    connection: &Connection,
    quarantine: &Quarantine,
    sliver: &Urn,
) -> Result<Option<Whereabouts>, StoreError> {
    let key = [sliver.key()];
    let here = format!("{} WHERE slivers.key = ?1", row::SLIVERS);
    let here = readable(connection, "slivers", &here, key, 1, |row| row::urn(row, 2))?.whole(quarantine)?;
    if let Some(slice) = here.into_iter().next() {
        return Ok(Some(Whereabouts::Here(slice)));
    }
    let gone = "SELECT key, slice FROM departed WHERE key = ?1";
    let gone = readable(connection, DEPARTED, gone, key, 1, |row| row::urn(row, 1))?.whole(quarantine)?;
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
    quarantine: &Quarantine,
    after: &str,
    limit: usize,
) -> Result<Vec<UnsettledSliver>, StoreError> {
    let apart = apart(quarantine)?;
    let query = format!(
        "{} WHERE slivers.settled = 0 AND slivers.key > ?1 AND {NOT_APART} ORDER BY slivers.key",
        row::SLIVERS
    );
    let found = readable(connection, "slivers", &query, [after, &apart], limit, |row| {
        Ok(UnsettledSliver { sliver: row::urn_of_key(row, 3, 0)?, slice: row::urn(row, 2)? })
    })?;
    Ok(found.but_for(quarantine))
}

/// Leaves out the slices that cannot be loaded, which the second parameter lists: nothing can be done with them.
const NOT_APART: &str = "slivers.slice NOT IN (SELECT value FROM json_each(?2))";

/// The slices that cannot be loaded, as [`NOT_APART`] wants them.
fn apart(quarantine: &Quarantine) -> Result<String, StoreError> {
    row::to_json(&quarantine.slices())
}

pub(super) fn due(
    connection: &Connection,
    quarantine: &Quarantine,
    now: DateTime<Utc>,
) -> Result<Vec<Urn>, StoreError> {
    let query = format!(
        "SELECT slivers.slice, slivers.slice, slices.urn
         FROM slivers LEFT JOIN slices ON slices.key = slivers.slice
         WHERE slivers.suspended = 0 AND slivers.expires <= ?1 AND {NOT_APART} GROUP BY slivers.slice"
    );
    let found =
        readable(connection, "slices", &query, (now.timestamp(), apart(quarantine)?), usize::MAX, |row| {
            row::urn(row, 2)
        })?;
    Ok(found.but_for(quarantine))
}

pub(super) fn next_expiry(
    connection: &Connection,
    quarantine: &Quarantine,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let query = format!(
        "SELECT slivers.key, slivers.slice, slivers.expires FROM slivers
         WHERE slivers.suspended = ?1 AND {NOT_APART} ORDER BY slivers.expires"
    );
    let found = readable(connection, "slivers", &query, (0, apart(quarantine)?), 1, |row| row::time(row, 2))?;
    Ok(found.but_for(quarantine).into_iter().next())
}

pub(super) fn departed(
    connection: &Connection,
    quarantine: &Quarantine,
    after: &str,
    limit: usize,
) -> Result<Vec<DepartedSliver>, StoreError> {
    let query = "SELECT key, slice, urn, resource, departed, configuration, instance FROM departed
         WHERE configuration IS NOT NULL AND key > ?1 ORDER BY key";
    let found = readable(connection, DEPARTED, query, [after], limit, |row| {
        Ok(DepartedSliver {
            sliver: row::urn_of_key(row, 2, 0)?,
            slice: row::urn(row, 1)?,
            resource: row::resource(row, 3)?,
            at: row::time(row, 4)?,
            configuration: row::json(row, 5, "configuration")?,
            instance: row::optional_json(row, 6, "instance")?,
        })
    })?;
    Ok(found.but_for(quarantine))
}

pub(super) fn roster(
    connection: &Connection,
    quarantine: &Quarantine,
    after: &str,
    limit: usize,
) -> Result<Vec<RosterEntry>, StoreError> {
    let query = format!("{} WHERE slivers.key > ?1 ORDER BY slivers.key", row::SLIVERS);
    let found = readable(connection, "slivers", &query, [after], limit, row::roster_entry)?;
    Ok(found.but_for(quarantine))
}

pub(super) fn counts(connection: &Connection, quarantine: &Quarantine) -> Result<Counts, StoreError> {
    let states = readable(
        connection,
        "slivers",
        "SELECT key, slice, allocation, operational, COUNT(*) FROM slivers GROUP BY allocation, operational",
        [],
        usize::MAX,
        |row| Ok(((row::status(row, 2)?, row::operational(row, 3)?), row::count(row, 4)?)),
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
    Ok(Counts { slivers: states.but_for(quarantine).into_iter().collect(), ..others })
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
