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
    /// Destroying is a step toward [`InstanceState::Finish`] only. Toward any other state nothing is done
    /// that ends the instance: no [`InstanceAction::Destroy`], and no other action after which the instance
    /// goes on to its end by itself. Where only such a way is left, the answer is [`Step::Impossible`].
    ///
    /// Take the step, look at the instance again, ask again: the machine says what is possible, the
    /// cloud what has happened.
    #[must_use]
    pub fn step(&self, from: &InstanceState, to: &InstanceState) -> Step {
        let ending = *to == InstanceState::Finish;
        // Dijkstra's algorithm; with a handful of states a list does as its queue.
        let mut open = vec![Leg { cost: 0, at: from, by: None, first: None }];
        let mut closed = HashSet::new();
        while let Some(next) = (0..open.len()).min_by_key(|next| open[*next].cost) {
            let leg = open.swap_remove(next);
            if leg.at == to {
                return leg.first.unwrap_or(Step::Done);
            }
            if !closed.insert((leg.at, leg.by)) {
                continue;
            }
            for (place, transition) in self.transitions(leg.at).iter().enumerate() {
                let is_usual = self.usual(leg.at, leg.by) == Some(place);
                open.extend(self.follow(&leg, transition, is_usual, ending));
            }
        }
        Step::Impossible
    }

    /// The leg after this one by way of `transition`; none where that would end an instance that is to live.
    fn follow<'a>(
        &self,
        leg: &Leg<'a>,
        transition: &'a Transition,
        is_usual: bool,
        ending: bool,
    ) -> Option<Leg<'a>> {
        const FINISH: &InstanceState = &InstanceState::Finish;
        /// More than any way without something unusual can cost.
        const UNUSUAL: usize = 1000;
        let to = &transition.to;
        match transition.action {
            Some(action) => {
                let first = Some(leg.first.unwrap_or(Step::Act(action)));
                // A machine may say of one action that it leads to several states.
                let may_end = |way: &Transition| way.action == Some(action) && self.ends(&way.to, action);
                let may_end =
                    action == InstanceAction::Destroy || self.transitions(leg.at).iter().any(may_end);
                if !ending && may_end {
                    return None;
                }
                // Some machines say that destroying leads to a state from which nothing leads on. The instance ends
                // all the same.
                if action == InstanceAction::Destroy && !self.ends(to, action) {
                    return Some(Leg { cost: leg.cost + UNUSUAL, at: FINISH, by: Some(action), first });
                }
                Some(Leg { cost: leg.cost + 1, at: to, by: Some(action), first })
            }
            None if !ending && *to == InstanceState::Finish => None,
            None => {
                let cost = leg.cost + if is_usual { 1 } else { UNUSUAL };
                Some(Leg { cost, at: to, by: leg.by, first: Some(leg.first.unwrap_or(Step::Wait)) })
            }
        }
    }

    /// Whether a running instance can be stopped and is still there afterwards. In some clouds stopping is another word
    /// for destroying.
    #[must_use]
    pub fn can_stop(&self) -> bool {
        self.step(&InstanceState::Running, &InstanceState::Stopped) != Step::Impossible
    }

    /// Whether anything was declared: of a cloud that was never reached nothing is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.states.is_empty()
    }

    /// The place among a state's ways out of the one that an instance usually takes by itself after this action. Machines
    /// share states between actions (`stopping` on the way to `stopped` and on the way to `finish`): where the state has
    /// a way to what the action is for, that one is meant, otherwise the first.
    fn usual(&self, state: &InstanceState, by: Option<InstanceAction>) -> Option<usize> {
        let meant = match by {
            Some(InstanceAction::Destroy) => Some(InstanceState::Finish),
            Some(InstanceAction::Stop) => Some(InstanceState::Stopped),
            _ => None,
        };
        let ways = self.transitions(state);
        let leads_there = |way: &Transition| way.action.is_none() && meant.as_ref() == Some(&way.to);
        let first = || ways.iter().position(|way| way.action.is_none());
        ways.iter().position(leads_there).or_else(first)
    }

    /// Whether an instance that came into this state by the action usually goes on to its end by itself.
    fn ends(&self, state: &InstanceState, by: InstanceAction) -> bool {
        let mut at = state;
        // A way of more steps than there are states goes in a circle.
        for _ in 0..=self.states.len() {
            if *at == InstanceState::Finish {
                return true;
            }
            // Where it can be used, or started again, it stays, whatever may become of it some day.
            let stays = *at == InstanceState::Running
                || (*at == InstanceState::Stopped && self.allows(at, InstanceAction::Start));
            match self.usual(at, Some(by)) {
                Some(way) if !stays => at = &self.transitions(at)[way].to,
                _ => return false,
            }
        }
        false
    }
}

/// A way through the machine so far.
struct Leg<'a> {
    cost: usize,
    /// Where it leads.
    at: &'a InstanceState,
    /// The last action on it.
    by: Option<InstanceAction>,
    /// Its first step.
    first: Option<Step>,
}

#[cfg(test)]
mod tests {
    use super::InstanceAction::{Create, Destroy, Reboot};
    use super::InstanceState::{Failed, Finish, Pending, Running, Stopped, Stopping};
    use super::*;
    use proptest::prelude::*;

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

    use InstanceAction::{Start, Stop};

    /// As the drivers of Apache Deltacloud publish them: stopping and destroying by way of the same state.
    fn by_way_of_stopping(finish_first: bool) -> StateMachine {
        let mut ends = [(Stopping, None, Stopped), (Stopping, None, Finish)];
        if finish_first {
            ends.reverse();
        }
        let ways = [
            (InstanceState::Start, Some(Create), Pending),
            (Pending, None, Running),
            (Running, Some(Reboot), Running),
            (Running, Some(Destroy), Stopping),
            (Running, Some(Stop), Stopping),
            (Stopped, Some(Start), Running),
            (Stopped, Some(Destroy), Finish),
        ];
        StateMachine::new(ways.into_iter().chain(ends))
    }

