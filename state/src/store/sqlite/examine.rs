//! Reading everything there is, to learn what is damaged.

use super::quarantine::DEPARTED;
use super::read::{self, Readable};
use super::row;
use crate::operational::Instance;
use crate::sliver::Configuration;
use crate::store::{StoreError, UnreadableRow};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// The most findings about the file that are kept: the first ones tell what is wrong.
const FINDINGS: usize = 20;

/// What an examination found.
#[derive(Debug, Default)]
pub(super) struct Examination {
    /// What is wrong with the file as a whole.
    pub(super) damage: Vec<String>,
    /// Conditions of the schema that some row does not meet.
    pub(super) violations: Vec<String>,
    /// The rows that cannot be read.
    pub(super) unreadable: BTreeSet<UnreadableRow>,
}

/// Examines the database. The connection should be a fresh one: what another one remembers of the file hides what
/// happened to it.
pub(super) fn examine(connection: &Connection) -> Result<Examination, StoreError> {
    let mut found = Examination::default();
    match quick_check(connection) {
        Ok(lines) => {
            let (violations, damage) = lines.into_iter().partition(|line| is_about_a_row(line));
            (found.violations, found.damage) = (violations, damage);
        }
        // SQLite may find a file too damaged even to say what is wrong with it.
        Err(rusqlite::Error::SqliteFailure(error, message))
            if matches!(
                error.code,
                rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase
            ) =>
        {
            found.damage.push(message.unwrap_or_else(|| error.to_string()));
        }
        Err(error) => return Err(error.into()),
    }
    if found.damage.is_empty() {
        found.unreadable = unreadable(connection)?;
    }
    Ok(found)
}

/// What SQLite says of the file; nothing when all is well.
fn quick_check(connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = connection.prepare(&format!("PRAGMA quick_check({FINDINGS})"))?;
    let lines = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// Whether a finding is about a value in a row, not about the structure of the file: the table can be read all the same.
fn is_about_a_row(line: &str) -> bool {
    line.starts_with("CHECK constraint failed in ") || line.contains(" value in ")
}

/// All rows that this program cannot read.
fn unreadable(connection: &Connection) -> Result<BTreeSet<UnreadableRow>, StoreError> {
    let mut found = BTreeSet::new();
    let mut note = |read: Readable<()>| found.extend(read.unreadable);
    note(read::readable(connection, "slices", read::ALL_SLICES, [], usize::MAX, |row| {
        read::head(row).map(drop)
    })?);
    note(read::readable(connection, "frames", read::ALL_FRAMES, [], usize::MAX, |row| {
        read::frame(row).map(drop)
    })?);
    note(read::readable(connection, "slivers", row::SLIVERS, [], usize::MAX, |row| {
        row::roster_entry(row)?;
        row::sliver(row).map(drop)
    })?);
    let departed = "SELECT key, slice, urn, resource, departed, configuration, instance FROM departed";
    note(read::readable(connection, DEPARTED, departed, [], usize::MAX, |row| {
        row::urn_of_key(row, 2, 0)?;
        row::urn(row, 1)?;
        row::resource(row, 3)?;
        row::time(row, 4)?;
        row::optional_json::<Configuration>(row, 5, "configuration")?;
        row::optional_json::<Instance>(row, 6, "instance").map(drop)
    })?);
    Ok(found)
}
