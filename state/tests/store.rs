//! What the store promises: whole transitions or nothing, never over a newer version, never more than there
//! is, names once only, and all of it after a restart or a kill.

#![allow(clippy::unwrap_used, clippy::panic)]

use chrono::{DateTime, Utc};
use state::{
    Allocate, Allocation, AllocationStatus, Availability, Cause, Claim, Configuration, Delete, Event,
    Instance, NewSliver, Observe, Operational, Pending, Phase, Policy, Proposal, Provision, ResourceKind,
    Revision, Selection, Shutdown, Sighting, Slice, SqliteStore, Store, StoreError, Transition, Update, View,
    Whereabouts, apply,
};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use urn::Urn;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000 + seconds, 0).unwrap()
}

fn urn(kind: &str, name: &str) -> Urn {
    format!("urn:publicid:IDN+am.example.net+{kind}+{name}").parse().unwrap()
}

fn configuration(name: &str, cores: u32) -> Configuration {
    let claims = vec![Claim { resource: "cores".into(), amount: cores }];
    Configuration::new(name.into(), format!("<node client_id=\"{name}\">é</node>"), 7.into(), claims)
}

fn new(name: &str, cores: u32) -> NewSliver {
    NewSliver {
        urn: urn("sliver", name),
        resource: ResourceKind::Node,
        configuration: configuration(name, cores),
    }
}

fn allocate(slivers: Vec<NewSliver>) -> Event {
    Event::Allocate(Allocate {
        slivers,
        frame: Some("<rspec>around</rspec>".into()),
        creator: urn("user", "alice"),
        end_time: None,
        credential_expires: at(1_000_000_000),
    })
}

fn provision() -> Event {
    Event::Provision(Provision {
        selection: Selection::Slice,
        provisioning: BTreeMap::new(),
        best_effort: false,
        end_time: None,
        credential_expires: at(1_000_000_000),
    })
}

fn update(name: &str, cores: u32) -> Event {
    let proposal = Proposal::Configuration(configuration(name, cores));
    Event::Update(Update {
        selection: Selection::Slivers(vec![urn("sliver", name)]),
        changes: BTreeMap::from([(urn("sliver", name), proposal)]),
        new: Vec::new(),
        frame: None,
        creator: urn("user", "alice"),
        best_effort: false,
        end_time: None,
        credential_expires: at(1_000_000_000),
    })
}

fn delete(selection: Selection) -> Event {
    Event::Delete(Delete { selection, best_effort: false, operator: false })
}

fn seen(name: &str, phase: Phase) -> Event {
    let done = Revision { configuration: 1, ..Revision::default() };
    let instance = Some(Instance { phase, done, detail: "i-1".into() });
    Event::Observe(Observe {
        sightings: vec![Sighting { sliver: urn("sliver", name), instance, error: None }],
    })
}

fn step(slice: &Slice, event: &Event) -> Transition {
    apply(slice, event, at(0), &Policy::default()).unwrap()
}

fn fresh(name: &str) -> Slice {
    Slice::new(urn("slice", name), at(0))
}

async fn load(store: &SqliteStore, name: &str) -> Slice {
    store.load(&urn("slice", name)).await.unwrap().unwrap_or_else(|| fresh(name))
}

/// Loads, applies, saves.
async fn does(store: &SqliteStore, slice: &str, event: Event) -> Result<Slice, StoreError> {
    let transition = step(&load(store, slice).await, &event);
    store.save(&transition).await?;
    Ok(load(store, slice).await)
}

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("state.db")
    }

    async fn open(&self, cores: u64) -> SqliteStore {
        open(&self.path(), cores).await
    }
}

async fn open(path: &Path, cores: u64) -> SqliteStore {
    let store = SqliteStore::open(path).unwrap();
    store.set_totals(&BTreeMap::from([("cores".to_owned(), cores)])).await.unwrap();
    store
}

