//! HTTP/1.1 on one connection.

use crate::connections::{Busy, Guest};
use crate::limits::UNKNOWN;
use crate::linger::{Drain, OverTcp, linger};
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio_io_timeout::TimeoutStream;
use tracing::debug;

/// Header fields in one request.
const HEADERS: usize = 64;
/// Bytes read ahead: a request's headers fit into them.
const AHEAD: usize = 64 << 10;
/// Bytes of an answer that are handed over at once. Of what has been handed over nobody knows when it is sent.
const PIECE: usize = 64 << 10;
/// How long a connection that is asked to leave has for an answer under way to go out, or for headers to be complete.
const LEAVING: Duration = Duration::from_secs(5);

/// The body of an answer. Its connection is busy until the last piece has been handed over to be sent.
struct Sent<B> {
    body: B,
    /// What is left of a frame larger than a piece.
    rest: Bytes,
    _busy: Busy,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) if frame.data_ref().is_some_and(|data| data.len() > PIECE) => {
                    self.rest = frame.into_data().unwrap_or_default();
                }
                other => return Poll::Ready(other),
            }
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

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
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // A client that does not take its answer must not hold it for ever.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(idle));
    let mut stream = Box::pin(stream);
    let ending = stop.clone();
    let service = service_fn(|request| {
        guest.become_served();
        let (busy, answer) = (guest.busy(), service.call(request));
        async move { answer.await.map(|answer| answer.map(|body| Sent { body, rest: Bytes::new(), _busy: busy })) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::Connections;
    use crate::limits::Limits;
    use http_body_util::Full;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// More than the buffers of both sockets hold.
    const LONG: usize = 64 << 20;

    // Else a long download is the first connection that goes when somebody wants its place.
    #[tokio::test]
    async fn a_connection_is_busy_until_its_answer_is_sent() {
        let idle = Duration::from_secs(60);
        let limits = Limits { body: 0, connections: 2, per_address: 2, per_caller: 2, request: idle, idle };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, peer) = listener.accept().await.unwrap();
        let guest = Arc::new(Connections::new(&limits).enter(peer).await.unwrap());
        let (_keep, stop) = watch::channel(false);
        let serving = tokio::spawn({
            let guest = Arc::clone(&guest);
            async move {
                let answer = service_fn(|_| async {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(vec![b'x'; LONG]))))
                });
                speak(socket, answer, &guest, idle, peer, stop).await;
            }
        });
        client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut received = vec![0; 256 << 10];
        client.read_exact(&mut received).await.unwrap();
        assert!(guest.is_busy(), "most of the answer has yet to be sent");
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received.iter().rev().take_while(|byte| **byte == b'x').count(), LONG);
        drop(client);
        serving.await.unwrap();
        assert!(!guest.is_busy());
    }
}
