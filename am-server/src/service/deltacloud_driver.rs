//! The settings of a `deltacloud` driver.

use crate::config::DriverSection;
use crate::secrets::PasswordSource;
use drivers::deltacloud::DeltacloudConfig;
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

/// What a `deltacloud` driver is configured with.
#[derive(Debug, Deserialize)]
struct DeltacloudSettings {
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

/// Reads the settings of a `deltacloud` driver without connecting.
///
/// # Errors
/// What is wrong with them.
pub fn deltacloud_settings(section: &DriverSection, folder: &Path) -> Result<DeltacloudConfig, String> {
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
    // An answer shorter than the entry point's is none; one of a gigabyte fits into memory no more than a few times.
    const ANSWER_BYTES: RangeInclusive<usize> = 64 << 10..=1 << 30;
    if let Some(unknown) = section.settings.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("unknown field `{unknown}`; there are {}", KNOWN.join(", ")));
    }
    let settings: DeltacloudSettings =
        section.settings.clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let timeout = settings.timeout.unwrap_or(30.0);
    if !(0.1..=3600.0).contains(&timeout) {
        return Err(format!("timeout: {timeout} is not between 0.1 and 3600 seconds"));
    }
    let password = settings.password.read(folder).map_err(|error| error.to_string())?;
    let usual = DeltacloudConfig::new(settings.url, settings.user, password);
    let answer_bytes = settings.answer_bytes.unwrap_or(usual.answer_bytes);
    if !ANSWER_BYTES.contains(&answer_bytes) {
        let (least, most) = ANSWER_BYTES.into_inner();
        return Err(format!("answer_bytes: {answer_bytes} is not between {least} and {most}"));
    }
    Ok(DeltacloudConfig {
        name: section.name.clone(),
        driver: settings.driver,
        provider: settings.provider,
        timeout: Duration::from_secs_f64(timeout),
        answer_bytes,
        keep_alive: settings.keep_alive.unwrap_or(usual.keep_alive),
        insecure: settings.insecure.unwrap_or(usual.insecure),
        ..usual
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of a driver of this kind, with a password from a file.
    fn settings(text: &str) -> Result<DeltacloudConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "p").unwrap();
        let text =
            format!("name = 'cloud'\nkind = 'deltacloud'\nuser = 'u'\npassword_file = 'password'\n{text}");
        deltacloud_settings(&toml::from_str(&text).unwrap(), folder.path())
    }

    #[test]
    fn a_cloud_is_read_within_bounds_and_over_a_connection_for_each_request_unless_set_otherwise() {
        let usual = settings("url = 'https://cloud.example/api'").unwrap();
        assert_eq!((usual.answer_bytes, usual.keep_alive, usual.insecure), (64 << 20, false, false));
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
