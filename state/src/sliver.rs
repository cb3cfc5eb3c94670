//! One sliver: what was granted, what is pending, and who may have it until when.

use crate::operational::{Instance, Power, Revision};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use urn::Urn;

/// What a sliver is: one node or one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceKind {
    /// A node of the request.
    Node,
    /// A link of the request.
    Link,
}

impl ResourceKind {
    /// `node` or `link`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Link => "link",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A share of one resource of the [ledger](crate::holdings).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Name of the resource, as given to [`Store::set_totals`](crate::Store::set_totals).
    pub resource: String,
    /// How much of it, in the unit of that resource.
    pub amount: u32,
}

/// What a sliver is made of. Only `client_id`, `claims` and `frame` mean something here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The experimenter's name for the resource, unique among the slice's resources of its kind.
    pub client_id: String,
    /// The resource as the experimenter described it.
    pub rspec: String,
    /// What was chosen for it: component, image, hardware, users…
    pub detail: serde_json::Value,
    /// What it takes from the ledger.
    pub claims: Vec<Claim>,
    /// The [`Frame`](crate::Frame) of the slice that this description came in. The machine sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<u32>,
}

impl Configuration {
    /// A configuration that belongs to no frame yet.
    #[must_use]
    pub fn new(client_id: String, rspec: String, detail: serde_json::Value, claims: Vec<Claim>) -> Self {
        Self { client_id, rspec, detail, claims, frame: None }
    }
}

impl fmt::Debug for Configuration {
    /// Leaves out the documents: they are long, and hold what experimenters may not want in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration")
            .field("client_id", &self.client_id)
            .field("claims", &self.claims)
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}

/// The change that an `Update` asked for and a `Provision` has yet to put in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pending {
    /// The sliver is to become this.
    Change(Arc<Configuration>),
    /// The sliver is to go.
    Removal,
}

/// The allocation state with the configurations that belong to it. An unallocated sliver does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allocation {
    /// Reserved for a short time; nothing has been built.
    Allocated(Arc<Configuration>),
    /// Granted for a long time; built, or being built.
    Provisioned(Arc<Configuration>),
    /// Provisioned, with a change waiting for `Provision` or `Cancel`.
    Updating {
        /// What is built, and what `Cancel` goes back to.
        granted: Arc<Configuration>,
        /// What `Provision` would put in place.
        pending: Pending,
    },
}

/// The allocation states by their protocol names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AllocationStatus {
    /// `geni_unallocated`: the sliver does not exist, or not any more.
    Unallocated,
    /// `geni_allocated`.
    Allocated,
    /// `geni_provisioned`.
    Provisioned,
    /// `geni_updating` (AM API v4 draft, change set C).
    Updating,
}

impl AllocationStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unallocated, Self::Allocated, Self::Provisioned, Self::Updating];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unallocated => "geni_unallocated",
            Self::Allocated => "geni_allocated",
            Self::Provisioned => "geni_provisioned",
            Self::Updating => "geni_updating",
        }
    }

    /// The status with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for AllocationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the next `Provision` would make of an allocated or updating sliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAllocation {
    /// It would be provisioned.
    Provisioned,
    /// It would go: an `Update` marked it for removal.
    Unallocated,
}

impl NextAllocation {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioned => "geni_provisioned",
            Self::Unallocated => "geni_unallocated",
        }
    }
}

/// Which of the two sides of a slice under change to look at (the `geni_cancelled` option of `Describe`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As it would be once everything pending were provisioned.
    Future,
    /// As it would be once everything pending were cancelled.
    Cancelled,
}

/// A sliver to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSliver {
    /// Its name, minted by the caller and never used before.
    pub urn: Urn,
    /// Node or link.
    pub resource: ResourceKind,
    /// What it is to be.
    pub configuration: Configuration,
}

/// One node or link that this aggregate gave to a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sliver {
    /// Its name, never used before or after.
    pub urn: Urn,
    /// Node or link.
    pub resource: ResourceKind,
    /// When it was allocated.
    pub created: DateTime<Utc>,
    /// Who allocated it.
    pub creator: Urn,
    /// The first second in which it is no more.
    pub expires: DateTime<Utc>,
    /// Allocation state and configurations.
    pub allocation: Allocation,
    /// Whether the experimenter wants it running.
    pub power: Power,
    /// How far the experimenter's wishes have come; 0 everywhere while merely allocated.
    pub wanted: Revision,
    /// Set in every sliver of a slice that is shut down: whatever exists is kept but must not run.
    pub suspended: bool,
    /// What the reconciler last saw of it in the cloud.
    pub instance: Option<Instance>,
    /// The last trouble with it, for people (`geni_error`).
    pub error: Option<String>,
}

impl Sliver {
    /// The allocation state's name.
    #[must_use]
    pub fn status(&self) -> AllocationStatus {
        match self.allocation {
            Allocation::Allocated(_) => AllocationStatus::Allocated,
            Allocation::Provisioned(_) => AllocationStatus::Provisioned,
            Allocation::Updating { .. } => AllocationStatus::Updating,
        }
    }

    /// What the next `Provision` would make of it; `None` (an empty string on the wire) when provisioned
    /// (change set C).
    #[must_use]
    pub fn next_allocation(&self) -> Option<NextAllocation> {
        match &self.allocation {
            Allocation::Allocated(_) => Some(NextAllocation::Provisioned),
            Allocation::Provisioned(_) => None,
            Allocation::Updating { pending: Pending::Change(_), .. } => Some(NextAllocation::Provisioned),
            Allocation::Updating { pending: Pending::Removal, .. } => Some(NextAllocation::Unallocated),
        }
    }

    /// What was provisioned: `None` while merely allocated.
    #[must_use]
    pub fn granted(&self) -> Option<&Arc<Configuration>> {
        match &self.allocation {
            Allocation::Allocated(_) => None,
            Allocation::Provisioned(granted) | Allocation::Updating { granted, .. } => Some(granted),
        }
    }

    /// The configuration on one side of the slice; `None` where the sliver does not exist on that side.
    #[must_use]
    pub fn configuration(&self, view: View) -> Option<&Arc<Configuration>> {
        match (view, &self.allocation) {
            (View::Future, Allocation::Allocated(configuration) | Allocation::Provisioned(configuration))
            | (View::Future, Allocation::Updating { pending: Pending::Change(configuration), .. }) => {
                Some(configuration)
            }
            (View::Future, Allocation::Updating { pending: Pending::Removal, .. }) => None,
            (View::Cancelled, _) => self.granted(),
        }
    }

    /// Every configuration it has: the granted or allocated one first, then the pending one.
    pub fn configurations(&self) -> impl Iterator<Item = &Arc<Configuration>> {
        let (first, second) = match &self.allocation {
            Allocation::Allocated(only) | Allocation::Provisioned(only) => (only, None),
            Allocation::Updating { granted, pending: Pending::Change(change) } => (granted, Some(change)),
            Allocation::Updating { granted, pending: Pending::Removal } => (granted, None),
        };
        std::iter::once(first).chain(second)
    }
}
