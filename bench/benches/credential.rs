//! Canonical XML, and the check of a signed credential: the first time and when it is remembered.

#![allow(missing_docs, unreachable_pub, reason = "what criterion's macros write")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use bench::experimenter::mint;
use bench::server::{Lab, prepare};
use chrono::Utc;
use credentials::{Certificate, Policy, TrustRoots, Verifier, canonical_xml};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn credential(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = prepare(dir.path(), Lab { nodes: 1, capacity: 1 }).expect("a folder");
    let (_, xml) = mint(&folder, "s", 1).expect("credentials").remove(0);
    let root = std::fs::read_to_string(folder.path("trusted_roots/development.pem")).expect("a root");
    let roots = || {
        let roots = Certificate::chain_from_pem(&root).expect("a root");
        TrustRoots::from_certificates(roots, &Policy::default()).expect("a root")
    };
    let now = Utc::now();

    let mut group = criterion.benchmark_group("credential");
    group.throughput(Throughput::Bytes(xml.len() as u64));
    group.bench_function("canonical XML", |it| it.iter(|| canonical_xml(black_box(&xml)).expect("XML")));
    group.bench_function("check, nothing known", |it| {
        it.iter_batched(
            || Verifier::new(roots(), 0),
            |verifier| verifier.verify(black_box(&xml), now).expect("a credential"),
            criterion::BatchSize::SmallInput,
        );
    });
    let verifier = Verifier::new(roots(), 0);
    group.bench_function("check, its certificates known", |it| {
        it.iter(|| verifier.verify(black_box(&xml), now).expect("a credential"));
    });
    let verifier = Verifier::new(roots(), 10);
    group.bench_function("check, remembered", |it| {
        it.iter(|| verifier.verify(black_box(&xml), now).expect("a credential"));
    });
    group.finish();
}

criterion_group!(benches, credential);
criterion_main!(benches);
