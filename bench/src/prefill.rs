//! A database with a past: many slivers that went, and many that are there.
//!
//! The service itself makes one slice of [`TEMPLATE`] slivers and deletes some of another; then, while it is stopped,
//! those rows are copied under new names, with the ledger moved along. The copies are made from whatever columns the
//! tables have, so that they stay true when the schema grows.

use crate::Failure;
use rusqlite::Connection;
use std::path::Path;

/// Slivers of the slice that is copied.
pub const TEMPLATE: usize = 100;
/// 2099-01-01 in seconds since 1970: the copies do not expire while they are measured.
const FAR: i64 = 4_070_908_800;

/// How much there is to be.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Slivers that went.
    pub past: usize,
    /// Slivers that are there.
    pub live: usize,
}

/// Fills the database at `path`, whose only slivers are those of one slice, allocated, and which remembers at least
/// one that went.
///
/// # Errors
/// The database is not of that kind.
pub fn fill(path: &Path, size: Size) -> Result<(), Failure> {
    fill_rows(path, size).map_err(Failure::when(path.display().to_string()))
}

fn fill_rows(path: &Path, size: Size) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    // A crash half-way costs a run of the measurements, not an experimenter's slice.
    connection.execute_batch("PRAGMA synchronous = off; BEGIN IMMEDIATE")?;
    let copies = size.live.div_ceil(TEMPLATE).saturating_sub(1);
    connection.execute("UPDATE slivers SET expires = ?1", [FAR])?;
    let slice_name = |column: &str| format!("{column} || '-copy-' || n");
    copy(&connection, "slices", copies, "", &[("key", &slice_name("key")), ("urn", &slice_name("urn"))])?;
    let sliver_name = "'urn:publicid:IDN+am.localhost+sliver+' || lower(hex(randomblob(16)))";
    copy(
        &connection,
        "slivers",
        copies,
        "",
        &[("key", sliver_name), ("urn", "''"), ("slice", &slice_name("slice"))],
    )?;
    connection.execute("UPDATE slivers SET urn = key WHERE urn = ''", [])?;
    connection.execute("UPDATE capacity SET held = held * ?1", [count(copies + 1)])?;
    copy(
        &connection,
        "departed",
        size.past,
        "WHERE key = (SELECT MIN(key) FROM departed)",
        &[("key", sliver_name), ("urn", "''")],
    )?;
    connection.execute("UPDATE departed SET urn = key WHERE urn = ''", [])?;
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Copies the rows of a table that `which` selects `times` times over, numbered `n` from 1, with some of the columns
/// replaced.
fn copy(
    connection: &Connection,
    table: &str,
    times: usize,
    which: &str,
    replaced: &[(&str, &str)],
) -> rusqlite::Result<()> {
    let columns: Vec<String> = connection
        .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let values: Vec<&str> = columns
        .iter()
        .map(|column| {
            replaced.iter().find(|(name, _)| name == column).map_or(column.as_str(), |(_, value)| value)
        })
        .collect();
    connection.execute(
        &format!(
            "WITH RECURSIVE count (n) AS (SELECT 1 WHERE ?1 > 0 UNION ALL SELECT n + 1 FROM count WHERE n < ?1),
                  template AS MATERIALIZED (SELECT * FROM {table} {which})
             INSERT INTO {table} ({}) SELECT {} FROM count, template",
            columns.join(", "),
            values.join(", ")
        ),
        [count(times)],
    )?;
    Ok(())
}

/// The mean size in bytes of what one sliver's row holds.
///
/// # Errors
/// The database cannot be read, or holds no sliver.
pub fn row_size(path: &Path) -> Result<usize, Failure> {
    let read = || -> rusqlite::Result<f64> {
        let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let columns: Vec<String> = connection
            .prepare("SELECT name FROM pragma_table_info('slivers')")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let sum: Vec<String> =
            columns.iter().map(|column| format!("COALESCE(LENGTH({column}), 0)")).collect();
        connection.query_row(&format!("SELECT AVG({}) FROM slivers", sum.join(" + ")), [], |row| row.get(0))
    };
    let mean = read().map_err(Failure::when(path.display().to_string()))?;
    Ok(mean as usize)
}
