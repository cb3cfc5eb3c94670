//! Where everything in the drawing stands. Lengths are pixels of a picture drawn at its natural size.

use drivers::{InstanceState, StateMachine};
use std::f64::consts::TAU;

/// Width of a character of the labels.
pub(super) const CHARACTER: f64 = 8.0;
/// Height of a state.
pub(super) const HEIGHT: f64 = 34.0;
/// Width of the smallest state.
const LEAST_WIDTH: f64 = 76.0;
/// What is left free around the drawing.
const MARGIN: f64 = 28.0;
/// How far two states stand apart on the oval, measured along it, beyond their widths.
const APART: f64 = 90.0;
/// Length of the head of an arrow.
const HEAD: f64 = 9.0;

/// A place on the drawing; down is positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Point {
    fn between(self, other: Self, part: f64) -> Self {
        Self { x: self.x + (other.x - self.x) * part, y: self.y + (other.y - self.y) * part }
    }

    fn away(self, along: Self, length: f64) -> Self {
        Self { x: self.x + along.x * length, y: self.y + along.y * length }
    }

    /// The direction from here to there, of length 1.
    fn towards(self, other: Self) -> Self {
        let (x, y) = (other.x - self.x, other.y - self.y);
        let length = x.hypot(y).max(1e-9);
        Self { x: x / length, y: y / length }
    }
}

/// What kind of state it is, as it shows in the drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Where everything begins.
    First,
    /// On the way.
    Usual,
    /// No way leads out of it.
    Last,
}

/// A state, a box with round ends around its centre.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) centre: Point,
    pub(super) width: f64,
    pub(super) kind: Kind,
}

/// A way: a bow from the edge of one state to the edge of another.
#[derive(Debug)]
pub(super) struct Way {
    /// Start, two controls and end of a cubic curve.
    pub(super) curve: [Point; 4],
    /// The three corners of the arrow's head.
    pub(super) head: [Point; 3],
    /// The action's name with the place of its middle; none on a way that is taken by itself.
    pub(super) label: Option<(String, Point)>,
}

/// The whole drawing.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) states: Vec<Shown>,
    pub(super) ways: Vec<Way>,
}

/// Width of a text.
pub(super) fn text_width(text: &str) -> f64 {
    // Texts are names of states: a few characters.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let characters = text.chars().count() as f64;
    characters * CHARACTER
}

impl Layout {
    pub(super) fn of(machine: &StateMachine) -> Self {
        let all: Vec<_> = machine.states().collect();
        let widths: Vec<f64> =
            all.iter().map(|(state, _)| (text_width(state.as_str()) + 28.0).max(LEAST_WIDTH)).collect();
        let widest = widths.iter().copied().fold(LEAST_WIDTH, f64::max);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = all.len().max(1) as f64;
        // An oval on whose circumference all have room, twice as wide as high, and never too flat for its bows.
        let down = ((widest + APART) * count / TAU / 1.5).max(110.0);
        let across = down * 1.8;
        // Loops and bows go out beyond the oval.
        let beyond = MARGIN + 52.0;
        let (width, height) = (2.0 * (across + beyond) + widest, 2.0 * (down + beyond) + HEIGHT);
        let middle = Point { x: width / 2.0, y: height / 2.0 };
        let states: Vec<Shown> = all
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, ((state, out), width))| {
                #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
                let angle = TAU * (0.5 + at as f64 / count);
                Shown {
                    name: state.as_str().to_owned(),
                    centre: Point { x: middle.x + across * angle.cos(), y: middle.y + down * angle.sin() },
                    width: *width,
                    kind: match state {
                        InstanceState::Start => Kind::First,
                        _ if out.is_empty() => Kind::Last,
                        _ => Kind::Usual,
                    },
                }
            })
            .collect();
        let place = |name: &InstanceState| all.iter().position(|(state, _)| *state == name);
        let mut ways = Vec::new();
        for (from, (_, out)) in all.iter().enumerate() {
            for (nth, way) in out.iter().enumerate() {
                let Some(to) = place(&way.to) else { continue };
                // Several ways between the same two bend more and more.
                let same = out.iter().take(nth).filter(|before| before.to == way.to).count();
                let label = way.action.map(|action| action.as_str().to_owned());
                if let (Some(start), Some(end)) = (states.get(from), states.get(to)) {
                    ways.push(if from == to {
                        loop_at(start, middle, same, label)
                    } else {
                        // Steps from one to the other, clockwise.
                        let steps = (to + all.len() - from) % all.len();
                        bow(start, end, bend(steps, all.len(), same), label)
                    });
                }
            }
        }
        part_labels(&mut ways, &states);
        Self { width, height, states, ways }
    }
}

