//! The database file: its owner, its version, and what is in it after a kill.

use super::*;

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

#[tokio::test]
async fn every_database_is_an_installation_of_its_own() {
    let (place, other) = (Place::new(), Place::new());
    let id = place.open(1).await.installation().to_owned();
    assert_eq!(id.len(), 32, "{id}");
    assert_eq!(place.open(1).await.installation(), id, "it stays when the database is opened again");
    assert_ne!(other.open(1).await.installation(), id);
}

/// What a database looks like that was made before there were installations.
fn take_installation_away(place: &Place) {
    let old = rusqlite::Connection::open(place.path()).unwrap();
    old.execute_batch(
        "DROP TABLE installation; DROP TABLE notes; DROP INDEX departed_cleared;
         DELETE FROM refinery_schema_history WHERE version >= 2",
    )
    .unwrap();
}

#[tokio::test]
async fn a_database_in_use_from_before_installations_goes_on_owning_what_it_built() {
    let place = Place::new();
    let store = place.open(1).await;
    does(&store, "one", allocate(vec![new("a", 1)])).await.unwrap();
    drop(store);
    take_installation_away(&place);
    assert_eq!(place.open(1).await.installation(), "");
    let unused = Place::new();
    drop(unused.open(1).await);
    take_installation_away(&unused);
    assert_eq!(unused.open(1).await.installation().len(), 32);
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
            .args(["--exact", "files::an_acknowledged_save_survives_a_kill", "--nocapture"])
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
            assert_eq!(store.roster(None, usize::MAX).await.unwrap().len() as u64, slices * 2);
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
            println!("saved s{n}");
        }
    });
}
