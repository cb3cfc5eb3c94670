//! What this aggregate grants, and for how long.

use crate::refusal::Limit;
use crate::sliver::{Allocation, Sliver};
use crate::time::later;
use chrono::{DateTime, TimeDelta, Utc};

/// How often a slice may call `Allocate` (`geni_allocate` in `GetVersion`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllocateMode {
    /// `geni_single`: not while the slice has slivers here.
    Single,
    /// `geni_disjoint`: again, but a request must not refer to existing slivers. That reference stands in
    /// the RSpec, so whoever reads the RSpec checks it.
    Disjoint,
    /// `geni_many`: again, and a request may refer to existing slivers.
    Many,
}

impl AllocateMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Single, Self::Disjoint, Self::Many];

    /// The mode with this name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str().eq_ignore_ascii_case(name))
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Single => "geni_single",
            Self::Disjoint => "geni_disjoint",
            Self::Many => "geni_many",
        }
    }
}

/// The aggregate's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long an allocated sliver is held for its `Provision`.
    pub allocated_for: TimeDelta,
    /// How long a provisioned sliver is granted where the caller names no end.
    pub provisioned_for: TimeDelta,
    /// The longest time from now that a provisioned sliver may be given.
    pub max_lifetime: TimeDelta,
    /// `geni_single_allocation`: slivers in the same state move together.
    pub single_allocation: bool,
    /// `geni_allocate`.
    pub allocate: AllocateMode,
}

impl Default for Policy {
    /// Ten minutes allocated, seven days provisioned, ninety days at most, slivers one by one, `Allocate` as
    /// often as wanted.
    fn default() -> Self {
        Self {
            allocated_for: TimeDelta::minutes(10),
            provisioned_for: TimeDelta::days(7),
            max_lifetime: TimeDelta::days(90),
            single_allocation: false,
            allocate: AllocateMode::Many,
        }
    }
}

/// The latest time something may be granted to, and what sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cap {
    pub(crate) latest: DateTime<Utc>,
    pub(crate) limit: Limit,
}

impl Cap {
    fn or_credential(self, credential_expires: DateTime<Utc>) -> Self {
        if credential_expires < self.latest {
            Self { latest: credential_expires, limit: Limit::Credential }
        } else {
            self
        }
    }
}

impl Policy {
    /// The bound for a sliver that waits for its `Provision`.
    pub(crate) fn allocated_cap(&self, now: DateTime<Utc>, credential_expires: DateTime<Utc>) -> Cap {
        Cap { latest: later(now, self.allocated_for), limit: Limit::Allocated }
            .or_credential(credential_expires)
    }

    /// The bound for a provisioned sliver.
    pub(crate) fn provisioned_cap(&self, now: DateTime<Utc>, credential_expires: DateTime<Utc>) -> Cap {
        Cap { latest: later(now, self.max_lifetime), limit: Limit::Lifetime }
            .or_credential(credential_expires)
    }

    /// The bound for renewing this sliver in the state it is in.
    pub(crate) fn renewal_cap(
        &self,
        sliver: &Sliver,
        now: DateTime<Utc>,
        credential_expires: DateTime<Utc>,
    ) -> Cap {
        match sliver.allocation {
            Allocation::Allocated(_) => self.allocated_cap(now, credential_expires),
            Allocation::Provisioned(_) | Allocation::Updating { .. } => {
                self.provisioned_cap(now, credential_expires)
            }
        }
    }
}
