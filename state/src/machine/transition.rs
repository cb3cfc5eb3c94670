//! What an event led to, and the workbench on which calls prepare it.

use super::selection::{Selection, Target, Together, check_together};
use crate::ledger;
use crate::operational::{Operational, Power, Revision};
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::slice::{Frame, Slice};
use crate::sliver::{Allocation, AllocationStatus, Configuration, NewSliver, NextAllocation, Sliver, View};
use crate::vocabulary::Call;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use urn::Urn;

/// Why a sliver ceased to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `Delete`.
    Deleted,
    /// `Cancel` of an allocated sliver.
    Cancelled,
    /// `Update` of an allocated sliver that left it out, or `Provision` of one marked for removal.
    Removed,
    /// Its time was over.
    Expired,
}

impl Cause {
    /// `deleted`, `cancelled`, `removed` or `expired`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Cancelled => "cancelled",
            Self::Removed => "removed",
            Self::Expired => "expired",
        }
    }
}

/// A sliver that ceased to exist; what was built for it has to go too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// As it was last, with its granted configuration and instance.
    pub sliver: Sliver,
    /// Why it went.
    pub cause: Cause,
}

/// The answer about one sliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its name.
    pub urn: Urn,
    /// Its allocation state after the call.
    pub status: AllocationStatus,
    /// What the next `Provision` would make of it; `None` is an empty string on the wire.
    pub next: Option<NextAllocation>,
    /// Its operational state.
    pub operational: Operational,
    /// Its expiry; of one that went, what it was. `None` only for a name that is no sliver here.
    pub expires: Option<DateTime<Utc>>,
    /// What is wrong with it, for people.
    pub error: Option<String>,
    /// Why the call did nothing to it (best effort only).
    pub refusal: Option<Refusal>,
    /// Whether this call did something to it.
    pub changed: bool,
}

impl Outcome {
    /// A sliver as it is.
    #[must_use]
    pub fn of(sliver: &Sliver) -> Self {
        Self {
            urn: sliver.urn.clone(),
            status: sliver.status(),
            next: sliver.next_allocation(),
            operational: sliver.operational(),
            expires: Some(sliver.expires),
            error: sliver.error.clone(),
            refusal: None,
            changed: false,
        }
    }

    /// A sliver as it would be if everything pending were cancelled; `None` if it would not exist
    /// (`Describe` with `geni_cancelled`, change set C).
    #[must_use]
    pub fn of_cancelled(sliver: &Sliver) -> Option<Self> {
        sliver.configuration(View::Cancelled)?;
        Some(Self { status: AllocationStatus::Provisioned, next: None, ..Self::of(sliver) })
    }

    /// A sliver that the call made go.
    pub(super) fn departed(sliver: &Sliver) -> Self {
        Self {
            status: AllocationStatus::Unallocated,
            next: None,
            operational: Operational::PendingAllocation,
            changed: true,
            ..Self::of(sliver)
        }
    }

    /// A name that is no live sliver of the slice.
    fn unknown(urn: Urn) -> Self {
        Self {
            refusal: Some(Refusal::UnknownSliver { sliver: urn.clone() }),
            urn,
            status: AllocationStatus::Unallocated,
            next: None,
            operational: Operational::PendingAllocation,
            expires: None,
            error: None,
            changed: false,
        }
    }
}

/// What an event led to. It is computed from one version of the slice, and a store saves it only over that
/// version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The slice afterwards; its version is still that of the slice before.
    pub slice: Slice,
    /// One entry per sliver named, in the order of the list (or of creation, for a slice), then the new ones.
    pub report: Vec<Outcome>,
    /// Slivers that ceased to exist, those that had expired unnoticed included.
    pub departed: Vec<Departure>,
    /// New and changed slivers: those that have to be written.
    pub changed: Vec<Urn>,
    /// How the ledger has to move, by resource.
    pub held: BTreeMap<String, i64>,
    /// Numbers of the frames that nothing refers to any more.
    pub dropped_frames: Vec<u32>,
    /// Numbers of the frames that are new.
    pub added_frames: Vec<u32>,
    /// Whether the slice was shut down or restored.
    pub shutdown_changed: bool,
    /// When.
    pub at: DateTime<Utc>,
}

