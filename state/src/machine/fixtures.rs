//! A slice on a stage: the tests of the calls bring it into a state in a line or two.

use super::*;
use crate::goal::Goal;
use crate::operational::{Instance, Operational, Phase, Power, Revision};
use crate::sliver::{AllocationStatus, Claim, Configuration, NewSliver, ResourceKind, Sliver};
use chrono::TimeDelta;
use std::collections::BTreeMap;
use urn::Urn;

/// A moment, in seconds after the tests' beginning of time.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000 + seconds, 0).unwrap()
}

pub(crate) fn urn(kind: &str, name: &str) -> Urn {
    format!("urn:publicid:IDN+am.example.net+{kind}+{name}").parse().unwrap()
}

pub(crate) fn sliver(name: &str) -> Urn {
    urn("sliver", name)
}

pub(crate) fn slivers(names: &[&str]) -> Selection {
    Selection::Slivers(names.iter().map(|name| sliver(name)).collect())
}

pub(crate) fn configuration(client_id: &str, cores: u32) -> Configuration {
    let claims = vec![Claim { resource: "cores".into(), amount: cores }];
    Configuration::new(client_id.into(), format!("<node client_id='{client_id}'/>"), "detail".into(), claims)
}

pub(crate) fn node(name: &str, client_id: &str) -> NewSliver {
    NewSliver { urn: sliver(name), resource: ResourceKind::Node, configuration: configuration(client_id, 1) }
}

pub(crate) fn allocate(new: Vec<NewSliver>) -> Allocate {
    Allocate {
        slivers: new,
        frame: Some("<frame/>".into()),
        creator: urn("user", "alice"),
        end_time: None,
        credential_expires: at(400 * 86_400),
    }
}

pub(crate) fn provision(selection: Selection) -> Provision {
    Provision {
        selection,
        provisioning: BTreeMap::new(),
        best_effort: false,
        end_time: None,
        credential_expires: at(400 * 86_400),
    }
}

/// An update that makes these slivers what is given here, and leaves out the rest of the selection.
pub(crate) fn update(selection: Selection, changes: &[(&str, Configuration)]) -> Update {
    Update {
        selection,
        changes: changes
            .iter()
            .map(|(name, configuration)| (sliver(name), Proposal::Configuration(configuration.clone())))
            .collect(),
        new: Vec::new(),
        frame: Some("<update/>".into()),
        creator: urn("user", "bob"),
        best_effort: false,
        end_time: None,
        credential_expires: at(400 * 86_400),
    }
}

pub(crate) fn renew(selection: Selection, until: DateTime<Utc>) -> Renew {
    Renew {
        selection,
        until,
        as_late_as_possible: false,
        best_effort: false,
        credential_expires: at(400 * 86_400),
    }
}

pub(crate) fn cancel(selection: Selection) -> Cancel {
    Cancel { selection, best_effort: false }
}

pub(crate) fn delete(selection: Selection) -> Delete {
    Delete { selection, best_effort: false, operator: false }
}

pub(crate) fn operate(selection: Selection, action: &str) -> Operate {
    Operate { selection, action: action.into(), users: BTreeMap::new(), best_effort: false }
}

pub(crate) struct Stage {
    pub(crate) slice: Slice,
    pub(crate) now: DateTime<Utc>,
    pub(crate) policy: Policy,
}

impl Stage {
    pub(crate) fn empty() -> Self {
        let slice = Slice::new(urn("slice", "demo"), at(0));
        Self { slice, now: at(0), policy: Policy::default() }
    }

    /// Slivers `a` (allocated), `p` (provisioned) and `u` (updating to 5 cores), in this order; names are
    /// their client_ids, too.
    pub(crate) fn mixed() -> Self {
        let mut stage = Self::empty();
        stage.does(Event::Allocate(allocate(vec![node("a", "a"), node("p", "p"), node("u", "u")])));
        stage.does(Event::Provision(provision(slivers(&["p", "u"]))));
        stage.settle();
        stage.does(Event::Update(update(slivers(&["u"]), &[("u", configuration("u", 5))])));
        stage
    }