async fn cores(store: &SqliteStore) -> (u64, u64) {
    let Availability { total, held } = store.availability().await.unwrap()["cores"];
    (total, held)
}

#[tokio::test]
async fn a_slice_comes_back_as_it_was_saved_also_after_a_restart() {
    let place = Place::new();
    let store = place.open(10).await;
    does(&store, "demo", allocate(vec![new("a", 1), new("b", 2)])).await.unwrap();
    does(&store, "demo", provision()).await.unwrap();
    does(&store, "demo", seen("a", Phase::Stopped)).await.unwrap();
    let before = does(&store, "demo", update("a", 5)).await.unwrap();
    assert_eq!(before.sliver(&urn("sliver", "a")).unwrap().operational(), Operational::NotReady);
    assert_eq!(before.frames.len(), 1);
    drop(store);

    let store = place.open(10).await;
    let after = load(&store, "DEMO").await;
    assert_eq!(after, before, "slices are found in any case");
    let sliver = after.sliver(&urn("sliver", "a")).unwrap();
    let Allocation::Updating { granted, pending: Pending::Change(change) } = &sliver.allocation else {
        panic!("the original and the change are both kept");
    };
    assert_eq!((granted.claims[0].amount, change.claims[0].amount), (1, 5));
    assert_eq!(sliver.configuration(View::Cancelled), Some(granted));
    assert_eq!(cores(&store).await, (10, 7));
}

#[tokio::test]
async fn a_transition_from_an_outdated_slice_is_a_conflict() {
    let place = Place::new();
    let store = place.open(10).await;
    let first = step(&fresh("demo"), &allocate(vec![new("a", 1)]));
    let second = step(&fresh("demo"), &allocate(vec![new("b", 1)]));
    store.save(&first).await.unwrap();
    assert!(matches!(store.save(&second).await, Err(StoreError::Conflict { .. })));

    let loaded = load(&store, "demo").await;
    store.save(&step(&loaded, &provision())).await.unwrap();
    let late = step(&loaded, &delete(Selection::Slice));
    let error = store.save(&late).await.unwrap_err();
    assert!(error.to_string().contains("+slice+demo"), "{error}");
    assert_eq!(load(&store, "demo").await.slivers[0].status(), AllocationStatus::Provisioned);
    assert_eq!(cores(&store).await, (10, 1));
}

#[tokio::test]
async fn a_slice_that_went_and_came_back_is_not_taken_for_its_former_self() {
    let place = Place::new();
    let store = place.open(10).await;
    let old = does(&store, "demo", allocate(vec![new("a", 1)])).await.unwrap();
    does(&store, "demo", delete(Selection::Slice)).await.unwrap();
    assert_eq!(store.load(&urn("slice", "demo")).await.unwrap(), None);
    let back = does(&store, "demo", allocate(vec![new("b", 1)])).await.unwrap();
    assert!(back.version > old.version);
    let late = step(&old, &provision());
    assert!(matches!(store.save(&late).await, Err(StoreError::Conflict { .. })));
}

#[tokio::test]
async fn nothing_is_given_out_that_is_not_there() {
    let place = Place::new();
    let store = place.open(4).await;
    does(&store, "one", allocate(vec![new("a", 3)])).await.unwrap();
    let error = does(&store, "two", allocate(vec![new("b", 1), new("c", 1)])).await.unwrap_err();
    assert_eq!(error.to_string(), "not enough cores: 2 more wanted, 1 of 4 free");
    assert_eq!(store.load(&urn("slice", "two")).await.unwrap(), None);
    assert_eq!(store.slice_of(&urn("sliver", "b")).await.unwrap(), None);
    // The names were not used up by the attempt.
    does(&store, "two", allocate(vec![new("b", 1)])).await.unwrap();
    assert_eq!(cores(&store).await, (4, 4));

    let unknown = Claim { resource: "gpus".into(), amount: 1 };
    let mut sliver = new("d", 0);
    sliver.configuration.claims.push(unknown);
    let error = does(&store, "three", allocate(vec![sliver])).await.unwrap_err();
    assert!(matches!(error, StoreError::Exhausted { total: 0, .. }), "{error}");
}

