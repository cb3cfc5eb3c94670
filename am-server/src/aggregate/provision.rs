//! Provision: allocated slivers are granted for long, updating ones become what Update promised.

use super::answer::{Answer, Manifest, SliverEntry, Slivers};
use super::caller::Caller;
use super::renew::expiries;
use super::{Aggregate, SliverRequest, by_name};
use crate::error::{CallError, unreadable};
use crate::grant::built::{Built, user_data};
use crate::grant::instance::InstanceDetail;
use crate::grant::users::{User, accounts, too_many};
use crate::grant::{Grant, NodeGrant};
use crate::placement::listed;
use crate::plan::accounts_wait;
use chrono::{DateTime, Utc};
use credentials::Operation;
use rspec::{Guarantee, Node};
use state::{AllocationStatus, Configuration, Event, Phase, Provisioning, Selection, Sliver, View};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use urn::Urn;

/// The arguments of Provision.
#[derive(Debug)]
pub struct Provision {
    /// What is provisioned; slivers that are neither allocated nor updating are left as they are.
    pub target: SliverRequest,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// `geni_end_time`.
    pub end_time: Option<DateTime<Utc>>,
    /// `geni_users`; without the option the accounts stay as they are.
    pub users: Option<Vec<User>>,
}

impl Aggregate {
    /// Provision (AM API v3; updating slivers as the v4 draft says). Starts nothing.
    ///
    /// # Errors
    /// As Status; part of a slice where slivers go together (geni_code 13).
    pub async fn provision(
        &self,
        caller: &Caller,
        request: Provision,
    ) -> Result<Answer<Manifest>, CallError> {
        let admitted = self.admit(caller, &request.target, Operation::CreateSliver).await?;
        let users = request.users.map(accounts).transpose().map_err(too_many)?;
        let named: Option<HashSet<&Urn>> = match &admitted.selection {
            Selection::Slice => None,
            Selection::Slivers(urns) => Some(urns.iter().collect()),
        };
        let transition = self
            .transact(&admitted, |slice, _| {
                let mut provisioning = BTreeMap::new();
                let pending =
                    slice.live(self.now()).filter(|sliver| sliver.status() != AllocationStatus::Provisioned);
                for sliver in pending.filter(|sliver| match &named {
                    None => true,
                    Some(named) => named.contains(&sliver.urn),
                }) {
                    if let Some(prepared) = prepare(sliver, users.as_deref())? {
                        provisioning.insert(sliver.urn.clone(), prepared);
                    }
                }
                Ok(Event::Provision(state::Provision {
                    selection: admitted.selection.clone(),
                    provisioning,
                    best_effort: request.best_effort,
                    end_time: request.end_time,
                    credential_expires: admitted.credential_expires,
                }))
            })
            .await?;
        // The manifest covers what was provisioned now; when nothing was left to do, what is there.
        let by_name: HashMap<&Urn, &Sliver> = by_name(&transition.slice);
        let of_report = |all: bool| {
            let outcomes = transition.report.iter().filter(|outcome| all || outcome.changed);
            outcomes.filter_map(|outcome| by_name.get(&outcome.urn).copied()).collect::<Vec<&Sliver>>()
        };
        let shown =
            Some(of_report(false)).filter(|shown| !shown.is_empty()).unwrap_or_else(|| of_report(true));
        let rspec = self.manifest(&transition.slice, &shown, View::Future)?;
        let value = Manifest {
            slice: admitted.slice.clone(),
            rspec,
            slivers: transition.report.iter().map(SliverEntry::of).collect(),
        };
        let mut output = expiries(&Slivers { slice: admitted.slice, slivers: value.slivers.clone() });
        if users.is_some() {
            let late: Vec<String> = shown.iter().filter_map(|sliver| self.keeps_accounts(sliver)).collect();
            if !late.is_empty() {
                output += &format!(
                    "; geni_users: Update promised not to disturb {}, whose accounts change when they next boot",
                    listed(&late)
                );
            }
        }
        Ok(Answer { value, output })
    }

