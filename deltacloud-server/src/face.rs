//! The requests that the server answers, one by one: read, negotiated, admitted, carried out.

use crate::asked::{Asked, Context, is_upload};
use crate::auth::{Login, Users};
use crate::blobs::Upload;
use crate::body::{Reader, Unread};
use crate::call::Call;
use crate::errors::Refusal;
use crate::format::Format;
use crate::params::{Params, Path};
use crate::reply::{Page, Reply, Response};
use crate::throttle::{LogLine, Throttle};
use crate::views::{Links, Scene};
use crate::{html, origin, routing};
use bytes::Bytes;
use drivers::{BlobStream, ComputeDriver};
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, SERVER};
use hyper::{Method, Request, StatusCode};
use listen::{Guest, HostError, Limits};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio_rustls::TlsAcceptor;

/// A driver under the name that clients ask for it by.
#[derive(Clone)]
pub struct NamedDriver {
    /// The name.
    pub name: String,
    /// The driver.
    pub driver: Arc<dyn ComputeDriver>,
}

/// The face: the drivers it serves, to whom, and how.
pub struct Face {
    drivers: Vec<NamedDriver>,
    names: Vec<String>,
    users: Users,
    throttle: Throttle,
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    bodies: Reader,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<TlsAcceptor>,
}

/// Who sends a request, as far as its headers tell.
#[derive(Clone, Copy)]
struct Sender<'a> {
    headers: &'a HeaderMap,
    /// The address that the client has used for this server.
    host: &'a str,
    /// The client's own.
    peer: IpAddr,
    /// The connection, where there is one.
    guest: Option<&'a Guest>,
}

impl Face {
    /// A face that serves these drivers, the first where none is asked for; without `tls` in plain HTTP.
    #[must_use]
    pub fn new(drivers: Vec<NamedDriver>, users: Users, limits: Limits, tls: Option<TlsAcceptor>) -> Self {
        let names = drivers.iter().map(|named| named.name.clone()).collect();
        let (throttle, bodies) = (Throttle::default(), Reader::new(limits));
        Self { drivers, names, users, throttle, now: Box::new(Instant::now), bodies, limits, tls }
    }

    /// The same with another clock for what it remembers of failed logins.
    #[must_use]
    pub fn with_clock(self, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self { now: Box::new(now), ..self }
    }

