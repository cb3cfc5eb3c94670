//! How an API registers with the service: its section of the configuration, its checks, and how it is opened.
//!
//! An API is configured first ([`ApiSettings`]), opened with what its files hold ([`ApiSettings::open`]), and mounted once
//! its address is taken and the aggregate stands ([`Mount`]). Files are read before the database is touched, so that an API
//! that cannot be served leaves nothing behind.

use crate::aggregate::Aggregate;
use crate::cloud::Cloud;
use crate::config::Config;
use credentials::TrustRoots;
use listen::Limits;
use serde::de::DeserializeOwned;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// An API that the service can serve.
pub struct ApiKind {
    /// The section of the configuration that holds `listen`.
    pub section: &'static str,
    /// When the API is served, and where its settings come from.
    pub settings: SettingsFrom,
}

/// Where the settings of an API come from.
pub enum SettingsFrom {
    /// The API is always served, as the sections say that every aggregate has.
    Aggregate(fn(&Config) -> Arc<dyn ApiSettings>),
    /// The API is served if its section is there. Gives `None` after naming what is wrong with it.
    Section(fn(Section<'_>) -> Option<Arc<dyn ApiSettings>>),
}

/// A section of the configuration as written.
pub struct Section<'a> {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub value: toml::Value,
    /// The folder that relative paths start from.
    pub folder: &'a Path,
    /// Everything that is wrong, a sentence each.
    pub problems: &'a mut Vec<String>,
}

impl Section<'_> {
    /// Gives the section its type, or names what is wrong with it.
    pub fn read<T: DeserializeOwned>(&mut self) -> Option<T> {
        crate::config::typed_section(self.name, self.value.clone(), self.problems)
    }
}

/// The settings of an API, read and checked.
pub trait ApiSettings: fmt::Debug + Send + Sync {
    /// The address to take.
    fn listen(&self) -> SocketAddr;

    /// Opens the API: reads its certificates and passwords.
    ///
    /// # Errors
    /// [`ApiError`].
    fn open(&self, roots: &Arc<TrustRoots>) -> Result<Mount, ApiError>;

    /// What would keep the API from being opened. Without `roots`, which another sentence then complains of, an API that
    /// needs them is not tried.
    fn problem(&self, roots: Option<&Arc<TrustRoots>>) -> Option<ApiError> {
        self.open(roots?).err()
    }

    /// Says in the log that the API is served at this address, which was taken.
    fn announce(&self, _address: SocketAddr) {}

    /// Notes the address that was taken in the configuration of the aggregate, where clients are told of it.
    fn bound(&self, _config: &mut Config, _address: SocketAddr) {}

    /// Connections at once, where that is not for `limits.connections` to say.
    fn connections(&self) -> Option<usize> {
        None
    }

    /// The certificate chain in the section of the API.
    fn certificate(&self) -> Option<&Path> {
        None
    }

    /// The files with secrets, each with the setting that names it.
    fn secret_files(&self) -> Vec<(String, PathBuf)> {
        Vec::new()
    }
}

/// Mounts an opened API over the running parts.
pub type Mount = Box<dyn FnOnce(Parts) -> Serving + Send>;

/// Serves an API until it is told to stop, then lets requests under way finish.
pub type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The parts of the service that an API is mounted over.
pub struct Parts {
    /// The aggregate.
    pub aggregate: Arc<Aggregate>,
    /// Its drivers, the default first.
    pub clouds: Vec<Cloud>,
    /// Bounds on connections and requests.
    pub limits: Limits,
    /// The address, taken.
    pub listener: TcpListener,
    /// Turns true when the API is to stop.
    pub stop: watch::Receiver<bool>,
}

/// Why an API cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{section}: {reason}")]
pub struct ApiError {
    /// The section that is to be mended.
    pub section: &'static str,
    /// What is wrong with it.
    pub reason: Box<dyn std::error::Error + Send + Sync>,
}

impl ApiError {
    /// Names the section of an error.
    pub fn of<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        section: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |reason| Self { section, reason: reason.into() }
    }
}
