//! `PerformOperationalAction`: a wish about running slivers. It is only noted here; the reconciler carries
//! it out.

use super::selection::Selection;
use super::transition::{Outcome, Step, Work};
use crate::operational::{Operational, Power};
use crate::refusal::Refusal;
use crate::sliver::{Allocation, Configuration, Sliver};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use urn::Urn;

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

    /// The actions that are possible in an operational state: what an advertisement's `opstate` extension
    /// has to list.
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

/// The arguments of `PerformOperationalAction`.
#[derive(Debug, Clone)]
pub struct Operate {
    /// The slivers.
    pub selection: Selection,
    /// The action's name as it came.
    pub action: String,
    /// For `geni_update_users`: the configurations with the users replaced. One without a frame stays in its
    /// frame; a sliver that is missing here has no users to change and is left alone. Claims stay as
    /// they were.
    pub users: BTreeMap<Urn, Configuration>,
    /// `geni_best_effort`.
    pub best_effort: bool,
}

pub(super) fn run(call: &Operate, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    work.check_not_shut_down()?;
    let Some(action) = Action::from_name(&call.action) else {
        return Err(Refusal::UnknownAction { action: call.action.chars().take(80).collect() });
    };
    let targets = work.select(None, &call.selection, call.best_effort)?;
    work.each(targets, call.best_effort, |sliver| {
        check_possible(action, sliver)?;
        match action {
            Action::Start => sliver.power = Power::Running,
            Action::Stop => sliver.power = Power::Stopped,
            Action::Restart => sliver.wanted.restarts = sliver.wanted.restarts.wrapping_add(1),
            Action::UpdateUsers => match (&sliver.allocation, call.users.get(&sliver.urn)) {
                (Allocation::Provisioned(own), Some(changed)) => {
                    sliver.allocation = Allocation::Provisioned(Arc::new(Configuration {
                        frame: own.frame,
                        client_id: own.client_id.clone(),
                        claims: own.claims.clone(),
                        ..changed.clone()
                    }));
                    sliver.wanted.users = sliver.wanted.users.wrapping_add(1);
                }
                _ => return Ok(Step::Keep),
            },
        }
        sliver.error = None;
        Ok(Step::Change)
    })
}

fn check_possible(action: Action, sliver: &Sliver) -> Result<(), Refusal> {
    let operational = sliver.operational();
    match sliver.allocation {
        Allocation::Allocated(_) => {
            return Err(Refusal::NotProvisioned {
                sliver: sliver.urn.clone(),
                action,
                status: sliver.status(),
            });
        }
        Allocation::Updating { .. } => {
            return Err(Refusal::Updating { sliver: sliver.urn.clone(), action });
        }
        Allocation::Provisioned(_) => {}
    }
    if Action::possible_in(operational).contains(&action) {
        return Ok(());
    }
    let sliver = sliver.urn.clone();
    Err(match (action, operational) {
        (Action::UpdateUsers, _) => Refusal::UsersNeedReady { sliver, operational },
        (_, Operational::PendingAllocation) => Refusal::StillPending { sliver, action },
        _ => Refusal::WrongOperationalState { sliver, action, operational },
    })
}
