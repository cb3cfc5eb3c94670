//! RSpecs: requests, manifests sent back, and the comparison of two nodes or links.

use crate::{Growth, Reader, bounded, parts, refused, taken, text, xml};
use rspec::compare::{link_changes, node_changes};
use rspec::{Frame, Limits, Link, ManifestWriter, Node, Request};
use urn::Authority;

/// An Allocate's RSpec.
pub const RSPEC_REQUEST: Reader =
    Reader { name: "rspec_request", read: |bytes| request(bytes).is_some(), growths: REQUESTS };

/// Reads an Update's argument, keeps and reads again each part as the database does, and writes the frame back.
pub const RSPEC_MANIFEST: Reader = Reader {
    name: "rspec_manifest",
    read: |bytes| update(bytes).is_some_and(|request| keep(&request)),
    growths: MANIFESTS,
};

/// Compares each node and each link of a document with the one after it.
pub const RSPEC_COMPARE: Reader = Reader {
    name: "rspec_compare",
    read: |bytes| update(bytes).is_some_and(|request| compare(&request)),
    growths: COMPARED,
};

const REQUESTS: &[Growth] = &[
    taken("nodes", 100, |n| document(&parts(n, node))),
    taken("links", 100, |n| document(&(parts(n, node) + &parts(n, link)))),
    taken("interfaces", 250, |n| one_node(&parts(n, |i| format!("<interface client_id=\"i{i}\"/>")))),
    taken("interface_refs", 200, |n| {
        let node = node_with(&parts(n, |i| format!("<interface client_id=\"i{i}\"/>")));
        let link = parts(n, |i| format!("<interface_ref client_id=\"i{i}\"/>"));
        document(&format!("{node}<link client_id=\"l\">{link}</link>"))
    }),
    taken("properties", 200, |n| {
        let ends = "<interface_ref client_id=\"n0:i\"/><interface_ref client_id=\"n1:i\"/>";
        let property = "<property source_id=\"n0:i\" dest_id=\"n1:i\" capacity=\"1\"/>".repeat(n);
        document(&format!("{}<link client_id=\"l\">{ends}{property}</link>", parts(2, node)))
    }),
    taken("addresses", 200, |n| {
        let ip = parts(n, |i| format!("<ip address=\"10.0.{}.{}\" type=\"ipv4\"/>", i / 250, i % 250));
        one_node(&format!("<interface client_id=\"i\">{ip}</interface>"))
    }),
    taken("services", 200, |n| {
        let both = parts(n, |i| {
            format!(
                "<install url=\"http://x/{i}\" install_path=\"/\"/><execute shell=\"sh\" command=\"{i}\"/>"
            )
        });
        one_node(&format!("<services>{both}</services>"))
    }),
    taken("sliver types", 250, |n| {
        one_node(&parts(n, |i| {
            format!("<sliver_type name=\"t{i}\"><disk_image name=\"m{i}\"/></sliver_type>")
        }))
    }),
    taken("disk images", 250, |n| {
        let images = parts(n, |i| format!("<disk_image name=\"m{i}\"/>"));
        one_node(&format!("<sliver_type name=\"t\">{images}</sliver_type>"))
    }),
    taken("hardware types", 250, |n| one_node(&parts(n, |i| format!("<hardware_type name=\"t{i}\"/>")))),
    taken("volumes", 60, |n| one_node(&volumes(n))),
    taken("many volumes", 300, |n| one_node(&volumes(n))),
    taken("blockstores that cannot be read", 100, |n| {
        let other = "component_manager_id=\"urn:publicid:IDN+other.example+authority+am\"";
        document(&parts(n, |i| {
            format!(
                "<node client_id=\"n{i}\" {other}><b:blockstore xmlns:b=\"{EMULAB}\" size=\"?\"/></node>\n"
            )
        }))
    }),
    taken("schema locations", 500, |n| {
        let pairs = parts(n, |i| format!("urn:{i} http://x/{i} "));
        root(&format!("xmlns:xsi=\"{XSI}\" xsi:schemaLocation=\"{pairs}\""), "")
    }),
    taken("relations", 200, |n| one_node(&"<relation type=\"near\" client_id=\"n\"/>".repeat(n))),
    taken("managers", 200, |n| {
        let managers =
            parts(n, |i| format!("<component_manager name=\"urn:publicid:IDN+a{i}+authority+cm\"/>"));
        document(&format!("{}<link client_id=\"l\">{managers}</link>", node(0)))
    }),
    taken("extensions", 200, |n| one_node(&xml::mixed(n).replace("<e ", "<e xmlns=\"http://x\" "))),
    taken("extensions of the root", 200, |n| {
        document(&xml::mixed(n).replace("<e ", "<e xmlns=\"http://x\" "))
    }),
    taken("declarations", 200, |n| one_node(&xml::declarations(n))),
    taken("namespaces", 50, |n| one_node(&xml::namespaces(n).replacen("<e", "<e xmlns=\"http://x\"", 1))),
    taken("attributes", 50, |n| one_node(&xml::attributes(n).replacen("<e", "<e xmlns=\"http://x\"", 1))),
    taken("comments", 1000, |n| document(&"<!-- a --><?b c?>\n".repeat(n))),
    taken("text", 20_000, |n| one_node(&format!("<e xmlns=\"http://x\">{}</e>", xml::long_text(n)))),
    bounded("nested", 30, |n| one_node(&format!("<e xmlns=\"http://x\">{}</e>", xml::nested(n)))),
    refused("unclosed", 5000, |n| document(&"<node><e>".repeat(n))),
    refused("open comments", 5000, |n| document(&"<!--".repeat(n))),
];