impl Transition {
    /// Whether nothing is different afterwards, so that nothing has to be saved.
    #[must_use]
    pub fn is_noop(&self) -> bool {
        self.changed.is_empty() && self.departed.is_empty() && !self.shutdown_changed
    }
}

/// What a call made of one sliver.
pub(super) enum Step {
    /// Nothing.
    Keep,
    /// Something.
    Change,
    /// It ceases to exist.
    Depart(Cause),
}

/// The slice while an event is worked on it.
pub(super) struct Work<'a> {
    pub(super) slice: Slice,
    pub(super) now: DateTime<Utc>,
    pub(super) policy: &'a Policy,
    pub(super) departed: Vec<Departure>,
}

impl<'a> Work<'a> {
    /// Takes a copy of the slice and drops what has expired.
    pub(super) fn begin(slice: &Slice, now: DateTime<Utc>, policy: &'a Policy) -> Self {
        let mut work = Self { slice: slice.clone(), now, policy, departed: Vec::new() };
        work.drop_expired();
        work
    }

    /// Takes slivers past their time out of a slice that is not shut down.
    pub(super) fn drop_expired(&mut self) {
        if self.slice.shutdown.is_some() {
            return;
        }
        let now = self.now;
        let expired = self.slice.slivers.extract_if(.., |sliver| sliver.expires <= now);
        self.departed.extend(expired.map(|sliver| Departure { sliver, cause: Cause::Expired }));
    }

    /// # Errors
    /// [`Refusal::ShutDown`].
    pub(super) fn check_not_shut_down(&self) -> Result<(), Refusal> {
        self.slice.check_not_shut_down()
    }

    /// Reads the selection and checks that it names together what belongs together.
    ///
    /// # Errors
    /// As [`Selection::targets`] and [`check_together`]; [`Refusal::UnknownSliver`] unless best effort.
    pub(super) fn select(
        &self,
        call: Option<(Call, Together)>,
        selection: &Selection,
        best_effort: bool,
    ) -> Result<Vec<Target>, Refusal> {
        let targets = selection.targets(&self.slice, self.now)?;
        if !best_effort
            && let Some(unknown) = targets.iter().find_map(|target| match target {
                Target::Unknown(urn) => Some(urn),
                Target::Live(_) => None,
            })
        {
            return Err(Refusal::UnknownSliver { sliver: unknown.clone() });
        }
        if let (true, Some((call, rule))) = (self.policy.single_allocation, call) {
            check_together(call, rule, selection, &targets, &self.slice, self.now)?;
        }
        Ok(targets)
    }

    /// Does `call` to each target and reports; slivers that depart are taken out. A refusal ends it, or with
    /// best effort leaves that sliver as it was.
    ///
    /// # Errors
    /// The first refusal, unless best effort.
    pub(super) fn each(
        &mut self,
        targets: Vec<Target>,
        best_effort: bool,
        mut call: impl FnMut(&mut Sliver) -> Result<Step, Refusal>,
    ) -> Result<Vec<Outcome>, Refusal> {
        let mut report = Vec::with_capacity(targets.len());
        let mut gone: HashMap<usize, Cause> = HashMap::new();
        for target in targets {
            let at = match target {
                Target::Live(at) => at,
                Target::Unknown(urn) => {
                    report.push(Outcome::unknown(urn));
                    continue;
                }
            };
            let Some(sliver) = self.slice.slivers.get_mut(at) else { continue };
            let before = sliver.clone();
            match call(sliver) {
                Ok(Step::Keep) => report.push(Outcome::of(sliver)),
                Ok(Step::Change) => report.push(Outcome { changed: true, ..Outcome::of(sliver) }),
                Ok(Step::Depart(cause)) => {
                    report.push(Outcome::departed(sliver));
                    gone.insert(at, cause);
                }
                Err(refusal) if best_effort => {
                    *sliver = before;
                    report.push(Outcome { refusal: Some(refusal), ..Outcome::of(sliver) });
                }
                Err(refusal) => return Err(refusal),
            }
        }
        if !gone.is_empty() {
            let mut kept = Vec::with_capacity(self.slice.slivers.len());
            for (at, sliver) in std::mem::take(&mut self.slice.slivers).into_iter().enumerate() {
                match gone.get(&at) {
                    Some(cause) => self.departed.push(Departure { sliver, cause: *cause }),
                    None => kept.push(sliver),
                }
            }
            self.slice.slivers = kept;
        }
        Ok(report)
    }

