//! The configuration: one TOML file, read once at start-up.
//!
//! Relative paths are taken from the folder the file is in. Every section is read on its own and every
//! value is checked, so that one run of `am-server check` reports all that is wrong and not just the first
//! thing. Each section has a file of its own: its settings, their defaults, and their checks. Every setting is
//! described in `docs/configuration.md`.

mod aggregate;
mod deltacloud;
mod drivers;
mod extensions;
mod host;
mod limits;
mod links;
mod metrics;
mod policy;
mod reconcile;
mod tls;
mod volumes;

pub use aggregate::{AggregateSection, LocationSection};
pub use deltacloud::{DeltacloudSection, UserSection};
pub use drivers::DriverSection;
pub use extensions::{ExtensionsSection, Unsupported};
pub use host::{BadUrl, BaseUrl, HostKind};
pub use limits::LimitsSection;
pub use links::LinksSection;
pub use metrics::MetricsSection;
pub use policy::PolicySection;
pub use reconcile::ReconcileSection;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
pub use tls::TlsSection;
use urn::Authority;
pub use volumes::VolumesSection;

/// Everything the service is told by its operator.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who this aggregate is and where it listens.
    pub aggregate: AggregateSection,
    /// Its certificate and whom it trusts.
    pub tls: TlsSection,
    /// Bounds on what one caller may cost.
    pub limits: LimitsSection,
    /// For how long resources are lent, and how a slice may be allocated.
    pub policy: PolicySection,
    /// Names experimenters use for hardware profiles: alias → hardware profile id.
    pub sliver_types: BTreeMap<String, String>,
    /// VLAN tags given to links.
    pub links: LinksSection,
    /// Storage volumes of nodes.
    pub volumes: VolumesSection,
    /// Wishes in extensions of RSpecs that are known and not done.
    pub extensions: ExtensionsSection,
    /// The clouds behind the aggregate.
    pub drivers: Vec<DriverSection>,
    /// How often the reconciler looks at everything.
    pub reconcile: ReconcileSection,
    /// The Deltacloud REST API over the same drivers; absent: it is not served.
    pub deltacloud: Option<DeltacloudSection>,
    /// Figures and health for monitoring; absent: they are not served.
    pub metrics: Option<MetricsSection>,
}

/// All that is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// One sentence per problem.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used:", self.file.display())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let fail = |problem: String| ConfigError { file: file.to_owned(), problems: vec![problem] };
        let text =
            std::fs::read_to_string(file).map_err(|error| fail(format!("it cannot be read: {error}")))?;
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        Self::parse(&text, &folder).map_err(|problems| ConfigError { file: file.to_owned(), problems })
    }

    /// Reads a configuration; `folder` is what relative paths start from.
    ///
    /// # Errors
    /// Every problem found, a sentence each.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<String>> {
        let mut table: toml::Table = toml::from_str(text)
            .map_err(|error| vec![format!("it is not TOML: {}", error.to_string().trim())])?;
        let mut problems = Vec::new();
        let aggregate: Option<aggregate::Written> = section(&mut table, "aggregate", &mut problems);
        let tls: Option<TlsSection> = section(&mut table, "tls", &mut problems);
        let limits = checked(&mut table, "limits", LimitsSection::check, &mut problems);
        let policy = checked(&mut table, "policy", PolicySection::check, &mut problems);
        let links = checked(&mut table, "links", LinksSection::check, &mut problems);
        let volumes = checked(&mut table, "volumes", VolumesSection::check, &mut problems);
        let extensions: Option<ExtensionsSection> = section(&mut table, "extensions", &mut problems);
        let reconcile = checked(&mut table, "reconcile", ReconcileSection::check, &mut problems);
        let sliver_types: Option<BTreeMap<String, String>> =
            section(&mut table, "sliver_types", &mut problems);
        let deltacloud: Option<DeltacloudSection> = optional(&mut table, "deltacloud", &mut problems);
        let metrics: Option<MetricsSection> = optional(&mut table, "metrics", &mut problems);
        let drivers = drivers::read(&mut table, folder, &mut problems);
        for unknown in table.keys() {
            problems.push(format!(
                "[{unknown}] is not a section; there are aggregate, tls, limits, policy, links, volumes, extensions, sliver_types, \
                 reconcile, deltacloud, metrics and drivers"
            ));
        }
        let aggregate = aggregate.and_then(|written| written.read(folder, &mut problems));
        let tls = tls.map(|section| section.within(folder));
        if let Some(section) = &tls {
            section.check(&mut problems);
        }
        let deltacloud = deltacloud.map(|section| section.within(folder));
        if let Some(section) = &deltacloud {
            section.check(&mut problems);
        }
        if let Some(section) = &metrics {
            section.check(&mut problems);
        }
        drivers::check(&drivers, &mut problems);
        let listeners = [
            ("aggregate.listen", aggregate.as_ref().map(|it| it.listen)),
            ("deltacloud.listen", deltacloud.as_ref().map(|it| it.listen)),
            ("metrics.listen", metrics.as_ref().map(|it| it.listen)),
        ];
        check_listeners(&listeners, &mut problems);
        match (aggregate, tls, limits, policy, links, volumes, extensions, reconcile, sliver_types) {
            (
                Some(aggregate),
                Some(tls),
                Some(limits),
                Some(policy),
                Some(links),
                Some(volumes),
                Some(extensions),
                Some(reconcile),
                Some(sliver_types),
            ) if problems.is_empty() => Ok(Self {
                aggregate,
                tls,
                limits,
                policy,
                sliver_types,
                links,
                volumes,
                extensions,
                drivers,
                reconcile,
                deltacloud,
                metrics,
            }),
            _ => Err(problems),
        }
    }

    /// The authority of this aggregate's URNs.
    #[must_use]
    pub fn authority(&self) -> Authority {
        self.aggregate.authority.clone()
    }

    /// The VLAN tags that links are given.
    #[must_use]
    pub fn vlans(&self) -> std::ops::RangeInclusive<u16> {
        self.links.first_vlan..=self.links.last_vlan
    }

    /// The URL clients are told ([`AggregateSection::base_url`]).
    #[must_use]
    pub fn base_url(&self) -> BaseUrl {
        self.aggregate.base_url()
    }
}

