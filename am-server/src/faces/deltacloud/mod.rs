//! The Deltacloud face: the REST API of Apache Deltacloud over any of our drivers.
//!
//! A request is read ([`params`]), its format chosen ([`negotiation`]), its user recognised ([`auth`]), and then
//! leads to one operation of the driver ([`routing`], [`collections`], [`blobs`], [`extras`]), whose result is shown
//! ([`views`], [`xml`], [`html`]) or whose error is told ([`errors`]). What a client sees is what Apache
//! Deltacloud 1.1.3 answers, less its faults; `docs/deltacloud-differences.md` lists each of them.
//!
//! Source: the Deltacloud REST API (0.3.0), and recordings of the real server.

pub mod auth;
mod blobs;
mod collections;
mod docs;
mod drawing;
mod entry;
pub mod errors;
mod extras;
mod html;
mod listen;
mod listing;
pub mod negotiation;
mod operations;
pub mod params;
pub mod reply;
mod routing;
pub mod views;
pub mod xml;

pub use self::listen::{ListenError, server_config};

use self::auth::{Login, Users};
use self::errors::Refusal;
use self::negotiation::Format;
use self::params::{Params, Path};
use self::reply::{Reply, Response};
use self::routing::Call;
use self::views::{Links, Scene};
use crate::cloud::Cloud;
use crate::faces::geni::Limits;
use bytes::{Bytes, BytesMut};
use drivers::BlobStream;
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, SERVER};
use hyper::{Method, Request, StatusCode};
use tokio_rustls::TlsAcceptor;

/// The version of the API that the entry point tells.
pub const API_VERSION: &str = "1.1.3";

/// The face: the drivers it serves, to whom, and how.
pub struct Face {
    clouds: Vec<Cloud>,
    names: Vec<String>,
    users: Users,
    limits: Limits,
    tls: Option<TlsAcceptor>,
}

/// What a request asks, before it is known whether it may.
#[derive(Debug)]
pub struct Asked {
    /// The verb that is meant: HEAD counts as GET except for blobs, where it has a meaning of its own.
    method: Method,
    /// The path as it came, without the query.
    path: String,
    /// The path's segments after `/api`.
    segments: Vec<String>,
    /// The parameters.
    params: Params,
}

impl Asked {
    /// The id of what is asked about.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        self.segments.get(1).map(String::as_str)
    }

    /// The ids in the path, by the names that the API has for them.
    fn members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let blob =
            self.segments.get(2).filter(|_| self.segments.first().is_some_and(|first| first == "buckets"));
        self.member().map(|id| ("id", id)).into_iter().chain(blob.map(|id| ("blob_id", id.as_str())))
    }
}

/// What is told about the driver with every answer.
#[derive(Debug, Clone)]
pub struct Context {
    /// Its name.
    pub driver_name: String,
    /// The provider that the client asked for. A driver of ours has but one, so it is only repeated.
    pub provider: Option<String>,
}

impl Face {
    /// A face that serves these drivers, the first where none is asked for; without `tls` in plain HTTP.
    #[must_use]
    pub fn new(clouds: Vec<Cloud>, users: Users, limits: Limits, tls: Option<TlsAcceptor>) -> Self {
        let names = clouds.iter().map(|cloud| cloud.name.clone()).collect();
        Self { clouds, names, users, limits, tls }
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let driver = header("x-deltacloud-driver").map(str::to_owned);
        let provider = header("x-deltacloud-provider").map(str::to_owned);
        let mut context = Context {
            driver_name: driver.or_else(|| self.names.first().cloned()).unwrap_or_default(),
            provider,
        };
        let reply = self.reply(&parts.method, &parts.uri, &parts.headers, body, &mut context).await;
        let mut reply = reply
            .header("x-deltacloud-driver", context.driver_name)
            .header(SERVER.as_str(), concat!("am-server/", env!("CARGO_PKG_VERSION")))
            .header("x-content-type-options", "nosniff");
        if let Some(provider) = context.provider {
            reply = reply.header("x-deltacloud-provider", provider);
        }
        reply.into_response(&parts.method, &parts.headers)
    }

