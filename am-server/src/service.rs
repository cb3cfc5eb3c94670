//! The service put together: configuration, trust, store, drivers, aggregate, APIs and reconciler.

use crate::aggregate::{Aggregate, StartError};
use crate::api::geni::Api;
use crate::api::geni::tls;
use crate::api::metrics;
use crate::clock::{Clocks, GuardedClock};
use crate::cloud::Cloud;
use crate::config::{Config, DeltacloudSection, DriverSection, LimitsSection};
use crate::health;
use crate::inspection;
use crate::metrics::Metrics;
use crate::reconcile::Reconciler;
use crate::secrets::PasswordError;
use crate::time::Clock;
use credentials::{RootsError, TrustRoots, Verifier};
use deltacloud_server::auth::Users;
use deltacloud_server::{ListenError, NamedDriver};
use listen::{Limits, TlsSetupError, open_files};
use state::{SqliteStore, Store, StoreError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The trusted roots cannot be read.
    #[error("tls.trusted_roots: {0}")]
    Roots(#[from] RootsError),
    /// There are none, so that nobody could call.
    #[error(
        "tls.trusted_roots: {0} holds no certificate; put the root of a clearinghouse there, or nobody can call"
    )]
    NoRoots(PathBuf),
    /// The server's own certificate.
    #[error("tls: {0}")]
    Tls(#[from] TlsSetupError),
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
    /// The Deltacloud API.
    #[error("deltacloud: {0}")]
    Deltacloud(String),
    /// The API for monitoring.
    #[error("metrics.listen: {address}: {source}")]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
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
    /// The address cannot be listened on.
    #[error("aggregate.listen: {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A service that has its address and accepts connections once it runs.
pub struct Service {
    aggregate: Arc<Aggregate>,
    geni: Arc<Api>,
    listener: TcpListener,
    address: SocketAddr,
    deltacloud: Option<(Arc<deltacloud_server::Face>, TcpListener)>,
    metrics: Option<(Arc<metrics::Api>, TcpListener)>,
}

impl Service {
    /// Puts everything together and takes the address.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn start(mut config: Config, clocks: Clocks) -> Result<Self, ServiceError> {
        let guarded = Arc::new(GuardedClock::new(clocks, config.policy.clock_jump_believed_after()));
        let clock: Clock = {
            let guarded = Arc::clone(&guarded);
            Arc::new(move || guarded.now())
        };
        let roots = roots(&config)?;
        warn_of_laxity(roots.policy());
        let verifier = Arc::new(Verifier::new(roots, config.limits.remembered_credentials));
        let tls = tls::server_config(&config.tls.certificate, &config.tls.key, verifier.roots())?;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.aggregate.database)?);
        let counted = Arc::new(Metrics::new());
        counted.watch_certificates(inspection::watched(&config));
        let mut clouds = Vec::new();
        for section in &config.drivers {
            clouds.push(open_driver(section, &clock, &counted)?);
        }
        let asked = config.aggregate.listen;
        let listener = TcpListener::bind(asked)
            .await
            .map_err(|source| ServiceError::Listen { address: asked, source })?;
        let address =
            listener.local_addr().map_err(|source| ServiceError::Listen { address: asked, source })?;
        // Port 0 asks for any free port: what clients are told must be the one that was given.
        config.aggregate.listen = address;
        let limits = limits_with_open_files(&config.limits, 1 + usize::from(config.deltacloud.is_some()));
        let deltacloud = match &config.deltacloud {
            Some(section) => Some(deltacloud_face(section, clouds.clone(), limits).await?),
            None => None,
        };
        let watched = match &config.metrics {
            Some(section) => Some(metrics_listener(section.listen).await?),
            None => None,
        };
        let aggregate = Aggregate::start(config, verifier, store, clouds, guarded, counted).await?;
        let aggregate = Arc::new(aggregate);
        let geni = Arc::new(Api::new(Arc::clone(&aggregate), tls, limits));
        let metrics = watched.map(|listener| (Arc::new(metrics::Api::new(Arc::clone(&aggregate))), listener));
        Ok(Self { aggregate, geni, listener, address, deltacloud, metrics })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves.
    #[must_use]
    pub fn aggregate(&self) -> &Arc<Aggregate> {
        &self.aggregate
    }

    /// URL of version 3 of the API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}/am/3.0", self.address)
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
        info!(address = %self.address, urn = %self.aggregate.urn(), "serving");
        let mut reconciler = tokio::spawn(self.reconciler().run(stop.clone()));
        let mut lost = self.aggregate.store().lost();
        let (end, ended) = watch::channel(false);
        let deltacloud =
            self.deltacloud.map(|(face, listener)| tokio::spawn(face.serve(listener, ended.clone())));
        let metrics = self.metrics.map(|(face, listener)| tokio::spawn(face.serve(listener, ended.clone())));
        let examining =
            tokio::spawn(health::examine_now_and_then(Arc::clone(&self.aggregate), ended.clone()));
        let serving = tokio::spawn(self.geni.serve(self.listener, ended));
        let outcome = end_of_service(stop, &mut reconciler, &mut lost).await;
        if let Err(error) = &outcome {
            tracing::error!(%error, "the service ends without being asked to");
        }
        let _ = end.send(true);
        for task in [serving, examining].into_iter().chain(deltacloud).chain(metrics) {
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

/// The bounds of an API.
#[must_use]
pub fn limits(section: &LimitsSection) -> Limits {
    Limits {
        body: section.body_bytes,
        connections: section.connections,
        per_address: section.connections_per_address.unwrap_or_else(|| Limits::share(section.connections)),
        per_caller: section.connections_per_caller.unwrap_or_else(|| Limits::share(section.connections)),
        request: Duration::from_secs(section.request_seconds),
        idle: Duration::from_secs(section.idle_seconds),
    }
}

/// The bounds of each of `listeners` APIs, after making room for so many open files; fewer connections where the
/// system does not let us have so many.
#[must_use]
pub fn limits_with_open_files(section: &LimitsSection, listeners: usize) -> Limits {
    let limits = limits(section);
    let besides = open_files::BESIDES + metrics::CONNECTIONS;
    let wanted = limits.connections.saturating_mul(listeners).saturating_add(besides);
    let there_are = open_files::make_room_for(wanted);
    if there_are >= wanted {
        return limits;
    }
    let limits = limits.within((there_are.saturating_sub(besides) / listeners).max(1));
    tracing::warn!(
        wanted,
        allowed = there_are,
        connections = limits.connections,
        "limits.connections needs more open files than the system allows: raise the hard limit of open files \
         (LimitNOFILE= of a systemd unit), or there are fewer connections"
    );
    limits
}

/// The Deltacloud API over these drivers, with its address taken.
async fn deltacloud_face(
    section: &DeltacloudSection,
    clouds: Vec<Cloud>,
    limits: Limits,
) -> Result<(Arc<deltacloud_server::Face>, TcpListener), ServiceError> {
    let failed = |reason: String| ServiceError::Deltacloud(reason);
    let passwords = section
        .users
        .iter()
        .map(|user| Ok((user.name.as_str(), user.password.read(Path::new(""))?)))
        .collect::<Result<Vec<_>, PasswordError>>()
        .map_err(|error| failed(error.to_string()))?;
    let users = Users::new(passwords.iter().map(|(name, password)| (*name, password.expose())));
    let tls = match (&section.certificate, &section.key) {
        (Some(certificate), Some(key)) => {
            Some(TlsAcceptor::from(deltacloud_server::server_config(certificate, key)?))
        }
        _ => None,
    };
    let drivers =
        clouds.into_iter().map(|cloud| NamedDriver { name: cloud.name, driver: cloud.driver }).collect();
    let face = Arc::new(deltacloud_server::Face::new(drivers, users, limits, tls));
    let listener = face.bind(section.listen).await.map_err(|error: ListenError| failed(error.to_string()))?;
    if let Ok(address) = listener.local_addr() {
        info!(url = face.url(address), "serving the Deltacloud API");
    }
    Ok((face, listener))
}

/// The address of the API for monitoring.
async fn metrics_listener(address: SocketAddr) -> Result<TcpListener, ServiceError> {
    let failed = |source| ServiceError::Metrics { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let taken = listener.local_addr().map_err(failed)?;
    info!(url = format!("http://{taken}"), "serving figures and health");
    Ok(listener)
}

/// Says what is accepted that should not be for ever.
fn warn_of_laxity(policy: &credentials::Policy) {
    if policy.allow_sha1_credentials {
        warn!(
            "credentials signed with SHA-1 are accepted, as the clearinghouses in use sign so; once yours sign with SHA-256, set tls.allow_sha1_credentials = false"
        );
    }
    if policy.allow_sha1_certificates {
        warn!("certificates signed with SHA-1 are accepted (tls.allow_sha1_certificates)");
    }
    if policy.allow_1024_bit {
        warn!("RSA keys of 1024 to 2047 bits are accepted (tls.allow_1024_bit_keys)");
    }
    if policy.allow_authorities_without_urn {
        warn!("roots that name no URN may vouch for any authority (tls.allow_authorities_without_urn)");
    }
}

/// The trusted roots of a configuration.
///
/// # Errors
/// [`ServiceError::Roots`], [`ServiceError::NoRoots`].
pub fn roots(config: &Config) -> Result<TrustRoots, ServiceError> {
    let policy = credentials::Policy {
        allow_sha1_certificates: config.tls.allow_sha1_certificates,
        allow_1024_bit: config.tls.allow_1024_bit_keys,
        allow_authorities_without_urn: config.tls.allow_authorities_without_urn,
        allow_sha1_credentials: config.tls.allow_sha1_credentials,
        credential_signers: config.tls.credential_signers.clone(),
    };
    let roots = TrustRoots::load_dir(&config.tls.trusted_roots, &policy)?;
    if roots.certificates().is_empty() {
        return Err(ServiceError::NoRoots(config.tls.trusted_roots.clone()));
    }
    Ok(roots)
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

/// What is wrong with the Deltacloud face's certificate and key; the rest is checked when the file is read.
#[must_use]
pub fn deltacloud_problems(config: &Config) -> Option<String> {
    let section = config.deltacloud.as_ref()?;
    let (certificate, key) = (section.certificate.as_ref()?, section.key.as_ref()?);
    deltacloud_server::server_config(certificate, key).err().map(|error| format!("deltacloud: {error}"))
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
