use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn server(url: &str) -> Server {
    let config = DeltacloudConfig::new(url, "u", Secret::new("p"));
    Server::new(&config).unwrap()
}

#[test]
fn no_link_leads_away_from_the_server() {
    let server = server("https://cloud.example:8443/api");
    for link in
        ["http://internal:3001/api/realms", "/api/realms", "realms", "https://cloud.example:8443/api/realms"]
    {
        assert_eq!(server.follow(link).unwrap().as_str(), "https://cloud.example:8443/api/realms", "{link}");
    }
    assert_eq!(server.follow("//evil.example/x").unwrap().host_str(), Some("cloud.example"));
}

#[test]
fn refusals_become_the_errors_they_mean() {
    let create = Operation::new(Collection::Instances, Verb::Create);
    let error = |status, message| refusal(StatusCode::from_u16(status).unwrap(), message, create, "n", None);
    assert_eq!(
        error(400, "Required parameter 'image_id' not found in [name]"),
        DriverError::invalid("image_id", "Required parameter 'image_id' not found in [name]")
    );
    assert_eq!(
        error(400, "realm_id: there is no realm"),
        DriverError::invalid("realm_id", "there is no realm")
    );
    assert_eq!(error(412, ""), DriverError::Unsupported { operation: create });
    assert!(error(500, "oops").may_have_happened());
    assert!(!error(503, "").may_have_happened());
    assert!(!error(403, "Forbidden").may_have_happened());
    let bucket = Operation::new(Collection::Buckets, Verb::Destroy);
    let held = refusal(StatusCode::INTERNAL_SERVER_ERROR, "BucketNotEmpty", bucket, "b", None);
    assert!(matches!(held, DriverError::Conflict { .. }));
}

#[test]
fn a_password_leaves_this_machine_encrypted_or_by_the_operators_will() {
    for (url, clear) in [
        ("http://cloud.example:3001/api", true),
        ("http://192.0.2.7/api", true),
        ("http://[2001:db8::1]/api", true),
        ("http://localhost.example/api", true),
        ("https://cloud.example/api", false),
        ("http://localhost:3001/api", false),
        ("http://LOCALHOST/api", false),
        ("http://127.0.0.9/api", false),
        ("http://[::1]:3001/api", false),
        ("http://[::ffff:127.0.0.1]/api", false),
    ] {
        let config = DeltacloudConfig::new(url, "u", Secret::new("p"));
        let told = Server::new(&config).err().map(|error| error.to_string());
        assert_eq!(told.is_some_and(|told| told.contains("insecure = true")), clear, "{url}");
        assert!(Server::new(&DeltacloudConfig { insecure: true, ..config }).is_ok(), "{url}");
    }
}

/// A server that answers the first request of a connection, promises to keep it, and closes it when the next request
/// has come.
struct Fickle {
    url: Url,
    connections: Arc<AtomicUsize>,
    /// Requests that came whole, by method.
    gets: Arc<AtomicUsize>,
    posts: Arc<AtomicUsize>,
}

impl Fickle {
    async fn begin() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api", listener.local_addr().unwrap()).parse().unwrap();
        let fickle = Self { url, connections: Arc::default(), gets: Arc::default(), posts: Arc::default() };
        let counters = [&fickle.connections, &fickle.gets, &fickle.posts].map(Arc::clone);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let [connections, gets, posts] = &counters;
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(Self::speak(stream, Arc::clone(gets), Arc::clone(posts)));
            }
        });
        fickle
    }

    async fn speak(mut stream: TcpStream, gets: Arc<AtomicUsize>, posts: Arc<AtomicUsize>) {
        for first in [true, false] {
            let Some(head) = request(&mut stream).await else { return };
            let count = if head.starts_with("GET") { &gets } else { &posts };
            count.fetch_add(1, Ordering::SeqCst);
            if first {
                let answer = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\n<a/>";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    }

    fn server(&self, keep_alive: bool) -> Server {
        let config = DeltacloudConfig::new(self.url.as_str(), "u", Secret::new("p"));
        Server::new(&DeltacloudConfig { keep_alive, ..config }).unwrap()
    }

    fn count(counter: &AtomicUsize) -> usize {
        counter.load(Ordering::SeqCst)
    }
}

/// The head of the next request, once its body has come as well.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(head.to_owned());
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

const CREATE: Operation = Operation::new(Collection::Instances, Verb::Create);
const INDEX: Operation = Operation::new(Collection::Instances, Verb::Index);

#[tokio::test]
async fn no_request_is_lost_where_connections_are_not_kept() {
    let fickle = Fickle::begin().await;
    let server = fickle.server(false);
    for _ in 0..3 {
        server.get(&fickle.url, INDEX, "").await.unwrap();
        server.change(Method::POST, &fickle.url, &[("a", "b")], CREATE, "", false).await.unwrap();
    }
    let counts = [&fickle.connections, &fickle.gets, &fickle.posts].map(|counter| Fickle::count(counter));
    assert_eq!(counts, [6, 3, 3], "a connection for each request, and each sent once");
}

#[tokio::test]
async fn a_kept_connection_that_breaks_makes_no_change_twice() {
    let fickle = Fickle::begin().await;
    let server = fickle.server(true);
    server.get(&fickle.url, INDEX, "").await.unwrap();
    // The change goes over the kept connection, arrives, and has no answer: whether it was made is not known.
    let lost = server.change(Method::POST, &fickle.url, &[("a", "b")], CREATE, "", false).await;
    let lost = lost.err().unwrap();
    assert!(lost.may_have_happened(), "{lost}");
    assert_eq!(Fickle::count(&fickle.posts), 1);
    assert_eq!(Fickle::count(&fickle.connections), 1, "the connection was kept");
    // A reading is sent again, and so is a change that may be made twice.
    server.get(&fickle.url, INDEX, "").await.unwrap();
    server.get(&fickle.url, INDEX, "").await.unwrap();
    server.change(Method::POST, &fickle.url, &[], CREATE, "", true).await.unwrap();
}

#[tokio::test]
async fn an_answer_beyond_the_bounds_is_read_once_and_counts_as_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/api", listener.local_addr().unwrap()).parse().unwrap();
    let deep = "<a>".repeat(5000) + &"</a>".repeat(5000);
    let long = format!("<a>{}</a>", " ".repeat(100_000));
    let served = tokio::spawn(async move {
        for body in [deep, long] {
            let (mut stream, _) = listener.accept().await.unwrap();
            request(&mut stream).await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            // The client may have had enough.
            let _ = stream.write_all((head + &body).as_bytes()).await;
        }
    });
    let config = DeltacloudConfig::new(url.as_str(), "u", Secret::new("p"));
    let server = Server::new(&DeltacloudConfig { answer_bytes: 50_000, ..config }).unwrap();
    for words in ["nests", "50000 bytes"] {
        let error = server.get(&url, INDEX, "").await.unwrap_err();
        assert!(matches!(error, DriverError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    served.await.unwrap();
}
