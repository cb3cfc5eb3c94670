//! Random sequences of all calls on several slices, with a running clock, against the reference in
//! `reference/`: after every call both must give the same answer and stand in the same state, the ledger must
//! be exact, and in the end nothing may be left over. The same through the database, with a ledger that runs
//! out, reopened at random points.

#![allow(clippy::unwrap_used, clippy::panic)]

mod reference;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use reference::{ALLOCATED_FOR, Call, LONGEST, Named, New, PROVISIONED_FOR, Reference, Seen, Wish};
use state::{
    Allocate, AllocateMode, Availability, Cancel, Claim, Configuration, Delete, Event, Goal, Instance,
    NewSliver, Observe, Operate, Phase, Policy, Power, Proposal, Provision, Provisioning, Renew,
    ResourceKind, Restore, Selection, Shutdown, Sighting, Slice, Sliver, SqliteStore, Store, StoreError,
    Transition, Update, View, apply, holdings,
};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use urn::Urn;

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

fn urn(kind: &str, name: &str) -> Urn {
    format!("urn:publicid:IDN+am.example.net+{kind}+{name}").parse().unwrap()
}

fn sliver_urn(name: u32) -> Urn {
    urn("sliver", &format!("s{name}"))
}

fn name_of(urn: &Urn) -> u32 {
    urn.name()[1..].parse().unwrap()
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn configuration(label: u8, cores: u32) -> Configuration {
    let claims = vec![Claim { resource: "cores".into(), amount: cores }];
    Configuration::new(format!("label{label}"), format!("<node n='{label}'/>"), cores.into(), claims)
}

fn new_slivers(new: &[New]) -> Vec<NewSliver> {
    new.iter()
        .map(|(name, link, label, cores)| NewSliver {
            urn: sliver_urn(*name),
            resource: if *link { ResourceKind::Link } else { ResourceKind::Node },
            configuration: configuration(*label, *cores),
        })
        .collect()
}

fn selection(named: &Named) -> Selection {
    match named {
        Named::Slice => Selection::Slice,
        Named::These(names) => Selection::Slivers(names.iter().map(|name| sliver_urn(*name)).collect()),
    }
}

/// The call as the crate wants it.
fn event(call: &Call, slice: &Slice) -> Event {
    let user = urn("user", "alice");
    match call {
        Call::Allocate { new, end, credential } => Event::Allocate(Allocate {
            slivers: new_slivers(new),
            frame: Some("<allocate/>".into()),
            creator: user,
            end_time: end.map(time),
            credential_expires: time(*credential),
        }),
        Call::Provision { named, best, end, credential, work } => Event::Provision(Provision {
            selection: selection(named),
            provisioning: slice
                .slivers
                .iter()
                .map(|one| (one.urn.clone(), Provisioning { configuration: None, disruption: *work }))
                .collect(),
            best_effort: *best,
            end_time: end.map(time),
            credential_expires: time(*credential),
        }),
        Call::Renew { named, until, alap, best, credential } => Event::Renew(Renew {
            selection: selection(named),
            until: time(*until),
            as_late_as_possible: *alap,
            best_effort: *best,
            credential_expires: time(*credential),
        }),
        Call::Update { named, wishes, new, best, credential } => Event::Update(Update {
            selection: selection(named),
            changes: wishes
                .iter()
                .map(|(name, wish)| {
                    let proposal = match wish {
                        Wish::Become(label, cores) => Proposal::Configuration(configuration(*label, *cores)),
                        Wish::Impossible => Proposal::Refused { code: 13, reason: "impossible".into() },
                    };
                    (sliver_urn(*name), proposal)
                })
                .collect(),
            new: new_slivers(new),
            frame: Some("<update/>".into()),
            creator: user,
            best_effort: *best,
            end_time: None,
            credential_expires: time(*credential),
        }),
        Call::Cancel { named, best } => {
            Event::Cancel(Cancel { selection: selection(named), best_effort: *best })
        }
        Call::Delete { named, best, operator } => {
            Event::Delete(Delete { selection: selection(named), best_effort: *best, operator: *operator })
        }
        Call::Act { named, action, best } => Event::Operate(Operate {
            selection: selection(named),
            action: (*action).into(),
            users: BTreeMap::new(),
            best_effort: *best,
        }),
        Call::Shutdown => Event::Shutdown(Shutdown { by: user }),
        Call::Restore => Event::Restore(Restore),
        Call::Expire => Event::Expire,
        Call::Cloud { fails } => {
            let unsettled = slice.slivers.iter().filter(|one| !one.is_settled());
            Event::Observe(Observe { sightings: unsettled.map(|one| sighting(one, *fails)).collect() })
        }
    }
}

/// What a reconciler reports after it did (or failed at) what the goal says.
fn sighting(sliver: &Sliver, fails: bool) -> Sighting {
    let (phase, done) = match sliver.goal() {
        Goal::Absent => panic!("an allocated sliver has nothing to be done"),
        Goal::Halted => (Phase::Stopped, sliver.instance.as_ref().unwrap().done),
        Goal::Present { revision, .. } if fails => (Phase::Failed, revision),
        Goal::Present { power: Power::Stopped, revision, .. } => (Phase::Stopped, revision),
        Goal::Present { power: Power::Running, revision, .. } => (Phase::Running, revision),
    };
    let instance = Instance { phase, done, detail: "i-1".into() };
    Sighting { sliver: sliver.urn.clone(), instance: Some(instance), error: None }
}

/// Where slices are kept between calls.
trait Keeper {
    fn load(&mut self, slice: usize) -> Option<Slice>;
    fn save(&mut self, slice: usize, transition: &Transition) -> Result<(), StoreError>;
    fn cores_in_all(&self) -> u64;
    fn check(&mut self, world: &World);
    fn reopen(&mut self) {}
}

/// In memory, without end.
#[derive(Default)]
struct Memory(BTreeMap<usize, Slice>, i64);

impl Keeper for Memory {
    fn load(&mut self, slice: usize) -> Option<Slice> {
        self.0.get(&slice).cloned()
    }

    fn save(&mut self, slice: usize, transition: &Transition) -> Result<(), StoreError> {
        self.1 += transition.held.get("cores").copied().unwrap_or_default();
        self.0.insert(slice, transition.slice.clone());
        Ok(())
    }

    fn cores_in_all(&self) -> u64 {
        u64::MAX
    }

    fn check(&mut self, world: &World) {
        assert_eq!(self.1, i64::try_from(world.held()).unwrap(), "the ledger's moves add up");
    }
}

/// The real store.
struct Database {
    runtime: Runtime,
    directory: TempDir,
    store: Option<SqliteStore>,
}

const CORES: u64 = 14;

impl Database {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut database = Self { runtime, directory, store: None };
        database.reopen();
        database
    }

    fn with<T>(
        &self,
        work: impl AsyncFnOnce(&SqliteStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.runtime.block_on(work(self.store.as_ref().unwrap()))
    }
}

impl Keeper for Database {
    fn load(&mut self, slice: usize) -> Option<Slice> {
        self.with(async |store| store.load(&slice_urn(slice)).await).unwrap()
    }

    fn save(&mut self, _: usize, transition: &Transition) -> Result<(), StoreError> {
        let before = self.with(async |store| store.load(&transition.slice.urn).await).unwrap();
        let version = match self.with(async |store| store.save(transition).await) {
            Ok(version) => version,
            Err(error) => {
                let after = self.with(async |store| store.load(&transition.slice.urn).await).unwrap();
                assert_eq!(before, after, "a failed save leaves no trace");
                return Err(error);
            }
        };
        let kept = self.with(async |store| store.load(&transition.slice.urn).await).unwrap();
        let expected = Slice { version, ..transition.slice.clone() };
        assert_eq!(kept, if expected.is_gone() { None } else { Some(expected) });
        Ok(())
    }

    fn cores_in_all(&self) -> u64 {
        CORES
    }

    fn check(&mut self, world: &World) {
        let held = self.with(async |store| store.availability().await).unwrap();
        assert_eq!(held["cores"], Availability { total: CORES, held: world.held() });
        let roster = self.with(async |store| store.roster().await).unwrap();
        let there: BTreeSet<u32> = world.reference.rows.iter().map(|row| row.name).collect();
        assert_eq!(roster.iter().map(|one| name_of(&one.sliver)).collect::<BTreeSet<_>>(), there);
        let departed = self.with(async |store| store.departed(None, usize::MAX).await).unwrap();
        assert_eq!(
            departed.iter().map(|one| name_of(&one.sliver)).collect::<BTreeSet<_>>(),
            world.provisioned.difference(&there).copied().collect(),
            "what was built and went is to be cleared away, and nothing else"
        );
        let due = self.with(async |store| store.due(time(world.now)).await).unwrap();
        let expired: BTreeSet<String> = world
            .reference
            .rows
            .iter()
            .filter(|row| row.ends <= world.now && !world.reference.shut.contains(&row.slice))
            .map(|row| slice_urn(row.slice).to_string())
            .collect();
        assert_eq!(due.iter().map(Urn::to_string).collect::<BTreeSet<_>>(), expired);
        let next = self.with(async |store| store.next_expiry().await).unwrap();
        let running = world.reference.rows.iter().filter(|row| !world.reference.shut.contains(&row.slice));
        assert_eq!(next.map(|next| next.timestamp()), running.map(|row| row.ends).min());
    }

    fn reopen(&mut self) {
        self.store = None;
        let store = SqliteStore::open(&self.directory.path().join("state.db")).unwrap();
        let totals = BTreeMap::from([("cores".to_owned(), CORES)]);
        self.runtime.block_on(store.set_totals(&totals)).unwrap();
        self.store = Some(store);
    }
}

fn slice_urn(slice: usize) -> Urn {
    urn("slice", &format!("slice{slice}"))
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
