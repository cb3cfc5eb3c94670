//! Long computations leave the async threads, so that they hold up no other call.

use crate::error::{CallError, GeniCode};

/// The most bytes of input that are worked on without leaving the async thread: about a tenth of a millisecond of
/// parsing, which is what moving the work costs.
pub const INLINE_BYTES: usize = 32 << 10;

/// Runs `work`, which takes time in proportion to `size` bytes: above [`INLINE_BYTES`] on a thread for blocking work.
///
/// # Errors
/// The work ended in a panic, or the runtime is shutting down (geni_code 5).
pub async fn blocking<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CallError> {
    if size <= INLINE_BYTES {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, size, "work off the async threads ended early");
        CallError::new(GeniCode::ServerError, "the server could not finish its work on a document")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_work_leaves_the_async_thread() {
        let here = std::thread::current().id();
        assert_eq!(blocking(INLINE_BYTES, || std::thread::current().id()).await.unwrap(), here);
        assert_ne!(blocking(INLINE_BYTES + 1, || std::thread::current().id()).await.unwrap(), here);
    }

    #[tokio::test]
    async fn work_that_panics_is_a_failed_call() {
        let failed = blocking(INLINE_BYTES + 1, || -> () { panic!("on purpose") }).await;
        assert_eq!(failed.unwrap_err().code(), GeniCode::ServerError);
    }
}
