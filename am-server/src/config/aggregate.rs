//! Who the aggregate is and where it listens.

use super::host::{BaseUrl, HostKind};
use super::typed;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use urn::{Authority, Urn};

/// `[aggregate]`.
#[derive(Debug, Clone)]
pub struct AggregateSection {
    /// The authority part of the aggregate's URNs, such as `am.example.net`.
    pub authority: Authority,
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The URL clients reach it by, without a path; if absent, [`AggregateSection::base_url`] makes one.
    pub url: Option<BaseUrl>,
    /// The database file.
    pub database: PathBuf,
    /// URNs of users who may act on every slice with a credential for the aggregate itself.
    pub operators: Vec<Urn>,
    /// Whether GetVersion tells the software version.
    pub show_version: bool,
    /// Country, latitude and longitude advertised for components that have none of their own.
    pub location: Option<LocationSection>,
}

/// The section as it is written: texts that are given their types one by one, so that all that is wrong is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    authority: String,
    listen: SocketAddr,
    url: Option<String>,
    #[serde(default = "default_database")]
    database: PathBuf,
    #[serde(default)]
    operators: Vec<String>,
    #[serde(default = "yes")]
    show_version: bool,
    location: Option<LocationSection>,
}

impl Written {
    /// The section, with paths that start from `folder`; `None` when something is wrong with it.
    pub(super) fn read(self, folder: &Path, problems: &mut Vec<String>) -> Option<AggregateSection> {
        let before = problems.len();
        let authority = typed("aggregate.authority", &self.authority, Authority::parse, problems);
        let operators = self.operators.iter();
        let operators =
            operators.filter_map(|text| typed("aggregate.operators", text, Urn::parse, problems)).collect();
        let url = self.url.and_then(|text| typed("aggregate.url", &text, str::parse, problems));
        let section = AggregateSection {
            authority: authority?,
            listen: self.listen,
            url,
            database: folder.join(self.database),
            operators,
            show_version: self.show_version,
            location: self.location,
        };
        section.check(problems);
        (problems.len() == before).then_some(section)
    }
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
    fn check(&self, problems: &mut Vec<String>) {
        if self.url.is_none() && self.listen.ip().is_unspecified() && self.public_name().is_none() {
            problems.push(format!(
                "aggregate.url: is needed, since nobody can reach the service by the address {} that it listens on",
                self.listen
            ));
        }
    }

    /// The host that the authority is named after: all of it, or what stands before a subauthority.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.as_str().split(':').next().unwrap_or_default()
    }

    /// The authority's host, if other machines can find it in the DNS.
    #[must_use]
    pub fn public_name(&self) -> Option<&str> {
        Some(self.host()).filter(|host| HostKind::of(host) == HostKind::Name)
    }

    /// The URL clients are told. An aggregate that has a name never sends them to `localhost` or a loopback address, where
    /// they would find themselves.
    #[must_use]
    pub fn base_url(&self) -> BaseUrl {
        let reachable = match &self.url {
            Some(url) => HostKind::of(url.host()) != HostKind::Local,
            None => !self.listen.ip().is_loopback() && !self.listen.ip().is_unspecified(),
        };
        let url = self.url.clone().unwrap_or_else(|| self.listen.into());
        match self.public_name() {
            Some(name) if !reachable => BaseUrl::new(name, url.port()),
            _ => url,
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
                self.authority.as_str()
            ));
        }
        if let Some(host) = self.url.as_ref().map(BaseUrl::host)
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
            authority: Authority::parse(authority).unwrap(),
            listen: listen.parse().unwrap(),
            url: url.map(|url| url.parse().unwrap()),
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
            assert_eq!(
                section(authority, listen, url).base_url().to_string(),
                told,
                "{authority} {listen} {url:?}"
            );
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
