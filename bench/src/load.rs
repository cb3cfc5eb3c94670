//! Many clients at once for a while, and what it took each turn.

use crate::Failure;
use crate::wire::{Client, Connections, Endpoint};
use crate::workload::Workload;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How connections are used.
    pub connections: Connections,
    /// Clients at the same time.
    pub clients: usize,
    /// Time before anything counts.
    pub warm_up: Duration,
    /// Time that counts.
    pub time: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Turns that went well and counted.
    pub turns: u64,
    /// Turns that did not go well, warm-up included.
    pub failures: u64,
    /// The first thing that went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<String>,
    /// All turns that went well, warm-up included.
    pub all_turns: u64,
    /// Turns per second.
    pub per_second: f64,
    /// Microseconds that half of the turns stayed below.
    pub p50_us: u64,
    /// Microseconds that 99 of 100 turns stayed below.
    pub p99_us: u64,
    /// The longest turn in microseconds.
    pub max_us: u64,
}

/// One client's part.
struct Share {
    latencies: Histogram<u64>,
    all: u64,
    failures: u64,
    first_failure: Option<String>,
}

/// Lets clients carry out `workload` at `endpoint`.
///
/// # Errors
/// A client ended in a panic; turns that fail are counted, not raised.
pub async fn run(endpoint: &Endpoint, workload: &Arc<Workload>, load: Load) -> Result<Outcome, Failure> {
    // Handshakes cost more than calls: kept connections are all there before the clock starts.
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..load.clients {
        let mut client = Client::new(endpoint.clone(), load.connections);
        opening.spawn(async move { client.open().await.map(|()| client) });
    }
    let mut clients = Vec::with_capacity(load.clients);
    while let Some(client) = opening.join_next().await {
        clients.push(client.map_err(Failure::when("a client"))??);
    }
    let start = Instant::now() + load.warm_up;
    let end = start + load.time;
    let mut tasks = tokio::task::JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        let workload = Arc::clone(workload);
        tasks.spawn(async move { work(client, &workload, number, start, end).await });
    }
    let mut all = histogram()?;
    let (mut failures, mut all_turns, mut first_failure) = (0, 0, None);
    while let Some(share) = tasks.join_next().await {
        let share = share.map_err(Failure::when("a client"))??;
        all.add(&share.latencies).map_err(Failure::when("histogram"))?;
        failures += share.failures;
        all_turns += share.all;
        first_failure = first_failure.or(share.first_failure);
    }
    Ok(Outcome {
        turns: all.len(),
        failures,
        first_failure,
        all_turns,
        per_second: all.len() as f64 / load.time.as_secs_f64(),
        p50_us: all.value_at_quantile(0.5) / 1000,
        p99_us: all.value_at_quantile(0.99) / 1000,
        max_us: all.max() / 1000,
    })
}

async fn work(
    mut client: Client,
    workload: &Workload,
    number: usize,
    start: Instant,
    end: Instant,
) -> Result<Share, Failure> {
    let mut share = Share { latencies: histogram()?, all: 0, failures: 0, first_failure: None };
    while Instant::now() < end {
        match workload.turn(&mut client, number).await {
            Ok(took) => {
                share.all += 1;
                // A turn counts where it ends, so that each is counted once and the last ones are not lost.
                let now = Instant::now();
                if (start..end).contains(&now) {
                    share.latencies.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                }
            }
            Err(failure) => {
                share.failures += 1;
                share.first_failure.get_or_insert(failure.to_string());
                // What fails at once would otherwise fail thousands of times a second.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    Ok(share)
}

/// Nanoseconds up to a minute with three digits.
fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(Failure::when("histogram"))
}
