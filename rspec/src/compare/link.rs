//! Differences of links and their ends.

use super::{LinkChange, extension_changes, manager_key, pair, settled};
use crate::{GrantedLink, Link, LinkType, Property};
use std::collections::{BTreeSet, HashMap, VecDeque};
use urn::Urn;

/// The differences between a link as it is and what is asked now.
#[must_use]
pub fn link_changes(current: &Link, granted: Option<&GrantedLink>, asked: &Link) -> Vec<LinkChange> {
    let mut changes = Vec::new();
    if current.client_id != asked.client_id {
        changes.push(LinkChange::Renamed { from: current.client_id.clone(), to: asked.client_id.clone() });
    }
    let renamed = end_changes(&mut changes, current, granted, asked);
    property_changes(&mut changes, current, asked, &renamed);
    let was = current.vlantag.as_deref();
    let is = granted.and_then(|granted| granted.vlantag.as_deref());
    let same_tag = |a: &str, b: &str| a.trim() == b.trim();
    if let Some(to) = settled(was, is, asked.wanted_vlantag(), same_tag) {
        changes.push(LinkChange::VlanTag { from: is.or(was).map(str::to_owned), to: to.to_owned() });
    }
    // A manifest shows the granted kind alone.
    let is_granted = |types: &[LinkType]| match types {
        [one] => granted.is_some_and(|granted| granted.link_type.as_deref() == Some(&one.name)),
        _ => false,
    };
    if current.link_types != asked.link_types
        && !(is_granted(&asked.link_types) && current.link_types.contains(&asked.link_types[0]))
    {
        changes.push(LinkChange::Types { from: current.link_types.clone(), to: asked.link_types.clone() });
    }
    let managers = |link: &Link| -> BTreeSet<String> {
        link.component_managers.iter().map(|manager| manager_key(manager)).collect()
    };
    if !asked.component_managers.is_empty() && managers(current) != managers(asked) {
        changes.push(LinkChange::Managers {
            from: current.component_managers.clone(),
            to: asked.component_managers.clone(),
        });
    }
    changes.extend(extension_changes(&current.extensions, &asked.extensions).map(LinkChange::Extension));
    changes
}

/// Compares the ends; gives the new names of those that stay.
fn end_changes<'a>(
    changes: &mut Vec<LinkChange>,
    current: &'a Link,
    granted: Option<&GrantedLink>,
    asked: &'a Link,
) -> HashMap<&'a str, &'a str> {
    let grants: HashMap<&str, &Urn> = granted
        .iter()
        .flat_map(|granted| &granted.interface_refs)
        .map(|end| (end.client_id.as_str(), &end.sliver_id))
        .collect();
    let current_keys = current.interface_refs.iter().map(|end| {
        (end.client_id.as_str(), grants.get(end.client_id.as_str()).copied().or(end.sliver_id.as_ref()))
    });
    let asked_keys = asked.interface_refs.iter().map(|end| (end.client_id.as_str(), end.sliver_id.as_ref()));
    let pairs = pair(current_keys.collect(), asked_keys.collect());
    let mut stays = vec![false; asked.interface_refs.len()];
    let mut names = HashMap::new();
    for (now, partner) in current.interface_refs.iter().zip(pairs) {
        let Some((at, to)) = partner.and_then(|at| asked.interface_refs.get(at).map(|to| (at, to))) else {
            changes.push(LinkChange::EndRemoved { client_id: now.client_id.clone() });
            continue;
        };
        stays[at] = true;
        names.insert(now.client_id.as_str(), to.client_id.as_str());
        if now.client_id != to.client_id {
            changes.push(LinkChange::EndRenamed { from: now.client_id.clone(), to: to.client_id.clone() });
        }
        changes.extend(extension_changes(&now.extensions, &to.extensions).map(LinkChange::Extension));
    }
    for (end, stays) in asked.interface_refs.iter().zip(stays) {
        if !stays
            && grants.get(end.client_id.as_str()).is_none_or(|sliver| end.sliver_id.as_ref() != Some(*sliver))
        {
            changes.push(LinkChange::EndAdded { client_id: end.client_id.clone() });
        }
    }
    names
}

fn property_changes<'a>(
    changes: &mut Vec<LinkChange>,
    current: &'a Link,
    asked: &'a Link,
    renamed: &HashMap<&'a str, &'a str>,
) {
    let rename = |name: &'a str| renamed.get(name).copied().unwrap_or(name);
    let mut left: Vec<Option<&Property>> = asked.properties.iter().map(Some).collect();
    let mut directions: HashMap<(&str, &str), VecDeque<usize>> = HashMap::new();
    for (at, new) in asked.properties.iter().enumerate() {
        directions.entry((&new.source_id, &new.dest_id)).or_default().push_back(at);
    }
    for now in &current.properties {
        let (source, dest) = (rename(&now.source_id), rename(&now.dest_id));
        let at = directions.get_mut(&(source, dest)).and_then(VecDeque::pop_front);
        let moved = Property { source_id: source.to_owned(), dest_id: dest.to_owned(), ..now.clone() };
        let to = at.and_then(|at| left.get_mut(at)).and_then(Option::take);
        if to != Some(&moved) {
            changes.push(LinkChange::Property { from: Some(now.clone()), to: to.cloned() });
        }
    }
    for new in left.into_iter().flatten() {
        changes.push(LinkChange::Property { from: None, to: Some(new.clone()) });
    }
}
