//! Random sequences of all calls on several slices, with a running clock, against the reference in
//! `reference/`: after every call both must give the same answer and stand in the same state, the ledger must
//! be exact, and in the end nothing may be left over. The same through the database, with a ledger that runs
//! out, reopened at random points.

#![allow(clippy::unwrap_used, clippy::panic)]
mod calls;
mod keepers;
mod reference;
mod translate;

use calls::{Call, Named, Wish};
use chrono::TimeDelta;
use keepers::{Database, Keeper, Memory};
use proptest::prelude::*;
use reference::{ALLOCATED_FOR, LONGEST, PROVISIONED_FOR, Reference, Seen};
use state::{AllocateMode, Policy, ResourceKind, Slice, Sliver, StoreError, View, apply, holdings};
use std::collections::BTreeSet;
use translate::{event, name_of, slice_urn, time};

const SLICES: usize = 3;
const BEGIN: i64 = 1_900_000_000;

/// A step as drawn: numbers, which become a call once it is known what there is.
#[derive(Debug, Clone)]
struct Draw {
    call: u8,
    slice: usize,
    /// Which of the slivers that the slice ever had are named, the latest first; `None` names the slice.
    named: Option<u16>,
    best: bool,
    flag: bool,
    /// A time from now, in seconds.
    time: Option<i64>,
    short_credential: bool,
    labels: Vec<(bool, u8, u32)>,
    wishes: Vec<(u8, u8, u32)>,
    passes: i64,
}

fn draw() -> impl Strategy<Value = Draw> {
    (
        (0..24_u8, 0..SLICES, prop::option::weighted(0.6, any::<u16>()), any::<bool>(), any::<bool>()),
        (prop::option::of(-20..4000_i64), prop::bool::weighted(0.1)),
        prop::collection::vec((any::<bool>(), 0..6_u8, 0..4_u32), 0..4),
        prop::collection::vec((0..8_u8, 0..6_u8, 0..5_u32), 6),
        prop_oneof![4 => 0..3_i64, 2 => 3..60_i64, 1 => 60..1200_i64],
    )
        .prop_map(
            |((call, slice, named, best, flag), (time, short_credential), labels, wishes, passes)| Draw {
                call,
                slice,
                named,
                best,
                flag,
                time,
                short_credential,
                labels,
                wishes,
                passes,
            },
        )
}

/// Both accounts, side by side.
struct World {
    reference: Reference,
    policy: Policy,
    now: i64,
    names: u32,
    /// The slivers that each slice ever had.
    ever: Vec<Vec<u32>>,
    provisioned: BTreeSet<u32>,
}

impl World {
    fn new(single_allocation: bool, single_allocate: bool) -> Self {
        Self {
            reference: Reference { single_allocation, single_allocate, ..Reference::default() },
            policy: Policy {
                allocated_for: TimeDelta::seconds(ALLOCATED_FOR),
                provisioned_for: TimeDelta::seconds(PROVISIONED_FOR),
                max_lifetime: TimeDelta::seconds(LONGEST),
                single_allocation,
                allocate: if single_allocate { AllocateMode::Single } else { AllocateMode::Many },
            },
            now: BEGIN,
            names: 0,
            ever: vec![Vec::new(); SLICES],
            provisioned: BTreeSet::new(),
        }
    }

    fn held(&self) -> u64 {
        (0..SLICES).map(|slice| self.reference.held(slice)).sum()
    }

    fn call(&mut self, draw: &Draw) -> Call {
        let named = match draw.named {
            None => Named::Slice,
            Some(bits) => Named::These(
                self.ever[draw.slice]
                    .iter()
                    .rev()
                    .enumerate()
                    .filter(|(place, _)| *place < 12 && bits >> place & 1 == 1)
                    .map(|(_, name)| *name)
                    .collect(),
            ),
        };
        let end = draw.time.map(|time| self.now + time);
        let credential = self.now + if draw.short_credential { 50 } else { 100_000 };
        let best = draw.best;
        let mut new = Vec::new();
        if matches!(draw.call, 0..=3 | 11..=13) {
            for (link, label, cores) in &draw.labels {
                self.names += 1;
                new.push((self.names, *link, *label, *cores));
            }
        }
        match draw.call {
            0..=3 => Call::Allocate { new, end, credential },
            4..=7 => Call::Provision { named, best, end, credential, work: draw.flag },
            8..=9 => {
                Call::Renew { named, until: end.unwrap_or(self.now + 90), alap: draw.flag, best, credential }
            }
            10..=13 => {
                let live = self.reference.live(draw.slice, self.now);
                let listed: Vec<u32> = match &named {
                    Named::Slice => live.iter().map(|row| row.name).collect(),
                    Named::These(names) => names.clone(),
                };
                let mut wishes = Vec::new();
                for (row, (choice, label, cores)) in live.iter().zip(draw.wishes.iter().cycle()) {
                    let stray = !listed.contains(&row.name);
                    match choice {
                        0 => {}
                        1 if !stray => wishes.push((row.name, Wish::Impossible)),
                        2 | 3 if !stray => wishes.push((row.name, Wish::Become(row.has.0, row.has.1))),
                        7 => wishes.push((row.name, Wish::Become(*label, *cores))),
                        _ if !stray => wishes.push((row.name, Wish::Become(*label, *cores))),
                        _ => {}
                    }
                }
                Call::Update { named, wishes, new, best, credential }
            }
            14..=15 => Call::Cancel { named, best },
            16 => Call::Delete { named, best, operator: draw.flag },
            17..=18 => {
                let action = ["geni_start", "geni_stop", "geni_restart", "geni_dance"]
                    [usize::from(draw.wishes[0].0 % 4)];
                Call::Act { named, action, best }
            }
            19 if draw.flag => Call::Shutdown,
            19..=20 => Call::Restore,
            21 => Call::Expire,
            _ => Call::Cloud { fails: draw.flag && draw.best },
        }
    }

