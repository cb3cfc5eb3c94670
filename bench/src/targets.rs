//! What was asked for, beside what was measured.

use serde::Serialize;

/// One line of the table of targets.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// What was measured.
    pub what: String,
    /// What it should be, for people.
    pub target: String,
    /// What it is, for people.
    pub figure: String,
    /// The number that was compared.
    pub value: f64,
    /// What it was compared with.
    pub bound: f64,
    /// Whether the target is met.
    pub met: bool,
    /// What the number is made of.
    pub made_of: String,
}

impl Line {
    /// A target of the form "at least".
    #[must_use]
    pub fn at_least(what: &str, target: &str, bound: f64, value: f64, made_of: String) -> Self {
        Self::judged(what, target, bound, value, value >= bound, made_of)
    }

    /// A target of the form "at most".
    #[must_use]
    pub fn at_most(what: &str, target: &str, bound: f64, value: f64, made_of: String) -> Self {
        Self::judged(what, target, bound, value, value <= bound, made_of)
    }

    fn judged(what: &str, target: &str, bound: f64, value: f64, met: bool, made_of: String) -> Self {
        Self {
            what: what.to_owned(),
            target: target.to_owned(),
            figure: format!("{value:.2}"),
            value,
            bound,
            // A figure that could not be computed meets nothing.
            met: met && value.is_finite(),
            made_of,
        }
    }

    /// The word the line ends in.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        if self.met { "met" } else { "missed" }
    }
}

/// The middle one of some numbers; not a number when there are none.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_met_on_the_right_side_of_its_bound_only() {
        let words = String::new;
        assert!(Line::at_least("a", "b", 0.75, 0.75, words()).met);
        assert!(!Line::at_least("a", "b", 0.75, 0.74, words()).met);
        assert!(Line::at_most("a", "b", 25.0, 24.9, words()).met);
        assert_eq!(Line::at_most("a", "b", 25.0, 25.1, words()).verdict(), "missed");
        assert!(!Line::at_least("a", "b", 0.0, f64::NAN, words()).met);
        assert!(!Line::at_least("a", "b", 0.0, f64::INFINITY, words()).met);
    }

    #[test]
    fn the_median_ignores_one_bad_round() {
        assert!((median(vec![1.0, 100.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }
}
