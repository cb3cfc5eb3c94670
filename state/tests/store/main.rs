//! What the store promises: whole transitions or nothing, never over a newer version, never more than there
//! is, names once only, and all of it after a restart or a kill.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use chrono::{DateTime, TimeDelta, Utc};
use state::{
    Allocate, Allocation, AllocationStatus, Availability, Cause, Claim, Configuration, Delete, Event,
    Instance, NewSliver, Observe, Operational, Pending, Phase, Policy, Proposal, Provision, ResourceKind,
    Revision, Selection, Shutdown, Sighting, Slice, SqliteStore, Store, StoreError, Transition, Update, View,
    Whereabouts, apply,
};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use urn::Urn;

mod damage;
mod files;
mod lookups;
mod saving;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000 + seconds, 0).unwrap()
}

fn urn(kind: &str, name: &str) -> Urn {
    format!("urn:publicid:IDN+am.example.net+{kind}+{name}").parse().unwrap()
}

fn configuration(name: &str, cores: u32) -> Configuration {
    let claims = vec![Claim { resource: "cores".into(), amount: cores }];
    Configuration::new(name.into(), format!("<node client_id=\"{name}\">é</node>"), 7.into(), claims)
}

fn new(name: &str, cores: u32) -> NewSliver {
    NewSliver {
        urn: urn("sliver", name),
        resource: ResourceKind::Node,
        configuration: configuration(name, cores),
    }
}

fn allocate(slivers: Vec<NewSliver>) -> Event {
    Event::Allocate(Allocate {
        slivers,
        frame: Some("<rspec>around</rspec>".into()),
        creator: urn("user", "alice"),
        end_time: None,
        credential_expires: at(1_000_000_000),
    })
}

fn provision() -> Event {
    Event::Provision(Provision {
        selection: Selection::Slice,
        provisioning: BTreeMap::new(),
        best_effort: false,
        end_time: None,
        credential_expires: at(1_000_000_000),
    })
}

fn update(name: &str, cores: u32) -> Event {
    let proposal = Proposal::Configuration(configuration(name, cores));
    Event::Update(Update {
        selection: Selection::Slivers(vec![urn("sliver", name)]),
        changes: BTreeMap::from([(urn("sliver", name), proposal)]),
        new: Vec::new(),
        frame: None,
        creator: urn("user", "alice"),
        best_effort: false,
        end_time: None,
        credential_expires: at(1_000_000_000),
    })
}

fn delete(selection: Selection) -> Event {
    Event::Delete(Delete { selection, best_effort: false, operator: false })
}

fn seen(name: &str, phase: Phase) -> Event {
    let done = Revision { configuration: 1, ..Revision::default() };
    let instance = Some(Instance::new(phase, done, "i-1".into()));
    Event::Observe(Observe {
        sightings: vec![Sighting { sliver: urn("sliver", name), instance, error: None, stays: None }],
    })
}

fn step(slice: &Slice, event: &Event) -> Transition {
    apply(slice, event, at(0), &Policy::default()).unwrap()
}

fn fresh(name: &str) -> Slice {
    Slice::new(urn("slice", name), at(0))
}

async fn load(store: &SqliteStore, name: &str) -> Slice {
    store.load(&urn("slice", name)).await.unwrap().unwrap_or_else(|| fresh(name))
}

/// Loads, applies, saves.
async fn does(store: &SqliteStore, slice: &str, event: Event) -> Result<Slice, StoreError> {
    let transition = step(&load(store, slice).await, &event);
    store.save(&transition).await?;
    Ok(load(store, slice).await)
}

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("state.db")
    }

    async fn open(&self, cores: u64) -> SqliteStore {
        open(&self.path(), cores).await
    }
}

async fn open(path: &Path, cores: u64) -> SqliteStore {
    let store = SqliteStore::open(path).unwrap();
    store.set_totals(&BTreeMap::from([("cores".to_owned(), cores)])).await.unwrap();
    store
}

async fn cores(store: &SqliteStore) -> (u64, u64) {
    let Availability { total, held } = store.availability().await.unwrap()["cores"];
    (total, held)
}
