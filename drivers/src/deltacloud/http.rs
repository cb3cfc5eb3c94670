//! Requests to a server: sent with credentials, answered in time, repeated only where that is harmless.

use std::net::IpAddr;
use std::string::FromUtf8Error;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url};

use super::config::{ConnectError, DeltacloudConfig};
use super::wire::{Node, Tree, Unreadable};
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::Secret;
use crate::operation::{Collection, Operation, Verb};

/// How often something harmless is tried.
const ATTEMPTS: u32 = 4;
/// The pause before the second attempt; it doubles from one to the next.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest that a server's wish for a pause is heeded within one call.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A server, with whom we are to it.
#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    base: Url,
    user: String,
    password: Secret,
    headers: HeaderMap,
    timeout: Duration,
    /// The most bytes of an answer that are read.
    answer_bytes: usize,
}

/// What a server answered.
pub(super) struct Told {
    pub(super) headers: HeaderMap,
    /// The text, or that there was more of it than is read.
    body: Result<String, Unreadable>,
}

impl Told {
    fn body(&self) -> Result<&str, Unreadable> {
        self.body.as_deref().map_err(|beyond| *beyond)
    }

    /// The tree of the document.
    pub(super) fn document(&self) -> Result<Tree, Unreadable> {
        Tree::read(media_type(&self.headers), self.body()?)
    }

