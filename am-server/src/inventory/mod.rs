//! What there is to lend: every realm of every driver as a component of the advertisement.
//!
//! A realm is an advertised node, a hardware profile a sliver type, an image a disk image. The inventory is
//! put together from what each cloud has ([`DriverOffer`]); it never changes in place, a new one is put where the old one was.

pub mod advertisement;
pub mod driver_offer;
pub mod refresh;

use crate::cloud::Cloud;
use crate::config::{Config, LocationSection, VolumesSection};
use driver_offer::DriverOffer;
use drivers::{HardwareProfile, Image, Realm, RealmState};
use state::Ledger;
use std::collections::{BTreeMap, HashMap};
use urn::{Authority, Urn, to_urn_text};

/// What one cloud offers, as last read.
#[derive(Clone)]
pub struct Offer {
    /// The cloud.
    pub cloud: Cloud,
    /// Its hardware profiles.
    pub profiles: Vec<HardwareProfile>,
    /// Its images.
    pub images: Vec<Image>,
    /// Whether its instances can be given volumes.
    pub volumes: bool,
    /// Whether its driver ever said what it has.
    pub heard: bool,
}

/// An advertised node: one realm of one cloud.
pub struct Component {
    /// Its URN.
    pub urn: Urn,
    /// Its short name, unique here.
    pub name: String,
    /// Index of its cloud's [`Offer`].
    pub offer: usize,
    /// The realm.
    pub realm: Realm,
    /// Its name in the capacity ledger.
    pub resource: String,
}

/// All that can be lent.
pub struct Inventory {
    authority: Authority,
    /// The clouds.
    pub offers: Vec<Offer>,
    /// The components, in the order of the advertisement.
    pub components: Vec<Component>,
    by_urn: HashMap<String, usize>,
    aliases: BTreeMap<String, String>,
    location: Option<LocationSection>,
    /// Bounds on volumes.
    pub volumes: VolumesSection,
}

/// Capacity of a realm whose driver knows no limit.
const UNLIMITED: u32 = 1_000_000;
/// The alias that a node without a sliver type gets.
const DEFAULT_SLIVER_TYPE: &str = "default-vm";

/// A sliver type that was found: what it means at one cloud.
pub struct FoundType<'a> {
    /// The name it goes by in the manifest.
    pub name: String,
    /// The hardware profile.
    pub profile: &'a HardwareProfile,
}

impl Inventory {
    /// The inventory of these clouds, each with what it has.
    #[must_use]
    pub fn new(config: &Config, clouds: impl IntoIterator<Item = (Cloud, DriverOffer)>) -> Self {
        let authority = config.authority();
        let (mut offers, mut components) = (Vec::new(), Vec::new());
        for (cloud, offer) in clouds {
            for realm in offer.realms {
                let name = format!("{}-{}", cloud.name, realm.id);
                // A realm whose id no URN can hold cannot be advertised.
                let Ok(urn) = Urn::new(&authority, "node", &to_urn_text(&name)) else { continue };
                let resource = format!("node/{}/{}", cloud.name, realm.id);
                components.push(Component { urn, name, offer: offers.len(), realm, resource });
            }
            // What an earlier version noted does not say that it was heard.
            let heard = offer.heard || !offer.profiles.is_empty();
            offers.push(Offer {
                cloud,
                heard,
                profiles: offer.profiles,
                images: offer.images,
                volumes: offer.volumes,
            });
        }
        let by_urn = components.iter().enumerate().map(|(at, c)| (c.urn.key().to_owned(), at)).collect();
        Self {
            authority,
            offers,
            components,
            by_urn,
            aliases: config.sliver_types.clone(),
            location: config.aggregate.location.clone(),
            volumes: config.volumes.clone(),
        }
    }

    /// What a cloud has, as last read; nothing for one that is not known.
    #[must_use]
    pub fn driver_offer(&self, cloud: &str) -> DriverOffer {
        let Some(at) = self.offers.iter().position(|offer| offer.cloud.name == cloud) else {
            return DriverOffer::default();
        };
        let realms = self.components.iter().filter(|it| it.offer == at).map(|it| it.realm.clone()).collect();
        let offer = &self.offers[at];
        DriverOffer {
            realms,
            profiles: offer.profiles.clone(),
            images: offer.images.clone(),
            volumes: offer.volumes,
            heard: offer.heard,
        }
    }

