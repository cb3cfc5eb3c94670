//! What calls make of slices of 1, 100 and 1,000 slivers: the pure state machine, without a store.

#![allow(missing_docs, unreachable_pub, reason = "what criterion's macros write")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use state::{
    Allocate, Claim, Configuration, Delete, Event, NewSliver, Policy, Provision, Provisioning, ResourceKind,
    Selection, Slice, apply,
};
use std::hint::black_box;
use urn::Urn;

fn urn(kind: &str, name: &str) -> Urn {
    Urn::parse(&format!("urn:publicid:IDN+am.localhost+{kind}+{name}")).expect("a URN")
}

fn allocate(size: usize, now: DateTime<Utc>) -> Event {
    let sliver = |n: usize| NewSliver {
        urn: urn("sliver", &format!("{n:032x}")),
        resource: ResourceKind::Node,
        configuration: Configuration::new(
            format!("n{n}"),
            format!("<node client_id=\"n{n}\"/>"),
            serde_json::json!({ "resource": "node", "driver": "lab", "realm": "host-1" }),
            vec![Claim { resource: format!("node/lab/host-{}", n % 100), amount: 1 }],
        ),
    };
    Event::Allocate(Allocate {
        slivers: (0..size).map(sliver).collect(),
        frame: None,
        creator: urn("user", "alice"),
        end_time: None,
        credential_expires: now + TimeDelta::days(30),
    })
}

fn transitions(criterion: &mut Criterion) {
    let now = DateTime::UNIX_EPOCH;
    let policy = Policy::default();
    let mut group = criterion.benchmark_group("transition");
    for size in [1, 100, 1_000] {
        let fresh = Slice::new(urn("slice", "s"), now);
        let event = allocate(size, now);
        let allocated = apply(&fresh, &event, now, &policy).expect("a transition").slice;
        group.bench_function(BenchmarkId::new("Allocate", size), |it| {
            it.iter(|| apply(black_box(&fresh), &event, now, &policy).expect("a transition"));
        });
        let promised = |sliver: &state::Sliver| {
            (sliver.urn.clone(), Provisioning { configuration: None, disruption: true })
        };
        let provision = Event::Provision(Provision {
            selection: Selection::Slice,
            provisioning: allocated.slivers.iter().map(promised).collect(),
            best_effort: false,
            end_time: None,
            credential_expires: now + TimeDelta::days(30),
        });
        group.bench_function(BenchmarkId::new("Provision", size), |it| {
            it.iter(|| apply(black_box(&allocated), &provision, now, &policy).expect("a transition"));
        });
        let delete =
            Event::Delete(Delete { selection: Selection::Slice, best_effort: false, operator: false });
        group.bench_function(BenchmarkId::new("Delete", size), |it| {
            it.iter(|| apply(black_box(&allocated), &delete, now, &policy).expect("a transition"));
        });
    }
    group.finish();
}

criterion_group!(benches, transitions);
criterion_main!(benches);
