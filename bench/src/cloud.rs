//! The other side of the Deltacloud face: its client driver in a process of its own, and plain HTTP.
//!
//! The client driver has a process to itself so that the system tells what memory it uses.

use crate::Failure;
use crate::server::{own_memory_mib, own_peak_mib};
use bytes::Bytes;
use drivers::deltacloud::{DeltacloudConfig, DeltacloudDriver};
use drivers::{BlobStream, ComputeDriver, CreateBucket, PutBlob, Secret};
use futures_core::Stream;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::future::poll_fn;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// The user of the mock cloud's face.
const USER: &str = "mockuser";
/// The user's password, known to everybody: the face listens on this machine alone.
const PASSWORD: &str = "mockpassword";
/// Bytes of one piece of the blob that is sent.
const PIECE: usize = 64 * 1024;
/// A prime: pieces of this many different bytes that do not repeat with the pieces of anything on the way.
const PERIOD: usize = 251;

/// What the client is started with.
#[derive(Debug, clap::Args)]
pub struct CloudClient {
    /// Entry point of the face.
    #[arg(long)]
    pub url: String,
    /// List instances again and again for so many milliseconds.
    #[arg(long, conflicts_with = "blob", required_unless_present = "blob")]
    pub list: Option<u64>,
    /// Write a blob of so many bytes and read it back.
    #[arg(long)]
    pub blob: Option<u64>,
}

/// What the client tells when it is done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// How long each listing took, or the two ways of the blob, in seconds.
    pub seconds: Vec<f64>,
    /// Instances in a listing, or bytes that came back.
    pub count: u64,
    /// Resident memory after the connection was made, in MiB.
    pub idle_mib: f64,
    /// The most resident memory there ever was, in MiB.
    pub peak_mib: f64,
}

/// Does what it was started for and prints what it has to tell as one line of JSON.
///
/// # Errors
/// The face does not answer, or answers something else than was put in.
pub fn run(arguments: &CloudClient) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::when("the runtime"))?;
    let told = runtime.block_on(async {
        let config = DeltacloudConfig::new(&arguments.url, USER, Secret::new(PASSWORD));
        let driver =
            DeltacloudDriver::connect(config).await.map_err(Failure::when("the client's connection"))?;
        match arguments.blob {
            Some(bytes) => blob(&driver, bytes).await,
            None => list(&driver, Duration::from_millis(arguments.list.unwrap_or_default())).await,
        }
    })?;
    let line = serde_json::to_string(&told).map_err(Failure::when("JSON"))?;
    writeln!(std::io::stdout(), "{line}").map_err(Failure::when("output"))
}

async fn list(driver: &DeltacloudDriver, time: Duration) -> Result<Told, Failure> {
    let idle_mib = own_memory_mib()?;
    let (mut seconds, mut count) = (Vec::new(), 0);
    let begin = Instant::now();
    while begin.elapsed() < time || seconds.is_empty() {
        let start = Instant::now();
        let all = driver.instances().await.map_err(Failure::when("a listing"))?;
        seconds.push(start.elapsed().as_secs_f64());
        count = all.len() as u64;
    }
    Ok(Told { seconds, count, idle_mib, peak_mib: own_peak_mib()? })
}

async fn blob(driver: &DeltacloudDriver, bytes: u64) -> Result<Told, Failure> {
    let bucket = CreateBucket { name: "bench".to_owned(), location: None };
    driver.create_bucket(&bucket).await.map_err(Failure::when("a bucket"))?;
    let idle_mib = own_memory_mib()?;
    let wanted = PutBlob {
        id: "large".to_owned(),
        content_type: "application/octet-stream".to_owned(),
        content_length: Some(bytes),
        user_metadata: Default::default(),
    };
    let start = Instant::now();
    let content: BlobStream = Box::pin(Pattern::new(bytes));
    driver.put_blob("bench", &wanted, content).await.map_err(Failure::when("the blob on its way up"))?;
    let up = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let mut content =
        driver.blob_content("bench", "large").await.map_err(Failure::when("the blob on its way down"))?;
    let pattern = pattern(PIECE);
    let mut count = 0_u64;
    while let Some(piece) = poll_fn(|cx| content.as_mut().poll_next(cx)).await {
        let piece = piece.map_err(Failure::when("the blob on its way down"))?;
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let from = usize::try_from(count % PERIOD as u64).unwrap_or_default();
            let length = rest.len().min(PIECE);
            if rest[..length] != pattern[from..from + length] {
                return Err(Failure::new(format!("the blob came back otherwise, near byte {count}")));
            }
            count += length as u64;
            rest = &rest[length..];
        }
    }
    let down = start.elapsed().as_secs_f64();
    if count != bytes {
        return Err(Failure::new(format!("of {bytes} bytes {count} came back")));
    }
    Ok(Told { seconds: vec![up, down], count, idle_mib, peak_mib: own_peak_mib()? })
}

/// The pattern, with room to begin anywhere in its period and go on for `length` bytes.
fn pattern(length: usize) -> Vec<u8> {
    (0_u8..).take(PERIOD).cycle().take(length + PERIOD).collect()
}

/// Content of which every byte is known and which is nowhere whole.
struct Pattern {
    bytes: Bytes,
    sent: u64,
    length: u64,
}

impl Pattern {
    fn new(length: u64) -> Self {
        Self { bytes: pattern(PIECE).into(), sent: 0, length }
    }
}

impl Stream for Pattern {
    type Item = Result<Bytes, drivers::DriverError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let left = self.length - self.sent;
        if left == 0 {
            return Poll::Ready(None);
        }
        let from = usize::try_from(self.sent % PERIOD as u64).unwrap_or_default();
        let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        self.sent += length as u64;
        Poll::Ready(Some(Ok(self.bytes.slice(from..from + length))))
    }
}

/// A kept connection to the face, for what is measured without the client driver.
#[derive(Debug)]
pub struct Plain {
    sender: http1::SendRequest<Empty<Bytes>>,
    host: String,
}

impl Plain {
    /// Connects to the server of this URL.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, Failure> {
        let host = url.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned();
        let socket = TcpStream::connect(&host).await.map_err(Failure::when("the face"))?;
        socket.set_nodelay(true).map_err(Failure::when("the face"))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(socket)).await.map_err(Failure::when("the face"))?;
        tokio::spawn(connection);
        Ok(Self { sender, host })
    }

    /// Fetches a path; gives the bytes of the answer's body, which is not kept.
    ///
    /// # Errors
    /// No answer, or another status than 200.
    pub async fn get(&mut self, path: &str, accept: &str) -> Result<u64, Failure> {
        use base64::Engine;
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let request = Request::get(path)
            .header("host", &self.host)
            .header("accept", accept)
            .header("authorization", format!("Basic {login}"))
            .body(Empty::new())
            .map_err(Failure::when("a request"))?;
        self.sender.ready().await.map_err(Failure::when("the face"))?;
        let answer = self.sender.send_request(request).await.map_err(Failure::when("the face"))?;
        if answer.status() != hyper::StatusCode::OK {
            return Err(Failure::new(format!("the face answers {path} with {}", answer.status())));
        }
        let mut body = answer.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(Failure::when("the face's answer"))?;
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_pattern_has_its_length_and_each_byte_is_known_by_its_place() {
        let length = 3 * PIECE + 17;
        let content: BlobStream = Box::pin(Pattern::new(length as u64));
        let all = drivers::collect_blob(content, length).await.unwrap();
        assert_eq!(all.len(), length);
        assert!(all.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % PERIOD));
    }
}
