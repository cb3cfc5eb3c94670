//! A cloud behind the aggregate: a driver, with the circuit breaker that stands before it and its own lane of work.
//!
//! The aggregate calls drivers only through this type: the [`Breaker`] then knows how the driver is doing, and the
//! aggregate leaves one alone that does not answer. The [`Lane`] bounds the work under way at each driver by itself. What programs do through the Deltacloud API goes to the driver
//! itself: they are told of its errors and decide for themselves.

pub mod breaker;
pub mod lane;

use crate::metrics::Metrics;
use crate::time::Clock;
use breaker::Breaker;
use drivers::{Answer, ComputeDriver, DriverError, Operation};
use lane::Lane;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::debug;

/// The longest that anything of the aggregate waits for a driver, whatever the driver's own limits: others wait as well.
/// What was asked may have happened, as after any other time-out.
const PATIENCE: Duration = Duration::from_secs(60);

/// One cloud behind the aggregate.
#[derive(Clone)]
pub struct Cloud {
    /// The driver's configured name.
    pub name: String,
    /// The driver.
    pub driver: Arc<dyn ComputeDriver>,
    /// Whether it is asked at the moment.
    pub breaker: Arc<Breaker>,
    /// Its places for work under way.
    pub lane: Arc<Lane>,
    metrics: Arc<Metrics>,
}

impl Cloud {
    /// The cloud behind a driver of this name; `clock` is what its outages are timed by, `metrics` where requests are
    /// counted.
    #[must_use]
    pub fn new(name: &str, driver: Arc<dyn ComputeDriver>, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let breaker = Arc::new(Breaker::new(name, clock));
        Self { name: name.to_owned(), driver, breaker, lane: Arc::default(), metrics }
    }

    /// Asks the driver something; `None` while it is left alone.
    pub async fn ask<T, F>(
        &self,
        operation: Operation,
        question: impl FnOnce(Arc<dyn ComputeDriver>) -> F,
    ) -> Option<Answer<T>>
    where
        F: Future<Output = Answer<T>>,
    {
        let pass = self.breaker.admit()?;
        let answer = self.request(operation, question).await;
        pass.report(operation.verb(), answer.as_ref().err());
        Some(answer)
    }

    /// Sends one request of those that a [`breaker::Pass`] is for, whose holder reports what came of all of them.
    pub async fn request<T, F>(
        &self,
        operation: Operation,
        question: impl FnOnce(Arc<dyn ComputeDriver>) -> F,
    ) -> Answer<T>
    where
        F: Future<Output = Answer<T>>,
    {
        let begun = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, question(Arc::clone(&self.driver)))
            .await
            .unwrap_or(Err(DriverError::TimedOut { operation }));
        self.metrics.driver_request(&self.name, operation, answer.as_ref().err(), begun.elapsed());
        if let Err(error) = &answer {
            debug!(driver = self.name, %operation, %error, "the driver says no");
        }
        answer
    }
}
