//! The storage volumes of a node: what its grant says of them.
//!
//! A volume is an empty disk of a node's own, made when the node is provisioned and destroyed with it. It is known to
//! the experimenter by its name and to the cloud by its number, which no other volume of the node ever bears. What keeps
//! its name and size keeps its number, as long as the node stays where it is: it is the same volume, with all it holds.
//! Anything else is another volume.

use super::allocate::unfit;
use super::error::{CallError, GeniCode};
use super::grant::{NodeGrant, VolumeGrant};
use super::inventory::{Component, Inventory, volumes_resource};
use super::placement::Kept;
use crate::config::VolumesSection;
use rspec::{Guarantee, Node, Volume};
use state::Claim;

/// The volumes that `node` is granted on this component, and the number of the next one.
///
/// # Errors
/// Volumes that cannot be read (geni_code 1) or are of a kind that is not done (13), more or larger ones than may be
/// asked for (6), or a cloud that cannot give any (13).
pub(super) fn grant(
    node: &Node,
    inventory: &Inventory,
    component: &Component,
    kept: Option<Kept<'_>>,
) -> Result<(Vec<VolumeGrant>, u32), CallError> {
    let offer = &inventory.offers[component.offer];
    let mut next = kept.iter().flat_map(|kept| kept.grants()).map(|it| it.volumes_ever).max().unwrap_or(0);
    let asked = node.volumes.as_deref().map_err(|error| unfit(error.clone()))?;
    if asked.is_empty() {
        return Ok((Vec::new(), next));
    }
    if !inventory.gives_volumes(offer) {
        return Err(not_given(
            node,
            &format!("driver {:?} of component {} cannot", offer.cloud.name, component.name),
        ));
    }
    let stay = |it: &&NodeGrant| it.driver == offer.cloud.name && it.realm == component.realm.id;
    let known: Vec<&VolumeGrant> =
        kept.iter().flat_map(|kept| kept.grants()).filter(stay).flat_map(|it| &it.volumes).collect();
    let mut granted: Vec<VolumeGrant> = Vec::with_capacity(asked.len());
    for volume in asked {
        let same = |it: &&&VolumeGrant| it.name == volume.name && u64::from(it.gigabytes) == volume.gigabytes;
        let one = match known.iter().find(same) {
            Some(own) => VolumeGrant { mountpoint: volume.mountpoint.clone(), ..(**own).clone() },
            None => {
                next += 1;
                VolumeGrant {
                    name: volume.name.clone(),
                    number: next - 1,
                    gigabytes: size(node, volume, &inventory.volumes)?,
                    device: device(&inventory.volumes, known.iter().copied().chain(&granted)),
                    mountpoint: volume.mountpoint.clone(),
                }
            }
        };
        granted.push(one);
    }
    Ok((granted, next))
}

/// The size of a new volume, if it is not too large.
fn size(node: &Node, volume: &Volume, bounds: &VolumesSection) -> Result<u32, CallError> {
    let most = bounds.largest_gigabytes;
    u32::try_from(volume.gigabytes).ok().filter(|size| *size <= most).ok_or_else(|| {
        CallError::new(
            GeniCode::TooBig,
            format!(
                "rspec: {}: node {:?}: volume {:?} of {} GB is larger than the {most} GB a volume may have",
                volume.position, node.client_id, volume.name, volume.gigabytes
            ),
        )
    })
}

/// The first device that none of these volumes is. There are more than a node has volumes before and after a change.
fn device<'a>(bounds: &VolumesSection, taken: impl Iterator<Item = &'a VolumeGrant> + Clone) -> String {
    let name = |letter| format!("{}{letter}", bounds.devices);
    let mut free =
        VolumesSection::LETTERS.map(name).filter(|name| taken.clone().all(|it| it.device != *name));
    free.next().unwrap_or_else(|| name('z'))
}

/// Refuses more volumes than a node may have, and such as cannot be had at all.
///
/// # Errors
/// As [`grant`].
pub(super) fn check(node: &Node, bounds: &VolumesSection) -> Result<(), CallError> {
    let volumes = node.volumes.as_deref().map_err(|error| unfit(error.clone()))?;
    // Where there may be none, that is said when the node is placed.
    if bounds.per_node > 0 && volumes.len() > bounds.per_node {
        return Err(CallError::new(
            GeniCode::TooBig,
            format!(
                "rspec: {}: node {:?} has {} volumes, more than the {} a node may have",
                node.position,
                node.client_id,
                volumes.len(),
                bounds.per_node
            ),
        ));
    }
    Ok(())
}

/// The refusal of volumes where there are none.
pub(super) fn not_given(node: &Node, who: &str) -> CallError {
    CallError::new(
        GeniCode::Unsupported,
        format!(
            "node {:?} ({}): it asks for storage volumes (blockstore), which {who} give",
            node.client_id, node.position
        ),
    )
}

/// What a node's volumes take from the ledger.
pub(super) fn claim(grant: &NodeGrant) -> Option<Claim> {
    let amount = grant.volumes.iter().fold(0u32, |sum, volume| sum.saturating_add(volume.gigabytes));
    (amount > 0).then(|| Claim { resource: volumes_resource(&grant.driver), amount })
}

/// What the volumes of a node let be promised for a change: a volume that goes on under its name as another one loses
/// what it holds, which nobody who only reads the new description might expect. That a volume goes which is not in it
/// any more was asked for.
pub(super) fn guarantee(from: &NodeGrant, to: &NodeGrant) -> Guarantee {
    let is_another =
        |it: &VolumeGrant| to.volumes.iter().any(|new| new.name == it.name && new.number != it.number);
    if from.volumes.iter().any(is_another) { Guarantee::None } else { Guarantee::NoDisruption }
}
