//! `am-server restore`.

use super::Failure;
use crate::setup::Setup;
use chrono::Utc;
use clap::Args;
use state::{Event, Policy, Restore as Lift, SqliteStore, Store};
use std::path::PathBuf;
use urn::Urn;

/// Lift the shutdown of a slice. The service must not be running.
///
/// Slivers that expired while the slice was shut down go with it; to keep none, let an operator Delete them instead.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The slice.
    #[arg(long, value_name = "URN")]
    slice: String,
}

impl Restore {
    #[allow(clippy::print_stdout, reason = "the command's answer")]
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = Setup::load(&self.config)?.config;
        let urn = Urn::parse_slice(&self.slice)?;
        let store = SqliteStore::open(&config.aggregate.database)?;
        let (kept, gone) = super::serve::runtime()?.block_on(async {
            let slice = store.load(&urn).await?.ok_or_else(|| format!("{urn} has nothing here"))?;
            if slice.shutdown.is_none() {
                return Err(Failure::from(format!("{urn} is not shut down")));
            }
            let transition = state::apply(&slice, &Event::Restore(Lift), Utc::now(), &Policy::default())?;
            store.save(&transition).await?;
            Ok((transition.slice.slivers.len(), transition.departed.len()))
        })?;
        println!("{urn} is restored: {kept} slivers are its own again, {gone} had expired and are gone");
        Ok(())
    }
}
