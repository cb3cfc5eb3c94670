//! The configuration of the aggregate: its sections of one TOML file, read once at start-up.
//!
//! Relative paths are taken from the folder the file is in. Every section is read on its own and every
//! value is checked, so that one run of `am-server check` reports all that is wrong and not just the first
//! thing. Each section has a file of its own: its settings, their defaults, and their checks. Every setting is
//! described in `docs/configuration.md`.

mod aggregate;
mod drivers;
mod extensions;
mod host;
mod limits;
mod links;
mod policy;
mod reconcile;
mod tls;
mod volumes;

pub use aggregate::{AggregateSection, LocationSection};
pub use drivers::DriverSection;
pub use extensions::{ExtensionsSection, Unsupported};
pub use host::{BadUrl, BaseUrl, HostKind};
pub use limits::LimitsSection;
pub use links::LinksSection;
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

/// The sections that every aggregate may have, in the order in which messages name them.
pub(crate) const SECTIONS: [&str; 9] =
    ["aggregate", "tls", "limits", "policy", "links", "volumes", "extensions", "sliver_types", "reconcile"];
/// The name of the `[[drivers]]` entries.
pub(crate) const DRIVERS: &str = "drivers";

/// What the aggregate is told by its operator.
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

/// The sections as far as they could be read.
#[derive(Debug)]
pub(crate) struct Sections {
    aggregate: Option<AggregateSection>,
    tls: Option<TlsSection>,
    limits: Option<LimitsSection>,
    policy: Option<PolicySection>,
    sliver_types: Option<BTreeMap<String, String>>,
    links: Option<LinksSection>,
    volumes: Option<VolumesSection>,
    extensions: Option<ExtensionsSection>,
    drivers: Vec<DriverSection>,
    reconcile: Option<ReconcileSection>,
}

impl Sections {
    /// Takes the sections that every aggregate has out of the file, and checks them; `folder` is what relative paths start
    /// from.
    pub(crate) fn take(table: &mut toml::Table, folder: &Path, problems: &mut Vec<String>) -> Self {
        let aggregate: Option<aggregate::Written> = section(table, "aggregate", problems);
        let tls: Option<TlsSection> = section(table, "tls", problems);
        let limits = checked(table, "limits", LimitsSection::check, problems);
        let policy = checked(table, "policy", PolicySection::check, problems);
        let links = checked(table, "links", LinksSection::check, problems);
        let volumes = checked(table, "volumes", VolumesSection::check, problems);
        let extensions = section(table, "extensions", problems);
        let reconcile = checked(table, "reconcile", ReconcileSection::check, problems);
        let sliver_types = section(table, "sliver_types", problems);
        let drivers = drivers::read(table, folder, problems);
        let aggregate = aggregate.and_then(|written| written.read(folder, problems));
        let tls = tls.map(|section| section.within(folder));
        if let Some(section) = &tls {
            section.check(problems);
        }
        drivers::check(&drivers, problems);
        Self { aggregate, tls, limits, policy, sliver_types, links, volumes, extensions, drivers, reconcile }
    }

    /// The address for the AM API.
    pub(crate) fn listen(&self) -> Option<SocketAddr> {
        self.aggregate.as_ref().map(|section| section.listen)
    }

    /// The configuration, if every section could be read.
    pub(crate) fn complete(self) -> Option<Config> {
        Some(Config {
            aggregate: self.aggregate?,
            tls: self.tls?,
            limits: self.limits?,
            policy: self.policy?,
            sliver_types: self.sliver_types?,
            links: self.links?,
            volumes: self.volumes?,
            extensions: self.extensions?,
            drivers: self.drivers,
            reconcile: self.reconcile?,
        })
    }
}

impl Config {
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
    typed_section(name, value, problems)
}

/// Gives a section of the file its type, or names what is wrong with it.
pub(crate) fn typed_section<T: DeserializeOwned>(
    name: &str,
    value: toml::Value,
    problems: &mut Vec<String>,
) -> Option<T> {
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
