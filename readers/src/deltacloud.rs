//! The Deltacloud API, in both directions: requests of clients, read before anybody has logged in, and answers of clouds.

use bytes::Bytes;
use deltacloud_server::multipart;
use deltacloud_server::negotiation::{USUAL, choose};
use deltacloud_server::params::{Params, Path};

use drivers::deltacloud::reads_answer;

use crate::{Growth, Reader, bounded, parts, refused, taken, text, xml};

/// Reads a query or a form, lets it win over another, and gives it back as an error does.
pub const DELTACLOUD_QUERY: Reader = Reader { name: "deltacloud_query", read: query, growths: QUERIES };

/// A request's path, with its parameters between semicolons.
pub const DELTACLOUD_PATH: Reader = Reader { name: "deltacloud_path", read: path, growths: PATHS };

/// The first line is the header `Content-Type`; the rest is the body.
pub const DELTACLOUD_MULTIPART: Reader = Reader { name: "deltacloud_multipart", read: body, growths: BODIES };

/// The header `Accept`.
pub const DELTACLOUD_ACCEPT: Reader = Reader {
    name: "deltacloud_accept",
    read: |bytes| text(bytes).is_some_and(|text| choose(Some(text), None, USUAL).is_ok()),
    growths: HEADERS,
};

/// A cloud's answer, in XML or JSON.
pub const DELTACLOUD_ANSWER: Reader = Reader {
    name: "deltacloud_answer",
    read: |bytes| text(bytes).is_some_and(|body| reads_answer("", body)),
    growths: ANSWERS,
};

const ANSWERS: &[Growth] = &[
    taken("instances", 30, |n| listed("instances", &parts(n, |i| INSTANCE.replace("ID", &format!("i{i}"))))),
    taken("actions", 100, |n| {
        listed("instance", &format!("<actions>{}</actions>", "<link rel='stop'/>".repeat(n)))
    }),
    taken("properties", 50, |n| {
        let property = |i| {
            format!("<property kind='enum' name='p{i}' value='1'><enum><entry value='1'/></enum></property>")
        };
        listed("hardware_profile", &parts(n, property))
    }),
    taken("values of a property", 100, |n| {
        let entries = parts(n, |i| format!("<entry value='{i}'/>"));
        listed(
            "hardware_profile",
            &format!("<property kind='enum' name='p'><enum>{entries}</enum></property>"),
        )
    }),
    taken("samples", 20, |n| {
        let property = |name| format!("<property name='{name}' value='1'/>");
        let sample = ["minimum", "maximum", "average", "timestamp", "unit"].map(property).concat();
        let samples = format!("<sample>{sample}</sample>").repeat(n);
        listed("metric", &format!("<properties><cpuUtilization>{samples}</cpuUtilization></properties>"))
    }),
    taken("states", 400, |n| {
        listed(
            "states",
            &parts(n, |i| format!("<state name='s{i}'><transition action='stop' to='s{i}'/></state>")),
        )
    }),
    taken("transitions", 50, |n| {
        let ways = parts(n, |i| format!("<transition action='stop' to='s{i}'/>"));
        listed("states", &format!("<state name='s'>{ways}</state>"))
    }),
    taken("mixed", 100, |n| listed("a", &xml::mixed(n))),
    taken("text", 10_000, |n| listed("instance", &xml::long_text(n))),
    taken("namespaces", 100, |n| listed("a", &xml::declarations(n))),
    bounded("attributes", 30, |n| listed("a", &xml::attributes(n))),
    bounded("nested", 20, |n| xml::nested(n).into_bytes()),
    refused("nested deep", 5000, |n| xml::nested(n).into_bytes()),
    refused("unclosed", 5000, |n| "<a>".repeat(n).into_bytes()),
    refused("open comments", 5000, |n| listed("a", &"<!--".repeat(n))),
    taken("JSON instances", 30, |n| {
        let instance =
            |i| format!("{{\"id\":\"i{i}\",\"state\":\"RUNNING\",\"actions\":[{{\"rel\":\"stop\"}}]}},");
        format!("{{\"instances\":[{}null]}}", parts(n, instance)).into_bytes()
    }),
    taken("JSON members", 200, |n| {
        format!("{{\"a\":{{{}\"z\":1}}}}", parts(n, |i| format!("\"m{i}\":1.5,"))).into_bytes()
    }),
    taken("JSON numbers", 1000, |n| format!("[{}0]", "1,".repeat(n)).into_bytes()),
    taken("JSON text", 5000, |n| format!("{{\"a\":\"{}\"}}", "\\n\\u00e9".repeat(n)).into_bytes()),
    refused("JSON nested", 5000, |n| "[".repeat(n).into_bytes()),
];

const INSTANCE: &str = "<instance href='http://h/api/instances/ID' id='ID'><name>n</name><owner_id>o</owner_id>\
    <image id='img'/><realm id='us'/><state>RUNNING</state><hardware_profile id='m1'><property name='memory' value='1'/>\
    </hardware_profile><actions><link rel='stop' method='post' href='http://h/stop'/></actions><public_addresses>\
    <address type='ipv4'>192.0.2.1</address></public_addresses></instance>";

fn listed(root: &str, content: &str) -> Vec<u8> {
    format!("<?xml version='1.0'?><{root} id='x'>{content}</{root}>").into_bytes()
}

