//! The capacity ledger in the database.

use crate::store::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// Replaces the totals. What is held stays held.
pub(super) fn set(connection: &Connection, totals: &BTreeMap<String, u64>) -> Result<(), StoreError> {
    connection.execute("UPDATE capacity SET total = 0, over = held", [])?;
    connection.execute("DELETE FROM capacity WHERE held = 0", [])?;
    for (resource, total) in totals {
        connection
            .prepare_cached(
                "INSERT INTO capacity (resource, total) VALUES (?1, ?2)
                 ON CONFLICT (resource) DO UPDATE SET total = ?2, over = MAX(0, held - ?2)",
            )?
            .execute(params![resource, bounded(*total)])?;
    }
    Ok(())
}

/// Takes `amount` more of a resource, or gives it back where negative.
pub(super) fn hold(connection: &Connection, resource: &str, amount: i64) -> Result<(), StoreError> {
    let row: Option<(i64, i64)> = connection
        .prepare_cached("SELECT total, held FROM capacity WHERE resource = ?1")?
        .query_row([resource], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (total, held) = row.unwrap_or_default();
    if amount > 0 && held.checked_add(amount).is_none_or(|sum| sum > total) {
        return Err(StoreError::Exhausted {
            resource: resource.to_owned(),
            wanted: amount.unsigned_abs(),
            free: u64::try_from(total - held).unwrap_or_default(),
            total: total.unsigned_abs(),
        });
    }
    // The table's own constraint says the same once more, for whatever else may write to it.
    let updated = connection
        .prepare_cached(
            "UPDATE capacity SET held = held + ?2, over = MIN(over, MAX(0, held + ?2 - total))
             WHERE resource = ?1",
        )?
        .execute(params![resource, amount])?;
    if updated == 1 { Ok(()) } else { Err(StoreError::Corrupt { what: "ledger" }) }
}

/// SQLite's integers end at 2^63 - 1; half of that leaves room for sums.
fn bounded(total: u64) -> i64 {
    i64::try_from(total).unwrap_or(i64::MAX).min(i64::MAX / 2)
}
