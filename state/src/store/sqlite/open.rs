//! Opening the file: one owner, private, of a known schema.

use crate::store::StoreError;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The schema's steps, compiled in.
mod migrations {
    refinery::embed_migrations!("migrations");
}

/// Only the owner may read what experimenters have.
const PRIVATE: u32 = 0o600;

/// How long a statement waits for a lock. Nobody but a person with a database tool should ever hold one.
const BUSY: Duration = Duration::from_secs(5);

/// Takes the lock that keeps a second service off the database. It is a file of its own beside the database:
/// closing any handle on the database file itself would drop the locks that SQLite holds on it.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let file = private_file(&beside)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::File { path: beside, reason: error.to_string() }),
    }
}

/// The connection that writes, with the schema up to date, and the number of saves so far.
pub(super) fn writer_connection(path: &Path) -> Result<(Connection, u64), StoreError> {
    drop(private_file(path)?);
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    prepare(&connection)?;
    // SQLite gives the files of the write-ahead log the mode of the database file.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // FULL: a commit is on the disk before it is acknowledged, also when the power fails.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrate(path, &mut connection)?;
    let count: i64 = connection.query_row("SELECT count FROM saves", [], |row| row.get(0))?;
    let count = u64::try_from(count).map_err(|_| StoreError::Corrupt { what: "count of saves" })?;
    Ok((connection, count))
}

/// A connection that only reads.
pub(super) fn reader_connection(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    prepare(&connection)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn migrate(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    let runner = migrations::migrations::runner();
    let known =
        runner.get_migrations().iter().map(|step| i64::from(step.version())).max().unwrap_or_default();
    let found = schema_version(connection)?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    runner.run(connection).map_err(|error| StoreError::Database(error.to_string()))?;
    Ok(())
}

/// The last step that was taken with this database; 0 for an empty one.
fn schema_version(connection: &Connection) -> Result<i64, StoreError> {
    let has_history: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'refinery_schema_history'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if has_history.is_none() {
        return Ok(0);
    }
    Ok(connection
        .query_row("SELECT COALESCE(MAX(version), 0) FROM refinery_schema_history", [], |row| row.get(0))?)
}

/// Opens a file, making it if need be, and keeps everybody else out of it.
fn private_file(path: &Path) -> Result<File, StoreError> {
    let failed =
        |error: std::io::Error| StoreError::File { path: path.to_owned(), reason: error.to_string() };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path)
        .map_err(failed)?;
    file.set_permissions(Permissions::from_mode(PRIVATE)).map_err(failed)?;
    Ok(file)
}
