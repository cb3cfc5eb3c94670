//! Damage: rows that cannot be read, files that are not whole, files that are not there any more.

use super::*;

/// Changes the database behind the store's back, conditions or not.
fn tamper(place: &Place, sql: &str) {
    let other = rusqlite::Connection::open(place.path()).unwrap();
    other
        .execute_batch(&format!("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; {sql}"))
        .unwrap();
}

/// Three slices: `one` with `a` and `b`, `two` with `c`, `three` with `d`; all provisioned.
async fn three_slices(place: &Place) -> SqliteStore {
    let store = place.open(20).await;
    for (slice, names) in [("one", vec!["a", "b"]), ("two", vec!["c"]), ("three", vec!["d"])] {
        does(&store, slice, allocate(names.iter().map(|name| new(name, 1)).collect())).await.unwrap();
        does(&store, slice, provision()).await.unwrap();
    }
    store
}

/// What makes a sliver's row unreadable, and the word for it.
const UNREADABLE: [(&str, &str); 7] = [
    ("configuration = '{}'", "configuration"),
    ("configuration = 'no json'", "configuration"),
    ("wanted = '[1'", "revision"),
    ("creator = 'alice'", "URN"),
    ("urn = CAST(x'ff00' AS TEXT)", "URN"),
    ("expires = 9223372036854775807", "time"),
    ("allocation = 'geni_gone'", "allocation state"),
];

#[tokio::test]
async fn an_unreadable_sliver_stops_nothing_but_its_slice() {
    for (change, what) in UNREADABLE {
        let place = Place::new();
        let store = three_slices(&place).await;
        let key = urn("sliver", "a").key().to_owned();
        drop(store);
        tamper(&place, &format!("UPDATE slivers SET {change} WHERE key = '{key}'"));
        let store = place.open(20).await;
        // Named from the start.
        let condition = store.condition();
        let [row] = &condition.unreadable[..] else { panic!("{change}: {condition:?}") };
        assert_eq!((row.table, row.key.as_str(), row.what), ("slivers", key.as_str(), what), "{change}");
        assert_eq!(row.slice, urn("slice", "one").key());
        // Its slice says so; the others go on.
        let error = store.load(&urn("slice", "one")).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Unreadable { .. }) && error.geni_code() == 9,
            "{change}: {error}"
        );
        assert!(error.to_string().contains("sliver+a"), "{error}");
        does(&store, "two", delete(Selection::Slice)).await.unwrap();
        does(&store, "four", allocate(vec![new("e", 1)])).await.unwrap();
        // Lists go on, and nobody is sent to a slice that cannot be loaded.
        let unsettled = store.unsettled(None, 10).await.unwrap();
        assert_eq!(unsettled.iter().map(|it| it.slice.name()).collect::<Vec<_>>(), ["three"], "{change}");
        let due = store.due(at(10_000_000_000 - 1_900_000_000)).await.unwrap();
        assert_eq!(due.len(), 2, "{change}: {due:?}");
        assert!(store.next_expiry().await.unwrap().is_some());
        let roster = store.roster(None, 10).await.unwrap();
        assert!(roster.iter().any(|it| it.sliver == urn("sliver", "d")));
        store.counts().await.unwrap();
        assert_eq!(cores(&store).await.1, 4, "{change}: what it holds stays held");
    }
}

#[tokio::test]
async fn a_page_of_unreadable_rows_is_not_the_last_page() {
    let place = Place::new();
    let store = place.open(100).await;
    for name in ["a", "b", "c", "d", "e"] {
        does(&store, name, allocate(vec![new(name, 1)])).await.unwrap();
        does(&store, name, provision()).await.unwrap();
    }
    tamper(&place, "UPDATE slivers SET configuration = '{}', creator = 'x' WHERE urn NOT LIKE '%+e'");
    // Nobody knows of them yet.
    assert_eq!(store.condition().unreadable, []);
    let page = store.roster(None, 2).await.unwrap();
    assert_eq!(page.iter().map(|it| it.sliver.name()).collect::<Vec<_>>(), ["e"]);
    assert_eq!(store.condition().unreadable.len(), 4);
    let page = store.unsettled(None, 2).await.unwrap();
    assert_eq!(page.len(), 1);
    assert_eq!(page[0].sliver, urn("sliver", "e"));
}

#[tokio::test]
async fn an_unreadable_row_that_was_mended_is_free_again() {
    let place = Place::new();
    let store = three_slices(&place).await;
    let key = urn("sliver", "a").key().to_owned();
    drop(store);
    tamper(&place, &format!("UPDATE slivers SET creator = 'nobody' WHERE key = '{key}'"));
    let store = place.open(20).await;
    assert!(store.load(&urn("slice", "one")).await.is_err());
    let alice = urn("user", "alice");
    tamper(&place, &format!("UPDATE slivers SET creator = '{alice}' WHERE key = '{key}'"));
    store.examine().await.unwrap();
    assert_eq!(store.condition().unreadable, []);
    does(&store, "one", delete(Selection::Slice)).await.unwrap();
}

