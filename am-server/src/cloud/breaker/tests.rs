//! How a breaker stands after what.

use super::*;
use drivers::{Collection, Operation};
use std::sync::atomic::{AtomicI64, Ordering};

/// A breaker, and the seconds on its clock.
fn breaker() -> (Arc<Breaker>, Arc<AtomicI64>) {
    let seconds = Arc::new(AtomicI64::new(1_000_000));
    let now = Arc::clone(&seconds);
    let clock: Clock =
        Arc::new(move || DateTime::from_timestamp(now.load(Ordering::Relaxed), 0).unwrap_or_default());
    (Arc::new(Breaker::new("lab", clock)), seconds)
}

fn silence() -> DriverError {
    DriverError::TimedOut { operation: Operation::new(Collection::Instances, Verb::Index) }
}

fn own_error() -> DriverError {
    DriverError::Backend { status: Some(500), message: "oops".into() }
}

/// A breaker that has just opened.
fn open() -> (Arc<Breaker>, Arc<AtomicI64>) {
    let (breaker, seconds) = breaker();
    breaker.admit().unwrap().report(Verb::Index, Some(&silence()));
    (breaker, seconds)
}

#[test]
fn silence_opens_it_at_once_and_errors_when_they_come_in_a_row() {
    let (breaker, _) = open();
    assert_eq!(breaker.state(), State::Open);
    assert!(breaker.admit().is_none());

    let (breaker, _) = self::breaker();
    for _ in 0..3 {
        for _ in 1..ERRORS {
            breaker.admit().unwrap().report(Verb::Index, Some(&own_error()));
        }
        breaker.admit().unwrap().report(Verb::Index, None);
    }
    assert_eq!(breaker.state(), State::Closed);
    for _ in 0..ERRORS {
        breaker.admit().unwrap().report(Verb::Index, Some(&own_error()));
    }
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_refusal_is_an_answer() {
    let (breaker, _) = breaker();
    for _ in 0..2 * ERRORS {
        breaker
            .admit()
            .unwrap()
            .report(Verb::Index, Some(&DriverError::invalid("image_id", "no such image")));
        breaker.admit().unwrap().report(Verb::Index, Some(&own_error()));
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn it_is_probed_by_one_at_a_time_and_ever_more_seldom() {
    let (breaker, seconds) = open();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let wait = (0..100).find(|_| {
            seconds.fetch_add(1, Ordering::Relaxed);
            breaker.probe().is_some_and(|probe| {
                assert_eq!(breaker.state(), State::HalfOpen);
                assert!(breaker.admit().is_none(), "nothing but the probe");
                assert!(breaker.probe().is_none(), "one probe");
                probe.report(Verb::Index, Some(&silence()));
                true
            })
        });
        waits.push(wait.unwrap() + 1);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(breaker.until_probe(), Some(Duration::from_secs(60)));
    seconds.fetch_add(60, Ordering::Relaxed);
    breaker.probe().unwrap().report(Verb::Index, None);
    assert_eq!((breaker.state(), breaker.until_probe()), (State::Closed, None));
    breaker.admit().unwrap().report(Verb::Create, None);
    breaker.admit().unwrap().report(Verb::Index, Some(&silence()));
    assert_eq!(breaker.until_probe(), Some(Duration::from_secs(1)), "forgiven, not forborne");
}

#[test]
fn a_cloud_that_lists_and_never_does_anything_is_left_alone_ever_longer() {
    let (breaker, seconds) = breaker();
    let mut waits = Vec::new();
    for _ in 0..8 {
        breaker.admit().unwrap().report(Verb::Show, None);
        let creation = breaker.admit().unwrap();
        seconds.fetch_add(60, Ordering::Relaxed);
        creation.report(Verb::Create, Some(&silence()));
        let wait = breaker.until_probe().unwrap().as_secs();
        waits.push(wait);
        seconds.fetch_add(wait.cast_signed(), Ordering::Relaxed);
        breaker.probe().unwrap().report(Verb::Index, None);
        assert_eq!(breaker.state(), State::Closed);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    // A refusal is an answer to a creation as well.
    breaker.admit().unwrap().report(Verb::Create, Some(&DriverError::invalid("image_id", "no such image")));
    breaker.admit().unwrap().report(Verb::Create, Some(&silence()));
    assert_eq!(breaker.until_probe(), Some(Duration::from_secs(1)));
}

#[test]
fn a_long_time_without_a_failure_forgives_as_well() {
    for (quiet, wait) in [(FORGIVEN - 1, 2), (FORGIVEN, 1)] {
        let (breaker, seconds) = open();
        seconds.fetch_add(1, Ordering::Relaxed);
        breaker.probe().unwrap().report(Verb::Index, None);
        seconds.fetch_add(quiet, Ordering::Relaxed);
        breaker.admit().unwrap().report(Verb::Index, Some(&silence()));
        assert_eq!(breaker.until_probe(), Some(Duration::from_secs(wait)), "after {quiet} s");
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_lengthen_an_outage() {
    let (breaker, seconds) = open();
    seconds.fetch_sub(7200, Ordering::Relaxed);
    assert_eq!(breaker.until_probe(), Some(Duration::ZERO));
    breaker.probe().unwrap().report(Verb::Index, Some(&silence()));
    assert_eq!(breaker.until_probe(), Some(Duration::from_secs(2)), "timed by the new time");
    assert!(breaker.probe().is_none());
}

#[test]
fn what_was_under_way_together_counts_as_one_failure_and_any_answer_ends_the_outage() {
    let (breaker, _) = breaker();
    let passes: Vec<_> = (0..5).map(|_| breaker.admit().unwrap()).collect();
    let late = breaker.admit().unwrap();
    passes.into_iter().for_each(|pass| pass.report(Verb::Index, Some(&silence())));
    assert_eq!(breaker.until_probe(), Some(Duration::from_secs(1)));
    late.report(Verb::Index, None);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_probe_that_is_broken_off_gives_its_place_back() {
    let (breaker, seconds) = open();
    seconds.fetch_add(1, Ordering::Relaxed);
    drop(breaker.probe().unwrap());
    assert_eq!(breaker.state(), State::Open);
    assert!(breaker.probe().is_some());
}

#[test]
fn a_wish_of_the_cloud_is_heeded_within_reason() {
    for (wish, wait) in [(0, 1), (30, 30), (86_400, 600)] {
        let (breaker, _) = breaker();
        let why = "it says so".to_owned();
        let error = DriverError::Unavailable { why, retry_after: Some(Duration::from_secs(wish)) };
        breaker.admit().unwrap().report(Verb::Index, Some(&error));
        assert_eq!(breaker.until_probe(), Some(Duration::from_secs(wait)));
    }
}

/// A breaker through all that the log is told of.
fn is_talked_of(breaker: &Arc<Breaker>, seconds: &AtomicI64) {
    breaker.admit().unwrap().report(Verb::Index, Some(&own_error()));
    breaker.admit().unwrap().report(Verb::Index, Some(&silence()));
    seconds.fetch_add(1, Ordering::Relaxed);
    breaker.probe().unwrap().report(Verb::Index, Some(&silence()));
    seconds.fetch_add(2, Ordering::Relaxed);
    breaker.probe().unwrap().report(Verb::Index, None);
}

#[test]
fn nobody_waits_for_the_log_to_see_how_it_stands() {
    // Once unheard, so that all lines are known to those who may listen.
    let (breaker, seconds) = self::breaker();
    is_talked_of(&breaker, &seconds);
    let (breaker, seconds) = self::breaker();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (seen, watched) = (Arc::clone(&lines), Arc::clone(&breaker));
    let log = tracing_subscriber::fmt().with_writer(move || {
        seen.lock().unwrap().push(watched.standing.try_lock().is_ok());
        std::io::sink()
    });
    tracing::subscriber::with_default(log.finish(), || {
        tracing::callsite::rebuild_interest_cache();
        is_talked_of(&breaker, &seconds);
    });
    // A line that another test reaches for the first time at this moment may be missing.
    let free = lines.lock().unwrap().clone();
    assert!(!free.is_empty() && free.iter().all(|free| *free), "{free:?}");
}

#[test]
fn it_says_since_when_why_and_what_next() {
    let (breaker, seconds) = open();
    let told = breaker.outage().unwrap().to_string();
    assert!(told.starts_with("is not answering since 1970-01-12T13:46:40Z (no answer in time"), "{told}");
    assert!(told.ends_with("it is tried again at 1970-01-12T13:46:41Z"), "{told}");
    seconds.fetch_add(1, Ordering::Relaxed);
    let _probe = breaker.probe();
    assert!(breaker.outage().unwrap().to_string().ends_with("it is being tried again now"));
}
