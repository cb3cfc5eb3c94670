//! The service put together: configuration, trust, store, drivers, aggregate, APIs and reconciler.

use crate::aggregate::{Aggregate, StartError};
use crate::api::kind::{ApiError, Mount, Parts, Serving};
use crate::api::limits::limits_with_open_files;
use crate::clock::{Clocks, GuardedClock};
use crate::cloud::Cloud;
use crate::config::{Config, DriverSection};
use crate::health;
use crate::inspection;
use crate::memory;
use crate::metrics::Metrics;
use crate::reconcile::Reconciler;
use crate::setup::{ApiSection, Setup};
use crate::time::Clock;
use crate::trust::{self, TrustError};
use credentials::{TrustRoots, Verifier};
use listen::Limits;
use state::{SqliteStore, Store, StoreError};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The trusted roots.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// An API's certificates or passwords.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The database.
    #[error("aggregate.database: {0}")]
    Store(#[from] StoreError),
    /// A driver's section.
    #[error("[[drivers]] {name}: {reason}")]
    Driver {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The drivers or the store at start-up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The database went away while the service was running.
    #[error("the service ended: aggregate.database: {0}")]
    Lost(StoreError),
    /// The reconciler ended although nobody asked for it.
    #[error("the service ended because the reconciler did: {0}")]
    Reconciler(String),
    /// The address of an API cannot be listened on.
    #[error("{section}.listen: {address}: {source}")]
    Listen {
        /// The section that names it.
        section: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A service that has its addresses and accepts connections once it runs.
pub struct Service {
    aggregate: Arc<Aggregate>,
    /// The APIs, each ready to be served.
    apis: Vec<Serving>,
    /// Tells the APIs to end.
    end: watch::Sender<bool>,
}

impl Service {
    /// Puts everything together and takes the addresses. Certificates and passwords are read before the database is
    /// opened.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn start(setup: Setup, clocks: Clocks) -> Result<Self, ServiceError> {
        let Setup { mut config, apis } = setup;
        let guarded = Arc::new(GuardedClock::new(clocks, config.policy.clock_jump_believed_after()));
        let clock: Clock = {
            let guarded = Arc::clone(&guarded);
            Arc::new(move || guarded.now())
        };
        let roots = trust::roots(&config)?;
        trust::warn_of_laxity(roots.policy());
        let verifier = Arc::new(Verifier::new(roots, config.limits.remembered_credentials));
        let mounts = open(&apis, &verifier.roots())?;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.aggregate.database)?);
        let counted = Arc::new(Metrics::new());
        counted.watch_certificates(inspection::watched(&config, &apis));
        let clouds = config
            .drivers
            .iter()
            .map(|section| open_driver(section, &clock, &counted))
            .collect::<Result<Vec<_>, _>>()?;
        let listeners = take_addresses(&apis, &mut config).await?;
        let limits = room(&config, &apis);
        let aggregate = Aggregate::start(config, verifier, store, clouds.clone(), guarded, counted).await?;
        let aggregate = Arc::new(aggregate);
        let (end, stop) = watch::channel(false);
        let mount = |(mount, listener): (Mount, TcpListener)| {
            let (aggregate, clouds) = (Arc::clone(&aggregate), clouds.clone());
            mount(Parts { aggregate, clouds, limits, listener, stop: stop.clone() })
        };
        let apis = mounts.into_iter().zip(listeners).map(mount).collect();
        Ok(Self { aggregate, apis, end })
    }

    /// Where it listens for calls of the AM API.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.aggregate.config().aggregate.listen
    }

    /// What it serves.
    #[must_use]
    pub fn aggregate(&self) -> &Arc<Aggregate> {
        &self.aggregate
    }

    /// URL of version 3 of the API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}/am/3.0", self.address())
    }

    fn reconciler(&self) -> Arc<Reconciler> {
        let aggregate = &self.aggregate;
        Reconciler::new(
            Arc::clone(aggregate.slices()),
            Arc::clone(aggregate.live_inventory()),
            Arc::clone(aggregate.metrics()),
            aggregate.authority(),
            &aggregate.config().reconcile,
        )
    }

    /// Serves until `stop` turns true; then requests under way are finished, and nothing is left half done.
    ///
    /// # Errors
    /// [`ServiceError::Lost`] and [`ServiceError::Reconciler`]: the service had to end without being asked to.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), ServiceError> {
        info!(address = %self.address(), urn = %self.aggregate.urn(), "serving");
        let mut reconciler = tokio::spawn(self.reconciler().run(stop.clone()));
        let mut lost = self.aggregate.store().lost();
        let examining =
            tokio::spawn(health::examine_now_and_then(Arc::clone(&self.aggregate), self.end.subscribe()));
        let giving_back = tokio::spawn(memory::give_back_now_and_then(self.end.subscribe()));
        let serving: Vec<_> = self.apis.into_iter().map(tokio::spawn).collect();
        let outcome = end_of_service(stop, &mut reconciler, &mut lost).await;
        if let Err(error) = &outcome {
            tracing::error!(%error, "the service ends without being asked to");
        }
        let _ = self.end.send(true);
        for task in serving.into_iter().chain([examining, giving_back]) {
            if let Err(error) = task.await {
                tracing::error!(%error, "an API ended with an error");
            }
        }
        if outcome.is_err() {
            // It is not told of the end, and what it would do has no ground any more.
            reconciler.abort();
        }
        if !reconciler.is_finished()
            && let Err(error) = reconciler.await
            && !error.is_cancelled()
        {
            tracing::error!(%error, "the reconciler ended badly");
        }
        info!("stopped");
        outcome
    }
}

