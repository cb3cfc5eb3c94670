//! Documents in XML.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion, escape};

use super::{Builder, MOST_ATTRIBUTES, Node, Tree, Unreadable};

/// Reads a document.
pub(super) fn tree(body: &str) -> Result<Tree, Unreadable> {
    let mut reading = Reading::of(body);
    while reading.step()? != Step::End {}
    Ok(reading.builder.tree)
}

/// Reads the elements in the outermost one, each by itself.
pub(super) fn things(
    body: &str,
    take: &mut dyn FnMut(Node<'_>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut reading = Reading::of(body);
    loop {
        match reading.step()? {
            Step::End => return Ok(()),
            // The attributes of the outermost element are no things.
            Step::Begun if reading.builder.depth() == 1 => reading.builder.keep_first(),
            Step::Ended if reading.builder.depth() == 1 => {
                take(reading.builder.tree.node(1))?;
                reading.builder.keep_first();
            }
            Step::Begun | Step::Ended | Step::Other => {}
        }
    }
}

/// What one event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// An element began.
    Begun,
    /// An element ended.
    Ended,
    /// Something else was read.
    Other,
    /// The document has ended.
    End,
}

struct Reading<'b> {
    reader: Reader<&'b [u8]>,
    builder: Builder,
    /// The text so far of each element that has begun and not ended.
    texts: Vec<String>,
    /// The outermost element has ended.
    over: bool,
}

impl<'b> Reading<'b> {
    fn of(body: &'b str) -> Self {
        let mut reader = Reader::from_str(body.strip_prefix('\u{feff}').unwrap_or(body));
        // An empty element is one that begins and ends.
        reader.config_mut().expand_empty_elements = true;
        Self { reader, builder: Builder::default(), texts: Vec::new(), over: false }
    }

    fn step(&mut self) -> Result<Step, Unreadable> {
        let malformed = Err(Unreadable::Malformed);
        match self.reader.read_event().map_err(|_| Unreadable::Malformed)? {
            Event::Start(_) if self.over => malformed,
            Event::Start(tag) => {
                self.begin(&tag)?;
                Ok(Step::Begun)
            }
            Event::End(_) => {
                self.builder.end(&self.texts.pop().unwrap_or_default())?;
                self.over = self.texts.is_empty();
                Ok(Step::Ended)
            }
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) if !self.texts.is_empty() => self.text(&text.xml10_content()),
            Event::GeneralRef(name) if !self.texts.is_empty() => {
                let text = escape::unescape(&format!("&{};", &*name)).map(std::borrow::Cow::into_owned);
                self.text(&text.map_err(|_| Unreadable::Malformed)?)
            }
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => Ok(Step::Other),
            Event::Eof if self.over => Ok(Step::End),
            // A document type could define entities; a document without one, or cut off, is none.
            _ => malformed,
        }
    }

    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), Unreadable> {
        self.builder.begin(tag.local_name().into_inner())?;
        self.texts.push(String::new());
        for (number, attribute) in tag.attributes().enumerate() {
            if number == MOST_ATTRIBUTES {
                return Err(Unreadable::Fields);
            }
            let attribute = attribute.map_err(|_| Unreadable::Malformed)?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| Unreadable::Malformed)?;
            printable(&value)?;
            self.builder.leaf(attribute.key.local_name().into_inner(), &value)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<Step, Unreadable> {
        printable(text)?;
        match self.texts.last_mut() {
            Some(all) => all.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(Unreadable::Malformed),
        }
        Ok(Step::Other)
    }
}

/// XML has no place for control characters, written or referred to.
fn printable(text: &str) -> Result<(), Unreadable> {
    let wrong = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(wrong) { Err(Unreadable::Malformed) } else { Ok(()) }
}
