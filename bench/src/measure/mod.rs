//! The measurements, each beside its baseline.
//!
//! Ratios are taken in rounds: one of the aggregate, one of the baseline, and again. The median of the rounds' ratios
//! counts, so that another program's burst of work spoils a round and not the figure.

mod calls;
mod credential;
mod deltacloud;
mod documents;
mod growth;
mod matrix;
mod site;

use crate::arguments::Run;
use crate::load::{self, Load, Outcome};
use crate::prefill::Size;
use crate::report::Report;
use crate::server::Server;
use crate::targets::median;
use crate::wire::{Connections, Endpoint};
use crate::workload::Workload;
use crate::{Failure, server};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long and how large.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Time of one round that counts.
    pub round: Duration,
    /// Time before it.
    pub warm_up: Duration,
    /// Rounds of each pair.
    pub rounds: usize,
    /// Slices with credentials of their own.
    pub slices: usize,
    /// The database with a past.
    pub size: Size,
    /// Idle TLS connections.
    pub connections: usize,
    /// Instances in a listing of the Deltacloud face.
    pub listed: u32,
    /// Size of the blob that goes through the Deltacloud face, in MiB.
    pub blob_mib: u32,
    /// Time of each cell of the table of all operations; without it the table is left out.
    pub cell: Option<Duration>,
}

impl Settings {
    /// Those of a whole run, or of a quick one.
    #[must_use]
    pub fn of(quick: bool) -> Self {
        if quick {
            Self {
                round: Duration::from_millis(400),
                warm_up: Duration::from_millis(100),
                rounds: 3,
                slices: 400,
                size: Size { past: 50_000, live: 5_000 },
                connections: 500,
                listed: 1000,
                blob_mib: 64,
                cell: None,
            }
        } else {
            Self {
                round: Duration::from_millis(2000),
                warm_up: Duration::from_millis(500),
                rounds: 5,
                slices: 3000,
                size: Size { past: 1_000_000, live: 100_000 },
                connections: 5000,
                listed: 10_000,
                blob_mib: 1024,
                cell: Some(Duration::from_millis(1500)),
            }
        }
    }

    pub(crate) fn load(&self, connections: Connections, clients: usize) -> Load {
        Load { connections, clients, warm_up: self.warm_up, time: self.round }
    }
}

/// What all measurements need.
pub(crate) struct Bench<'a> {
    pub(crate) settings: Settings,
    pub(crate) dir: &'a Path,
    pub(crate) program: PathBuf,
    pub(crate) report: Report,
    only: Option<&'a str>,
}

impl Bench<'_> {
    /// Whether a measurement of this name was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_none_or(|word| name.contains(word))
    }

    pub(crate) fn say(&self, what: &str) {
        eprintln!("bench: {what}");
    }
}

/// Takes all measurements of a run that starts its own servers.
///
/// # Errors
/// A server or a file cannot be used.
pub async fn everything(run: &Run, dir: &Path) -> Result<Report, Failure> {
    let program = match &run.server {
        Some(program) => program.clone(),
        None => server::own_program()?,
    };
    let mut bench = Bench {
        settings: Settings::of(run.quick),
        dir,
        program,
        report: Report::new(run.quick),
        only: run.only.as_deref(),
    };
    calls::measure(&mut bench).await?;
    if bench.wants("credential") {
        credential::measure(&mut bench)?;
    }
    if bench.wants("rspec") {
        documents::measure(&mut bench)?;
    }
    growth::measure(&mut bench).await?;
    if bench.wants("deltacloud") {
        deltacloud::measure(&mut bench).await?;
    }
    Ok(bench.report)
}

/// Puts load on the aggregate of `run.url`.
///
/// # Errors
/// The caller's files cannot be used, or the aggregate refuses what is needed to begin.
pub async fn elsewhere(run: &Run, url: &str) -> Result<Report, Failure> {
    let (Some(cert), Some(key), Some(credentials)) = (&run.cert, &run.key, &run.credentials) else {
        return Err(Failure::new("--url needs --cert, --key and --credentials"));
    };
    let endpoint = Endpoint::new(url, cert, key)?;
    let held = crate::experimenter::read_folder(credentials)?;
    let mut report = Report::new(run.quick);
    let time = Duration::from_millis(if run.quick { 600 } else { 2000 });
    matrix::remote(&mut report, &endpoint, held, time, run.only.as_deref()).await?;
    Ok(report)
}

/// One side of a ratio: what is asked of which server.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) server: &'a Server,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) workload: &'a Arc<Workload>,
}

/// One round of one side.
struct Round {
    outcome: Outcome,
    /// Processor time of the server for each turn, in microseconds.
    processor: f64,
}

impl Side<'_> {
    async fn round(self, load: Load) -> Result<Round, Failure> {
        let before = self.server.cpu_seconds()?;
        let outcome = whole(load::run(self.endpoint, self.workload, load).await?)?;
        let used = self.server.cpu_seconds()? - before;
        let processor = used * 1e6 / outcome.all_turns as f64;
        Ok(Round { outcome, processor })
    }
}

/// Two sides of a ratio, round by round.
pub(crate) struct Pair {
    /// Median of the rounds' ratios of turns per second, ours to theirs.
    pub(crate) ratio: f64,
    /// Our median turns per second.
    pub(crate) ours: f64,
    /// Their median turns per second.
    pub(crate) theirs: f64,
    /// Our median latency in microseconds.
    pub(crate) our_p50: f64,
    /// Their median latency in microseconds.
    pub(crate) their_p50: f64,
    /// Median of the rounds' ratios of median latency, ours to theirs.
    pub(crate) latency_ratio: f64,
    /// Our server's processor time for a turn, in microseconds.
    pub(crate) our_processor: f64,
    /// Their server's.
    pub(crate) their_processor: f64,
}

/// Measures `ours` and `theirs` turn by turn.
pub(crate) async fn pair(
    bench: &Bench<'_>,
    ours: Side<'_>,
    theirs: Side<'_>,
    load: Load,
) -> Result<Pair, Failure> {
    let (mut mine, mut other) = (Vec::new(), Vec::new());
    for _ in 0..bench.settings.rounds {
        mine.push(ours.round(load).await?);
        other.push(theirs.round(load).await?);
    }
    let of = |rounds: &[Round], take: fn(&Round) -> f64| median(rounds.iter().map(take).collect());
    let ratios = |take: fn(&Round) -> f64| {
        median(mine.iter().zip(&other).map(|(ours, theirs)| take(ours) / take(theirs)).collect())
    };
    let rate: fn(&Round) -> f64 = |it| it.outcome.per_second;
    let latency: fn(&Round) -> f64 = |it| it.outcome.p50_us as f64;
    let processor: fn(&Round) -> f64 = |it| it.processor;
    Ok(Pair {
        ratio: ratios(rate),
        ours: of(&mine, rate),
        theirs: of(&other, rate),
        our_p50: of(&mine, latency),
        their_p50: of(&other, latency),
        latency_ratio: ratios(latency),
        our_processor: of(&mine, processor),
        their_processor: of(&other, processor),
    })
}

/// An outcome in which every turn went well: a ratio of anything else would say nothing.
pub(crate) fn whole(outcome: Outcome) -> Result<Outcome, Failure> {
    match &outcome.first_failure {
        None => Ok(outcome),
        Some(first) => {
            Err(Failure::new(format!("{} turns failed, the first one: {first}", outcome.failures)))
        }
    }
}
