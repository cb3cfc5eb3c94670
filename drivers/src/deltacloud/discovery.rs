//! What a server offers: from its entry point, its instance states, and what each collection allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use reqwest::Url;

use super::config::ConnectError;
use super::decode;
use super::http::Server;
use super::wire::Node;
use crate::capability::Capabilities;
use crate::error::DriverError;
use crate::feature::Feature;
use crate::operation::{Collection, Operation, Verb};
use crate::states::{InstanceAction, StateMachine};

/// What was discovered.
#[derive(Debug)]
pub(super) struct Discovery {
    pub(super) links: BTreeMap<Collection, Url>,
    pub(super) capabilities: Capabilities,
    pub(super) states: StateMachine,
}

/// A feature with its constraints, in either language.
struct Told {
    feature: Feature,
    constraints: BTreeMap<String, String>,
}

/// What is known before the server was asked.
static NONE: LazyLock<Discovery> = LazyLock::new(|| Discovery {
    links: BTreeMap::new(),
    capabilities: Capabilities::new([], []),
    states: StateMachine::new([]),
});

impl Discovery {
    /// Nothing.
    pub(super) fn none() -> &'static Self {
        &NONE
    }

    /// Asks the server.
    pub(super) async fn make(server: &Server) -> Result<Self, ConnectError> {
        let index = Operation::new(Collection::Realms, Verb::Index);
        let mut entry_point = server.entry_point();
        // Credentials that are wrong are better known now than at the first instance.
        entry_point.query_pairs_mut().append_pair("force_auth", "1");
        let tree = server.get(&entry_point, index, "").await?;
        let root = tree.root();
        if root.name() != "api" || root.text(&["version"]).is_none() {
            return Err(ConnectError::NotDeltacloud("its entry point tells no version of the API"));
        }
        let of_xml = root.fields().filter(|field| field.name() == "link");
        let (mut links, mut told) = (BTreeMap::new(), Vec::new());
        for link in of_xml.chain(root.list("links")) {
            let (Some(rel), Some(href)) = (link.text(&["rel"]), link.text(&["href"])) else { continue };
            let Some(collection) = Collection::ALL.iter().copied().find(|c| c.as_str() == rel) else {
                continue;
            };
            links.insert(collection, server.follow(href)?);
            told.extend(features(link, collection));
        }
        for needed in [Collection::Instances, Collection::Images, Collection::Realms] {
            if !links.contains_key(&needed) {
                return Err(ConnectError::NotDeltacloud(
                    "its entry point has no link to instances, images or realms",
                ));
            }
        }
        let states = match links.get(&Collection::InstanceStates) {
            Some(url) => decode::states(server.get(url, index, "").await?.root()).ok_or(
                ConnectError::NotDeltacloud("its instance states have more transitions than are read"),
            )?,
            None => {
                return Err(ConnectError::NotDeltacloud("its entry point has no link to instance states"));
            }
        };
        let mut operations = BTreeSet::new();
        for (collection, url) in &links {
            operations.extend(allowed(server, *collection, url, &states).await?);
        }
        let constraint = |feature, name: &str| {
            told.iter().find(|t| t.feature == feature).and_then(|t| t.constraints.get(name)).cloned()
        };
        let mut capabilities = Capabilities::new(operations, told.iter().map(|t| t.feature));
        capabilities.user_data_limit =
            constraint(Feature::UserData, "max_length").and_then(|limit| limit.parse().ok());
        capabilities.unique_names = constraint(Feature::UserName, "unique").as_deref() == Some("true");
        Ok(Self { links, capabilities, states })
    }
}

fn features(link: Node<'_>, collection: Collection) -> Vec<Told> {
    let known = |node: Node<'_>| {
        let name = node.text(&["name"])?;
        let feature = Feature::ALL
            .iter()
            .copied()
            .find(|f| f.as_str() == name && f.operation().collection() == collection)?;
        let of_xml = node.fields().filter(|field| field.name() == "constraint");
        let of_xml = of_xml.filter_map(|c| Some((c.text(&["name"])?.to_owned(), c.words(&["value"]))));
        let of_json = node.list("constraints");
        let of_json = of_json.filter_map(|c| Some((c.name().to_owned(), c.own_text()?.to_owned())));
        Some(Told { feature, constraints: of_xml.chain(of_json).collect() })
    };
    let of_xml = link.fields().filter(|field| field.name() == "feature");
    // In JSON each is a list of one.
    let of_json = link.list("features").flat_map(|list| list.fields());
    of_xml.chain(of_json).filter_map(known).collect()
}

/// The operations of a collection, as far as the server tells. It tells only of verbs, and old servers not even
/// that: then all that the API has.
async fn allowed(
    server: &Server,
    collection: Collection,
    url: &Url,
    states: &StateMachine,
) -> Result<Vec<Operation>, DriverError> {
    let index = Operation::new(collection, Verb::Index);
    let told = match server.options(url, index).await {
        Ok(told) => Some(told),
        // One that went away meanwhile would have told: what it offers has to be known before it is used.
        Err(error @ (DriverError::Unavailable { .. } | DriverError::TimedOut { .. })) => return Err(error),
        Err(_) => None,
    };
    let allow = told.and_then(|told| {
        told.headers.get(reqwest::header::ALLOW)?.to_str().ok().map(str::to_ascii_uppercase)
    });
    let allows = |method: &str| {
        allow.as_ref().is_none_or(|list| !list.contains("GET") || list.split(',').any(|m| m.trim() == method))
    };
    let acts = |action| states.states().any(|(state, _)| states.allows(state, action));
    let offered = Operation::all()
        .filter(|o| {
            o.collection() == collection
                || (collection == Collection::Buckets && o.collection() == Collection::Blobs)
        })
        .filter(|o| match o.verb() {
            Verb::Resize | Verb::SetUserData | Verb::Rebuild => false,
            Verb::Start => acts(InstanceAction::Start),
            Verb::Stop => acts(InstanceAction::Stop),
            Verb::Reboot => acts(InstanceAction::Reboot),
            Verb::Create if o.collection() != Collection::Blobs => allows("POST"),
            Verb::Destroy if o.collection() != Collection::Blobs => allows("DELETE"),
            _ => true,
        })
        .collect();
    Ok(offered)
}
