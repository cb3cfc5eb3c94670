//! The circuit breaker of a driver: one that does not answer is left alone, longer each time.
//!
//! *Closed*, everything passes. A request without an answer opens it, and so do [`ERRORS`] errors of the cloud's own in a
//! row. *Open*, nothing passes until a moment that lies farther away after each failure. From then on one request may
//! pass, the probe, and while that is under way the breaker is *half open*. A good answer to anything closes it.

use crate::time::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use drivers::DriverError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::{info, warn};

/// Errors of the cloud's own, with no good answer between them, that open the breaker. Single ones are nothing unusual.
pub const ERRORS: u32 = 3;
/// The longest time a driver is left alone by the breaker's own reckoning, in seconds.
const LONGEST: i64 = 60;
/// The longest time it is left alone because it asks for that.
const LONGEST_WISH: Duration = Duration::from_secs(600);

/// How a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything passes.
    Closed,
    /// Nothing passes.
    Open,
    /// The probe is under way.
    HalfOpen,
}

impl State {
    /// As metrics tell it: 0 closed, 1 open, 2 half open.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::Open => 1,
            Self::HalfOpen => 2,
        }
    }
}

/// A time in which a driver does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When the first request failed.
    pub since: DateTime<Utc>,
    /// When it is asked again; in the past while that is being done.
    pub until: DateTime<Utc>,
    /// What it failed with last.
    pub why: String,
    /// Probes and requests that failed, each at a time of its own.
    failures: u32,
    probing: bool,
}

impl Outage {
    fn begin(now: DateTime<Utc>, error: &DriverError) -> Self {
        let mut outage = Self { since: now, until: now, why: String::new(), failures: 0, probing: false };
        outage.goes_on(now, error);
        outage
    }

    fn goes_on(&mut self, now: DateTime<Utc>, error: &DriverError) {
        self.failures = self.failures.saturating_add(1);
        let own = 1i64.checked_shl(self.failures.saturating_sub(1)).unwrap_or(LONGEST).clamp(1, LONGEST);
        let wish = match error {
            DriverError::Unavailable { retry_after: Some(wish), .. } => (*wish).min(LONGEST_WISH),
            _ => Duration::ZERO,
        };
        let wish = TimeDelta::from_std(wish).unwrap_or_default();
        self.until = now + TimeDelta::seconds(own).max(wish);
        self.why = error.to_string();
        self.probing = false;
    }
}

impl fmt::Display for Outage {
    /// For the person whose slivers wait: since when, why, and what next.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is not answering since {} ({}); ", crate::time::format(self.since), self.why)?;
        match self.probing {
            true => f.write_str("it is being tried again now"),
            false => write!(f, "it is tried again at {}", crate::time::format(self.until)),
        }
    }
}

#[derive(Debug, Default)]
struct Standing {
    /// Errors in a row while closed.
    errors: u32,
    outage: Option<Outage>,
}

/// The breaker of one driver.
pub struct Breaker {
    driver: String,
    clock: Clock,
    standing: Mutex<Standing>,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(driver: &str, clock: Clock) -> Self {
        Self { driver: driver.to_owned(), clock, standing: Mutex::default() }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.standing().outage {
            None => State::Closed,
            Some(outage) if outage.probing => State::HalfOpen,
            Some(_) => State::Open,
        }
    }

