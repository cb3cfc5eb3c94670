//! What may belong to a sliver whose row cannot be read is not destroyed as belonging to nobody.

use super::Reconciler;
use std::collections::HashSet;
use urn::Urn;

/// The names of instances and volumes that are to be left alone.
#[derive(Debug, Default)]
pub(super) struct LeftAlone {
    tokens: HashSet<String>,
    /// Some row does not even tell which sliver it is: everything may be that sliver's.
    all: bool,
}

impl LeftAlone {
    /// Whether nothing of this name may be destroyed.
    pub(super) fn has(&self, token: &str) -> bool {
        self.all || self.tokens.contains(&token.to_ascii_lowercase())
    }
}

impl Reconciler {
    /// What has to be left alone because of the rows that are set aside now.
    pub(super) fn left_alone(&self) -> LeftAlone {
        let mut left = LeftAlone::default();
        let rows = self.slices.store().condition().unreadable;
        // A slice or a frame that cannot be read hides no sliver: each has a row of its own.
        for row in rows.iter().filter(|row| row.table == "slivers") {
            match Urn::parse(&row.key) {
                Ok(sliver) if row.what != "key" => {
                    left.tokens.insert(self.token(&sliver).to_ascii_lowercase());
                }
                _ => left.all = true,
            }
        }
        left
    }
}
