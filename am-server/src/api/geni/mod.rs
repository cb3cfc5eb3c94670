//! The GENI AM API: XML-RPC over HTTP/1.1 over mutual TLS.
//!
//! One task per connection. A connection first shows its certificate ([`tls`]), then speaks HTTP
//! (`http`). A request's body is decoded ([`xmlrpc`]) and answered (`methods`): a table says which calls there are, and
//! each has its own file (`calls`) that gives the arguments their types (`arguments`), has the call carried out, and
//! writes what comes of it into the return struct (`reply`), unless that is there already (`ready`).
//! The API versions ([`version`]) only say which calls exist where and how a few members look.

mod arguments;
mod calls;
mod context;
mod http;
mod methods;
pub mod mounted;
mod ready;
pub mod reply;
pub mod tls;
pub mod version;
pub mod xmlrpc;

use crate::aggregate::Aggregate;
use crate::aggregate::caller::Caller;
use crate::blocking::{INLINE_BYTES, blocking};
use crate::metrics::Unserved;
use credentials::Identity;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, HeaderValue};
use hyper::service::service_fn;
use listen::{Connections, Guest, Limits, Shares, accept, handshake, speak};
use ready::Ready;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tracing::info;

/// The API on its listener.
pub struct Api {
    aggregate: Arc<Aggregate>,
    acceptor: TlsAcceptor,
    limits: Limits,
    /// Places for the bytes of requests, by caller.
    places: Shares<String>,
    ready: Ready,
}

impl Api {
    /// The API of `aggregate` with this server configuration of TLS.
    #[must_use]
    pub fn new(aggregate: Arc<Aggregate>, tls: Arc<rustls::ServerConfig>, limits: Limits) -> Self {
        Self {
            aggregate,
            acceptor: TlsAcceptor::from(tls),
            limits,
            places: http::places(limits.body),
            ready: Ready::default(),
        }
    }

    /// Serves until `stop` turns true, then lets requests under way finish.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: watch::Receiver<bool>) {
        let (connections, grace) = (Connections::new(&self.limits), self.limits.request);
        let api = Arc::clone(&self);
        let turned_away = move || api.aggregate.metrics().unserved(Unserved::Places);
        accept(listener, connections, grace, stop.clone(), turned_away, move |socket, peer, guest| {
            Arc::clone(&self).connection(socket, peer, guest, stop.clone())
        })
        .await;
    }

    async fn connection(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        guest: Guest,
        stop: watch::Receiver<bool>,
    ) {
        let metrics = self.aggregate.metrics();
        let _open = metrics.connection();
        let shaken = handshake(&self.acceptor, socket, peer, &guest, self.limits.request, &stop).await;
        let stream = match shaken {
            Ok(stream) => stream,
            Err(unserved) => return metrics.unserved(unserved.into()),
        };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let admitted = match tls::identity(&self.aggregate.trust(), chain, self.aggregate.clock().latest()) {
            Ok(identity) => guest
                .become_known(identity.urn.key())
                .await
                .map(|()| Arc::new(identity))
                .map_err(|error| (Unserved::Places, StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
            // A resumed session brings a certificate that was good when it began.
            Err(error) => Err((Unserved::Certificate, StatusCode::FORBIDDEN, error.to_string())),
        };
        let idle = self.limits.idle;
        match admitted {
            Ok(identity) => {
                let service = service_fn(|request| {
                    let (api, identity) = (Arc::clone(&self), Arc::clone(&identity));
                    async move { Ok::<_, Infallible>(api.request(request, identity, peer).await) }
                });
                speak(stream, service, &guest, idle, peer, stop).await;
            }
            Err((unserved, status, reason)) => {
                metrics.unserved(unserved);
                if let Some(withheld) = guest.may_log(peer) {
                    info!(%peer, reason, withheld, "client refused after its handshake");
                }
                let service = service_fn(|_: hyper::Request<Incoming>| {
                    let answer = http::ending(http::text(status, &format!("{reason}\n")));
                    async move { Ok::<_, Infallible>(answer) }
                });
                speak(stream, service, &guest, idle, peer, stop).await;
            }
        }
    }

    async fn request(
        self: &Arc<Self>,
        request: hyper::Request<Incoming>,
        identity: Arc<Identity>,
        peer: SocketAddr,
    ) -> http::Response {
        let version = match self.check(&request, &identity) {
            Ok(version) => version,
            Err(refusal) => return refusal.into_response(request.body().is_end_stream()),
        };
        let zipped = http::accepts_gzip(request.headers());
        let places = self.places.of(identity.urn.key().to_owned());
        let body = match http::body(request, self.limits.body, self.limits.request, &places).await {
            Ok(body) => body,
            Err(refusal) => return refusal.into_response(),
        };
        let caller = Caller::new(identity, peer);
        let api = Arc::clone(self);
        let call = move |bytes| async move {
            methods::answer(&api.aggregate, &api.ready, version, caller, bytes).await
        };
        let Some(answer) = body.carry_out(call).await else {
            return http::ending(http::text(StatusCode::INTERNAL_SERVER_ERROR, "the call failed\n"));
        };
        if zipped && answer.len() > INLINE_BYTES && answer.wants_zipping() {
            let document = Arc::clone(&answer);
            // Compressed here or, should that fail, when it is sent.
            let _ = blocking(answer.len(), move || drop(document.zipped())).await;
        }
        http::xml(&answer, zipped)
    }

    /// What a request has to be before anything of its body is read.
    fn check(
        &self,
        request: &hyper::Request<Incoming>,
        identity: &Identity,
    ) -> Result<version::Version, Refusal> {
        // A resumed or long-lived connection must not outlive the certificate it was opened with.
        if identity.expires <= self.aggregate.clock().latest() {
            return Err(Refusal::Expired);
        }
        listen::host(request)?;
        let version = version::Version::at(request.uri().path()).ok_or(Refusal::Path)?;
        if request.method() != hyper::Method::POST {
            return Err(Refusal::Method);
        }
        Ok(version)
    }
}

/// Why a request is not even read.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the client certificate has expired")]
    Expired,
    #[error(transparent)]
    Host(#[from] listen::HostError),
    #[error("nothing here; the GENI AM API is at /am/3.0 (version 3) and /am/4.0 (version 4 draft)")]
    Path,
    #[error("this is the GENI AM API: XML-RPC calls are sent with POST")]
    Method,
}

impl Refusal {
    /// The HTTP answer for it. The connection ends with it unless the request is `complete`, without a body: the body
    /// is not read, and where it ends is not known when it is not clear whose request it is.
    fn into_response(self, complete: bool) -> http::Response {
        let status = match self {
            Self::Expired => StatusCode::FORBIDDEN,
            Self::Host(_) => StatusCode::BAD_REQUEST,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
        };
        let mut response = http::text(status, &format!("{self}\n"));
        if matches!(self, Self::Method) {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if complete && !matches!(self, Self::Host(_)) { response } else { http::ending(response) }
    }
}
