//! The life of an instance as data: states, and what leads from one to another.
//!
//! Clouds differ in their machines: in some an instance must be stopped before it is destroyed, in
//! some it starts by itself after its creation. A driver therefore declares its machine, and a caller
//! that wants an instance in some state asks [`StateMachine::step`] for the next thing to do instead
//! of knowing the cloud.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where an instance stands in its life.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum InstanceState {
    /// Before it exists.
    Start,
    /// On its way to running (or to stopped, after a creation that leaves it so).
    Pending,
    /// Running.
    Running,
    /// On its way to stopped or to its end.
    Stopping,
    /// Stopped; its disk is kept.
    Stopped,
    /// Gone.
    Finish,
    /// It could not be brought to run, or fell over; only destroying it is sure to work.
    Failed,
    /// A state of its own cloud.
    Other(String),
}

impl InstanceState {
    /// The word of the instance states document (lower case; instances show it in upper case).
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Start => "start",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Finish => "finish",
            Self::Failed => "failed",
            Self::Other(word) => word,
        }
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for InstanceState {
    /// Reads any spelling: the texts and the drivers have several for stopping, the end and failure.
    fn from(word: &str) -> Self {
        let folded = word.trim().to_ascii_lowercase().replace('-', "_");
        match folded.as_str() {
            "start" => Self::Start,
            "pending" => Self::Pending,
            "running" => Self::Running,
            "stopping" | "shutting_down" => Self::Stopping,
            "stopped" => Self::Stopped,
            "finish" | "finished" => Self::Finish,
            "failed" | "error" => Self::Failed,
            _ => Self::Other(folded),
        }
    }
}

impl FromStr for InstanceState {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(Self::from(word))
    }
}

impl Serialize for InstanceState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for InstanceState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// What moves an instance from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceAction {
    /// Bring it into being.
    Create,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop and start it in one.
    Reboot,
    /// End it.
    Destroy,
}

impl InstanceAction {
    /// The word of the Deltacloud API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::Destroy => "destroy",
        }
    }
}

impl fmt::Display for InstanceAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One way out of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The action that takes it; `None`: it is taken by itself. Of several such ways out of one state
    /// the first is the usual one.
    pub action: Option<InstanceAction>,
    /// Where it leads.
    pub to: InstanceState,
}

/// What a caller does next to bring an instance to a wanted state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is there.
    Done,
    /// Take this action.
    Act(InstanceAction),
    /// Look again later: it moves by itself.
    Wait,
    /// There is no way there from here.
    Impossible,
}

/// The states of a driver's instances and what leads from one to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMachine {
    states: Vec<(InstanceState, Vec<Transition>)>,
}

impl StateMachine {
    /// A machine of these transitions, `(from, action, to)`; action `None`: by itself. States come in
    /// the order in which they are first named.
    #[must_use]
    pub fn new(
        transitions: impl IntoIterator<Item = (InstanceState, Option<InstanceAction>, InstanceState)>,
    ) -> Self {
        let mut machine = Self { states: Vec::new() };
        for (from, action, to) in transitions {
            machine.entry(&from);
            machine.entry(&to);
            machine.entry(&from).push(Transition { action, to });
        }
        machine
    }

    fn entry(&mut self, state: &InstanceState) -> &mut Vec<Transition> {
        let at = self.states.iter().position(|(s, _)| s == state).unwrap_or_else(|| {
            self.states.push((state.clone(), Vec::new()));
            self.states.len() - 1
        });
        &mut self.states[at].1
    }

    /// All states with their ways out.
    pub fn states(&self) -> impl Iterator<Item = (&InstanceState, &[Transition])> {
        self.states.iter().map(|(state, out)| (state, out.as_slice()))
    }

    /// The ways out of a state; none for a state the machine does not know.
    #[must_use]
    pub fn transitions(&self, from: &InstanceState) -> &[Transition] {
        self.states.iter().find(|(s, _)| s == from).map_or(&[], |(_, out)| out)
    }

    /// Where the action leads; `None`: it is not allowed in this state.
    #[must_use]
    pub fn target(&self, from: &InstanceState, action: InstanceAction) -> Option<&InstanceState> {
        self.transitions(from).iter().find(|t| t.action == Some(action)).map(|t| &t.to)
    }

    /// Whether the state allows the action.
    #[must_use]
    pub fn allows(&self, from: &InstanceState, action: InstanceAction) -> bool {
        self.target(from, action).is_some()
    }

    /// The actions that the state allows.
    #[must_use]
    pub fn actions(&self, from: &InstanceState) -> Vec<InstanceAction> {
        self.transitions(from).iter().filter_map(|t| t.action).collect()
    }

