//! What a node would take: several sliver types, each with several images, and several hardware types.
//!
//! The order of the request is the order of preference, sliver types before hardware types before images. The first that
//! can be had is granted, and the manifest shows it alone. A node that exists keeps what it has, if that is among what it
//! would take.

use super::{Existing, Placement, listed, refused};
use crate::error::{CallError, GeniCode};
use crate::grant::NodeGrant;
use crate::inventory::{Component, FoundType, Offer};
use rspec::{DiskImage, Node, SliverType};
use std::collections::BTreeSet;

/// The most sliver types, hardware types, and images of a sliver type that a node may name.
const MAX_ALTERNATIVES: usize = 16;

/// A sliver type and an image that a cloud has.
pub(super) struct Choice<'a> {
    /// Its place in the order of preference.
    place: usize,
    /// The sliver type.
    pub(super) found: FoundType<'a>,
    /// The image.
    pub(super) image: &'a drivers::Image,
    /// The name by which the request asks for the image, if it does.
    pub(super) asked_image: Option<String>,
}

/// What one cloud has for a node.
pub(super) struct Offered<'a> {
    /// What it would take.
    pub(super) choices: Vec<Choice<'a>>,
    /// Whether there is room for the node's volumes.
    pub(super) stores: bool,
}

/// How well a component serves a node: the places of the sliver type and the hardware type that it can be; None if it
/// cannot serve it.
pub(super) fn preference(
    node: &Node,
    component: &Component,
    choices: &[Choice<'_>],
) -> Option<(usize, usize)> {
    if node.exclusive == Some(true) && !component.realm.exclusive {
        return None;
    }
    let choice = choices.iter().find(|choice| component.realm.offers(&choice.found.profile.id))?;
    Some((choice.place, hardware_place(node, component.realm.hardware_type.as_deref())?))
}

/// Where in the node's order of hardware types this one stands.
fn hardware_place(node: &Node, hardware: Option<&str>) -> Option<usize> {
    if node.hardware_types.is_empty() {
        return Some(0);
    }
    node.hardware_types.iter().position(|wanted| Some(wanted.as_str()) == hardware)
}

/// Refuses more alternatives than are looked at.
///
/// # Errors
/// geni_code 6.
pub(crate) fn check(node: &Node) -> Result<(), CallError> {
    let images = node.sliver_types.iter().map(|one| one.disk_images.len()).max().unwrap_or(0);
    for (what, count) in [
        ("sliver types", node.sliver_types.len()),
        ("hardware types", node.hardware_types.len()),
        ("disk images in one sliver type", images),
    ] {
        if count > MAX_ALTERNATIVES {
            return Err(CallError::new(
                GeniCode::TooBig,
                format!(
                    "rspec: {}: node {:?} names {count} {what}; {MAX_ALTERNATIVES} at most",
                    node.position, node.client_id
                ),
            ));
        }
    }
    Ok(())
}

impl<'a> Placement<'a> {
    /// Of the sliver types that the node would take those that a cloud knows, in its order of preference, with what the
    /// request says of them.
    pub(super) fn known_types<'n>(
        &self,
        node: &'n Node,
        offer: &'a Offer,
        has: Option<&NodeGrant>,
    ) -> Vec<(usize, FoundType<'a>, Option<&'n SliverType>)> {
        let find = |name: Option<&str>| self.inventory.sliver_type(offer, name);
        if node.sliver_types.is_empty() {
            let found = find(has.map(|has| has.sliver_type.as_str()));
            return found.map(|found| (0, found, None)).into_iter().collect();
        }
        let asked = node.sliver_types.iter().enumerate();
        let known = asked.filter_map(|(at, asked)| Some((at, find(Some(&asked.name))?, Some(asked))));
        let mut known: Vec<_> = known.collect();
        if let Some(has) = has {
            known.sort_by_key(|(_, found, _)| found.name != has.sliver_type);
        }
        known
    }

    /// The sliver types with their images that a cloud has of what the node would take.
    pub(super) fn choices(&self, node: &Node, offer: &'a Offer, has: Option<&NodeGrant>) -> Vec<Choice<'a>> {
        self.known_types(node, offer, has)
            .into_iter()
            .filter_map(|(place, found, asked)| {
                let images = asked.map(|asked| asked.disk_images.as_slice()).unwrap_or_default();
                let (image, asked_image) = self.image(offer, &found, images, has)?;
                Some(Choice { place, found, image, asked_image })
            })
            .collect()
    }

    /// The image of a sliver type, with the name it was asked for by.
    fn image(
        &self,
        offer: &'a Offer,
        found: &FoundType<'_>,
        asked: &[DiskImage],
        has: Option<&NodeGrant>,
    ) -> Option<(&'a drivers::Image, Option<String>)> {
        let find = |name: Option<&str>| self.inventory.image(offer, found.profile, name);
        if asked.is_empty() {
            // One it has and was not asked to keep gives way where the new profile or driver does not have it.
            let kept = has.and_then(|has| find(Some(&has.disk_image)));
            return kept.or_else(|| find(None)).map(|image| (image, None));
        }
        let mut fitting = asked.iter().filter_map(|one| Some((find(Some(&one.name))?, &one.name)));
        let kept = has.and_then(|has| {
            let is_kept = |(image, _): &(&drivers::Image, &String)| image.id == has.image;
            fitting.clone().find(is_kept).filter(|_| has.driver == offer.cloud.name)
        });
        kept.or_else(|| fitting.next()).map(|(image, name)| (image, Some(name.clone())))
    }

    /// What the node becomes on a component: the first of what it would take that the component offers.
    ///
    /// # Errors
    /// None of it is known here (geni_code 1), or offered by the component (7).
    pub(super) fn choice(
        &self,
        node: &Node,
        component: &Component,
        has: Option<&NodeGrant>,
    ) -> Result<Choice<'a>, CallError> {
        let offer = &self.inventory.offers[component.offer];
        let offers = |found: &FoundType<'_>| component.realm.offers(&found.profile.id);
        if let Some(choice) = self.choices(node, offer, has).into_iter().find(|choice| offers(&choice.found))
        {
            return Ok(choice);
        }
        let known = self.known_types(node, offer, has);
        Err(match (known.iter().find(|(_, found, _)| offers(found)), known.first()) {
            (Some((_, found, asked)), _) => self.unknown_image(node, found, *asked),
            (None, Some((_, found, _))) => refused(
                node,
                format!(
                    "component {} does not offer sliver type {:?}; it offers {}",
                    component.name,
                    found.name,
                    listed(&component.realm.hardware_profiles)
                ),
            ),
            (None, None) => self.unknown_sliver_type(node),
        })
    }

    /// Why no component serves a node that leaves the choice of it to the aggregate.
    pub(super) fn nothing_fits(&self, node: &Node) -> CallError {
        // The image decides where the sliver type alone did not.
        for offer in &self.inventory.offers {
            if self.choices(node, offer, None).is_empty()
                && let Some((_, found, asked)) = self.known_types(node, offer, None).first()
            {
                return self.unknown_image(node, found, *asked);
            }
        }
        let mut what = match node.exclusive {
            Some(true) => "no component can be had exclusively with this sliver type".to_owned(),
            _ => "no component offers this sliver type".to_owned(),
        };
        if !node.hardware_types.is_empty() {
            what.push_str(&format!(
                " and is of hardware type {}; there are {}",
                either(&node.hardware_types),
                listed(&self.hardware_types())
            ));
        }
        refused(node, what)
    }

    fn unknown_image(&self, node: &Node, found: &FoundType<'_>, asked: Option<&SliverType>) -> CallError {
        match asked.map(|asked| asked.disk_images.as_slice()).unwrap_or_default() {
            [] => refused(node, format!("there is no disk image for sliver type {:?}", found.name)),
            images => {
                let names: Vec<String> = images.iter().map(|image| image.name.clone()).collect();
                let what = format!("disk image {} for sliver type {:?}", either(&names), found.name);
                self.unknown(GeniCode::BadArguments, node, &what, &self.inventory.image_names())
            }
        }
    }

    pub(super) fn unknown_sliver_type(&self, node: &Node) -> CallError {
        let asked: Vec<String> = node.sliver_types.iter().map(|one| one.name.clone()).collect();
        let what = if asked.is_empty() {
            "a sliver type for nodes that name none".to_owned()
        } else {
            format!("sliver type {}", either(&asked))
        };
        self.unknown(GeniCode::BadArguments, node, &what, &self.inventory.sliver_type_names())
    }

    /// Refuses a component of another hardware type than the node would take. Naming the one it was granted is no demand:
    /// a manifest is sent back with another component_id alone to move the node.
    ///
    /// # Errors
    /// A hardware type that is not known here (geni_code 12), or that the component is not (7).
    pub(super) fn check_hardware(
        &self,
        node: &Node,
        component: &Component,
        kept: Option<Existing<'_>>,
    ) -> Result<(), CallError> {
        let is = component.realm.hardware_type.as_deref();
        let mut granted =
            kept.iter().flat_map(|kept| kept.grants()).filter_map(|it| it.hardware_type.as_ref());
        let is_no_demand = granted.any(|granted| node.hardware_types == [granted.as_str()]);
        if is_no_demand || hardware_place(node, is).is_some() {
            return Ok(());
        }
        self.check_hardware_is_known(node)?;
        let what = is.map_or_else(|| "has none".to_owned(), |is| format!("is {is:?}"));
        let mut why = format!(
            "hardware type {} is asked for, and component {} {what}; there are {}",
            either(&node.hardware_types),
            component.name,
            listed(&self.hardware_types())
        );
        if kept.is_some_and(|kept| kept.grant.component_id == component.urn.as_str()) {
            why.push_str("; to move the node, name another component");
        }
        Err(refused(node, why))
    }

    /// Refuses hardware types of which none is here.
    ///
    /// # Errors
    /// geni_code 12.
    pub(super) fn check_hardware_is_known(&self, node: &Node) -> Result<(), CallError> {
        if node.hardware_types.is_empty() {
            return Ok(());
        }
        let is_here =
            |component: &Component| hardware_place(node, component.realm.hardware_type.as_deref()).is_some();
        if self.inventory.components.iter().any(is_here) {
            return Ok(());
        }
        let what = format!("hardware type {}", either(&node.hardware_types));
        Err(self.unknown(GeniCode::SearchFailed, node, &what, &self.hardware_types()))
    }

    /// The hardware types there are.
    fn hardware_types(&self) -> Vec<String> {
        let components = self.inventory.components.iter();
        let all: BTreeSet<&String> = components.filter_map(|it| it.realm.hardware_type.as_ref()).collect();
        all.into_iter().cloned().collect()
    }
}

/// Names of which one was wanted, for a message.
fn either(names: &[String]) -> String {
    let short = |name: &String| format!("{:?}", name.chars().take(80).collect::<String>());
    names.iter().take(MAX_ALTERNATIVES).map(short).collect::<Vec<_>>().join(" or ")
}
