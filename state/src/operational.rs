//! The operational state: derived from what is wanted and what was last seen, never stored by hand.
//!
//! An experimenter's action changes a wish ([`Power`], [`Revision`]); the reconciler works towards it and
//! reports what it sees ([`Instance`]). The state that the API reports follows from both. A crash between
//! wish and work therefore loses nothing: the difference is still there afterwards.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether something is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Power {
    /// Built but not running. `Provision` starts nothing.
    Stopped,
    /// Running.
    Running,
}

impl Power {
    /// `stopped` or `running`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Running => "running",
        }
    }
}

/// Counts the wishes of each sort, so that a wish can be told from its repetition. In a [`crate::Sliver`] it says
/// how many were made, in an [`Instance`] how many of them are done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Configurations that the cloud has to put in place; the first `Provision` makes it 1, later ones raise
    /// it only where the cloud has work to do.
    pub configuration: u32,
    /// Restarts asked for.
    pub restarts: u32,
    /// Changes of users asked for while running.
    pub users: u32,
}

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The cloud is building or changing it.
    Busy,
    /// There, and not running.
    Stopped,
    /// There, and usable.
    Running,
    /// The wishes in [`Instance::done`] were tried and given up.
    Failed,
}

/// What the reconciler last saw in the cloud for one sliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// What it is doing.
    pub phase: Phase,
    /// How many of the sliver's wishes are finished (or, when failed, given up). `configuration: 0` while
    /// the very first one is being built.
    pub done: Revision,
    /// The driver's own record of it: identifier, addresses… Opaque here.
    pub detail: serde_json::Value,
    /// Whether it was seen stopped, or not there at all, since the slice was shut down.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub halted: bool,
    /// Whether it failed because the cloud did not have it any more: should the cloud show it again, it is looked at
    /// again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vanished: bool,
}

impl Instance {
    /// One that was just seen.
    #[must_use]
    pub fn new(phase: Phase, done: Revision, detail: serde_json::Value) -> Self {
        Self { phase, done, detail, halted: false, vanished: false }
    }
}

/// The operational states by their protocol names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operational {
    /// `geni_pending_allocation`: not provisioned, or not built yet. No action is possible.
    PendingAllocation,
    /// `geni_notready`: built and stopped.
    NotReady,
    /// `geni_configuring`: on its way to running, or being changed.
    Configuring,
    /// `geni_stopping`: on its way to stopped.
    Stopping,
    /// `geni_ready`: running, users installed.
    Ready,
    /// `geni_updating_users`: running, keys of users being replaced.
    UpdatingUsers,
    /// `geni_failed`: tried and given up.
    Failed,
}

impl Operational {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::PendingAllocation,
        Self::NotReady,
        Self::Configuring,
        Self::Stopping,
        Self::Ready,
        Self::UpdatingUsers,
        Self::Failed,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingAllocation => "geni_pending_allocation",
            Self::NotReady => "geni_notready",
            Self::Configuring => "geni_configuring",
            Self::Stopping => "geni_stopping",
            Self::Ready => "geni_ready",
            Self::UpdatingUsers => "geni_updating_users",
            Self::Failed => "geni_failed",
        }
    }

    /// The state with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether it stays until an experimenter acts; the others pass by themselves.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::NotReady | Self::Ready | Self::Failed)
    }
}

impl fmt::Display for Operational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for state in Operational::ALL {
            assert_eq!(Operational::from_name(state.as_str()), Some(state));
        }
        assert_eq!(Operational::from_name("ready"), None);
    }

    #[test]
    fn instances_noted_by_earlier_versions_are_read_and_new_ones_written_as_before() {
        let old = r#"{"phase":"failed","done":{"configuration":1,"restarts":0,"users":0},"detail":null}"#;
        let read: Instance = serde_json::from_str(old).unwrap();
        assert_eq!(read, Instance::new(Phase::Failed, read.done, serde_json::Value::Null));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let marked = Instance { halted: true, vanished: true, ..read };
        let text = serde_json::to_string(&marked).unwrap();
        assert_eq!(serde_json::from_str::<Instance>(&text).unwrap(), marked);
    }
}
