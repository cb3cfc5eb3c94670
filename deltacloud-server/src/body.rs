//! The body of a request: read only of those who may send one, and forgotten where nobody wants it.

use crate::errors::Refusal;
use crate::multipart;
use crate::params::Params;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderMap};
use listen::Limits;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest body of somebody who is not logged in: the choice of a driver at the entry point.
const OF_STRANGERS: usize = 4 * 1024;
/// The longest time for it, which is a packet or two. While a body comes, its connection's place is nobody else's.
const STRANGERS_TIME: Duration = Duration::from_secs(3);
/// Bodies from this size on are taken apart where no other request waits for it.
const INLINE: usize = 64 * 1024;
/// Bodies from this size on wait for a place, so that many together cannot fill the memory.
const LARGE: usize = 256 * 1024;
/// Large bodies in memory at once.
const LARGE_BODIES: usize = 16;
/// How much of an unwanted body is still read, and for how long.
const DISCARDED: usize = 16 << 20;
const DISCARDING: Duration = Duration::from_secs(5);

/// A body that may stay unread. A client that sends its whole request before it reads would find the connection broken
/// and never see the answer, so what it has on the way is read and forgotten, within bounds.
pub(super) struct Unread<B: Body<Data = Bytes> + Send + 'static> {
    body: Option<Pin<Box<B>>>,
    /// Whether the client waits for a word before it sends anything. Reading would give it that word.
    waits: bool,
}

impl<B: Body<Data = Bytes> + Send + 'static> Unread<B> {
    pub(super) fn new(body: B, headers: &HeaderMap) -> Self {
        Self { body: Some(Box::pin(body)), waits: headers.contains_key(EXPECT) }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.waits = false;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = body.as_mut().poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, B::Error>> {
        std::future::poll_fn(|cx| self.poll_frame(cx)).await
    }
}

impl<B: Body<Data = Bytes> + Send + 'static> Drop for Unread<B> {
    fn drop(&mut self) {
        let (Some(mut body), Ok(runtime)) = (self.body.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        if self.waits || body.is_end_stream() {
            return;
        }
        runtime.spawn(tokio::time::timeout(DISCARDING, async move {
            let mut left = DISCARDED;
            while let Some(Ok(frame)) = body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    break;
                }
            }
        }));
    }
}

/// Reads the parameters of bodies.
pub(super) struct Reader {
    limits: Limits,
    places: Arc<Semaphore>,
}

/// The largest body and the longest time for it, of a user or of a stranger.
fn bounds(limits: &Limits, is_known: bool) -> (usize, Duration) {
    if is_known {
        (limits.body, limits.request)
    } else {
        (limits.body.min(OF_STRANGERS), limits.request.min(STRANGERS_TIME))
    }
}

/// The parameters of a body, with the place it takes while they are used.
pub(super) struct Form {
    pub(super) params: Params,
    pub(super) place: Option<OwnedSemaphorePermit>,
}

impl Reader {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, places: Arc::new(Semaphore::new(LARGE_BODIES)) }
    }

    /// The parameters of a form; nothing of a body of another type.
    ///
    /// # Errors
    /// [`Refusal::Incomplete`], [`Refusal::TooLarge`], [`Refusal::Malformed`], [`Refusal::TooManyParameters`].
    pub(super) async fn form<B>(
        &self,
        mut body: Unread<B>,
        headers: &HeaderMap,
        is_known: bool,
    ) -> Result<Option<Form>, Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = media_type.split(';').next().unwrap_or_default().trim();
        let parts = kind.eq_ignore_ascii_case("multipart/form-data");
        if !parts && !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Ok(None);
        }
        let (limit, time) = bounds(&self.limits, is_known);
        let (bytes, place) = tokio::time::timeout(time, self.collect(&mut body, limit))
            .await
            .map_err(|_| Refusal::Incomplete)??;
        let media_type = media_type.to_owned();
        let size = bytes.len();
        // The work holds its place: it goes on when the client hangs up.
        let read = move || {
            let params =
                if parts { multipart::read(&media_type, &bytes) } else { Params::urlencoded(&bytes) };
            params.map(|params| Form { params, place })
        };
        let form = if size < INLINE {
            read()?
        } else {
            tokio::task::spawn_blocking(read).await.unwrap_or(Err(Refusal::Incomplete))?
        };
        Ok(Some(form))
    }

    async fn collect<B>(
        &self,
        body: &mut Unread<B>,
        limit: usize,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refusal>
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        let (mut collected, mut place) = (BytesMut::new(), None);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Refusal::Incomplete)?.into_data() else { continue };
            let length = collected.len() + data.len();
            if length > limit {
                return Err(Refusal::TooLarge(limit));
            }
            if length >= LARGE && place.is_none() {
                let taken = Arc::clone(&self.places).acquire_owned().await;
                place = Some(taken.map_err(|_| Refusal::Incomplete)?);
            }
            collected.extend_from_slice(&data);
        }
        Ok((collected.freeze(), place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(body: usize, seconds: u64) -> Limits {
        let request = Duration::from_secs(seconds);
        Limits { body, connections: 10, per_address: 10, per_caller: 10, request, idle: request }
    }

    #[test]
    fn strangers_have_little_to_say_and_little_time() {
        assert_eq!(bounds(&limits(1 << 20, 30), true), (1 << 20, Duration::from_secs(30)));
        assert_eq!(bounds(&limits(1 << 20, 30), false), (OF_STRANGERS, STRANGERS_TIME));
        assert_eq!(bounds(&limits(100, 1), false), (100, Duration::from_secs(1)), "never more than users");
    }

    // Else whoever hangs up at once could have any number of large forms taken apart at the same time.
    #[test]
    fn a_place_is_held_while_a_form_is_taken_apart_for_nobody() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        let (release, released) = std::sync::mpsc::channel::<()>();
        runtime.spawn_blocking(move || released.recv());
        runtime.block_on(async {
            let reader = Reader::new(limits(1 << 20, 30));
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
            let body = http_body_util::Full::new(Bytes::from(vec![b'a'; LARGE]));
            tokio::select! {
                biased;
                _ = reader.form(Unread::new(body, &headers), &headers, true) => unreachable!("the thread is busy"),
                () = tokio::task::yield_now() => {}
            }
            assert_eq!(reader.places.available_permits(), LARGE_BODIES - 1);
            drop(release);
            let all = u32::try_from(LARGE_BODIES).unwrap();
            drop(reader.places.acquire_many(all).await.unwrap());
        });
    }
}
