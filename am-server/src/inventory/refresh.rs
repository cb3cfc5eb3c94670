//! The inventory in force, and how it is brought up to date.

use super::Inventory;
use super::driver_offer::{self, DriverOffer};
use crate::cloud::Cloud;
use crate::cloud::breaker::Pass;
use crate::config::Config;
use state::{Store, StoreError};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::task::JoinSet;
use tracing::info;

/// The inventory as the drivers last told it. A new one takes the place of the old one as a whole.
pub struct LiveInventory {
    config: Arc<Config>,
    store: Arc<dyn Store>,
    clouds: Vec<Cloud>,
    current: RwLock<Arc<Inventory>>,
    /// Held while another inventory is put in place.
    refreshing: tokio::sync::Mutex<()>,
}

impl LiveInventory {
    /// Reads what the drivers have. A driver that does not answer in time is taken for what it had before.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn start(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        clouds: Vec<Cloud>,
    ) -> Result<Self, StoreError> {
        let inventory = Inventory::new(&config, driver_offer::at_start(&*store, &clouds).await?);
        store.set_totals(&inventory.totals(config.vlans())).await?;
        Ok(Self {
            config,
            store,
            clouds,
            current: RwLock::new(Arc::new(inventory)),
            refreshing: tokio::sync::Mutex::default(),
        })
    }

    /// The inventory as it is now.
    #[must_use]
    pub fn current(&self) -> Arc<Inventory> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The drivers that lend.
    #[must_use]
    pub fn clouds(&self) -> &[Cloud] {
        &self.clouds
    }

    /// Asks all drivers that are not left alone what they have now.
    ///
    /// # Errors
    /// The store could not be told; the old inventory stays.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut reading = JoinSet::new();
        for cloud in self.clouds.iter().cloned() {
            if let Some(pass) = cloud.breaker.admit() {
                reading
                    .spawn(async move { DriverOffer::read(&cloud, pass).await.map(|offer| (cloud, offer)) });
            }
        }
        let mut read = Vec::new();
        while let Some(done) = reading.join_next().await {
            if let Ok(Ok(offer)) = done {
                read.push(offer);
            }
        }
        self.replace_offers(read).await
    }

    /// Sends the probe to a driver that was left alone. One that answers is lent from what it has now.
    ///
    /// # Errors
    /// As [`LiveInventory::refresh`].
    pub async fn probe(&self, cloud: &Cloud, probe: Pass) -> Result<(), StoreError> {
        match DriverOffer::read(cloud, probe).await {
            Ok(offer) => self.replace_offers(vec![(cloud.clone(), offer)]).await,
            Err(_) => Ok(()),
        }
    }

    /// Puts what these clouds have in place of what they had.
    async fn replace_offers(&self, read: Vec<(Cloud, DriverOffer)>) -> Result<(), StoreError> {
        // One after the other: each begins with what the one before it left.
        let _turn = self.refreshing.lock().await;
        let before = self.current();
        let changed: Vec<_> =
            read.into_iter().filter(|(cloud, offer)| before.driver_offer(&cloud.name) != *offer).collect();
        if changed.is_empty() {
            return Ok(());
        }
        for (cloud, offer) in &changed {
            let components = offer.realms.len();
            info!(driver = cloud.name, components, "the driver has other things to lend than before");
            offer.note(&*self.store, cloud).await?;
        }
        let now = |cloud: &Cloud| {
            let found = changed.iter().find(|(it, _)| it.name == cloud.name);
            found.map_or_else(|| before.driver_offer(&cloud.name), |(_, offer)| offer.clone())
        };
        let inventory =
            Inventory::new(&self.config, self.clouds.iter().map(|cloud| (cloud.clone(), now(cloud))));
        self.store.set_totals(&inventory.totals(self.config.vlans())).await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(inventory);
        Ok(())
    }
}
