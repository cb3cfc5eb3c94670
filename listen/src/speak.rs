//! HTTP/1.1 on one connection.

use crate::connections::Guest;
use crate::limits::UNKNOWN;
use crate::linger::{Drain, OverTcp, linger};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio_io_timeout::TimeoutStream;
use tracing::debug;

/// Header fields in one request.
const HEADERS: usize = 64;
/// Bytes read ahead: a request's headers fit into them.
const AHEAD: usize = 64 << 10;
/// How long a connection that is asked to leave has for an answer under way to go out, or for headers to be complete.
const LEAVING: Duration = Duration::from_secs(5);

/// Speaks HTTP/1.1 on one connection. The headers of each request have to be there within `idle`, and the client has
/// to take the next part of an answer within it; a guest who is not known yet has ten seconds at most for its first
/// request. When `stop` turns true, or the place is needed for somebody else, the request under way is finished.
pub async fn speak<I, S, B>(
    stream: I,
    service: S,
    guest: &Guest,
    idle: Duration,
    peer: SocketAddr,
    mut stop: watch::Receiver<bool>,
) where
    I: OverTcp,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // A client that does not take its answer must not hold it for ever.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(idle));
    let mut stream = Box::pin(stream);
    let ending = stop.clone();
    let service = service_fn(|request| {
        guest.become_served();
        let answer = service.call(request);
        async move {
            let _busy = guest.busy();
            answer.await
        }
    });
    let (result, drain) = {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_headers(HEADERS)
            .max_buf_size(AHEAD)
            .serve_connection(TokioIo::new(&mut stream), service);
        tokio::pin!(connection);
        let unknown = async {
            tokio::time::sleep(idle.min(UNKNOWN)).await;
            if guest.is_known() {
                std::future::pending::<()>().await;
            }
        };
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            _ = stop.wait_for(|stop| *stop) => None,
            () = guest.asked_to_leave() => None,
            () = unknown => return debug!(%peer, "connection closed: no request came"),
        };
        match ended {
            Some(ended) => (ended, Drain::SERVED),
            None => {
                connection.as_mut().graceful_shutdown();
                let patience = async {
                    // Nothing is under way for one who has not sent a request yet, and others wait.
                    if !guest.is_known() {
                        return;
                    }
                    tokio::time::sleep(LEAVING).await;
                    while guest.is_busy() {
                        tokio::time::sleep(LEAVING).await;
                    }
                };
                tokio::select! {
                    ended = connection.as_mut() => (ended, Drain::LEAVING),
                    () = patience => return debug!(%peer, "connection closed for another client"),
                }
            }
        }
    };
    if let Err(error) = result {
        debug!(%peer, %error, "connection ended early");
    }
    linger(stream.as_mut().get_pin_mut().get_mut().tcp(), drain, &ending).await;
}