    fn step(&mut self, keeper: &mut dyn Keeper, slice: usize, call: &Call) {
        let before = keeper.load(slice).unwrap_or_else(|| Slice::new(slice_urn(slice), time(self.now)));
        let outcome = apply(&before, &event(call, &before), time(self.now), &self.policy);
        let mut reference = self.reference.clone();
        let expected = reference.call(slice, call, self.now);
        let transition = match (outcome, expected) {
            (Err(refusal), Err(code)) => {
                assert_eq!(refusal.geni_code(), code, "{call:?}: {refusal}");
                return;
            }
            (Ok(transition), Ok(report)) => {
                if !matches!(call, Call::Cloud { .. }) {
                    assert_eq!(transition.report.iter().map(seen).collect::<Vec<_>>(), report, "{call:?}");
                }
                transition
            }
            (outcome, expected) => panic!("{call:?}: {outcome:?}, but the reference says {expected:?}"),
        };
        let (had, has) = (self.reference.held(slice), reference.held(slice));
        let exhausted = has > had && self.held() - had + has > keeper.cores_in_all();
        match keeper.save(slice, &transition) {
            Ok(()) => assert!(!exhausted, "{call:?} should have run out of cores"),
            Err(StoreError::Exhausted { wanted, .. }) if exhausted => {
                assert_eq!(wanted, has - had);
                return;
            }
            Err(error) => panic!("{call:?}: {error}"),
        }
        let is_new = |name: u32| self.ever.iter().all(|names| !names.contains(&name));
        let new: Vec<u32> = reference.rows.iter().map(|row| row.name).filter(|name| is_new(*name)).collect();
        self.ever[slice].extend(new);
        self.provisioned
            .extend(reference.rows.iter().filter(|row| row.state != "geni_allocated").map(|row| row.name));
        self.reference = reference;
    }

    /// The two accounts agree about every slice.
    fn agree(&self, keeper: &mut dyn Keeper) {
        for number in 0..SLICES {
            let slice = keeper.load(number).unwrap_or_else(|| Slice::new(slice_urn(number), time(self.now)));
            let live: Vec<&Sliver> = slice.live(time(self.now)).collect();
            let rows = self.reference.live(number, self.now);
            assert_eq!(live.len(), rows.len());
            for (sliver, row) in live.iter().zip(rows) {
                assert_eq!(name_of(&sliver.urn), row.name);
                assert_eq!(sliver.status().as_str(), row.state);
                assert_eq!(sliver.operational().as_str(), row.operational, "{sliver:?}");
                assert_eq!(sliver.expires.timestamp(), row.ends);
                assert_eq!(sliver.resource == ResourceKind::Link, row.link);
                let content = |view| {
                    sliver.configuration(view).map(|one| (one.client_id.clone(), one.claims[0].amount))
                };
                let labelled = |(label, cores): (u8, u32)| (format!("label{label}"), cores);
                let future = if row.state == "geni_updating" { row.next } else { Some(row.has) };
                assert_eq!(content(View::Future), future.map(labelled));
                let cancelled = if row.state == "geni_allocated" { None } else { Some(row.has) };
                assert_eq!(content(View::Cancelled), cancelled.map(labelled));
            }
            let held = holdings(&slice).get("cores").copied().unwrap_or_default();
            assert_eq!(held, self.reference.held(number));
            let used: BTreeSet<u32> =
                slice.slivers.iter().flat_map(Sliver::configurations).filter_map(|one| one.frame).collect();
            assert_eq!(used, slice.frames.iter().map(|frame| frame.number).collect());
            assert_eq!(slice.shutdown.is_some(), self.reference.shut.contains(&number));
        }
        keeper.check(self);
    }
}

fn seen(outcome: &state::Outcome) -> Seen {
    (
        name_of(&outcome.urn),
        outcome.status.as_str(),
        outcome.next.map_or("", state::NextAllocation::as_str),
        outcome.expires.map(|expires| expires.timestamp()),
        outcome.refusal.as_ref().map(state::Refusal::geni_code),
    )
}

fn run(keeper: &mut dyn Keeper, modes: (bool, bool), draws: &[Draw], reopen_at: &[usize]) {
    let mut world = World::new(modes.0, modes.1);
    for (step, draw) in draws.iter().enumerate() {
        if reopen_at.contains(&step) {
            keeper.reopen();
        }
        world.now += draw.passes;
        let call = world.call(draw);
        world.step(keeper, draw.slice, &call);
        world.agree(keeper);
    }
    for slice in 0..SLICES {
        world.step(keeper, slice, &Call::Restore);
        world.step(keeper, slice, &Call::Delete { named: Named::Slice, best: false, operator: false });
        world.step(keeper, slice, &Call::Expire);
    }
    world.agree(keeper);
    assert_eq!(world.held(), 0);
    assert!((0..SLICES).all(|slice| keeper.load(slice).is_none_or(|slice| slice.is_gone())));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_does_what_the_reference_does(
        modes in (prop::bool::weighted(0.3), prop::bool::weighted(0.2)),
        draws in prop::collection::vec(draw(), 1..80),
    ) {
        run(&mut Memory::default(), modes, &draws, &[]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_database_keeps_what_the_reference_keeps(
        modes in (prop::bool::weighted(0.3), prop::bool::weighted(0.2)),
        draws in prop::collection::vec(draw(), 1..50),
        reopen_at in prop::collection::vec(0..50_usize, 0..4),
    ) {
        run(&mut Database::new(), modes, &draws, &reopen_at);
    }
}