    #[test]
    fn an_instance_is_stopped_and_not_destroyed_where_both_look_alike() {
        for finish_first in [false, true] {
            let machine = by_way_of_stopping(finish_first);
            assert_eq!(machine.step(&Running, &Stopped), Step::Act(Stop));
            assert_eq!(machine.step(&Running, &Finish), Step::Act(Destroy));
            assert_eq!(machine.step(&Stopping, &Stopped), Step::Wait);
            assert!(machine.can_stop());
        }
    }

    #[test]
    fn where_stopping_is_another_word_for_destroying_nothing_is_stopped() {
        // Stopped instances go by themselves, and nothing starts them again.
        let ends_by_itself = [
            (InstanceState::Start, Some(Create), Pending),
            (Pending, None, Running),
            (Running, Some(Reboot), Running),
            (Running, Some(Stop), Stopping),
            (Stopping, None, Stopped),
            (Stopped, None, Finish),
        ];
        let at_once = [(Pending, None, Running), (Running, Some(Stop), Finish)];
        let never = [(Pending, None, Running), (Running, Some(Destroy), Finish)];
        for machine in
            [StateMachine::new(ends_by_itself), StateMachine::new(at_once), StateMachine::new(never)]
        {
            assert_eq!(machine.step(&Running, &Stopped), Step::Impossible, "{machine:?}");
            assert!(!machine.can_stop());
            assert!(matches!(machine.step(&Running, &Finish), Step::Act(Stop | Destroy)));
        }
        // With a way back it is a stop, whatever becomes of instances that nobody starts.
        let with_start = StateMachine::new([
            (Running, Some(Stop), Stopping),
            (Stopping, None, Stopped),
            (Stopped, Some(Start), Running),
            (Stopped, None, Finish),
        ]);
        assert_eq!(with_start.step(&Running, &Stopped), Step::Act(Stop));
    }

    #[test]
    fn destroying_leads_to_the_end_even_where_the_machine_has_no_way_on() {
        let machine = StateMachine::new([
            (Pending, None, Running),
            (Running, Some(Destroy), InstanceState::Other("leaving".into())),
        ]);
        assert_eq!(machine.step(&Running, &Finish), Step::Act(Destroy));
        assert_eq!(machine.step(&Running, &Stopped), Step::Impossible);
    }

    const STATES: [InstanceState; 7] =
        [InstanceState::Start, Pending, Running, Stopping, Stopped, Failed, Finish];

    fn any_machine() -> impl Strategy<Value = StateMachine> {
        let action = proptest::option::of(proptest::sample::select(vec![Start, Stop, Reboot, Destroy]));
        let way = (1..6usize, action, 1..7usize);
        proptest::collection::vec(way, 1..14).prop_map(|ways| {
            StateMachine::new(
                ways.into_iter().map(|(from, action, to)| (STATES[from].clone(), action, STATES[to].clone())),
            )
        })
    }

    /// Where an instance goes by itself in a cloud that does what its actions are for, as far as its machine has a
    /// way there, and else the first thing that is declared.
    fn goes_to(
        machine: &StateMachine,
        at: &InstanceState,
        by: Option<InstanceAction>,
    ) -> Option<InstanceState> {
        let own: Vec<_> = machine.transitions(at).iter().filter(|way| way.action.is_none()).collect();
        let meant = |end| own.iter().find(|way| way.to == end);
        let way = match by {
            Some(Destroy) => meant(Finish),
            Some(Stop) => meant(Stopped),
            _ => None,
        };
        way.or(own.first()).map(|way| way.to.clone())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// In whatever machine: an instance that is to run or to be stopped is never destroyed, and nothing else that is
        /// done to it makes it end.
        #[test]
        fn no_instance_ends_that_is_to_live(
            machine in any_machine(), from in 1..6usize, runs in any::<bool>(),
            looks in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let goal = if runs { Running } else { Stopped };
            let (mut at, mut by) = (STATES[from].clone(), None);
            for look in looks {
                // Sometimes the cloud is faster than the next look.
                let step = if look { machine.step(&at, &goal) } else { Step::Wait };
                match step {
                    Step::Done | Step::Impossible => break,
                    Step::Act(action) => {
                        prop_assert_ne!(action, Destroy);
                        let to = machine.target(&at, action).cloned();
                        prop_assert!(to.is_some(), "{} is not allowed when {}", action, at);
                        (at, by) = (to.unwrap_or(at), Some(action));
                    }
                    Step::Wait => {
                        let stays = by.is_some() && (at == Running || at == Stopped && machine.allows(&at, Start));
                        match goes_to(&machine, &at, by).filter(|_| !stays) {
                            Some(to) => at = to,
                            None => break,
                        }
                    }
                }
                prop_assert!(at != Finish || by.is_none(), "{by:?} ended it");
                if at == Finish {
                    break;
                }
            }
        }

        /// What can be destroyed has a way to its end.
        #[test]
        fn what_can_be_destroyed_has_a_way_to_its_end(machine in any_machine(), from in 1..6usize) {
            let step = machine.step(&STATES[from], &Finish);
            if machine.allows(&STATES[from], Destroy) {
                prop_assert_ne!(step, Step::Impossible);
            }
            if let Step::Act(action) = step {
                prop_assert!(machine.allows(&STATES[from], action));
            }
        }
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
