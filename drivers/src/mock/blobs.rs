//! Buckets and blobs of the mock cloud.
//!
//! Content is stored in pieces, so that a blob of any size passes through in constant memory. An
//! upload writes its pieces under a new content number; only its end makes them the blob's. A reader
//! holds on to the number it began with.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use rusqlite::{OptionalExtension, params};
use tokio::sync::mpsc;

use super::config::FirstBlob;
use super::session::Session;
use super::store::{Store, Stored};
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{Blob, BlobStream, Bucket, CreateBucket, PutBlob};
use crate::operation::Collection;

/// Bytes of one stored piece: large enough to be few, small enough to hold some at a time.
pub(super) const PIECE: usize = 256 * 1024;

/// The longest identity of a blob, in bytes.
const ID_LIMIT: usize = 1024;

impl Session<'_> {
    fn with_blobs(&self, mut bucket: Bucket) -> Answer<Bucket> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id FROM blob WHERE bucket_id = ?1 ORDER BY id")
            .stored()?;
        let ids = statement.query_map([&bucket.id], |row| row.get(0)).stored()?;
        bucket.blobs = ids.collect::<rusqlite::Result<_>>().stored()?;
        Ok(bucket)
    }

    pub(super) fn buckets(&self) -> Answer<Vec<Bucket>> {
        self.all(Collection::Buckets)?.into_iter().map(|b| self.with_blobs(b)).collect()
    }

    pub(super) fn bucket(&self, id: &str) -> Answer<Bucket> {
        self.with_blobs(self.get(Collection::Buckets, id)?)
    }

    pub(super) fn create_bucket(&self, request: &CreateBucket) -> Answer<Bucket> {
        let bucket = self.make(Collection::Buckets, Some(&request.name), None, request, |id| {
            Ok(Bucket {
                id: id.to_owned(),
                name: request.name.clone(),
                location: request.location.clone(),
                blobs: Vec::new(),
            })
        })?;
        self.with_blobs(bucket)
    }

    pub(super) fn destroy_bucket(&self, id: &str) -> Answer<()> {
        let held = self.bucket(id)?.blobs.len();
        if held > 0 {
            let why = format!("it holds {held} blobs");
            return Err(DriverError::conflict(Collection::Buckets, id, why));
        }
        self.remove(Collection::Buckets, id)
    }

    /// The blob and the number of its content.
    fn stored_blob(&self, bucket_id: &str, id: &str) -> Answer<(Blob, i64)> {
        let found: Option<(String, i64)> = self
            .connection
            .prepare_cached("SELECT body, content FROM blob WHERE bucket_id = ?1 AND id = ?2")
            .stored()?
            .query_row([bucket_id, id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .stored()?;
        let missing = || DriverError::not_found(Collection::Blobs, format!("{bucket_id}/{id}"));
        let (body, content) = found.ok_or_else(missing)?;
        Ok((serde_json::from_str(&body).stored()?, content))
    }

    pub(super) fn blob(&self, bucket_id: &str, id: &str) -> Answer<Blob> {
        self.stored_blob(bucket_id, id).map(|(blob, _)| blob)
    }

    /// Size and content number of a blob that is to be read.
    pub(super) fn blob_to_read(&self, bucket_id: &str, id: &str) -> Answer<(u64, i64)> {
        self.stored_blob(bucket_id, id).map(|(blob, content)| (blob.content_length, content))
    }

    /// The number under which an upload writes its pieces.
    pub(super) fn begin_upload(&self, bucket_id: &str, id: &str) -> Answer<i64> {
        if !self.exists(Collection::Buckets, bucket_id)? {
            return Err(DriverError::not_found(Collection::Buckets, bucket_id));
        }
        let dots = matches!(id, "." | "..");
        if id.is_empty() || dots || id.len() > ID_LIMIT || id.contains(char::is_control) {
            let why =
                format!("must have 1 to {ID_LIMIT} bytes without control characters, and not be . or ..");
            return Err(DriverError::invalid("blob", why));
        }
        self.count_up("content").map(i64::from)
    }

    pub(super) fn write_piece(&self, content: i64, place: u32, bytes: &[u8]) -> Answer<()> {
        self.connection
            .prepare_cached("INSERT INTO piece VALUES (?1, ?2, ?3)")
            .stored()?
            .execute(params![content, place, bytes])
            .stored()?;
        Ok(())
    }

    pub(super) fn read_piece(&self, content: i64, place: u32) -> Answer<Option<Bytes>> {
        let bytes: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT bytes FROM piece WHERE content = ?1 AND place = ?2")
            .stored()?
            .query_row(params![content, place], |row| row.get(0))
            .optional()
            .stored()?;
        Ok(bytes.map(Bytes::from))
    }

    pub(super) fn drop_content(&self, content: i64) -> Answer<()> {
        self.connection
            .prepare_cached("DELETE FROM piece WHERE content = ?1")
            .stored()?
            .execute([content])
            .stored()?;
        Ok(())
    }

    /// Makes uploaded content the blob's, in place of what it had.
    pub(super) fn end_upload(
        &self,
        bucket_id: &str,
        request: &PutBlob,
        content: i64,
        length: u64,
    ) -> Answer<Blob> {
        // The bucket may have gone while the content came.
        if !self.exists(Collection::Buckets, bucket_id)? {
            return Err(DriverError::not_found(Collection::Buckets, bucket_id));
        }
        if let Some(announced) = request.content_length.filter(|a| *a != length) {
            let why = format!("{announced} bytes were announced, {length} came");
            return Err(DriverError::invalid("content_length", why));
        }
        if let Ok((_, before)) = self.stored_blob(bucket_id, &request.id) {
            self.drop_content(before)?;
        }
        let blob = Blob {
            id: request.id.clone(),
            bucket_id: bucket_id.to_owned(),
            content_length: length,
            content_type: request.content_type.clone(),
            last_modified: self.second(),
            user_metadata: request.user_metadata.clone(),
        };
        self.store_blob(&blob, content)?;
        Ok(blob)
    }

    fn store_blob(&self, blob: &Blob, content: i64) -> Answer<()> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO blob VALUES (?1, ?2, ?3, ?4)")
            .stored()?
            .execute(params![blob.bucket_id, blob.id, content, serde_json::to_string(blob).stored()?])
            .stored()?;
        Ok(())
    }

    pub(super) fn set_blob_metadata(
        &self,
        bucket_id: &str,
        id: &str,
        metadata: BTreeMap<String, String>,
    ) -> Answer<Blob> {
        let (mut blob, content) = self.stored_blob(bucket_id, id)?;
        blob.user_metadata = metadata;
        self.store_blob(&blob, content)?;
        Ok(blob)
    }

    pub(super) fn destroy_blob(&self, bucket_id: &str, id: &str) -> Answer<()> {
        let (_, content) = self.stored_blob(bucket_id, id)?;
        self.drop_content(content)?;
        self.connection
            .prepare_cached("DELETE FROM blob WHERE bucket_id = ?1 AND id = ?2")
            .stored()?
            .execute([bucket_id, id])
            .stored()?;
        Ok(())
    }

    pub(super) fn write_first_blob(&self, first: &FirstBlob) -> Answer<()> {
        let content = self.begin_upload(&first.bucket_id, &first.id)?;
        self.write_piece(content, 0, first.content.as_bytes())?;
        let blob = Blob {
            id: first.id.clone(),
            bucket_id: first.bucket_id.clone(),
            content_length: first.content.len() as u64,
            content_type: first.content_type.clone(),
            last_modified: first.last_modified,
            user_metadata: first.user_metadata.iter().cloned().collect(),
        };
        self.store_blob(&blob, content)
    }
}

