//! Where slices are kept between calls.

use super::World;
use super::translate::{name_of, slice_urn, time};
use state::{Availability, Slice, SqliteStore, Store, StoreError, Transition};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use urn::Urn;

pub(crate) trait Keeper {
    fn load(&mut self, slice: usize) -> Option<Slice>;
    fn save(&mut self, slice: usize, transition: &Transition) -> Result<(), StoreError>;
    fn cores_in_all(&self) -> u64;
    fn check(&mut self, world: &World);
    fn reopen(&mut self) {}
}

/// In memory, without end.
#[derive(Default)]
pub(crate) struct Memory(BTreeMap<usize, Slice>, i64);

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
pub(crate) struct Database {
    runtime: Runtime,
    directory: TempDir,
    store: Option<SqliteStore>,
}

pub(crate) const CORES: u64 = 14;

impl Database {
    pub(crate) fn new() -> Self {
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
        assert_eq!(self.store.as_ref().unwrap().ledger().get("cores"), Some(held["cores"]));
        let roster = self.with(async |store| store.roster(None, usize::MAX).await).unwrap();
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
