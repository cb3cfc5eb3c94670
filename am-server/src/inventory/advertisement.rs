//! The advertisement of an inventory, kept ready to send, plain and compressed.

use super::{Component, Inventory, Offer, interface_urn};
use base64::Engine;
use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use rspec::{
    AdBlockstore, AdDiskImage, AdNode, AdSliverType, Advertisement, DiskImage, Location, OperationalStates,
};
use state::{Action, Ledger, Operational};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

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

impl Inventory {
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