    /// One sliver `p`, provisioned, in this operational state.
    pub(crate) fn operational(state: Operational) -> Self {
        let mut stage = Self::empty();
        stage.does(Event::Allocate(allocate(vec![node("p", "p")])));
        stage.does(Event::Provision(provision(Selection::Slice)));
        match state {
            Operational::PendingAllocation => {}
            Operational::NotReady => stage.settle(),
            Operational::Configuring => {
                stage.settle();
                stage.acts("geni_start");
            }
            Operational::Ready => {
                stage.settle();
                stage.acts("geni_start");
                stage.settle();
            }
            Operational::Stopping => {
                stage = Self::operational(Operational::Ready);
                stage.acts("geni_stop");
            }
            Operational::UpdatingUsers => {
                stage = Self::operational(Operational::Ready);
                let mut call = operate(Selection::Slice, "geni_update_users");
                call.users.insert(sliver("p"), configuration("p", 1));
                stage.does(Event::Operate(call));
            }
            Operational::Failed => {
                let done = stage.get("p").wanted;
                stage.sees("p", Some(Phase::Failed), done);
            }
        }
        assert_eq!(stage.get("p").operational(), state);
        stage
    }

    pub(crate) fn tries(&self, event: Event) -> Result<Transition, Refusal> {
        let before = self.slice.clone();
        let outcome = apply(&self.slice, &event, self.now, &self.policy);
        assert_eq!(self.slice, before);
        outcome
    }

    pub(crate) fn does(&mut self, event: Event) -> Transition {
        let transition = self.tries(event).unwrap();
        self.slice = transition.slice.clone();
        transition
    }

    pub(crate) fn is_refused(&self, event: Event) -> Refusal {
        self.tries(event).unwrap_err()
    }

    pub(crate) fn acts(&mut self, action: &str) -> Transition {
        self.does(Event::Operate(operate(Selection::Slice, action)))
    }

    pub(crate) fn sees(&mut self, name: &str, phase: Option<Phase>, done: Revision) -> Transition {
        let suspended = self.slice.sliver(&sliver(name)).is_some_and(|one| one.suspended);
        let instance = phase.map(|phase| Instance {
            halted: suspended && phase == Phase::Stopped,
            ..Instance::new(phase, done, "i-1".into())
        });
        let sighting = Sighting { sliver: sliver(name), instance, error: None, stays: None };
        self.does(Event::Observe(Observe { sightings: vec![sighting] }))
    }

    /// The cloud does all that is wanted of it.
    pub(crate) fn settle(&mut self) {
        for sliver in self.slice.slivers.clone() {
            let phase = match sliver.goal() {
                Goal::Absent => continue,
                Goal::Halted | Goal::Present { power: Power::Stopped, .. } => Phase::Stopped,
                Goal::Present { power: Power::Running, .. } => Phase::Running,
            };
            self.sees(sliver.urn.name(), Some(phase), sliver.wanted);
        }
        assert!(self.slice.slivers.iter().all(Sliver::is_settled));
    }

    pub(crate) fn passes(&mut self, time: TimeDelta) {
        self.now += time;
    }

    pub(crate) fn get(&self, name: &str) -> &Sliver {
        self.slice.sliver(&sliver(name)).unwrap()
    }

    pub(crate) fn state(&self, name: &str) -> AllocationStatus {
        self.slice
            .live(self.now)
            .find(|one| one.urn == sliver(name))
            .map_or(AllocationStatus::Unallocated, Sliver::status)
    }

    pub(crate) fn cores(&self) -> u64 {
        crate::holdings(&self.slice).get("cores").copied().unwrap_or_default()
    }
}

#[test]
fn the_stage_is_what_it_says() {
    let stage = Stage::mixed();
    assert_eq!(stage.state("a"), AllocationStatus::Allocated);
    assert_eq!(stage.state("p"), AllocationStatus::Provisioned);
    assert_eq!(stage.state("u"), AllocationStatus::Updating);
    assert_eq!(stage.cores(), 1 + 1 + 5);
    for state in Operational::ALL {
        Stage::operational(state);
    }
}