    /// The first step of the best way from one state to another: the shortest that counts on nothing
    /// unusual, where there is one.
    ///
    /// Take the step, look at the instance again, ask again: the machine says what is possible, the
    /// cloud what has happened.
    #[must_use]
    pub fn step(&self, from: &InstanceState, to: &InstanceState) -> Step {
        /// More than any way without something unusual can cost.
        const UNUSUAL: usize = 1000;
        // Dijkstra's algorithm; with a handful of states a list does as its queue.
        let mut open = vec![(0, from, None)];
        let mut closed = HashSet::new();
        while let Some(at) = (0..open.len()).min_by_key(|at| open[*at].0) {
            let (cost, state, first) = open.swap_remove(at);
            if state == to {
                return first.unwrap_or(Step::Done);
            }
            if !closed.insert(state) {
                continue;
            }
            let usual = self.transitions(state).iter().position(|t| t.action.is_none());
            for (place, transition) in self.transitions(state).iter().enumerate() {
                let (step, more) = match transition.action {
                    Some(action) => (Step::Act(action), 1),
                    None => (Step::Wait, if usual == Some(place) { 1 } else { UNUSUAL }),
                };
                open.push((cost + more, &transition.to, Some(first.unwrap_or(step))));
            }
        }
        Step::Impossible
    }
}

#[cfg(test)]
mod tests {
    use super::InstanceAction::{Create, Destroy, Reboot};
    use super::InstanceState::{Failed, Finish, Pending, Running, Stopped, Stopping};
    use super::*;

    fn must_stop_first() -> StateMachine {
        StateMachine::new([
            (InstanceState::Start, Some(Create), Pending),
            (Pending, None, Running),
            (Running, Some(Reboot), Running),
            (Running, Some(InstanceAction::Stop), Stopping),
            (Stopping, None, Stopped),
            (Stopped, Some(InstanceAction::Start), Running),
            (Stopped, Some(Destroy), Finish),
        ])
    }

    #[test]
    fn the_way_to_the_end_goes_through_stopped_where_the_cloud_wants_it() {
        let machine = must_stop_first();
        assert_eq!(machine.step(&Pending, &Finish), Step::Wait);
        assert_eq!(machine.step(&Running, &Finish), Step::Act(InstanceAction::Stop));
        assert_eq!(machine.step(&Stopping, &Finish), Step::Wait);
        assert_eq!(machine.step(&Stopped, &Finish), Step::Act(Destroy));
        assert_eq!(machine.step(&Finish, &Finish), Step::Done);
    }

    #[test]
    fn there_is_no_way_back_from_the_end_nor_from_the_unknown() {
        let machine = must_stop_first();
        assert_eq!(machine.step(&Finish, &Running), Step::Impossible);
        assert_eq!(machine.step(&Failed, &Finish), Step::Impossible);
        assert_eq!(machine.step(&InstanceState::Other("odd".into()), &Running), Step::Impossible);
    }

    #[test]
    fn a_way_does_not_count_on_what_is_unusual() {
        // Creation leaves instances stopped, and a boot may fail: both by way of pending.
        let machine = StateMachine::new([
            (InstanceState::Start, Some(Create), Pending),
            (Pending, None, Running),
            (Pending, None, Stopped),
            (Pending, None, Failed),
            (Running, Some(Reboot), Pending),
            (Running, Some(InstanceAction::Stop), Stopping),
            (Stopping, None, Stopped),
            (Stopped, Some(InstanceAction::Start), Pending),
            (Failed, Some(Destroy), Finish),
            (Stopped, Some(Destroy), Finish),
        ]);
        assert_eq!(machine.step(&Running, &Stopped), Step::Act(InstanceAction::Stop));
        assert_eq!(machine.step(&Running, &Finish), Step::Act(InstanceAction::Stop));
        assert_eq!(machine.step(&Stopped, &Running), Step::Act(InstanceAction::Start));
        assert_eq!(machine.step(&Pending, &Stopped), Step::Wait);
        assert_eq!(machine.step(&Failed, &Running), Step::Impossible);
    }

    #[test]
    fn all_spellings_of_a_state_are_the_same_state() {
        for (text, state) in [
            ("RUNNING", Running),
            ("shutting-down", Stopping),
            ("shutting_down", Stopping),
            ("STOPPING", Stopping),
            ("finished", Finish),
            ("ERROR", Failed),
            ("Suspended", InstanceState::Other("suspended".into())),
        ] {
            assert_eq!(InstanceState::from(text), state);
            assert_eq!(InstanceState::from(state.as_str()), state);
        }
    }

    #[test]
    fn states_keep_the_order_of_their_declaration() {
        let names: Vec<_> = must_stop_first().states().map(|(s, _)| s.to_string()).collect();
        assert_eq!(names, ["start", "pending", "running", "stopping", "stopped", "finish"]);
    }
}
