//! Who the aggregate is and where it listens.

use super::host::{self, HostKind};
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
    /// The URL clients reach it by, without a path; if absent, [`AggregateSection::base_url`] makes one.
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
            Some(url) if host::of_url(url).is_none() => {
                problems.push(format!("aggregate.url: {url:?} must be an https:// URL without a path"));
            }
            None if self.listen.ip().is_unspecified() && self.public_name().is_none() => problems.push(format!(
                "aggregate.url: is needed, since nobody can reach the service by the address {} that it listens on",
                self.listen
            )),
            _ => {}
        }
    }

    /// The host that the authority is named after: all of it, or what stands before a subauthority.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.split(':').next().unwrap_or_default()
    }

    /// The authority's host, if other machines can find it in the DNS.
    #[must_use]
    pub fn public_name(&self) -> Option<&str> {
        Some(self.host()).filter(|host| HostKind::of(host) == HostKind::Name)
    }

    /// The URL clients are told, without a trailing slash. An aggregate that has a name never sends them to
    /// `localhost` or a loopback address, where they would find themselves.
    #[must_use]
    pub fn base_url(&self) -> String {
        let named = self.url.as_deref().and_then(host::of_url);
        let reachable = match named {
            Some((host, _)) => HostKind::of(host) != HostKind::Local,
            None => !self.listen.ip().is_loopback() && !self.listen.ip().is_unspecified(),
        };
        if !reachable && let Some(name) = self.public_name() {
            let port = named.map_or(Some(self.listen.port()), |(_, port)| port);
            return match port {
                Some(port) => format!("https://{name}:{port}"),
                None => format!("https://{name}"),
            };
        }
        match &self.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{}", self.listen),
        }
    }

    /// What is no mistake in itself, but stands in the way of a federation: other machines cannot use it.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let host = self.host();
        let why = match HostKind::of(host) {
            HostKind::Address => Some("is an IP address"),
            HostKind::Short => Some("has no dot"),
            HostKind::Local if host.eq_ignore_ascii_case("localhost") || !self.listen.ip().is_loopback() => {
                Some("is every machine's name for itself")
            }
            _ => None,
        };
        if let Some(why) = why {
            warnings.push(format!(
                "aggregate.authority: {:?} {why}; the aggregate's URNs need a DNS name that stays unique for ever, such as am.example.net",
                self.authority
            ));
        }
        if let Some((host, _)) = self.url.as_deref().and_then(host::of_url)
            && HostKind::of(host) == HostKind::Local
        {
            let instead = match self.public_name() {
                Some(_) => format!("; GetVersion tells them {} instead", self.base_url()),
                None => "; give the name by which they reach the service".to_owned(),
            };
            warnings.push(format!(
                "aggregate.url: {host} leads clients on other machines to themselves{instead}"
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(authority: &str, listen: &str, url: Option<&str>) -> AggregateSection {
        AggregateSection {
            authority: authority.to_owned(),
            listen: listen.parse().unwrap(),
            url: url.map(str::to_owned),
            database: PathBuf::new(),
            operators: Vec::new(),
            show_version: true,
            location: None,
        }
    }

    #[test]
    fn clients_are_told_a_host_that_leads_to_the_aggregate() {
        for (authority, listen, url, told) in [
            ("am.example.net", "127.0.0.1:12369", None, "https://am.example.net:12369"),
            ("am.example.net:lab", "0.0.0.0:12369", None, "https://am.example.net:12369"),
            ("am.example.net", "[::]:443", Some("https://localhost/"), "https://am.example.net"),
            ("am.example.net", "[::]:443", Some("https://127.0.0.1:8443"), "https://am.example.net:8443"),
            (
                "am.example.net",
                "127.0.0.1:1",
                Some("https://front.example.net/"),
                "https://front.example.net",
            ),
            ("am.example.net", "192.0.2.7:12369", None, "https://192.0.2.7:12369"),
            ("am.localhost", "127.0.0.1:12369", None, "https://127.0.0.1:12369"),
            ("am.test.example", "127.0.0.1:12369", None, "https://127.0.0.1:12369"),
            ("localhost", "127.0.0.1:1", Some("https://localhost:7/"), "https://localhost:7"),
        ] {
            assert_eq!(section(authority, listen, url).base_url(), told, "{authority} {listen} {url:?}");
        }
    }

    #[test]
    fn what_only_this_machine_understands_is_warned_of() {
        for (authority, listen, url, setting) in [
            ("192.0.2.7", "127.0.0.1:1", None, "aggregate.authority"),
            ("localhost", "127.0.0.1:1", None, "aggregate.authority"),
            ("am", "127.0.0.1:1", None, "aggregate.authority"),
            ("am.localhost", "192.0.2.7:1", None, "aggregate.authority"),
            ("am.example.net", "127.0.0.1:1", Some("https://localhost"), "aggregate.url"),
            ("am.example.net", "127.0.0.1:1", Some("https://127.0.0.1:1"), "aggregate.url"),
            ("am.example.net", "127.0.0.1:1", Some("https://[::1]:1"), "aggregate.url"),
        ] {
            let warnings = section(authority, listen, url).warnings();
            assert!(
                matches!(warnings.as_slice(), [one] if one.starts_with(setting)),
                "{authority}: {warnings:?}"
            );
        }
        for (authority, listen, url) in [
            ("am.localhost", "127.0.0.1:1", None),
            ("am.test.example", "127.0.0.1:1", None),
            ("am.example.net:lab", "0.0.0.0:1", Some("https://am.example.net:1")),
        ] {
            assert_eq!(section(authority, listen, url).warnings(), [""; 0]);
        }
    }

    #[test]
    fn an_address_for_all_needs_a_name() {
        let problems = |authority| {
            let mut problems = Vec::new();
            section(authority, "0.0.0.0:1", None).check(&mut problems);
            problems
        };
        assert!(matches!(problems("am.localhost").as_slice(), [one] if one.starts_with("aggregate.url")));
        assert_eq!(problems("am.example.net"), [""; 0]);
    }
}