/// Takes one section out of the file; an absent one is an empty one.
fn section<T: DeserializeOwned>(
    table: &mut toml::Table,
    name: &str,
    problems: &mut Vec<String>,
) -> Option<T> {
    let value = table.remove(name).unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
    value
        .try_into()
        .map_err(|error: toml::de::Error| problems.push(format!("[{name}]: {}", error.message())))
        .ok()
}

/// Takes one section out of the file and checks it.
fn checked<T: DeserializeOwned>(
    table: &mut toml::Table,
    name: &str,
    check: impl FnOnce(&T, &mut Vec<String>),
    problems: &mut Vec<String>,
) -> Option<T> {
    let section = section(table, name, problems);
    if let Some(section) = &section {
        check(section, problems);
    }
    section
}

/// Takes a section out of the file that means something by being there.
fn optional<T: DeserializeOwned>(
    table: &mut toml::Table,
    name: &str,
    problems: &mut Vec<String>,
) -> Option<T> {
    table.contains_key(name).then(|| section(table, name, problems)).flatten()
}

/// Refuses addresses of which the second could not be taken, because the first is there already.
fn check_listeners(listeners: &[(&str, Option<SocketAddr>)], problems: &mut Vec<String>) {
    for (at, (name, address)) in listeners.iter().enumerate() {
        for (other_name, other) in listeners.iter().take(at) {
            // Port 0 is a free one each time.
            let (Some(one), Some(two)) = (address, other) else { continue };
            if one.port() == two.port() && one.port() != 0 && (covers(one, two) || covers(two, one)) {
                problems
                    .push(format!("{name}: {one} is taken by {other_name} ({two}); give each its own port"));
            }
        }
    }
}

/// Whether listening on `one` also takes what arrives at the address of `two`. The IPv6 address for all takes IPv4, too.
fn covers(one: &SocketAddr, two: &SocketAddr) -> bool {
    one.ip() == two.ip() || (one.ip().is_unspecified() && (one.is_ipv6() || two.is_ipv4()))
}

/// Gives a text of the file its type.
fn typed<T, E: fmt::Display>(
    name: &str,
    text: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
    problems: &mut Vec<String>,
) -> Option<T> {
    read(text).map_err(|error| problems.push(format!("{name}: {error}"))).ok()
}

