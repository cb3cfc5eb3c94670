//! What the service counts about itself, for operators.
//!
//! Two kinds of figures: what happens is counted as it happens, at the cost of a few atomics ([`Metrics`]); what is, is
//! looked up when somebody asks ([`crate::api::metrics`]). Every label has few values, whatever callers send: names of calls, codes,
//! states, drivers, operations. `docs/monitoring.md` says what each figure means.

use chrono::{DateTime, Utc};
use drivers::{DriverError, Operation};
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bounds of the buckets for calls, in seconds: a call is a transaction on this machine.
const CALL_SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Bounds of the buckets for what waits for a cloud, in seconds.
const CLOUD_SECONDS: [f64; 10] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

/// A name and a value that never change.
pub(crate) type Fixed = (&'static str, &'static str);
/// A name and a value of the configuration.
pub(crate) type Named = (&'static str, String);
/// Histograms by label.
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Why a connection was not served.
#[derive(Debug, Clone, Copy)]
pub enum Unserved {
    /// The TLS handshake failed, for a certificate that is not trusted or for anything else.
    Handshake,
    /// It took too long.
    Slow,
    /// The client certificate names nobody who may call.
    Certificate,
    /// Its address or its caller had too many connections open.
    Places,
    /// Its place was needed for somebody else before it was known who it is.
    Displaced,
}

impl From<listen::Unserved> for Unserved {
    fn from(reason: listen::Unserved) -> Self {
        match reason {
            listen::Unserved::Handshake => Self::Handshake,
            listen::Unserved::Slow => Self::Slow,
            listen::Unserved::Displaced => Self::Displaced,
        }
    }
}

impl Unserved {
    const ALL: [Self; 5] = [Self::Handshake, Self::Slow, Self::Certificate, Self::Places, Self::Displaced];

    fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Slow => "slow",
            Self::Certificate => "certificate",
            Self::Places => "places",
            Self::Displaced => "displaced",
        }
    }
}

/// What is counted as it happens.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<[Fixed; 2], Counter>,
    call_seconds: Histograms<[Fixed; 1]>,
    not_calls: Counter,
    connections: Counter,
    open_connections: Gauge,
    unserved: Family<[Fixed; 1], Counter>,
    driver_requests: Family<[Named; 3], Counter>,
    driver_seconds: Histograms<[Named; 2]>,
    recreations_stopped: Family<[Named; 1], Counter>,
    drifts: Family<[Named; 1], Counter>,
    rounds: Counter,
    round_seconds: Histogram,
    last_round: Gauge<f64, AtomicU64>,
    certificates: OnceLock<Vec<Watched>>,
    /// Lines of the log that were dropped.
    lines_dropped: OnceLock<Arc<AtomicU64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A certificate whose end an operator watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// What it is for: `server`, `root`, or the section of an API, such as `deltacloud`.
    pub purpose: &'static str,
    /// The file's name without its folder.
    pub file: String,
    /// Whom it names: the URN, or else the subject.
    pub subject: String,
    /// When it ends.
    pub not_after: DateTime<Utc>,
}

