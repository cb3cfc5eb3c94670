//! What others ask the store for: the reconciler, expiry, monitoring.

use super::*;

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
async fn what_is_long_gone_is_dropped_but_nothing_that_may_still_be_somewhere() {
    let place = Place::new();
    let store = place.open(10).await;
    let names = ["a", "b", "c", "d"];
    does(&store, "one", allocate(names.iter().map(|name| new(name, 1)).collect())).await.unwrap();
    does(&store, "one", provision()).await.unwrap();
    let transition = step(&load(&store, "one").await, &delete(Selection::Slice));
    let went = transition.at;
    store.save(&transition).await.unwrap();
    store.forget_departed(&["a", "b", "c"].map(|name| urn("sliver", name))).await.unwrap();
    let later = went + TimeDelta::seconds(1);
    assert_eq!(store.drop_departed(went, 10).await.unwrap(), 0, "not older than that");
    assert_eq!(store.drop_departed(later, 2).await.unwrap(), 2, "no more than asked for");
    assert_eq!(store.drop_departed(later, 2).await.unwrap(), 1);
    assert_eq!(store.drop_departed(later, 2).await.unwrap(), 0);
    assert_eq!(store.slice_of(&urn("sliver", "a")).await.unwrap(), None);
    let left = store.slice_of(&urn("sliver", "d")).await.unwrap();
    assert_eq!(left, Some(Whereabouts::Gone(urn("slice", "one"))));
}

#[tokio::test]
async fn notes_are_found_again_after_a_start_and_wake_nobody() {
    let place = Place::new();
    let store = place.open(1).await;
    let changes = store.changes();
    assert_eq!(store.noted("a").await.unwrap(), None);
    for text in ["first", "second"] {
        store.note("a", text).await.unwrap();
    }
    store.note("b", "other").await.unwrap();
    assert!(!changes.has_changed().unwrap());
    drop((store, changes));
    let store = place.open(1).await;
    assert_eq!(store.noted("a").await.unwrap().as_deref(), Some("second"));
    assert_eq!(store.noted("b").await.unwrap().as_deref(), Some("other"));
}

#[tokio::test]
async fn what_is_written_is_counted() {
    let place = Place::new();
    let store = place.open(10).await;
    let before = store.written();
    does(&store, "one", allocate(vec![new("a", 1)])).await.unwrap();
    store.check(at(0)).await.unwrap();
    let after = store.written();
    assert_eq!((after.commits - before.commits, after.jobs - before.jobs, after.failed), (2, 2, 0));
    assert!(after.time > before.time);
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
    let roster = store.roster(None, usize::MAX).await.unwrap();
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
