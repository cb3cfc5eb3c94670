//! The configuration: one TOML file, read once at start-up.
//!
//! Relative paths are taken from the folder the file is in. Every section is read on its own and every
//! value is checked, so that one run of `am-server check` reports all that is wrong and not just the first
//! thing.

mod volumes;

use crate::secrets::PasswordSource;
use chrono::TimeDelta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use urn::{Authority, Urn};
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
    /// The clouds behind the aggregate.
    pub drivers: Vec<DriverSection>,
    /// How often the reconciler looks at everything.
    pub reconcile: ReconcileSection,
    /// The Deltacloud REST API over the same drivers; absent: it is not served.
    pub deltacloud: Option<DeltacloudSection>,
    /// Figures and health for monitoring; absent: they are not served.
    pub metrics: Option<MetricsSection>,
}

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

/// `[tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// Server certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Folder of trusted root certificates, PEM, `*.pem` and `*.crt`.
    pub trusted_roots: PathBuf,
    /// Accept certificates signed with SHA-1.
    #[serde(default)]
    pub allow_sha1_certificates: bool,
    /// Accept RSA keys of 1024 to 2047 bits.
    #[serde(default)]
    pub allow_1024_bit_keys: bool,
}

/// `[limits]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Largest request body, in bytes, also after decompression.
    pub body_bytes: usize,
    /// Connections at once; further ones wait in the listen queue.
    pub connections: usize,
    /// Seconds a handshake or a request's body may each take.
    pub request_seconds: u64,
    /// Seconds until a connection has sent the headers of its next request, or taken the next part of an answer.
    pub idle_seconds: u64,
    /// Verified credentials remembered.
    pub remembered_credentials: usize,
    /// Nodes and links one RSpec may ask for.
    pub slivers_per_call: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            connections: 8192,
            request_seconds: 30,
            idle_seconds: 300,
            remembered_credentials: 4096,
            slivers_per_call: 20_000,
        }
    }
}

/// `[policy]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySection {
    /// Minutes a sliver stays geni_allocated before it is freed.
    pub allocated_minutes: u32,
    /// Days a provisioned sliver lives when no end time is asked for.
    pub provisioned_days: u32,
    /// Days from now that a renewal may reach.
    pub renewal_days: u32,
    /// `geni_single_allocation`: a slice's slivers move through Provision, Update and Cancel together.
    pub single_allocation: bool,
    /// `geni_allocate`: `geni_single`, `geni_disjoint` or `geni_many`.
    pub allocate: String,
}

impl Default for PolicySection {
    fn default() -> Self {
        Self {
            allocated_minutes: 10,
            provisioned_days: 7,
            renewal_days: 90,
            single_allocation: false,
            allocate: "geni_many".to_owned(),
        }
    }
}

/// `[links]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinksSection {
    /// First VLAN tag to give out.
    pub first_vlan: u16,
    /// Last VLAN tag to give out.
    pub last_vlan: u16,
}

impl Default for LinksSection {
    fn default() -> Self {
        Self { first_vlan: 100, last_vlan: 3999 }
    }
}

/// `[reconcile]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconcileSection {
    /// Seconds between passes while slivers are on their way somewhere.
    pub busy_seconds: f64,
    /// Seconds between full comparisons of all slivers with all instances.
    pub full_seconds: f64,
}

impl Default for ReconcileSection {
    fn default() -> Self {
        Self { busy_seconds: 1.0, full_seconds: 60.0 }
    }
}

/// `[deltacloud]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeltacloudSection {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Certificate chain, PEM. Without one the address must be one of this machine's own.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// Who may use it.
    pub users: Vec<UserSection>,
}

/// `[metrics]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSection {
    /// Address and port to listen on, in plain HTTP: one of this machine's own.
    pub listen: SocketAddr,
}

/// One of `[[deltacloud.users]]`.
#[derive(Debug, Clone, Deserialize)]
pub struct UserSection {
    /// The name the user logs in by.
    pub name: String,
    /// Where the password is kept.
    #[serde(flatten)]
    pub password: PasswordSource,
}

/// One `[[drivers]]` entry.
#[derive(Debug, Clone, Deserialize)]
pub struct DriverSection {
    /// Its name in URNs and logs: letters, digits, hyphens.
    pub name: String,
    /// Which driver: `mock` or `deltacloud`.
    pub kind: String,
    /// Whatever that driver is configured with.
    #[serde(flatten)]
    pub settings: toml::Table,
}

fn default_database() -> PathBuf {
    PathBuf::from("am.sqlite")
}

