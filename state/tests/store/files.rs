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

#[test]
fn a_store_can_be_opened_again_at_once_while_programs_are_started() {
    let place = Place::new();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| {
            for _ in 0..100 {
                assert!(Command::new("true").status().unwrap().success());
            }
        });
        while !starting.is_finished() {
            drop(SqliteStore::open(&place.path()).unwrap());
        }
    });
}

#[tokio::test]
async fn a_second_name_of_the_file_is_no_second_database() {
    let place = Place::new();
    let store = place.open(1).await;
    for (name, link) in
        [("symbolic", std::os::unix::fs::symlink as fn(_, _) -> _), ("hard", std::fs::hard_link)]
    {
        let other = place.directory.path().join(name);
        link(place.path(), other.clone()).unwrap();
        let error = SqliteStore::open(&other).unwrap_err();
        assert!(matches!(error, StoreError::InUse { .. }), "{name}: {error}");
        std::fs::remove_file(&other).unwrap();
    }
    // The attempts took nothing away from the store that is open.
    does(&store, "one", allocate(vec![new("a", 1)])).await.unwrap();
    drop(store);
    let link = place.directory.path().join("symbolic");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    assert_eq!(open(&link, 1).await.counts().await.unwrap().slices, 1);
}

/// Runs Debian's own program for SQLite, and gives what it prints.
fn sqlite3(file: &Path, input: &str) -> String {
    let mut child = Command::new("sqlite3")
        .args(["-batch", "-bail"])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "sqlite3 refused it");
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test]
async fn a_dump_by_the_sqlite3_program_loses_nothing() {
    let place = Place::new();
    let store = place.open(20).await;
    // Slivers with and without a pending change and an instance, and tombstones with and without something left.
    does(&store, "one", allocate(vec![new("a", 1), new("b", 1), new("c", 1)])).await.unwrap();
    does(&store, "one", provision()).await.unwrap();
    does(&store, "one", seen("a", Phase::Running)).await.unwrap();
    does(&store, "one", update("a", 2)).await.unwrap();
    does(&store, "two", allocate(vec![new("d", 1), new("e", 1)])).await.unwrap();
    does(&store, "one", delete(Selection::Slivers(vec![urn("sliver", "b")]))).await.unwrap();
    does(&store, "two", delete(Selection::Slivers(vec![urn("sliver", "e")]))).await.unwrap();
    let before =
        (load(&store, "one").await, load(&store, "two").await, store.departed(None, 10).await.unwrap());
    drop(store);
    let copy = Place::new();
    sqlite3(&copy.path(), &sqlite3(&place.path(), ".dump\n"));
    let store = copy.open(20).await;
    let after =
        (load(&store, "one").await, load(&store, "two").await, store.departed(None, 10).await.unwrap());
    assert_eq!(after, before);
    assert_eq!(cores(&store).await, (20, 4));
}

#[tokio::test]
async fn a_database_made_before_the_dump_was_mended_is_mended_when_it_is_opened() {
    let place = Place::new();
    let store = place.open(20).await;
    does(&store, "one", allocate(vec![new("a", 1), new("b", 1)])).await.unwrap();
    does(&store, "one", provision()).await.unwrap();
    does(&store, "one", delete(Selection::Slivers(vec![urn("sliver", "b")]))).await.unwrap();
    let before = (load(&store, "one").await, store.departed(None, 10).await.unwrap());
    drop(store);
    make_older(&place, 3);
    let store = place.open(20).await;
    assert_eq!((load(&store, "one").await, store.departed(None, 10).await.unwrap()), before);
    let schema = rusqlite::Connection::open(place.path()).unwrap();
    let conditions: Vec<String> = schema
        .prepare("SELECT sql FROM sqlite_schema WHERE sql LIKE '%json_valid(instance)%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(conditions.len(), 2);
    assert!(
        conditions.iter().all(|sql| sql.contains("instance IS NULL OR json_valid(instance)")),
        "{conditions:?}"
    );
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

/// Makes of a database what an earlier version of the program left, as of this step of the schema.
fn make_older(place: &Place, version: u32) {
    let old = rusqlite::Connection::open(place.path()).unwrap();
    old.execute_batch(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(replace(sql, 'pending IS NULL OR ', ''), 'instance IS NULL OR json', 'json');
         UPDATE sqlite_schema SET sql = replace(sql, 'configuration IS NULL OR json', 'json');
         PRAGMA writable_schema = RESET;",
    )
    .unwrap();
    if version < 5 {
        old.execute_batch("ALTER TABLE slices DROP COLUMN uuid").unwrap();
    }
    if version < 3 {
        old.execute_batch("DROP TABLE notes; DROP INDEX departed_cleared").unwrap();
    }
    if version < 2 {
        old.execute_batch("DROP TABLE installation").unwrap();
    }
    old.execute("DELETE FROM refinery_schema_history WHERE version > ?1", [version]).unwrap();
}

#[tokio::test]
async fn a_database_in_use_from_before_installations_goes_on_owning_what_it_built() {
    let place = Place::new();
    let store = place.open(1).await;
    does(&store, "one", allocate(vec![new("a", 1)])).await.unwrap();
    drop(store);
    make_older(&place, 1);
    assert_eq!(place.open(1).await.installation(), "");
    let unused = Place::new();
    drop(unused.open(1).await);
    make_older(&unused, 1);
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
