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
                if let (Some(from), Some(to)) = (states.get(from), states.get(to)) {
                    ways.push(if std::ptr::eq(from, to) {
                        loop_at(from, middle, same, label)
                    } else {
                        bow(from, to, same, label)
                    });
                }
            }
        }
        Self { width, height, states, ways }
    }
}

/// How strongly the nth way between two states bends, as a part of their distance.
fn bend(nth: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let nth = nth as f64;
    0.16 + 0.14 * nth
}

fn bow(from: &Shown, to: &Shown, nth: usize, label: Option<String>) -> Way {
    let (a, b) = (from.centre, to.centre);
    let along = a.towards(b);
    let distance = (b.x - a.x).hypot(b.y - a.y);
    let aside = Point { x: along.y, y: -along.x };
    let top = a.between(b, 0.5).away(aside, bend(nth) * distance * 1.35);
    let start = edge(from, top);
    let tip = edge(to, top);
    let head = arrow(tip, top.towards(tip));
    // A quadratic bow, raised to the cubic that SVG and the painter share.
    let controls = [start.between(top, 2.0 / 3.0), tip.between(top, 2.0 / 3.0)];
    let end = head[1].between(head[2], 0.5);
    let curve = [start, controls[0], controls[1], end];
    let label = label.map(|text| (text, on(&curve, 0.46)));
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
