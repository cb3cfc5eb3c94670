//! What each cloud has, read from its driver and remembered: an aggregate starts, and lends, while a driver is silent.
//!
//! A cloud whose driver does not answer is taken for what it had when it last did, in this run of the service or in an
//! earlier one: what has been lent of it stays lent, what is asked of it waits. One that never answered has nothing.

use crate::cloud::Cloud;
use crate::cloud::breaker::Pass;
use drivers::{Answer, Collection, DriverError, HardwareProfile, Image, Operation, Realm, Verb};
use serde::{Deserialize, Serialize};
use state::{Store, StoreError};
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::warn;

/// How long the start waits for drivers to say what they have. One that takes longer is asked again when it has started.
const AT_START: Duration = Duration::from_secs(10);

/// What a cloud has to lend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DriverOffer {
    /// Its realms.
    pub realms: Vec<Realm>,
    /// Its hardware profiles.
    pub profiles: Vec<HardwareProfile>,
    /// Its images.
    pub images: Vec<Image>,
    /// Whether its instances can be given volumes.
    #[serde(default)]
    pub volumes: bool,
    /// Whether the driver ever said so. One that did not may have anything.
    #[serde(default)]
    pub heard: bool,
}

impl DriverOffer {
    /// Asks the driver for all of it; `pass` is told what came of that.
    pub(super) async fn read(cloud: &Cloud, pass: Pass) -> Answer<Self> {
        let index = |collection| Operation::new(collection, Verb::Index);
        let read = async {
            let realms = cloud.request(index(Collection::Realms), |it| async move { it.realms().await });
            let realms = realms.await?;
            let profiles = cloud
                .request(
                    index(Collection::HardwareProfiles),
                    |it| async move { it.hardware_profiles().await },
                )
                .await?;
            let images =
                cloud.request(index(Collection::Images), |it| async move { it.images().await }).await?;
            // A driver that has answered knows what it can do.
            let volumes = cloud.driver.capabilities().gives_volumes();
            Ok(Self { realms, profiles, images, volumes, heard: true })
        };
        let read = read.await;
        pass.report(Verb::Index, read.as_ref().err());
        read
    }

    /// As [`DriverOffer::read`]; whoever takes too long has not answered.
    async fn read_within(cloud: &Cloud, time: Duration) -> Option<Self> {
        let asked = async { Some(Self::read(cloud, cloud.breaker.admit()?).await) };
        if let Ok(read) = tokio::time::timeout(time, asked).await {
            return read?.ok();
        }
        let operation = Operation::new(Collection::Realms, Verb::Index);
        cloud.breaker.admit()?.report(Verb::Index, Some(&DriverError::TimedOut { operation }));
        None
    }

    /// What a cloud had when that was last noted.
    async fn noted(store: &dyn Store, cloud: &Cloud) -> Result<Self, StoreError> {
        let Some(text) = store.noted(&note_of(cloud)).await? else { return Ok(Self::default()) };
        // What another version noted is read from the driver again, sooner or later.
        Ok(serde_json::from_str(&text).unwrap_or_else(|error| {
            warn!(driver = cloud.name, %error, "what the driver had before cannot be read");
            Self::default()
        }))
    }

    pub(super) async fn note(&self, store: &dyn Store, cloud: &Cloud) -> Result<(), StoreError> {
        match serde_json::to_string(self) {
            Ok(text) => store.note(&note_of(cloud), &text).await,
            Err(error) => {
                warn!(driver = cloud.name, %error, "what the driver has cannot be noted");
                Ok(())
            }
        }
    }
}

/// The name in the store under which a driver's offer is noted. Databases of earlier versions have it, too.
fn note_of(cloud: &Cloud) -> String {
    format!("stock/{}", cloud.name)
}

/// What all these clouds have at the start, of those that do not say so what they had before.
pub(super) async fn at_start(
    store: &dyn Store,
    clouds: &[Cloud],
) -> Result<Vec<(Cloud, DriverOffer)>, StoreError> {
    let mut reading = JoinSet::new();
    for (at, cloud) in clouds.iter().cloned().enumerate() {
        reading.spawn(async move { (at, DriverOffer::read_within(&cloud, AT_START).await) });
    }
    let mut read: Vec<Option<DriverOffer>> = clouds.iter().map(|_| None).collect();
    while let Some(done) = reading.join_next().await {
        if let Ok((at, offer)) = done {
            read[at] = offer;
        }
    }
    let mut all = Vec::with_capacity(clouds.len());
    for (cloud, read) in clouds.iter().zip(read) {
        let noted = DriverOffer::noted(store, cloud).await?;
        let offer = match read {
            Some(offer) => {
                if offer != noted {
                    offer.note(store, cloud).await?;
                }
                offer
            }
            None => {
                let components = noted.realms.len();
                warn!(
                    driver = cloud.name,
                    components, "the driver does not say what it has; taken for what it had"
                );
                noted
            }
        };
        all.push((cloud.clone(), offer));
    }
    Ok(all)
}