    /// Answers one request of a client at the address `peer`.
    pub async fn answer<B>(&self, request: Request<B>, peer: IpAddr) -> Response
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        self.answer_on(request, peer, None).await
    }

    /// Answers one request that came on the connection of `guest`, which is its user's from now on.
    pub(crate) async fn answer_on<B>(
        &self,
        request: Request<B>,
        peer: IpAddr,
        guest: Option<&Guest>,
    ) -> Response
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let host = match listen::host(&request) {
            Ok(Some(host)) => Some(host.to_owned()),
            Ok(None) | Err(HostError::Missing) => request.uri().host().map(str::to_owned),
            Err(HostError::Several | HostError::Malformed) => None,
        };
        let (parts, body) = request.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let driver = header("x-deltacloud-driver").map(str::to_owned);
        let provider = header("x-deltacloud-provider").map(str::to_owned);
        let mut context = Context {
            driver_name: driver.or_else(|| self.names.first().cloned()).unwrap_or_default(),
            provider,
        };
        let body = Unread::new(body, &parts.headers);
        let reply = match &host {
            Some(host) => {
                let sender = Sender { headers: &parts.headers, host, peer, guest };
                self.reply(&parts.method, &parts.uri, sender, body, &mut context).await
            }
            None => Reply::html_text(StatusCode::BAD_REQUEST, "Unable to find HTTP Host header"),
        };
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
        sender: Sender<'_>,
        body: Unread<B>,
        context: &mut Context,
    ) -> Reply
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let mut asked = Asked {
            method: method.clone(),
            path: uri.path().to_owned(),
            segments: Vec::new(),
            params: Params::default(),
        };
        // Until the format is chosen, and where none can be, errors are XML.
        let mut format = Format::Xml;
        let query = uri.query().unwrap_or_default();
        match self.carry_out(&mut asked, query, sender, body, context, &mut format).await {
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
        query: &str,
        sender: Sender<'_>,
        body: Unread<B>,
        context: &mut Context,
        format: &mut Format,
    ) -> Result<Reply, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let sent_as = asked.method.clone();
        let path = Path::parse(&asked.path)?;
        asked.segments = match path.collection_segments() {
            Some(segments) => segments,
            None if path.segments == [""] && asked.method == Method::GET => {
                let page = html::page("Deltacloud API", "<p><a href=\"/api\">deltacloud</a></p>\n");
                return Ok(Reply::page(StatusCode::OK, Page::Html(page)));
            }
            None => return Err(Refusal::NoRoute),
        };
        asked.params = Params::urlencoded(query.as_bytes())?;
        for (name, told) in
            [("driver", &mut context.driver_name), ("provider", context.provider.get_or_insert_default())]
        {
            if let Some(value) = path.matrix.get(name) {
                *told = value.to_owned();
            }
        }
        context.provider = context.provider.take().filter(|provider| !provider.is_empty());
        asked.params.fall_back_to(path.matrix)?;
        asked.read_method()?;
        *format = asked.format(sender.headers)?;
        let named = self.drivers.iter().find(|named| named.name == context.driver_name).ok_or_else(|| {
            let there = format!("there is {}", self.names.join(", "));
            Refusal::UnknownDriver(context.driver_name.clone(), there)
        })?;
        if origin::is_foreign_change(&sent_as, sender.headers, sender.host) {
            return Err(Refusal::CrossOrigin);
        }
        let user = self.admit(asked, sender)?;
        if let (Some(user), Some(guest)) = (&user, sender.guest) {
            guest.become_known(user).await?;
        }

        // Only now is it known who sends the body.
        let mut content: Option<BlobStream> = None;
        let mut _place = None;
        if is_upload(&asked.method, &asked.segments) {
            content = Some(Box::pin(Upload::new(body, self.limits.request)));
        } else if asked.takes_a_form(user.is_some())
            && let Some(form) = self.bodies.form(body, sender.headers, user.is_some()).await?
        {
            let mut params = form.params;
            params.fall_back_to(std::mem::take(&mut asked.params))?;
            (asked.params, _place) = (params, form.place);
            asked.read_method()?;
            *format = asked.format(sender.headers)?;
        }
        let links = Links::new(if self.tls.is_some() { "https" } else { "http" }, sender.host);
        let mut call = Call {
            driver: &*named.driver,
            drivers: &self.names,
            asked,
            context,
            headers: sender.headers,
            format: *format,
            scene: Scene { links, ..Scene::default() },
            user: user.as_deref(),
        };
        routing::answer(&mut call, &mut content).await
    }

    /// Lets a request pass: gives its user, or nobody where nobody needs to be known.
    fn admit(&self, asked: &Asked, sender: Sender<'_>) -> Result<Option<String>, Refusal> {
        let forced = asked.segments.is_empty() && asked.params.get("force_auth").is_some();
        if routing::is_public(&asked.segments) && !forced {
            return Ok(None);
        }
        let Some(shown) = sender.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes) else {
            return Err(Refusal::Unauthorised);
        };
        let (peer, now) = (sender.peer, (self.now)());
        if let Some(wait) = self.throttle.wait(peer, now) {
            if let LogLine::Due { unlogged } = self.throttle.refused(peer, now) {
                tracing::info!(%peer, unlogged, "a login to the Deltacloud API was refused: too many have failed");
            }
            return Err(Refusal::Throttled(wait));
        }
        match self.users.login(sender.headers) {
            Login::User(user) => Ok(Some(user)),
            Login::Nobody => Err(Refusal::Unauthorised),
            Login::Failed { known } => {
                if let LogLine::Due { unlogged } = self.throttle.failed(peer, shown, now) {
                    let user = known.as_deref().unwrap_or("(unknown)");
                    tracing::info!(%peer, user, unlogged, "a login to the Deltacloud API failed");
                }
                Err(Refusal::Unauthorised)
            }
        }
    }
}
