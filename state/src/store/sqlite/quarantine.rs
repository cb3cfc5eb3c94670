//! The rows that cannot be read, by name. Reading leaves them out, and says so once.

use crate::store::UnreadableRow;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The table of tombstones: a row of it stands in the way of no slice.
pub(super) const DEPARTED: &str = "departed";

/// The rows that are set aside.
#[derive(Debug, Default)]
pub(super) struct Quarantine(Mutex<BTreeSet<UnreadableRow>>);

impl Quarantine {
    /// Sets a row aside.
    pub(super) fn put(&self, row: UnreadableRow) {
        let mut rows = self.rows();
        if !rows.contains(&row) {
            tell(&row);
            rows.insert(row);
        }
    }

    /// Puts what an examination found in place of what was known: a row that was mended since is free again.
    pub(super) fn replace(&self, found: BTreeSet<UnreadableRow>) {
        let mut rows = self.rows();
        found.difference(&rows).for_each(tell);
        for row in rows.difference(&found) {
            tracing::info!(table = row.table, row = row.key, "a row of the database can be read again");
        }
        *rows = found;
    }

    /// The rows that are set aside.
    pub(super) fn list(&self) -> Vec<UnreadableRow> {
        self.rows().iter().cloned().collect()
    }

    /// The keys of the slices that cannot be loaded because of such a row.
    pub(super) fn slices(&self) -> BTreeSet<String> {
        self.rows().iter().filter(|row| row.table != DEPARTED).map(|row| row.slice.clone()).collect()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeSet<UnreadableRow>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(row: &UnreadableRow) {
    tracing::error!(
        table = row.table,
        row = row.key,
        slice = row.slice,
        what = row.what,
        "a row of the database cannot be read: it is set aside, and nothing is done with it"
    );
}
