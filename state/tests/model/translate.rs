//! From what was drawn and from the reference's calls to the crate's own events.

use super::calls::{Call, Named, New, Wish};
use chrono::{DateTime, Utc};
use state::{
    Allocate, Cancel, Claim, Configuration, Delete, Event, Goal, Instance, NewSliver, Observe, Operate,
    Phase, Power, Proposal, Provision, Provisioning, Renew, ResourceKind, Restore, Revision, Selection,
    Shutdown, Sighting, Slice, Sliver, Update,
};
use std::collections::BTreeMap;
use urn::Urn;

fn urn(kind: &str, name: &str) -> Urn {
    format!("urn:publicid:IDN+am.example.net+{kind}+{name}").parse().unwrap()
}

fn sliver_urn(name: u32) -> Urn {
    urn("sliver", &format!("s{name}"))
}

pub(crate) fn name_of(urn: &Urn) -> u32 {
    urn.name()[1..].parse().unwrap()
}

pub(crate) fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn configuration(label: u8, cores: u32) -> Configuration {
    let claims = vec![Claim { resource: "cores".into(), amount: cores }];
    Configuration::new(format!("label{label}"), format!("<node n='{label}'/>"), cores.into(), claims)
}

fn new_slivers(new: &[New]) -> Vec<NewSliver> {
    new.iter()
        .map(|(name, link, label, cores)| NewSliver {
            urn: sliver_urn(*name),
            resource: if *link { ResourceKind::Link } else { ResourceKind::Node },
            configuration: configuration(*label, *cores),
        })
        .collect()
}

fn selection(named: &Named) -> Selection {
    match named {
        Named::Slice => Selection::Slice,
        Named::These(names) => Selection::Slivers(names.iter().map(|name| sliver_urn(*name)).collect()),
    }
}

/// The call as the crate wants it.
pub(crate) fn event(call: &Call, slice: &Slice) -> Event {
    let user = urn("user", "alice");
    match call {
        Call::Allocate { new, end, credential } => Event::Allocate(Allocate {
            slivers: new_slivers(new),
            frame: Some("<allocate/>".into()),
            creator: user,
            end_time: end.map(time),
            credential_expires: time(*credential),
        }),
        Call::Provision { named, best, end, credential, work } => Event::Provision(Provision {
            selection: selection(named),
            provisioning: slice
                .slivers
                .iter()
                .map(|one| (one.urn.clone(), Provisioning { configuration: None, disruption: *work }))
                .collect(),
            best_effort: *best,
            end_time: end.map(time),
            credential_expires: time(*credential),
        }),
        Call::Renew { named, until, alap, best, credential } => Event::Renew(Renew {
            selection: selection(named),
            until: time(*until),
            as_late_as_possible: *alap,
            best_effort: *best,
            credential_expires: time(*credential),
        }),
        Call::Update { named, wishes, new, best, credential } => Event::Update(Update {
            selection: selection(named),
            changes: wishes
                .iter()
                .map(|(name, wish)| {
                    let proposal = match wish {
                        Wish::Become(label, cores) => Proposal::Configuration(configuration(*label, *cores)),
                        Wish::Impossible => Proposal::Refused { code: 13, reason: "impossible".into() },
                    };
                    (sliver_urn(*name), proposal)
                })
                .collect(),
            new: new_slivers(new),
            frame: Some("<update/>".into()),
            creator: user,
            best_effort: *best,
            end_time: None,
            credential_expires: time(*credential),
        }),
        Call::Cancel { named, best } => {
            Event::Cancel(Cancel { selection: selection(named), best_effort: *best })
        }
        Call::Delete { named, best, operator } => {
            Event::Delete(Delete { selection: selection(named), best_effort: *best, operator: *operator })
        }
        Call::Act { named, action, best } => Event::Operate(Operate {
            selection: selection(named),
            action: (*action).into(),
            users: BTreeMap::new(),
            best_effort: *best,
        }),
        Call::Shutdown => Event::Shutdown(Shutdown { by: user }),
        Call::Restore => Event::Restore(Restore),
        Call::Expire => Event::Expire,
        Call::Cloud { fails } => {
            let unsettled = slice.slivers.iter().filter(|one| !one.is_settled());
            Event::Observe(Observe { sightings: unsettled.map(|one| sighting(one, *fails)).collect() })
        }
    }
}

/// What a reconciler reports after it did (or failed at) what the goal says.
fn sighting(sliver: &Sliver, fails: bool) -> Sighting {
    let (phase, done) = match sliver.goal() {
        Goal::Absent => panic!("an allocated sliver has nothing to be done"),
        Goal::Halted => match &sliver.instance {
            None => (Phase::Stopped, Revision::default()),
            // Having stopped what had failed mends nothing.
            Some(it) if it.phase == Phase::Failed => (Phase::Failed, it.done),
            Some(it) => (Phase::Stopped, it.done),
        },
        Goal::Present { revision, .. } if fails => (Phase::Failed, revision),
        Goal::Present { power: Power::Stopped, revision, .. } => (Phase::Stopped, revision),
        Goal::Present { power: Power::Running, revision, .. } => (Phase::Running, revision),
    };
    let halted = sliver.goal() == Goal::Halted;
    let instance = Instance { halted, ..Instance::new(phase, done, "i-1".into()) };
    Sighting { sliver: sliver.urn.clone(), instance: Some(instance), error: None, stays: None }
}

pub(crate) fn slice_urn(slice: usize) -> Urn {
    urn("slice", &format!("slice{slice}"))
}