#[tokio::test]
async fn an_unreadable_slice_or_frame_stops_nothing_but_the_slice() {
    let one = urn("slice", "one").key().to_owned();
    for (sql, table) in [
        (format!("UPDATE slices SET urn = 'one' WHERE key = '{one}'"), "slices"),
        (format!("UPDATE frames SET document = CAST(x'ff' AS TEXT) WHERE slice = '{one}'"), "frames"),
        // Slivers whose slice is missing altogether.
        (format!("DELETE FROM slices WHERE key = '{one}'"), "slivers"),
    ] {
        let place = Place::new();
        drop(three_slices(&place).await);
        tamper(&place, &sql);
        let store = place.open(20).await;
        let condition = store.condition();
        assert!(condition.unreadable.iter().any(|row| row.table == table), "{sql}: {condition:?}");
        assert_eq!(store.unsettled(None, 10).await.unwrap().len(), 2, "{sql}");
        does(&store, "two", delete(Selection::Slice)).await.unwrap();
        assert!(matches!(store.load(&urn("slice", "one")).await, Err(StoreError::Unreadable { .. })));
    }
}

#[tokio::test]
async fn an_unreadable_tombstone_stops_no_other() {
    for change in ["configuration = '{\"x\":1}'", "instance = '5'", "slice = 'x'", "urn = 'x'"] {
        let place = Place::new();
        let store = three_slices(&place).await;
        does(&store, "one", seen("a", Phase::Stopped)).await.unwrap();
        does(&store, "one", delete(Selection::Slice)).await.unwrap();
        let key = urn("sliver", "a").key().to_owned();
        tamper(&place, &format!("UPDATE departed SET {change} WHERE key = '{key}'"));
        let departed = store.departed(None, 1).await.unwrap();
        assert_eq!(departed.len(), 1, "{change}");
        assert_eq!(departed[0].sliver, urn("sliver", "b"));
        let [row] = &store.condition().unreadable[..] else { panic!("{change}") };
        assert_eq!((row.table, row.key.as_str()), ("departed", key.as_str()));
        // The slice of the name is free: a tombstone is in nobody's way.
        does(&store, "one", allocate(vec![new("again", 1)])).await.unwrap();
        store.forget_departed(&[urn("sliver", "b")]).await.unwrap();
        assert_eq!(store.departed(None, 9).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_damaged_file_is_not_opened_and_found_while_it_is_open() {
    let place = Place::new();
    let store = three_slices(&place).await;
    for n in 0..50 {
        does(&store, &format!("s{n}"), allocate(vec![new(&format!("v{n}"), 0)])).await.unwrap();
    }
    drop(store);
    let whole = std::fs::read(place.path()).unwrap();
    let store = place.open(20).await;
    store.examine().await.unwrap();
    assert_eq!(store.condition().findings, Vec::<String>::new());
    // The same file, with something else in it. What connections remember does not hide it.
    let mut damaged = whole.clone();
    damaged[4096..].fill(0x5a);
    let file = std::fs::OpenOptions::new().write(true).open(place.path()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &damaged, 0).unwrap();
    store.examine().await.unwrap();
    assert!(!store.condition().findings.is_empty());
    drop(store);
    std::fs::write(place.path(), &damaged).unwrap();
    let error = SqliteStore::open(&place.path()).unwrap_err();
    let is_malformed = matches!(error, StoreError::Malformed { .. });
    assert!(is_malformed || error.to_string().contains("malformed"), "{error}");
    std::fs::write(place.path(), &whole).unwrap();
    assert_eq!(place.open(20).await.counts().await.unwrap().slices, 53);
}

#[tokio::test]
async fn a_removed_or_replaced_file_is_noticed_although_nobody_writes() {
    for replaced in [false, true] {
        let place = Place::new();
        let store = three_slices(&place).await;
        let away = place.directory.path().join("away");
        std::fs::rename(place.path(), &away).unwrap();
        if replaced {
            std::fs::copy(&away, place.path()).unwrap();
        }
        let mut lost = store.lost();
        // A store that never notices fails the test instead of holding it up.
        let noticed = lost.wait_for(Option::is_some);
        let noticed = tokio::time::timeout(std::time::Duration::from_secs(60), noticed).await.unwrap();
        let error = noticed.unwrap().clone().unwrap();
        let how = if replaced { "replaced by another file" } else { "removed" };
        assert!(matches!(&error, StoreError::Lost { how: it, .. } if *it == how), "{error}");
        assert!(error.to_string().contains("state.db"), "{error}");
        let refused = does(&store, "two", delete(Selection::Slice)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Lost { .. }), "{refused}");
        drop((store, lost));
        // Everything that was acknowledged is in the file that was moved away.
        std::fs::rename(&away, place.path()).unwrap();
        assert_eq!(place.open(20).await.counts().await.unwrap().slices, 3);
    }
}

#[tokio::test]
async fn a_failed_commit_and_the_room_on_the_disk_are_known() {
    let place = Place::new();
    let store = three_slices(&place).await;
    let condition = store.condition();
    assert_eq!(condition.failed_commit, None);
    assert!(condition.free_bytes.unwrap() > 0);
    let other = rusqlite::Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(does(&store, "two", delete(Selection::Slice)).await.is_err());
    let (_, why) = store.condition().failed_commit.unwrap();
    assert!(why.contains("locked"), "{why}");
}