/// Moves words along their ways until none lies on another or on a state, as far as that can be.
fn part_labels(ways: &mut [Way], states: &[Shown]) {
    /// Height of a word with what is left free around it.
    const LINE: f64 = 20.0;
    let near = |a: Point, b: Point, widths: f64| {
        (a.x - b.x).abs() < widths / 2.0 + CHARACTER && (a.y - b.y).abs() < LINE
    };
    let mut placed: Vec<(Point, f64)> =
        states.iter().map(|state| (state.centre, state.width + HEIGHT - LINE)).collect();
    for way in ways {
        let Some((text, place)) = &mut way.label else { continue };
        let width = text_width(text);
        let free = |at: &Point| !placed.iter().any(|(other, taken)| near(*at, *other, width + taken));
        let along = [0.36, 0.28, 0.44, 0.22, 0.52, 0.6].map(|part| on(&way.curve, part));
        // A loop's word stands beside it already.
        if !free(place)
            && let Some(better) = along.into_iter().find(free)
        {
            *place = better;
        }
        placed.push((*place, width));
    }
}

/// How strongly the nth way bends that leads to the state so many steps farther on the oval: to its left, as a part
/// of its length. Seen from a way that leads on clockwise, outside is left.
fn bend(steps: usize, states: usize, nth: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let more = 0.12 * nth as f64;
    if steps == 1 || steps + 1 == states {
        0.2 + more
    } else if 2 * steps < states {
        -0.1 - more
    } else if 2 * steps == states {
        0.1 + more
    } else {
        0.26 + more
    }
}

fn bow(from: &Shown, to: &Shown, bend: f64, label: Option<String>) -> Way {
    let (a, b) = (from.centre, to.centre);
    let along = a.towards(b);
    let distance = (b.x - a.x).hypot(b.y - a.y);
    let aside = Point { x: along.y, y: -along.x };
    let top = a.between(b, 0.5).away(aside, bend * distance);
    let start = edge(from, top);
    let tip = edge(to, top);
    let head = arrow(tip, top.towards(tip));
    // A quadratic bow, raised to the cubic that SVG and the painter share.
    let controls = [start.between(top, 2.0 / 3.0), tip.between(top, 2.0 / 3.0)];
    let end = head[1].between(head[2], 0.5);
    let curve = [start, controls[0], controls[1], end];
    let label = label.map(|text| (text, on(&curve, 0.36)));
    Way { curve, head, label }
}

/// A way back to where it came from: a loop on the side away from the middle.
fn loop_at(state: &Shown, middle: Point, nth: usize, label: Option<String>) -> Way {
    let up = if state.centre.y <= middle.y { -1.0 } else { 1.0 };
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let out = 46.0 + 14.0 * nth as f64;
    let side = HEIGHT / 2.0 * up;
    let at = |x: f64, y: f64| Point { x: state.centre.x + x, y: state.centre.y + y };
    let start = at(-18.0, side);
    let tip = at(18.0, side);
    let (first, second) = (at(-34.0, side + out * up), at(34.0, side + out * up));
    let head = arrow(tip, second.towards(tip));
    let curve = [start, first, second, head[1].between(head[2], 0.5)];
    let label = label.map(|text| (text, on(&curve, 0.5).away(Point { x: 0.0, y: up }, 11.0)));
    Way { curve, head, label }
}

/// Where the line from a state's centre to a place leaves its box.
fn edge(state: &Shown, to: Point) -> Point {
    let along = state.centre.towards(to);
    let across = (state.width / 2.0 + 2.0) / along.x.abs().max(1e-9);
    let down = (HEIGHT / 2.0 + 2.0) / along.y.abs().max(1e-9);
    state.centre.away(along, across.min(down))
}

fn arrow(tip: Point, along: Point) -> [Point; 3] {
    let back = tip.away(along, -HEAD);
    let aside = Point { x: along.y, y: -along.x };
    [tip, back.away(aside, HEAD * 0.45), back.away(aside, -HEAD * 0.45)]
}