#[tokio::test]
async fn old_and_new_are_held_together_until_one_of_them_goes() {
    let place = Place::new();
    let store = place.open(5).await;
    does(&store, "one", allocate(vec![new("a", 1)])).await.unwrap();
    does(&store, "one", provision()).await.unwrap();
    does(&store, "one", update("a", 4)).await.unwrap();
    assert_eq!(cores(&store).await, (5, 4));
    assert!(does(&store, "two", allocate(vec![new("b", 2)])).await.is_err());
    let slice = load(&store, "one").await;
    let cancel = Event::Cancel(state::Cancel { selection: Selection::Slice, best_effort: false });
    store.save(&step(&slice, &cancel)).await.unwrap();
    does(&store, "two", allocate(vec![new("b", 2)])).await.unwrap();
    assert_eq!(cores(&store).await, (5, 3));
}

#[tokio::test]
async fn a_total_below_what_is_held_takes_nothing_away_and_gives_nothing_out() {
    let place = Place::new();
    let store = place.open(10).await;
    does(&store, "one", allocate(vec![new("a", 4), new("b", 4)])).await.unwrap();
    store.set_totals(&BTreeMap::from([("cores".to_owned(), 5)])).await.unwrap();
    assert_eq!(cores(&store).await, (5, 8));
    assert!(does(&store, "two", allocate(vec![new("c", 1)])).await.is_err());
    does(&store, "one", delete(Selection::Slivers(vec![urn("sliver", "a")]))).await.unwrap();
    assert_eq!(cores(&store).await, (5, 4));
    does(&store, "two", allocate(vec![new("c", 1)])).await.unwrap();
    assert!(does(&store, "two", allocate(vec![new("d", 1)])).await.is_err());

    store.set_totals(&BTreeMap::new()).await.unwrap();
    assert_eq!(cores(&store).await, (0, 5));
    does(&store, "one", delete(Selection::Slice)).await.unwrap();
    does(&store, "two", delete(Selection::Slice)).await.unwrap();
    store.set_totals(&BTreeMap::new()).await.unwrap();
    assert!(store.availability().await.unwrap().is_empty());
}

#[tokio::test]
async fn sliver_names_are_never_given_twice() {
    let place = Place::new();
    let store = place.open(10).await;
    does(&store, "one", allocate(vec![new("a", 1)])).await.unwrap();
    let taken = |result: Result<Slice, StoreError>| matches!(result, Err(StoreError::NameTaken { .. }));
    assert!(taken(does(&store, "two", allocate(vec![new("a", 1)])).await));
    does(&store, "one", delete(Selection::Slice)).await.unwrap();
    drop(store);
    let store = place.open(10).await;
    assert!(taken(does(&store, "two", allocate(vec![new("b", 1), new("a", 1)])).await));
    assert!(taken(does(&store, "one", allocate(vec![new("a", 1)])).await));
    assert_eq!(cores(&store).await, (10, 0));
    let gone = store.slice_of(&urn("sliver", "a")).await.unwrap();
    assert_eq!(gone, Some(Whereabouts::Gone(urn("slice", "one"))));
}

