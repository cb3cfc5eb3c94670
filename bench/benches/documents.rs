//! RSpecs of 10, 1,000 and 10,000 nodes: read, compared with themselves, written as manifests and advertisements.

#![allow(missing_docs, unreachable_pub, reason = "what criterion's macros write")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use bench::documents::typical;
use chrono::DateTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rspec::compare::node_changes;
use rspec::{AdNode, Advertisement, Frame, GrantedNode, Limits, ManifestWriter, Node, Request};
use std::hint::black_box;

const SIZES: [usize; 3] = [10, 1_000, 10_000];

fn granted(node: &Node) -> GrantedNode {
    GrantedNode {
        sliver_id: format!("urn:publicid:IDN+am.localhost+sliver+{}", node.client_id).parse().expect("a URN"),
        component_id: "urn:publicid:IDN+am.localhost+node+host-1".to_owned(),
        component_manager_id: "urn:publicid:IDN+am.localhost+authority+am".to_owned(),
        component_name: Some("host-1".to_owned()),
        exclusive: false,
        sliver_type: "default-vm".to_owned(),
        asked_image: None,
        unenforced: Vec::new(),
        disk_image: None,
        hardware_type: Some("pc".to_owned()),
        interfaces: Vec::new(),
        logins: Vec::new(),
        users: Vec::new(),
        volumes: Vec::new(),
        host: None,
        preserve: None,
    }
}

fn documents(criterion: &mut Criterion) {
    let limits = Limits::default();
    for size in SIZES {
        let xml = typical(size);
        let request = Request::parse_request(&xml, &limits).expect("a request");
        let grants: Vec<_> = request.nodes.iter().map(granted).collect();
        let node = |n: usize| AdNode {
            component_id: format!("urn:publicid:IDN+am.localhost+node+host-{n}"),
            component_name: format!("host-{n}"),
            available: true,
            ..AdNode::default()
        };
        let offer = Advertisement { nodes: (0..size).map(node).collect(), ..Advertisement::default() };

        let mut group = criterion.benchmark_group("rspec");
        group.sample_size(10).throughput(Throughput::Bytes(xml.len() as u64));
        group.bench_function(BenchmarkId::new("read", size), |it| {
            it.iter(|| Request::parse_request(black_box(&xml), &limits).expect("a request"));
        });
        group.bench_function(BenchmarkId::new("compare with itself", size), |it| {
            it.iter(|| {
                request
                    .nodes
                    .iter()
                    .map(|node| node_changes(node, None, black_box(node)).len())
                    .sum::<usize>()
            });
        });
        group.bench_function(BenchmarkId::new("write the manifest", size), |it| {
            it.iter(|| {
                let mut writer = ManifestWriter::new(DateTime::UNIX_EPOCH, None, &[Frame::default()]);
                for (node, granted) in request.nodes.iter().zip(&grants) {
                    writer.node(node, granted);
                }
                writer.finish()
            });
        });
        group.bench_function(BenchmarkId::new("write the advertisement", size), |it| {
            it.iter(|| black_box(&offer).write(DateTime::UNIX_EPOCH, None));
        });
        group.finish();
    }
}

criterion_group!(benches, documents);
criterion_main!(benches);
