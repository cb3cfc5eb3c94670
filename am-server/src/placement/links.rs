//! VLAN tags of links: the one asked for, or any that is free.

use super::{Placement, digest};
use crate::error::{CallError, GeniCode};
use crate::grant::{Grant, InterfaceGrant, LinkGrant};
use crate::inventory::vlan_resource;
use rspec::Link;
use state::{Claim, Configuration};
use std::collections::HashMap;
use urn::Urn;

impl Placement<'_> {
    /// Notes the tags that links of the call ask for, before any of them is given one.
    pub fn reserve<'n>(&mut self, links: impl IntoIterator<Item = &'n Link>) {
        // A tag that cannot be read is refused with its link.
        self.wanted_tags.extend(links.into_iter().filter_map(|link| wanted(link).ok().flatten()));
    }

    /// Gives `link` a VLAN tag: the one it asks for, or the one it has, or any. `ends` are the interfaces of ours by
    /// client_id; `kept` is what the sliver has already.
    ///
    /// # Errors
    /// No tag is free, or not the one asked for (geni_code 24); a tag that is no number (1).
    pub fn link(
        &mut self,
        link: &Link,
        sliver: &Urn,
        ends: &HashMap<String, InterfaceGrant>,
        kept: Option<&LinkGrant>,
    ) -> Result<Configuration, CallError> {
        let vlan = match (wanted(link)?, kept) {
            (Some(tag), Some(kept)) if kept.vlan == tag => tag,
            (Some(tag), _) => self.this_vlan(link, tag)?,
            (None, Some(kept)) => kept.vlan,
            (None, None) => self.free_vlan(link, sliver)?,
        };
        self.taken.insert(vlan_resource(vlan), 1);
        let ends = link.interface_refs.iter().filter_map(|end| ends.get(&end.client_id).cloned()).collect();
        let grant = Grant::Link(LinkGrant { vlan, ends, preserve: None });
        let claims = vec![Claim { resource: vlan_resource(vlan), amount: 1 }];
        Ok(Configuration::new(link.client_id.clone(), link.fragment(), grant.to_detail(), claims))
    }

    fn is_free(&self, tag: u16) -> bool {
        self.free_of(&vlan_resource(tag)) > 0
    }

    fn this_vlan(&self, link: &Link, tag: u16) -> Result<u16, CallError> {
        let (first, last) = (*self.vlans.start(), *self.vlans.end());
        let why = if !self.vlans.contains(&tag) {
            format!("cannot be had; the tags here are {first} to {last}")
        } else if !self.is_free(tag) {
            format!("is taken; leave vlantag out to get any of {first} to {last} that is free")
        } else {
            return Ok(tag);
        };
        Err(CallError::new(
            GeniCode::VlanUnavailable,
            format!("link {:?} ({}): VLAN tag {tag} {why}", link.client_id, link.position),
        ))
    }

    fn free_vlan(&self, link: &Link, sliver: &Urn) -> Result<u16, CallError> {
        let hash = digest(sliver.as_str());
        let (first, last) = (*self.vlans.start(), *self.vlans.end());
        let count = last - first + 1;
        let start = u16::from_be_bytes([hash[0], hash[1]]) % count;
        (0..count)
            .map(|step| first + (start + step) % count)
            .find(|tag| !self.wanted_tags.contains(tag) && self.is_free(*tag))
            .ok_or_else(|| {
                CallError::new(
                    GeniCode::VlanUnavailable,
                    format!(
                        "link {:?} ({}): none of the {count} VLAN tags is free",
                        link.client_id, link.position
                    ),
                )
            })
    }
}

/// The VLAN tag that a link asks for.
fn wanted(link: &Link) -> Result<Option<u16>, CallError> {
    let Some(text) = link.wanted_vlantag() else { return Ok(None) };
    let tag = text.parse().ok().filter(|tag| (1..=4094).contains(tag));
    tag.map(Some).ok_or_else(|| {
        CallError::bad_arguments(format!(
            "link {:?} ({}): vlantag {:?} is no VLAN tag: a number from 1 to 4094",
            link.client_id,
            link.position,
            text.chars().take(20).collect::<String>()
        ))
    })
}
