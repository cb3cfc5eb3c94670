//! Health: what keeps the service from doing its work, in words that tell strangers nothing.
//!
//! The words go to whoever asks on the machine itself; names, paths and the database's own words are for the log.

use crate::aggregate::Aggregate;
use state::{Condition, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Longest time for the database to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// For so long after a failed commit the service is not well, whatever succeeded since.
const SHORT_WHILE: Duration = Duration::from_secs(10);
/// With less room on the disk than a few large calls take, the next one may fail.
const LEAST_FREE_BYTES: u64 = 1 << 20;
/// The shortest time between two examinations of the database.
const BETWEEN_EXAMINATIONS: Duration = Duration::from_secs(10);
/// An examination takes at most this part of the time: the time between two is that many times as long.
const EXAMINATION_SHARE: u32 = 100;

/// Everything that is not as it should be; nothing when the service is well. Asks the database to write and to read.
pub async fn problems(aggregate: &Aggregate) -> Vec<String> {
    let store = aggregate.store();
    let asked = async {
        store.check(aggregate.now()).await?;
        store.next_expiry().await.map(drop)
    };
    let mut problems = Vec::new();
    match timeout(PATIENCE, asked).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::error!(%error, "the health check found that the database fails");
            problems.push(of_failure(&error).to_owned());
        }
        Err(_) => {
            tracing::error!("the health check found that the database does not answer in time");
            problems.push("the database does not answer in time".to_owned());
        }
    }
    problems.extend(of_condition(&store.condition()));
    if let Some(ahead) = aggregate.clock().jump() {
        problems
            .push(format!("the wall clock jumped by {} seconds: expiry is held back", ahead.num_seconds()));
    }
    problems
}

fn of_failure(error: &StoreError) -> &'static str {
    match error {
        StoreError::Lost { .. } => "the database file was removed or replaced: the service ends",
        _ => "the database fails",
    }
}

/// What is wrong with a store that is in this condition.
fn of_condition(condition: &Condition) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some((ago, _)) = &condition.failed_commit
        && *ago < SHORT_WHILE
    {
        problems.push(format!("a commit to the database failed {} seconds ago", ago.as_secs()));
    }
    if !condition.findings.is_empty() {
        problems.push("the database file is damaged".to_owned());
    }
    match condition.unreadable.len() {
        0 => {}
        1 => problems.push("a row of the database cannot be read and is set aside".to_owned()),
        rows => problems.push(format!("{rows} rows of the database cannot be read and are set aside")),
    }
    if condition.free_bytes.is_some_and(|free| free < LEAST_FREE_BYTES) {
        problems.push("the disk with the database is full".to_owned());
    }
    problems
}

/// Examines the database again and again until `stop` turns true, and seldom enough that nobody notices.
pub async fn examine_now_and_then(aggregate: Arc<Aggregate>, mut stop: watch::Receiver<bool>) {
    let mut pause = BETWEEN_EXAMINATIONS;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let begun = Instant::now();
        if let Err(error) = aggregate.store().examine().await {
            tracing::error!(%error, "the database cannot be examined");
        }
        pause = BETWEEN_EXAMINATIONS.max(begun.elapsed() * EXAMINATION_SHARE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use state::UnreadableRow;

    #[test]
    fn every_fault_is_told_and_nothing_more() {
        let row = UnreadableRow {
            table: "slivers",
            key: "urn:publicid:IDN+a+sliver+secret".to_owned(),
            slice: "urn:publicid:IDN+a+slice+secret".to_owned(),
            what: "URN",
        };
        let failed = |seconds| Some((Duration::from_secs(seconds), "secret".to_owned()));
        let well = Condition { free_bytes: Some(LEAST_FREE_BYTES), ..Condition::default() };
        for (condition, word) in [
            (Condition { failed_commit: failed(9), ..well.clone() }, "9 seconds ago"),
            (Condition { findings: vec!["secret".to_owned()], ..well.clone() }, "damaged"),
            (Condition { unreadable: vec![row.clone()], ..well.clone() }, "a row"),
            (Condition { unreadable: vec![row.clone(), row], ..well.clone() }, "2 rows"),
            (Condition { free_bytes: Some(LEAST_FREE_BYTES - 1), ..well.clone() }, "full"),
        ] {
            let problems = of_condition(&condition);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(word) && !problems[0].contains("secret"), "{problems:?}");
        }
        assert_eq!(of_condition(&well), Vec::<String>::new());
        assert_eq!(of_condition(&Condition { failed_commit: failed(10), ..well }), Vec::<String>::new());
    }
}
