//! RSpecs of 10,000 nodes: read, and compared with themselves.

use super::Bench;
use crate::baseline::{median_time, read_events, read_raw};
use crate::targets::{Line, median};
use crate::{Failure, documents};
use rspec::compare::node_changes;
use rspec::{Limits, Request};

/// Nodes of the document.
const NODES: usize = 10_000;

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<(), Failure> {
    bench.say("RSpecs");
    let xml = documents::typical(NODES);
    let limits = Limits::default();
    let request = Request::parse_request(&xml, &limits).map_err(Failure::when("the RSpec"))?;
    let (mut reading, mut comparing, mut made_of) = (Vec::new(), Vec::new(), Vec::new());
    let part = bench.settings.round / 4;
    for _ in 0..bench.settings.rounds {
        let raw = median_time(part, || read_raw(&xml)).as_secs_f64();
        let events = median_time(part, || read_events(&xml)).as_secs_f64();
        let read = median_time(part, || Request::parse_request(&xml, &limits)).as_secs_f64();
        let compare = median_time(part, || {
            request.nodes.iter().map(|node| node_changes(node, None, node).len()).sum::<usize>()
        })
        .as_secs_f64();
        reading.push(raw / read);
        comparing.push(compare / read);
        made_of.push((raw, events, read, compare));
    }
    let ms = |take: fn(&(f64, f64, f64, f64)) -> f64| 1e3 * median(made_of.iter().map(take).collect());
    bench.report.line(Line::at_least(
        "RSpec of 10,000 nodes: read",
        "≥ 0.4 of raw quick-xml",
        0.4,
        median(reading),
        format!(
            "raw {:.1} ms with namespaces and attributes ({:.1} ms without), read {:.1} ms; {} bytes",
            ms(|it| it.0),
            ms(|it| it.1),
            ms(|it| it.2),
            xml.len()
        ),
    ));
    bench.report.line(Line::at_most(
        "RSpec of 10,000 nodes: compared with itself",
        "≤ 2 × read",
        2.0,
        median(comparing),
        format!("{:.1} ms to {:.1} ms", ms(|it| it.3), ms(|it| it.2)),
    ));
    Ok(())
}
