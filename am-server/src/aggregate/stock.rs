//! What each cloud has, read from its driver and remembered: an aggregate starts, and lends, while a driver is silent.
//!
//! A cloud whose driver does not answer is taken for what it had when it last did, in this run of the service or in an
//! earlier one: what has been lent of it stays lent, what is asked of it waits. One that never answered has nothing.

use super::Aggregate;
use super::inventory::Inventory;
use crate::cloud::Cloud;
use crate::cloud::breaker::Pass;
use drivers::{Answer, Collection, DriverError, HardwareProfile, Image, Operation, Realm, Verb};
use serde::{Deserialize, Serialize};
use state::{Store, StoreError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::{info, warn};

/// How long the start waits for drivers to say what they have. One that takes longer is asked again when it has started.
const AT_START: Duration = Duration::from_secs(10);

/// What a cloud has to lend.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stock {
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

impl Stock {
    /// Asks the driver for all of it; `pass` is told what came of that.
    async fn read(cloud: &Cloud, pass: Pass) -> Answer<Self> {
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

    /// As [`Stock::read`]; whoever takes too long has not answered.
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

    async fn note(&self, store: &dyn Store, cloud: &Cloud) -> Result<(), StoreError> {
        match serde_json::to_string(self) {
            Ok(text) => store.note(&note_of(cloud), &text).await,
            Err(error) => {
                warn!(driver = cloud.name, %error, "what the driver has cannot be noted");
                Ok(())
            }
        }
    }
}

/// The name in the store under which a cloud's stock is noted.
fn note_of(cloud: &Cloud) -> String {
    format!("stock/{}", cloud.name)
}

/// What all these clouds have at the start, of those that do not say so what they had before.
pub(super) async fn at_start(store: &dyn Store, clouds: &[Cloud]) -> Result<Vec<(Cloud, Stock)>, StoreError> {
    let mut reading = JoinSet::new();
    for (at, cloud) in clouds.iter().cloned().enumerate() {
        reading.spawn(async move { (at, Stock::read_within(&cloud, AT_START).await) });
    }
    let mut read: Vec<Option<Stock>> = clouds.iter().map(|_| None).collect();
    while let Some(done) = reading.join_next().await {
        if let Ok((at, stock)) = done {
            read[at] = stock;
        }
    }
    let mut all = Vec::with_capacity(clouds.len());
    for (cloud, read) in clouds.iter().zip(read) {
        let noted = Stock::noted(store, cloud).await?;
        let stock = match read {
            Some(stock) => {
                if stock != noted {
                    stock.note(store, cloud).await?;
                }
                stock
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
        all.push((cloud.clone(), stock));
    }
    Ok(all)
}

impl Aggregate {
    /// The clouds behind the aggregate.
    #[must_use]
    pub fn clouds(&self) -> &[Cloud] {
        &self.clouds
    }

    /// Asks all drivers that are not left alone what they have now.
    ///
    /// # Errors
    /// The store could not be told; the old inventory stays.
    pub async fn refresh_inventory(&self) -> Result<(), StoreError> {
        let mut reading = JoinSet::new();
        for cloud in self.clouds.iter().cloned() {
            if let Some(pass) = cloud.breaker.admit() {
                reading.spawn(async move { Stock::read(&cloud, pass).await.map(|stock| (cloud, stock)) });
            }
        }
        let mut read = Vec::new();
        while let Some(done) = reading.join_next().await {
            if let Ok(Ok(stock)) = done {
                read.push(stock);
            }
        }
        self.restock(read).await
    }

    /// Sends the probe to a driver that was left alone. One that answers is lent from what it has now.
    ///
    /// # Errors
    /// As [`Aggregate::refresh_inventory`].
    pub async fn probe(&self, cloud: &Cloud, probe: Pass) -> Result<(), StoreError> {
        match Stock::read(cloud, probe).await {
            Ok(stock) => self.restock(vec![(cloud.clone(), stock)]).await,
            Err(_) => Ok(()),
        }
    }

    /// Puts what these clouds have in place of what they had.
    async fn restock(&self, read: Vec<(Cloud, Stock)>) -> Result<(), StoreError> {
        // One after the other: each begins with what the one before it left.
        let _turn = self.restocking.lock().await;
        let before = self.inventory();
        let changed: Vec<_> =
            read.into_iter().filter(|(cloud, stock)| before.stock(&cloud.name) != *stock).collect();
        if changed.is_empty() {
            return Ok(());
        }
        for (cloud, stock) in &changed {
            let components = stock.realms.len();
            info!(driver = cloud.name, components, "the driver has other things to lend than before");
            stock.note(&**self.store(), cloud).await?;
        }
        let now = |cloud: &Cloud| {
            let found = changed.iter().find(|(it, _)| it.name == cloud.name);
            found.map_or_else(|| before.stock(&cloud.name), |(_, stock)| stock.clone())
        };
        let inventory =
            Inventory::new(&self.config, self.clouds.iter().map(|cloud| (cloud.clone(), now(cloud))));
        self.store().set_totals(&inventory.totals(self.config.vlans())).await?;
        *self.inventory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(inventory);
        Ok(())
    }
}
