//! The GENI face: XML-RPC over HTTP/1.1 over mutual TLS.
//!
//! One task per connection. A connection first shows its certificate ([`tls`]), then speaks HTTP
//! ([`http`]); a request's body is decoded ([`xmlrpc`]), its arguments are given their types
//! ([`arguments`]), the call is carried out, and the answer is written into the return struct ([`reply`]) unless it is there already ([`ready`]).
//! The API versions ([`version`]) only say which calls exist where and how a few members look.

pub mod arguments;
pub mod http;
pub mod methods;
pub mod ready;
pub mod reply;
pub mod tls;
pub mod version;
pub mod xmlrpc;

use crate::aggregate::Aggregate;
use crate::aggregate::caller::Caller;
use crate::faces::accept::{accept, speak};
use crate::metrics::Unserved;
use credentials::Identity;
use http::Places;
use hyper::service::service_fn;
use ready::Ready;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

/// The longest time a handshake may take, whatever else is allowed: nobody is known yet who does it.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Large request bodies of one caller in memory at once.
const LARGE_BODIES_EACH: usize = 4;
/// Large request bodies in memory at once.
const LARGE_BODIES: usize = 16;

/// Bounds on what one connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest request body in bytes, also after decompression.
    pub body: usize,
    /// Connections at once.
    pub connections: usize,
    /// Longest time for a handshake and for a request's body.
    pub request: Duration,
    /// Longest time until a request's headers are there, and for a client to take the next part of its answer.
    pub idle: Duration,
}

/// The listening face.
pub struct Face {
    aggregate: Arc<Aggregate>,
    acceptor: TlsAcceptor,
    limits: Limits,
    /// Places for large request bodies in memory.
    large_bodies: Arc<Semaphore>,
    /// Those of each caller who is connected.
    each: Mutex<HashMap<String, Weak<Semaphore>>>,
    ready: Ready,
}

impl Face {
    /// A face for `aggregate` with this server configuration of TLS.
    #[must_use]
    pub fn new(aggregate: Arc<Aggregate>, tls: Arc<rustls::ServerConfig>, limits: Limits) -> Self {
        Self {
            aggregate,
            acceptor: TlsAcceptor::from(tls),
            limits,
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
            each: Mutex::default(),
            ready: Ready::default(),
        }
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
        let metrics = self.aggregate.metrics();
        let _open = metrics.connection();
        // Small answers must not wait for an acknowledgement of the handshake's last packet.
        let _ = socket.set_nodelay(true);
        let handshake =
            tokio::time::timeout(self.limits.request.min(HANDSHAKE), self.acceptor.accept(socket)).await;
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                metrics.unserved(Unserved::Handshake);
                return debug!(%peer, %error, "TLS handshake refused");
            }
            Err(_) => {
                metrics.unserved(Unserved::Slow);
                return debug!(%peer, "TLS handshake took too long");
            }
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let identity = match tls::identity(&self.aggregate.trust(), chain, self.aggregate.clock().latest()) {
            Ok(identity) => Arc::new(identity),
            Err(error) => {
                metrics.unserved(Unserved::Certificate);
                return info!(%peer, %error, "client certificate refused");
            }
        };
        // A client that does not take its answer must not hold it for ever.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.idle));
        let places = self.places_of(&identity);
        let service = service_fn(|request| {
            let (face, identity, places) = (Arc::clone(&self), Arc::clone(&identity), places.clone());
            async move { Ok::<_, std::convert::Infallible>(face.request(request, identity, peer, &places).await) }
        });
        speak(Box::pin(stream), service, self.limits.idle, peer, stop).await;
    }

    /// The places of one caller, the same for all their connections.
    fn places_of(&self, identity: &Identity) -> Places {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let key = identity.urn.key();
        let own = each.get(key).and_then(Weak::upgrade).unwrap_or_else(|| {
            each.retain(|_, places| places.strong_count() > 0);
            let own = Arc::new(Semaphore::new(LARGE_BODIES_EACH));
            each.insert(key.to_owned(), Arc::downgrade(&own));
            own
        });
        Places { own, all: Arc::clone(&self.large_bodies) }
    }

    async fn request(
        &self,
        request: hyper::Request<hyper::body::Incoming>,
        identity: Arc<Identity>,
        peer: SocketAddr,
        places: &Places,
    ) -> http::Response {
        // A resumed or long-lived connection must not outlive the certificate it was opened with.
        if identity.expires <= self.aggregate.clock().latest() {
            return http::text(hyper::StatusCode::FORBIDDEN, "the client certificate has expired\n");
        }
        let Some(version) = version::Version::at(request.uri().path()) else {
            return http::text(
                hyper::StatusCode::NOT_FOUND,
                "nothing here; the GENI AM API is at /am/3.0 (version 3) and /am/4.0 (version 4 draft)\n",
            );
        };
        if request.method() != hyper::Method::POST {
            return http::method_not_allowed();
        }
        let zipped = http::accepts_gzip(request.headers());
        let body = match http::body(request, self.limits.body, self.limits.request, places).await {
            Ok(body) => body,
            Err(refusal) => return refusal.into_response(),
        };
        let caller = Caller::new(identity, peer);
        let answer = methods::answer(&self.aggregate, &self.ready, version, caller, body.bytes.clone()).await;
        drop(body);
        if zipped && answer.len() > methods::LARGE && answer.wants_zipping() {
            let document = Arc::clone(&answer);
            // Compressed here or, should that fail, when it is sent.
            let _ = tokio::task::spawn_blocking(move || document.zipped()).await;
        }
        http::xml(&answer, zipped)
    }
}
