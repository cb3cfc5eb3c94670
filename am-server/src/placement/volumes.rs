//! The storage volumes of a node: what its grant says of them.
//!
//! A volume is an empty disk of a node's own, made when the node is provisioned and destroyed with it. It is known to
//! the experimenter by its name and to the cloud by its number, which no other volume of the node ever bears. What keeps
//! its name and size keeps its number, as long as the node stays where it is: it is the same volume, with all it holds.
//! Anything else is another volume.

use super::Existing;
use crate::config::VolumesSection;
use crate::error::{CallError, GeniCode, unfit};
use crate::grant::{NodeGrant, VolumeGrant};
use crate::inventory::{Component, Inventory, volumes_resource};
use rspec::{Guarantee, Node, Volume};
use state::Claim;

/// The volumes that `node` is granted on this component, and the number of the next one.
///
/// # Errors
/// Volumes that cannot be read (geni_code 1) or are of a kind that is not done (13), more or larger ones than may be
/// asked for (6), or a cloud that cannot give any (13).
pub(crate) fn grant(
    node: &Node,
    inventory: &Inventory,
    component: &Component,
    kept: Option<Existing<'_>>,
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
    check_number(node, asked.len(), &inventory.volumes, kept)?;
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
                    device: device(node, volume, &inventory.volumes, known.iter().copied().chain(&granted))?,
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

/// The first device that none of these volumes is. A node that has more volumes than may be asked for now can have none
/// left.
fn device<'a>(
    node: &Node,
    volume: &Volume,
    bounds: &VolumesSection,
    taken: impl Iterator<Item = &'a VolumeGrant> + Clone,
) -> Result<String, CallError> {
    let mut names = VolumesSection::LETTERS.map(|letter| format!("{}{letter}", bounds.devices));
    names.find(|name| taken.clone().all(|it| it.device != *name)).ok_or_else(|| {
        CallError::new(
            GeniCode::TooBig,
            format!(
                "rspec: {}: node {:?}: no device is left for volume {:?}: the volumes that the node has or was promised have them all; ask for fewer new ones at once, or Cancel the change that is pending",
                volume.position, node.client_id, volume.name
            ),
        )
    })
}

/// Refuses more volumes than a node may have. One that has more already may go on having as many.
fn check_number(
    node: &Node,
    asked: usize,
    bounds: &VolumesSection,
    kept: Option<Existing<'_>>,
) -> Result<(), CallError> {
    let had = kept.iter().flat_map(|kept| kept.grants()).map(|it| it.volumes.len()).max().unwrap_or(0);
    let most = bounds.per_node.max(had);
    if asked > most {
        return Err(CallError::new(
            GeniCode::TooBig,
            format!(
                "rspec: {}: node {:?} has {asked} volumes, more than the {most} a node may have",
                node.position, node.client_id
            ),
        ));
    }
    Ok(())
}

/// Refuses such volumes as cannot be had anywhere.
///
/// # Errors
/// They cannot be read (geni_code 1) or are of a kind that is not done (13).
pub(crate) fn check(node: &Node) -> Result<(), CallError> {
    node.volumes.as_deref().map(|_| ()).map_err(|error| unfit(error.clone()))
}

/// The refusal of volumes where there are none.
pub(crate) fn not_given(node: &Node, who: &str) -> CallError {
    CallError::new(
        GeniCode::Unsupported,
        format!(
            "node {:?} ({}): it asks for storage volumes (blockstore), which {who} give",
            node.client_id, node.position
        ),
    )
}

/// What the volumes that a node asks for hold together, in GB.
pub(crate) fn size_of(node: &Node) -> u64 {
    let volumes = node.volumes.as_deref().unwrap_or_default();
    volumes.iter().fold(0, |sum: u64, volume| sum.saturating_add(volume.gigabytes))
}

/// What a node's volumes take from the ledger.
pub(crate) fn claim(grant: &NodeGrant) -> Option<Claim> {
    let amount = grant.volumes.iter().fold(0u32, |sum, volume| sum.saturating_add(volume.gigabytes));
    (amount > 0).then(|| Claim { resource: volumes_resource(&grant.driver), amount })
}

