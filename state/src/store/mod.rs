//! Where slices are kept.
//!
//! The trait says what any store has to promise; nothing in it is peculiar to SQLite.
//!
//! - A transition is saved whole or not at all, durably, and only over the version it was computed from.
//! - The ledger moves in the same transaction, and never beyond what there is.
//! - A sliver name is never taken twice while anything is known of the sliver: as long as it exists, until all that was
//!   built for it is gone, and for as long after that as [`Store::drop_departed`] leaves it.
//! - A row that cannot be read stops nothing else: its slice alone answers with [`StoreError::Unreadable`], lists leave it
//!   out, and [`Store::condition`] names it. It is left as it is, for people to look into.
//! - What was acknowledged survives a crash; what was not may or may not have happened, but never in part.

mod condition;
mod error;
mod sqlite;

pub use condition::{Condition, UnreadableRow};
pub use error::StoreError;
pub use sqlite::SqliteStore;

use crate::ledger::{Availability, Ledger};
use crate::machine::Transition;
use crate::operational::{Instance, Operational};
use crate::slice::Slice;
use crate::sliver::{AllocationStatus, Configuration, ResourceKind};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use urn::Urn;

/// A place that keeps slices.
#[async_trait]
pub trait Store: Send + Sync {
    /// A slice whole, as it was last saved. `None` if it has nothing here. It is shared with whoever else asked for
    /// it, and costs little when it was asked for or saved a short time ago.
    async fn slice(&self, slice: &Urn) -> Result<Option<Arc<Slice>>, StoreError>;

    /// As [`Store::slice`], for the caller alone.
    async fn load(&self, slice: &Urn) -> Result<Option<Slice>, StoreError> {
        Ok(self.slice(slice).await?.map(Arc::unwrap_or_clone))
    }

    /// The slice to which a sliver belongs or belonged. `None` if there never was one of this name.
    async fn slice_of(&self, sliver: &Urn) -> Result<Option<Whereabouts>, StoreError>;

    /// Makes a transition happen: durable when this returns. Gives the slice's new version (or the one it had,
    /// if the transition changes nothing, in which case nothing is written).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the slice was saved by another call since it was loaded: load it again
    /// and apply the event again. [`StoreError::Exhausted`] when the ledger does not have what is wanted.
    /// [`StoreError::NameTaken`] when a new sliver bears a name that was used before.
    async fn save(&self, transition: &Transition) -> Result<u64, StoreError>;

    /// Says how much there is of each resource. One that is not listed has none from now on.
    ///
    /// A total below what is held takes nothing away: the resource is overcommitted, what is held can only
    /// shrink until it fits, and [`Availability`] shows it.
    async fn set_totals(&self, totals: &BTreeMap<String, u64>) -> Result<(), StoreError>;

    /// How much there is of each resource and how much of it is held, as of the last saved change, without reading
    /// the store. [`Store::set_totals`] puts another ledger in its place.
    fn ledger(&self) -> Arc<Ledger>;

    /// How much there is of each resource, and how much of it is held, read from the store at one moment.
    async fn availability(&self) -> Result<BTreeMap<String, Availability>, StoreError>;

    /// Slivers for which the cloud is not yet as it should be, in the order of their names, those after
    /// `after` only, `limit` at most: ask again with the last one to see the next page.
    async fn unsettled(&self, after: Option<&Urn>, limit: usize) -> Result<Vec<UnsettledSliver>, StoreError>;

    /// Slices in which slivers have expired at `now`: those for which `Event::Expire` has something to do.
    async fn due(&self, now: DateTime<Utc>) -> Result<Vec<Urn>, StoreError>;

    /// When the next sliver expires, however long ago that may be; shut down slices do not count.
    async fn next_expiry(&self) -> Result<Option<DateTime<Utc>>, StoreError>;

    /// Slivers that went although something may still exist for them in the cloud; page by page, as
    /// [`Store::unsettled`].
    async fn departed(&self, after: Option<&Urn>, limit: usize) -> Result<Vec<DepartedSliver>, StoreError>;

