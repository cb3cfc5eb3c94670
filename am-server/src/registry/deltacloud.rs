//! The kind `deltacloud`: a cloud behind a server that speaks the Deltacloud API.

use super::{DriverSettings, Kind, SettingsError, Written};
use crate::secrets::{PasswordError, PasswordSource};
use drivers::deltacloud::{DeltacloudConfig, DeltacloudDriver};
use drivers::{ComputeDriver, Secret};
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(super) const KIND: Kind = Kind { name: "deltacloud", read };

/// Every setting of the kind.
const KNOWN: [&str; 10] = [
    "url",
    "user",
    "password_file",
    "password_env",
    "driver",
    "provider",
    "timeout",
    "answer_bytes",
    "keep_alive",
    "insecure",
];
/// An answer shorter than the entry point's is none; one of a gigabyte fits into memory no more than a few times.
const ANSWER_BYTES: RangeInclusive<usize> = 64 << 10..=1 << 30;
/// Seconds.
const TIMEOUT: RangeInclusive<f64> = 0.1..=3600.0;

/// The settings as written.
#[derive(Debug, Deserialize)]
struct DeltacloudWritten {
    /// Entry point of the server.
    url: String,
    /// User of the cloud behind it.
    user: String,
    #[serde(flatten)]
    password: PasswordSource,
    /// Which of the server's drivers to use.
    driver: Option<String>,
    /// Which of that driver's providers to use.
    provider: Option<String>,
    /// Seconds to wait for an answer.
    timeout: Option<f64>,
    /// The most bytes of an answer that are read.
    answer_bytes: Option<usize>,
    /// Whether several requests go over one connection.
    keep_alive: Option<bool>,
    /// Whether the password may go to another machine in the clear.
    insecure: Option<bool>,
}

/// The settings of a `deltacloud` driver.
#[derive(Debug)]
struct DeltacloudSettings {
    /// Everything but the password, which is read only when it is needed.
    config: DeltacloudConfig,
    password: PasswordSource,
    folder: PathBuf,
}

fn read(written: Written<'_>) -> Result<Arc<dyn DriverSettings>, SettingsError> {
    Ok(Arc::new(DeltacloudSettings::read(written)?))
}

impl DeltacloudSettings {
    fn read(written: Written<'_>) -> Result<Self, SettingsError> {
        if let Some(unknown) = written.settings.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(SettingsError::UnknownField { field: unknown.clone(), known: &KNOWN });
        }
        let settings: DeltacloudWritten = written.settings.try_into()?;
        let usual = DeltacloudConfig::new(settings.url, settings.user, Secret::new(""));
        let timeout = settings.timeout.unwrap_or(usual.timeout.as_secs_f64());
        if !TIMEOUT.contains(&timeout) {
            let (setting, bounds) = ("timeout", "0.1 and 3600 seconds".to_owned());
            return Err(SettingsError::Bounds { setting, value: timeout.to_string(), bounds });
        }
        let answer_bytes = settings.answer_bytes.unwrap_or(usual.answer_bytes);
        if !ANSWER_BYTES.contains(&answer_bytes) {
            let (least, most) = ANSWER_BYTES.into_inner();
            let (setting, bounds) = ("answer_bytes", format!("{least} and {most}"));
            return Err(SettingsError::Bounds { setting, value: answer_bytes.to_string(), bounds });
        }
        let config = DeltacloudConfig {
            name: written.name.to_owned(),
            driver: settings.driver,
            provider: settings.provider,
            timeout: Duration::from_secs_f64(timeout),
            answer_bytes,
            keep_alive: settings.keep_alive.unwrap_or(usual.keep_alive),
            insecure: settings.insecure.unwrap_or(usual.insecure),
            ..usual
        };
        Ok(Self { config, password: settings.password, folder: written.folder.to_owned() })
    }

    /// The whole configuration of the driver, with the password from where it is kept.
    fn config(&self) -> Result<DeltacloudConfig, PasswordError> {
        Ok(DeltacloudConfig { password: self.password.read(&self.folder)?, ..self.config.clone() })
    }
}

impl DriverSettings for DeltacloudSettings {
    fn problems(&self) -> Vec<String> {
        match self.config() {
            Ok(config) => config.problem().into_iter().collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    fn open(&self) -> Result<Arc<dyn ComputeDriver>, String> {
        let config = self.config().map_err(|error| error.to_string())?;
        let driver = DeltacloudDriver::new(config).map_err(|error| error.to_string())?;
        Ok(Arc::new(driver))
    }

    fn secret_files(&self) -> Vec<(&'static str, PathBuf)> {
        let file = self.password.password_file.iter();
        file.map(|file| ("password_file", self.folder.join(file))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of a driver of this kind, with a password from a file.
    fn settings(text: &str) -> Result<DeltacloudConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "p").unwrap();
        let text = format!("user = 'u'\npassword_file = 'password'\n{text}");
        let settings = toml::from_str(&text).unwrap();
        let written = Written { name: "cloud", settings, folder: folder.path() };
        let read = DeltacloudSettings::read(written).map_err(|error| error.to_string())?;
        read.config().map_err(|error| error.to_string())
    }

    #[test]
    fn a_cloud_is_read_within_bounds_and_over_a_connection_for_each_request_unless_set_otherwise() {
        let usual = settings("url = 'https://cloud.example/api'").unwrap();
        assert_eq!((usual.answer_bytes, usual.keep_alive, usual.insecure), (64 << 20, false, false));
        assert_eq!((usual.name.as_str(), usual.password.expose()), ("cloud", "p"));
        let set =
            "url = 'http://cloud.example/api'\nanswer_bytes = 1000000\nkeep_alive = true\ninsecure = true";
        let set = settings(set).unwrap();
        assert_eq!((set.answer_bytes, set.keep_alive, set.insecure), (1_000_000, true, true));
        assert_eq!(set.problem(), None);
        for wrong in ["0", "65535", "1073741825"] {
            let error = settings(&format!("url = 'https://cloud.example/api'\nanswer_bytes = {wrong}"));
            assert!(error.unwrap_err().contains("answer_bytes"), "{wrong}");
        }
    }

    #[test]
    fn a_password_in_the_clear_is_a_problem_that_a_check_names() {
        let clear = settings("url = 'http://cloud.example/api'").unwrap();
        assert!(clear.problem().is_some_and(|problem| problem.contains("insecure = true")));
    }
}
