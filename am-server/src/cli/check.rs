//! `am-server check`.

use super::Failure;
use crate::inspection::Findings;
use crate::setup::Setup;
use chrono::Utc;
use clap::Args;
use std::path::PathBuf;

/// Say everything that is wrong with a configuration, its certificates and files, or needs attention.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Fail also when something only needs attention.
    #[arg(long)]
    strict: bool,
}

impl Check {
    #[allow(clippy::print_stdout, reason = "the command's answer")]
    pub(super) fn run(self) -> Result<(), Failure> {
        let setup = Setup::load(&self.config)?;
        let found = Findings::of(&setup, &self.config, Utc::now());
        let file = self.config.display();
        let list = |sentences: &[String]| -> String {
            sentences.iter().map(|sentence| format!("\n  - {sentence}")).collect()
        };
        if !found.problems.is_empty() {
            let mut text = format!("{file} cannot be used:{}", list(&found.problems));
            if !found.warnings.is_empty() {
                text.push_str(&format!("\nThis needs attention, too:{}", list(&found.warnings)));
            }
            return Err(text.into());
        }
        let serves = format!(
            "{} would serve {} at {}",
            setup.config.aggregate.listen,
            setup.config.aggregate.authority,
            setup.config.base_url()
        );
        if found.warnings.is_empty() {
            println!("{file} is good: {serves}");
            return Ok(());
        }
        let text =
            format!("{file} can be used, but this needs attention:{}\n{serves}", list(&found.warnings));
        if self.strict {
            return Err(text.into());
        }
        println!("{text}");
        Ok(())
    }
}