/// Waits for a reason to end. Without its reconciler the service would promise what nobody carries out, and without its
/// database it would promise what nobody remembers.
async fn end_of_service(
    mut stop: watch::Receiver<bool>,
    reconciler: &mut JoinHandle<()>,
    lost: &mut watch::Receiver<Option<StoreError>>,
) -> Result<(), ServiceError> {
    let asked = stop.clone();
    tokio::select! {
        // The reconciler ends as well when the service is asked to: that is asked first.
        biased;
        _ = stop.wait_for(|stop| *stop) => Ok(()),
        Ok(lost) = lost.wait_for(Option::is_some) => match &*lost {
            Some(error) => Err(ServiceError::Lost(error.clone())),
            None => Ok(()),
        },
        result = reconciler => match result {
            Ok(()) if *asked.borrow() => Ok(()),
            Ok(()) => Err(ServiceError::Reconciler("it returned".to_owned())),
            Err(error) => Err(ServiceError::Reconciler(error.to_string())),
        },
    }
}

/// Opens the APIs: what their files hold is read now.
fn open(apis: &[ApiSection], roots: &Arc<TrustRoots>) -> Result<Vec<Mount>, ApiError> {
    apis.iter().map(|api| api.settings.open(roots)).collect()
}

/// Takes the addresses of the APIs, one after the other, and notes them where clients are told of them.
async fn take_addresses(apis: &[ApiSection], config: &mut Config) -> Result<Vec<TcpListener>, ServiceError> {
    let mut taken = Vec::new();
    for api in apis {
        let asked = api.settings.listen();
        let failed = |source| ServiceError::Listen { section: api.name, address: asked, source };
        let listener = TcpListener::bind(asked).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        api.settings.bound(config, address);
        api.settings.announce(address);
        taken.push(listener);
    }
    Ok(taken)
}

/// The bounds of each API that sets none itself, after making room for the connections of all.
fn room(config: &Config, apis: &[ApiSection]) -> Limits {
    let own: Vec<usize> = apis.iter().filter_map(|api| api.settings.connections()).collect();
    limits_with_open_files(&config.limits, apis.len() - own.len(), own.iter().sum())
}

/// Opens the driver of one `[[drivers]]` entry.
///
/// # Errors
/// [`ServiceError::Driver`].
fn open_driver(
    section: &DriverSection,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Result<Cloud, ServiceError> {
    let settings = section.settings.as_ref().map_err(ToString::to_string);
    let driver = settings
        .and_then(|settings| settings.open())
        .map_err(|reason| ServiceError::Driver { name: section.name.clone(), reason })?;
    Ok(Cloud::new(&section.name, driver, Arc::clone(clock), Arc::clone(metrics)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome when these things happen before anybody looks.
    async fn outcome(stopped: bool, reconciler: Option<bool>, is_lost: bool) -> Result<(), ServiceError> {
        let (_stop, stop) = watch::channel(stopped);
        let mut task = tokio::spawn(async move {
            match reconciler {
                Some(true) => {}
                Some(false) => panic!("the reconciler breaks"),
                None => std::future::pending().await,
            }
        });
        while reconciler.is_some() && !task.is_finished() {
            tokio::task::yield_now().await;
        }
        let error = StoreError::Lost { path: "am.sqlite".into(), how: "removed" };
        let (_lost, mut lost) = watch::channel(is_lost.then_some(error));
        end_of_service(stop, &mut task, &mut lost).await
    }

    #[tokio::test]
    async fn the_end_of_the_service_is_a_success_only_if_somebody_asked_for_it() {
        for reconciler in [None, Some(true)] {
            assert!(outcome(true, reconciler, false).await.is_ok(), "{reconciler:?}");
        }
        for broken in [true, false] {
            let error = outcome(false, Some(broken), false).await.unwrap_err();
            assert!(matches!(error, ServiceError::Reconciler(_)), "{error}");
        }
        let error = outcome(false, None, true).await.unwrap_err();
        assert!(error.to_string().contains("am.sqlite was removed"), "{error}");
    }
}
