//! Faults: how the mock cloud misbehaves when it is told to.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::operation::Operation;

/// One way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Does nothing and answers that the cloud is not available.
    Unavailable,
    /// Does nothing and answers with an error of this HTTP status.
    Error {
        /// The status.
        status: u16,
    },
    /// Does nothing and answers as if no answer had come.
    TimeOut,
    /// Does what was asked and answers as if no answer had come.
    LostAnswer,
    /// Does what was asked and answers with a server error, as Deltacloud servers are known to.
    ErrorAfter,
    /// Waits (in the time of the async runtime), then does what was asked.
    Delay {
        /// How long.
        milliseconds: u64,
    },
    /// Does what was asked, but the instance that boots by it ends in `failed`. Without meaning for
    /// operations that boot nothing.
    BootFails,
}

/// A fault that comes up by chance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomFault {
    /// At which operation; absent: at all that change something.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// How likely, 0 to 1.
    pub probability: f64,
    /// What happens.
    pub fault: Fault,
}

/// Faults from the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct FaultConfig {
    /// Where the series of chances starts: the same seed and the same calls give the same faults.
    pub seed: u64,
    /// Faults by chance; the first that comes up is taken.
    pub random: Vec<RandomFault>,
}

impl FaultConfig {
    /// What is wrong in it: place and reason.
    pub(super) fn problems(&self) -> Vec<(String, String)> {
        self.random
            .iter()
            .enumerate()
            .filter(|(_, f)| !(0.0..=1.0).contains(&f.probability))
            .map(|(i, _)| (format!("random[{i}].probability"), "must lie between 0 and 1".into()))
            .collect()
    }
}

#[derive(Debug)]
struct State {
    random: Vec<RandomFault>,
    chance: u64,
    scripts: HashMap<Operation, VecDeque<Option<Fault>>>,
}

impl State {
    /// The next number of the series, 0 to 1 without 1 (the splitmix64 generator).
    fn draw(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The upper 53 bits are as many as an f64 holds exactly.
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The faults of one mock cloud, to be changed while it runs. Clones are the same faults.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    pub(super) fn new(config: &FaultConfig) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: config.random.clone(),
            chance: config.seed,
            scripts: HashMap::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next calls of this operation go by this list, one entry each (`None`: without a fault);
    /// chance has no part in them. Added to what the list still holds.
    pub fn script(&self, operation: Operation, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.state().scripts.entry(operation).or_default().extend(faults);
    }

    /// The next call of this operation has this fault.
    pub fn once(&self, operation: Operation, fault: Fault) {
        self.script(operation, [Some(fault)]);
    }

    /// Sets the faults that come up by chance, in place of those before, and starts the series anew.
    pub fn set_random(&self, config: FaultConfig) {
        let mut state = self.state();
        state.chance = config.seed;
        state.random = config.random;
    }

    /// From now on nothing goes wrong.
    pub fn clear(&self) {
        let mut state = self.state();
        state.random.clear();
        state.scripts.clear();
    }

    /// The fault for a call of this operation.
    pub(super) fn next(&self, operation: Operation) -> Option<Fault> {
        let mut state = self.state();
        if let Some(scripted) = state.scripts.get_mut(&operation).and_then(VecDeque::pop_front) {
            return scripted;
        }
        for at in 0..state.random.len() {
            let concerned = match state.random[at].operation {
                Some(one) => one == operation,
                None => operation.verb().changes(),
            };
            if concerned && state.draw() < state.random[at].probability {
                return Some(state.random[at].fault);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Collection, Verb};

    const CREATE: Operation = Operation::new(Collection::Instances, Verb::Create);
    const LIST: Operation = Operation::new(Collection::Instances, Verb::Index);

    fn sometimes(seed: u64, probability: f64) -> FaultConfig {
        let random = vec![RandomFault { operation: None, probability, fault: Fault::TimeOut }];
        FaultConfig { seed, random }
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let series = |seed| -> Vec<bool> {
            let faults = Faults::new(&sometimes(seed, 0.3));
            (0..200).map(|_| faults.next(CREATE).is_some()).collect()
        };
        assert_eq!(series(7), series(7));
        assert_ne!(series(7), series(8));
        let hits = series(7).iter().filter(|h| **h).count();
        assert!((30..=90).contains(&hits), "{hits} of 200 at 30 %");
    }

    #[test]
    fn a_script_goes_before_chance_and_ends() {
        let faults = Faults::new(&sometimes(1, 1.0));
        faults.script(CREATE, [None, Some(Fault::LostAnswer)]);
        assert_eq!(faults.next(CREATE), None);
        assert_eq!(faults.next(CREATE), Some(Fault::LostAnswer));
        assert_eq!(faults.next(CREATE), Some(Fault::TimeOut));
        assert_eq!(faults.next(LIST), None, "chance concerns changes only, unless it names an operation");
        faults.clear();
        assert_eq!(faults.next(CREATE), None);
    }
}
