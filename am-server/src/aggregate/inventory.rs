//! What there is to lend: every realm of every driver as a component of the advertisement.
//!
//! A realm is an advertised node, a hardware profile a sliver type, an image a disk image. The inventory is
//! put together from what each cloud has ([`Stock`]); it never changes in place, a new one is put where the old one was.
//! The advertisement made from it is kept ready, plain and compressed.

use super::stock::Stock;
use crate::cloud::Cloud;
use crate::config::{Config, LocationSection, VolumesSection};
use base64::Engine;
use chrono::{DateTime, Utc};
use drivers::{HardwareProfile, Image, Realm, RealmState};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use rspec::{
    AdBlockstore, AdDiskImage, AdNode, AdSliverType, Advertisement, DiskImage, Location, OperationalStates,
};
use state::{Action, Ledger, Operational};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
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
    pub fn new(config: &Config, clouds: impl IntoIterator<Item = (Cloud, Stock)>) -> Self {
        let authority = config.authority();
        let (mut offers, mut components) = (Vec::new(), Vec::new());
        for (cloud, stock) in clouds {
            for realm in stock.realms {
                let name = format!("{}-{}", cloud.name, realm.id);
                // A realm whose id no URN can hold cannot be advertised.
                let Ok(urn) = Urn::new(&authority, "node", &to_urn_text(&name)) else { continue };
                let resource = format!("node/{}/{}", cloud.name, realm.id);
                components.push(Component { urn, name, offer: offers.len(), realm, resource });
            }
            // What an earlier version noted does not say that it was heard.
            let heard = stock.heard || !stock.profiles.is_empty();
            offers.push(Offer {
                cloud,
                heard,
                profiles: stock.profiles,
                images: stock.images,
                volumes: stock.volumes,
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
    pub fn stock(&self, cloud: &str) -> Stock {
        let Some(at) = self.offers.iter().position(|offer| offer.cloud.name == cloud) else {
            return Stock::default();
        };
        let realms = self.components.iter().filter(|it| it.offer == at).map(|it| it.realm.clone()).collect();
        let offer = &self.offers[at];
        Stock {
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

    fn advertisement(&self, available: &[bool], only_available: bool) -> Advertisement {
        let manager = self.manager();
        let types: Vec<Vec<(String, AdSliverType)>> =
            self.offers.iter().map(|offer| self.ad_sliver_types(offer)).collect();
        let nodes = self
            .components
            .iter()
            .zip(available)
            .filter(|(_, available)| !only_available || **available)
            .map(|(component, available)| AdNode {
                component_id: component.urn.as_str().to_owned(),
                component_manager_id: manager.clone(),
                component_name: component.name.clone(),
                exclusive: component.realm.exclusive,
                available: *available,
                hardware_types: component.realm.hardware_type.iter().cloned().collect(),
                sliver_types: types[component.offer]
                    .iter()
                    .filter(|(profile, _)| component.realm.offers(profile))
                    .map(|(_, sliver_type)| sliver_type.clone())
                    .collect(),
                location: self.location(component),
                blockstore: self
                    .gives_volumes(&self.offers[component.offer])
                    .then(|| AdBlockstore { gigabytes: u64::from(self.volumes.largest_gigabytes) }),
                interfaces: vec![rspec::AdInterface {
                    component_id: interface_urn(&self.authority, &component.name, 0),
                    component_name: Some("eth0".to_owned()),
                    role: None,
                }],
            })
            .collect();
        Advertisement { nodes, operational_states: vec![self.operational_states()] }
    }

    /// Sliver types of one cloud, each with the profile it stands for: aliases first, then the profiles.
    fn ad_sliver_types(&self, offer: &Offer) -> Vec<(String, AdSliverType)> {
        let profile = |id: &str| offer.profiles.iter().find(|profile| profile.id == id);
        let aliased =
            self.aliases.iter().filter_map(|(alias, id)| profile(id).map(|profile| (alias.clone(), profile)));
        let plain = offer.profiles.iter().map(|profile| (profile.id.clone(), profile));
        aliased
            .chain(plain.filter(|(name, _)| !self.aliases.contains_key(name)))
            .map(|(name, profile)| {
                let default = self.image(offer, profile, None).map(|image| image.id.clone());
                let disk_images = offer
                    .images
                    .iter()
                    .filter(|image| {
                        image.hardware_profiles.is_empty() || image.hardware_profiles.contains(&profile.id)
                    })
                    .map(|image| AdDiskImage {
                        image: DiskImage {
                            name: self.image_urn(image),
                            os: image.os.clone(),
                            version: image.version.clone(),
                            description: Some(image.description.clone()).filter(|text| !text.is_empty()),
                        },
                        default: default.as_deref() == Some(&image.id),
                    })
                    .collect();
                (profile.id.clone(), AdSliverType { name, disk_images })
            })
            .collect()
    }

    fn location(&self, component: &Component) -> Option<Location> {
        let own = component.realm.location.as_ref().and_then(|place| {
            Some(Location {
                country: place.country.clone()?,
                latitude: place.latitude,
                longitude: place.longitude,
            })
        });
        own.or_else(|| {
            self.location.as_ref().map(|place| Location {
                country: place.country.clone(),
                latitude: place.latitude,
                longitude: place.longitude,
            })
        })
    }

    /// The machine of operational states every sliver goes through, as the `opstate` extension tells it.
    fn operational_states(&self) -> OperationalStates {
        let state =
            |state: Operational, description: &str, waits: &[(rspec::WaitKind, Operational)]| rspec::State {
                name: state.as_str().to_owned(),
                description: description.to_owned(),
                actions: Action::possible_in(state)
                    .iter()
                    .map(|action| rspec::Action {
                        name: action.as_str().to_owned(),
                        next: action.leads_to().as_str().to_owned(),
                        description: describe(*action).to_owned(),
                    })
                    .collect(),
                waits: waits
                    .iter()
                    .map(|(kind, next)| rspec::Wait { kind: *kind, next: next.as_str().to_owned() })
                    .collect(),
            };
        use rspec::WaitKind::{Failure, Success};
        let then = |next| [(Success, next), (Failure, Operational::Failed)];
        OperationalStates {
            aggregate_manager_id: self.manager(),
            start: Operational::NotReady.as_str().to_owned(),
            sliver_types: self.sliver_type_names(),
            states: vec![
                state(Operational::NotReady, "Built and stopped", &[]),
                state(Operational::Configuring, "Starting, or being changed", &then(Operational::Ready)),
                state(Operational::Ready, "Running; the users given with Provision can log in", &[]),
                state(Operational::Stopping, "Stopping", &then(Operational::NotReady)),
                state(
                    Operational::UpdatingUsers,
                    "Keys of users are being replaced",
                    &then(Operational::Ready),
                ),
                state(Operational::Failed, "Broken; geni_error says why. Delete it, or Update it", &[]),
            ],
        }
    }
}

fn describe(action: Action) -> &'static str {
    match action {
        Action::Start => "Start it",
        Action::Stop => "Stop it; its disk is kept",
        Action::Restart => "Restart it; its disk is kept",
        Action::UpdateUsers => "Replace the keys of the users given in geni_users",
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

/// The advertisement, ready to send.
pub struct ReadyAdvertisement {
    available: Vec<bool>,
    generated: DateTime<Utc>,
    inventory: Arc<Inventory>,
    /// The ledger it was made from, and the number of turns up to which it was found to be true.
    ledger: Weak<Ledger>,
    turns: AtomicU64,
    forms: [OnceLock<Arc<str>>; 4],
}

impl ReadyAdvertisement {
    /// Fixes which components are available; the documents are written when first asked for.
    #[must_use]
    pub fn new(inventory: Arc<Inventory>, held: &Arc<Ledger>, generated: DateTime<Utc>) -> Self {
        let turns = AtomicU64::new(held.turns());
        let available =
            inventory.components.iter().map(|component| Inventory::is_available(component, held)).collect();
        let ledger = Arc::downgrade(held);
        Self { available, generated, inventory, ledger, turns, forms: Default::default() }
    }

    /// Whether it still tells the truth. Components are looked at only when the ledger says that something was used
    /// up or came back since the last time.
    #[must_use]
    pub fn still_true(&self, inventory: &Arc<Inventory>, held: &Arc<Ledger>) -> bool {
        if !Arc::ptr_eq(&self.inventory, inventory) {
            return false;
        }
        // Taken before the looking: a turn in between makes the next caller look again, never miss it.
        let turns = held.turns();
        if self.ledger.as_ptr() == Arc::as_ptr(held) && self.turns.load(Ordering::Acquire) == turns {
            return true;
        }
        let components = self.inventory.components.iter().zip(&self.available);
        let same = components.into_iter().all(|(c, was)| Inventory::is_available(c, held) == *was);
        if same && self.ledger.as_ptr() == Arc::as_ptr(held) {
            self.turns.store(turns, Ordering::Release);
        }
        same
    }

    /// The document, if it was written already.
    #[must_use]
    pub fn written(&self, only_available: bool, compressed: bool) -> Option<Arc<str>> {
        self.forms[usize::from(only_available) * 2 + usize::from(compressed)].get().map(Arc::clone)
    }

    /// The document: all components or only the available ones, plain or as base64 of zlib.
    #[must_use]
    pub fn document(&self, only_available: bool, compressed: bool) -> Arc<str> {
        let form = &self.forms[usize::from(only_available) * 2 + usize::from(compressed)];
        let written = form.get_or_init(|| {
            if compressed {
                compress(&self.document(only_available, false)).into()
            } else {
                self.inventory
                    .advertisement(&self.available, only_available)
                    .write(self.generated, None)
                    .into()
            }
        });
        Arc::clone(written)
    }
}

/// An RSpec as `geni_compressed` has it: base64 of zlib (RFC 1950) of the UTF-8 text.
#[must_use]
pub fn compress(text: &str) -> String {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(text.len() / 8), Compression::default());
    // Writing to memory does not fail.
    let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
    base64::engine::general_purpose::STANDARD.encode(packed)
}
