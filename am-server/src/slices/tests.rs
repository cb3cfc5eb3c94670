//! Transactions on a real database.

use super::*;
use chrono::TimeDelta;
use state::{Allocate, Claim, Configuration, NewSliver, Provision, ResourceKind, Selection, SqliteStore};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

fn urn(kind: &str, name: &str) -> Urn {
    format!("urn:publicid:IDN+am.example.net+{kind}+{name}").parse().unwrap()
}

async fn slices(folder: &tempfile::TempDir) -> Slices {
    let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
    store.set_totals(&BTreeMap::from([("cores".to_owned(), 4)])).await.unwrap();
    let clock = Arc::new(GuardedClock::steady(crate::time::system_clock()));
    Slices::new(Arc::new(store), clock, Policy::default())
}

fn allocate(name: &str, cores: u32, until: DateTime<Utc>) -> Event {
    let claims = vec![Claim { resource: "cores".into(), amount: cores }];
    Event::Allocate(Allocate {
        slivers: vec![NewSliver {
            urn: urn("sliver", name),
            resource: ResourceKind::Node,
            configuration: Configuration::new(name.into(), "<node/>".into(), "detail".into(), claims),
        }],
        frame: None,
        creator: urn("user", "alice"),
        end_time: None,
        credential_expires: until,
    })
}

fn provision(slivers: Selection, until: DateTime<Utc>) -> Event {
    Event::Provision(Provision {
        selection: slivers,
        provisioning: BTreeMap::new(),
        best_effort: false,
        end_time: None,
        credential_expires: until,
    })
}

#[tokio::test]
async fn several_events_are_saved_together() {
    let folder = tempfile::tempdir().unwrap();
    let slices = slices(&folder).await;
    let (slice, until) = (urn("slice", "demo"), slices.now() + TimeDelta::days(1));
    let events =
        |_: &Slice, _: &Ledger| Ok(vec![allocate("n", 1, until), provision(Selection::Slice, until)]);
    let done = slices.transact(&slice, &SliceIdentity::Any, events).await.unwrap();
    assert_eq!(done.report.len(), 1);
    let saved = slices.slice(&slice).await.unwrap();
    assert_eq!(saved.version, 1, "one transaction");
    assert_eq!(saved.slivers[0].status(), state::AllocationStatus::Provisioned);
}

#[tokio::test]
async fn nothing_is_saved_if_a_later_event_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let slices = slices(&folder).await;
    let (slice, until) = (urn("slice", "demo"), slices.now() + TimeDelta::days(1));
    let unknown = Selection::Slivers(vec![urn("sliver", "other")]);
    let events = |_: &Slice, _: &Ledger| Ok(vec![allocate("n", 1, until), provision(unknown.clone(), until)]);
    let refused = slices.transact(&slice, &SliceIdentity::Any, events).await.unwrap_err();
    assert_eq!(refused.code(), GeniCode::SearchFailed, "{refused}");
    assert!(slices.store().slice(&slice).await.unwrap().is_none());
    assert_eq!(slices.store().ledger().get("cores").unwrap().free(), 4);
}

#[tokio::test]
async fn an_error_without_room_is_final_once_expired_slivers_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let slices = slices(&folder).await;
    let asked = AtomicUsize::new(0);
    let full = |_: &Slice, _: &Ledger| {
        asked.fetch_add(1, Ordering::Relaxed);
        Err(CallError::new(GeniCode::TooBig, "no room"))
    };
    let error = slices.transact(&urn("slice", "demo"), &SliceIdentity::Any, full).await.unwrap_err();
    assert_eq!(error.code(), GeniCode::TooBig);
    assert_eq!(asked.load(Ordering::Relaxed), 2, "once more after the expired slivers were dropped");
}
