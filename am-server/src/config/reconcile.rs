//! How often the reconciler looks at everything.

use serde::Deserialize;

/// `[reconcile]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconcileSection {
    /// Seconds between passes while slivers are on their way somewhere.
    pub busy_seconds: f64,
    /// Seconds between full comparisons of all slivers with all instances.
    pub full_seconds: f64,
}

impl Default for ReconcileSection {
    fn default() -> Self {
        Self { busy_seconds: 1.0, full_seconds: 60.0 }
    }
}

impl ReconcileSection {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        for (name, seconds) in [("busy_seconds", self.busy_seconds), ("full_seconds", self.full_seconds)] {
            if !(0.01..=86_400.0).contains(&seconds) {
                problems.push(format!("reconcile.{name}: {seconds} is not between 0.01 and 86400"));
            }
        }
    }
}
