//! The kind `mock`: a cloud without machines, kept in a database of its own.

use super::{DriverSettings, Kind, SettingsError, Written};
use drivers::ComputeDriver;
use drivers::mock::{MockConfig, MockDriver};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) const KIND: Kind = Kind { name: "mock", read };

/// The settings as written.
#[derive(Debug, Deserialize)]
struct MockWritten {
    /// The driver's file.
    database: PathBuf,
    #[serde(flatten)]
    mock: toml::Table,
}

/// The settings of a `mock` driver.
#[derive(Debug)]
struct MockSettings {
    database: PathBuf,
    mock: MockConfig,
}

fn read(written: Written<'_>) -> Result<Arc<dyn DriverSettings>, SettingsError> {
    let MockWritten { database, mock } = written.settings.try_into()?;
    Ok(Arc::new(MockSettings { database: written.folder.join(database), mock: mock.try_into()? }))
}

impl DriverSettings for MockSettings {
    fn problems(&self) -> Vec<String> {
        self.mock.problems().into_iter().map(|it| format!("{}: {}", it.place, it.why)).collect()
    }

    fn open(&self) -> Result<Arc<dyn ComputeDriver>, String> {
        let driver = MockDriver::open(&self.database, self.mock.clone());
        Ok(Arc::new(driver.map_err(|error| error.to_string())?))
    }

    fn hardware_profiles(&self) -> Option<Vec<String>> {
        Some(self.mock.hardware_profiles.iter().map(|profile| profile.id.clone()).collect())
    }

    fn databases(&self) -> Vec<(&'static str, PathBuf)> {
        vec![("database", self.database.clone())]
    }

    fn is_simulated(&self) -> bool {
        true
    }
}
