//! HTTP/1.1 around the calls: bodies with a bound, gzip both ways, plain answers for what is not a call.

use bytes::{Buf, Bytes, BytesMut};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY,
};
use hyper::{Request, StatusCode};
use listen::{Held, Share, Shares};
use std::io::{Read, Write};
use std::sync::OnceLock;
use std::time::Duration;

/// What every request is answered with.
pub(super) type Response = hyper::Response<Full<Bytes>>;

/// Answers shorter than this are not worth compressing.
const GZIP_FROM: usize = 1024;

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyRefusal {
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
    /// The HTTP answer for it.
    #[must_use]
    pub(super) fn into_response(self) -> Response {
        let status = match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::NotGzip => StatusCode::BAD_REQUEST,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        };
        ending(text(status, &format!("{self}\n")))
    }
}

/// Bodies up to this many bytes are read without a place: calls of most users, and many at once, are no burden.
const SMALL: usize = 16 << 10;
/// Bytes that are one unit of the places.
const UNIT: usize = 1 << 10;
/// So many bodies of the largest size fit into the places of all callers, and into those of one.
const LARGEST: (usize, usize) = (16, 4);

/// Places for the bytes of requests, for each caller by URN: so many in all, that requests cannot fill the memory, and
/// so many of one caller, that nobody keeps the others out.
#[must_use]
pub(super) fn places(limit: usize) -> Shares<String> {
    let units = units(limit) as usize;
    Shares::new(LARGEST.0 * units, LARGEST.1 * units)
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// A request's body, with the place it takes while it is worked on.
pub(super) struct Body {
    /// The bytes, decompressed.
    pub(super) bytes: Bytes,
    place: Option<Held>,
}

impl Body {
    /// Carries out `work` on the bytes. Where they take a place, the work is carried out to its end and holds the place
    /// until then, also when the client hangs up meanwhile: what threads have begun for it cannot be stopped, and needs
    /// its memory. `None` when it failed.
    pub(super) async fn carry_out<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        self,
        work: impl FnOnce(Bytes) -> F,
    ) -> Option<T> {
        let work = work(self.bytes);
        let Some(place) = self.place else { return Some(work.await) };
        let to_its_end = async move {
            let done = work.await;
            drop(place);
            done
        };
        tokio::spawn(to_its_end).await.ok()
    }
}

/// Reads the body of a request: at most `limit` bytes on the wire and after decompression, within `time`.
///
/// # Errors
/// [`BodyRefusal`].
pub(super) async fn body(
    request: Request<Incoming>,
    limit: usize,
    time: Duration,
    places: &Share,
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
    // What it unpacks to may be as large as allowed. All that may be needed is taken at once.
    let unpacked = if zipped { limit } else { 0 };
    let reading = async {
        let mut place = None;
        let bytes = collect(request.into_body(), limit, unpacked, places, &mut place).await?;
        if zipped && place.is_none() {
            place = Some(places.take(units(bytes.len() + unpacked)).await);
        }
        Ok((bytes, place))
    };
    let (body, mut place) = tokio::time::timeout(time, reading).await.map_err(|_| BodyRefusal::TooSlow)??;
    let bytes = if zipped {
        let (bytes, back) = unpack(body, limit, place).await?;
        place = back;
        bytes
    } else {
        body
    };
    if let Some(place) = &mut place {
        place.keep(units(bytes.len()) as usize);
    }
    Ok(Body { bytes, place })
}

/// Unpacks a body. The work holds its place and gives it back with the bytes: it goes on when the client hangs up, and
/// so does its need of memory.
async fn unpack(
    body: Bytes,
    limit: usize,
    place: Option<Held>,
) -> Result<(Bytes, Option<Held>), BodyRefusal> {
    let unpack = move || {
        let mut plain = Vec::new();
        // One byte more than allowed tells "too large" from "just fits" without unpacking the rest.
        GzDecoder::new(body.reader())
            .take(limit as u64 + 1)
            .read_to_end(&mut plain)
            .map_err(|_| BodyRefusal::NotGzip)?;
        if plain.len() > limit { Err(BodyRefusal::TooLarge(limit)) } else { Ok((Bytes::from(plain), place)) }
    };
    tokio::task::spawn_blocking(unpack).await.unwrap_or(Err(BodyRefusal::Broken))
}