#[tokio::test]
async fn what_was_built_is_remembered_until_it_is_cleared_away() {
    let place = Place::new();
    let store = place.open(10).await;
    does(&store, "one", allocate(vec![new("a", 1), new("b", 1)])).await.unwrap();
    does(&store, "one", provision()).await.unwrap();
    does(&store, "one", seen("a", Phase::Stopped)).await.unwrap();
    does(&store, "one", allocate(vec![new("never-built", 1)])).await.unwrap();
    let here = store.slice_of(&urn("sliver", "a")).await.unwrap();
    assert_eq!(here, Some(Whereabouts::Here(urn("slice", "one"))));

    let transition = step(&load(&store, "one").await, &delete(Selection::Slice));
    assert!(transition.departed.iter().all(|departure| departure.cause == Cause::Deleted));
    store.save(&transition).await.unwrap();
    let departed = store.departed(None, 10).await.unwrap();
    assert_eq!(departed.len(), 2);
    assert_eq!(departed[0].sliver, urn("sliver", "a"));
    assert_eq!(departed[0].instance.as_ref().unwrap().detail, "i-1");
    assert_eq!(departed[1].configuration.client_id, "b");
    assert_eq!(departed[1].instance, None);
    let first = store.departed(None, 1).await.unwrap();
    assert_eq!(first[..], departed[..1]);
    assert_eq!(store.departed(Some(&first[0].sliver), 9).await.unwrap()[..], departed[1..]);

    store.forget_departed(&[urn("sliver", "a")]).await.unwrap();
    store.forget_departed(&[urn("sliver", "a")]).await.unwrap();
    assert_eq!(store.departed(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.counts().await.unwrap().departed, 1);
}

#[tokio::test]
async fn the_reconciler_finds_what_it_has_to_do_page_by_page() {
    let place = Place::new();
    let store = place.open(10).await;
    does(&store, "one", allocate(vec![new("c", 1), new("a", 1)])).await.unwrap();
    assert!(store.unsettled(None, 10).await.unwrap().is_empty(), "nothing is built before Provision");
    does(&store, "one", provision()).await.unwrap();
    does(&store, "two", allocate(vec![new("b", 1)])).await.unwrap();
    does(&store, "two", provision()).await.unwrap();

    let first = store.unsettled(None, 2).await.unwrap();
    let names: Vec<&str> = first.iter().map(|one| one.sliver.name()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(first[1].slice, urn("slice", "two"));
    let rest = store.unsettled(Some(&first[1].sliver), 2).await.unwrap();
    assert_eq!(rest.iter().map(|one| one.sliver.name()).collect::<Vec<_>>(), ["c"]);

    does(&store, "two", seen("b", Phase::Stopped)).await.unwrap();
    assert_eq!(store.unsettled(None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn expiry_is_found_and_frozen_slices_are_left_out() {
    let place = Place::new();
    let store = place.open(10).await;
    assert_eq!(store.next_expiry().await.unwrap(), None);
    does(&store, "one", allocate(vec![new("a", 1), new("b", 1)])).await.unwrap();
    does(&store, "two", allocate(vec![new("c", 1)])).await.unwrap();
    assert_eq!(store.next_expiry().await.unwrap(), Some(at(600)));
    assert!(store.due(at(599)).await.unwrap().is_empty());
    assert_eq!(store.due(at(600)).await.unwrap(), [urn("slice", "one"), urn("slice", "two")]);
    does(&store, "two", Event::Shutdown(Shutdown { by: urn("user", "operator") })).await.unwrap();
    assert_eq!(store.due(at(600)).await.unwrap(), [urn("slice", "one")]);

    // A restart after the expiry: not reported live although nothing has cleared it away.
    drop(store);
    let store = place.open(10).await;
    let slice = load(&store, "one").await;
    assert_eq!((slice.slivers.len(), slice.live(at(600)).count()), (2, 0));
    let expired = apply(&slice, &Event::Expire, at(600), &Policy::default()).unwrap();
    store.save(&expired).await.unwrap();
    assert_eq!(store.next_expiry().await.unwrap(), None);
    assert_eq!(load(&store, "two").await.shutdown.unwrap().by, urn("user", "operator"));
}

#[tokio::test]
async fn counts_and_roster_show_what_there_is() {
    let place = Place::new();
    let store = place.open(10).await;
    does(&store, "one", allocate(vec![new("a", 1), new("b", 1)])).await.unwrap();
    does(&store, "one", provision()).await.unwrap();
    does(&store, "one", seen("a", Phase::Stopped)).await.unwrap();
    does(&store, "two", allocate(vec![new("c", 1)])).await.unwrap();
    does(&store, "two", Event::Shutdown(Shutdown { by: urn("user", "alice") })).await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.slices, counts.shut_down, counts.unsettled, counts.departed), (2, 1, 1, 0));
    let of = |status, operational| counts.slivers.get(&(status, operational)).copied();
    assert_eq!(of(AllocationStatus::Provisioned, Operational::NotReady), Some(1));
    assert_eq!(of(AllocationStatus::Provisioned, Operational::PendingAllocation), Some(1));
    assert_eq!(of(AllocationStatus::Allocated, Operational::PendingAllocation), Some(1));
    let roster = store.roster().await.unwrap();
    assert_eq!(roster.len(), 3);
    assert_eq!((roster[2].sliver.name(), roster[2].slice.name()), ("c", "two"));
    assert_eq!((roster[0].expires, &roster[0].creator), (at(7 * 86_400), &urn("user", "alice")));
}

#[tokio::test]
async fn changes_are_announced_once_they_are_durable_and_nothing_else_is() {
    let place = Place::new();
    let store = place.open(10).await;
    let mut changes = store.changes();
    let before = *changes.borrow_and_update();
    let slice = does(&store, "one", allocate(vec![new("a", 1)])).await.unwrap();
    changes.changed().await.unwrap();
    assert!(*changes.borrow_and_update() > before);
    let nothing = step(&slice, &Event::Expire);
    assert_eq!(store.save(&nothing).await.unwrap(), slice.version);
    assert!(does(&store, "two", allocate(vec![new("b", 50)])).await.is_err());
    assert!(!changes.has_changed().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_saves_to_different_slices_all_happen_and_share_what_there_is() {
    let place = Place::new();
    let store = Arc::new(place.open(60).await);
    let calls: Vec<_> = (0..100)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                does(&store, &format!("s{n}"), allocate(vec![new(&format!("v{n}"), 1)])).await.is_ok()
            })
        })
        .collect();
    let mut given = 0;
    for call in calls {
        given += u64::from(call.await.unwrap());
    }
    assert_eq!(given, 60, "no more and no less than there is");
    assert_eq!(cores(&store).await, (60, 60));
    assert_eq!(store.roster().await.unwrap().len(), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_calls_on_one_slice_none_is_lost() {
    let place = Place::new();
    let store = Arc::new(place.open(100).await);
    let calls: Vec<_> = (0..30)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut conflicts = 0;
                loop {
                    match does(&store, "one", allocate(vec![new(&format!("v{n}"), 1)])).await {
                        Ok(_) => return conflicts,
                        Err(StoreError::Conflict { .. }) => conflicts += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(load(&store, "one").await.slivers.len(), 30);
    assert_eq!(cores(&store).await, (100, 30));
}

#[tokio::test]
async fn a_call_whose_caller_went_away_happens_whole_or_not_at_all() {
    let place = Place::new();
    let store = place.open(1000).await;
    for n in 0..40 {
        let transition = step(
            &fresh(&format!("s{n}")),
            &allocate(vec![new(&format!("v{n}"), 3), new(&format!("w{n}"), 4)]),
        );
        let save = store.save(&transition);
        tokio::select! {
            biased;
            _ = async { tokio::task::yield_now().await } => {}
            _ = save => {}
        }
    }
    drop(store);
    let store = place.open(1000).await;
    let kept = store.counts().await.unwrap().slices;
    assert_eq!(cores(&store).await.1, kept * 7);
    assert_eq!(store.roster().await.unwrap().len() as u64, kept * 2);
}

#[tokio::test]
async fn one_database_has_one_owner() {
    let place = Place::new();
    let store = place.open(1).await;
    let error = SqliteStore::open(&place.path()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("state.db is in use"), "{error}");
    drop(store);
    SqliteStore::open(&place.path()).unwrap();
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let place = Place::new();
    std::fs::write(place.path(), b"").unwrap();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o644)).unwrap();
    let store = place.open(1).await;
    does(&store, "one", allocate(vec![new("a", 1)])).await.unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(place.directory.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        files += 1;
    }
    assert_eq!(files, 4, "database, log, index of the log, lock");
}

#[tokio::test]
async fn the_database_of_a_later_version_is_left_alone() {
    let place = Place::new();
    drop(place.open(1).await);
    let later = rusqlite::Connection::open(place.path()).unwrap();
    later
        .execute(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
             VALUES (99, 'later', '2031-01-01T00:00:00Z', '1')",
            [],
        )
        .unwrap();
    drop(later);
    let error = SqliteStore::open(&place.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("run the newer program"), "{error}");
}

#[test]
fn what_cannot_be_opened_is_said_with_its_path() {
    let place = Place::new();
    let error = SqliteStore::open(&place.path().join("no/such")).unwrap_err();
    assert!(error.to_string().contains("no/such"), "{error}");
    std::fs::write(place.path(), b"this is not a database, however long it may be").unwrap();
    assert!(matches!(SqliteStore::open(&place.path()), Err(StoreError::Database(_))));
}

#[tokio::test]
async fn the_database_itself_refuses_what_must_not_be() {
    let place = Place::new();
    let store = place.open(5).await;
    does(&store, "one", allocate(vec![new("a", 1)])).await.unwrap();
    let other = rusqlite::Connection::open(place.path()).unwrap();
    for wrong in [
        "UPDATE capacity SET held = 6",
        "UPDATE capacity SET held = -1",
        "UPDATE slivers SET allocation = 'geni_unallocated'",
        "UPDATE slivers SET allocation = 'geni_updating'",
        "UPDATE slivers SET operational = 'geni_ready'",
        "UPDATE slivers SET expires = 'soon'",
        "UPDATE slivers SET configuration = 'no json'",
        "UPDATE slices SET shutdown_at = 5",
    ] {
        assert!(other.execute(wrong, []).is_err(), "{wrong}");
    }
}

/// The place where [`an_acknowledged_save_survives_a_kill`] lets a copy of this program write.
const KILL_PATH: &str = "STATE_TEST_KILL_PATH";

#[test]
fn an_acknowledged_save_survives_a_kill() {
    if let Some(path) = std::env::var_os(KILL_PATH) {
        return write_until_killed(Path::new(&path));
    }
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut known = 0;
    for lines in [1, 20, 60] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "an_acknowledged_save_survives_a_kill", "--nocapture"])
            .env(KILL_PATH, place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let acknowledged: Vec<String> = output
            .by_ref()
            .filter_map(|line| line.split_once("saved ").map(|(_, name)| name.to_owned()))
            .take(lines)
            .collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(acknowledged.len(), lines);

        runtime.block_on(async {
            let store = place.open(1_000_000).await;
            for name in &acknowledged {
                let slice = store.load(&urn("slice", name)).await.unwrap().unwrap();
                assert_eq!(slice.slivers.len(), 2, "whole");
            }
            let slices = store.counts().await.unwrap().slices;
            assert!(slices >= known + lines as u64);
            assert_eq!(store.roster().await.unwrap().len() as u64, slices * 2);
            assert_eq!(cores(&store).await.1, slices * 3, "the ledger is exact");
            known = slices;
        });
    }
}

fn write_until_killed(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = open(path, 1_000_000).await;
        let begin = store.counts().await.unwrap().slices;
        for n in begin.. {
            let slivers = vec![new(&format!("v{n}"), 1), new(&format!("w{n}"), 2)];
            does(&store, &format!("s{n}"), allocate(slivers)).await.unwrap();
            writeln!(std::io::stdout(), "saved s{n}").unwrap();
        }
    });
}