const QUERIES: &[Growth] = &[
    taken("one name", 2000, |n| "a=b&".repeat(n).into_bytes()),
    taken("names", 250, |n| names(n, "&").into_bytes()),
    bounded("names beyond the bound", 400, |n| names(n, "&").into_bytes()),
    taken("a list between commas", 250, |n| format!("a={}", "f,".repeat(n)).into_bytes()),
    taken("a long value", 30_000, |n| format!("a={}", "b+%41".repeat(n / 5)).into_bytes()),
    taken("a long name", 30_000, |n| format!("{}=b", "a".repeat(n)).into_bytes()),
    taken("separators", 10_000, |n| "&".repeat(n).into_bytes()),
];

const PATHS: &[Growth] = &[
    taken("segments", 1000, |n| format!("/api{}", "/a%20b".repeat(n)).into_bytes()),
    taken("one name", 1000, |n| format!("/api{}", ";a=b".repeat(n)).into_bytes()),
    taken("names", 240, |n| format!("/api;{}", names(n, ";")).into_bytes()),
    bounded("names beyond the bound", 400, |n| format!("/api;{}", names(n, ";")).into_bytes()),
    taken("slashes", 3000, |n| format!("/api{}realms", "/".repeat(n)).into_bytes()),
    taken("a long segment", 10_000, |n| format!("/api/{}", "%41".repeat(n)).into_bytes()),
];

const BODIES: &[Growth] = &[
    taken("parts", 250, |n| form("XX", &parts(n, |i| part("XX", &format!("a{i}"), "b")))),
    // An empty line in one way in each part, and in the other way in none.
    taken("parts between line feeds", 250, |n| {
        let parts = parts(n, |i| part("XX", &format!("a{i}"), &"b".repeat(100)).replace('\r', ""));
        form("XX", &parts)
    }),
    refused("parts beyond the bound", 2000, |n| form("XX", &parts(n, |_| part("XX", "a", "b")))),
    refused("a long boundary", 5000, |n| form(&"b".repeat(n), &part(&"b".repeat(n), "a", &"b".repeat(n)))),
    taken("a boundary of hyphens", 30_000, |n| {
        let boundary = "-".repeat(70);
        form(&boundary, &part(&boundary, "a", &format!("x{}", "-".repeat(n))))
    }),
    taken("lines like the boundary", 10_000, |n| form("XX", &part("XX", "a", &"\n--X".repeat(n)))),
    refused("attributes", 2000, |n| {
        form("XX", &part("XX", &format!("a\"{}; x=\"", "; b=\"c\\\"d\"".repeat(n)), "b"))
    }),
    taken("bytes", 30_000, |n| form("XX", &part("XX", "a", &"0123456789abcdef".repeat(n / 16)))),
    taken("hyphens", 30_000, |n| form("XX", &part("XX", "a", &"-".repeat(n)))),
    bounded("headers of a part", 400, |n| {
        let headers = parts(n, |i| format!("X-{i}: y\r\n"));
        form("XX", &format!("--XX\r\n{headers}{}", part("XX", "a", "b").replacen("--XX\r\n", "", 1)))
    }),
    taken("a preamble", 30_000, |n| {
        let mut body = b"multipart/form-data; boundary=XX\n".to_vec();
        body.extend("preamble\r\n".repeat(n / 10).bytes());
        body.extend(
            form("XX", &part("XX", "a", "b")).splitn(2, |byte| *byte == b'\n').nth(1).unwrap_or_default(),
        );
        body
    }),
    refused("no end", 30_000, |n| {
        format!("multipart/form-data; boundary=XX\n--XX\r\nA: b\r\n\r\n{}", "--X".repeat(n / 3)).into_bytes()
    }),
];

const HEADERS: &[Growth] = &[
    taken("types", 500, |n| "text/xml;q=0.5,".repeat(n).into_bytes()),
    taken("parameters", 1000, |n| format!("text/xml{}", ";a=b".repeat(n)).into_bytes()),
    refused("commas", 5000, |n| ",".repeat(n).into_bytes()),
];

fn query(bytes: &[u8]) -> bool {
    let Ok(other) = Params::urlencoded(bytes) else { return false };
    let mut params = other.clone();
    drop(params.told());
    drop(params.numbered("a"));
    let _ = params.prefixed("a").count();
    params.fall_back_to(other).is_ok()
}

fn path(bytes: &[u8]) -> bool {
    let path = text(bytes).and_then(|text| Path::parse(text).ok());
    path.is_some_and(|path| path.collection_segments().is_some())
}

fn body(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (header, rest) = bytes.split_at(end);
    let body = rest.get(1..).unwrap_or_default();
    text(header).is_some_and(|header| multipart::read(header, &Bytes::copy_from_slice(body)).is_ok())
}

/// Parameters under different names.
fn names(n: usize, between: &str) -> String {
    parts(n, |i| format!("a_parameter_of_the_name_{i}=a+value+of+the+length+that+values+have{between}"))
}

fn part(boundary: &str, name: &str, content: &str) -> String {
    format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

fn form(boundary: &str, content: &str) -> Vec<u8> {
    format!("multipart/form-data; boundary={boundary}\n{content}--{boundary}--\r\n").into_bytes()
}
