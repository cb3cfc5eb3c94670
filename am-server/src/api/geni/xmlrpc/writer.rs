//! Answers as text, written from front to back.

use super::{first_special, is_control};
use std::fmt::Write as _;

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
    while let Some(found) = bytes.get(at..).and_then(|rest| first_special(rest, is_special)) {
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

/// Markup, control characters, and the first byte of U+FFFE and U+FFFF.
fn is_special(byte: u8) -> bool {
    is_control(byte) || matches!(byte, b'<' | b'>' | b'&' | 0xef)
}

#[cfg(test)]
mod tests {
    use super::super::printable;
    use super::*;
    use dxr::{MethodResponse, Value};
    use proptest::prelude::*;

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