/// What the volumes of a node let be promised for a change: a volume that goes on under its name as another one loses
/// what it holds, which nobody who only reads the new description might expect. That a volume goes which is not in it
/// any more was asked for.
pub(crate) fn guarantee(from: &NodeGrant, to: &NodeGrant) -> Guarantee {
    let is_another =
        |it: &VolumeGrant| to.volumes.iter().any(|new| new.name == it.name && new.number != it.number);
    if from.volumes.iter().any(is_another) { Guarantee::None } else { Guarantee::NoDisruption }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cloud::Cloud;
    use crate::inventory::driver_offer::DriverOffer;
    use crate::setup::Setup;
    use drivers::ComputeDriver;
    use drivers::mock::{MockConfig, MockDriver};
    use rspec::{Limits, Request};
    use std::collections::{BTreeMap, HashSet};
    use std::path::Path;
    use std::sync::Arc;

    const NODE: &str = "<node client_id='n'><b name='one' size='1GB'/><b name='two' size='2GB'/></node>";

    pub(crate) fn node(text: &str) -> Node {
        let text = text.replace("<b ", "<b:blockstore ");
        let xml = format!(
            "<rspec xmlns='http://www.geni.net/resources/rspec/3' xmlns:b='{}' type='request'>{text}</rspec>",
            rspec::namespaces::EMULAB
        );
        Request::parse_request(&xml, &Limits::default()).unwrap().nodes.remove(0)
    }

    /// What the driver `lab` has, with small bounds on volumes.
    async fn inventory() -> Inventory {
        inventory_of(&["lab"]).await
    }

    /// The same of drivers of these names.
    pub(crate) async fn inventory_of(names: &[&str]) -> Inventory {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.pem", "a.key"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let mut text = "[aggregate]\nauthority = 'am.example.net'\nlisten = '127.0.0.1:0'\n\
            [tls]\ncertificate = 'a.pem'\nkey = 'a.key'\ntrusted_roots = '.'\n\
            [volumes]\nper_node = 3\nlargest_gigabytes = 9\n"
            .to_owned();
        let metrics = Arc::new(crate::metrics::Metrics::new());
        let mut clouds = Vec::new();
        for name in names {
            text.push_str(&format!("[[drivers]]\nname = '{name}'\nkind = 'mock'\n"));
            let clock = Arc::new(drivers::SystemClock);
            let driver = Arc::new(MockDriver::with_clock(None, MockConfig::deltacloud(), clock).unwrap());
            let stock = DriverOffer {
                realms: driver.realms().await.unwrap(),
                profiles: driver.hardware_profiles().await.unwrap(),
                images: driver.images().await.unwrap(),
                volumes: true,
                heard: true,
            };
            let cloud = Cloud::new(name, driver, crate::time::system_clock(), Arc::clone(&metrics));
            clouds.push((cloud, stock));
        }
        Inventory::new(&Setup::parse(&text, Path::new(folder.path())).unwrap().config, clouds)
    }

    /// A grant of these volumes at this component.
    fn granted(component: &Component, (volumes, volumes_ever): (Vec<VolumeGrant>, u32)) -> NodeGrant {
        NodeGrant {
            driver: "lab".to_owned(),
            realm: component.realm.id.clone(),
            profile: String::new(),
            image: String::new(),
            component_id: component.urn.to_string(),
            component_name: component.name.clone(),
            exclusive: false,
            sliver_type: String::new(),
            disk_image: String::new(),
            asked_image: None,
            hardware_type: None,
            interfaces: Vec::new(),
            interfaces_ever: 0,
            volumes,
            volumes_ever,
            users: Vec::new(),
            preserve: None,
        }
    }

    fn told(volumes: &[VolumeGrant]) -> Vec<(&str, u32, &str)> {
        volumes.iter().map(|it| (it.name.as_str(), it.number, it.device.as_str())).collect()
    }

    #[tokio::test]
    async fn what_stays_keeps_its_number_and_what_is_new_never_gets_one_that_was_used() {
        let (inventory, held) = (inventory().await, &BTreeMap::new());
        let [here, there, ..] = &inventory.components[..] else { panic!("two realms are needed") };
        let first = grant(&node(NODE), &inventory, here, None).unwrap();
        assert_eq!(told(&first.0), [("one", 0, "/dev/vdb"), ("two", 1, "/dev/vdc")]);
        let has = granted(here, first);
        assert_eq!(claim(&has).unwrap().amount, 3);

        // One goes, one is of another size: the first stays as it is, wherever it stands.
        let asked = node(&NODE.replace("2GB", "4GB"));
        let kept = Existing { grant: &has, pending: None, held };
        let larger = grant(&asked, &inventory, here, Some(kept)).unwrap();
        assert_eq!(told(&larger.0), [("one", 0, "/dev/vdb"), ("two", 2, "/dev/vdd")]);
        let pending = granted(here, larger);
        assert_eq!(guarantee(&has, &pending), Guarantee::None);

        // Another change instead: what was promised is known, and its number is not given to another.
        let kept = Existing { grant: &has, pending: Some(&pending), held };
        let asked = node("<node client_id='n'><b name='new' size='4GB'/><b name='two' size='4GB'/></node>");
        let other = grant(&asked, &inventory, here, Some(kept)).unwrap();
        assert_eq!(told(&other.0), [("new", 3, "/dev/vde"), ("two", 2, "/dev/vdd")]);

        // Nothing is kept for a node that has had all and has none.
        let none =
            granted(here, grant(&node("<node client_id='n'/>"), &inventory, here, Some(kept)).unwrap());
        assert_eq!((none.volumes.len(), none.volumes_ever), (0, 3));
        assert_eq!(guarantee(&has, &none), Guarantee::NoDisruption, "that it goes was asked for");
        let again =
            grant(&node(NODE), &inventory, here, Some(Existing { grant: &none, pending: None, held }))
                .unwrap();
        assert_eq!(told(&again.0), [("one", 3, "/dev/vdb"), ("two", 4, "/dev/vdc")]);

        // Elsewhere there are only new ones.
        let moved =
            grant(&node(NODE), &inventory, there, Some(Existing { grant: &has, pending: None, held }))
                .unwrap();
        assert_eq!(told(&moved.0), [("one", 2, "/dev/vdb"), ("two", 3, "/dev/vdc")]);
        assert_eq!(guarantee(&has, &granted(there, moved)), Guarantee::None);
    }

    #[tokio::test]
    async fn bounds_hold_for_what_is_new_and_not_for_what_is_kept() {
        let (mut inventory, held) = (inventory().await, &BTreeMap::new());
        let refused = |inventory: &Inventory, text: &str, kept: Option<Existing<'_>>| {
            let component = &inventory.components[0];
            grant(&node(text), inventory, component, kept).map(|_| ()).map_err(|error| error.code())
        };
        let large = NODE.replace("2GB", "10GB");
        assert_eq!(refused(&inventory, &large, None), Err(GeniCode::TooBig));
        let many = NODE.replace("</node>", "<b name='3' size='1GB'/><b name='4' size='1GB'/></node>");
        assert_eq!(refused(&inventory, &many, None), Err(GeniCode::TooBig));
        let unreadable = NODE.replace("2GB", "few");
        assert_eq!(check(&node(&unreadable)).unwrap_err().code(), GeniCode::BadArguments);
        assert_eq!(refused(&inventory, &unreadable, None), Err(GeniCode::BadArguments));
        let remote = NODE.replace("size='2GB'", "size='2GB' class='remote'");
        assert_eq!(refused(&inventory, &remote, None), Err(GeniCode::Unsupported));

        let has = granted(
            &inventory.components[0],
            grant(&node(NODE), &inventory, &inventory.components[0], None).unwrap(),
        );
        // Fewer may be had by now: as many as it has it may go on having, and not one more.
        inventory.volumes.per_node = 1;
        let others = NODE.replace("two", "three");
        let more = NODE.replace("</node>", "<b name='3' size='1GB'/></node>");
        for (asked, expected) in [(NODE, Ok(())), (&others, Ok(())), (&more, Err(GeniCode::TooBig))] {
            let kept = Existing { grant: &has, pending: None, held };
            assert_eq!(refused(&inventory, asked, Some(kept)), expected, "{asked}");
        }
        inventory.volumes.largest_gigabytes = 1;
        assert_eq!(refused(&inventory, NODE, Some(Existing { grant: &has, pending: None, held })), Ok(()));
        inventory.offers[0].volumes = false;
        assert_eq!(refused(&inventory, NODE, None), Err(GeniCode::Unsupported));
        assert_eq!(refused(&inventory, "<node client_id='n'/>", None), Ok(()));
    }

    #[tokio::test]
    async fn no_two_volumes_are_the_same_device() {
        let (mut inventory, held) = (inventory().await, &BTreeMap::new());
        inventory.volumes.per_node = 13;
        let here = &inventory.components[0];
        let many = |name: &str, count: usize| {
            let volumes: String = (0..count).map(|n| format!("<b name='{name}{n}' size='1GB'/>")).collect();
            node(&format!("<node client_id='n'>{volumes}</node>"))
        };
        let has = granted(here, grant(&many("a", 13), &inventory, here, None).unwrap());
        let kept = Existing { grant: &has, pending: None, held };
        let pending = granted(here, grant(&many("b", 12), &inventory, here, Some(kept)).unwrap());
        let devices: HashSet<_> = has.volumes.iter().chain(&pending.volumes).map(|it| &it.device).collect();
        assert_eq!(devices.len(), 25);
        // Not one is left for another change in place of this one; what is known has its own.
        let kept = Existing { grant: &has, pending: Some(&pending), held };
        let asked = |node: &Node| grant(node, &inventory, here, Some(kept)).map_err(|error| error.code());
        assert_eq!(asked(&many("c", 1)).unwrap_err(), GeniCode::TooBig);
        assert_eq!(asked(&many("a", 13)).unwrap().0, has.volumes);
    }
}
