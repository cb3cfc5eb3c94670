//! The command line: one file per command.

mod check;
mod client;
mod credential;
mod deltacloud;
mod demo;
mod init;
mod log;
mod release;
mod restore;
mod serve;

use clap::{Parser, Subcommand};
use log::to_stderr as log_to_stderr;
use std::path::PathBuf;
use std::process::ExitCode;

/// A GENI aggregate manager.
#[derive(Debug, Parser)]
#[command(name = "am-server", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a folder with a configuration, certificates and a development authority.
    Init(init::Init),
    /// Mint credentials with the development authority of a folder.
    #[command(subcommand)]
    Credential(credential::Credential),
    /// Run the service in the foreground.
    Serve(serve::Serve),
    /// Say everything that is wrong with a configuration, its certificates and files, or needs attention.
    Check(check::Check),
    /// Lift the shutdown of a slice; the service must not be running.
    Restore(restore::Restore),
    /// Release the name of a slice that was shut down; the service must not be running.
    Release(release::Release),
    /// Serve the Deltacloud REST API over one driver, without an aggregate.
    Deltacloud(deltacloud::Deltacloud),
    /// Run the service and a first experiment against it, then keep serving.
    Demo(demo::Demo),
}

/// A command that did not work, in words for the person who typed it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The folder of a development authority.
#[derive(Debug, Clone, clap::Args)]
struct InFolder {
    /// The folder made by `init`.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Runs the command that was typed.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Init(command) => command.run(),
        Command::Credential(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Restore(command) => command.run(),
        Command::Release(command) => command.run(),
        Command::Deltacloud(command) => command.run(),
        Command::Demo(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("am-server: {failure}");
            ExitCode::FAILURE
        }
    }
}
