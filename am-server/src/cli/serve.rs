//! `am-server serve`.

use super::{Failure, log_to_stderr};
use crate::config::Config;
use crate::inspection;
use crate::service::Service;
use crate::time::{clock_ahead, system_clock};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::warn;

/// Run the service in the foreground.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A file with a number of seconds that the service's clock is ahead of the machine's; for tests of expiry.
    #[arg(long, value_name = "FILE", hide = true)]
    clock_ahead: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let _log = log_to_stderr("info");
        let config = Config::load(&self.config)?;
        let folder = self.config.parent().map(PathBuf::from).unwrap_or_default();
        runtime()?.block_on(async {
            let clock = self.clock_ahead.map_or_else(system_clock, clock_ahead);
            for warning in inspection::warnings(&config, &self.config, clock()) {
                warn!(%warning, "the configuration needs attention");
            }
            let service = Service::start(config, &folder, clock).await?;
            // Whoever was told that it is ready may ask it to end.
            let stop = stop_signal()?;
            announce(&service.url())?;
            service.run(stop).await;
            Ok(())
        })
    }
}

/// The runtime all commands use that talk to the network.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Tells whoever started the service that it accepts connections.
pub(super) fn announce(url: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready: {url}")?;
    out.flush()
}

/// Turns true when the process is asked to end.
pub(super) fn stop_signal() -> std::io::Result<watch::Receiver<bool>> {
    let (send, receive) = watch::channel(false);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let _ = send.send(true);
        // Held until the end: a closed channel would read as a stop to nobody.
        send.closed().await;
    });
    Ok(receive)
}
