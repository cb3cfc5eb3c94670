//! The API for monitoring: figures and health over plain HTTP, on addresses of this machine alone.
//!
//! `GET /metrics` gives all figures in the OpenMetrics text format, which Prometheus reads; `GET /health` says whether the
//! service can do its work ([`crate::health`]).

mod snapshot;

use crate::aggregate::Aggregate;
use crate::api::kind::{ApiError, ApiKind, ApiSettings, Mount, Section, SettingsFrom};
use bytes::Bytes;
use credentials::TrustRoots;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use listen::{Connections, Guest, Limits, accept, speak};
use serde::Deserialize;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tracing::{error, info};

/// Figures and health.
pub const KIND: ApiKind = ApiKind { section: "metrics", settings: SettingsFrom::Section(read) };

/// `[metrics]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricsSection {
    /// Address and port to listen on, in plain HTTP: one of this machine's own.
    listen: SocketAddr,
}

fn read(mut section: Section<'_>) -> Option<Arc<dyn ApiSettings>> {
    let settings: MetricsSection = section.read()?;
    if !settings.listen.ip().is_loopback() {
        section.problems.push(format!(
            "metrics.listen: {} can be reached from other machines, and there is no login: listen on 127.0.0.1",
            settings.listen
        ));
    }
    Some(Arc::new(settings))
}

impl ApiSettings for MetricsSection {
    fn listen(&self) -> SocketAddr {
        self.listen
    }

    fn open(&self, _roots: &Arc<TrustRoots>) -> Result<Mount, ApiError> {
        Ok(Box::new(|parts| Box::pin(Arc::new(Api::new(parts.aggregate)).serve(parts.listener, parts.stop))))
    }

    fn announce(&self, address: SocketAddr) {
        info!(url = format!("http://{address}"), "serving figures and health");
    }

    fn connections(&self) -> Option<usize> {
        Some(CONNECTIONS)
    }
}

/// Connections at once: monitors are few.
const CONNECTIONS: usize = 16;
/// Longest time for the headers of a request, and for a client to take the next part of its answer.
const IDLE: Duration = Duration::from_secs(30);
/// Longest time for the database to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The media type of the figures.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The API on its listener.
pub struct Api {
    aggregate: Arc<Aggregate>,
    /// Held while figures are put together: one reading at a time is enough for all.
    reading: Mutex<()>,
}

impl Api {
    /// The API of `aggregate`.
    #[must_use]
    pub fn new(aggregate: Arc<Aggregate>) -> Self {
        Self { aggregate, reading: Mutex::default() }
    }

    /// Serves until `stop` turns true.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: watch::Receiver<bool>) {
        let limits = Limits {
            body: 0,
            connections: CONNECTIONS,
            per_address: CONNECTIONS,
            per_caller: CONNECTIONS,
            request: PATIENCE,
            idle: IDLE,
        };
        let connections = Connections::new(&limits);
        accept(
            listener,
            connections,
            PATIENCE,
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
        let service = service_fn(|request: Request<hyper::body::Incoming>| {
            let api = Arc::clone(&self);
            async move {
                if !is_local(&request) {
                    return Ok::<_, Infallible>(text(
                        StatusCode::MISDIRECTED_REQUEST,
                        "ask under localhost or an IP address: the page of another site must not read this\n",
                    ));
                }
                Ok(api.answer(request.method(), request.uri().path()).await)
            }
        });
        speak(socket, service, &guest, IDLE, peer, stop).await;
    }

    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        match (method, path) {
            (&Method::GET, "/metrics") => self.figures().await,
            (&Method::GET, "/health") => self.health().await,
            (_, "/metrics" | "/health") => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this can only be read: use GET\n");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
                response
            }
            _ => text(StatusCode::NOT_FOUND, "nothing here; there are /metrics and /health\n"),
        }
    }

    async fn figures(&self) -> Response<Full<Bytes>> {
        let read = async {
            let _turn = self.reading.lock().await;
            snapshot::text(&self.aggregate).await
        };
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(figures)) => {
                let mut response = Response::new(Full::new(Bytes::from(figures)));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
                response
            }
            Ok(Err(error)) => unwell(&error.to_string()),
            Err(_) => unwell("it does not answer in time"),
        }
    }

    async fn health(&self) -> Response<Full<Bytes>> {
        let problems = crate::health::problems(&self.aggregate).await;
        if problems.is_empty() {
            return text(StatusCode::OK, "ok\n");
        }
        let mut told = problems.join("\n");
        told.push_str("\nthe log says more\n");
        text(StatusCode::SERVICE_UNAVAILABLE, told)
    }
}

/// Whether a request names this machine by an IP address or as localhost. A page whose own name its owner has pointed to
/// this machine (DNS rebinding) cannot: the browser sends that name.
fn is_local<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(authority) = host.to_str().ok().and_then(|text| text.parse::<Authority>().ok()) else {
        return false;
    };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

/// The answer while the database fails. Only the log says how.
fn unwell(reason: &str) -> Response<Full<Bytes>> {
    error!(reason, "the figures cannot be read: the database does not answer");
    text(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer; the log says more\n")
}

fn text(status: StatusCode, message: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(message.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_names_this_machine_itself_is_answered() {
        let named = |hosts: &[&str]| {
            let request =
                hosts.iter().fold(Request::get("/health"), |request, host| request.header(HOST, *host));
            is_local(&request.body(()).unwrap())
        };
        for local in
            ["127.0.0.1:9180", "127.0.0.1", "[::1]:9180", "localhost", "LOCALHOST:9180", "192.0.2.1:1"]
        {
            assert!(named(&[local]), "{local}");
        }
        for other in [
            "evil.example",
            "evil.example:9180",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "a b",
        ] {
            assert!(!named(&[other]), "{other}");
        }
        assert!(!named(&[]));
        assert!(!named(&["127.0.0.1", "evil.example"]));
    }
}
