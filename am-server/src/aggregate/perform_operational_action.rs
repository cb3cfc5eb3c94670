//! PerformOperationalAction: start, stop, restart, and other keys.

use super::answer::{Answer, Slivers};
use super::caller::Caller;
use super::{Aggregate, SliverRequest, slivers};
use crate::error::{CallError, unreadable};
use crate::grant::Grant;
use crate::grant::users::{User, accounts, too_many};
use credentials::Operation;
use state::{Action, Configuration, Event, Slice};
use std::collections::BTreeMap;
use std::sync::Arc;
use urn::Urn;

/// The arguments of PerformOperationalAction.
#[derive(Debug)]
pub struct PerformOperationalAction {
    /// On what.
    pub target: SliverRequest,
    /// Which action.
    pub action: String,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// `geni_users`, for `geni_update_users`.
    pub users: Option<Vec<User>>,
}

impl Aggregate {
    /// PerformOperationalAction (AM API v3). The state changes at once; what it takes is done afterwards.
    ///
    /// # Errors
    /// An action that is not known, or not in this state (geni_code 13); a sliver that is updating (16); `geni_update_users` without users (1) or in another state than geni_ready (7); else as Status.
    pub async fn perform_operational_action(
        &self,
        caller: &Caller,
        request: PerformOperationalAction,
    ) -> Result<Answer<Slivers>, CallError> {
        let admitted = self.admit(caller, &request.target, Operation::CreateSliver).await?;
        let users = match (Action::from_name(&request.action), request.users) {
            (Some(Action::UpdateUsers), None) => {
                return Err(CallError::bad_arguments("geni_update_users needs the option geni_users"));
            }
            (Some(Action::UpdateUsers), Some(users)) => users,
            _ => Vec::new(),
        };
        let transition = self
            .transact(&admitted, |slice, _| {
                Ok(Event::Operate(state::Operate {
                    selection: admitted.selection.clone(),
                    action: request.action.clone(),
                    users: with_users(slice, &users)?,
                    best_effort: request.best_effort,
                }))
            })
            .await?;
        Ok(Answer::of(slivers(&admitted.slice, &transition)))
    }
}

/// The nodes' configurations with the keys of `users` replaced; accounts that are not named stay as they are.
fn with_users(slice: &Slice, users: &[User]) -> Result<BTreeMap<Urn, Configuration>, CallError> {
    let mut changed = BTreeMap::new();
    if users.is_empty() {
        return Ok(changed);
    }
    for sliver in &slice.slivers {
        let Some(granted) = sliver.granted() else { continue };
        let Grant::Node(mut node) = Grant::of(granted).map_err(|error| unreadable(&error))? else { continue };
        let named = |user: &User| users.iter().any(|other| other.urn.eq_ignore_ascii_case(&user.urn));
        let kept: Vec<User> = node.users.iter().filter(|user| !named(user)).cloned().collect();
        node.users = accounts(kept.into_iter().chain(users.iter().cloned()).collect()).map_err(too_many)?;
        // The users of a running instance were changed on purpose: it may be rebooted for it.
        node.preserve = None;
        let configuration = Configuration {
            detail: Grant::Node(node).to_detail(),
            ..Arc::unwrap_or_clone(Arc::clone(granted))
        };
        changed.insert(sliver.urn.clone(), configuration);
    }
    Ok(changed)
}
