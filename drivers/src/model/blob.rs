//! Buckets and blobs: named bytes, which flow through drivers in pieces.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_core::Stream;
use serde::{Deserialize, Serialize};

use crate::error::DriverError;

/// Content on its way: pieces of any size, in order. An error ends it, and what came before is then not
/// the whole.
pub type BlobStream = Pin<Box<dyn Stream<Item = Result<Bytes, DriverError>> + Send>>;

/// A set of blobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Identity within the driver; in most clouds its name.
    pub id: String,
    /// For people.
    pub name: String,
    /// Where it is kept, when the cloud tells.
    pub location: Option<String>,
    /// Ids of its blobs, sorted. Some clouds leave it out of listings.
    pub blobs: Vec<String>,
}

/// A request for a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateBucket {
    /// Name and token.
    pub name: String,
    /// Where to keep it; `None`: the driver chooses.
    pub location: Option<String>,
}

/// What is known about a blob without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Identity within its bucket.
    pub id: String,
    /// Its bucket.
    pub bucket_id: String,
    /// Size in bytes.
    pub content_length: u64,
    /// Media type.
    pub content_type: String,
    /// When its content was last written.
    pub last_modified: DateTime<Utc>,
    /// The owner's own entries.
    pub user_metadata: BTreeMap<String, String>,
}

/// A request to write a blob, in place of one that may be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutBlob {
    /// Identity within its bucket.
    pub id: String,
    /// Media type.
    pub content_type: String,
    /// Size in bytes when the caller knows it; the write fails when the content has another.
    pub content_length: Option<u64>,
    /// The owner's own entries.
    pub user_metadata: BTreeMap<String, String>,
}

/// Content that is already in memory, as a stream of one piece.
#[must_use]
pub fn stream_of(content: impl Into<Bytes>) -> BlobStream {
    struct Once(Option<Bytes>);
    impl Stream for Once {
        type Item = Result<Bytes, DriverError>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.take().map(Ok))
        }
    }
    Box::pin(Once(Some(content.into()).filter(|b| !b.is_empty())))
}

/// Reads a stream to its end, for callers that know it to be small.
///
/// # Errors
/// The stream's own, and [`DriverError::Invalid`] when there are more than `limit` bytes.
pub async fn collect_blob(mut content: BlobStream, limit: usize) -> Result<Vec<u8>, DriverError> {
    let mut all = Vec::new();
    while let Some(piece) = std::future::poll_fn(|cx| content.as_mut().poll_next(cx)).await {
        let piece = piece?;
        if all.len() + piece.len() > limit {
            return Err(DriverError::invalid("content", format!("is larger than {limit} bytes")));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}
