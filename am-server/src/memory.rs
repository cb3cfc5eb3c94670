//! Memory of very large calls goes back to the system.
//!
//! The allocator keeps what was freed for a second, in case it is wanted again, and then returns it when it next takes or
//! frees a whole region. A service that answers small calls from what it holds does not do that for minutes. So this task
//! takes and frees one region every now and then.

use std::hint::black_box;
use std::time::Duration;
use tokio::sync::watch;

/// How often a region is taken and freed. The allocator waits for a second; two and a bit let that pass.
const BETWEEN: Duration = Duration::from_millis(2500);
/// A size that the allocator gives regions of their own for.
const REGION: usize = 4 << 20;

/// Lets the allocator return what it can, until `end` turns true.
pub async fn give_back_now_and_then(mut end: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(BETWEEN) => drop(black_box(Vec::<u8>::with_capacity(REGION))),
            _ = end.wait_for(|end| *end) => return,
        }
    }
}
