//! The circuit breaker of a driver: one that does not answer is left alone, longer each time.
//!
//! *Closed*, everything passes. A request without an answer opens it, and so do [`ERRORS`] errors of the cloud's own in a
//! row. *Open*, nothing passes until a moment that lies farther away after each failure. From then on one request may
//! pass, the probe, and while that is under way the breaker is *half open*. A good answer to anything closes it.
//!
//! How often the driver failed is not forgotten by that: a cloud may list all it has and still never answer a creation. Only
//! a good answer to a request that changes something forgives, or [`FORGIVEN`] without a failure.

use crate::time::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use drivers::{DriverError, Verb};
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
/// How long a driver that only lists has to be without a failure until its earlier ones are forgiven, in seconds. Longer than
/// anything waits for a driver, so that a request without an answer cannot be under way all that time.
const FORGIVEN: i64 = 600;

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
    /// When a request failed last.
    failed: DateTime<Utc>,
    /// Probes and requests that failed, each at a time of its own, in this outage and in those not forgiven.
    failures: u32,
    probing: bool,
}

impl Outage {
    /// One that begins after so many failures that are not forgiven.
    fn begin(now: DateTime<Utc>, failures: u32, error: &DriverError) -> Self {
        let mut outage =
            Self { since: now, until: now, why: String::new(), failed: now, failures, probing: false };
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
        self.failed = now;
        self.probing = false;
    }

    /// How long until it is asked again. A clock that shows a time before the last failure was set back; by it nobody can
    /// tell how long the driver was left alone.
    fn wait(&self, now: DateTime<Utc>) -> Duration {
        match now < self.failed {
            true => Duration::ZERO,
            false => (self.until - now).to_std().unwrap_or_default(),
        }
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
    /// The failures of the last outage and when it ended, until they are forgiven.
    earlier: Option<(u32, DateTime<Utc>)>,
}

impl Standing {
    /// Takes note of a good answer; what ended by it.
    fn answered(&mut self, now: DateTime<Utc>, verb: Verb) -> Option<Outage> {
        self.errors = 0;
        let ended = self.outage.take();
        if let Some(outage) = &ended {
            self.earlier = Some((outage.failures, now));
        }
        if !only_reads(verb) {
            self.earlier = None;
        }
        ended
    }

    /// Takes note of a failure.
    fn failed(&mut self, now: DateTime<Utc>, error: &DriverError, probe: bool) -> Failure {
        if let Some(outage) = &mut self.outage {
            // Requests that were under way together fail together: only the probe tells something new.
            if !probe {
                return Failure::Known;
            }
            outage.goes_on(now, error);
            return Failure::StillAway(outage.until);
        }
        self.errors += 1;
        if self.errors < ERRORS && !is_silence(error) {
            return Failure::Single;
        }
        self.errors = 0;
        let recent = self.earlier.take().filter(|(_, ended)| now - *ended < TimeDelta::seconds(FORGIVEN));
        let failures = recent.map_or(0, |(failures, _)| failures);
        Failure::Away(self.outage.insert(Outage::begin(now, failures, error)).until)
    }
}

/// What a failure means.
enum Failure {
    /// Nothing that was not known.
    Known,
    /// Nothing unusual yet.
    Single,
    /// The driver is left alone from now on, until then.
    Away(DateTime<Utc>),
    /// It is left alone further on, until then.
    StillAway(DateTime<Utc>),
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
        let outage = standing.outage.as_mut().filter(|it| !it.probing && it.wait(now).is_zero())?;
        outage.probing = true;
        Some(Pass { breaker: Arc::clone(self), reported: false, probe: true })
    }

    /// How long until a probe may pass; `None` while it is closed or half open.
    #[must_use]
    pub fn until_probe(&self) -> Option<Duration> {
        let now = (self.clock)();
        let standing = self.standing();
        let outage = standing.outage.as_ref().filter(|outage| !outage.probing)?;
        Some(outage.wait(now))
    }

    fn answered(&self, verb: Verb) {
        let now = (self.clock)();
        // Said when the lock is given back: whoever asks how it stands must not wait for the log.
        let ended = self.standing().answered(now, verb);
        if let Some(outage) = ended {
            info!(driver = self.driver, since = %outage.since, "the driver answers again");
        }
    }

    fn failed(&self, error: &DriverError, probe: bool) {
        let now = (self.clock)();
        let failure = self.standing().failed(now, error, probe);
        match failure {
            Failure::Known => {}
            Failure::Single => warn!(driver = self.driver, %error, "the driver failed"),
            Failure::Away(until) => {
                warn!(driver = self.driver, %error, %until, "the driver does not answer and is left alone");
            }
            Failure::StillAway(until) => {
                warn!(driver = self.driver, %error, %until, "the driver still does not answer");
            }
        }
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

/// Whether a request of this kind changes nothing in the cloud, as the probe's.
fn only_reads(verb: Verb) -> bool {
    matches!(verb, Verb::Index | Verb::Show)
}

/// A request that was let pass. Whoever holds it reports what came of it.
pub struct Pass {
    breaker: Arc<Breaker>,
    reported: bool,
    probe: bool,
}

impl Pass {
    /// What came of the request, which was of this kind. That it was refused for what it asks is an answer as good as any.
    pub fn report(mut self, verb: Verb, error: Option<&DriverError>) {
        self.reported = true;
        match error {
            Some(error) if error.is_retryable() || is_silence(error) => {
                self.breaker.failed(error, self.probe)
            }
            _ => self.breaker.answered(verb),
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
mod tests;
