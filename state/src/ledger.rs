//! The capacity ledger: what slivers hold of what there is.
//!
//! While a sliver is updating it holds, of each resource, the larger of what it was granted and what it
//! would get: less could not honour a `Cancel`, or not the `Provision`.

use crate::slice::Slice;
use crate::sliver::Sliver;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

/// How much of one resource there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

/// The ledger as of the last saved change, in memory: what placement proposes from. Looking at it costs no reading
/// of the store, and changes move it where they touch it, however many resources there are.
///
/// It moves under those who look: two resources read one after the other may belong to different changes. Whether
/// something can really be had is decided when the transition is saved.
#[derive(Debug, Default)]
pub struct Ledger {
    shares: HashMap<String, Share>,
    turns: AtomicU64,
}

#[derive(Debug)]
struct Share {
    total: u64,
    held: AtomicU64,
}

impl Ledger {
    /// A ledger with these resources.
    #[must_use]
    pub fn new(shares: BTreeMap<String, Availability>) -> Self {
        let share = |share: Availability| Share { total: share.total, held: AtomicU64::new(share.held) };
        let shares = shares.into_iter().map(|(resource, it)| (resource, share(it))).collect();
        Self { shares, turns: AtomicU64::new(0) }
    }

    /// How much there is of a resource; None for one there never was.
    #[must_use]
    pub fn get(&self, resource: &str) -> Option<Availability> {
        self.shares
            .get(resource)
            .map(|share| Availability { total: share.total, held: share.held.load(Ordering::Acquire) })
    }

    /// A number that grows whenever a resource has its last piece taken, or a first one given back: as long as it
    /// stays the same, what could be had then can be had now. Read it before what it is to vouch for.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    /// Moves the ledger as a saved transition did.
    pub(crate) fn apply(&self, moves: &BTreeMap<String, i64>) {
        for (resource, amount) in moves {
            let Some(share) = self.shares.get(resource) else { continue };
            let moved = |held: u64| Some(held.saturating_add_signed(*amount));
            let Ok(before) = share.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, moved) else {
                continue;
            };
            let after = before.saturating_add_signed(*amount);
            if (before < share.total) != (after < share.total) {
                self.turns.fetch_add(1, Ordering::AcqRel);
            }
        }
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

    #[test]
    fn the_ledger_in_memory_moves_with_changes_and_counts_turns() {
        let share = |total, held| Availability { total, held };
        let ledger =
            Ledger::new(BTreeMap::from([("a".to_owned(), share(2, 0)), ("b".to_owned(), share(1, 3))]));
        let moves = |resource: &str, amount| ledger.apply(&BTreeMap::from([(resource.to_owned(), amount)]));
        moves("a", 1);
        assert_eq!((ledger.get("a"), ledger.turns()), (Some(share(2, 1)), 0));
        moves("a", 1);
        assert_eq!((ledger.get("a"), ledger.turns()), (Some(share(2, 2)), 1));
        moves("a", -2);
        assert_eq!((ledger.get("a"), ledger.turns()), (Some(share(2, 0)), 2));
        // More is held than there is: giving some of it back makes nothing free.
        moves("b", -2);
        assert_eq!((ledger.get("b"), ledger.turns()), (Some(share(1, 1)), 2));
        moves("c", 1);
        assert_eq!(ledger.get("c"), None);
    }
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
