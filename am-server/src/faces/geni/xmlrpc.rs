//! XML-RPC documents: the bytes of a request to a method call, an answer to the bytes of a response.
//!
//! Answers are written by a [`Writer`] of our own. Decoding is [`dxr`]'s, behind three checks it does not make: no DTD, nothing after the document, and
//! none of the request's text in an error (the codec's own errors carry the whole input, credentials
//! included).

use dxr::{FaultResponse, MethodCall, Value};
use quick_xml::events::Event;
use std::borrow::Cow;
use std::fmt::Write as _;

/// What an XML-RPC Fault is sent for: everything that is not a call of a known method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not XML, or not an XML-RPC call. Code from the XML-RPC interoperability specification.
    #[error("the request is not an XML-RPC method call: {0}")]
    NotACall(&'static str),
    /// The document brings its own DTD.
    #[error("the request has a document type declaration (DTD), which is not accepted")]
    Dtd,
    /// No such method at this URL.
    #[error("there is no method {name:?} here; there are {known}")]
    UnknownMethod {
        /// What was called, shortened.
        name: String,
        /// What could have been.
        known: String,
    },
}

impl Fault {
    /// `faultCode`, from the registered range of XML-RPC server errors.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::NotACall(_) | Self::Dtd => -32700,
            Self::UnknownMethod { .. } => -32601,
        }
    }
}

/// Reads a method call.
///
/// # Errors
/// [`Fault`] when the bytes are not one.
pub fn decode(body: &[u8]) -> Result<(String, Vec<Value>), Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::NotACall("it is not UTF-8"))?;
    if text.bytes().any(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) {
        return Err(Fault::NotACall("it holds a character that XML does not allow"));
    }
    refuse_dtd(text)?;
    refuse_more(text)?;
    let call = MethodCall::from_xml(text).map_err(|_| {
        Fault::NotACall("it is not well-formed XML, or holds something XML-RPC does not know")
    })?;
    Ok((call.name.into_owned(), call.params))
}

/// Looks at everything before the root element.
fn refuse_dtd(text: &str) -> Result<(), Fault> {
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::DocType(_)) => return Err(Fault::Dtd),
            Ok(Event::Start(_) | Event::Empty(_)) => return Ok(()),
            Ok(Event::Eof) => return Err(Fault::NotACall("it is empty")),
            Ok(_) => {}
            Err(_) => return Err(Fault::NotACall("it is not well-formed XML")),
        }
    }
}

/// Looks at everything after the root element.
fn refuse_more(text: &str) -> Result<(), Fault> {
    const END: &str = "</methodCall>";
    let end = text.rfind(END).ok_or(Fault::NotACall("there is no complete <methodCall>"))? + END.len();
    // The end tag is there once. If not, either there is a second document, or one stands in a CDATA section.
    let end =
        if text.find(END).is_some_and(|first| first + END.len() < end) { end_of_root(text)? } else { end };
    let mut reader = quick_xml::Reader::from_str(&text[end..]);
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => return Ok(()),
            Ok(Event::Comment(_) | Event::PI(_)) => {}
            Ok(Event::Text(text)) if text.trim_ascii().is_empty() => {}
            _ => return Err(Fault::NotACall("there is something after </methodCall>")),
        }
    }
}

/// Where the root element ends.
fn end_of_root(text: &str) -> Result<usize, Fault> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut depth = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => depth += 1,
            Ok(Event::End(_)) if depth == 1 => {
                return usize::try_from(reader.buffer_position())
                    .map_err(|_| Fault::NotACall("it is not well-formed XML"));
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) | Err(_) => return Err(Fault::NotACall("it is not well-formed XML")),
            Ok(_) => {}
        }
    }
}

/// Writes the answer to a call, value by value, straight into the text that is sent: an answer may hold thousands of
/// structs, and a tree of them would cost more than all the rest of the call.
#[derive(Debug)]
pub struct Writer {
    out: String,
}

const RESPONSE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<methodResponse><params><param>";
const RESPONSE_END: &str = "</param></params></methodResponse>\n";