fn yes() -> bool {
    true
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
        let aggregate: Option<AggregateSection> = section(&mut table, "aggregate", &mut problems);
        let tls: Option<TlsSection> = section(&mut table, "tls", &mut problems);
        let limits: Option<LimitsSection> = section(&mut table, "limits", &mut problems);
        let policy: Option<PolicySection> = section(&mut table, "policy", &mut problems);
        let links: Option<LinksSection> = section(&mut table, "links", &mut problems);
        let volumes: Option<VolumesSection> = section(&mut table, "volumes", &mut problems);
        let reconcile: Option<ReconcileSection> = section(&mut table, "reconcile", &mut problems);
        let sliver_types: Option<BTreeMap<String, String>> =
            section(&mut table, "sliver_types", &mut problems);
        let deltacloud: Option<DeltacloudSection> = optional(&mut table, "deltacloud", &mut problems);
        let metrics: Option<MetricsSection> = optional(&mut table, "metrics", &mut problems);
        let drivers = drivers(&mut table, &mut problems);
        for unknown in table.keys() {
            problems.push(format!(
                "[{unknown}] is not a section; there are aggregate, tls, limits, policy, links, volumes, sliver_types, \
                 reconcile, deltacloud, metrics and drivers"
            ));
        }
        let (
            Some(mut aggregate),
            Some(mut tls),
            Some(limits),
            Some(policy),
            Some(links),
            Some(volumes),
            Some(reconcile),
            Some(sliver_types),
        ) = (aggregate, tls, limits, policy, links, volumes, reconcile, sliver_types)
        else {
            return Err(problems);
        };
        for path in [&mut aggregate.database, &mut tls.certificate, &mut tls.key, &mut tls.trusted_roots] {
            *path = folder.join(&*path);
        }
        let deltacloud = deltacloud.map(|section| section.within(folder));
        let config = Self {
            aggregate,
            tls,
            limits,
            policy,
            sliver_types,
            links,
            volumes,
            drivers,
            reconcile,
            deltacloud,
            metrics,
        };
        config.check(&mut problems);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn check(&self, problems: &mut Vec<String>) {
        if let Err(error) = Authority::parse(&self.aggregate.authority) {
            problems.push(format!("aggregate.authority: {error}"));
        }
        for operator in &self.aggregate.operators {
            if let Err(error) = Urn::parse(operator) {
                problems.push(format!("aggregate.operators: {error}"));
            }
        }
        match &self.aggregate.url {
            Some(url) => {
                let host = url.strip_prefix("https://").map(|rest| rest.trim_end_matches('/')).unwrap_or_default();
                if host.is_empty() || host.contains('/') || host.contains(char::is_whitespace) {
                    problems.push(format!("aggregate.url: {url:?} must be an https:// URL without a path"));
                }
            }
            None if self.aggregate.listen.ip().is_unspecified() => problems.push(format!(
                "aggregate.url: is needed, since nobody can reach the service by the address {} that it listens on",
                self.aggregate.listen
            )),
            None => {}
        }
        for (name, path) in [("certificate", &self.tls.certificate), ("key", &self.tls.key)] {
            if !path.is_file() {
                problems.push(format!("tls.{name}: there is no file {}", path.display()));
            }
        }
        if !self.tls.trusted_roots.is_dir() {
            problems
                .push(format!("tls.trusted_roots: there is no folder {}", self.tls.trusted_roots.display()));
        }
        if self.limits.body_bytes < 64 << 10 {
            problems.push(format!(
                "limits.body_bytes: {} is too small for real credentials; 65536 at least",
                self.limits.body_bytes
            ));
        }
        for (name, value) in [
            ("limits.connections", self.limits.connections),
            ("limits.slivers_per_call", self.limits.slivers_per_call),
            ("limits.remembered_credentials", self.limits.remembered_credentials),
            ("limits.request_seconds", usize::try_from(self.limits.request_seconds).unwrap_or(usize::MAX)),
            ("limits.idle_seconds", usize::try_from(self.limits.idle_seconds).unwrap_or(usize::MAX)),
            ("policy.allocated_minutes", self.policy.allocated_minutes as usize),
            ("policy.provisioned_days", self.policy.provisioned_days as usize),
            ("policy.renewal_days", self.policy.renewal_days as usize),
        ] {
            if value == 0 {
                problems.push(format!("{name}: must be at least 1"));
            }
        }
        if self.policy.allocate_mode().is_none() {
            problems.push(format!(
                "policy.allocate: {:?} is not one of geni_single, geni_disjoint, geni_many",
                self.policy.allocate
            ));
        }
        let (first, last) = (self.links.first_vlan, self.links.last_vlan);
        if first < 1 || last > 4094 || first > last {
            problems.push(format!("links: VLAN tags {first} to {last} are not a range within 1 to 4094"));
        }
        for (name, seconds) in
            [("busy_seconds", self.reconcile.busy_seconds), ("full_seconds", self.reconcile.full_seconds)]
        {
            if !(0.01..=86_400.0).contains(&seconds) {
                problems.push(format!("reconcile.{name}: {seconds} is not between 0.01 and 86400"));
            }
        }
        self.volumes.check(problems);
        if let Some(section) = &self.deltacloud {
            section.check(problems);
        }
        if let Some(MetricsSection { listen }) = self.metrics
            && !listen.ip().is_loopback()
        {
            problems.push(format!(
                "metrics.listen: {listen} can be reached from other machines, and there is no login: listen on 127.0.0.1"
            ));
        }
        if self.drivers.is_empty() {
            problems.push("no [[drivers]]: an aggregate needs at least one".to_owned());
        }
        let mut seen = std::collections::BTreeSet::new();
        for driver in &self.drivers {
            let good = !driver.name.is_empty()
                && driver.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !good {
                problems.push(format!(
                    "drivers: name {:?} may hold letters, digits and hyphens only",
                    driver.name
                ));
            }
            if !seen.insert(&driver.name) {
                problems.push(format!("drivers: the name {:?} is used twice", driver.name));
            }
        }
    }

    /// The authority of this aggregate's URNs.
    ///
    /// # Panics
    /// Never: the authority was checked when the configuration was read.
    #[must_use]
    #[allow(clippy::expect_used, reason = "checked by Config::check")]
    pub fn authority(&self) -> Authority {
        Authority::parse(&self.aggregate.authority).expect("checked when read")
    }

    /// The VLAN tags that links are given.
    #[must_use]
    pub fn vlans(&self) -> std::ops::RangeInclusive<u16> {
        self.links.first_vlan..=self.links.last_vlan
    }

    /// The URL clients reach the service by, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        match &self.aggregate.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://{}", self.aggregate.listen),
        }
    }
}

