//! `am-server serve`.

use super::{Failure, log_to_stderr};
use crate::clock::{GuardedClock, ahead, system_clocks};
use crate::inspection;
use crate::service::Service;
use crate::setup::Setup;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

/// Run the service in the foreground.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A file with a number of seconds that the service's clocks are ahead of the machine's; for tests of expiry.
    #[arg(long, value_name = "FILE", hide = true)]
    clock_ahead: Option<PathBuf>,
    /// The same for what the wall clock alone shows; for tests of a clock that is wrong.
    #[arg(long, value_name = "FILE", hide = true)]
    wall_clock_ahead: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let log = log_to_stderr("info");
        let setup = Setup::load(&self.config)?;
        runtime()?.block_on(async {
            let clocks = ahead(system_clocks(), self.clock_ahead, self.wall_clock_ahead);
            let (now, _) = clocks();
            let drivers: Vec<String> = setup
                .config
                .drivers
                .iter()
                .map(|driver| format!("{} ({})", driver.name, driver.kind))
                .collect();
            info!(
                version = env!("CARGO_PKG_VERSION"),
                config = %self.config.display(),
                database = %setup.config.aggregate.database.display(),
                drivers = drivers.join(", "),
                told = %setup.config.base_url(),
                "starting"
            );
            for warning in inspection::warnings(&setup, &self.config, now) {
                warn!(%warning, "the configuration needs attention");
            }
            let service = Service::start(setup, clocks).await?;
            service.aggregate().metrics().watch_log(log.lines_dropped());
            confirm_clock_on_signal(Arc::clone(service.aggregate().clock()))?;
            let _file_size = survive_file_size_limit()?;
            // Whoever was told that it is ready may ask it to end.
            let stop = stop_signal()?;
            announce(&service.url())?;
            service.run(stop).await?;
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

/// With SIGUSR1 an operator says that the wall clock is right, should the service doubt it.
fn confirm_clock_on_signal(clock: Arc<GuardedClock>) -> std::io::Result<()> {
    let mut confirmed = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        while confirmed.recv().await.is_some() {
            clock.confirm();
        }
    });
    Ok(())
}

/// The number of SIGXFSZ on Linux, which the library has no name for.
const SIGXFSZ: i32 = 25;

/// With a limit on the size of files (`ulimit -f`, `LimitFSIZE=`) the system ends a process that writes beyond it, unless
/// the process handles the signal: then the write fails, and the caller is told so. Holds for as long as the process.
fn survive_file_size_limit() -> std::io::Result<Signal> {
    signal(SignalKind::from_raw(SIGXFSZ))
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
