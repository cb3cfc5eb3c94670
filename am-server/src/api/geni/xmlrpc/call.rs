//! A method call read in one pass over its text.
//!
//! Everything that does not belong into a call ends the reading: a document type, elements where others are wanted, text
//! between elements, a value nested too deep, anything after the end. What is wrong is told without a word of the
//! request, which holds credentials.
//!
//! Clients differ in small things, which are taken as they are meant: white space around names, `true` and `false` as
//! booleans, and the types that Apache's XML-RPC libraries add in a namespace of their own, such as `<ex:nil/>`. None
//! of them changes whose call it is: a credential is a string, and nothing else is taken for one.

use super::{Fault, first_special, is_control};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dxr::Value;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::QName;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Values inside each other: options hold lists of structs of lists, and clients may add to that.
const DEEPEST: usize = 32;

/// Reads a method call: its name and its parameters.
///
/// # Errors
/// [`Fault`] when the bytes are not one.
pub fn decode(body: &[u8]) -> Result<(String, Vec<Value>), Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::NotACall("it is not UTF-8"))?;
    if first_special(body, is_control).is_some() {
        return Err(Fault::NotACall("it holds a character that XML does not allow"));
    }
    let mut call = CallReader::over(text);
    let root = call.root()?;
    let (mut name, mut parameters) = (None, None);
    while let Some(child) = call.child(root)? {
        match child.name {
            "methodName" if name.is_none() => name = Some(call.name(child)?),
            "params" if parameters.is_none() => parameters = Some(call.list(child, "param")?),
            _ => return Err(Fault::NotACall("a <methodCall> holds one <methodName> and one <params>")),
        }
    }
    call.end()?;
    let name = name.ok_or(Fault::NotACall("it has no <methodName>"))?;
    Ok((name, parameters.unwrap_or_default()))
}

const MALFORMED: Fault = Fault::NotACall("it is not well-formed XML");
const UNKNOWN: Fault = Fault::NotACall("it holds something that XML-RPC does not know");
const INCOMPLETE: Fault = Fault::NotACall("there is no complete <methodCall>");

/// The elements there are.
const NAMES: [&str; 19] = [
    "methodCall",
    "methodName",
    "params",
    "param",
    "value",
    "struct",
    "member",
    "name",
    "array",
    "data",
    "string",
    "int",
    "i4",
    "i8",
    "boolean",
    "double",
    "dateTime.iso8601",
    "base64",
    "nil",
];

/// The namespace of the types that Apache's XML-RPC libraries add.
const EXTENSIONS: &str = "http://ws.apache.org/xmlrpc/namespaces/extensions";

/// Those of its types that hold a single value we have a type for.
const EXTENDED: [&str; 5] = ["nil", "i1", "i2", "i8", "float"];

/// An element whose start was read.
#[derive(Clone, Copy)]
struct Element {
    name: &'static str,
    /// It ends with its start tag.
    empty: bool,
    /// Its name has the prefix of Apache's extensions.
    extended: bool,
}

/// A document that is being read.
struct CallReader<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Values that the next one would be in.
    depth: usize,
    /// The prefix that was last declared for Apache's extensions, with its colon.
    prefix: Option<String>,
}

impl<'a> CallReader<'a> {
    fn over(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { text, reader: Reader::from_str(text), depth: 0, prefix: None }
    }

