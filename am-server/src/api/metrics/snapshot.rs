//! All figures as text: those that were counted, and those that are looked up when somebody asks.

use crate::aggregate::Aggregate;
use crate::inventory::{vlan_resource, volumes_resource};
use crate::metrics::{Fixed, Named};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use state::{AllocationStatus, Availability, Operational, StoreError};
use std::collections::BTreeMap;

/// Realms of one driver that are told one by one. Those of a driver with more are told as one.
const REALMS: usize = 50;
/// The realm that stands for all of a driver.
const ALL: &str = "*";

/// All figures, in the OpenMetrics text format.
///
/// # Errors
/// The store does not answer.
pub(super) async fn text(aggregate: &Aggregate) -> Result<String, StoreError> {
    let now = snapshot(aggregate).await?;
    let mut text = aggregate.metrics().counted();
    // Writing to memory does not fail.
    let _ = encode_registry(&mut text, &now).and_then(|()| encode_eof(&mut text));
    Ok(text)
}

async fn snapshot(aggregate: &Aggregate) -> Result<Registry, StoreError> {
    let mut all = Registry::default();
    let store = aggregate.store();
    let counts = store.counts().await?;
    let slivers = Family::<[Fixed; 2], Gauge>::default();
    for status in [AllocationStatus::Allocated, AllocationStatus::Provisioned, AllocationStatus::Updating] {
        for operational in Operational::ALL {
            let number = counts.slivers.get(&(status, operational)).copied().unwrap_or_default();
            let labels = [("allocation", status.as_str()), ("operational", operational.as_str())];
            slivers.get_or_create(&labels).set(gauge(number));
        }
    }
    all.register("am_slivers", "Slivers by allocation and operational state", slivers);
    for (name, help, number) in [
        ("am_slices", "Slices that have something here", counts.slices),
        ("am_slices_shut_down", "Slices that are shut down", counts.shut_down),
        ("am_slivers_unsettled", "Slivers that are not yet as they should be", counts.unsettled),
        ("am_slivers_departed", "Slivers that went and for which something may still exist", counts.departed),
    ] {
        all.register(name, help, ConstGauge::new(gauge(number)));
    }
    capacity(aggregate, &mut all);

    let breakers = Family::<[Named; 1], Gauge>::default();
    let failing = Family::<[Named; 1], Gauge>::default();
    for cloud in aggregate.clouds() {
        let labels = [("driver", cloud.name.clone())];
        breakers.get_or_create(&labels).set(cloud.breaker.state().number());
        let since = cloud.breaker.outage().map_or(0, |outage| outage.since.timestamp());
        failing.get_or_create(&labels).set(since);
    }
    all.register("am_driver_breaker", "A driver's circuit breaker: 0 closed, 1 open, 2 half open", breakers);
    let help = "Since when a driver is not answering, in seconds since 1970; 0 while it is";
    all.register("am_driver_silent_since_seconds", help, failing);

    let credentials = Family::<[Fixed; 1], Counter>::default();
    let verified = aggregate.verified_credentials();
    for (how, number) in [("known", verified.known), ("anew", verified.anew)] {
        credentials.get_or_create(&[("how", how)]).inc_by(number);
    }
    all.register(
        "am_credentials_verified",
        "Credentials that were good: known, or verified anew",
        credentials,
    );

    let lost = ConstCounter::new(aggregate.metrics().lines_dropped());
    all.register("am_log_lines_dropped", "Lines of the log that nobody read in time", lost);

    certificates(aggregate, &mut all);
    condition(aggregate, &mut all);

    let written = store.written();
    for (name, help, number) in [
        ("am_database_commits", "Commits, those that failed included", written.commits),
        ("am_database_commits_failed", "Commits that failed", written.failed),
        ("am_database_transactions", "Transactions in these commits", written.jobs),
    ] {
        all.register(name, help, ConstCounter::new(number));
    }
    let seconds = ConstCounter::new(written.time.as_secs_f64());
    all.register("am_database_commit_seconds", "Time spent on commits", seconds);
    Ok(all)
}