const MANIFESTS: &[Growth] = &[
    taken("nodes", 50, |n| document(&parts(n, node))),
    taken("links", 50, |n| document(&(parts(n, node) + &parts(n, link)))),
    taken("foreign nodes", 100, |n| {
        document(&parts(n, |i| {
            let manager = "urn:publicid:IDN+other.example+authority+am";
            format!("<node client_id=\"f{i}\" component_manager_id=\"{manager}\"/>")
        }))
    }),
    taken("extensions of the root", 100, |n| {
        document(&xml::mixed(n).replace("<e ", "<e xmlns=\"http://x\" "))
    }),
    taken("attributes of the root", 50, |n| {
        let attributes = parts(n, |i| format!(" x:a{i}=\"v\""));
        format!("<rspec xmlns=\"{GENI}\" xmlns:x=\"http://x\" type=\"request\"{attributes}/>").into_bytes()
    }),
    // Not more than 256 attributes are read.
    taken("prefixes of the root", 60, |n| root(&parts(n, |i| format!("xmlns:ns{i}=\"urn:{i}\" ")), "")),
    taken("alternatives", 200, |n| {
        one_node(&parts(n, |i| format!("<sliver_type name=\"t{i}\"/><hardware_type name=\"h{i}\"/>")))
    }),
];

const COMPARED: &[Growth] = &[
    taken("interfaces", 200, |n| two_nodes(n, |i| format!("<interface client_id=\"NODE:{i}\"/>"))),
    taken("addresses", 200, |n| {
        two_nodes(1, |_| {
            let ip = parts(n, |i| format!("<ip address=\"NODE.{i}\"/>"));
            format!("<interface client_id=\"NODE:i\">{ip}</interface>")
        })
    }),
    taken("relations", 200, |n| two_nodes(n, |i| format!("<relation type=\"t{i}\" client_id=\"NODE{i}\"/>"))),
    taken("hardware types", 200, |n| two_nodes(n, |i| format!("<hardware_type name=\"NODE{i}\"/>"))),
    taken("services", 200, |n| {
        two_nodes(1, |_| {
            let run = parts(n, |i| format!("<execute shell=\"sh\" command=\"NODE{i}\"/>"));
            format!("<services>{run}</services>")
        })
    }),
    taken("blockstores", 60, |n| two_nodes(n, |i| blockstore(i).replace("name=\"", "name=\"NODE"))),
    taken("sliver types", 200, |n| two_nodes(n, |i| format!("<sliver_type name=\"NODE{i}\"/>"))),
    taken("disk images", 200, |n| {
        two_nodes(1, |_| {
            let images = parts(n, |i| format!("<disk_image name=\"NODE{i}\"/>"));
            format!("<sliver_type name=\"t\">{images}</sliver_type>")
        })
    }),
    taken("properties", 200, |n| {
        let link = |link| {
            let properties = parts(n, |i| format!("<property source_id=\"{link}{i}\" dest_id=\"b{i}\"/>"));
            let types = parts(n, |i| format!("<link_type name=\"{link}{i}\"/>"));
            format!("<link client_id=\"{link}\">{properties}{types}</link>")
        };
        document(&(link("a") + &link("b")))
    }),
    taken("extensions", 100, |n| two_nodes(n, |i| format!("<e xmlns=\"http://x/{i}\">NODE</e>"))),
    taken("equal extensions", 100, |n| two_nodes(n, |_| "<e xmlns=\"http://x\">same</e>".to_owned())),
    taken("interface_refs", 200, |n| {
        let node = |node| node_with(&parts(n, |i| format!("<interface client_id=\"{node}:{i}\"/>")));
        let link = |link| {
            let ends = parts(n, |i| format!("<interface_ref client_id=\"{link}:{i}\"/>"));
            format!("<link client_id=\"l{link}\">{ends}</link>")
        };
        document(&format!("{}{}{}{}", node("a"), node("b").replace("\"n\"", "\"m\""), link("a"), link("b")))
    }),
];

