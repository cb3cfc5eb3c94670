//! The work that foreign bytes cause, counted in steps.
//!
//! A step is about a nanosecond of a processor: what looking at one byte costs. Steps are counted rather than timed,
//! so that the same bytes cost the same everywhere, and so that a bound means the same on every machine. Every stage
//! of a verification is charged, and is not begun when the bound is reached.

use std::cell::Cell;

/// The most steps that one credential may take to verify: about twenty milliseconds. The deepest delegation that is
/// accepted, with RSA keys of 4096 bits, takes a quarter of them.
pub const MAX_STEPS: u64 = 20_000_000;

/// The most steps for one certificate chain, in which a TLS handshake ends: strangers cause them.
pub(crate) const MAX_CHAIN_STEPS: u64 = 3_000_000;

/// Counts the steps of one verification up to a limit.
#[derive(Debug)]
pub(crate) struct Meter {
    spent: Cell<u64>,
    limit: u64,
    exhausted: Cell<bool>,
}

impl Meter {
    pub(crate) fn new(limit: u64) -> Self {
        Self { spent: Cell::new(0), limit, exhausted: Cell::new(false) }
    }

    /// A meter that only counts, for what is written here.
    pub(crate) fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// Counts work that was done, and whose amount is bounded elsewhere.
    pub(crate) fn charge(&self, steps: usize) {
        self.spent.set(self.spent.get().saturating_add(steps as u64));
    }

    /// Whether the limit leaves room for more work of this many steps. Once it did not, [`Self::is_exhausted`] says so.
    pub(crate) fn allows(&self, steps: usize) -> bool {
        let allowed = self.spent.get().saturating_add(steps as u64) <= self.limit;
        if !allowed {
            self.exhausted.set(true);
        }
        allowed
    }

    /// Whether work was left undone because of the limit.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }

    pub(crate) fn spent(&self) -> u64 {
        self.spent.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_tells_what_was_spent_and_what_was_left_undone() {
        let meter = Meter::new(10);
        meter.charge(4);
        assert!(meter.allows(6) && !meter.is_exhausted());
        assert!(!meter.allows(7) && meter.is_exhausted());
        assert_eq!(meter.spent(), 4);
        let free = Meter::unlimited();
        free.charge(usize::MAX);
        free.charge(usize::MAX);
        assert!(free.allows(1));
    }
}
