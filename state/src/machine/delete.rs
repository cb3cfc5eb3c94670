//! `Delete`: slivers go, whatever their state, and free all they held.

use super::Call;
use super::selection::{Selection, Together};
use super::transition::{Cause, Outcome, Step, Work};
use crate::refusal::Refusal;

/// The arguments of `Delete`.
#[derive(Debug, Clone)]
pub struct Delete {
    /// The slivers.
    pub selection: Selection,
    /// `geni_best_effort`.
    pub best_effort: bool,
    /// An operator of this aggregate is deleting: allowed in a slice that is shut down, too.
    pub operator: bool,
}

pub(super) fn run(call: &Delete, work: &mut Work<'_>) -> Result<Vec<Outcome>, Refusal> {
    if !call.operator {
        work.check_not_shut_down()?;
    }
    let targets =
        work.select(Some((Call::Delete, Together::SameState)), &call.selection, call.best_effort)?;
    work.each(targets, call.best_effort, |_| Ok(Step::Depart(Cause::Deleted)))
}