/// How long the certificates are valid still. Of two with the same labels the later counts: a root that was renewed.
fn certificates(aggregate: &Aggregate, all: &mut Registry) {
    let family = Family::<[Named; 3], Gauge>::default();
    let now = aggregate.now();
    let mut left: BTreeMap<[Named; 3], i64> = BTreeMap::new();
    for certificate in aggregate.metrics().certificates() {
        let labels = [
            ("purpose", certificate.purpose.to_owned()),
            ("file", certificate.file.clone()),
            ("subject", certificate.subject.clone()),
        ];
        let seconds = (certificate.not_after - now).num_seconds();
        left.entry(labels).and_modify(|longest| *longest = seconds.max(*longest)).or_insert(seconds);
    }
    for (labels, seconds) in left {
        family.get_or_create(&labels).set(seconds);
    }
    let help = "Time until a certificate of the service, or a trusted root, expires; below 0 once it has";
    all.register("am_certificate_expires_seconds", help, family);
}

/// How well the database and the clock are.
fn condition(aggregate: &Aggregate, all: &mut Registry) {
    let jump = aggregate.clock().jump().unwrap_or_default().num_seconds();
    let help = "By how much the wall clock is ahead of the time that is believed; 0 while it is believed";
    all.register("am_clock_jump_seconds", help, ConstGauge::new(jump));
    let condition = aggregate.store().condition();
    for (name, help, number) in [
        (
            "am_database_unreadable_rows",
            "Rows of the database that cannot be read and are set aside",
            condition.unreadable.len() as u64,
        ),
        (
            "am_database_findings",
            "Findings of the last examination of the database",
            condition.findings.len() as u64,
        ),
        (
            "am_database_free_bytes",
            "Room on the disk with the database",
            condition.free_bytes.unwrap_or_default(),
        ),
    ] {
        all.register(name, help, ConstGauge::new(gauge(number)));
    }
}

/// How much there is and how much of it is held: in each realm, of volumes, and of the VLAN tags.
fn capacity(aggregate: &Aggregate, all: &mut Registry) {
    let (inventory, ledger) = (aggregate.inventory(), aggregate.store().ledger());
    let mut shares: BTreeMap<(&str, &str), Availability> = BTreeMap::new();
    for (at, offer) in inventory.offers.iter().enumerate() {
        let components = || inventory.components.iter().filter(move |component| component.offer == at);
        let together = components().nth(REALMS).is_some();
        for component in components() {
            let realm = if together { ALL } else { component.realm.id.as_str() };
            let share = ledger.get(&component.resource).unwrap_or_default();
            let sum = shares.entry((&offer.cloud.name, realm)).or_default();
            *sum = Availability { total: sum.total + share.total, held: sum.held + share.held };
        }
    }
    let (totals, held) = (Family::<[Named; 2], Gauge>::default(), Family::<[Named; 2], Gauge>::default());
    for ((driver, realm), share) in shares {
        let labels = [("driver", driver.to_owned()), ("realm", realm.to_owned())];
        totals.get_or_create(&labels).set(gauge(share.total));
        held.get_or_create(&labels).set(gauge(share.held));
    }
    all.register("am_capacity", "Instances that can be lent, by driver and realm", totals);
    all.register("am_capacity_held", "Instances that are lent", held);

    let (totals, held) = (Family::<[Named; 1], Gauge>::default(), Family::<[Named; 1], Gauge>::default());
    for cloud in aggregate.clouds() {
        if let Some(share) = ledger.get(&volumes_resource(&cloud.name)) {
            let labels = [("driver", cloud.name.clone())];
            totals.get_or_create(&labels).set(gauge(share.total));
            held.get_or_create(&labels).set(gauge(share.held));
        }
    }
    all.register("am_volume_gigabytes", "Gigabytes of volumes that nodes can have, by driver", totals);
    all.register("am_volume_gigabytes_held", "Gigabytes of volumes that nodes have", held);

    let tags = aggregate.config().vlans().filter_map(|tag| ledger.get(&vlan_resource(tag)));
    let (total, held) = tags.fold((0, 0), |(total, held), tag| (total + tag.total, held + tag.held));
    all.register("am_vlan_tags", "VLAN tags that can be given to links", ConstGauge::new(gauge(total)));
    all.register("am_vlan_tags_held", "VLAN tags that links have", ConstGauge::new(gauge(held)));
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
