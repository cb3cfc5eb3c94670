//! The capacity ledger: what slivers hold of what there is.
//!
//! While a sliver is updating it holds, of each resource, the larger of what it was granted and what it
//! would get: less could not honour a `Cancel`, or not the `Provision`.

use crate::slice::Slice;
use crate::sliver::Sliver;
use std::collections::BTreeMap;

/// How much of one resource there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Availability {
    /// All of it.
    pub total: u64,
    /// What slivers hold. It is above `total` only where the total was lowered below what was held.
    pub held: u64,
}

impl Availability {
    /// What can still be given out.
    #[must_use]
    pub fn free(self) -> u64 {
        self.total.saturating_sub(self.held)
    }
}

/// What one sliver holds, by resource; nothing is listed with 0.
#[must_use]
pub fn sliver_holdings(sliver: &Sliver) -> BTreeMap<&str, u64> {
    let mut held: BTreeMap<&str, u64> = BTreeMap::new();
    for configuration in sliver.configurations() {
        let mut asked: BTreeMap<&str, u64> = BTreeMap::new();
        for claim in configuration.claims.iter().filter(|claim| claim.amount > 0) {
            *asked.entry(&claim.resource).or_default() += u64::from(claim.amount);
        }
        for (resource, amount) in asked {
            let most = held.entry(resource).or_default();
            *most = amount.max(*most);
        }
    }
    held
}

/// What all slivers of a slice hold, by resource.
#[must_use]
pub fn holdings(slice: &Slice) -> BTreeMap<String, u64> {
    let mut held: BTreeMap<&str, u64> = BTreeMap::new();
    for sliver in &slice.slivers {
        for (resource, amount) in sliver_holdings(sliver) {
            *held.entry(resource).or_default() += amount;
        }
    }
    held.into_iter().map(|(resource, amount)| (resource.to_owned(), amount)).collect()
}

/// How the ledger has to move for a slice to go from one state to the other; unchanged resources are left
/// out.
pub(crate) fn difference(before: &Slice, after: &Slice) -> BTreeMap<String, i64> {
    let mut moves: BTreeMap<String, i64> = BTreeMap::new();
    let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    for (resource, amount) in holdings(after) {
        moves.insert(resource, signed(amount));
    }
    for (resource, amount) in holdings(before) {
        *moves.entry(resource).or_default() -= signed(amount);
    }
    moves.retain(|_, amount| *amount != 0);
    moves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixtures::{Stage, configuration, slivers, update};
    use crate::{Claim, Event};

    #[test]
    fn an_updating_sliver_holds_the_larger_of_both_sides() {
        let mut stage = Stage::mixed();
        let held = |stage: &Stage| sliver_holdings(stage.get("u"))["cores"];
        assert_eq!(held(&stage), 5);
        stage.does(Event::Update(update(slivers(&["u"]), &[("u", configuration("u", 0))])));
        assert_eq!(held(&stage), 1);
    }

    #[test]
    fn a_move_holds_both_places() {
        let mut stage = Stage::mixed();
        let mut moved = configuration("u", 0);
        moved.claims = vec![
            Claim { resource: "other".into(), amount: 2 },
            Claim { resource: "other".into(), amount: 1 },
        ];
        stage.does(Event::Update(update(slivers(&["u"]), &[("u", moved)])));
        assert_eq!(sliver_holdings(stage.get("u")), BTreeMap::from([("cores", 1), ("other", 3)]));
    }

    #[test]
    fn what_is_free_is_never_below_nothing() {
        assert_eq!(Availability { total: 3, held: 5 }.free(), 0);
        assert_eq!(Availability { total: 5, held: 3 }.free(), 2);
    }
}
