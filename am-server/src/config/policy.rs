//! For how long resources are lent, and how a slice may be allocated.

use super::at_least_one;
use chrono::TimeDelta;
use serde::Deserialize;

/// How long a provisioned sliver lives where the configuration does not say.
const DEFAULT_DAYS: i64 = 7;

/// `[policy]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySection {
    /// Minutes a sliver stays geni_allocated before it is freed.
    pub allocated_minutes: u32,
    /// Days a provisioned sliver lives when no end time is asked for; 7 if neither days nor hours are set.
    pub provisioned_days: Option<u32>,
    /// Hours beside the days.
    pub provisioned_hours: Option<u32>,
    /// Days from now that a renewal may reach.
    pub renewal_days: u32,
    /// Minutes that a jump of the wall clock has to last until it is believed.
    pub clock_jump_minutes: u32,
    /// `geni_single_allocation`: a slice's slivers move through Provision, Update and Cancel together.
    pub single_allocation: bool,
    /// `geni_allocate`: `geni_single`, `geni_disjoint` or `geni_many`.
    pub allocate: String,
}

impl Default for PolicySection {
    fn default() -> Self {
        Self {
            allocated_minutes: 10,
            provisioned_days: None,
            provisioned_hours: None,
            renewal_days: 90,
            clock_jump_minutes: 60,
            single_allocation: false,
            allocate: "geni_many".to_owned(),
        }
    }
}

impl PolicySection {
    /// `allocate` as the state machine knows it; None when it is not one of the three.
    #[must_use]
    pub fn allocate_mode(&self) -> Option<state::AllocateMode> {
        match self.allocate.as_str() {
            "geni_single" => Some(state::AllocateMode::Single),
            "geni_disjoint" => Some(state::AllocateMode::Disjoint),
            "geni_many" => Some(state::AllocateMode::Many),
            _ => None,
        }
    }

    /// How long an allocated sliver is kept.
    #[must_use]
    pub fn allocated_for(&self) -> TimeDelta {
        TimeDelta::minutes(i64::from(self.allocated_minutes))
    }

    /// How long a provisioned sliver lives by default.
    #[must_use]
    pub fn provisioned_for(&self) -> TimeDelta {
        match (self.provisioned_days, self.provisioned_hours) {
            (None, None) => TimeDelta::days(DEFAULT_DAYS),
            (days, hours) => {
                TimeDelta::days(days.unwrap_or(0).into()) + TimeDelta::hours(hours.unwrap_or(0).into())
            }
        }
    }

    /// How far ahead a renewal may reach.
    #[must_use]
    pub fn renewal_for(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.renewal_days))
    }

    /// How long a jump of the wall clock has to last until it is believed.
    #[must_use]
    pub fn clock_jump_believed_after(&self) -> TimeDelta {
        TimeDelta::minutes(i64::from(self.clock_jump_minutes))
    }

    pub(super) fn check(&self, problems: &mut Vec<String>) {
        at_least_one("policy.allocated_minutes", self.allocated_minutes, problems);
        if self.provisioned_for() < TimeDelta::hours(1) {
            problems.push(
                "policy.provisioned_days, policy.provisioned_hours: together they must be one hour at least"
                    .to_owned(),
            );
        }
        at_least_one("policy.renewal_days", self.renewal_days, problems);
        at_least_one("policy.clock_jump_minutes", self.clock_jump_minutes, problems);
        if self.allocate_mode().is_none() {
            problems.push(format!(
                "policy.allocate: {:?} is not one of geni_single, geni_disjoint, geni_many",
                self.allocate
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(text: &str) -> Result<TimeDelta, Vec<String>> {
        let section: PolicySection = toml::from_str(text).unwrap();
        let mut problems = Vec::new();
        section.check(&mut problems);
        if problems.is_empty() { Ok(section.provisioned_for()) } else { Err(problems) }
    }

    #[test]
    fn provisioned_slivers_live_for_days_and_hours() {
        for (text, hours) in [
            ("", 7 * 24),
            ("provisioned_days = 2", 48),
            ("provisioned_hours = 3", 3),
            ("provisioned_days = 1\nprovisioned_hours = 36", 60),
            ("provisioned_days = 0\nprovisioned_hours = 1", 1),
        ] {
            assert_eq!(lifetime(text), Ok(TimeDelta::hours(hours)), "{text}");
        }
        for text in
            ["provisioned_days = 0", "provisioned_hours = 0", "provisioned_days = 0\nprovisioned_hours = 0"]
        {
            assert!(lifetime(text).unwrap_err()[0].contains("policy.provisioned_hours"), "{text}");
        }
    }
}