    async fn reply<B>(
        &self,
        method: &Method,
        uri: &hyper::Uri,
        headers: &HeaderMap,
        body: B,
        context: &mut Context,
    ) -> Reply
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.host());
        let Some(host) = host else {
            return Reply::html_text(StatusCode::BAD_REQUEST, "Unable to find HTTP Host header");
        };
        let links = Links::new(if self.tls.is_some() { "https" } else { "http" }, host);
        let mut asked = Asked {
            method: method.clone(),
            path: uri.path().to_owned(),
            segments: Vec::new(),
            params: Params::urlencoded(uri.query().unwrap_or_default().as_bytes()),
        };
        // Until the format is chosen, and where none can be, errors are XML.
        let mut format = Format::Xml;
        match self.carry_out(&mut asked, headers, body, links, context, &mut format).await {
            Ok(reply) => reply,
            Err(refusal) => {
                tracing::debug!(method = %method, path = asked.path, %refusal, "refused");
                refusal.reply(&asked, context, format)
            }
        }
    }

    async fn carry_out<B>(
        &self,
        asked: &mut Asked,
        headers: &HeaderMap,
        body: B,
        links: Links,
        context: &mut Context,
        format: &mut Format,
    ) -> Result<Reply, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let path = Path::parse(&asked.path).ok_or(Refusal::NoRoute)?;
        match path.segments.split_first() {
            Some((first, rest)) if first == "api" && are_whole(rest) => {
                asked.segments = rest.to_vec();
            }
            Some((first, [])) if first.is_empty() && asked.method == Method::GET => {
                let page = html::page("Deltacloud API", "<p><a href=\"/api\">deltacloud</a></p>\n");
                return Ok(Reply::page(StatusCode::OK, reply::Page::Html(page)));
            }
            _ => return Err(Refusal::NoRoute),
        }
        let mut content = self.read_body(asked, headers, body).await?;
        for (name, told) in
            [("driver", &mut context.driver_name), ("provider", context.provider.get_or_insert_default())]
        {
            if let Some(value) = path.matrix.get(name) {
                *told = value.to_owned();
            }
        }
        context.provider = context.provider.take().filter(|provider| !provider.is_empty());
        asked.params.fall_back_to(path.matrix);
        if asked.method == Method::POST
            && let Some(meant) = asked.params.get("_method")
        {
            asked.method = meant.to_ascii_uppercase().parse().map_err(|_| Refusal::NoRoute)?;
        }
        if asked.method == Method::HEAD && asked.segments.first().is_none_or(|first| first != "buckets") {
            asked.method = Method::GET;
        }

        let cloud = self.clouds.iter().find(|cloud| cloud.name == context.driver_name).ok_or_else(|| {
            let there = format!("there is {}", self.names.join(", "));
            Refusal::UnknownDriver(context.driver_name.clone(), there)
        });
        let offered = match asked.segments.first().map(String::as_str) {
            Some("instance_states") => negotiation::STATES,
            _ => negotiation::USUAL,
        };
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let chosen = negotiation::choose(accept, asked.params.get("format"), offered);
        *format = match chosen {
            Err(_) if blobs::is_content(&asked.segments) || asked.method == Method::OPTIONS => Format::Xml,
            other => other?,
        };
        let cloud = cloud?;
        let login = self.users.login(headers);
        let forced = asked.segments.is_empty() && asked.params.get("force_auth").is_some();
        let user = match &login {
            Login::User(user) => Some(user.as_str()),
            Login::Nobody if routing::is_public(&asked.segments) && !forced => None,
            Login::Nobody => return Err(Refusal::Unauthorised),
        };
        let scene = Scene { links, ..Scene::default() };
        let mut call = Call {
            driver: &*cloud.driver,
            drivers: &self.names,
            asked,
            context,
            headers,
            format: *format,
            scene,
            user,
        };
        routing::answer(&mut call, &mut content).await
    }

    /// Reads the parameters of a body that has some; a blob's content is left to flow.
    async fn read_body<B>(
        &self,
        asked: &mut Asked,
        headers: &HeaderMap,
        body: B,
    ) -> Result<Option<BlobStream>, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        if blobs::is_upload(&asked.method, &asked.segments) {
            return Ok(Some(Box::pin(blobs::Upload::new(body, self.limits.request))));
        }
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let form = matches!(kind.as_str(), "application/x-www-form-urlencoded" | "multipart/form-data");
        // A stranger's upload is not even read.
        if !form || (self.users.login(headers) == Login::Nobody && !routing::is_public(&asked.segments)) {
            return Ok(None);
        }
        let bytes = tokio::time::timeout(self.limits.request, collect(body, self.limits.body))
            .await
            .map_err(|_| Refusal::Incomplete)??;
        let mut params = match kind.as_str() {
            "multipart/form-data" => Params::multipart(media_type, &bytes)?,
            _ => Params::urlencoded(&bytes),
        };
        params.fall_back_to(std::mem::take(&mut asked.params));
        asked.params = params;
        Ok(None)
    }
}

/// Whether no segment is empty; but the documentation is also known under an address with a slash at its end.
fn are_whole(segments: &[String]) -> bool {
    segments.iter().all(|segment| !segment.is_empty()) || segments == ["docs", ""]
}

async fn collect<B: Body<Data = Bytes>>(body: B, limit: usize) -> Result<Bytes, Refusal> {
    let mut collected = BytesMut::new();
    let mut body = std::pin::pin!(body);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::Incomplete)?.into_data() else { continue };
        if collected.len() + data.len() > limit {
            return Err(Refusal::TooLarge(limit));
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}
