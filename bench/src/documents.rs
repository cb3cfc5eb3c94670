//! RSpecs to ask for, of any size.

use std::fmt::Write as _;

const OPEN: &str = "<rspec xmlns=\"http://www.geni.net/resources/rspec/3\" type=\"request\">";

/// The smallest request: one virtual machine, everything else left to the aggregate.
#[must_use]
pub fn one_node() -> String {
    plain(1)
}

/// A request for `nodes` virtual machines without links.
#[must_use]
pub fn plain(nodes: usize) -> String {
    let mut xml = OPEN.to_owned();
    for n in 0..nodes {
        let _ = write!(xml, "<node client_id=\"n{n}\"><sliver_type name=\"default-vm\"/></node>");
    }
    xml.push_str("</rspec>");
    xml
}

/// A request as tools write them: image, two interfaces, services and an extension on every node, and a link to the
/// next one.
#[must_use]
pub fn typical(nodes: usize) -> String {
    let mut xml = String::from(
        "<rspec xmlns=\"http://www.geni.net/resources/rspec/3\" xmlns:x=\"http://tool.example.org/x\" type=\"request\">\n",
    );
    for n in 0..nodes {
        let _ = write!(
            xml,
            "  <node client_id=\"n{n}\" component_manager_id=\"urn:publicid:IDN+am.localhost+authority+am\" exclusive=\"false\">\n    <sliver_type name=\"default-vm\">\n      <disk_image name=\"urn:publicid:IDN+am.localhost+image+debian12\"/>\n    </sliver_type>\n    <interface client_id=\"n{n}:a\">\n      <ip address=\"10.0.0.1\" netmask=\"255.255.255.0\" type=\"ipv4\"/>\n    </interface>\n    <interface client_id=\"n{n}:b\"/>\n    <services>\n      <execute shell=\"sh\" command=\"echo node {n} &gt; /tmp/x\"/>\n    </services>\n    <x:place x=\"{n}\" y=\"7\"/>\n  </node>\n"
        );
        if n > 0 {
            let _ = writeln!(
                xml,
                "  <link client_id=\"l{n}\"><interface_ref client_id=\"n{n}:a\"/><interface_ref client_id=\"n{}:b\"/></link>",
                n - 1
            );
        }
    }
    xml.push_str("</rspec>\n");
    xml
}

/// `manifest` with one more node asked for: a change that Update accepts and Cancel takes back.
#[must_use]
pub fn with_one_more(manifest: &str) -> String {
    match manifest.rfind("</") {
        Some(end) => {
            let (body, close) = manifest.split_at(end);
            format!(
                "{body}<node xmlns=\"http://www.geni.net/resources/rspec/3\" client_id=\"one-more\"><sliver_type name=\"default-vm\"/></node>{close}"
            )
        }
        None => manifest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rspec::{Limits, Request};

    #[test]
    fn requests_are_as_large_as_asked() {
        for count in [1, 3, 20] {
            for (xml, links) in [(plain(count), 0), (typical(count), count - 1)] {
                let request = Request::parse_request(&xml, &Limits::default()).unwrap();
                assert_eq!((request.nodes.len(), request.links.len()), (count, links));
            }
        }
        let more = Request::parse_request(&with_one_more(&plain(2)), &Limits::default()).unwrap();
        assert_eq!(more.nodes.len(), 3);
    }
}
