//! Blobs: content in pieces, in both directions.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Body, Method, RequestBuilder};

use super::DeltacloudDriver;
use super::decode;
use super::http::{of_reading, unanswered};
use super::wire::Unreadable;
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{Blob, BlobStream, PutBlob};
use crate::operation::{Collection, Operation, Verb};

/// With the entries of a blob's metadata as headers.
fn with_metadata<'m>(
    mut request: RequestBuilder,
    entries: impl IntoIterator<Item = (&'m String, &'m String)>,
) -> Answer<RequestBuilder> {
    for (name, value) in entries {
        let wrong =
            || DriverError::invalid("user_metadata", format!("{name:?} or its value cannot be a header"));
        let header: HeaderName = format!("x-deltacloud-blobmeta-{name}").parse().map_err(|_| wrong())?;
        request = request.header(header, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    Ok(request)
}

impl DeltacloudDriver {
    pub(super) async fn put(&self, bucket_id: &str, blob: &PutBlob, content: BlobStream) -> Answer<Blob> {
        let url = self.member(Collection::Blobs, Verb::Put, &[bucket_id, &blob.id]).await?;
        let operation = Operation::new(Collection::Blobs, Verb::Put);
        let mut request = self.server.request(Method::PUT, url).header(CONTENT_TYPE, &blob.content_type);
        if let Some(length) = blob.content_length {
            request = request.header(CONTENT_LENGTH, length);
        }
        let request = with_metadata(request, &blob.user_metadata)?.body(Body::wrap_stream(content));
        let response = request.send().await.map_err(|error| unanswered(&error, operation))?;
        let told = self.server.told(response, operation, &format!("{bucket_id}/{}", blob.id)).await?;
        told.entity(decode::blob)
    }

    pub(super) async fn content(&self, bucket_id: &str, id: &str) -> Answer<BlobStream> {
        let url = self.member(Collection::Blobs, Verb::Content, &[bucket_id, id, "content"]).await?;
        let operation = Operation::new(Collection::Blobs, Verb::Content);
        let request = self.server.request(Method::GET, url);
        // Whatever the blob is: the server is asked for no format of its own.
        let request = request.header(reqwest::header::ACCEPT_ENCODING, "identity");
        let response = request.send().await.map_err(|error| unanswered(&error, operation))?;
        if !response.status().is_success() {
            self.server.told(response, operation, &format!("{bucket_id}/{id}")).await?;
            return Err(DriverError::TimedOut { operation });
        }
        Ok(Box::pin(Content { pieces: Box::pin(response.bytes_stream()), operation }))
    }

    pub(super) async fn put_metadata(
        &self,
        bucket_id: &str,
        id: &str,
        entries: &std::collections::BTreeMap<String, String>,
    ) -> Answer<Blob> {
        let url = self.member(Collection::Blobs, Verb::SetMetadata, &[bucket_id, id]).await?;
        let operation = Operation::new(Collection::Blobs, Verb::SetMetadata);
        let request = with_metadata(self.server.request(Method::POST, url), entries)?;
        let response =
            request.header(CONTENT_LENGTH, 0).send().await.map_err(|error| unanswered(&error, operation))?;
        self.server.told(response, operation, &format!("{bucket_id}/{id}")).await?;
        self.blob_of(bucket_id, id).await
    }

    pub(super) async fn blob_of(&self, bucket_id: &str, id: &str) -> Answer<Blob> {
        let url = self.member(Collection::Blobs, Verb::Show, &[bucket_id, id]).await?;
        let operation = Operation::new(Collection::Blobs, Verb::Show);
        let tree = self.server.get(&url, operation, &format!("{bucket_id}/{id}")).await?;
        decode::blob(tree.root()).ok_or(Unreadable::Unexpected).map_err(of_reading)
    }
}

/// A blob's content as it comes.
struct Content {
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    operation: Operation,
}

impl Stream for Content {
    type Item = Answer<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let operation = self.operation;
        self.pieces
            .as_mut()
            .poll_next(cx)
            .map(|next| next.map(|piece| piece.map_err(|error| unanswered(&error, operation))))
    }
}
