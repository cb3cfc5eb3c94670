//! The clouds behind the aggregate.

use crate::registry::{self, DriverSettings, SettingsError};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// One `[[drivers]]` entry.
#[derive(Debug, Clone)]
pub struct DriverSection {
    /// Its name in URNs and logs: letters, digits, hyphens.
    pub name: String,
    /// Which kind of driver.
    pub kind: String,
    /// Its own settings. A driver whose settings cannot be read keeps the service from starting, but no command that
    /// only mends the database.
    pub settings: Result<Arc<dyn DriverSettings>, SettingsError>,
}

/// An entry as written.
#[derive(Debug, Deserialize)]
struct Written {
    name: String,
    kind: String,
    /// The members that only the kind knows.
    #[serde(flatten)]
    settings: toml::Table,
}

impl DriverSection {
    /// The settings, where they could be read.
    pub fn read(&self) -> Option<&dyn DriverSettings> {
        self.settings.as_deref().ok()
    }

    /// Everything that is wrong with the driver's own settings, a sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let problems = match &self.settings {
            Ok(settings) => settings.problems(),
            Err(error) => vec![error.to_string()],
        };
        problems.into_iter().map(|problem| format!("{}: {problem}", self.place())).collect()
    }

    /// The entry as messages name it.
    #[must_use]
    pub fn place(&self) -> String {
        format!("[[drivers]] {}", self.name)
    }
}

/// Takes the drivers out of the file.
pub(super) fn read(table: &mut toml::Table, folder: &Path, problems: &mut Vec<String>) -> Vec<DriverSection> {
    let Some(value) = table.remove(super::DRIVERS) else { return Vec::new() };
    let toml::Value::Array(entries) = value else {
        problems.push("drivers: must be written as [[drivers]] entries".to_owned());
        return Vec::new();
    };
    let mut drivers = Vec::new();
    for (number, entry) in entries.into_iter().enumerate() {
        match entry.try_into::<Written>() {
            Ok(Written { name, kind, settings }) => {
                let settings = registry::read(&kind, &name, settings, folder);
                drivers.push(DriverSection { name, kind, settings });
            }
            Err(error) => problems.push(format!("[[drivers]] number {}: {}", number + 1, error.message())),
        }
    }
    drivers
}

/// Checks what all drivers have in common; their own settings are checked by their kind.
pub(super) fn check(drivers: &[DriverSection], problems: &mut Vec<String>) {
    if drivers.is_empty() {
        problems.push("no [[drivers]]: an aggregate needs at least one".to_owned());
    }
    let mut seen = BTreeSet::new();
    for driver in drivers {
        let good =
            !driver.name.is_empty() && driver.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !good {
            problems
                .push(format!("drivers: name {:?} may hold letters, digits and hyphens only", driver.name));
        }
        if !seen.insert(&driver.name) {
            problems.push(format!("drivers: the name {:?} is used twice", driver.name));
        }
    }
}
