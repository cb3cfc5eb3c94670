//! The command line.

use crate::bare::BareServer;
use crate::cloud::CloudClient;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Measures a GENI aggregate against its targets.
///
/// Without --url everything is measured that there is: servers are started as they are needed, each figure is taken
/// beside its baseline, and the table of targets is printed at the end. With --url only the load on that aggregate
/// is measured.
#[derive(Debug, Parser)]
#[command(name = "bench", version, max_term_width = 100)]
pub struct Arguments {
    /// What else this program can be.
    #[command(subcommand)]
    pub role: Option<Role>,
    /// What to measure.
    #[command(flatten)]
    pub run: Run,
}

/// The servers that are measured are this program too, in processes of their own.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Be the bare server.
    #[command(hide = true)]
    BareServer(BareServer),
    /// Be a client of the Deltacloud face.
    #[command(hide = true)]
    CloudClient(CloudClient),
}

/// A run of measurements.
#[derive(Debug, Args)]
pub struct Run {
    /// Under one minute: shorter rounds, smaller databases, and only what the targets need.
    #[arg(long)]
    pub quick: bool,
    /// Write everything that was measured to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keep databases and logs in this folder instead of a temporary one. It has to be on a real disk: durable
    /// commits are measured there.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Measure this build of am-server instead of the one this program holds itself.
    #[arg(long, value_name = "PROGRAM")]
    pub server: Option<PathBuf>,
    /// Put load on the aggregate at this URL, https://HOST:PORT/PATH, and start no server.
    #[arg(long, requires_all = ["cert", "key", "credentials"])]
    pub url: Option<String>,
    /// The caller's certificate with its chain, PEM.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub cert: Option<PathBuf>,
    /// The caller's key, PEM.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub key: Option<PathBuf>,
    /// A folder with the caller's credentials (*.xml): one over itself, for ListResources, and slice credentials for
    /// everything else. The slices should be empty; they are allocated and deleted.
    #[arg(long, value_name = "DIR", requires = "url")]
    pub credentials: Option<PathBuf>,
    /// Only measurements whose name holds this word (with --url, only such operations); without it, all.
    #[arg(long, value_name = "WORD")]
    pub only: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        assert!(Arguments::try_parse_from(["bench", "--url", "https://x"]).is_err());
        assert!(Arguments::try_parse_from(["bench", "--quick", "--json", "f"]).is_ok());
    }
}
