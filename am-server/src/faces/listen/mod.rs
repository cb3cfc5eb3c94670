//! What every listener of ours needs, whatever it speaks: accepting connections within bounds, TLS handshakes, HTTP/1.1
//! on one connection, and an end of the connection that loses no answer.
//!
//! A connection is a [`Guest`] from the moment it is accepted. At first nobody knows who it is: it has ten seconds to
//! become known, and there are few places for the unknown, fewer for each address. A known guest takes one of its
//! caller's places. When places run out, a connection that does nothing is closed for one that may do something
//! ([`Connections`]). At the end of a connection what the client still sends is read and forgotten for a while
//! ([`linger`]): closed with unread bytes, the socket would be reset, and the reset destroys the answer on its way.
//!
//! Nothing here knows what is served.

mod accept;
mod address;
mod connections;
mod handshake;
mod host;
mod linger;
mod log_limit;
pub mod open_files;
mod shares;
mod speak;

pub use accept::accept;
pub use address::Address;
pub use connections::{Connections, Guest, TooMany};
pub use handshake::{Unserved, handshake};
pub use host::{HostError, host};
pub use linger::{Drain, OverTcp, linger};
pub use log_limit::LogLimit;
pub use shares::{Held, Share, Shares};
pub use speak::speak;

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
