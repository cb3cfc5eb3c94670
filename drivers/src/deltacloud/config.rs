//! Where the server is and who we are to it.

use std::time::Duration;

use crate::error::DriverError;
use crate::model::Secret;

/// What a connection to a Deltacloud server needs.
#[derive(Debug, Clone)]
pub struct DeltacloudConfig {
    /// What the driver calls itself.
    pub name: String,
    /// The entry point, such as `https://cloud.example:3001/api`.
    pub url: String,
    /// User of the cloud behind the server.
    pub user: String,
    /// The user's password, or what the cloud takes as one.
    pub password: Secret,
    /// Which of the server's drivers to use; `None`: its default.
    pub driver: Option<String>,
    /// Which of the driver's providers to use; `None`: its default.
    pub provider: Option<String>,
    /// The longest to wait for an answer, and for each piece of a blob.
    pub timeout: Duration,
    /// The most bytes of an answer that are read; of a blob's content any number are.
    pub answer_bytes: usize,
    /// Send several requests over one connection. Some servers close a connection that they have promised to keep, just
    /// when the next request comes, which then is lost.
    pub keep_alive: bool,
    /// Send the password in the clear: without it `http://` is taken only for this machine.
    pub insecure: bool,
}

impl DeltacloudConfig {
    /// A server's default driver and provider, waited for half a minute; answers of at most 64 MiB; a connection for each
    /// request.
    #[must_use]
    pub fn new(url: impl Into<String>, user: impl Into<String>, password: Secret) -> Self {
        Self {
            name: "deltacloud".into(),
            url: url.into(),
            user: user.into(),
            password,
            driver: None,
            provider: None,
            timeout: Duration::from_secs(30),
            answer_bytes: 64 << 20,
            keep_alive: false,
            insecure: false,
        }
    }
}

impl DeltacloudConfig {
    /// What is wrong with it, as far as that shows without a server.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        super::http::Server::new(self).err().map(|error| error.to_string())
    }
}

/// Why a server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address or a header's value is wrong.
    #[error("url: {0}")]
    Url(String),
    /// It does not answer, or refuses us.
    #[error("the server at the configured url: {0}")]
    Server(#[from] DriverError),
    /// It answers as no Deltacloud server does.
    #[error("the server at the configured url is no Deltacloud server: {0}")]
    NotDeltacloud(&'static str),
}
