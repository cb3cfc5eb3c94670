//! What every listener of ours needs, whatever it speaks: accepting connections within bounds, server certificates, TLS
//! handshakes, HTTP/1.1 on one connection, and an end of the connection that loses no answer.
//!
//! A connection is a [`Guest`] from the moment it is accepted. At first nobody knows who it is: it has ten seconds to
//! become known, and there are few places for the unknown, fewer for each address. A known guest takes one of its
//! caller's places. When places run out, a connection that does nothing is closed for one that may do something
//! ([`Connections`]). At the end of a connection what the client still sends is read and forgotten for a while
//! ([`linger`]): closed with unread bytes, the socket would be reset, and the reset destroys the answer on its way.
//!
//! This crate does not know what is served. A caller's identity is a text to it, which means nothing.

mod accept;
mod address;
pub mod certificate;
mod connections;
mod handshake;
mod host;
mod limits;
mod linger;
mod log_limit;
pub mod open_files;
mod shares;
mod speak;

pub use accept::accept;
pub use address::Address;
pub use certificate::TlsSetupError;
pub use connections::{Busy, Connections, Guest, TooMany};
pub use handshake::{Unserved, handshake};
pub use host::{HostError, host};
pub use limits::{Limits, UNKNOWN};
pub use linger::{Drain, OverTcp, linger};
pub use log_limit::LogLimit;
pub use shares::{Held, Share, Shares};
pub use speak::speak;
