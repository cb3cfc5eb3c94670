//! Calls of the AM API: XML-RPC.

use crate::{Growth, Reader, parts, refused, taken, xml};
use am_server::api::geni::xmlrpc;

/// A method call.
pub const XMLRPC: Reader =
    Reader { name: "xmlrpc", read: |bytes| xmlrpc::decode(bytes).is_ok(), growths: GROWTHS };

const GROWTHS: &[Growth] = &[
    taken("parameters", 500, |n| {
        call(&parts(n, |i| format!("<param><value><int>{i}</int></value></param>")))
    }),
    taken("values", 500, |n| of_value(&array(&"<value>x</value>".repeat(n)))),
    taken("members", 500, |n| {
        let member = |i| format!("<member><name>m{i}</name><value><boolean>1</boolean></value></member>");
        of_value(&format!("<struct>{}</struct>", parts(n, member)))
    }),
    taken("structs", 200, |n| {
        let one = "<value><struct><member><name>a</name><value/></member></struct></value>";
        of_value(&array(&one.repeat(n)))
    }),
    taken("text", 30_000, |n| of_value(&format!("<string>{}</string>", xml::long_text(n)))),
    taken("references", 2000, |n| of_value(&format!("<string>{}</string>", "&amp;".repeat(n)))),
    taken("comments in text", 1000, |n| of_value(&format!("<string>{}</string>", "a<!-- b -->".repeat(n)))),
    taken("CDATA", 1000, |n| of_value(&format!("<string>{}</string>", "<![CDATA[<a>]]>b".repeat(n)))),
    taken("comments", 1000, |n| call(&"<!-- a --> <?b c?>\n".repeat(n))),
    taken("white space", 1000, |n| {
        of_value(&array(&format!("<value>{}x</value>", " ".repeat(60)).repeat(n)))
    }),
    taken("base64", 10_000, |n| of_value(&format!("<base64>{}</base64>", "QUJD\n".repeat(n)))),
    taken("attributes", 500, |n| of_value(&xml::attributes(n).replacen("<e", "<string", 1))),
    taken("attributes of the call", 500, |n| {
        let attributes = xml::attributes(n).replacen("<e", "<methodCall", 1);
        let start = attributes.trim_end_matches("/>");
        let call = String::from_utf8(call("")).unwrap_or_default();
        call.replacen("<methodCall", start, 1).into_bytes()
    }),
    taken("extensions", 500, |n| {
        extended(&array(&"<value><x:nil/></value><value><x:i8>1</x:i8></value>".repeat(n)))
    }),
    taken("declared extensions", 500, |n| {
        let one = format!("<value><y:nil xmlns:y=\"{EXTENSIONS}\"/></value>");
        of_value(&array(&one.repeat(n)))
    }),
    refused("attributes of something unknown", 500, |n| of_value(&xml::attributes(n))),
    taken("after the end", 1000, |n| {
        let mut body = call("");
        body.extend("<!-- a -->\n".repeat(n).bytes());
        body
    }),
    refused("nested", 2000, |n| {
        of_value(&("<array><data><value>".repeat(n) + &"</value></data></array>".repeat(n)))
    }),
    refused("unclosed", 5000, |n| call(&"<param><value>".repeat(n))),
    refused("open comments", 5000, |n| call(&"<!--".repeat(n))),
    refused("open sections", 5000, |n| of_value(&format!("<string>{}</string>", "<![CDATA[".repeat(n)))),
];

fn call(parameters: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\"?><methodCall><methodName>m</methodName><params>{parameters}</params></methodCall>")
        .into_bytes()
}

fn of_value(content: &str) -> Vec<u8> {
    call(&format!("<param><value>{content}</value></param>"))
}

/// The namespace of the types that Apache's XML-RPC libraries add.
const EXTENSIONS: &str = "http://ws.apache.org/xmlrpc/namespaces/extensions";

fn extended(content: &str) -> Vec<u8> {
    let call = String::from_utf8(of_value(content)).unwrap_or_default();
    call.replacen("<methodCall", &format!("<methodCall xmlns:x=\"{EXTENSIONS}\""), 1).into_bytes()
}

fn array(values: &str) -> String {
    format!("<array><data>{values}</data></array>")
}
