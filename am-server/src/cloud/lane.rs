//! The lane of a driver: the places for work under way at it, given out in turn among slices.
//!
//! Each driver has places of its own, so that a slow one holds up nobody else. Within a lane the slices take turns: a slice
//! with thousands of slivers gets one place, then the next slice gets one, so that a small slice never waits for all of a
//! large one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Pieces of work under way at one driver.
const PLACES: usize = 16;

/// A lane.
#[derive(Debug)]
pub struct Lane(Mutex<Queue>);

#[derive(Debug)]
struct Queue {
    free: usize,
    /// The slices that wait, in the order of their turns.
    turns: VecDeque<Arc<str>>,
    /// Who waits for each of them, in the order in which they came.
    waiting: HashMap<Arc<str>, VecDeque<oneshot::Sender<Place>>>,
}

impl Default for Lane {
    fn default() -> Self {
        Self::new(PLACES)
    }
}

impl Lane {
    /// A lane with so many places.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self(Mutex::new(Queue { free: places, turns: VecDeque::new(), waiting: HashMap::new() }))
    }

    /// Waits for a place for work on this slice; it is free again when the place is dropped.
    pub async fn enter(self: &Arc<Self>, slice: &str) -> Place {
        let waiting = {
            let mut queue = self.queue();
            if queue.free > 0 {
                queue.free -= 1;
                return Place { lane: Some(Arc::clone(self)) };
            }
            queue.wait(slice)
        };
        // A sender is never dropped unused while its lane is there, which this call holds.
        waiting.await.unwrap_or(Place { lane: None })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a place that is free again to the next in turn.
    fn release(self: Arc<Self>) {
        let mut lane = self;
        loop {
            let Some(next) = lane.queue().next() else { return };
            match next.send(Place { lane: Some(lane) }) {
                Ok(()) => return,
                // Who waited went away: the place goes to the one after.
                Err(mut place) => match place.lane.take() {
                    Some(back) => lane = back,
                    None => return,
                },
            }
        }
    }
}

impl Queue {
    fn wait(&mut self, slice: &str) -> oneshot::Receiver<Place> {
        let (sender, receiver) = oneshot::channel();
        match self.waiting.get_mut(slice) {
            Some(own) => own.push_back(sender),
            None => {
                let slice: Arc<str> = slice.into();
                self.turns.push_back(Arc::clone(&slice));
                self.waiting.insert(slice, VecDeque::from([sender]));
            }
        }
        receiver
    }

    /// Who is next in turn; if there is nobody, one more place is free.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        while let Some(slice) = self.turns.pop_front() {
            let own = self.waiting.get_mut(&slice);
            let next = own.and_then(|own| own.pop_front());
            if self.waiting.get(&slice).is_none_or(VecDeque::is_empty) {
                self.waiting.remove(&slice);
            } else {
                self.turns.push_back(slice);
            }
            if next.is_some() {
                return next;
            }
        }
        self.free += 1;
        None
    }
}

/// A place in a lane.
#[derive(Debug)]
pub struct Place {
    lane: Option<Arc<Lane>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            lane.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Lets all tasks get as far as they can.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn slices_take_turns_however_much_one_of_them_has_to_do() {
        let lane = Arc::new(Lane::new(1));
        let held = lane.enter("first").await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for (name, count) in [("large", 50), ("small", 2), ("other", 1)] {
            for _ in 0..count {
                let (lane, order) = (Arc::clone(&lane), Arc::clone(&order));
                tasks.spawn(async move {
                    let place = lane.enter(name).await;
                    order.lock().unwrap().push(name);
                    drop(place);
                });
            }
            settle().await;
        }
        drop(held);
        tasks.join_all().await;
        let order = order.lock().unwrap();
        assert_eq!(order.len(), 53);
        assert_eq!(order[..6], ["large", "small", "other", "large", "small", "large"]);
        let queue = lane.queue();
        assert!(
            queue.free == 1 && queue.turns.is_empty() && queue.waiting.is_empty(),
            "nothing is left over"
        );
    }

    #[tokio::test]
    async fn no_more_work_is_under_way_than_there_are_places_and_none_is_lost() {
        let lane = Arc::new(Lane::new(3));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..60 {
            let (lane, now, most) = (Arc::clone(&lane), Arc::clone(&now), Arc::clone(&most));
            tasks.spawn(async move {
                let _place = lane.enter(&format!("s{}", number % 7)).await;
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                assert!(number % 10 != 9, "a fault of ours");
            });
        }
        settle().await;
        // Some of those that wait go away.
        let gone = tokio::spawn({
            let lane = Arc::clone(&lane);
            async move { drop(lane.enter("gone").await) }
        });
        gone.abort();
        while tasks.join_next().await.is_some() {}
        drop(gone.await);
        assert_eq!(most.load(Ordering::SeqCst), 3);
        assert_eq!(lane.queue().free, 3);
    }
}
