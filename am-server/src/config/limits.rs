//! Bounds on what one caller may cost.

use super::at_least_one;
use serde::Deserialize;

/// `[limits]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Largest request body, in bytes, also after decompression.
    pub body_bytes: usize,
    /// Connections at once; further ones wait in the listen queue.
    pub connections: usize,
    /// Seconds a handshake or a request's body may each take.
    pub request_seconds: u64,
    /// Seconds until a connection has sent the headers of its next request, or taken the next part of an answer.
    pub idle_seconds: u64,
    /// Verified credentials remembered.
    pub remembered_credentials: usize,
    /// Nodes and links one RSpec may ask for.
    pub slivers_per_call: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            connections: 8192,
            request_seconds: 30,
            idle_seconds: 300,
            remembered_credentials: 4096,
            slivers_per_call: 20_000,
        }
    }
}

impl LimitsSection {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        if self.body_bytes < 64 << 10 {
            problems.push(format!(
                "limits.body_bytes: {} is too small for real credentials; 65536 at least",
                self.body_bytes
            ));
        }
        at_least_one("limits.connections", self.connections, problems);
        at_least_one("limits.slivers_per_call", self.slivers_per_call, problems);
        at_least_one("limits.remembered_credentials", self.remembered_credentials, problems);
        at_least_one("limits.request_seconds", self.request_seconds, problems);
        at_least_one("limits.idle_seconds", self.idle_seconds, problems);
    }
}