/// A place on a cubic curve.
fn on(curve: &[Point; 4], part: f64) -> Point {
    let [a, b, c, d] = *curve;
    let (ab, bc, cd) = (a.between(b, part), b.between(c, part), c.between(d, part));
    ab.between(bc, part).between(bc.between(cd, part), part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use drivers::InstanceAction;
    use proptest::prelude::*;

    /// Places on a way, from where it has left its state to where it comes near the other.
    fn inner(way: &Way) -> impl Iterator<Item = Point> + '_ {
        (1..20).map(|part| on(&way.curve, f64::from(part) / 20.0))
    }

    fn covers(state: &Shown, place: Point, margin: f64) -> bool {
        (state.centre.x - place.x).abs() < state.width / 2.0 + margin
            && (state.centre.y - place.y).abs() < HEIGHT / 2.0 + margin
    }

    #[test]
    fn in_the_machines_of_clouds_no_way_passes_through_a_state_and_no_word_lies_on_one() {
        use InstanceState::{Failed, Finish, Pending, Running, Start, Stopped, Stopping};
        use drivers::InstanceAction::{Create, Destroy, Reboot, Stop};
        let start = drivers::InstanceAction::Start;
        let simple = StateMachine::new([
            (Start, Some(Create), Pending),
            (Pending, None, Running),
            (Running, Some(Reboot), Running),
            (Running, Some(Stop), Stopping),
            (Stopping, None, Stopped),
            (Stopped, None, Finish),
        ]);
        // Everything that the mock cloud can be told to have.
        let full = StateMachine::new([
            (Start, Some(Create), Pending),
            (Pending, None, Running),
            (Pending, None, Stopped),
            (Pending, None, Failed),
            (Running, Some(Reboot), Pending),
            (Running, Some(Stop), Stopping),
            (Stopping, None, Stopped),
            (Stopped, Some(start), Pending),
            (Stopped, Some(Destroy), Stopping),
            (Failed, Some(Destroy), Stopping),
            (Pending, Some(Destroy), Stopping),
            (Running, Some(Destroy), Stopping),
            (Stopping, Some(Destroy), Finish),
            (Stopping, None, Finish),
        ]);
        let direct = StateMachine::new([
            (Start, Some(Create), Pending),
            (Pending, None, Running),
            (Pending, None, Failed),
            (Running, Some(Reboot), Pending),
            (Running, Some(Stop), Stopping),
            (Stopping, None, Stopped),
            (Stopped, Some(start), Pending),
            (Stopped, Some(Destroy), Finish),
            (Failed, Some(Destroy), Finish),
            (Pending, Some(Destroy), Finish),
            (Running, Some(Destroy), Finish),
            (Stopping, Some(Destroy), Finish),
        ]);
        for machine in [simple, full, direct] {
            let layout = Layout::of(&machine);
            let ends: Vec<_> = machine
                .states()
                .flat_map(|(from, out)| out.iter().map(move |way| [from.as_str(), way.to.as_str()]))
                .collect();
            for (way, ends) in layout.ways.iter().zip(ends) {
                for state in &layout.states {
                    let own = ends.contains(&state.name.as_str());
                    assert!(
                        own || !inner(way).any(|place| covers(state, place, 3.0)),
                        "{ends:?}: {}",
                        state.name
                    );
                    let Some((label, place)) = &way.label else { continue };
                    let corners = [-1.0, 1.0]
                        .map(|side| Point { x: place.x + side * text_width(label) / 2.0, ..*place });
                    assert!(
                        !corners.iter().any(|corner| covers(state, *corner, 4.0)),
                        "{label} on {}",
                        state.name
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn everything_lies_within_the_drawing_and_no_two_states_on_each_other(
            ways in prop::collection::vec((0_usize..9, any::<bool>(), 0_usize..9), 0..30),
        ) {
            let name = |n: usize| InstanceState::Other(format!("{}{n}", "state".repeat(n % 4)));
            let machine = StateMachine::new(
                ways.iter().map(|(a, act, b)| (name(*a), act.then_some(InstanceAction::Stop), name(*b))),
            );
            let layout = Layout::of(&machine);
            let within = |p: &Point| (0.0..=layout.width).contains(&p.x) && (0.0..=layout.height).contains(&p.y);
            for state in &layout.states {
                for x in [-state.width / 2.0, state.width / 2.0] {
                    let edge = Point { x: state.centre.x + x, ..state.centre };
                    prop_assert!(within(&edge));
                }
            }
            for (at, a) in layout.states.iter().enumerate() {
                for b in &layout.states[at + 1..] {
                    let beside = (a.centre.x - b.centre.x).abs() >= (a.width + b.width) / 2.0;
                    prop_assert!(beside || (a.centre.y - b.centre.y).abs() >= HEIGHT, "{a:?} and {b:?}");
                }
            }
            let drawn = machine.states().map(|(_, out)| out.len()).sum::<usize>();
            prop_assert_eq!(layout.ways.len(), drawn);
            for way in &layout.ways {
                prop_assert!(way.head.iter().all(|p| p.x.is_finite() && p.y.is_finite()));
            }
        }
    }
}
