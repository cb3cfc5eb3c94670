//! What the writer does: each function runs inside a savepoint of its own.

use super::read::at_most;
use super::row::{DepartedRow, Rows, SliverRow};
use super::totals;
use crate::store::StoreError;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use urn::Urn;

/// Saves a transition over the version it was computed from; gives the new version.
pub(super) fn save(connection: &Connection, rows: &Rows) -> Result<u64, StoreError> {
    let slice = rows.slice.key();
    let found: Option<i64> = connection
        .prepare_cached("SELECT version FROM slices WHERE key = ?1")?
        .query_row([slice], |row| row.get(0))
        .optional()?;
    if found.map_or(Ok(0), u64::try_from) != Ok(rows.expected) {
        return Err(StoreError::Conflict { slice: rows.slice.clone() });
    }
    let version: i64 = connection
        .prepare_cached("UPDATE saves SET count = count + 1 RETURNING count")?
        .query_row([], |row| row.get(0))?;
    let (shutdown_by, shutdown_at) = rows.shutdown.as_ref().map(|(by, at)| (by, at)).unzip();
    connection
        .prepare_cached(
            "INSERT INTO slices (key, urn, version, created, shutdown_by, shutdown_at, uuid)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (key) DO UPDATE
             SET version = ?3, shutdown_by = ?5, shutdown_at = ?6, uuid = ?7",
        )?
        .execute(params![
            slice,
            rows.slice.as_str(),
            version,
            rows.created,
            shutdown_by,
            shutdown_at,
            rows.uuid
        ])?;
    for sliver in &rows.departed {
        depart(connection, rows, sliver)?;
    }
    for sliver in &rows.slivers {
        write_sliver(connection, slice, sliver)?;
    }
    for number in &rows.dropped_frames {
        connection
            .prepare_cached("DELETE FROM frames WHERE slice = ?1 AND number = ?2")?
            .execute(params![slice, number])?;
    }
    for (number, document) in &rows.added_frames {
        connection
            .prepare_cached("INSERT INTO frames (slice, number, document) VALUES (?1, ?2, ?3)")?
            .execute(params![slice, number, document])?;
    }
    for (resource, amount) in &rows.held {
        totals::hold(connection, resource, *amount)?;
    }
    if rows.is_gone {
        connection.prepare_cached("DELETE FROM slices WHERE key = ?1")?.execute([slice])?;
    }
    u64::try_from(version).map_err(|_| StoreError::Corrupt { what: "version" })
}

fn write_sliver(connection: &Connection, slice: &str, sliver: &SliverRow) -> Result<(), StoreError> {
    let key = sliver.urn.key();
    let updated = connection
        .prepare_cached(
            "UPDATE slivers SET expires = ?3, allocation = ?4, operational = ?5, settled = ?6, suspended = ?7,
                 power = ?8, wanted = ?9, configuration = ?10, pending = ?11, instance = ?12, error = ?13
             WHERE key = ?1 AND slice = ?2",
        )?
        .execute(params![
            key,
            slice,
            sliver.expires,
            sliver.allocation,
            sliver.operational,
            sliver.settled,
            sliver.suspended,
            sliver.power,
            sliver.wanted,
            sliver.configuration,
            sliver.pending,
            sliver.instance,
            sliver.error,
        ])?;
    if updated == 1 {
        return Ok(());
    }
    let used: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM departed WHERE key = ?1)
                 OR EXISTS (SELECT 1 FROM slivers WHERE key = ?1)",
        )?
        .query_row([key], |row| row.get(0))?;
    if used {
        return Err(StoreError::NameTaken { sliver: sliver.urn.clone() });
    }
    connection
        .prepare_cached(
            "INSERT INTO slivers (key, urn, slice, position, resource, created, creator, expires, allocation,
                 operational, settled, suspended, power, wanted, configuration, pending, instance, error)
             VALUES (?1, ?2, ?3, (SELECT COALESCE(MAX(position), 0) + 1 FROM slivers WHERE slice = ?3), ?4, ?5,
                 ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            key,
            sliver.urn.as_str(),
            slice,
            sliver.resource,
            sliver.created,
            sliver.creator,
            sliver.expires,
            sliver.allocation,
            sliver.operational,
            sliver.settled,
            sliver.suspended,
            sliver.power,
            sliver.wanted,
            sliver.configuration,
            sliver.pending,
            sliver.instance,
            sliver.error,
        ])?;
    Ok(())
}

fn depart(connection: &Connection, rows: &Rows, sliver: &DepartedRow) -> Result<(), StoreError> {
    let key = sliver.urn.key();
    let deleted = connection
        .prepare_cached("DELETE FROM slivers WHERE key = ?1 AND slice = ?2")?
        .execute([key, rows.slice.key()])?;
    if deleted != 1 {
        return Err(StoreError::Corrupt { what: "list of slivers" });
    }
    connection
        .prepare_cached(
            "INSERT INTO departed (key, urn, slice, resource, created, creator, departed, cause, configuration,
                 instance)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            key,
            sliver.urn.as_str(),
            rows.slice.as_str(),
            sliver.resource,
            sliver.created,
            sliver.creator,
            rows.at,
            sliver.cause,
            sliver.configuration,
            sliver.instance,
        ])?;
    Ok(())
}

/// Nothing is left of these in the cloud.
pub(super) fn forget_departed(connection: &Connection, slivers: &[Urn]) -> Result<(), StoreError> {
    for sliver in slivers {
        connection
            .prepare_cached("UPDATE departed SET configuration = NULL, instance = NULL WHERE key = ?1")?
            .execute([sliver.key()])?;
    }
    Ok(())
}

/// Forgets that there ever were these.
pub(super) fn drop_departed(
    connection: &Connection,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize, StoreError> {
    let dropped = connection
        .prepare_cached(
            "DELETE FROM departed WHERE key IN (
                 SELECT key FROM departed WHERE configuration IS NULL AND departed < ?1 LIMIT ?2)",
        )?
        .execute((before.timestamp(), at_most(limit)))?;
    Ok(dropped)
}

pub(super) fn note(connection: &Connection, name: &str, text: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO notes (name, text) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET text = ?2 WHERE text <> ?2",
        )?
        .execute([name, text])?;
    Ok(())
}
