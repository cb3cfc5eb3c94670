//! Times reading, comparing and writing large documents against raw event reading and generic schema validation.
//!
//! `cargo run --release -p rspec --example speed [NODES [read]]`

use rspec::compare::node_changes;
use rspec::{Frame, GrantedInterface, GrantedNode, Limits, ManifestWriter, Request};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

/// A request as tools write them: image, two interfaces, services, an extension, and a link to the next node.
fn request(nodes: usize) -> String {
    let mut xml = String::from(
        "<rspec xmlns=\"http://www.geni.net/resources/rspec/3\" xmlns:x=\"http://tool.example.org/x\" type=\"request\">\n",
    );
    for n in 0..nodes {
        let _ = write!(
            xml,
            "  <node client_id=\"n{n}\" component_manager_id=\"urn:publicid:IDN+am.example.net+authority+cm\" exclusive=\"false\">\n    <sliver_type name=\"default-vm\">\n      <disk_image name=\"urn:publicid:IDN+am.example.net+image+debian12\"/>\n    </sliver_type>\n    <interface client_id=\"n{n}:a\">\n      <ip address=\"10.0.0.1\" netmask=\"255.255.255.0\" type=\"ipv4\"/>\n    </interface>\n    <interface client_id=\"n{n}:b\"/>\n    <services>\n      <execute shell=\"sh\" command=\"echo node {n} &gt; /tmp/x\"/>\n    </services>\n    <x:place x=\"{n}\" y=\"7\"/>\n  </node>\n"
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

fn time<T>(what: &str, mut work: impl FnMut() -> T) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        black_box(work());
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    #[allow(clippy::print_stdout)]
    {
        println!("{what:<44} {best:9.2} ms");
    }
    best
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes = std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse())?;
    let xml = request(nodes);
    let limits = Limits::default();
    if std::env::args().nth(2).as_deref() == Some("read") {
        // For a profiler: nothing but reading.
        for _ in 0..20 {
            black_box(Request::parse_request(&xml, &limits)?);
        }
        return Ok(());
    }
    let raw = time("quick-xml, events only", || {
        let mut reader = quick_xml::Reader::from_str(&xml);
        let mut events = 0_usize;
        while let Ok(event) = reader.read_event() {
            if matches!(event, quick_xml::events::Event::Eof) {
                break;
            }
            events += 1;
        }
        events
    });
    let attributes = time("quick-xml, events and attributes", || {
        let mut reader = quick_xml::NsReader::from_str(&xml);
        let mut bytes = 0_usize;
        loop {
            match reader.read_event() {
                Ok(quick_xml::events::Event::Start(e) | quick_xml::events::Event::Empty(e)) => {
                    bytes += e.attributes().flatten().map(|a| a.value.len()).sum::<usize>();
                }
                Ok(quick_xml::events::Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
        bytes
    });
    time("roxmltree alone", || roxmltree::Document::parse(&xml).map(|d| d.descendants().count()));
    let read =
        time("Request::parse_request", || Request::parse_request(&xml, &limits).map(|r| r.nodes.len()));
    let schema = uppsala::XsdValidator::from_schema(
        &uppsala::parse(rspec_schemas::REQUEST).map_err(|e| e.to_string())?,
    )
    .map_err(|e| e.to_string())?;
    time("uppsala, parse and validate", || {
        uppsala::parse(&xml).map(|d| schema.validate(&d).len()).unwrap_or(9)
    });
    let request = Request::parse_request(&xml, &limits)?;
    let compare = time("compare every node with itself", || {
        request.nodes.iter().map(|node| node_changes(node, None, node).len()).sum::<usize>()
    });
    let granted: Vec<_> = request.nodes.iter().map(grant).collect::<Result<_, _>>()?;
    time("write the manifest", || {
        let mut writer = ManifestWriter::new(chrono::DateTime::UNIX_EPOCH, None, &[Frame::default()]);
        for (node, granted) in request.nodes.iter().zip(&granted) {
            writer.node(node, granted);
        }
        writer.finish().len()
    });
    #[allow(clippy::print_stdout)]
    {
        println!(
            "{} bytes; read at {:.2} of raw events, {:.2} of events with attributes; compare {:.2} × read",
            xml.len(),
            raw / read,
            attributes / read,
            compare / read
        );
    }
    Ok(())
}

fn grant(node: &rspec::Node) -> Result<GrantedNode, urn::UrnError> {
    let sliver_id: urn::Urn = format!("urn:publicid:IDN+am.example.net+sliver+{}", node.client_id).parse()?;
    Ok(GrantedNode {
        component_id: "urn:publicid:IDN+am.example.net+node+host-1".into(),
        component_manager_id: "urn:publicid:IDN+am.example.net+authority+am".into(),
        component_name: Some("host-1".into()),
        exclusive: false,
        sliver_type: "default-vm".into(),
        asked_image: None,
        unenforced: vec![],
        disk_image: None,
        hardware_type: Some("pc".into()),
        interfaces: node
            .interfaces
            .iter()
            .map(|interface| GrantedInterface {
                client_id: interface.client_id.clone(),
                sliver_id: sliver_id.clone(),
                component_id: None,
                mac_address: Some("02:00:00:00:00:01".into()),
            })
            .collect(),
        logins: vec![],
        users: vec![],
        volumes: Vec::new(),
        host: None,
        preserve: None,
        sliver_id,
    })
}
