//! The end of a connection whose client may still be sending.
//!
//! A socket that is closed with unread bytes in it is reset, and so is one to which more bytes come afterwards. The
//! reset overtakes the answer, or takes it out of the client's hands: it sees a broken connection and never learns
//! why. So our side is closed first, which ends the answer; then what the client sends is read and forgotten until it
//! closes its side, for a bounded time and up to a bounded number of bytes.

use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

/// How much is read and forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// Bytes at most.
    pub bytes: usize,
    /// Time at most.
    pub time: Duration,
    /// Time at most in which nothing comes.
    pub quiet: Duration,
}

impl Drain {
    /// For clients that nobody knows.
    pub const STRANGER: Self =
        Self { bytes: 16 << 20, time: Duration::from_secs(5), quiet: Duration::from_secs(2) };
    /// For clients that are served.
    pub const SERVED: Self = Self { bytes: 64 << 20, ..Self::STRANGER };
    /// For what is on its way already when a connection ends by our wish, and nobody is to wait for it.
    pub const LEAVING: Self = Self { quiet: Self::STOPPING, ..Self::SERVED };
    const STOPPING: Duration = Duration::from_millis(100);
}

/// A stream with a TCP connection at its bottom.
pub trait OverTcp: AsyncRead + AsyncWrite + Unpin {
    /// The TCP connection.
    fn tcp(&mut self) -> &mut TcpStream;
}

impl OverTcp for TcpStream {
    fn tcp(&mut self) -> &mut TcpStream {
        self
    }
}

impl OverTcp for TlsStream<TcpStream> {
    fn tcp(&mut self) -> &mut TcpStream {
        self.get_mut().0
    }
}

/// Closes our side, and reads and forgets what the client still sends until it closes its side too, or `drain` is
/// used up.
pub async fn linger(socket: &mut TcpStream, drain: Drain, stop: &watch::Receiver<bool>) {
    let reading = async {
        if socket.shutdown().await.is_err() {
            return;
        }
        let mut buffer = vec![0; 16 << 10];
        let mut left = drain.bytes;
        while left > 0 {
            let quiet = if *stop.borrow() { Drain::STOPPING } else { drain.quiet };
            match tokio::time::timeout(quiet, socket.read(&mut buffer)).await {
                Ok(Ok(read)) if read > 0 => left = left.saturating_sub(read),
                _ => return,
            }
        }
    };
    let mut stopping = stop.clone();
    let cut_short = async {
        // The listener is gone with its channel.
        let _ = stopping.wait_for(|stop| *stop).await;
        tokio::time::sleep(2 * Drain::STOPPING).await;
    };
    tokio::select! {
        _ = tokio::time::timeout(drain.time, reading) => {}
        () = cut_short => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, client)
    }

    /// Answers a client that has sent `bytes` bytes, none of which is read before, and gives what the client reads.
    async fn answered(bytes: usize, drain: Drain) -> std::io::Result<Vec<u8>> {
        let (mut server, mut client) = pair().await;
        let (_keep, stop) = watch::channel(false);
        let serving = async {
            server.write_all(b"no").await.unwrap();
            linger(&mut server, drain, &stop).await;
            drop(server);
        };
        let calling = async {
            client.write_all(&vec![b'x'; bytes]).await?;
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await?;
            drop(client);
            Ok(answer)
        };
        tokio::join!(serving, calling).1
    }

    #[tokio::test]
    async fn an_answer_reaches_a_client_that_is_still_sending() {
        for bytes in [0, 100, 30_000, 8 << 20] {
            assert_eq!(answered(bytes, Drain::SERVED).await.unwrap(), b"no", "{bytes}");
        }
    }

    #[tokio::test]
    async fn a_client_without_end_is_given_up() {
        let drain = Drain { bytes: 1 << 20, ..Drain::SERVED };
        assert!(answered(64 << 20, drain).await.is_err());
    }

    #[tokio::test]
    async fn a_silent_client_is_not_waited_for_when_the_listener_ends() {
        let (mut server, client) = pair().await;
        let (send, stop) = watch::channel(false);
        let drain = Drain { bytes: 1, time: Duration::MAX, quiet: Duration::MAX };
        let ending = async {
            tokio::task::yield_now().await;
            send.send(true).unwrap();
        };
        tokio::join!(linger(&mut server, drain, &stop), ending);
        drop(client);
    }
}