    /// What is to be told while it is not closed.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        self.standing().outage.clone()
    }

    /// Lets a request pass, if it is closed.
    #[must_use]
    pub fn admit(self: &Arc<Self>) -> Option<Pass> {
        self.standing().outage.is_none().then(|| Pass {
            breaker: Arc::clone(self),
            reported: false,
            probe: false,
        })
    }

    /// Lets the probe pass, if it is open and the time has come.
    #[must_use]
    pub fn probe(self: &Arc<Self>) -> Option<Pass> {
        let now = (self.clock)();
        let mut standing = self.standing();
        let outage = standing.outage.as_mut().filter(|outage| !outage.probing && outage.until <= now)?;
        outage.probing = true;
        Some(Pass { breaker: Arc::clone(self), reported: false, probe: true })
    }

    /// How long until a probe may pass; `None` while it is closed or half open.
    #[must_use]
    pub fn until_probe(&self) -> Option<Duration> {
        let now = (self.clock)();
        let standing = self.standing();
        let outage = standing.outage.as_ref().filter(|outage| !outage.probing)?;
        Some((outage.until - now).to_std().unwrap_or_default())
    }

    fn answered(&self) {
        let mut standing = self.standing();
        standing.errors = 0;
        if let Some(outage) = standing.outage.take() {
            info!(driver = self.driver, since = %outage.since, "the driver answers again");
        }
    }

    fn failed(&self, error: &DriverError, probe: bool) {
        let now = (self.clock)();
        let mut standing = self.standing();
        if let Some(outage) = &mut standing.outage {
            // Requests that were under way together fail together: only the probe tells something new.
            if probe {
                outage.goes_on(now, error);
                warn!(driver = self.driver, %error, until = %outage.until, "the driver still does not answer");
            }
            return;
        }
        standing.errors += 1;
        if standing.errors < ERRORS && !is_silence(error) {
            return warn!(driver = self.driver, %error, "the driver failed");
        }
        standing.errors = 0;
        let outage = standing.outage.insert(Outage::begin(now, error));
        warn!(driver = self.driver, %error, until = %outage.until, "the driver does not answer and is left alone");
    }

    fn given_back(&self) {
        if let Some(outage) = &mut self.standing().outage {
            outage.probing = false;
        }
    }
}

/// Whether an error is the lack of an answer, or one that every other request would get as well.
fn is_silence(error: &DriverError) -> bool {
    matches!(
        error,
        DriverError::Unavailable { .. } | DriverError::TimedOut { .. } | DriverError::Unauthorised
    )
}

/// A request that was let pass. Whoever holds it reports what came of it.
pub struct Pass {
    breaker: Arc<Breaker>,
    reported: bool,
    probe: bool,
}

impl Pass {
    /// What came of the request. That it was refused for what it asks is an answer as good as any.
    pub fn report(mut self, error: Option<&DriverError>) {
        self.reported = true;
        match error {
            Some(error) if error.is_retryable() || is_silence(error) => {
                self.breaker.failed(error, self.probe)
            }
            _ => self.breaker.answered(),
        }
    }
}

impl Drop for Pass {
    /// A probe that was broken off tells nothing; another one may pass.
    fn drop(&mut self) {
        if self.probe && !self.reported {
            self.breaker.given_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use drivers::{Collection, Operation, Verb};
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
        breaker.admit().unwrap().report(Some(&silence()));
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
                breaker.admit().unwrap().report(Some(&own_error()));
            }
            breaker.admit().unwrap().report(None);
        }
        assert_eq!(breaker.state(), State::Closed);
        for _ in 0..ERRORS {
            breaker.admit().unwrap().report(Some(&own_error()));
        }
        assert_eq!(breaker.state(), State::Open);
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let (breaker, _) = breaker();
        for _ in 0..2 * ERRORS {
            breaker.admit().unwrap().report(Some(&DriverError::invalid("image_id", "no such image")));
            breaker.admit().unwrap().report(Some(&own_error()));
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
                    probe.report(Some(&silence()));
                    true
                })
            });
            waits.push(wait.unwrap() + 1);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(breaker.until_probe(), Some(Duration::from_secs(60)));
        seconds.fetch_add(60, Ordering::Relaxed);
        breaker.probe().unwrap().report(None);
        assert_eq!((breaker.state(), breaker.until_probe()), (State::Closed, None));
        breaker.admit().unwrap().report(Some(&silence()));
        assert_eq!(breaker.until_probe(), Some(Duration::from_secs(1)), "forgiven, not forborne");
    }

    #[test]
    fn what_was_under_way_together_counts_as_one_failure_and_any_answer_ends_the_outage() {
        let (breaker, _) = breaker();
        let passes: Vec<_> = (0..5).map(|_| breaker.admit().unwrap()).collect();
        let late = breaker.admit().unwrap();
        passes.into_iter().for_each(|pass| pass.report(Some(&silence())));
        assert_eq!(breaker.until_probe(), Some(Duration::from_secs(1)));
        late.report(None);
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
            breaker.admit().unwrap().report(Some(&error));
            assert_eq!(breaker.until_probe(), Some(Duration::from_secs(wait)));
        }
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
}