/// Reads what is sent; once that is more than a little, with a place for all that may come and for `besides` bytes.
async fn collect(
    mut body: Incoming,
    limit: usize,
    besides: usize,
    places: &Share,
    place: &mut Option<Held>,
) -> Result<Bytes, BodyRefusal> {
    let announced = hyper::body::Body::size_hint(&body).upper();
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(BodyRefusal::TooLarge(limit));
    }
    let longest = announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(limit);
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyRefusal::Broken)?.into_data() else { continue };
        let length = collected.len() + data.len();
        if length > limit {
            return Err(BodyRefusal::TooLarge(limit));
        }
        if length > SMALL && place.is_none() {
            *place = Some(places.take(units(longest + besides)).await);
            if announced.is_some() {
                collected.reserve(longest.saturating_sub(collected.len()));
            }
        }
        if collected.is_empty() && announced == Some(data.len() as u64) {
            return Ok(data);
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}

/// Whether the client takes gzip.
#[must_use]
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
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
pub(super) struct Document {
    plain: Bytes,
    zipped: OnceLock<Option<Bytes>>,
}

impl Document {
    /// A document of this text.
    #[must_use]
    pub(super) fn new(text: String) -> Self {
        Self { plain: Bytes::from(text), zipped: OnceLock::new() }
    }

    /// Its size in bytes.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.plain.len()
    }

    /// Whether it still has to be compressed for a client that takes gzip.
    #[must_use]
    pub(super) fn wants_zipping(&self) -> bool {
        self.len() >= GZIP_FROM && self.zipped.get().is_none()
    }

    /// Its gzip; None when that is not worth it.
    pub(super) fn zipped(&self) -> Option<Bytes> {
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
pub(super) fn xml(document: &Document, zipped: bool) -> Response {
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

/// The same answer as the last one of its connection: the rest of the request may still be coming, and is not read.
#[must_use]
pub(super) fn ending(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A short answer in plain text.
#[must_use]
pub(super) fn text(status: StatusCode, message: &str) -> Response {
    let mut response = hyper::Response::new(Full::new(Bytes::copy_from_slice(message.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
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

    /// A runtime whose one thread for long work is busy until the sender is dropped.
    fn busy_runtime() -> (tokio::runtime::Runtime, std::sync::mpsc::Sender<()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let (release, released) = std::sync::mpsc::channel::<()>();
        runtime.spawn_blocking(move || released.recv());
        (runtime, release)
    }

    async fn is_free(places: &Shares<String>, units: u32) -> bool {
        tokio::time::timeout(Duration::ZERO, places.of("alice".into()).take(units)).await.is_ok()
    }

    async fn begun_and_given_up(work: impl Future) {
        tokio::select! {
            biased;
            _ = work => unreachable!("its thread is busy"),
            () = tokio::task::yield_now() => {}
        }
    }

    // Else whoever hangs up at once could have any number of bodies unpacked at the same time.
    #[test]
    fn a_place_is_held_while_a_body_is_unpacked_for_nobody() {
        let (runtime, release) = busy_runtime();
        runtime.block_on(async {
            let places = Shares::new(10, 10);
            let held = places.of("alice".into()).take(10).await;
            let zipped = Document::new("x".repeat(5000)).zipped().unwrap();
            begun_and_given_up(unpack(zipped, 10_000, Some(held))).await;
            assert!(!is_free(&places, 1).await);
            drop(release);
            places.of("alice".into()).take(10).await;
        });
    }

    #[test]
    fn a_place_is_held_until_the_call_has_ended() {
        let (runtime, release) = busy_runtime();
        runtime.block_on(async {
            let places = Shares::new(10, 10);
            let place = Some(places.of("alice".into()).take(10).await);
            let body = Body { bytes: Bytes::from_static(b"x"), place };
            let work =
                |bytes: Bytes| async move { tokio::task::spawn_blocking(move || bytes.len()).await.unwrap() };
            begun_and_given_up(body.carry_out(work)).await;
            tokio::task::yield_now().await;
            assert!(!is_free(&places, 1).await);
            drop(release);
            places.of("alice".into()).take(10).await;
            let body = Body { bytes: Bytes::from_static(b"xy"), place: None };
            assert_eq!(body.carry_out(work).await, Some(2));
        });
    }
}
