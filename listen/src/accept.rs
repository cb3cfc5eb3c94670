//! The accept loop: a task for each connection, and an orderly end.

use crate::connections::{Connections, Guest};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

/// Hands each connection to `serve`, as many at once as there are places, until `stop` turns true; then those under
/// way have `grace` to finish. `serve` is to bring its connection to an end when `stop` turns true.
///
/// A connection that is one too many of its address is closed at once, and `turned_away` is called.
pub async fn accept<S, F>(
    listener: TcpListener,
    connections: Arc<Connections>,
    grace: Duration,
    mut stop: watch::Receiver<bool>,
    turned_away: impl Fn(),
    serve: S,
) where
    S: Fn(TcpStream, SocketAddr, Guest) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                let entered = tokio::select! {
                    entered = connections.enter(peer) => entered,
                    _ = stop.wait_for(|stop| *stop) => break,
                };
                match entered {
                    Some(guest) => {
                        // Small answers must not wait for the acknowledgement of an earlier packet.
                        let _ = socket.set_nodelay(true);
                        tasks.spawn(serve(socket, peer, guest));
                    }
                    None => turned_away(),
                }
            }
            Err(error) => {
                // Out of file descriptors, mostly: wait for connections to end rather than spin.
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while tasks.try_join_next().is_some() {}
    }
    drop(listener);
    let rest = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, rest).await.is_err() {
        info!(left = tasks.len(), "stopping although some requests are still under way");
    }
}