impl Metrics {
    /// All at nothing; the process is taken to have started now.
    #[must_use]
    pub fn new() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(|| Histogram::new(CALL_SECONDS)),
            not_calls: Counter::default(),
            connections: Counter::default(),
            open_connections: Gauge::default(),
            unserved: Family::default(),
            driver_requests: Family::default(),
            driver_seconds: Family::new_with_constructor(|| Histogram::new(CLOUD_SECONDS)),
            recreations_stopped: Family::default(),
            drifts: Family::default(),
            rounds: Counter::default(),
            round_seconds: Histogram::new(CLOUD_SECONDS),
            last_round: Gauge::default(),
            certificates: OnceLock::new(),
            lines_dropped: OnceLock::new(),
        };
        // A series that is there from the start shows its first event as a rise.
        for reason in Unserved::ALL {
            drop(metrics.unserved.get_or_create(&[("reason", reason.as_str())]));
        }
        Self { registry: metrics.registered(), ..metrics }
    }

    fn registered(&self) -> Registry {
        let mut all = Registry::default();
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        all.register("am_build", "The program", version);
        let started = ConstGauge::new(seconds_since_1970());
        all.register(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970",
            started,
        );
        all.register("am_calls", "Calls answered, by name and geni_code", self.calls.clone());
        all.register(
            "am_call_seconds",
            "Time from a decoded request to its answer",
            self.call_seconds.clone(),
        );
        all.register("am_not_calls", "Requests that are no call of the API", self.not_calls.clone());
        all.register("am_connections", "Connections accepted for the AM API", self.connections.clone());
        all.register("am_connections_open", "Connections that are open now", self.open_connections.clone());
        all.register("am_connections_unserved", "Connections that were not served", self.unserved.clone());
        let requests = self.driver_requests.clone();
        all.register("am_driver_requests", "Requests of the aggregate's to its drivers", requests);
        let seconds = self.driver_seconds.clone();
        all.register("am_driver_request_seconds", "Time until a driver answered or gave up", seconds);
        let stopped = self.recreations_stopped.clone();
        let help = "Slivers given up because their instances were created again and again";
        all.register("am_sliver_recreations_stopped", help, stopped);
        let help = "Times that the instance of a settled sliver was found changed in its cloud";
        all.register("am_sliver_drifts", help, self.drifts.clone());
        all.register("am_reconciler_rounds", "Rounds of the reconciler", self.rounds.clone());
        all.register("am_reconciler_round_seconds", "Time that a round took", self.round_seconds.clone());
        let last = self.last_round.clone();
        all.register("am_reconciler_last_round_seconds", "When the last round ended, since 1970", last);
        all
    }

    /// Tells the certificates that the service works with, once: their ends are shown from now on.
    pub fn watch_certificates(&self, certificates: Vec<Watched>) {
        let _ = self.certificates.set(certificates);
    }

    /// The certificates that are watched.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Watched> {
        self.certificates.get().into_iter().flatten()
    }

    /// Tells the counter of the log's dropped lines, once: it is shown from now on.
    pub fn watch_log(&self, lines_dropped: Arc<AtomicU64>) {
        let _ = self.lines_dropped.set(lines_dropped);
    }

    /// Lines of the log that were dropped, as far as the log is watched.
    pub(crate) fn lines_dropped(&self) -> u64 {
        self.lines_dropped.get().map_or(0, |lines| lines.load(Ordering::Relaxed))
    }

    /// The figures that are counted as things happen, in the OpenMetrics text format without its end.
    pub(crate) fn counted(&self) -> String {
        let mut text = String::with_capacity(32 << 10);
        // Writing to memory does not fail.
        let _ = encode_registry(&mut text, &self.registry);
        text
    }

    /// A call was answered.
    pub fn call(&self, name: &'static str, geni_code: i32, took: Duration) {
        self.calls.get_or_create(&[("call", name), ("geni_code", code(geni_code))]).inc();
        self.call_seconds.get_or_create(&[("call", name)]).observe(took.as_secs_f64());
    }

    /// A request was no call.
    pub fn not_a_call(&self) {
        self.not_calls.inc();
    }

    /// A connection was accepted; it is open as long as what this gives is there.
    #[must_use]
    pub fn connection(&self) -> OpenConnection {
        self.connections.inc();
        self.open_connections.inc();
        OpenConnection(self.open_connections.clone())
    }

    /// A connection was not served.
    pub fn unserved(&self, reason: Unserved) {
        self.unserved.get_or_create(&[("reason", reason.as_str())]).inc();
    }

    /// A driver answered a request, or did not.
    pub fn driver_request(
        &self,
        driver: &str,
        operation: Operation,
        error: Option<&DriverError>,
        took: Duration,
    ) {
        let outcome = match error {
            None => "ok",
            Some(DriverError::TimedOut { .. }) => "no_answer",
            Some(DriverError::Unavailable { .. }) => "unavailable",
            Some(DriverError::Backend { .. }) => "error",
            Some(DriverError::Unauthorised) => "unauthorised",
            Some(_) => "refused",
        };
        let (driver, operation) = (("driver", driver.to_owned()), ("operation", operation.to_string()));
        let outcome = ("outcome", outcome.to_owned());
        self.driver_requests.get_or_create(&[driver.clone(), operation.clone(), outcome]).inc();
        self.driver_seconds.get_or_create(&[driver, operation]).observe(took.as_secs_f64());
    }

    /// A sliver was given up because its instances came and went.
    pub fn recreation_stopped(&self, driver: &str) {
        self.recreations_stopped.get_or_create(&[("driver", driver.to_owned())]).inc();
    }

    /// The instance of a settled sliver was found changed in its cloud.
    pub fn drifted(&self, driver: &str) {
        self.drifts.get_or_create(&[("driver", driver.to_owned())]).inc();
    }

    /// The reconciler ended a round.
    pub fn round(&self, took: Duration) {
        self.rounds.inc();
        self.round_seconds.observe(took.as_secs_f64());
        self.last_round.set(seconds_since_1970());
    }
}

