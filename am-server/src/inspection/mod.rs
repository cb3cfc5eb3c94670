//! What is wrong with a configuration, and what needs attention, found before anybody is served.
//!
//! A *problem* keeps the service from starting: `check` fails, and `serve` ends with the same words. A *warning* does not,
//! but something of the configuration cannot do its work, or soon will not, or is open to others. `check` lists both,
//! `serve` logs the warnings, and `init` ends with them.

mod certificates;
mod files;

pub use certificates::watched;

use crate::config::{Config, DriverSection};
use crate::setup::Setup;
use crate::trust;
use chrono::{DateTime, Utc};
use std::path::Path;
use std::sync::Arc;

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What keeps the service from starting, a sentence each.
    pub problems: Vec<String>,
    /// What needs attention, a sentence each.
    pub warnings: Vec<String>,
}

impl Findings {
    /// Looks into everything that the configuration in `file` names. Nothing is opened for writing, and no cloud is
    /// asked.
    #[must_use]
    pub fn of(setup: &Setup, file: &Path, now: DateTime<Utc>) -> Self {
        let mut problems = problems(setup);
        files::databases(&setup.config, &mut problems);
        Self { problems, warnings: warnings(setup, file, now) }
    }
}

/// What needs attention of a certificate and a key that were named on the command line, a sentence each.
#[must_use]
pub fn of_pair(certificate: &Path, key: &Path, now: DateTime<Utc>) -> Vec<String> {
    let mut warnings = Vec::new();
    certificates::chain("--tls-cert", certificate, now, &mut warnings);
    files::secret("--tls-key", key, &mut warnings);
    warnings
}

fn problems(setup: &Setup) -> Vec<String> {
    let config = &setup.config;
    let mut problems = Vec::new();
    let roots = trust::roots(config).map(Arc::new);
    problems.extend(roots.as_ref().err().map(ToString::to_string));
    problems.extend(config.drivers.iter().flat_map(DriverSection::problems));
    problems.extend(alias_problems(config));
    let apis = setup.apis.iter().filter_map(|api| api.settings.problem(roots.as_ref().ok()));
    problems.extend(apis.map(|error| error.to_string()));
    problems
}

/// What needs attention in a configuration that the service starts with, a sentence each; `file` is where it was read.
#[must_use]
pub fn warnings(setup: &Setup, file: &Path, now: DateTime<Utc>) -> Vec<String> {
    let config = &setup.config;
    let mut warnings = config.aggregate.warnings();
    certificates::server(config, now, &mut warnings);
    certificates::apis(&setup.apis, now, &mut warnings);
    certificates::roots(config, file, now, &mut warnings);
    files::permissions(setup, file, &mut warnings);
    warnings
}

/// Sliver types that stand for hardware profiles no driver has. Nothing is said while a driver has to be asked for its
/// profiles.
fn alias_problems(config: &Config) -> Vec<String> {
    let known = config.drivers.iter().map(|driver| driver.read()?.hardware_profiles());
    let Some(known) = known.collect::<Option<Vec<_>>>().map(|all| all.concat()) else { return Vec::new() };
    config
        .sliver_types
        .iter()
        .filter(|(_, profile)| !known.contains(profile))
        .map(|(alias, profile)| {
            format!(
                "sliver_types.{alias}: no driver has a hardware profile {profile:?}; there are {}",
                known.join(", ")
            )
        })
        .collect()
}
