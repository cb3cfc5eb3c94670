//! The Deltacloud face and those who are not logged in, or not to be trusted: what of them is read, how fast they may
//! guess, and what a browser may be made to do by the page of another site.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::{PEER, face, face_with};
use deltacloud_server::auth::Users;
use deltacloud_server::{Face, NamedDriver};
use drivers::mock::{MockConfig, MockDriver};
use drivers::{ComputeDriver, PutBlob, SystemClock, stream_of};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use listen::Limits;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

const LOGIN: &str = "Basic bW9ja3VzZXI6bW9ja3Bhc3N3b3Jk";

fn cloud() -> MockDriver {
    MockDriver::with_clock(None, MockConfig::deltacloud(), Arc::new(SystemClock)).unwrap()
}

/// A body without an end, which counts how much of it is asked for.
struct Endless(Arc<AtomicUsize>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'&'; 1024])))))
    }
}

#[tokio::test]
async fn nothing_but_headers_is_read_of_strangers() {
    let face = face(Arc::new(cloud()));
    let form = "application/x-www-form-urlencoded";
    let wrong = "Basic bW9ja3VzZXI6d3Jvbmc=";
    for (method, path, login, status, most) in [
        ("POST", "/api/hardware_profiles", None, 404, 0),
        ("POST", "/api/instance_states", None, 404, 0),
        ("POST", "/api/docs", None, 404, 0),
        ("GET", "/api/drivers", None, 200, 0),
        ("GET", "/api", Some(wrong), 200, 0),
        ("POST", "/api/instances", None, 401, 0),
        ("POST", "/api/instances", Some(wrong), 401, 0),
        ("POST", "/api/nothing", None, 401, 0),
        ("PUT", "/api/buckets/bucket1/b", Some(wrong), 401, 0),
        ("POST", "/api?force_auth=1", Some(wrong), 401, 0),
        // Which driver they want, strangers may say: in 4 KiB.
        ("POST", "/api", None, 413, 5),
        ("POST", "/api", Some(LOGIN), 413, 5),
        ("POST", "/api/instances", Some(LOGIN), 413, usize::MAX),
    ] {
        for content_type in [form, "multipart/form-data; boundary=x"] {
            let read = Arc::new(AtomicUsize::new(0));
            // A client that waits for a word before it sends is not even drained.
            let mut request = hyper::Request::builder()
                .method(method)
                .uri(path)
                .header("host", "h")
                .header("expect", "100-continue")
                .header("content-type", content_type);
            if let Some(login) = login {
                request = request.header("authorization", login);
            }
            let answer = face.answer(request.body(Endless(Arc::clone(&read))).unwrap(), PEER).await;
            let read = read.load(Ordering::Relaxed);
            let told = format!("{method} {path} {login:?} {content_type}: {read} read");
            assert_eq!(answer.status(), status, "{told}");
            assert!(read <= most, "{told}");
        }
    }
}

async fn ask(face: &Face, method: &str, path: &str, peer: IpAddr, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = hyper::Request::builder().method(method).uri(path);
    for (name, value) in
        [("host", "cloud.example:3001"), ("accept", "application/json")].iter().chain(headers)
    {
        request = request.header(*name, *value);
    }
    let answer = face.answer(request.body(Full::new(Bytes::new())).unwrap(), peer).await;
    let retry = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), retry.unwrap_or_default())
}

