//! `am-server deltacloud`.

use super::serve::{announce, runtime, stop_signal};
use super::{Failure, log_to_stderr};
use crate::api::limits::limits_with_open_files;
use crate::config::LimitsSection;
use crate::inspection;
use chrono::Utc;
use clap::{Args, ValueEnum};
use deltacloud_server::auth::Users;
use deltacloud_server::{Face, NamedDriver, server_config};
use drivers::SystemClock;
use drivers::mock::{MockConfig, MockDriver};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tracing::warn;

/// Serve the Deltacloud REST API over one driver, without an aggregate.
#[derive(Debug, Args)]
pub(super) struct Deltacloud {
    /// The driver; the mock's user is mockuser with the password mockpassword.
    #[arg(long, value_enum, default_value = "mock")]
    driver: Driver,
    /// Address and port; without a certificate one of this machine's own.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3001")]
    listen: SocketAddr,
    /// The mock's file; without one everything is gone when the server ends.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Certificate chain, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Driver {
    /// The mock cloud with the data of Apache Deltacloud's own.
    Mock,
}

impl Deltacloud {
    pub(super) fn run(self) -> Result<(), Failure> {
        let _log = log_to_stderr("info");
        let driver = match self.driver {
            Driver::Mock => {
                // Its own lacks firewalls and load balancers, which leaves clients nothing to try them on.
                let config = MockConfig { lacks: BTreeSet::new(), ..MockConfig::deltacloud() };
                let path = self.database.as_deref();
                let driver = MockDriver::with_clock(path, config, Arc::new(SystemClock))?;
                NamedDriver { name: "mock".to_owned(), driver: Arc::new(driver) }
            }
        };
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                for warning in inspection::of_pair(certificate, key, Utc::now()) {
                    warn!(%warning, "certificate and key need attention");
                }
                Some(TlsAcceptor::from(server_config(certificate, key)?))
            }
            _ => None,
        };
        let users = Users::new([("mockuser", "mockpassword")]);
        let limits = limits_with_open_files(&LimitsSection::default(), 1, 0);
        let face = Arc::new(Face::new(vec![driver], users, limits, tls));
        runtime()?.block_on(async {
            let listener = face.bind(self.listen).await?;
            let stop = stop_signal()?;
            announce(&face.url(listener.local_addr()?))?;
            Arc::clone(&face).serve(listener, stop).await;
            Ok(())
        })
    }
}