impl DeltacloudSection {
    /// The same with paths that start from `folder`.
    fn within(mut self, folder: &Path) -> Self {
        let files = self.users.iter_mut().map(|user| &mut user.password.password_file);
        for path in files.chain([&mut self.certificate, &mut self.key]).flatten() {
            *path = folder.join(&*path);
        }
        self
    }

    fn check(&self, problems: &mut Vec<String>) {
        if self.certificate.is_some() != self.key.is_some() {
            problems.push("deltacloud: certificate and key go together".to_owned());
        }
        if self.certificate.is_none() && !self.listen.ip().is_loopback() {
            problems.push(format!(
                "deltacloud.listen: {} can be reached from other machines: give it a certificate and a key, or \
                 listen on 127.0.0.1",
                self.listen
            ));
        }
        if self.users.is_empty() {
            problems.push("deltacloud.users: without users nobody could use it".to_owned());
        }
        for user in &self.users {
            if user.name.is_empty() || user.name.contains(':') || user.name.contains(char::is_control) {
                problems.push(format!("deltacloud.users: {:?} cannot be a user's name", user.name));
            }
            if let Err(problem) = user.password.read(Path::new("")) {
                problems.push(format!("deltacloud.users {}: {problem}", user.name));
            }
        }
    }
}

impl PolicySection {
    /// `allocate` as the state machine knows it; None when it is not one of the three.
    #[must_use]
    pub fn allocate_mode(&self) -> Option<state::AllocateMode> {
        match self.allocate.as_str() {
            "geni_single" => Some(state::AllocateMode::Single),
            "geni_disjoint" => Some(state::AllocateMode::Disjoint),
            "geni_many" => Some(state::AllocateMode::Many),
            _ => None,
        }
    }

    /// How long an allocated sliver is kept.
    #[must_use]
    pub fn allocated_for(&self) -> TimeDelta {
        TimeDelta::minutes(i64::from(self.allocated_minutes))
    }

    /// How long a provisioned sliver lives by default.
    #[must_use]
    pub fn provisioned_for(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.provisioned_days))
    }

    /// How far ahead a renewal may reach.
    #[must_use]
    pub fn renewal_for(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.renewal_days))
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

/// Takes a section out of the file that means something by being there.
fn optional<T: DeserializeOwned>(
    table: &mut toml::Table,
    name: &str,
    problems: &mut Vec<String>,
) -> Option<T> {
    table.contains_key(name).then(|| section(table, name, problems)).flatten()
}

fn drivers(table: &mut toml::Table, problems: &mut Vec<String>) -> Vec<DriverSection> {
    let Some(value) = table.remove("drivers") else { return Vec::new() };
    let toml::Value::Array(entries) = value else {
        problems.push("drivers: must be written as [[drivers]] entries".to_owned());
        return Vec::new();
    };
    let mut drivers = Vec::new();
    for (number, entry) in entries.into_iter().enumerate() {
        match entry.try_into::<DriverSection>() {
            Ok(driver) => drivers.push(driver),
            Err(error) => problems.push(format!("[[drivers]] number {}: {}", number + 1, error.message())),
        }
    }
    drivers
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
        let text = "[aggregate]\nauthority = 5\nlisten = \"x\"\n[tls]\n[limits]\nbody_bytes = \"much\"\n";
        let problems = Config::parse(text, Path::new(".")).unwrap_err();
        for expected in ["[aggregate]", "[tls]", "[limits]"] {
            assert!(problems.iter().any(|p| p.starts_with(expected)), "{expected} in {problems:?}");
        }
    }
}