    /// The name of a node that runs and will go on with the accounts that it has until it next boots.
    fn keeps_accounts(&self, sliver: &Sliver) -> Option<String> {
        sliver.instance.as_ref().filter(|instance| instance.phase == Phase::Running)?;
        let built = InstanceDetail::of(sliver)?.built;
        let granted = sliver.granted()?;
        let Grant::Node(grant) = Grant::of(granted).ok()? else { return None };
        let data = user_data(&Node::from_fragment(&granted.rspec).ok()?, &grant).ok()?;
        let inventory = self.inventory();
        let driver = &inventory.cloud(&grant.driver)?.driver;
        let promised = grant.preserve.unwrap_or(Guarantee::None);
        let target = Built::of(&grant, &data);
        accounts_wait(&built, &target, promised, driver.capabilities(), driver.instance_states())
            .then(|| granted.client_id.clone())
    }
}

/// What provisioning one sliver puts in place: the accounts, and whether the cloud has work to do. None when there
/// is nothing to say beyond the configuration it has.
fn prepare(sliver: &Sliver, users: Option<&[User]>) -> Result<Option<Provisioning>, CallError> {
    let Some(next) = sliver.configuration(View::Future) else { return Ok(None) };
    let grant = Grant::of(next).map_err(|error| unreadable(&error))?;
    let granted = sliver.granted();
    match grant {
        Grant::Node(mut node) => {
            let changed = users.is_some_and(|users| node.users != users);
            if let Some(users) = users.filter(|_| changed) {
                node.users = users.to_vec();
            }
            // What failed is built anew, changed or not.
            let failed = sliver.instance.as_ref().is_some_and(|instance| instance.phase == Phase::Failed);
            let disruption = match granted {
                None => true,
                Some(granted) => {
                    failed
                        || drifted(sliver, &node)
                        || !built_alike((&granted.rspec, &grant_of(granted)?), (&next.rspec, &node))?
                }
            };
            let configuration = changed.then(|| Configuration {
                detail: Grant::Node(node).to_detail(),
                ..Arc::unwrap_or_clone(Arc::clone(next))
            });
            Ok(Some(Provisioning { configuration, disruption }))
        }
        // A link that exists has nothing in a cloud to be changed.
        Grant::Link(_) => Ok(Some(Provisioning { configuration: None, disruption: granted.is_none() })),
    }
}

/// Whether the instance of a settled sliver is not what is to be put in place: it was changed in its cloud.
fn drifted(sliver: &Sliver, to: &NodeGrant) -> bool {
    sliver.is_settled()
        && InstanceDetail::of(sliver).is_some_and(|noted| {
            let built = &noted.built;
            (&built.driver, &built.realm, &built.image, &built.profile)
                != (&to.driver, &to.realm, &to.image, &to.profile)
        })
}

/// Whether instances for two configurations of a node are built alike.
fn built_alike(
    (one_rspec, one): (&str, &NodeGrant),
    (other_rspec, other): (&str, &NodeGrant),
) -> Result<bool, CallError> {
    // The RSpec and the accounts make the user data: where they are the same, nothing has to be written to compare it.
    if one_rspec == other_rspec && one.users == other.users {
        return Ok(Built::of(one, "").is_as_good_as(&Built::of(other, "")));
    }
    let built = |rspec: &str, grant: &NodeGrant| {
        let node = Node::from_fragment(rspec).map_err(|error| unreadable(&error))?;
        let data = user_data(&node, grant).map_err(|error| CallError::bad_arguments(error.to_string()))?;
        Ok::<_, CallError>(Built::of(grant, &data))
    };
    Ok(built(one_rspec, one)?.is_as_good_as(&built(other_rspec, other)?))
}

fn grant_of(configuration: &Configuration) -> Result<NodeGrant, CallError> {
    match Grant::of(configuration).map_err(|error| unreadable(&error))? {
        Grant::Node(grant) => Ok(*grant),
        Grant::Link(_) => Err(unreadable(&"the granted configuration of a node is a link's")),
    }
}
