//! Connections: plain or TLS, one task each.

use super::Face;
use crate::faces::accept::{accept, speak};
use crate::faces::certificate::{self, TlsSetupError};
use hyper::service::service_fn;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_io_timeout::TimeoutStream;
use tracing::debug;

/// The longest time a handshake may take, whatever else is allowed: nobody is known yet who does it.
const HANDSHAKE: Duration = Duration::from_secs(10);

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
        let limits = self.limits;
        accept(listener, limits.connections, limits.request, stop.clone(), move |socket, peer| {
            Arc::clone(&self).connection(socket, peer, stop.clone())
        })
        .await;
    }

    async fn connection(self: Arc<Self>, socket: TcpStream, peer: SocketAddr, stop: watch::Receiver<bool>) {
        // Small answers must not wait for the acknowledgement of an earlier packet.
        let _ = socket.set_nodelay(true);
        let Some(tls) = self.tls.clone() else { return self.speak(socket, peer, stop).await };
        match tokio::time::timeout(self.limits.request.min(HANDSHAKE), tls.accept(socket)).await {
            Ok(Ok(stream)) => self.speak(stream, peer, stop).await,
            Ok(Err(error)) => debug!(%peer, %error, "TLS handshake refused"),
            Err(_) => debug!(%peer, "TLS handshake took too long"),
        }
    }

    async fn speak<S>(self: Arc<Self>, stream: S, peer: SocketAddr, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // A client that does not take its answer must not hold it, and its place, for ever.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.idle));
        let service = service_fn(|request| {
            let face = Arc::clone(&self);
            async move { Ok::<_, Infallible>(face.answer(request, peer.ip()).await) }
        });
        speak(Box::pin(stream), service, self.limits.idle, peer, stop).await;
    }
}
