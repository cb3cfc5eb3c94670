//! `am-server check`.

use super::Failure;
use crate::config::Config;
use crate::faces::geni::tls;
use crate::service;
use clap::Args;
use std::path::PathBuf;
use std::sync::Arc;

/// Say everything that is wrong with a configuration.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Check {
    #[allow(clippy::print_stdout, reason = "the command's answer")]
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Config::load(&self.config)?;
        let mut problems = Vec::new();
        match service::roots(&config) {
            Err(error) => problems.push(error.to_string()),
            Ok(roots) => {
                if let Err(error) =
                    tls::server_config(&config.tls.certificate, &config.tls.key, Arc::new(roots))
                {
                    problems.push(format!("tls: {error}"));
                }
            }
        }
        let folder = self.config.parent().map(PathBuf::from).unwrap_or_default();
        for section in &config.drivers {
            problems.extend(service::driver_problems(section, &folder));
        }
        problems.extend(service::alias_problems(&config));
        problems.extend(service::deltacloud_problems(&config));
        if problems.is_empty() {
            println!(
                "{} is good: {} would serve {}",
                self.config.display(),
                config.aggregate.listen,
                config.aggregate.authority
            );
            return Ok(());
        }
        let list: String = problems.iter().map(|problem| format!("\n  - {problem}")).collect();
        Err(format!("{} cannot be used:{list}", self.config.display()).into())
    }
}
