//! Opening the file: its connections, and its schema.

use crate::store::StoreError;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::Path;
use std::time::Duration;

/// The schema's steps, compiled in.
mod migrations {
    refinery::embed_migrations!("migrations");
}

/// How long a statement waits for a lock. Nobody but a person with a database tool should ever hold one.
const BUSY: Duration = Duration::from_secs(5);

/// The connection that writes, with the schema up to date, and the number of saves so far.
pub(super) fn writer_connection(path: &Path) -> Result<(Connection, u64), StoreError> {
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