/// An upload on its way. However it ends, even by its caller going away, what no blob has come to
/// own is removed.
pub(super) struct Upload {
    pub(super) store: Arc<Store>,
    pub(super) number: i64,
}

impl Drop for Upload {
    fn drop(&mut self) {
        let number = self.number;
        self.store.post(move |connection| {
            // What fails to be removed now is removed when the file is opened next.
            let _ = connection.execute(
                "DELETE FROM piece WHERE content = ?1 AND ?1 NOT IN (SELECT content FROM blob)",
                [number],
            );
        });
    }
}

/// Cuts what comes into pieces of one size.
pub(super) struct Cutter {
    gathered: BytesMut,
    content: BlobStream,
    ended: bool,
}

impl Cutter {
    pub(super) fn new(content: BlobStream) -> Self {
        Self { gathered: BytesMut::new(), content, ended: false }
    }

    /// The next piece; `None` at the end. All but the last have the full size.
    pub(super) async fn next(&mut self) -> Answer<Option<Bytes>> {
        while !self.ended && self.gathered.len() < PIECE {
            match std::future::poll_fn(|cx| self.content.as_mut().poll_next(cx)).await {
                Some(some) => self.gathered.extend_from_slice(&some?),
                None => self.ended = true,
            }
        }
        let size = self.gathered.len().min(PIECE);
        Ok((size > 0).then(|| self.gathered.split_to(size).freeze()))
    }
}

/// Pieces that a reading task hands over, a few ahead of the reader.
struct Pieces(mpsc::Receiver<Answer<Bytes>>);

impl Stream for Pieces {
    type Item = Answer<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Streams the content of this number.
pub(super) fn read_content(
    store: Arc<Store>,
    world: Arc<super::world::World>,
    length: u64,
    content: i64,
) -> BlobStream {
    const AHEAD: usize = 2;
    let (hand, pieces) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut sent = 0;
        let mut place = 0;
        while sent < length {
            let shared = Arc::clone(&world);
            let piece = store
                .run(move |connection| {
                    Session::new(connection, &shared, shared.clock.now()).read_piece(content, place)
                })
                .await;
            let piece = match piece {
                Ok(Some(piece)) => Ok(piece),
                Ok(None) => Err(DriverError::Unavailable {
                    why: "the blob was replaced while it was read".into(),
                    retry_after: None,
                }),
                Err(e) => Err(e),
            };
            let last = piece.is_err();
            sent += piece.as_ref().map_or(0, |p| p.len() as u64);
            place += 1;
            // A reader that has gone away wants no more.
            if hand.send(piece).await.is_err() || last {
                return;
            }
        }
    });
    Box::pin(Pieces(pieces))
}
