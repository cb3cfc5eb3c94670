//! Tombstones are dropped as fast as they come.

use super::*;
use state::Delete;

#[tokio::test]
async fn all_tombstones_that_are_due_are_dropped_in_one_comparison() {
    let world = World::of("lab", NODE).await;
    // More than one batch. They are never provisioned, so that nothing has to be cleared away.
    let names: Vec<Urn> = (0..1100).map(|n| urn("sliver", &format!("t{n}"))).collect();
    let slivers = names.iter().map(|name| NewSliver {
        urn: name.clone(),
        resource: ResourceKind::Link,
        configuration: Configuration::new(name.name().into(), "<link/>".into(), "".into(), Vec::new()),
    });
    world
        .does(Event::Allocate(Allocate {
            slivers: slivers.collect(),
            frame: None,
            creator: urn("user", "alice"),
            end_time: None,
            credential_expires: world.reconciler.now() + TimeDelta::days(30),
        }))
        .await;
    let selection = Selection::Slivers(names.clone());
    world.does(Event::Delete(Delete { selection, best_effort: false, operator: false })).await;
    let store = world.reconciler.slices.store();
    let known = async || {
        let mut known = 0;
        for name in &names {
            known += usize::from(store.slice_of(name).await.unwrap().is_some());
        }
        known
    };
    world.compares().await;
    assert_eq!(known().await, names.len());
    world.ahead.fetch_add(TimeDelta::days(91).num_seconds(), Ordering::Relaxed);
    world.compares().await;
    assert_eq!(known().await, 0);
}
