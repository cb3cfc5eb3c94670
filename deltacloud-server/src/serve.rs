//! Connections: plain or TLS, one task each.

use crate::face::Face;
use hyper::service::service_fn;
use listen::certificate::{self, TlsSetupError};
use listen::{Connections, Guest, OverTcp, accept, handshake, speak};
use rustls::ServerConfig;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Why the face cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Passwords would cross the network in the clear.
    #[error(
        "{0} can be reached from other machines: give it a certificate and a key, or listen on 127.0.0.1"
    )]
    PlainOnNetwork(SocketAddr),
    /// The address cannot be had.
    #[error("{address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The server side of TLS for clients that show a password instead of a certificate.
///
/// # Errors
/// [`TlsSetupError`] when a file cannot be read or certificate and key do not fit together.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsSetupError> {
    let (chain, private) = certificate::read(certificate, key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(certificate::refused(certificate, key))?;
    Ok(Arc::new(config))
}

impl Face {
    /// Takes the address.
    ///
    /// # Errors
    /// [`ListenError`]; without TLS only addresses of this machine are taken.
    pub async fn bind(&self, address: SocketAddr) -> Result<TcpListener, ListenError> {
        if self.tls.is_none() && !address.ip().is_loopback() {
            return Err(ListenError::PlainOnNetwork(address));
        }
        TcpListener::bind(address).await.map_err(|source| ListenError::Bind { address, source })
    }

    /// URL of the entry point at this address.
    #[must_use]
    pub fn url(&self, address: SocketAddr) -> String {
        format!("{}://{address}/api", if self.tls.is_some() { "https" } else { "http" })
    }

    /// Serves until `stop` turns true, then lets requests under way finish.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: watch::Receiver<bool>) {
        let (connections, grace) = (Connections::new(&self.limits), self.limits.request);
        accept(
            listener,
            connections,
            grace,
            stop.clone(),
            || {},
            move |socket, peer, guest| Arc::clone(&self).connection(socket, peer, guest, stop.clone()),
        )
        .await;
    }

    async fn connection(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        guest: Guest,
        stop: watch::Receiver<bool>,
    ) {
        let Some(tls) = self.tls.clone() else { return self.speak(socket, peer, guest, stop).await };
        if let Ok(stream) = handshake(&tls, socket, peer, &guest, self.limits.request, &stop).await {
            self.speak(stream, peer, guest, stop).await;
        }
    }

    async fn speak<S: OverTcp>(
        self: Arc<Self>,
        stream: S,
        peer: SocketAddr,
        guest: Guest,
        stop: watch::Receiver<bool>,
    ) {
        let service = service_fn(|request| {
            let (face, guest) = (&self, &guest);
            async move { Ok::<_, Infallible>(face.answer_on(request, peer.ip(), Some(guest)).await) }
        });
        speak(stream, service, &guest, self.limits.idle, peer, stop).await;
    }
}
