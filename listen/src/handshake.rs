//! The beginning of a connection over TLS.

use crate::connections::Guest;
use crate::limits::UNKNOWN;
use crate::linger::{Drain, linger};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info};

/// Why a connection was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unserved {
    /// The TLS handshake failed, for a certificate that is not trusted or for anything else.
    Handshake,
    /// It took too long.
    Slow,
    /// Its place was needed for somebody else.
    Displaced,
}

/// Carries out the TLS handshake of a connection, within `longest` and ten seconds.
///
/// A client that is refused gets its alert even while it is still sending: with TLS 1.3 it takes the handshake for
/// done before the server has seen its certificate, and sends its request right away.
///
/// # Errors
/// [`Unserved`]; the connection has ended then, and the log says why.
pub async fn handshake(
    acceptor: &TlsAcceptor,
    socket: TcpStream,
    peer: SocketAddr,
    guest: &Guest,
    longest: Duration,
    stop: &watch::Receiver<bool>,
) -> Result<TlsStream<TcpStream>, Unserved> {
    let shaking = tokio::time::timeout(longest.min(UNKNOWN), acceptor.accept(socket).into_fallible());
    let done = tokio::select! {
        done = shaking => done,
        () = guest.asked_to_leave() => {
            debug!(%peer, "TLS handshake given up for another client");
            return Err(Unserved::Displaced);
        }
    };
    match done {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err((error, mut socket))) => {
            // A client that hangs up without a word, as a port scanner does, is not worth a line of everybody's log.
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                debug!(%peer, %error, "TLS handshake broken off");
            } else if let Some(withheld) = guest.may_log(peer) {
                info!(%peer, %error, withheld, "TLS handshake refused");
            }
            tokio::select! {
                () = linger(&mut socket, Drain::STRANGER, stop) => {}
                () = guest.asked_to_leave() => {}
            }
            Err(Unserved::Handshake)
        }
        Err(_) => {
            if let Some(withheld) = guest.may_log(peer) {
                info!(%peer, withheld, "TLS handshake took too long");
            }
            Err(Unserved::Slow)
        }
    }
}
