//! XML-RPC documents: the bytes of a request to a method call, an answer to the bytes of a response.
//!
//! Calls are read in one pass ([`decode`]), answers are written in one ([`Writer`]). The values of a call are those of
//! [`dxr`], which also writes faults and, in the tests, says what a document means.

mod call;
mod writer;

pub use call::decode;
pub use writer::Writer;

use dxr::FaultResponse;
use std::borrow::Cow;

/// How much text is looked over at once.
const BLOCK: usize = 64;

/// The first byte that is special, of which most text has none. All bytes of a block are looked at, which the processor
/// does at once.
fn first_special(bytes: &[u8], is_special: impl Fn(u8) -> bool) -> Option<usize> {
    bytes.chunks(BLOCK).enumerate().find_map(|(number, block)| {
        let any = block.iter().fold(false, |any, byte| any | is_special(*byte));
        let at = if any { block.iter().position(|byte| is_special(*byte)) } else { None };
        at.map(|at| number * BLOCK + at)
    })
}

/// Whether XML has no place for this byte: a control character.
fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

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

    #[test]
    fn control_characters_do_not_break_the_answer() {
        let xml = encode_fault(1, "a\u{1}b\0");
        assert!(xml.contains("a\u{fffd}b\u{fffd}"));
    }
}
