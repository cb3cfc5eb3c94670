//! `am-server release`.

use super::Failure;
use crate::setup::Setup;
use chrono::Utc;
use clap::Args;
use state::{Event, Policy, Release as End, SqliteStore, Store};
use std::path::PathBuf;
use urn::Urn;

/// Release the name of a slice that was shut down. The service must not be running.
///
/// Everything that was kept of the slice goes, and its instances are destroyed when the service runs again. The name
/// may then be given to another slice. To give the slice back to its experimenters instead, restore it.
#[derive(Debug, Args)]
pub(super) struct Release {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The slice.
    #[arg(long, value_name = "URN")]
    slice: String,
}

impl Release {
    #[allow(clippy::print_stdout, reason = "the command's answer")]
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Setup::load(&self.config)?.config;
        let urn = Urn::parse_slice(&self.slice)?;
        let store = SqliteStore::open(&config.aggregate.database)?;
        let gone = super::serve::runtime()?.block_on(async {
            let slice = store.load(&urn).await?.ok_or_else(|| format!("{urn} has nothing here"))?;
            if slice.shutdown.is_none() {
                return Err(Failure::from(format!(
                    "{urn} is not shut down: its experimenters or an operator can Delete it"
                )));
            }
            let transition = state::apply(&slice, &Event::Release(End), Utc::now(), &Policy::default())?;
            store.save(&transition).await?;
            Ok(transition.departed.len())
        })?;
        println!("{urn} is released: {gone} slivers are gone, and another slice may have the name");
        Ok(())
    }
}