#[tokio::test]
async fn guessing_is_slow_and_disturbs_nobody_at_another_address() {
    let (start, passed) = (Instant::now() + Duration::from_secs(3600), Arc::new(AtomicU64::new(0)));
    let pass = |seconds: u64| passed.fetch_add(seconds, Ordering::Relaxed);
    let clock = Arc::clone(&passed);
    let face = Arc::into_inner(face(Arc::new(cloud()))).unwrap();
    let face = face.with_clock(move || start + Duration::from_secs(clock.load(Ordering::Relaxed)));
    let guesser: IpAddr = "192.0.2.1".parse().unwrap();
    let guess = async |word: u32| {
        let login = format!("Basic {word:08}");
        ask(&face, "GET", "/api/realms", guesser, &[("authorization", &login)]).await
    };
    let mut looked_at = 0;
    for word in 0..1000 {
        looked_at += u32::from(guess(word).await.0 == 401);
    }
    assert_eq!(looked_at, 10, "of a thousand guesses");
    let (status, retry) = ask(&face, "GET", "/api/realms", guesser, &[("authorization", LOGIN)]).await;
    assert_eq!((status, retry.as_str()), (429, "6"), "a right password is not looked at either");
    assert_eq!(ask(&face, "GET", "/api/realms", PEER, &[("authorization", LOGIN)]).await.0, 200);
    assert_eq!(ask(&face, "GET", "/api/hardware_profiles", guesser, &[]).await.0, 200);
    pass(6);
    assert_eq!(ask(&face, "GET", "/api/realms", guesser, &[("authorization", LOGIN)]).await.0, 200);
    // An old password that a program keeps showing is not a guess.
    pass(600);
    for _ in 0..1000 {
        assert_eq!(guess(7).await.0, 401);
    }
    assert_eq!(ask(&face, "GET", "/api/realms", guesser, &[("authorization", LOGIN)]).await.0, 200);
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_with_the_browsers_password() {
    let face = face(Arc::new(cloud()));
    let change = async |headers: &[(&str, &str)]| {
        let headers = [&[("authorization", LOGIN)], headers].concat();
        ask(&face, "POST", "/api/instances?image_id=img1", PEER, &headers).await.0
    };
    assert_eq!(change(&[("origin", "http://evil.example")]).await, 403);
    assert_eq!(change(&[("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(ask(&face, "GET", "/api/instances", PEER, &[("authorization", LOGIN)]).await.0, 200);
    // A form that means another verb is a change all the same.
    let headers = [("authorization", LOGIN), ("sec-fetch-site", "cross-site")];
    for meant in ["delete", "get", "options"] {
        let path = format!("/api/keys/test-key?_method={meant}");
        assert_eq!(ask(&face, "POST", &path, PEER, &headers).await.0, 403, "{meant}");
    }
    assert_eq!(
        change(&[("origin", "http://cloud.example:3001"), ("sec-fetch-site", "same-origin")]).await,
        201
    );
    assert_eq!(change(&[]).await, 201);
}

/// A cloud with a blob that is more than sockets hold, and its length.
async fn with_a_large_blob() -> (MockDriver, usize) {
    const LENGTH: usize = 24 << 20;
    let driver = cloud();
    let content: Vec<u8> = vec![7; LENGTH];
    let request = PutBlob {
        id: "large".into(),
        content_type: "application/octet-stream".into(),
        content_length: Some(content.len() as u64),
        user_metadata: BTreeMap::new(),
    };
    driver.put_blob("bucket1", &request, stream_of(content)).await.unwrap();
    (driver, LENGTH)
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_loses_its_place() {
    let (driver, length) = with_a_large_blob().await;
    let limits = Limits { connections: 1, idle: Duration::from_millis(200), ..common::limits() };
    let face = face_with(Arc::new(driver), limits);
    let listener = face.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(face.serve(listener, stopped));

    let mut lazy = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /api/buckets/bucket1/large/content HTTP/1.1\r\nHost: h\r\nAuthorization: {LOGIN}\r\n\r\n"
    );
    lazy.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    lazy.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // There is one place, which the first client would hold for ever.
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"GET /api HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), second.read_to_end(&mut answer)).await;
    read.expect("the place of the first client").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    // What is left of the first answer is what the sockets held, and not all.
    let mut rest = Vec::new();
    let _ = lazy.read_to_end(&mut rest).await;
    assert!(rest.len() < length, "{}", rest.len());
}

#[tokio::test]
async fn a_refusal_is_read_by_a_client_that_sends_its_whole_body_first() {
    let (address, _stop) = common::serve(Arc::new(cloud())).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let length = 4 << 20;
    let head = format!(
        "POST /api/instances HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&vec![b'a'; length]).await.unwrap();
    client.write_all(b"GET /api HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();
    assert!(answers.starts_with("HTTP/1.1 401"), "{answers}");
    assert!(answers.contains("HTTP/1.1 200"), "the connection goes on: {answers}");
}

#[tokio::test]
async fn a_large_form_of_a_user_is_read() {
    let face = face(Arc::new(cloud()));
    let content = "x".repeat(3 << 20);
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"blob_id\"\r\n\r\nlarge\r\n\
         --b\r\nContent-Disposition: form-data; name=\"blob_data\"\r\n\r\n{content}\r\n--b--\r\n"
    );
    let request = hyper::Request::post("/api/buckets/bucket1")
        .header("host", "h")
        .header("authorization", LOGIN)
        .header("content-type", "multipart/form-data; boundary=b")
        .header("accept", "application/json");
    let answer = face.answer(request.body(Full::new(Bytes::from(body))).unwrap(), PEER).await;
    assert_eq!(answer.status(), 201);
    let told = answer.into_body().collect().await.unwrap().to_bytes();
    let blob: serde_json::Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(blob["blob"]["content_length"], content.len());
    assert_eq!(blob["blob"]["content_type"], "text/plain", "a part without a type is text");
}

// RFC 9112, section 3.2. The links in every answer are made of it.
#[tokio::test]
async fn a_request_names_one_host_that_is_one() {
    let face = face(Arc::new(cloud()));
    let status = async |hosts: &[&str]| {
        let request =
            hosts.iter().fold(hyper::Request::get("/api"), |request, host| request.header("host", *host));
        face.answer(request.body(Full::new(Bytes::new())).unwrap(), PEER).await.status().as_u16()
    };
    for good in ["cloud.example:3001", "127.0.0.1", "[::1]:3001", "my_cloud"] {
        assert_eq!(status(&[good]).await, 200, "{good}");
    }
    for bad in [&[][..], &["a", "b"], &["a<script>"], &["a b"], &["a/b"], &["user@a"], &[""]] {
        assert_eq!(status(bad).await, 400, "{bad:?}");
    }
}

#[tokio::test]
async fn a_user_has_a_share_of_the_places() {
    let (driver, length) = with_a_large_blob().await;
    let limits = Limits { connections: 100, per_caller: 1, ..common::limits() };
    let named = NamedDriver { name: "mock".to_owned(), driver: Arc::new(driver) };
    let users = Users::new([("mockuser", "mockpassword"), ("ann", "secret")]);
    let face = Arc::new(Face::new(vec![named], users, limits, None));
    let listener = face.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(face.serve(listener, stopped));
    let ask = async |path: &str, login: &str| {
        let mut client = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: {login}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        client.read_exact(&mut first).await.unwrap();
        (String::from_utf8_lossy(&first).into_owned(), client)
    };
    let (status, mut download) = ask("/api/buckets/bucket1/large/content", LOGIN).await;
    assert_eq!(status, "HTTP/1.1 200");
    assert_eq!(ask("/api/realms", LOGIN).await.0, "HTTP/1.1 503", "the user's one connection is busy");
    assert_eq!(ask("/api/realms", "Basic YW5uOnNlY3JldA==").await.0, "HTTP/1.1 200", "of another user");
    let mut rest = Vec::new();
    download.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > length, "the whole download, and the rest of its headers");
    drop(download);
    assert_eq!(ask("/api/realms", LOGIN).await.0, "HTTP/1.1 200");
}