impl Writer {
    /// Begins a response that will have about `bytes` bytes; exactly one value has to follow.
    #[must_use]
    pub fn response(bytes: usize) -> Self {
        let mut out = String::with_capacity(RESPONSE.len() + bytes + RESPONSE_END.len());
        out.push_str(RESPONSE);
        Self { out }
    }

    /// Ends the response.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.out.push_str(RESPONSE_END);
        self.out
    }

    /// A string. What XML cannot carry is replaced, as [`printable`] does.
    pub fn string(&mut self, text: &str) {
        self.out.push_str("<value><string>");
        escape(&mut self.out, text);
        self.out.push_str("</string></value>");
    }

    /// An integer.
    pub fn integer(&mut self, number: i32) {
        // Writing to a string does not fail.
        let _ = write!(self.out, "<value><i4>{number}</i4></value>");
    }

    /// A boolean.
    pub fn boolean(&mut self, flag: bool) {
        self.out.push_str(if flag {
            "<value><boolean>1</boolean></value>"
        } else {
            "<value><boolean>0</boolean></value>"
        });
    }

    /// An array, each item of which `item` writes as one value.
    pub fn array<T>(&mut self, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Self, T)) {
        self.out.push_str("<value><array><data>");
        for each in items {
            item(self, each);
        }
        self.out.push_str("</data></array></value>");
    }

    /// A struct, whose members `members` writes with [`Writer::member`] and its like, each name once.
    pub fn structure(&mut self, members: impl FnOnce(&mut Self)) {
        self.out.push_str("<value><struct>");
        members(self);
        self.out.push_str("</struct></value>");
    }

    /// A member of a struct, whose one value `value` writes.
    pub fn member(&mut self, name: &str, value: impl FnOnce(&mut Self)) {
        self.out.push_str("<member><name>");
        escape(&mut self.out, name);
        self.out.push_str("</name>");
        value(self);
        self.out.push_str("</member>");
    }

    /// A member that is a string.
    pub fn text(&mut self, name: &str, text: &str) {
        self.member(name, |writer| writer.string(text));
    }

    /// A member that is an integer.
    pub fn number(&mut self, name: &str, number: i32) {
        self.member(name, |writer| writer.integer(number));
    }

    /// A member that is a boolean.
    pub fn flag(&mut self, name: &str, flag: bool) {
        self.member(name, |writer| writer.boolean(flag));
    }
}

/// Appends `text` as character data.
fn escape(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|byte| SPECIAL[usize::from(*byte)]))
    {
        at += found;
        let (instead, length) = match bytes.get(at..) {
            Some([b'<', ..]) => ("&lt;", 1),
            Some([b'>', ..]) => ("&gt;", 1),
            Some([b'&', ..]) => ("&amp;", 1),
            Some([0xef, 0xbf, 0xbe | 0xbf, ..]) => ("\u{fffd}", 3),
            Some([0xef, ..]) => {
                at += 1;
                continue;
            }
            _ => ("\u{fffd}", 1),
        };
        out.push_str(text.get(copied..at).unwrap_or_default());
        out.push_str(instead);
        at += length;
        copied = at;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
}

/// Bytes at which character data may need something else than a copy: markup, control characters, and the first byte
/// of U+FFFE and U+FFFF.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = byte != 0x9 && byte != 0xa && byte != 0xd;
        byte += 1;
    }
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'&' as usize] = true;
    table[0xef] = true;
    table
};

/// Writes a Fault.
#[must_use]
pub fn encode_fault(code: i32, message: &str) -> String {
    let fault = dxr::Fault::new(code, printable(message).into_owned());
    let xml = (FaultResponse { fault }).to_xml().unwrap_or_else(|_| {
        // Two members of fixed shape: the codec has nothing here to refuse.
        "<methodResponse><fault><value><struct/></value></fault></methodResponse>".to_owned()
    });
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{xml}\n")
}

