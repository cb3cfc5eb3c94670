//! XML-RPC calls as text, and the two things that are looked for in an answer.
//!
//! The load generator shares the machine with what it measures, so it writes calls by hand and reads no more of an
//! answer than it needs.

use crate::Failure;
use bytes::Bytes;
use dxr::{MethodResponse, Value};

/// A call under construction.
#[derive(Debug, Clone)]
pub struct CallBuilder(String);

impl CallBuilder {
    /// A call of `method` without arguments so far.
    #[must_use]
    pub fn new(method: &str) -> Self {
        Self(format!("<?xml version=\"1.0\"?><methodCall><methodName>{method}</methodName><params>"))
    }

    /// A string.
    #[must_use]
    pub fn string(self, text: &str) -> Self {
        self.param(&format!("<string>{}</string>", escape(text)))
    }

    /// A list of strings.
    #[must_use]
    pub fn strings(self, texts: &[&str]) -> Self {
        let items: String =
            texts.iter().map(|text| format!("<value><string>{}</string></value>", escape(text))).collect();
        self.param(&format!("<array><data>{items}</data></array>"))
    }

    /// A list with one `geni_sfa` credential, which is escaped already.
    #[must_use]
    pub fn credential(self, escaped: &str) -> Self {
        self.param(&format!(
            "<array><data><value><struct>\
             <member><name>geni_type</name><value><string>geni_sfa</string></value></member>\
             <member><name>geni_version</name><value><string>3</string></value></member>\
             <member><name>geni_value</name><value><string>{escaped}</string></value></member>\
             </struct></value></data></array>"
        ))
    }

    /// The options: the RSpec version, and these flags set.
    #[must_use]
    pub fn options(self, flags: &[&str]) -> Self {
        let flags: String = flags
            .iter()
            .map(|flag| format!("<member><name>{flag}</name><value><boolean>1</boolean></value></member>"))
            .collect();
        self.param(&format!(
            "<struct><member><name>geni_rspec_version</name><value><struct>\
             <member><name>type</name><value><string>GENI</string></value></member>\
             <member><name>version</name><value><string>3</string></value></member>\
             </struct></value></member>{flags}</struct>"
        ))
    }

    /// The bytes to send.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        self.0.push_str("</params></methodCall>");
        Bytes::from(self.0)
    }

    fn param(mut self, value: &str) -> Self {
        self.0.push_str("<param><value>");
        self.0.push_str(value);
        self.0.push_str("</value></param>");
        self
    }
}

/// Text as XML carries it.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
    out
}

/// `geni_code` of an answer; None when it holds none, as a Fault.
#[must_use]
pub fn geni_code(answer: &[u8]) -> Option<i32> {
    const NAME: &[u8] = b"<name>geni_code</name>";
    let behind = answer.get(memchr::memmem::find(answer, NAME)? + NAME.len()..)?;
    let value = behind.get(memchr::memmem::find(behind, b"<value>")? + b"<value>".len()..)?;
    let number = match value.first()? {
        b'<' => value.get(memchr::memchr(b'>', value)? + 1..)?,
        _ => value,
    };
    let end = memchr::memchr(b'<', number)?;
    std::str::from_utf8(number.get(..end)?).ok()?.trim().parse().ok()
}

/// The member `name` of an answer's `value`, a string.
///
/// # Errors
/// The answer is none, or has no such member.
pub fn member(answer: &[u8], name: &str) -> Result<String, Failure> {
    let missing = || Failure::new(format!("an answer has no string {name} in its value"));
    let text = std::str::from_utf8(answer).map_err(Failure::when("an answer is not UTF-8"))?;
    let response =
        MethodResponse::from_xml(text).map_err(|_| Failure::new("an answer is no XML-RPC response"))?;
    let Value::Struct(mut members) = response.value else { return Err(missing()) };
    let Some(Value::Struct(mut value)) = members.remove("value") else { return Err(missing()) };
    match value.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(missing()),
    }
}

/// `output` of an answer, or its first bytes where there is none: what a message about a refusal quotes.
#[must_use]
pub fn output(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let found = text
        .split_once("<name>output</name>")
        .and_then(|(_, after)| after.split_once("</value>"))
        .map(|(value, _)| value.trim_start_matches("<value>").trim_start_matches("<string>"));
    found.unwrap_or(&text).chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxr::MethodCall;

    #[test]
    fn a_call_reads_as_what_was_written() {
        let body = CallBuilder::new("Status")
            .strings(&["a<b"])
            .credential(&escape("<c>&</c>"))
            .options(&["x"])
            .finish();
        let call = MethodCall::from_xml(std::str::from_utf8(&body).unwrap()).unwrap();
        assert_eq!(call.name, "Status");
        assert_eq!(call.params[0], Value::Array(vec![Value::String("a<b".to_owned())]));
        let Value::Array(credentials) = &call.params[1] else { panic!("{:?}", call.params[1]) };
        let Value::Struct(credential) = &credentials[0] else { panic!("{credentials:?}") };
        assert_eq!(credential["geni_value"], Value::String("<c>&</c>".to_owned()));
        let Value::Struct(options) = &call.params[2] else { panic!("{:?}", call.params[2]) };
        assert_eq!(options["x"], Value::Boolean(true));
    }

    #[test]
    fn the_code_is_found_however_the_integer_is_spelt() {
        let with =
            |value: &str| format!("<struct><member><name>geni_code</name><value>{value}</value></member>");
        assert_eq!(geni_code(with("<i4>0</i4>").as_bytes()), Some(0));
        assert_eq!(geni_code(with("<int>12</int>").as_bytes()), Some(12));
        assert_eq!(geni_code(with("<i4>4</i4>").as_bytes()), Some(4));
        assert_eq!(geni_code(with("<int>4</int>").as_bytes()), Some(4));
        assert_eq!(geni_code(b"<fault/>"), None);
    }
}