    /// The things of a list, read one after the other: of a long list in XML no tree is made.
    pub(super) fn list<T>(&self, decode: impl FnMut(Node<'_>) -> Option<T>) -> Result<Vec<T>, Unreadable> {
        Tree::read_list(media_type(&self.headers), self.body()?, decode)
    }

    /// The entity in the answer to a change. Where there is none the change may have happened all the same.
    pub(super) fn entity<T>(&self, decode: impl Fn(Node<'_>) -> Option<T>) -> Answer<T> {
        let entity = self.document().and_then(|tree| decode(tree.root()).ok_or(Unreadable::Unexpected));
        entity.map_err(|why| unreadable(&why.to_string()))
    }
}

/// What to say of an answer to a reading. One beyond the bounds counts as none: this server is left alone. No request
/// is repeated for it at once.
pub(super) fn of_reading(why: Unreadable) -> DriverError {
    if why.is_beyond_bounds() {
        DriverError::Unavailable { why: why.to_string(), retry_after: None }
    } else {
        unreadable(&why.to_string())
    }
}

/// Whether the address is one of `http` on another machine than this.
pub(super) fn sends_in_the_clear(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let here = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        // The parser of URLs has put it into lower case.
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    url.scheme() == "http" && !here
}

fn media_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

impl Server {
    pub(super) fn new(config: &DeltacloudConfig) -> Result<Self, ConnectError> {
        let base = Url::parse(&config.url).map_err(|error| ConnectError::Url(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(ConnectError::Url("it must begin with http:// or https:// and a host".into()));
        }
        if sends_in_the_clear(&base) && !config.insecure {
            return Err(ConnectError::Url(
                "http:// sends the password in the clear to another machine; use https://, or set insecure = true"
                    .into(),
            ));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/xml, application/json;q=0.5"));
        for (name, value) in
            [("x-deltacloud-driver", &config.driver), ("x-deltacloud-provider", &config.provider)]
        {
            if let Some(value) = value {
                let value = HeaderValue::from_str(value)
                    .map_err(|_| ConnectError::Url(format!("{name} cannot hold {value:?}")))?;
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if !config.keep_alive {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let client = Client::builder()
            .pool_max_idle_per_host(if config.keep_alive { usize::MAX } else { 0 })
            .connect_timeout(config.timeout.min(Duration::from_secs(10)))
            .read_timeout(config.timeout)
            .tcp_nodelay(true)
            // A server that sends us elsewhere would have our password sent there.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ConnectError::Url(error.without_url().to_string()))?;
        Ok(Self {
            client,
            base,
            user: config.user.clone(),
            password: config.password.clone(),
            headers,
            timeout: config.timeout,
            answer_bytes: config.answer_bytes,
        })
    }

    /// The entry point.
    pub(super) fn entry_point(&self) -> Url {
        self.base.clone()
    }

    /// Where a link leads, relative or absolute. It stays on the configured server: one that sees itself under
    /// another name (behind a proxy) writes links that lead nowhere, and no link may lead our password away.
    pub(super) fn follow(&self, link: &str) -> Answer<Url> {
        let broken =
            || DriverError::Backend { status: None, message: "the server has a link that is none".into() };
        let mut folder = self.base.clone();
        if !folder.path().ends_with('/') {
            folder.set_path(&format!("{}/", folder.path()));
        }
        let mut url = folder.join(link.trim()).map_err(|_| broken())?;
        let moved = url.set_scheme(self.base.scheme()).is_ok()
            && url.set_host(self.base.host_str()).is_ok()
            && url.set_port(self.base.port()).is_ok();
        if moved { Ok(url) } else { Err(broken()) }
    }

    /// A request with everything but its body.
    pub(super) fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        self.client
            .request(method, url)
            .headers(self.headers.clone())
            .basic_auth(&self.user, Some(self.password.expose()))
    }

    /// Reads something, again if need be.
    pub(super) async fn fetch(&self, url: &Url, operation: Operation, id: &str) -> Answer<Told> {
        self.patiently(|| self.once(Method::GET, url.clone(), None, operation, id)).await
    }

    /// Reads the document of something.
    pub(super) async fn get(&self, url: &Url, operation: Operation, id: &str) -> Answer<Tree> {
        self.fetch(url, operation, id).await?.document().map_err(of_reading)
    }

    /// Changes something. Tried again only while the server cannot have got the request, or, where `harmless`
    /// says that doing it twice is as doing it once, also after that.
    pub(super) async fn change(
        &self,
        method: Method,
        url: &Url,
        form: &[(&str, &str)],
        operation: Operation,
        id: &str,
        harmless: bool,
    ) -> Answer<Told> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let body = Some(body).filter(|_| method == Method::POST);
        if harmless {
            self.patiently(|| self.once(method.clone(), url.clone(), body.clone(), operation, id)).await
        } else {
            let mut attempt = 1;
            loop {
                match self.once(method.clone(), url.clone(), body.clone(), operation, id).await {
                    Err(error @ DriverError::Unavailable { .. }) if attempt < ATTEMPTS => {
                        pause(attempt, &error).await;
                        attempt += 1;
                    }
                    other => return other,
                }
            }
        }
    }

    async fn patiently<F: Future<Output = Answer<Told>>>(&self, request: impl Fn() -> F) -> Answer<Told> {
        let mut attempt = 1;
        loop {
            match request().await {
                Err(error) if error.is_retryable() && attempt < ATTEMPTS => {
                    pause(attempt, &error).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn once(
        &self,
        method: Method,
        url: Url,
        form: Option<String>,
        operation: Operation,
        id: &str,
    ) -> Answer<Told> {
        let mut request = self.request(method, url).timeout(self.timeout);
        if let Some(form) = form {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        }
        let response = request.send().await.map_err(|error| unanswered(&error, operation))?;
        self.told(response, operation, id).await
    }

    /// Reads an answer to its end, a refusal as the error it means.
    pub(super) async fn told(&self, response: Response, operation: Operation, id: &str) -> Answer<Told> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = collect(response, operation, self.answer_bytes).await?;
        let told = Told { headers, body };
        if status.is_success() {
            return Ok(told);
        }
        let seconds = told.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = seconds.map(Duration::from_secs);
        Err(refusal(status, &message(&told), operation, id, retry_after))
    }

    /// The headers of an answer to OPTIONS, or nothing.
    pub(super) async fn options(&self, url: &Url, operation: Operation) -> Answer<Told> {
        self.patiently(|| self.once(Method::OPTIONS, url.clone(), None, operation, "")).await
    }
}

/// Waits before another attempt: longer each time, as the server wishes, and not in step with other clients.
async fn pause(attempt: u32, error: &DriverError) {
    let wished = match error {
        DriverError::Unavailable { retry_after: Some(after), .. } => *after,
        _ => Duration::ZERO,
    };
    let base = PAUSE * 2_u32.pow(attempt - 1);
    let pause = base.mul_f64(0.5 + fastrand::f64());
    tokio::time::sleep(pause.max(wished).min(LONGEST_PAUSE)).await;
}

async fn collect(
    mut response: Response,
    operation: Operation,
    most: usize,
) -> Answer<Result<String, Unreadable>> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| unanswered(&error, operation))? {
        if body.len() + piece.len() > most {
            return Ok(Err(Unreadable::Bytes(most)));
        }
        body.extend_from_slice(&piece);
    }
    let lossy = |wrong: FromUtf8Error| String::from_utf8_lossy(wrong.as_bytes()).into_owned();
    Ok(Ok(String::from_utf8(body).unwrap_or_else(lossy)))
}

/// A failure of the way to the server and back. What is known not to have left cannot have happened.
pub(super) fn unanswered(error: &reqwest::Error, operation: Operation) -> DriverError {
    if error.is_connect() || error.is_builder() {
        DriverError::Unavailable { why: "it cannot be connected to".into(), retry_after: None }
    } else {
        DriverError::TimedOut { operation }
    }
}

pub(super) fn unreadable(why: &str) -> DriverError {
    DriverError::Backend { status: None, message: why.to_owned() }
}

/// What a refusal says, shortened.
fn message(told: &Told) -> String {
    const LONGEST: usize = 300;
    let document = told.document();
    let said = match &document {
        Ok(document) => document.root().text(&["message"]).unwrap_or_default(),
        Err(_) => told.body().unwrap_or_default(),
    };
    let said = if said.trim_start().starts_with('<') { "" } else { said.trim() };
    said.chars().take(LONGEST).collect()
}

/// The parameter that a refusal names: `Required parameter 'x' not found`, or `x: why`.
fn parameter(message: &str) -> (&str, &str) {
    if let Some((name, _)) = message.strip_prefix("Required parameter '").and_then(|m| m.split_once('\'')) {
        return (name, message);
    }
    match message.split_once(": ") {
        Some((name, why))
            if name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') =>
        {
            (name, why)
        }
        _ => ("request", message),
    }
}

fn refusal(
    status: StatusCode,
    message: &str,
    operation: Operation,
    id: &str,
    retry_after: Option<Duration>,
) -> DriverError {
    let backend = || DriverError::Backend { status: Some(status.as_u16()), message: message.to_owned() };
    match status.as_u16() {
        400 => {
            let (parameter, why) = parameter(message);
            DriverError::invalid(parameter, why)
        }
        401 => DriverError::Unauthorised,
        404 => DriverError::not_found(operation.collection(), id),
        409 => DriverError::conflict(operation.collection(), id, message),
        // Where the real server knows of a key with the same name.
        403 if operation == Operation::new(Collection::Keys, Verb::Create) => {
            DriverError::conflict(operation.collection(), id, message)
        }
        412 | 501 => DriverError::Unsupported { operation },
        503 => DriverError::Unavailable { why: "it says so".into(), retry_after },
        504 => DriverError::TimedOut { operation },
        // The real server has no code for these and answers 500 with a word.
        500 if matches!(message, "BucketNotEmpty" | "AddressInUse" | "AddressNotInUse") => {
            DriverError::conflict(operation.collection(), id, message)
        }
        500 if matches!(message, "BucketNotExist" | "Could not delete a non existent blob") => {
            DriverError::not_found(operation.collection(), id)
        }
        507 => DriverError::Capacity { collection: operation.collection(), realm: None, limit: 0 },
        _ => backend(),
    }
}

#[cfg(test)]
mod tests;
