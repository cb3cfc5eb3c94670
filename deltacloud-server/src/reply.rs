//! Answers, before and after they become HTTP.

use crate::xml::Element;
use bytes::Bytes;
use drivers::{Blob, BlobStream};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use hyper::{Method, StatusCode};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What goes over the wire.
pub type Response = hyper::Response<UnsyncBoxBody<Bytes, drivers::DriverError>>;

/// A document in one of the formats.
#[derive(Debug, Clone, PartialEq)]
pub enum Page {
    /// XML.
    Xml(Element),
    /// JSON.
    Json(serde_json::Value),
    /// A page for people.
    Html(String),
    /// A document in pieces, with its media type.
    Pieces(&'static str, Vec<Bytes>),
    /// A drawing, with its media type.
    Drawing(&'static str, Vec<u8>),
}

impl Page {
    fn written(self) -> (&'static str, VecDeque<Bytes>) {
        let (media_type, whole): (_, Bytes) = match self {
            Self::Pieces(media_type, pieces) => return (media_type, pieces.into()),
            Self::Xml(root) => ("application/xml", root.document().into()),
            Self::Json(value) => ("application/json", value.to_string().into()),
            Self::Html(text) => ("text/html; charset=utf-8", text.into()),
            Self::Drawing(media_type, bytes) => (media_type, bytes.into()),
        };
        (media_type, VecDeque::from([whole]))
    }
}

enum Content {
    Empty,
    Whole(&'static str, VecDeque<Bytes>),
    Blob(Box<Blob>, BlobStream),
}

/// An answer.
pub struct Reply {
    status: StatusCode,
    headers: Vec<(String, String)>,
    content: Content,
}

impl Reply {
    /// Nothing but a status.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), content: Content::Empty }
    }

    /// A document.
    #[must_use]
    pub fn page(status: StatusCode, page: Page) -> Self {
        let (media_type, pieces) = page.written();
        Self { content: Content::Whole(media_type, pieces), ..Self::empty(status) }
    }

    /// Text that is sent as HTML, and must be fit for it.
    #[must_use]
    pub fn html_text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self {
            content: Content::Whole("text/html; charset=utf-8", [text.into()].into()),
            ..Self::empty(status)
        }
    }

    /// A message that is not in the format asked for, which nobody decodes: it holds no entities. As in the API it is
    /// told to be HTML, unless a browser could find markup in it.
    #[must_use]
    pub fn bare_text(status: StatusCode, text: String) -> Self {
        let media_type = if text.contains(['<', '>', '&']) {
            "text/plain; charset=utf-8"
        } else {
            "text/html; charset=utf-8"
        };
        Self { content: Content::Whole(media_type, [text.into()].into()), ..Self::empty(status) }
    }

    /// A blob's content.
    #[must_use]
    pub fn blob(blob: Blob, content: BlobStream) -> Self {
        Self { content: Content::Blob(Box::new(blob), content), ..Self::empty(StatusCode::OK) }
    }

    /// With a header more. One whose value cannot stand in a header is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The HTTP answer. A document that the client says it has becomes 304.
    #[must_use]
    pub fn into_response(self, method: &Method, request: &HeaderMap) -> Response {
        let mut status = self.status;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            put(&mut headers, name, value);
        }
        let reading = matches!(*method, Method::GET | Method::HEAD);
        let body = match self.content {
            Content::Empty => UnsyncBoxBody::default(),
            Content::Whole(media_type, mut pieces) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
                if reading && status == StatusCode::OK {
                    let tag = format!("\"{}\"", short_digest(&pieces));
                    put(&mut headers, ETAG.as_str(), &tag);
                    headers.insert(
                        CACHE_CONTROL,
                        HeaderValue::from_static("max-age=0, private, must-revalidate"),
                    );
                    if has_already(request, &tag) {
                        status = StatusCode::NOT_MODIFIED;
                        headers.remove(CONTENT_TYPE);
                        pieces.clear();
                    }
                }
                PiecesBody(pieces).boxed_unsync()
            }
            Content::Blob(blob, content) => {
                put(&mut headers, CONTENT_TYPE.as_str(), &blob.content_type);
                // What a stranger wrote must not run as a page of this server.
                put(&mut headers, "x-content-type-options", "nosniff");
                BlobBody { content, left: blob.content_length }.boxed_unsync()
            }
        };
        let mut response = hyper::Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

fn short_digest(pieces: &VecDeque<Bytes>) -> String {
    let mut digest = blake3::Hasher::new();
    for piece in pieces {
        digest.update(piece);
    }
    digest.finalize().to_hex()[..32].to_owned()
}

/// Whether one of the tags the client holds is this one, strong, weak or without its quotes.
fn has_already(request: &HeaderMap, tag: &str) -> bool {
    let bare = tag.trim_matches('"');
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|held| {
            let held = held.trim();
            held == "*" || held.strip_prefix("W/").unwrap_or(held).trim_matches('"') == bare
        })
}

/// A document as the body of an answer; each piece is let go when it is sent.
struct PiecesBody(VecDeque<Bytes>);

impl Body for PiecesBody {
    type Data = Bytes;
    type Error = drivers::DriverError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, drivers::DriverError>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

/// A blob's content as the body of an answer, whose length is told beforehand.
struct BlobBody {
    content: BlobStream,
    left: u64,
}

impl Body for BlobBody {
    type Data = Bytes;
    type Error = drivers::DriverError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, drivers::DriverError>>> {
        self.content.as_mut().poll_next(cx).map(|next| {
            next.map(|piece| {
                piece.map(|bytes| {
                    self.left = self.left.saturating_sub(bytes.len() as u64);
                    Frame::data(bytes)
                })
            })
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(tag: Option<&str>) -> Response {
        let mut request = HeaderMap::new();
        if let Some(tag) = tag {
            request.insert(IF_NONE_MATCH, tag.parse().unwrap());
        }
        Reply::page(StatusCode::OK, Page::Html("x".into())).into_response(&Method::GET, &request)
    }

    #[test]
    fn a_page_the_client_has_is_not_sent_again() {
        let tag = answer(None).headers()[ETAG].to_str().unwrap().to_owned();
        for held in
            [tag.clone(), format!("W/{tag}"), tag.trim_matches('"').to_owned(), format!("\"a\", {tag}")]
        {
            assert_eq!(answer(Some(&held)).status(), StatusCode::NOT_MODIFIED, "{held}");
        }
        assert_eq!(answer(Some("\"other\"")).status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_bare_message_holds_no_entities_and_no_markup_for_a_browser() {
        for (text, media_type) in [
            ("Required parameter 'image_id' not found in [name]", "text/html; charset=utf-8"),
            ("'image_id' not found in [<script>, a&b]", "text/plain; charset=utf-8"),
        ] {
            let reply = Reply::bare_text(StatusCode::BAD_REQUEST, text.to_owned());
            let response = reply.into_response(&Method::GET, &HeaderMap::new());
            assert_eq!(response.headers()[CONTENT_TYPE], media_type);
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), text);
        }
    }

    #[test]
    fn a_header_cannot_be_split() {
        let reply = Reply::empty(StatusCode::OK).header("x-deltacloud-blobmeta-a", "b\r\nset-cookie: c");
        let response = reply.into_response(&Method::GET, &HeaderMap::new());
        assert!(response.headers().is_empty());
    }
}
