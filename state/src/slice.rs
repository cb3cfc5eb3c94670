//! A slice: all that one experiment has at this aggregate.

use crate::refusal::Refusal;
use crate::sliver::{AllocationStatus, Sliver};
use chrono::{DateTime, Utc};
use urn::Urn;

/// A document that came with a request and is not about any one sliver (foreign nodes, unknown
/// extensions at the top). It is kept as long as a configuration refers to it, so that a manifest can give
/// it back, and so that `Cancel` finds the one it goes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its number in the slice; a later frame has a higher number than those present.
    pub number: u32,
    /// The document, opaque.
    pub document: String,
}

/// Who shut a slice down, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The caller.
    pub by: Urn,
    /// The time.
    pub at: DateTime<Utc>,
}

/// All slivers of one slice at this aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Its name.
    pub urn: Urn,
    /// The store's number for this state of the slice; 0 for one that was never saved. Numbers are never
    /// given twice, not even to a slice that went away and came back.
    pub version: u64,
    /// The UUID of its certificate, lower case, if that bears one: another UUID under the same name is another slice.
    pub uuid: Option<String>,
    /// When it first had something here.
    pub created: DateTime<Utc>,
    /// Set while shut down.
    pub shutdown: Option<Stop>,
    /// Documents around its slivers, in ascending order of number.
    pub frames: Vec<Frame>,
    /// Its slivers in the order of their creation. Expired ones may still be among them: see
    /// [`Slice::live`].
    pub slivers: Vec<Sliver>,
}

impl Slice {
    /// A slice that has nothing here yet.
    #[must_use]
    pub fn new(urn: Urn, now: DateTime<Utc>) -> Self {
        Self {
            urn,
            version: 0,
            uuid: None,
            created: crate::time::whole_seconds(now),
            shutdown: None,
            frames: Vec::new(),
            slivers: Vec::new(),
        }
    }

    /// The slivers that exist at `now`, whether or not expired ones have been cleared away. A shut down
    /// slice keeps its slivers past their time, for whoever has to look into them.
    pub fn live(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Sliver> {
        let frozen = self.shutdown.is_some();
        self.slivers.iter().filter(move |sliver| frozen || sliver.expires > now)
    }

    /// The sliver of this name, expired or not.
    #[must_use]
    pub fn sliver(&self, urn: &Urn) -> Option<&Sliver> {
        self.slivers.iter().find(|sliver| sliver.urn == *urn)
    }

    /// The frame of this number.
    #[must_use]
    pub fn frame(&self, number: u32) -> Option<&Frame> {
        self.frames.iter().find(|frame| frame.number == number)
    }

    /// Whether nothing is left to keep: no sliver and no shutdown.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.slivers.is_empty() && self.shutdown.is_none()
    }

    /// Refuses what experimenters may not do to a slice that is shut down, which is everything. [`apply`]
    /// asks this itself; `Describe` and `Status`, which operators may still use, have to ask.
    ///
    /// [`apply`]: crate::apply
    ///
    /// # Errors
    /// [`Refusal::ShutDown`].
    pub fn check_not_shut_down(&self) -> Result<(), Refusal> {
        match &self.shutdown {
            Some(stop) => Err(Refusal::ShutDown { slice: self.urn.clone(), at: stop.at }),
            None => Ok(()),
        }
    }

    /// Refuses a slice of the same name that is another one: its certificate bears another UUID, or none although this
    /// one's does. While nothing of this slice is here, and it is not shut down, its name is free.
    ///
    /// # Errors
    /// [`Refusal::OtherSlice`].
    pub fn check_same(&self, uuid: Option<&str>, now: DateTime<Utc>) -> Result<(), Refusal> {
        if self.uuid.is_none() || self.uuid.as_deref() == uuid || self.is_free(now) {
            return Ok(());
        }
        let until = self.live(now).map(|sliver| sliver.expires).max();
        Err(Refusal::OtherSlice { slice: self.urn.clone(), until: until.filter(|_| self.shutdown.is_none()) })
    }

    /// As the slice whose certificate bears this UUID: it takes the name if that is free, and is known by its UUID from
    /// now on if it was not before. To be asked after [`Slice::check_same`].
    #[must_use]
    pub fn known_as(&self, uuid: Option<&str>, now: DateTime<Utc>) -> Self {
        let kept = self.uuid.clone().filter(|_| !self.is_free(now));
        Self { uuid: kept.or_else(|| uuid.map(str::to_owned)), ..self.clone() }
    }

    fn is_free(&self, now: DateTime<Utc>) -> bool {
        self.shutdown.is_none() && self.live(now).next().is_none()
    }

    /// The soonest expiry among the slivers live at `now`.
    #[must_use]
    pub fn soonest_expiry(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.live(now).map(|sliver| sliver.expires).min()
    }

    /// Whether any live sliver waits for `Provision` or `Cancel`.
    #[must_use]
    pub fn has_pending(&self, now: DateTime<Utc>) -> bool {
        self.live(now).any(|sliver| sliver.status() != AllocationStatus::Provisioned)
    }
}