/// `text` without the characters XML cannot carry, so that whatever a caller sent and we quote back still
/// makes a well-formed answer.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let good = |c: char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if text.chars().all(good) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().map(|c| if good(c) { c } else { '\u{fffd}' }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxr::MethodResponse;
    use proptest::prelude::*;

    const CALL: &str = "<methodCall><methodName>Status</methodName><params><param><value>x</value></param></params></methodCall>";

    #[test]
    fn a_call_is_read() {
        let (name, params) = decode(format!("<?xml version='1.0'?>\n{CALL}\n").as_bytes()).unwrap();
        assert_eq!(name, "Status");
        assert_eq!(params, vec![Value::String("x".to_owned())]);
        assert!(decode(format!("{CALL}<!-- bye -->").as_bytes()).is_ok());
        let quoting = CALL.replace("x</value>", "<![CDATA[</methodCall>]]></value>");
        assert_eq!(decode(quoting.as_bytes()).unwrap().1, vec![Value::String("</methodCall>".to_owned())]);
    }

    #[test]
    fn what_is_no_call_is_a_fault_that_quotes_nothing() {
        for bad in [
            "",
            "hello",
            "<a/>",
            "<methodCall>",
            "<methodCall></methodCall>",
            &CALL[..60],
            &format!("{CALL}junk"),
            &format!("{CALL}{CALL}"),
            &CALL.replace("x</value>", "\u{1}</value>"),
        ] {
            let fault = decode(bad.as_bytes()).unwrap_err();
            assert_eq!(fault.code(), -32700, "{bad}");
            assert!(!fault.to_string().contains("Status"), "{fault}");
        }
        assert!(decode(b"\xff\xfe").is_err());
    }

    #[test]
    fn a_dtd_is_refused_before_anything_is_expanded() {
        let bomb = format!("<!DOCTYPE m [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>{CALL}");
        assert_eq!(decode(bomb.as_bytes()).unwrap_err(), Fault::Dtd);
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        let deep = format!(
            "<methodCall><methodName>a</methodName><params><param>{}{}</param></params></methodCall>",
            "<value><array><data>".repeat(100_000),
            "</data></array></value>".repeat(100_000)
        );
        assert!(decode(deep.as_bytes()).is_err());
    }

    #[test]
    fn control_characters_do_not_break_the_answer() {
        let xml = encode_fault(1, "a\u{1}b\0");
        assert!(xml.contains("a\u{fffd}b\u{fffd}"));
    }

    #[test]
    fn structs_and_lists_are_read_as_they_were_written() {
        let mut writer = Writer::response(100);
        writer.structure(|writer| {
            writer.text("a<b", "");
            writer.number("n", -7);
            writer.flag("yes", true);
            writer.member("list", |writer| writer.array([1, 2], Writer::integer));
            writer.member("none", |writer| writer.array([], Writer::boolean));
        });
        let expected = [
            ("a<b", Value::String(String::new())),
            ("n", Value::Integer(-7)),
            ("yes", Value::Boolean(true)),
            ("list", Value::Array(vec![Value::Integer(1), Value::Integer(2)])),
            ("none", Value::Array(Vec::new())),
        ];
        let expected = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(MethodResponse::from_xml(&writer.finish()).unwrap().value, Value::Struct(expected));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn near_calls_never_panic(tail in "[<>/a-z0-9 &;\"=]{0,80}") {
            let _ = decode(format!("<methodCall><methodName>{tail}</methodName></methodCall>").as_bytes());
        }

        #[test]
        fn answers_come_back_as_they_were(text in "\\PC{0,40}") {
            let mut writer = Writer::response(0);
            writer.string(&text);
            prop_assert_eq!(MethodResponse::from_xml(&writer.finish()).unwrap().value, Value::String(text));
        }

        #[test]
        fn what_xml_cannot_carry_is_replaced(text in prop::collection::vec(any::<char>(), 0..40)) {
            let text: String = text.into_iter().chain("\u{fffe}a\u{ffff}\u{feff}\u{1}<&>".chars()).collect();
            let mut plain = String::new();
            escape(&mut plain, &text);
            let carried = printable(&text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            prop_assert_eq!(plain, carried);
        }
    }
}
