//! Bounds on what the connections of a listener may cost.

use std::time::Duration;

/// The longest time in which a connection has to become known: for a TLS handshake, and for the first request where no
/// certificate says who the client is.
pub const UNKNOWN: Duration = Duration::from_secs(10);

/// Bounds on what connections may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest request body in bytes, also after decompression.
    pub body: usize,
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub per_address: usize,
    /// Connections at once of one caller.
    pub per_caller: usize,
    /// Longest time for a handshake and for a request's body.
    pub request: Duration,
    /// Longest time until a request's headers are there, and for a client to take the next part of its answer.
    pub idle: Duration,
}

impl Limits {
    /// The share of one address or one caller where nothing else is configured: a quarter, but not so few that one
    /// browser would have too little.
    #[must_use]
    pub fn share(connections: usize) -> usize {
        (connections / 4).max(16).min(connections)
    }

    /// The same with at most so many connections, and shares in proportion.
    #[must_use]
    pub fn within(self, connections: usize) -> Self {
        if self.connections <= connections {
            return self;
        }
        let fewer = |share: usize| (share.saturating_mul(connections) / self.connections).max(1);
        Self { connections, per_address: fewer(self.per_address), per_caller: fewer(self.per_caller), ..self }
    }
}
