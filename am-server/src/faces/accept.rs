//! The accept loop that all faces share: so many connections at once, a task each, an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

/// Hands each connection to `serve`, `most` at once, until `stop` turns true; then those under way have `grace` to
/// finish. `serve` is to bring its connection to an end when `stop` turns true.
pub(super) async fn accept<S, F>(
    listener: TcpListener,
    most: usize,
    grace: Duration,
    mut stop: watch::Receiver<bool>,
    serve: S,
) where
    S: Fn(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                let connection = serve(socket, peer);
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, mostly: wait for connections to end rather than spin.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, rest).await.is_err() {
        info!(left = connections.len(), "stopping although some requests are still under way");
    }
}