/// Refuses a number that means nothing when it is 0.
fn at_least_one<N: Default + PartialEq>(name: &str, value: N, problems: &mut Vec<String>) {
    if value == N::default() {
        problems.push(format!("{name}: must be at least 1"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported_at_once() {
        let text = r#"
            surprise = 1
            [aggregate]
            authority = "a b"
            listen = "127.0.0.1:0"
            operators = ["nobody"]
            url = "http://x"
            [tls]
            certificate = "missing.pem"
            key = "missing.key"
            trusted_roots = "missing"
            [policy]
            allocate = "geni_some"
            allocated_minutes = 0
            [links]
            first_vlan = 5
            last_vlan = 4
            [volumes]
            per_node = 99
            largest_gigabytes = 0
            devices = "vd"
            [[drivers]]
            name = "a b"
            kind = "mock"
        "#;
        let problems = Config::parse(text, Path::new("/nonexistent")).unwrap_err();
        for expected in [
            "[surprise]",
            "aggregate.authority",
            "aggregate.operators",
            "aggregate.url",
            "tls.certificate",
            "tls.key",
            "tls.trusted_roots",
            "policy.allocate:",
            "policy.allocated_minutes",
            "links:",
            "volumes.per_node",
            "volumes.largest_gigabytes",
            "volumes.devices",
            "drivers: name",
        ] {
            assert!(problems.iter().any(|p| p.starts_with(expected)), "{expected} in {problems:?}");
        }
    }

    #[test]
    fn wrong_types_in_several_sections_are_all_reported() {
        let text = "[aggregate]\nauthority = 5\nlisten = \"x\"\n[tls]\n[limits]\nbody_bytes = \"much\"\n[links]\nlast_vlan = 0\n";
        let problems = Config::parse(text, Path::new(".")).unwrap_err();
        // What is wrong in the sections that could be read is not kept for another time.
        for expected in ["[aggregate]", "[tls]", "[limits]", "links:", "no [[drivers]]"] {
            assert!(problems.iter().any(|p| p.starts_with(expected)), "{expected} in {problems:?}");
        }
    }

    #[test]
    fn no_two_listeners_share_a_port() {
        let problems = |aggregate: &str, deltacloud: &str, metrics: &str| -> Vec<String> {
            let text = format!(
                "[aggregate]\nauthority = \"am.example.net\"\nlisten = {aggregate:?}\n[deltacloud]\nlisten = {deltacloud:?}\n\
                 users = []\n[metrics]\nlisten = {metrics:?}\n"
            );
            let problems = Config::parse(&text, Path::new(".")).unwrap_err();
            problems.into_iter().filter(|problem| problem.contains("is taken by")).collect()
        };
        assert_eq!(problems("0.0.0.0:443", "127.0.0.1:3001", "127.0.0.1:9180"), [""; 0]);
        assert_eq!(problems("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"), [""; 0]);
        assert_eq!(problems("127.0.0.2:3001", "127.0.0.1:3001", "127.0.0.1:9180"), [""; 0]);
        assert_eq!(problems("0.0.0.0:443", "[::1]:443", "127.0.0.1:9180"), [""; 0]);
        assert_eq!(problems("[::]:443", "127.0.0.1:443", "127.0.0.1:9180").len(), 1);
        let said = "metrics.listen: 127.0.0.1:443 is taken by aggregate.listen (0.0.0.0:443); give each its own port";
        assert_eq!(problems("0.0.0.0:443", "127.0.0.1:3001", "127.0.0.1:443"), [said]);
        assert_eq!(problems("127.0.0.1:7", "127.0.0.1:7", "127.0.0.1:7").len(), 3);
    }

    /// The settings that a section knows, as its refusal of another one lists them.
    fn settings(section: &str) -> Vec<String> {
        let problems = Config::parse(&format!("[{section}]\n\"no such setting\" = 1\n"), Path::new("."));
        let problems = problems.unwrap_err();
        let start = format!("[{section}]: unknown field `no such setting`, expected ");
        let said = problems.iter().find_map(|problem| problem.strip_prefix(&start));
        let said = said.unwrap_or_else(|| panic!("[{section}] takes anything: {problems:?}"));
        said.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_setting_is_described() {
        let page = include_str!("../../../docs/configuration.md");
        let problems = Config::parse("surprise = 1", Path::new(".")).unwrap_err();
        let said = problems.iter().find_map(|problem| problem.split_once("; there are ")).unwrap().1;
        let sections: Vec<&str> = said.split(", ").flat_map(|names| names.split(" and ")).collect();
        assert!(sections.len() >= 10, "{sections:?}");
        // Their members are named by the operator, or by the driver.
        let (free, sections): (Vec<&str>, Vec<&str>) =
            sections.into_iter().partition(|name| ["sliver_types", "drivers"].contains(name));
        assert_eq!(free.len(), 2);
        for section in sections {
            let (_, text) = page.split_once(&format!("\n## `[{section}]`")).expect(section);
            let text = text.split_once("\n## ").map_or(text, |(own, _)| own);
            let rows: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("| ")?.split_once(" | ").map(|(names, _)| names))
                .collect();
            let known = settings(section);
            assert!(!known.is_empty());
            for setting in known {
                let quoted = [format!("`{setting}`"), format!("`[[{section}.{setting}]]`")];
                let described =
                    rows.iter().any(|names| quoted.iter().any(|name| names.contains(name.as_str())));
                assert!(described, "docs/configuration.md says nothing of {section}.{setting}");
            }
        }
    }
}