    /// Adds a document around new configurations and gives its number.
    pub(super) fn add_frame(&mut self, document: Option<&str>) -> Option<u32> {
        let document = document?.to_owned();
        let number = self.slice.frames.last().map_or(1, |last| last.number.saturating_add(1));
        self.slice.frames.push(Frame { number, document });
        Some(number)
    }

    /// Adds allocated slivers and reports them.
    ///
    /// # Errors
    /// [`Refusal::NameInUse`].
    pub(super) fn add_slivers(
        &mut self,
        slivers: &[NewSliver],
        creator: &Urn,
        expires: DateTime<Utc>,
        frame: Option<u32>,
    ) -> Result<Vec<Outcome>, Refusal> {
        let mut names: HashSet<Urn> = self.slice.slivers.iter().map(|sliver| sliver.urn.clone()).collect();
        let mut report = Vec::with_capacity(slivers.len());
        for new in slivers {
            if !names.insert(new.urn.clone()) {
                return Err(Refusal::NameInUse { sliver: new.urn.clone() });
            }
            let sliver = Sliver {
                urn: new.urn.clone(),
                resource: new.resource,
                created: self.now,
                creator: creator.clone(),
                expires,
                allocation: Allocation::Allocated(framed(&new.configuration, frame)),
                power: Power::Stopped,
                wanted: Revision::default(),
                suspended: false,
                instance: None,
                error: None,
            };
            report.push(Outcome { changed: true, ..Outcome::of(&sliver) });
            self.slice.slivers.push(sliver);
        }
        Ok(report)
    }

    /// Refuses a slice in which two resources of one kind bear one name, as it would be provisioned or as it
    /// would be cancelled. Between the two sides a name may be taken over: a node marked for removal and
    /// the new one that replaces it may share it, as long as they are provisioned or cancelled together.
    ///
    /// # Errors
    /// [`Refusal::ClientIdTaken`].
    pub(super) fn check_client_ids(&self) -> Result<(), Refusal> {
        for view in [View::Future, View::Cancelled] {
            let mut owners = HashMap::new();
            for sliver in &self.slice.slivers {
                let Some(configuration) = sliver.configuration(view) else { continue };
                let label = (sliver.resource, configuration.client_id.as_str());
                if let Some(owner) = owners.insert(label, &sliver.urn) {
                    return Err(Refusal::ClientIdTaken {
                        client_id: configuration.client_id.chars().take(80).collect(),
                        resource: sliver.resource,
                        sliver: owner.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Works out what is different from `before`.
    pub(super) fn finish(mut self, before: &Slice, report: Vec<Outcome>) -> Transition {
        let used: HashSet<u32> = self
            .slice
            .slivers
            .iter()
            .flat_map(Sliver::configurations)
            .filter_map(|configuration| configuration.frame)
            .collect();
        self.slice.frames.retain(|frame| used.contains(&frame.number));

        let old: HashMap<&Urn, &Sliver> = before.slivers.iter().map(|sliver| (&sliver.urn, sliver)).collect();
        let changed = self
            .slice
            .slivers
            .iter()
            .filter(|sliver| old.get(&sliver.urn).is_none_or(|before| *before != *sliver))
            .map(|sliver| sliver.urn.clone())
            .collect();
        let numbers = |slice: &Slice| slice.frames.iter().map(|frame| frame.number).collect::<HashSet<_>>();
        let (were, are) = (numbers(before), numbers(&self.slice));
        Transition {
            report,
            changed,
            held: ledger::difference(before, &self.slice),
            dropped_frames: were.difference(&are).copied().collect(),
            added_frames: are.difference(&were).copied().collect(),
            shutdown_changed: before.shutdown != self.slice.shutdown,
            departed: self.departed,
            at: self.now,
            slice: self.slice,
        }
    }
}

/// The configuration as part of a frame.
pub(super) fn framed(configuration: &Configuration, frame: Option<u32>) -> Arc<Configuration> {
    Arc::new(Configuration { frame, ..configuration.clone() })
}