    fn event(&mut self) -> Result<Event<'a>, Fault> {
        self.reader.read_event().map_err(|_| MALFORMED)
    }

    fn element(&mut self, tag: &BytesStart<'_>, empty: bool) -> Result<Element, Fault> {
        let name = tag.name();
        let name = name.as_ref();
        if let Some(name) = NAMES.into_iter().find(|known| *known == name) {
            return Ok(Element { name, empty, extended: false });
        }
        self.declared(tag)?;
        let local = self.prefix.as_deref().and_then(|prefix| name.strip_prefix(prefix));
        let known = EXTENDED.into_iter().find(|known| Some(*known) == local).ok_or(UNKNOWN)?;
        Ok(Element { name: known, empty, extended: true })
    }

    /// Notes the prefix of Apache's extensions when this tag declares one.
    fn declared(&mut self, tag: &BytesStart<'_>) -> Result<(), Fault> {
        // That no attribute is there twice is not looked at: that costs the square of their number.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| MALFORMED)?;
            if let Some(prefix) = attribute.key.as_ref().strip_prefix("xmlns:")
                && attribute.value.as_ref() == EXTENSIONS
            {
                self.prefix = Some(format!("{prefix}:"));
            }
        }
        Ok(())
    }

    /// The outermost element.
    fn root(&mut self) -> Result<Element, Fault> {
        loop {
            match self.event()? {
                Event::DocType(_) => return Err(Fault::Dtd),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if is_blank(&text) => {}
                Event::Start(tag) if tag.name().as_ref() == "methodCall" => {
                    self.declared(&tag)?;
                    return self.element(&tag, false);
                }
                Event::Start(_) | Event::Empty(_) => {
                    return Err(Fault::NotACall(
                        "its outermost element is no <methodCall> with something in it",
                    ));
                }
                Event::Eof => return Err(Fault::NotACall("it is empty")),
                _ => return Err(MALFORMED),
            }
        }
    }

    /// After the outermost element there is nothing.
    fn end(&mut self) -> Result<(), Fault> {
        loop {
            match self.event()? {
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if is_blank(&text) => {}
                _ => return Err(Fault::NotACall("there is something after </methodCall>")),
            }
        }
    }

    /// The next element in `parent`, between which nothing but white space may be; `None` at its end.
    fn child(&mut self, parent: Element) -> Result<Option<Element>, Fault> {
        if parent.empty {
            return Ok(None);
        }
        loop {
            match self.event()? {
                Event::Start(tag) => return self.element(&tag, false).map(Some),
                Event::Empty(tag) => return self.element(&tag, true).map(Some),
                Event::End(_) => return Ok(None),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if is_blank(&text) => {}
                Event::DocType(_) => return Err(Fault::Dtd),
                Event::Eof => return Err(INCOMPLETE),
                _ => return Err(Fault::NotACall("there is text where only elements may be")),
            }
        }
    }

    /// The one element in `parent`, which is to be a `name`.
    fn only(&mut self, parent: Element, name: &'static str) -> Result<Element, Fault> {
        self.child(parent)?.filter(|child| child.name == name).ok_or(UNKNOWN)
    }

    /// The end of an element in which nothing more may be.
    fn close(&mut self, element: Element) -> Result<(), Fault> {
        if self.child(element)?.is_none() { Ok(()) } else { Err(UNKNOWN) }
    }

    /// All the text of an element that holds nothing else.
    fn text(&mut self, element: Element) -> Result<String, Fault> {
        if element.empty {
            return Ok(String::new());
        }
        let raw = match &self.prefix {
            Some(prefix) if element.extended => {
                self.reader.read_text(QName(&format!("{prefix}{}", element.name)))
            }
            _ => self.reader.read_text(QName(element.name)),
        };
        let raw = raw.map_err(|_| MALFORMED)?;
        if memchr::memchr(b'<', raw.as_bytes()).is_none() { plain(&raw) } else { pieces(&raw) }
    }

    /// A name, without the white space that some clients lay around it.
    fn name(&mut self, element: Element) -> Result<String, Fault> {
        let name = self.text(element)?;
        let trimmed = name.trim_ascii();
        Ok(if trimmed.len() == name.len() { name } else { trimmed.to_owned() })
    }

    /// The values in `list`: each the only thing in an element of this name, or themselves of this name.
    fn list(&mut self, list: Element, name: &'static str) -> Result<Vec<Value>, Fault> {
        let mut values = Vec::new();
        while let Some(child) = self.child(list)? {
            if child.name != name {
                return Err(UNKNOWN);
            }
            if name == "value" {
                values.push(self.value(child)?);
            } else {
                let value = self.only(child, "value")?;
                values.push(self.value(value)?);
                self.close(child)?;
            }
        }
        Ok(values)
    }

    fn value(&mut self, element: Element) -> Result<Value, Fault> {
        if self.depth == DEEPEST {
            return Err(Fault::NotACall("its values are nested too deep"));
        }
        // A value without a type is a string.
        if element.empty || !self.is_markup_next() {
            return self.text(element).map(Value::String);
        }
        let Some(child) = self.child(element)? else { return Ok(Value::String(String::new())) };
        self.depth += 1;
        let value = match child.name {
            "string" => Value::String(self.text(child)?),
            "int" | "i4" | "i1" | "i2" => Value::Integer(self.scalar(child)?),
            "i8" => Value::Long(self.scalar(child)?),
            "double" | "float" => Value::Double(self.scalar(child)?),
            "boolean" => match self.text(child)?.trim() {
                "1" => Value::Boolean(true),
                "0" => Value::Boolean(false),
                word if word.eq_ignore_ascii_case("true") => Value::Boolean(true),
                word if word.eq_ignore_ascii_case("false") => Value::Boolean(false),
                _ => return Err(Fault::NotACall("a <boolean> is neither 0 nor 1, neither true nor false")),
            },
            "dateTime.iso8601" => Value::DateTime(self.scalar(child)?),
            "base64" => {
                let text: String = self.text(child)?.split_ascii_whitespace().collect();
                let wrong = |_| Fault::NotACall("a <base64> is not base64");
                Value::Base64(STANDARD.decode(text).map_err(wrong)?)
            }
            "nil" => {
                self.close(child)?;
                Value::Nil
            }
            "array" => {
                let data = self.only(child, "data")?;
                let values = self.list(data, "value")?;
                self.close(child)?;
                Value::Array(values)
            }
            "struct" => Value::Struct(self.members(child)?),
            _ => return Err(UNKNOWN),
        };
        self.depth -= 1;
        self.close(element)?;
        Ok(value)
    }

    /// Whether an element, or a comment before one, comes next: in a value that is no bare string.
    fn is_markup_next(&self) -> bool {
        let at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let rest = self.text.get(at..).unwrap_or_default().trim_ascii_start();
        rest.starts_with('<') && !rest.starts_with("</") && !rest.starts_with("<![CDATA[")
    }

    fn scalar<T: std::str::FromStr>(&mut self, element: Element) -> Result<T, Fault> {
        self.text(element)?.trim().parse().map_err(|_| Fault::NotACall("a number or a date in it is none"))
    }

    fn members(&mut self, structure: Element) -> Result<BTreeMap<String, Value>, Fault> {
        let mut members = BTreeMap::new();
        while let Some(member) = self.child(structure)? {
            let (mut name, mut value) = (None, None);
            while let Some(part) = self.child(member)? {
                match part.name {
                    "name" if member.name == "member" && name.is_none() => name = Some(self.name(part)?),
                    "value" if member.name == "member" && value.is_none() => value = Some(self.value(part)?),
                    _ => return Err(UNKNOWN),
                }
            }
            let (Some(name), Some(value)) = (name, value) else {
                return Err(Fault::NotACall("a <member> needs a <name> and a <value>"));
            };
            // Programs disagree about which of two would count.
            if members.insert(name, value).is_some() {
                return Err(Fault::NotACall("a <struct> has two members of one name"));
            }
        }
        Ok(members)
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// Line ends as XML has them: a line feed each.
fn lines(raw: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\r', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Character data without markup.
fn plain(raw: &str) -> Result<String, Fault> {
    unescape(&lines(raw)).map(Cow::into_owned).map_err(|_| MALFORMED)
}

/// Character data with comments and CDATA sections in it.
fn pieces(raw: &str) -> Result<String, Fault> {
    let mut reader = Reader::from_str(raw);
    let mut out = String::with_capacity(raw.len());
    loop {
        match reader.read_event().map_err(|_| MALFORMED)? {
            Event::Text(text) => out.push_str(&plain(&text)?),
            Event::GeneralRef(name) => out.push_str(&plain(&format!("&{};", &*name))?),
            Event::CData(text) => out.push_str(&lines(&text)),
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return Ok(out),
            _ => return Err(Fault::NotACall("there is an element where only text may be")),
        }
    }
}

#[cfg(test)]
mod tests;
