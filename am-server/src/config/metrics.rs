//! Figures and health for monitoring.

use serde::Deserialize;
use std::net::SocketAddr;

/// `[metrics]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSection {
    /// Address and port to listen on, in plain HTTP: one of this machine's own.
    pub listen: SocketAddr,
}

impl MetricsSection {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        if !self.listen.ip().is_loopback() {
            problems.push(format!(
                "metrics.listen: {} can be reached from other machines, and there is no login: listen on 127.0.0.1",
                self.listen
            ));
        }
    }
}
