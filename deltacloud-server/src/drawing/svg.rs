//! The layout as SVG.

use super::layout::{CHARACTER, HEIGHT, Kind, Layout, Point, text_width};
use crate::xml::escaped;
use std::fmt::Write;

// Writing to a string does not fail, so the results are dropped.
pub(super) fn write(layout: &Layout) -> String {
    let (width, height) = (layout.width, layout.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"Instance states\" \
         font-family=\"monospace\" font-size=\"13.3\" text-anchor=\"middle\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for way in &layout.ways {
        let [a, b, c, d] = way.curve;
        let dashed = if way.label.is_some() { "" } else { " stroke-dasharray=\"6 4\"" };
        let _ = writeln!(
            out,
            "<path class=\"way\" d=\"M{} C{} {} {}\" fill=\"none\" stroke=\"#46586b\" stroke-width=\"1.5\"{dashed}/>",
            at(a),
            at(b),
            at(c),
            at(d)
        );
        let [tip, left, right] = way.head;
        let _ = writeln!(out, "<path d=\"M{} L{} L{} Z\" fill=\"#46586b\"/>", at(tip), at(left), at(right));
    }
    for state in &layout.states {
        let (fill, stroke, line) = match state.kind {
            Kind::First => ("#e3f1e5", "#2f7d3b", 1.5),
            Kind::Usual => ("#eaf0f8", "#33506f", 1.5),
            Kind::Last => ("#f3e9e7", "#8a3b2c", 3.0),
        };
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\" rx=\"{}\" fill=\"{fill}\" \
             stroke=\"{stroke}\" stroke-width=\"{line}\"/>",
            state.centre.x - state.width / 2.0,
            state.centre.y - HEIGHT / 2.0,
            state.width,
            HEIGHT / 2.0,
        );
        text(&mut out, &state.name, state.centre, "#1b2733");
    }
    for (label, place) in layout.ways.iter().filter_map(|way| way.label.as_ref()) {
        let width = text_width(label) + 6.0;
        // The way behind the word shines through it otherwise.
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"16\" fill=\"#ffffff\"/>",
            place.x - width / 2.0,
            place.y - 8.0
        );
        text(&mut out, label, *place, "#46586b");
    }
    out.push_str("</svg>\n");
    out
}

fn at(point: Point) -> String {
    format!("{:.1},{:.1}", point.x, point.y)
}

fn text(out: &mut String, words: &str, middle: Point, colour: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
        middle.x,
        middle.y + CHARACTER * 0.55,
        escaped(words)
    );
}
