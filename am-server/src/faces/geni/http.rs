//! HTTP/1.1 around the calls: bodies with a bound, gzip both ways, plain answers for what is not a call.

use bytes::{Buf, Bytes, BytesMut};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY,
};
use hyper::{Request, StatusCode};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What every request is answered with.
pub type Response = hyper::Response<Full<Bytes>>;

/// Answers shorter than this are not worth compressing.
const GZIP_FROM: usize = 1024;

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub enum BodyRefusal {
    /// More bytes than allowed, before or after decompression.
    #[error("the request is larger than {0} bytes, the most this service reads")]
    TooLarge(usize),
    /// The body did not arrive in time.
    #[error("the request's body took too long")]
    TooSlow,
    /// The connection broke, or the chunks did.
    #[error("the request's body could not be read")]
    Broken,
    /// Not valid gzip.
    #[error("the request's body is not the gzip it claims to be")]
    NotGzip,
    /// An encoding other than gzip and identity.
    #[error("the request's Content-Encoding is not known here; gzip and identity are")]
    Encoding,
}

impl BodyRefusal {
    /// The HTTP answer for it. The connection ends with it, since the rest of the body may still be coming.
    #[must_use]
    pub fn into_response(self) -> Response {
        let status = match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::NotGzip => StatusCode::BAD_REQUEST,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        let mut response = text(status, &format!("{self}\n"));
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// Bodies up to this size are read at once; larger ones, and compressed ones, wait for a place, so that many of them
/// together cannot fill the memory.
const LARGE: usize = 256 << 10;

/// A request's body, with the place it takes while it is worked on.
pub struct Body {
    /// The bytes, decompressed.
    pub bytes: Bytes,
    _place: Option<Place>,
}

/// Reads the body of a request: at most `limit` bytes on the wire and after decompression, within `time`.
///
/// # Errors
/// [`BodyRefusal`].
pub async fn body(
    request: Request<Incoming>,
    limit: usize,
    time: Duration,
    places: &Places,
) -> Result<Body, BodyRefusal> {
    let zipped = match request.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None => false,
        Some(encoding) if encoding.eq_ignore_ascii_case(b"identity") => false,
        Some(encoding)
            if encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip") =>
        {
            true
        }
        Some(_) => return Err(BodyRefusal::Encoding),
    };
    let reading = async {
        let mut place = None;
        let bytes = collect(request.into_body(), limit, places, &mut place).await?;
        if zipped && place.is_none() {
            // What it unpacks to may be large.
            place = Some(places.take().await?);
        }
        Ok((bytes, place))
    };
    let (body, place) = tokio::time::timeout(time, reading).await.map_err(|_| BodyRefusal::TooSlow)??;
    if !zipped {
        return Ok(Body { bytes: body, _place: place });
    }
    let unpack = move || {
        let mut plain = Vec::new();
        // One byte more than allowed tells "too large" from "just fits" without unpacking the rest.
        GzDecoder::new(body.reader())
            .take(limit as u64 + 1)
            .read_to_end(&mut plain)
            .map_err(|_| BodyRefusal::NotGzip)?;
        if plain.len() > limit { Err(BodyRefusal::TooLarge(limit)) } else { Ok(Bytes::from(plain)) }
    };
    let bytes = tokio::task::spawn_blocking(unpack).await.unwrap_or(Err(BodyRefusal::Broken))?;
    Ok(Body { bytes, _place: place })
}

/// Places for large bodies: so many of each caller, and so many in all, so that nobody can take all of them.
#[derive(Clone)]
pub struct Places {
    /// Those of the caller.
    pub own: Arc<Semaphore>,
    /// Those of all callers.
    pub all: Arc<Semaphore>,
}

/// A place that is taken, given back when it is dropped.
struct Place {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Places {
    async fn take(&self) -> Result<Place, BodyRefusal> {
        let take = |places: &Arc<Semaphore>| Arc::clone(places).acquire_owned();
        let _own = take(&self.own).await.map_err(|_| BodyRefusal::Broken)?;
        let _all = take(&self.all).await.map_err(|_| BodyRefusal::Broken)?;
        Ok(Place { _own, _all })
    }
}

async fn collect(
    mut body: Incoming,
    limit: usize,
    places: &Places,
    place: &mut Option<Place>,
) -> Result<Bytes, BodyRefusal> {
    let announced = hyper::body::Body::size_hint(&body).upper();
    if announced.is_some_and(|length| length > limit as u64) {
        discard(body);
        return Err(BodyRefusal::TooLarge(limit));
    }
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyRefusal::Broken)?.into_data() else { continue };
        let length = collected.len() + data.len();
        if length > limit {
            discard(body);
            return Err(BodyRefusal::TooLarge(limit));
        }
        if length > LARGE && place.is_none() {
            *place = Some(places.take().await?);
        }
        if collected.is_empty() && announced == Some(data.len() as u64) {
            return Ok(data);
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

/// How much of a refused body is still read, and for how long.
const DISCARDED: usize = 64 << 20;
const DISCARDING: Duration = Duration::from_secs(5);

/// Goes on reading a body that is refused, and forgets it. A client that sends its whole request before it reads
/// would otherwise find the connection broken, and never see the answer that says why.
fn discard(mut body: Incoming) {
    tokio::spawn(tokio::time::timeout(DISCARDING, async move {
        let mut left = DISCARDED;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    }));
}

/// Whether the client takes gzip.
#[must_use]
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
            let refused = parts
                .any(|p| p.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q <= 0.0));
            named && !refused
        })
}

