//! One call at a time per slice: those on the same slice wait for each other, those on different slices
//! never do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;
use urn::Urn;

/// The turn of one call on one slice; the next one comes when it is dropped.
pub(super) type Turn = OwnedMutexGuard<()>;

/// Number of slices above which those nobody waits for are forgotten.
const SWEEP_AT: usize = 1024;

/// Turns by slice.
#[derive(Default)]
pub(super) struct SliceLocks {
    slices: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl SliceLocks {
    /// Waits for this call's turn on the slice.
    pub(super) async fn take(&self, slice: &Urn) -> Turn {
        let lock = {
            let mut slices = self.slices.lock().unwrap_or_else(PoisonError::into_inner);
            match slices.get(slice.key()).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    if slices.len() >= SWEEP_AT {
                        slices.retain(|_, lock| lock.strong_count() > 0);
                    }
                    let lock = Arc::new(tokio::sync::Mutex::new(()));
                    slices.insert(slice.key().to_owned(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_on_one_slice_wait_for_each_other() {
        let locks = SliceLocks::default();
        let slice = |name: &str| Urn::parse(&format!("urn:publicid:IDN+a+slice+{name}")).unwrap();
        let first = locks.take(&slice("one")).await;
        let _other = locks.take(&slice("two")).await;
        let same = slice("ONE");
        let mut second = Box::pin(locks.take(&same));
        assert!(futures_now(&mut second).is_none());
        drop(first);
        second.await;
    }

    /// Polls once.
    fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }
}
