//! What stays small: memory, and the time of a call when the database has grown.

use super::site::{Site, site, start};
use super::{Bench, Side, pair};
use crate::experimenter::{Slices, mint_access};
use crate::prefill::{self, TEMPLATE};
use crate::server::Lab;
use crate::targets::Line;
use crate::wire::{Client, Connections};
use crate::workload::{Workload, allocate, delete};
use crate::{Failure, documents};
use std::sync::Arc;

/// Room for the template's copies, and for what is allocated beside them.
const LAB: Lab = Lab { nodes: 100, capacity: 100_000 };

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<(), Failure> {
    if !(bench.wants("memory") || bench.wants("growth")) {
        return Ok(());
    }
    let empty = site(bench, "empty", LAB).await?;
    if bench.wants("memory") {
        let idle = empty.server.resident_mib()?;
        bench.report.line(Line::at_most("memory: idle", "≤ 25 MiB", 25.0, idle, format!("{idle:.1} MiB")));
    }
    let size = bench.settings.size;
    bench.say(&format!("a database with {} past and {} live slivers", size.past, size.live));
    let grown = grow(bench).await?;
    if bench.wants("memory") {
        let full = grown.server.resident_mib()?;
        bench.report.line(Line::at_most(
            &format!("memory: {} slivers stored", size.live),
            "≤ 60 MiB",
            60.0,
            full,
            format!("{full:.1} MiB after the first comparison with the cloud"),
        ));
    }
    if bench.wants("growth") {
        growth(bench, &empty, &grown).await?;
    }
    grown.server.stop().await?;
    empty.server.stop().await?;
    if bench.wants("memory") {
        connections(bench).await?;
    }
    Ok(())
}

/// An aggregate that has seen a lot.
async fn grow(bench: &Bench<'_>) -> Result<Site, Failure> {
    let site = site(bench, "grown", LAB).await?;
    let slices = mint_access(&site.folder, "template", 2)?;
    let (Some(kept), Some(gone)) = (slices.first(), slices.last()) else {
        return Err(Failure::new("no slices were minted"));
    };
    let mut client = Client::new(site.endpoint.clone(), Connections::Kept);
    client.call(allocate(gone, &documents::one_node())).await?;
    client.call(delete(gone)).await?;
    client.call(allocate(kept, &documents::plain(TEMPLATE))).await?;
    drop(client);
    let folder = site.folder.clone();
    site.server.stop().await?;
    prefill::fill(&folder.path("am.sqlite"), bench.settings.size)?;
    let site = start(bench, folder).await?;
    // The reconciler compares everything with the cloud at the start; memory and time count after that.
    let mut before = -1.0;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let used = site.server.cpu_seconds()?;
        if used - before < 0.02 {
            return Ok(site);
        }
        before = used;
    }
}

async fn growth(bench: &mut Bench<'_>, empty: &Site, grown: &Site) -> Result<(), Failure> {
    bench.say("Allocate on it and on an empty one");
    let workload = |site: &Site| -> Result<Arc<Workload>, Failure> {
        Ok(Arc::new(Workload::Allocate(Arc::new(Slices::new(mint_access(&site.folder, "g", 64)?)?))))
    };
    let allocate = (workload(grown)?, workload(empty)?);
    let load = bench.settings.load(Connections::Kept, 1);
    let ours = Side { server: &grown.server, endpoint: &grown.endpoint, workload: &allocate.0 };
    let theirs = Side { server: &empty.server, endpoint: &empty.endpoint, workload: &allocate.1 };
    let pair = pair(bench, ours, theirs, load).await?;
    let size = bench.settings.size;
    bench.report.line(Line::at_most(
        &format!("growth: Allocate with {} past and {} live slivers", size.past, size.live),
        "≤ 1.3 × on an empty database",
        1.3,
        pair.latency_ratio,
        format!("median {:.0} µs to {:.0} µs, 1 client", pair.our_p50, pair.their_p50),
    ));
    Ok(())
}

async fn connections(bench: &mut Bench<'_>) -> Result<(), Failure> {
    let count = bench.settings.connections;
    bench.say(&format!("{count} idle connections"));
    let site = site(bench, "connections", LAB).await?;
    let mut open = Vec::with_capacity(count);
    let body = match Workload::get_version() {
        Workload::Call(body) => body,
        _ => return Err(Failure::new("GetVersion is a single call")),
    };
    for _ in 0..count {
        // Each has made a call, so that every buffer it ever needs has been there.
        let mut client = Client::new(site.endpoint.clone(), Connections::Kept);
        client.call(body.clone()).await?;
        open.push(client);
    }
    let resident = site.server.resident_mib()?;
    bench.report.line(Line::at_most(
        &format!("memory: {count} idle TLS connections"),
        "≤ 250 MiB",
        250.0,
        resident,
        format!("{resident:.1} MiB, each connection after one call"),
    ));
    drop(open);
    site.server.stop().await
}
