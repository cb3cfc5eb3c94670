//! `am-server credential`.

use super::{Failure, InFolder};
use crate::development::{Folder, write_private};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// Mint credentials with the development authority of a folder.
#[derive(Debug, Subcommand)]
pub(super) enum Credential {
    /// A credential over a slice for one of the folder's users.
    Slice(SliceCredential),
    /// Hand a credential on from one of the folder's users to another.
    Delegate(Delegate),
}

/// A credential over a slice.
#[derive(Debug, Args)]
pub(super) struct SliceCredential {
    #[command(flatten)]
    folder: InFolder,
    /// The slice's name: up to 19 letters, digits and hyphens.
    #[arg(long)]
    slice: String,
    /// Whose credential.
    #[arg(long)]
    owner: String,
    /// How many days it is valid.
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Where to write it; standard output if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A delegated credential.
#[derive(Debug, Args)]
pub(super) struct Delegate {
    #[command(flatten)]
    folder: InFolder,
    /// The credential that is handed on.
    #[arg(long, value_name = "FILE")]
    credential: PathBuf,
    /// Who holds it.
    #[arg(long)]
    from: String,
    /// Who receives it.
    #[arg(long)]
    to: String,
    /// Privileges to hand on, separated by commas; all that may be, if not given.
    #[arg(long, value_delimiter = ',')]
    privileges: Option<Vec<String>>,
    /// How many days it is valid; never longer than the credential that is handed on.
    #[arg(long, default_value_t = 7)]
    days: u32,
    /// Where to write it; standard output if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Credential {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Slice(command) => {
                let folder = Folder::at(&command.folder.dir);
                let xml =
                    folder.slice_credential(&command.slice, &command.owner, command.days, Utc::now())?;
                deliver(&xml, command.out.as_deref())
            }
            Self::Delegate(command) => {
                let folder = Folder::at(&command.folder.dir);
                let parent = std::fs::read_to_string(&command.credential)
                    .map_err(|error| format!("{}: {error}", command.credential.display()))?;
                let xml = folder.delegate(
                    &parent,
                    &command.from,
                    &command.to,
                    command.privileges.as_deref(),
                    in_days(command.days),
                    Utc::now(),
                )?;
                deliver(&xml, command.out.as_deref())
            }
        }
    }
}

fn in_days(days: u32) -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(i64::from(days))
}

#[allow(clippy::print_stdout, reason = "the command's answer")]
fn deliver(xml: &str, out: Option<&Path>) -> Result<(), Failure> {
    match out {
        Some(path) => write_private(path, xml)?,
        None => println!("{xml}"),
    }
    Ok(())
}
