//! Saving: whole or not at all, never over a newer version, never more than there is.

use super::*;

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
    assert_eq!(store.roster(None, usize::MAX).await.unwrap().len(), 60);
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
    assert_eq!(store.roster(None, usize::MAX).await.unwrap().len() as u64, kept * 2);
}

#[tokio::test]
async fn a_slice_is_known_by_its_certificate_until_it_is_gone() {
    let (first, second) =
        (Some("6d1f6a5e-0000-4000-8000-000000000001"), Some("6d1f6a5e-0000-4000-8000-000000000002"));
    let place = Place::new();
    let store = place.open(10).await;
    let begun = fresh("one").known_as(first, at(0));
    store.save(&step(&begun, &allocate(vec![new("a", 1)]))).await.unwrap();
    drop(store);
    let store = place.open(10).await;
    let slice = load(&store, "one").await;
    assert_eq!(slice.uuid.as_deref(), first);
    slice.check_same(first, at(0)).unwrap();
    // Another UUID, or none, is another slice; it cannot take the name.
    for other in [second, None] {
        let refusal = slice.check_same(other, at(0)).unwrap_err();
        assert_eq!(refusal.geni_code(), 3);
        assert!(refusal.to_string().contains("another slice"), "{refusal}");
        assert_eq!(slice.known_as(other, at(0)).uuid.as_deref(), first);
    }
    // What has expired keeps no name, although nobody has cleared it away yet.
    let later = slice.slivers[0].expires;
    slice.check_same(second, later).unwrap();
    let taken = slice.known_as(second, later);
    store
        .save(&apply(&taken, &allocate(vec![new("b", 1)]), later, &Policy::default()).unwrap())
        .await
        .unwrap();
    let slice = load(&store, "one").await;
    assert_eq!((slice.uuid.as_deref(), slice.slivers.len()), (second, 1));
    assert!(slice.check_same(first, later).is_err());
    // A shutdown keeps the name for ever, until an operator releases it.
    let shut = Event::Shutdown(Shutdown { by: urn("user", "operator") });
    store.save(&apply(&slice, &shut, later, &Policy::default()).unwrap()).await.unwrap();
    let slice = load(&store, "one").await;
    let refusal = slice.check_same(first, at(1_000_000_000)).unwrap_err();
    assert!(refusal.to_string().contains("release"), "{refusal}");
    store
        .save(&apply(&slice, &Event::Release(state::Release), later, &Policy::default()).unwrap())
        .await
        .unwrap();
    assert_eq!(store.load(&urn("slice", "one")).await.unwrap(), None);
}

#[tokio::test]
async fn a_slice_from_before_certificates_were_kept_is_known_from_its_next_change() {
    let place = Place::new();
    let store = place.open(10).await;
    let slice = does(&store, "one", allocate(vec![new("a", 1)])).await.unwrap();
    assert_eq!(slice.uuid, None);
    slice.check_same(Some("1"), at(0)).unwrap();
    store.save(&step(&slice.known_as(Some("1"), at(0)), &provision())).await.unwrap();
    assert!(load(&store, "one").await.check_same(Some("2"), at(0)).is_err());
}
