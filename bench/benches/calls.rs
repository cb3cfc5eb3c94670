//! XML-RPC both ways: calls read, answers written.

#![allow(missing_docs, unreachable_pub, reason = "what criterion's macros write")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use am_server::aggregate::answer::{Answer, SliverEntry, Slivers};
use am_server::api::geni::{reply, xmlrpc};
use bench::documents::plain;
use bench::xmlrpc::{CallBuilder, escape};
use chrono::DateTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use urn::Urn;

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read a call");
    // As long as a credential.
    let credential = escape(&"<a>bcdefgh</a>\n".repeat(700));
    let calls = [
        ("GetVersion", CallBuilder::new("GetVersion").options(&[]).finish()),
        (
            "Status",
            CallBuilder::new("Status").strings(&["urn:x"]).credential(&credential).options(&[]).finish(),
        ),
        (
            "Allocate of 10,000 nodes",
            CallBuilder::new("Allocate")
                .string("urn:x")
                .credential(&credential)
                .string(&plain(10_000))
                .options(&[])
                .finish(),
        ),
    ];
    for (name, body) in calls {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |it| it.iter(|| xmlrpc::decode(black_box(&body)).expect("a call")));
    }
    group.finish();
}

fn writing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write an answer");
    let slice = Urn::parse("urn:publicid:IDN+am.localhost+slice+s").expect("a URN");
    for size in [1, 100, 1_000] {
        let entry = |n: usize| SliverEntry {
            urn: Urn::parse(&format!("urn:publicid:IDN+am.localhost+sliver+{n:032x}")).expect("a URN"),
            allocation: "geni_provisioned",
            operational: "geni_ready",
            next: "",
            expires: Some(DateTime::UNIX_EPOCH),
            error: String::new(),
        };
        let answer = Answer::of(Slivers { slice: slice.clone(), slivers: (0..size).map(entry).collect() });
        group.bench_function(BenchmarkId::new("list of slivers", size), |it| {
            it.iter(|| reply::sliver_list(black_box(&answer)))
        });
    }
    group.finish();
}

criterion_group!(benches, reading, writing);
criterion_main!(benches);