    /// Nothing exists any more for these slivers. Their names stay taken; their configurations are forgotten.
    async fn forget_departed(&self, slivers: &[Urn]) -> Result<(), StoreError>;

    /// Drops slivers that went before this moment and of which nothing is left in the cloud; the number of them, `limit`
    /// at most: the list of all that ever went would grow without end.
    async fn drop_departed(&self, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError>;

    /// All slivers in the order of their names, expired ones included; page by page, as [`Store::unsettled`].
    async fn roster(&self, after: Option<&Urn>, limit: usize) -> Result<Vec<RosterEntry>, StoreError>;

    /// How many there are of everything.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Keeps a text under a name, in place of what was kept there. It means nothing here, and wakes nobody.
    async fn note(&self, name: &str, text: &str) -> Result<(), StoreError>;

    /// What is kept under a name.
    async fn noted(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Goes the way of a save, down to the disk: the second of `now` is written, unless that is what stands there. So
    /// nobody who asks often makes the disk work more than once a second.
    ///
    /// # Errors
    /// What a save would end with now.
    async fn check(&self, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Reads everything there is, as one who sees the files for the first time: whether they are whole, and every row can
    /// be read. What is found stands in [`Store::condition`] until the next examination; that of the start is done when
    /// the store is opened.
    ///
    /// # Errors
    /// The examination itself was not possible.
    async fn examine(&self) -> Result<(), StoreError>;

    /// How well the store is, without looking.
    fn condition(&self) -> Condition;

    /// Turns from `None` to [`StoreError::Lost`] when nothing can be kept any more. From then on everything that would
    /// change something ends with that error, and the service has to end.
    fn lost(&self) -> watch::Receiver<Option<StoreError>>;

    /// What was written since the store was opened.
    fn written(&self) -> Written;

    /// What tells this store from all others: random, given once when it was made, the same ever after. Empty for one
    /// that was in use before stores were told apart.
    fn installation(&self) -> &str;

    /// A number that grows with every saved change, after it is durable. For waking whoever acts on changes;
    /// changes that come together may be seen as one.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// Where a sliver is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// In this slice (perhaps expired, not yet cleared away).
    Here(Urn),
    /// It was in this slice and ceased to exist.
    Gone(Urn),
}

/// A sliver that the reconciler has to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledSliver {
    /// Its name.
    pub sliver: Urn,
    /// Its slice.
    pub slice: Urn,
}

/// A sliver that went, for the reconciler to clear away what was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepartedSliver {
    /// Its name.
    pub sliver: Urn,
    /// Its slice.
    pub slice: Urn,
    /// Node or link.
    pub resource: ResourceKind,
    /// When it went.
    pub at: DateTime<Utc>,
    /// What it was granted last.
    pub configuration: Configuration,
    /// What was last seen of it.
    pub instance: Option<Instance>,
}

/// One sliver at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEntry {
    /// Its name.
    pub sliver: Urn,
    /// Its slice.
    pub slice: Urn,
    /// Node or link.
    pub resource: ResourceKind,
    /// Who allocated it.
    pub creator: Urn,
    /// When.
    pub created: DateTime<Utc>,
    /// Its expiry.
    pub expires: DateTime<Utc>,
    /// Its allocation state.
    pub status: AllocationStatus,
    /// Its operational state.
    pub operational: Operational,
}

/// What a store has written since it was opened: calls that are there at the same time share a commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Commits, those that failed included.
    pub commits: u64,
    /// Commits that failed; nothing in them was kept.
    pub failed: u64,
    /// Pieces of work in all these commits.
    pub jobs: u64,
    /// Time spent on the commits: the work in them, and waiting for the disk.
    pub time: Duration,
}

/// How many there are of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Slices with something here, those shut down included.
    pub slices: u64,
    /// Slices that are shut down.
    pub shut_down: u64,
    /// Slivers by state; states without slivers are left out.
    pub slivers: BTreeMap<(AllocationStatus, Operational), u64>,
    /// Slivers on which the reconciler has to work.
    pub unsettled: u64,
    /// Slivers that went although something may still exist for them.
    pub departed: u64,
}
