//! The clouds behind the aggregate.

use serde::Deserialize;
use std::collections::BTreeSet;

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

/// Takes the drivers out of the file.
pub(super) fn read(table: &mut toml::Table, problems: &mut Vec<String>) -> Vec<DriverSection> {
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
