//! What is printed, and what is written for programs.

use crate::Failure;
use crate::load::Outcome;
use crate::targets::Line;
use crate::wire::Connections;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// One operation under one load.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// What was done.
    pub operation: String,
    /// On what connections.
    pub connections: Connections,
    /// By how many at once.
    pub clients: usize,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A figure without a target.
#[derive(Debug, Clone, Serialize)]
pub struct Also {
    /// What was measured.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// What it is made of.
    pub made_of: String,
}

/// All that was measured in one run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// When the run began, RFC 3339.
    pub began: String,
    /// Whether sizes and times were those of a quick run.
    pub quick: bool,
    /// Processors that servers and load shared.
    pub cores: usize,
    /// Targets and figures.
    pub targets: Vec<Line>,
    /// Figures without a target.
    pub also: Vec<Also>,
    /// Every operation under every load.
    pub operations: Vec<Cell>,
}

impl Report {
    /// A report with nothing in it.
    #[must_use]
    pub fn new(quick: bool) -> Self {
        Self {
            began: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            quick,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            targets: Vec::new(),
            also: Vec::new(),
            operations: Vec::new(),
        }
    }

    /// Adds a figure with a target.
    pub fn line(&mut self, line: Line) {
        eprintln!("bench:   {}: {} {}", line.what, line.figure, line.verdict());
        self.targets.push(line);
    }

    /// Adds a figure without one.
    pub fn also(&mut self, what: &str, value: f64, made_of: String) {
        self.also.push(Also { what: what.to_owned(), value, made_of });
    }

    /// Adds an operation under a load.
    pub fn cell(&mut self, cell: Cell) {
        self.operations.push(cell);
    }

    /// Writes all of it as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_json(&self, file: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(Failure::when("JSON"))?;
        std::fs::write(file, text + "\n").map_err(Failure::when(file.display().to_string()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.operations.is_empty() {
            writeln!(
                f,
                "{:<28} {:<11} {:>7} {:>10} {:>10} {:>10} {:>10} {:>8}",
                "operation", "connections", "clients", "per second", "p50 µs", "p99 µs", "max µs", "failures"
            )?;
            for cell in &self.operations {
                let outcome = &cell.outcome;
                writeln!(
                    f,
                    "{:<28} {:<11} {:>7} {:>10.1} {:>10} {:>10} {:>10} {:>8}",
                    cell.operation,
                    cell.connections.as_str(),
                    cell.clients,
                    outcome.per_second,
                    outcome.p50_us,
                    outcome.p99_us,
                    outcome.max_us,
                    outcome.failures
                )?;
            }
            for cell in &self.operations {
                if let Some(failure) = &cell.outcome.first_failure {
                    writeln!(f, "{}, {} clients: {failure}", cell.operation, cell.clients)?;
                }
            }
            writeln!(f)?;
        }
        for also in &self.also {
            writeln!(f, "{}: {:.2} ({})", also.what, also.value, also.made_of)?;
        }
        if !self.also.is_empty() {
            writeln!(f)?;
        }
        if !self.targets.is_empty() {
            let width = |texts: Vec<usize>| texts.into_iter().max().unwrap_or(0);
            let what = width(self.targets.iter().map(|line| line.what.chars().count()).collect());
            let target = width(self.targets.iter().map(|line| line.target.chars().count()).collect());
            let figure = width(self.targets.iter().map(|line| line.figure.chars().count()).collect());
            for line in &self.targets {
                writeln!(
                    f,
                    "{:<what$} | {:<target$} | {:>figure$} | {} | {}",
                    line.what,
                    line.target,
                    line.figure,
                    line.made_of,
                    line.verdict()
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_a_line_that_ends_in_its_verdict() {
        let mut report = Report::new(true);
        report.line(Line::at_least("a", "≥ 1", 1.0, 2.0, "x".to_owned()));
        report.line(Line::at_most("longer", "≤ 1", 1.0, 2.0, "y".to_owned()));
        let text = report.to_string();
        let verdicts: Vec<_> = text.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(verdicts, ["met", "missed"]);
    }

    #[test]
    fn the_json_holds_what_the_table_holds() {
        let mut report = Report::new(false);
        report.line(Line::at_least("a", "≥ 1", 1.0, 2.0, "x".to_owned()));
        let file = tempfile::NamedTempFile::new().unwrap();
        report.write_json(file.path()).unwrap();
        let read: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
        assert_eq!(read["targets"][0]["met"], true);
        assert_eq!(read["targets"][0]["bound"], 1.0);
    }
}
