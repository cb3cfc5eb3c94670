//! The interfaces of a slice as a call leaves them: what links can be tied to.

use crate::error::{CallError, GeniCode, unreadable};
use crate::grant::{Grant, InterfaceGrant};
use rspec::{Link, Request};
use state::{Configuration, ResourceKind, Sliver, View};
use std::collections::{HashMap, HashSet};
use urn::{Authority, Urn};

/// What it means when a link names an interface that nobody has, while the slice has nodes the call does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unnamed {
    /// One of them may be meant to get that interface (Update).
    MayBeMeant,
    /// A mistake like any other (Allocate, which changes nothing that is there).
    StayAsTheyAre,
}

/// Interfaces by client_id, and by name those that links outside the call are tied to.
pub(crate) struct Endpoints<'a> {
    /// As they will be, of all nodes that stay or come.
    pub(crate) present: HashMap<String, InterfaceGrant>,
    /// The names of all interfaces the slice has now, of nodes that will go too.
    now: HashSet<String>,
    /// Interfaces that links which the call does not name are tied to, with those links.
    tied: HashMap<Urn, &'a Sliver>,
    /// Managers of which the request holds a node: their interfaces are in the request, or nowhere.
    managers: HashSet<&'a str>,
    /// Interfaces of other aggregates' nodes in the request.
    foreign: HashSet<&'a str>,
    /// Whether a node that the call does not name may be meant to get an interface.
    unnamed_may_be_meant: bool,
}

impl<'a> Endpoints<'a> {
    /// What there is before the call's own nodes are placed.
    ///
    /// # Errors
    /// A stored configuration that cannot be read.
    pub(crate) fn of(
        authority: &Authority,
        asked: &'a Request,
        live: impl Iterator<Item = &'a Sliver>,
        is_named: impl Fn(&Urn) -> bool,
        unnamed: Unnamed,
    ) -> Result<Self, CallError> {
        let mut ends = Self {
            present: HashMap::new(),
            now: HashSet::new(),
            tied: HashMap::new(),
            managers: asked.nodes.iter().filter_map(|node| node.component_manager_id.as_deref()).collect(),
            foreign: asked
                .nodes
                .iter()
                .filter(|node| !node.belongs_to(authority))
                .flat_map(|node| &node.interfaces)
                .map(|interface| interface.client_id.as_str())
                .collect(),
            unnamed_may_be_meant: false,
        };
        for sliver in live {
            let named = is_named(&sliver.urn);
            ends.unnamed_may_be_meant |=
                unnamed == Unnamed::MayBeMeant && !named && sliver.resource == ResourceKind::Node;
            for configuration in sliver.configurations() {
                if let Grant::Node(node) = Grant::of(configuration).map_err(|error| unreadable(&error))? {
                    ends.now.extend(node.interfaces.into_iter().map(|it| it.client_id));
                }
            }
            let (false, Some(future)) = (named, sliver.configuration(View::Future)) else { continue };
            match Grant::of(future).map_err(|error| unreadable(&error))? {
                Grant::Node(_) => ends.add(future)?,
                Grant::Link(link) => {
                    ends.tied.extend(link.ends.into_iter().map(|end| (end.sliver_id, sliver)));
                }
            }
        }
        Ok(ends)
    }

    /// Adds a node's interfaces.
    ///
    /// # Errors
    /// As [`Endpoints::of`].
    pub(crate) fn add(&mut self, configuration: &Configuration) -> Result<(), CallError> {
        if let Grant::Node(node) = Grant::of(configuration).map_err(|error| unreadable(&error))? {
            self.present.extend(node.interfaces.into_iter().map(|it| (it.client_id.clone(), it)));
        }
        Ok(())
    }

    /// Whether the slice has an interface of this name now.
    pub(crate) fn is_known(&self, client_id: &str) -> bool {
        self.now.contains(client_id)
    }

    /// Whether a node that has the interfaces `before` can have those `after` without altering a link outside the
    /// call: if not, the interface and that link.
    pub(crate) fn altered<'b>(
        &self,
        before: &'b [InterfaceGrant],
        after: &[InterfaceGrant],
    ) -> Option<(&'b InterfaceGrant, &'a Sliver)> {
        before.iter().find_map(|own| {
            let link = self.tied.get(&own.sliver_id)?;
            let stays = after.iter().any(|to| to.sliver_id == own.sliver_id && to.client_id == own.client_id);
            (!stays).then_some((own, *link))
        })
    }

    /// Checks that every end of `link` names an interface. `before` is the link as it is, if it is a sliver already:
    /// an end whose node went earlier stays what it is.
    ///
    /// # Errors
    /// The first end that names none: geni_code 1; or 13 where it may be meant as a new interface of a node that the
    /// call does not name.
    pub(crate) fn check(&self, link: &Link, before: Option<&Link>) -> Result<(), CallError> {
        let is_elsewhere = || {
            link.component_managers.len() > 1
                && link.component_managers.iter().any(|manager| !self.managers.contains(manager.as_str()))
        };
        let went_earlier = |client_id: &str| {
            !self.now.contains(client_id)
                && before
                    .is_some_and(|before| before.interface_refs.iter().any(|end| end.client_id == client_id))
        };
        let loose = link.interface_refs.iter().find(|end| {
            let name = end.client_id.as_str();
            !(self.present.contains_key(name)
                || self.foreign.contains(name)
                || is_elsewhere()
                || went_earlier(name))
        });
        let Some(end) = loose else { return Ok(()) };
        let what = format!(
            "rspec: {}: link {:?}: interface_ref {:?} names no interface of a node",
            end.position, link.client_id, end.client_id
        );
        Err(if self.unnamed_may_be_meant {
            CallError::new(
                GeniCode::Unsupported,
                format!(
                    "{what}; if it is to be a new interface of a node that the slice has, urns has to name that node and the RSpec to describe it"
                ),
            )
        } else {
            CallError::bad_arguments(what)
        })
    }
}
