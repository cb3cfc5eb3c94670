//! Words of the AM API that both the state machine and its refusals use: calls and operational actions.

use crate::operational::Operational;
use std::fmt;

/// The calls that name slivers, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `Describe`.
    Describe,
    /// `Provision`.
    Provision,
    /// `Renew`.
    Renew,
    /// `Update`.
    Update,
    /// `Cancel`.
    Cancel,
    /// `Delete`.
    Delete,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Describe => "Describe",
            Self::Provision => "Provision",
            Self::Renew => "Renew",
            Self::Update => "Update",
            Self::Cancel => "Cancel",
            Self::Delete => "Delete",
        })
    }
}

/// The actions this aggregate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `geni_start`.
    Start,
    /// `geni_stop`.
    Stop,
    /// `geni_restart`.
    Restart,
    /// `geni_update_users`.
    UpdateUsers,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Restart, Self::UpdateUsers];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "geni_start",
            Self::Stop => "geni_stop",
            Self::Restart => "geni_restart",
            Self::UpdateUsers => "geni_update_users",
        }
    }

    /// The action with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }

    /// The actions that lead out of an operational state: what an advertisement's `opstate` extension has to list.
    /// Besides, `geni_start` of what runs or is being started is success and no change.
    #[must_use]
    pub fn possible_in(state: Operational) -> &'static [Self] {
        match state {
            Operational::NotReady => &[Self::Start],
            Operational::Ready => &[Self::Stop, Self::Restart, Self::UpdateUsers],
            Operational::PendingAllocation
            | Operational::Configuring
            | Operational::Stopping
            | Operational::UpdatingUsers
            | Operational::Failed => &[],
        }
    }

    /// The state in which it leaves a sliver.
    #[must_use]
    pub fn leads_to(self) -> Operational {
        match self {
            Self::Start | Self::Restart => Operational::Configuring,
            Self::Stop => Operational::Stopping,
            Self::UpdateUsers => Operational::UpdatingUsers,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
