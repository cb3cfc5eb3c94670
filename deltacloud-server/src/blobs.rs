//! Buckets and blobs. Content flows through in pieces, in both directions, and is never held whole; only the
//! form of a page, which the API has for browsers, is.

use crate::body::Unread;
use crate::call::Call;
use crate::errors::Refusal;
use crate::params::is_dots;
use crate::reply::Reply;
use bytes::Bytes;
use drivers::{Blob, BlobStream, CreateBucket, DriverError, PutBlob, stream_of};
use futures_core::Stream;
use hyper::body::Body;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use hyper::{Method, StatusCode};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// What precedes the name of an entry of a blob's metadata in a header.
const META: &str = "x-deltacloud-blobmeta-";

pub(super) async fn answer(
    call: &Call<'_>,
    rest: &[&str],
    body: &mut Option<BlobStream>,
) -> Result<Reply, Refusal> {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => Ok(call.list(call.driver.buckets().await?).await),
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.bucket(id).await?)),
        (&Method::POST, []) => {
            let request = CreateBucket { name: call.required("name")?, location: call.param("location") };
            let bucket = call.driver.create_bucket(&request).await?;
            Ok(call.made(&bucket))
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_bucket(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["buckets"]))
        }
        (&Method::PUT, [bucket, id]) => {
            refuse_segments(call)?;
            let content = body.take().unwrap_or_else(|| stream_of(Bytes::new()));
            let blob = call.driver.put_blob(bucket, &from_headers(id, call.headers), content).await?;
            Ok(call.one(StatusCode::OK, &blob))
        }
        (&Method::POST, [bucket]) => {
            let (request, content) = from_form(call)?;
            let blob = call.driver.put_blob(bucket, &request, stream_of(content)).await?;
            Ok(call.changed(StatusCode::CREATED, &blob))
        }
        (&Method::GET, [bucket, id]) => Ok(call.one(StatusCode::OK, &call.driver.blob(bucket, id).await?)),
        (&Method::HEAD, [bucket, id]) => {
            Ok(with_metadata(Reply::empty(StatusCode::NO_CONTENT), &call.driver.blob(bucket, id).await?))
        }
        (&Method::POST, [bucket, id]) => {
            let blob = call.driver.set_blob_metadata(bucket, id, &metadata(call.headers)).await?;
            Ok(with_metadata(Reply::empty(StatusCode::NO_CONTENT), &blob))
        }
        (&Method::DELETE, [bucket, id]) => {
            call.driver.destroy_blob(bucket, id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["buckets", bucket]))
        }
        (&Method::GET | &Method::HEAD, [bucket, id, "content"]) => {
            let blob = call.driver.blob(bucket, id).await?;
            let content = call.driver.blob_content(bucket, id).await?;
            let disposition = disposition(id);
            Ok(Reply::blob(blob, content).header("content-disposition", disposition))
        }
        _ => Err(Refusal::NoRoute),
    }
}

/// Refuses blobs in segments, each of which would otherwise take the place of the one before it.
fn refuse_segments(call: &Call<'_>) -> Result<(), Refusal> {
    let typed = |value: &str| value.eq_ignore_ascii_case("segmented");
    let by_header = call.headers.get("x-deltacloud-blobtype").and_then(|value| value.to_str().ok());
    let is_segment = by_header.is_some_and(typed)
        || call.asked.params.get("blob_type").is_some_and(typed)
        || ["x-deltacloud-segmentedblob", "x-deltacloud-segmentorder"]
            .iter()
            .any(|name| call.headers.contains_key(*name));
    if is_segment {
        return Err(Refusal::NotImplemented(
            "blobs are not taken in segments here; PUT takes them whole, of any size",
        ));
    }
    Ok(())
}

fn metadata(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter_map(|(name, value)| {
            let entry = name.as_str().strip_prefix(META).filter(|entry| !entry.is_empty())?;
            Some((entry.to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect()
}

fn with_metadata(reply: Reply, blob: &Blob) -> Reply {
    blob.user_metadata
        .iter()
        .fold(reply, |reply, (name, value)| reply.header(&format!("{META}{name}"), value.clone()))
}

fn from_headers(id: &str, headers: &HeaderMap) -> PutBlob {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    PutBlob {
        id: id.to_owned(),
        content_type: text(CONTENT_TYPE).unwrap_or("application/octet-stream").to_owned(),
        content_length: text(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        user_metadata: metadata(headers),
    }
}

/// A blob from a page's form: `blob_id` (`blob` in the API's text), `blob_data`, and `meta_params` pairs
/// `meta_name1`, `meta_value1`, ….
fn from_form(call: &Call<'_>) -> Result<(PutBlob, Bytes), Refusal> {
    let params = &call.asked.params;
    let id = call.param("blob").map_or_else(|| call.required("blob_id"), Ok)?;
    if is_dots(&id) {
        return Err(DriverError::invalid("blob_id", "cannot be . or .., which no address can hold").into());
    }
    let data = params
        .field("blob_data")
        .ok_or_else(|| Refusal::Missing { parameter: "blob_data", given: params.names() })?;
    let names = params.numbered("meta_name")?;
    let user_metadata = names
        .into_iter()
        .filter_map(|(number, name)| Some((name.to_lowercase(), call.param(&format!("meta_value{number}"))?)))
        .collect();
    let request = PutBlob {
        id,
        // A part that names no type is text (RFC 7578 section 4.4).
        content_type: data.content_type.clone().unwrap_or_else(|| "text/plain".into()),
        content_length: Some(data.value.len() as u64),
        user_metadata,
    };
    Ok((request, data.value.clone()))
}

/// What makes a browser save the content under the blob's name, where a header can hold that.
fn disposition(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if id.chars().all(plain) { format!("attachment; filename={id}") } else { "attachment".to_owned() }
}

/// The body of a request as content of a blob. A sender that falls silent ends it.
pub(super) struct Upload<B: Body<Data = Bytes> + Send + 'static> {
    body: Unread<B>,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
}

impl<B: Body<Data = Bytes> + Send + 'static> Upload<B> {
    pub(super) fn new(body: Unread<B>, patience: Duration) -> Self {
        Self { body, patience, silence: Box::pin(tokio::time::sleep(patience)) }
    }
}

impl<B: Body<Data = Bytes> + Send + 'static> Stream for Upload<B> {
    type Item = Result<Bytes, DriverError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let broken = |why: &str| Poll::Ready(Some(Err(DriverError::invalid("content", why))));
        loop {
            match self.body.poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(_))) => return broken("broke off before its end"),
                Poll::Ready(Some(Ok(frame))) => {
                    let again = tokio::time::Instant::now() + self.patience;
                    self.silence.as_mut().reset(again);
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Pending => {
                    return match std::future::Future::poll(self.silence.as_mut(), cx) {
                        Poll::Ready(()) => broken("did not arrive in time"),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_header_cannot_hold_is_left_out() {
        assert_eq!(disposition("b1.txt"), "attachment; filename=b1.txt");
        assert_eq!(disposition("a\"\r\nb"), "attachment");
    }

    #[tokio::test]
    async fn a_sender_that_falls_silent_is_not_waited_for() {
        struct Silent;
        impl Body for Silent {
            type Data = Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
                Poll::Pending
            }
        }
        let stream: BlobStream =
            Box::pin(Upload::new(Unread::new(Silent, &HeaderMap::new()), Duration::from_millis(5)));
        let error = drivers::collect_blob(stream, 10).await.unwrap_err();
        assert!(error.to_string().contains("in time"), "{error}");
    }
}
