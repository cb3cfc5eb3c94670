//! XML-RPC documents: the bytes of a request to a method call, an answer to the bytes of a response.
//!
//! Decoding is [`dxr`]'s, behind three checks it does not make: no DTD, nothing after the document, and
//! none of the request's text in an error (the codec's own errors carry the whole input, credentials
//! included).

use dxr::{FaultResponse, MethodCall, MethodResponse, Value};
use quick_xml::events::Event;
use std::borrow::Cow;

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
    refuse_dtd(text)?;
    let end = text.rfind("</methodCall>").ok_or(Fault::NotACall("there is no complete <methodCall>"))?;
    let rest = text[end + "</methodCall>".len()..].trim();
    if !(rest.is_empty() || rest.starts_with("<!--") && rest.ends_with("-->")) {
        return Err(Fault::NotACall("there is something after </methodCall>"));
    }
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

/// Writes the answer to a call.
#[must_use]
pub fn encode(value: Value) -> String {
    match (MethodResponse { value }).to_xml() {
        Ok(xml) => with_prolog(&xml),
        Err(_) => encode_fault(-32603, "the answer could not be written"),
    }
}

/// Writes a Fault.
#[must_use]
pub fn encode_fault(code: i32, message: &str) -> String {
    let fault = dxr::Fault::new(code, printable(message).into_owned());
    let xml = (FaultResponse { fault }).to_xml().unwrap_or_else(|_| {
        // Two members of fixed shape: the codec has nothing here to refuse.
        "<methodResponse><fault><value><struct/></value></fault></methodResponse>".to_owned()
    });
    with_prolog(&xml)
}

fn with_prolog(xml: &str) -> String {
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
    use proptest::prelude::*;

    const CALL: &str = "<methodCall><methodName>Status</methodName><params><param><value>x</value></param></params></methodCall>";

    #[test]
    fn a_call_is_read() {
        let (name, params) = decode(format!("<?xml version='1.0'?>\n{CALL}\n").as_bytes()).unwrap();
        assert_eq!(name, "Status");
        assert_eq!(params, vec![Value::String("x".to_owned())]);
        assert!(decode(format!("{CALL}<!-- bye -->").as_bytes()).is_ok());
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
            let xml = encode(Value::String(text.clone()));
            prop_assert_eq!(MethodResponse::from_xml(&xml).unwrap().value, Value::String(text));
        }
    }
}
