//! Long computations leave the async threads, so that they hold up no other call.

use crate::error::{CallError, GeniCode};

/// The most bytes of input that are worked on without leaving the async thread: about a tenth of a millisecond of
/// parsing, which is what moving the work costs.
pub const INLINE_BYTES: usize = 32 << 10;

/// From so many bytes on, work gets a thread of its own that ends with it. A pooled thread lives on, and with it the memory
/// that its large documents took: others free them, and the allocator waits for the owner to notice.
pub const OWN_THREAD_BYTES: usize = 1 << 20;

/// Runs `work`, which takes time in proportion to `size` bytes: above [`INLINE_BYTES`] on a thread for blocking work, from
/// [`OWN_THREAD_BYTES`] on in one of its own.
///
/// # Errors
/// The work ended in a panic, no thread is to be had, or the runtime is shutting down (geni_code 5).
pub async fn blocking<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CallError> {
    if size <= INLINE_BYTES {
        return Ok(work());
    }
    let done = if size < OWN_THREAD_BYTES {
        tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
    } else {
        on_own_thread(work).await
    };
    done.map_err(|error| {
        tracing::error!(error, size, "work off the async threads ended early");
        CallError::new(GeniCode::ServerError, "the server could not finish its work on a document")
    })
}

/// Runs `work` on a thread that ends with it, or says why that was not possible.
async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (done, result) = tokio::sync::oneshot::channel();
    // A caller that is gone takes no result; the work was done all the same.
    let run = move || drop(done.send(work()));
    std::thread::Builder::new().name("large-work".into()).spawn(run).map_err(|error| error.to_string())?;
    result.await.map_err(|_| "the work ended in a panic".to_owned())
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
    async fn very_large_work_has_a_thread_that_ends_with_it() {
        let thread = || blocking(OWN_THREAD_BYTES, || std::thread::current().id());
        assert_ne!(thread().await.unwrap(), thread().await.unwrap(), "none is used again");
    }

    #[tokio::test]
    async fn work_that_panics_is_a_failed_call() {
        for size in [INLINE_BYTES + 1, OWN_THREAD_BYTES] {
            let failed = blocking(size, || -> () { panic!("on purpose") }).await;
            assert_eq!(failed.unwrap_err().code(), GeniCode::ServerError);
        }
    }
}
