//! The registry of driver kinds: each registers how its settings are read, what is wrong with them, and how it is opened.
//!
//! A kind is one file of this folder and one line of [`KINDS`]. Its settings are read once, into a type that keeps them;
//! `check` and `serve` then ask that type. Nothing else in the project knows the kinds by name.

mod deltacloud;
mod mock;

use drivers::ComputeDriver;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every kind there is, in the order in which messages name them.
const KINDS: [Kind; 2] = [mock::KIND, deltacloud::KIND];

/// A kind of driver.
struct Kind {
    /// The value of `kind` in a `[[drivers]]` entry.
    name: &'static str,
    /// Reads the settings of an entry of this kind.
    read: fn(Written<'_>) -> Result<Arc<dyn DriverSettings>, SettingsError>,
}

/// The settings of one `[[drivers]]` entry as written.
struct Written<'a> {
    /// The driver's configured name.
    name: &'a str,
    /// The members of the entry without `name` and `kind`.
    settings: toml::Table,
    /// The folder that relative paths start from.
    folder: &'a Path,
}

/// The settings of one driver, read.
pub trait DriverSettings: fmt::Debug + Send + Sync {
    /// Everything that is wrong with values that could be read, a sentence each. No server is asked.
    fn problems(&self) -> Vec<String>;

    /// Opens the driver. A server that it is the client of is not asked yet: it may be away.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    fn open(&self) -> Result<Arc<dyn ComputeDriver>, String>;

    /// The ids of the hardware profiles, where the settings tell them; `None` where only the driver can.
    fn hardware_profiles(&self) -> Option<Vec<String>> {
        None
    }

    /// The SQLite databases that the driver keeps, each with the setting that names it.
    fn databases(&self) -> Vec<(&'static str, PathBuf)> {
        Vec::new()
    }

    /// The files with secrets, each with the setting that names it.
    fn secret_files(&self) -> Vec<(&'static str, PathBuf)> {
        self.databases()
    }

    /// Whether the driver's machines are simulated.
    fn is_simulated(&self) -> bool {
        false
    }
}

/// Why the settings of a driver cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No driver is of this kind.
    #[error("kind {0:?} is not known; there are {kinds}", kinds = kinds())]
    UnknownKind(String),
    /// The kind has no such setting.
    #[error("unknown field `{field}`; there are {}", known.join(", "))]
    UnknownField {
        /// The setting as written.
        field: String,
        /// The settings there are.
        known: &'static [&'static str],
    },
    /// A setting is missing, or its value is of another type; the text names it.
    #[error("{0}")]
    Format(String),
    /// A number is not within its bounds.
    #[error("{setting}: {value} is not between {bounds}")]
    Bounds {
        /// The setting.
        setting: &'static str,
        /// The number as written.
        value: String,
        /// The least and the greatest, with their unit.
        bounds: String,
    },
}

impl From<toml::de::Error> for SettingsError {
    fn from(error: toml::de::Error) -> Self {
        Self::Format(error.message().to_owned())
    }
}

/// Reads the settings of the driver `name`, which is of this kind; `folder` is what relative paths start from.
///
/// # Errors
/// [`SettingsError`].
pub fn read(
    kind: &str,
    name: &str,
    settings: toml::Table,
    folder: &Path,
) -> Result<Arc<dyn DriverSettings>, SettingsError> {
    let known = KINDS.iter().find(|known| known.name == kind);
    let known = known.ok_or_else(|| SettingsError::UnknownKind(kind.to_owned()))?;
    (known.read)(Written { name, settings, folder })
}

/// The names of the kinds, as messages list them.
fn kinds() -> String {
    KINDS.map(|kind| kind.name).join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names_of_their_own_and_an_unknown_one_is_told_them() {
        let error = read("moc", "lab", toml::Table::new(), Path::new("")).unwrap_err();
        assert_eq!(error.to_string(), "kind \"moc\" is not known; there are mock and deltacloud");
        for kind in KINDS {
            assert_eq!(KINDS.iter().filter(|other| other.name == kind.name).count(), 1, "{}", kind.name);
            // Both kinds need settings: the refusal comes from the kind, not from the registry.
            let error = read(kind.name, "lab", toml::Table::new(), Path::new("")).unwrap_err();
            assert!(matches!(error, SettingsError::Format(_)), "{error}");
        }
    }
}