/// An XML document to be sent, with its compressed form once somebody has asked for that. One that is the same for
/// many callers is kept, and none of its bytes is copied for any of them.
#[derive(Debug)]
pub struct Document {
    plain: Bytes,
    zipped: OnceLock<Option<Bytes>>,
}

impl Document {
    /// A document of this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self { plain: Bytes::from(text), zipped: OnceLock::new() }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.plain.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    /// Whether it still has to be compressed for a client that takes gzip.
    #[must_use]
    pub fn wants_zipping(&self) -> bool {
        self.len() >= GZIP_FROM && self.zipped.get().is_none()
    }

    /// Its gzip; None when that is not worth it.
    pub fn zipped(&self) -> Option<Bytes> {
        if self.len() < GZIP_FROM {
            return None;
        }
        let zip = || {
            let mut encoder = GzEncoder::new(Vec::with_capacity(self.len() / 4), Compression::fast());
            // Writing to memory does not fail; if it ever did, the plain document is as good an answer.
            encoder.write_all(&self.plain).and_then(|()| encoder.finish()).ok().map(Bytes::from)
        };
        self.zipped.get_or_init(zip).clone()
    }
}

/// An XML-RPC answer, compressed when the client takes that and it is worth it.
#[must_use]
pub fn xml(document: &Document, zipped: bool) -> Response {
    let packed = if zipped { document.zipped() } else { None };
    let encoded = packed.is_some();
    let mut response = hyper::Response::new(Full::new(packed.unwrap_or_else(|| document.plain.clone())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if encoded {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// A short answer in plain text.
#[must_use]
pub fn text(status: StatusCode, message: &str) -> Response {
    let mut response = hyper::Response::new(Full::new(Bytes::copy_from_slice(message.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// The answer to anything but POST.
#[must_use]
pub fn method_not_allowed() -> Response {
    let mut response =
        text(StatusCode::METHOD_NOT_ALLOWED, "this is the GENI AM API: XML-RPC calls are sent with POST\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_only_when_asked_for() {
        let headers = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            headers
        };
        assert!(accepts_gzip(&headers("deflate, gzip;q=0.5")));
        assert!(accepts_gzip(&headers("*")));
        assert!(!accepts_gzip(&headers("gzip;q=0")));
        assert!(!accepts_gzip(&headers("deflate")));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn long_answers_are_compressed_short_ones_not() {
        let (long, short) = (Document::new("x".repeat(5000)), Document::new("x".repeat(50)));
        assert!(long.wants_zipping() && !short.wants_zipping());
        assert!(xml(&long, true).headers().contains_key(CONTENT_ENCODING));
        assert!(!xml(&long, false).headers().contains_key(CONTENT_ENCODING));
        assert!(!xml(&short, true).headers().contains_key(CONTENT_ENCODING));
        assert!(!long.wants_zipping());
    }
}
