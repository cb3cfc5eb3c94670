//! The drawing in the language of Graphviz.

use drivers::StateMachine;
use std::fmt::Write;

/// The drawing: states as nodes, ways between them as edges, dashed where they are taken by themselves.
#[must_use]
pub(in super::super) fn gv(machine: &StateMachine) -> String {
    let mut out = String::from("digraph instance_states {\n  rankdir=LR;\n  node [shape=ellipse];\n");
    for (state, ways) in machine.states() {
        // Writing to a string does not fail.
        let _ = writeln!(out, "  {};", quoted(state.as_str()));
        for way in ways {
            let how = match way.action {
                Some(action) => format!("label={}", quoted(action.as_str())),
                None => "style=dashed".to_owned(),
            };
            let _ = writeln!(out, "  {} -> {} [{how}];", quoted(state.as_str()), quoted(way.to.as_str()));
        }
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use drivers::{InstanceAction, InstanceState};

    #[test]
    fn each_way_is_an_edge() {
        let machine = StateMachine::new([
            (InstanceState::Start, Some(InstanceAction::Create), InstanceState::Pending),
            (InstanceState::Pending, None, InstanceState::Other("a \"b\"".into())),
        ]);
        let drawing = gv(&machine);
        assert!(drawing.contains("\"start\" -> \"pending\" [label=\"create\"];"));
        assert!(drawing.contains("\"pending\" -> \"a \\\"b\\\"\" [style=dashed];"));
    }
}
