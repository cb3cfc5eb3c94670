//! Who the aggregate is and where it listens.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use urn::{Authority, Urn};

/// `[aggregate]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregateSection {
    /// The authority part of the aggregate's URNs, such as `am.example.net`.
    pub authority: String,
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The URL clients reach it by, without a path; `https://<listen>` if absent.
    pub url: Option<String>,
    /// The database file.
    #[serde(default = "default_database")]
    pub database: PathBuf,
    /// URNs of users who may act on every slice with a credential for the aggregate itself.
    #[serde(default)]
    pub operators: Vec<String>,
    /// Whether GetVersion tells the software version.
    #[serde(default = "yes")]
    pub show_version: bool,
    /// Country, latitude and longitude advertised for components that have none of their own.
    #[serde(default)]
    pub location: Option<LocationSection>,
}

/// `[aggregate.location]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationSection {
    /// Two-letter country code.
    pub country: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
}

fn default_database() -> PathBuf {
    PathBuf::from("am.sqlite")
}

fn yes() -> bool {
    true
}

impl AggregateSection {
    /// The same with paths that start from `folder`.
    pub(super) fn within(mut self, folder: &Path) -> Self {
        self.database = folder.join(&self.database);
        self
    }

    pub(super) fn check(&self, problems: &mut Vec<String>) {
        if let Err(error) = Authority::parse(&self.authority) {
            problems.push(format!("aggregate.authority: {error}"));
        }
        for operator in &self.operators {
            if let Err(error) = Urn::parse(operator) {
                problems.push(format!("aggregate.operators: {error}"));
            }
        }
        match &self.url {
            Some(url) => {
                let host = url.strip_prefix("https://").map(|rest| rest.trim_end_matches('/')).unwrap_or_default();
                if host.is_empty() || host.contains('/') || host.contains(char::is_whitespace) {
                    problems.push(format!("aggregate.url: {url:?} must be an https:// URL without a path"));
                }
            }
            None if self.listen.ip().is_unspecified() => problems.push(format!(
                "aggregate.url: is needed, since nobody can reach the service by the address {} that it listens on",
                self.listen
            )),
            None => {}
        }
    }
}