/// A connection that is open until this is dropped.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Seconds since 1970 by the machine's clock, with which whoever reads the figures compares them.
fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A `geni_code` as a label. Those that the API does not have do not occur.
fn code(number: i32) -> &'static str {
    const CODES: [&str; 25] = [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17",
        "18", "19", "20", "21", "22", "23", "24",
    ];
    usize::try_from(number).ok().and_then(|number| CODES.get(number)).copied().unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use drivers::{Collection, Verb};

    #[track_caller]
    fn shows(metrics: &Metrics, line: &str) {
        let text = metrics.counted();
        assert!(text.lines().any(|it| it == line), "{line:?} is not in\n{text}");
    }

    #[test]
    fn calls_are_counted_by_name_and_code_and_timed_by_name() {
        let metrics = Metrics::new();
        for (name, code) in [("Status", 0), ("Status", 0), ("Status", 12), ("Delete", 99)] {
            metrics.call(name, code, Duration::from_millis(3));
        }
        shows(&metrics, r#"am_calls_total{call="Status",geni_code="0"} 2"#);
        shows(&metrics, r#"am_calls_total{call="Status",geni_code="12"} 1"#);
        shows(&metrics, r#"am_calls_total{call="Delete",geni_code="other"} 1"#);
        shows(&metrics, r#"am_call_seconds_count{call="Status"} 3"#);
        shows(&metrics, r#"am_call_seconds_bucket{le="0.0025",call="Status"} 0"#);
        shows(&metrics, r#"am_call_seconds_bucket{le="0.005",call="Status"} 3"#);
    }

    #[test]
    fn a_connection_is_open_until_it_ends() {
        let metrics = Metrics::new();
        let open = metrics.connection();
        drop(metrics.connection());
        shows(&metrics, "am_connections_total 2");
        shows(&metrics, "am_connections_open 1");
        drop(open);
        shows(&metrics, "am_connections_open 0");
        metrics.unserved(Unserved::Certificate);
        shows(&metrics, r#"am_connections_unserved_total{reason="certificate"} 1"#);
        shows(&metrics, r#"am_connections_unserved_total{reason="slow"} 0"#);
    }

    #[test]
    fn requests_to_drivers_are_counted_by_what_came_of_them() {
        let metrics = Metrics::new();
        let create = Operation::new(Collection::Instances, Verb::Create);
        let full = DriverError::Capacity { collection: Collection::Instances, realm: None, limit: 1 };
        let silent = DriverError::TimedOut { operation: create };
        for error in [None, Some(&full), Some(&silent), Some(&silent)] {
            metrics.driver_request("lab", create, error, Duration::from_secs(1));
        }
        let line = |outcome: &str, number: u32| {
            format!(
                r#"am_driver_requests_total{{driver="lab",operation="instances/create",outcome="{outcome}"}} {number}"#
            )
        };
        for (outcome, number) in [("ok", 1), ("refused", 1), ("no_answer", 2)] {
            shows(&metrics, &line(outcome, number));
        }
        shows(&metrics, r#"am_driver_request_seconds_sum{driver="lab",operation="instances/create"} 4.0"#);
    }
}