    /// The totals of the capacity ledger: instances per component, GB of volumes per driver, and one of each VLAN tag.
    #[must_use]
    pub fn totals(&self, vlans: std::ops::RangeInclusive<u16>) -> BTreeMap<String, u64> {
        let nodes = self.components.iter().map(|component| {
            let limit = component.realm.limit.unwrap_or(UNLIMITED);
            let total = if component.realm.exclusive { limit.min(1) } else { limit };
            (component.resource.clone(), u64::from(total))
        });
        let volumes = self
            .offers
            .iter()
            .filter(|offer| self.gives_volumes(offer))
            .map(|offer| (volumes_resource(&offer.cloud.name), u64::from(self.volumes.total_gigabytes)));
        nodes.chain(volumes).chain(vlans.map(|tag| (vlan_resource(tag), 1))).collect()
    }

    /// Whether nodes at this cloud can have volumes.
    #[must_use]
    pub fn gives_volumes(&self, offer: &Offer) -> bool {
        self.volumes.per_node > 0 && offer.volumes
    }

    /// The component with this URN; the bare short name is understood too.
    #[must_use]
    pub fn component(&self, id: &str) -> Option<&Component> {
        let urn = Urn::parse(id).or_else(|_| Urn::new(&self.authority, "node", id)).ok()?;
        let at = self.by_urn.get(urn.key())?;
        self.components.get(*at)
    }

    /// The driver with this name.
    #[must_use]
    pub fn cloud(&self, name: &str) -> Option<&Cloud> {
        self.offers.iter().map(|offer| &offer.cloud).find(|cloud| cloud.name == name)
    }

    /// What `asked` (or nothing: the default) means as a sliver type at one cloud.
    #[must_use]
    pub fn sliver_type<'a>(&'a self, offer: &'a Offer, asked: Option<&str>) -> Option<FoundType<'a>> {
        let profile = |id: &str| offer.profiles.iter().find(|profile| profile.id == id);
        let named = |name: &str| {
            let id = self.aliases.get(name).map_or(name, String::as_str);
            profile(id).map(|profile| FoundType { name: name.to_owned(), profile })
        };
        match asked {
            Some(name) => named(name),
            None => named(DEFAULT_SLIVER_TYPE)
                .or_else(|| self.aliases.keys().find_map(|alias| named(alias)))
                .or_else(|| offer.profiles.first().and_then(|first| named(&first.id))),
        }
    }

    /// The image `asked` names at one cloud, by URN, id or name; the default when nothing is asked for.
    #[must_use]
    pub fn image<'a>(
        &self,
        offer: &'a Offer,
        profile: &HardwareProfile,
        asked: Option<&str>,
    ) -> Option<&'a Image> {
        let fits = |image: &&Image| {
            image.hardware_profiles.is_empty() || image.hardware_profiles.contains(&profile.id)
        };
        match asked {
            None => offer.images.iter().find(fits),
            Some(name) => offer
                .images
                .iter()
                .filter(fits)
                .find(|image| image.id == name || image.name == name || self.image_urn(image) == name),
        }
    }

    /// The name an image is advertised by.
    #[must_use]
    pub fn image_urn(&self, image: &Image) -> String {
        format!("urn:publicid:IDN+{}+image+{}", self.authority, to_urn_text(&image.id))
    }

    /// The names of all sliver types that can be had, for messages and the operational states: an alias is one where
    /// a driver has the profile it stands for.
    #[must_use]
    pub fn sliver_type_names(&self) -> Vec<String> {
        let profiles = || self.offers.iter().flat_map(|offer| &offer.profiles);
        let mut names: Vec<String> = self
            .aliases
            .iter()
            .filter(|(_, id)| profiles().any(|profile| profile.id == **id))
            .map(|(alias, _)| alias.clone())
            .collect();
        for profile in profiles() {
            if !names.contains(&profile.id) {
                names.push(profile.id.clone());
            }
        }
        names
    }

    /// The names of all images, for messages.
    #[must_use]
    pub fn image_names(&self) -> Vec<String> {
        self.offers.iter().flat_map(|offer| &offer.images).map(|image| self.image_urn(image)).collect()
    }

    /// URN of this aggregate.
    #[must_use]
    pub fn manager(&self) -> String {
        format!("urn:publicid:IDN+{}+authority+am", self.authority)
    }

    /// Whether a component can take another sliver now.
    #[must_use]
    pub fn is_available(component: &Component, held: &Ledger) -> bool {
        component.realm.state == RealmState::Available
            && held.get(&component.resource).is_none_or(|share| share.free() > 0)
    }
}

/// A VLAN tag's name in the capacity ledger.
#[must_use]
pub fn vlan_resource(tag: u16) -> String {
    format!("vlan/{tag}")
}

/// The name of a driver's volumes, all together and in GB, in the capacity ledger.
#[must_use]
pub fn volumes_resource(driver: &str) -> String {
    format!("volumes/{driver}")
}

/// URN of an interface of a component.
#[must_use]
pub fn interface_urn(authority: &Authority, component: &str, number: usize) -> String {
    format!("urn:publicid:IDN+{authority}+interface+{}:eth{number}", to_urn_text(component))
}