const GENI: &str = "http://www.geni.net/resources/rspec/3";

const EMULAB: &str = "http://www.protogeni.net/resources/rspec/ext/emulab/1";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

fn document(content: &str) -> Vec<u8> {
    root("", content)
}

fn root(attributes: &str, content: &str) -> Vec<u8> {
    format!("<rspec xmlns=\"{GENI}\" type=\"request\" {attributes}>{content}</rspec>").into_bytes()
}

fn blockstore(i: usize) -> String {
    format!("<b:blockstore xmlns:b=\"{EMULAB}\" name=\"v{i}\" size=\"1GB\" mountpoint=\"/v{i}\"/>")
}

fn node_with(content: &str) -> String {
    format!("<node client_id=\"n\">{content}</node>")
}

fn one_node(content: &str) -> Vec<u8> {
    document(&node_with(content))
}

fn node(i: usize) -> String {
    let content = "<sliver_type name=\"vm\"><disk_image name=\"d\"/></sliver_type><services><login \
                   authentication=\"ssh-keys\"/></services>";
    format!(
        "<node client_id=\"n{i}\" exclusive=\"false\">{content}<interface client_id=\"n{i}:i\"/></node>\n"
    )
}

fn volumes(n: usize) -> String {
    let volume =
        |i| format!("<e:blockstore xmlns:e=\"{EMULAB}\" name=\"v{i}\" size=\"1GB\" mountpoint=\"/v{i}\"/>");
    parts(n, volume)
}

fn link(i: usize) -> String {
    format!(
        "<link client_id=\"l{i}\"><interface_ref client_id=\"n{i}:i\"/><link_type name=\"lan\"/></link>\n"
    )
}

/// Two nodes with `n` parts each, in which NODE stands for something different.
fn two_nodes(n: usize, part: impl Fn(usize) -> String) -> Vec<u8> {
    let content = parts(n, part);
    let node = |name: &str| format!("<node client_id=\"{name}\">{}</node>", content.replace("NODE", name));
    document(&(node("a") + &node("b")))
}

fn request(bytes: &[u8]) -> Option<Request> {
    Request::parse_request(text(bytes)?, &Limits::default()).ok()
}

fn update(bytes: &[u8]) -> Option<Request> {
    Request::parse_update(text(bytes)?, &Limits::default()).ok()
}

fn keep(request: &Request) -> bool {
    let Ok(ours) = Authority::parse("am.example.net") else { return false };
    let nodes = request.nodes.iter().all(|node| Node::from_fragment(&node.fragment()).is_ok());
    let links = request.links.iter().all(|link| Link::from_fragment(&link.fragment()).is_ok());
    let frame = request.frame(&ours);
    // The slice has as many frames as it has nodes: it grew by one node after the other.
    let count = request.local(&ours).nodes.len();
    let earlier = (0..count).filter_map(|i| frame_of(i, &ours));
    let frames: Vec<Frame> = earlier.chain([frame.clone(), frame]).collect();
    let written = ManifestWriter::new(chrono::DateTime::UNIX_EPOCH, None, &frames).finish();
    nodes && links && written.starts_with("<?xml")
}

/// The frame of another request, with a prefix, an attribute, a schema, an extension and a foreign node of its own.
fn frame_of(i: usize, ours: &Authority) -> Option<Frame> {
    let attributes = format!(
        "xmlns:ns{i}=\"urn:{i}\" ns{i}:a=\"1\" xmlns:xsi=\"{XSI}\" xsi:schemaLocation=\"urn:{i} http://x/{i}\""
    );
    let foreign =
        format!("<node client_id=\"f{i}\" component_manager_id=\"urn:publicid:IDN+o+authority+am\"/>");
    let xml = root(&attributes, &format!("<ns{i}:e/>{foreign}"));
    request(&xml).map(|request| request.frame(ours))
}

fn compare(request: &Request) -> bool {
    let nodes: usize = request
        .nodes
        .iter()
        .zip(request.nodes.iter().skip(1))
        .map(|(current, asked)| node_changes(current, None, asked).len())
        .sum();
    let links: usize = request
        .links
        .iter()
        .zip(request.links.iter().skip(1))
        .map(|(current, asked)| link_changes(current, None, asked).len())
        .sum();
    nodes + links > 0
}
