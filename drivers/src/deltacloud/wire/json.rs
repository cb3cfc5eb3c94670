//! Documents in JSON.
//!
//! The parser calls back for each value, so that no tree of its own is made. It recurses for values in each other, which the
//! builder refuses beyond its depth; the parser itself stops at 128.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Builder, Tree, Unreadable};

/// Reads a document.
pub(super) fn tree(body: &str) -> Result<Tree, Unreadable> {
    let mut reading = Reading { builder: Builder::default(), beyond: None };
    let mut parser = serde_json::Deserializer::from_str(body);
    let read = Value { reading: &mut reading, name: "" }.deserialize(&mut parser).and_then(|()| parser.end());
    match (read, reading.beyond) {
        (_, Some(bound)) => Err(bound),
        (Err(_), None) => Err(Unreadable::Malformed),
        (Ok(()), None) => Ok(reading.builder.tree),
    }
}

struct Reading {
    builder: Builder,
    /// The bound that was passed: the parser's error cannot carry it.
    beyond: Option<Unreadable>,
}

impl Reading {
    fn note<E: Error>(&mut self, done: Result<(), Unreadable>) -> Result<(), E> {
        done.map_err(|bound| {
            self.beyond = Some(bound);
            E::custom(bound)
        })
    }

    fn leaf<E: Error>(&mut self, name: &str, text: &str) -> Result<(), E> {
        let done = self.builder.leaf(name, text);
        self.note(done)
    }

    fn begin<E: Error>(&mut self, name: &str) -> Result<(), E> {
        let done = self.builder.begin(name);
        self.note(done)
    }

    fn end<E: Error>(&mut self) -> Result<(), E> {
        let done = self.builder.end("");
        self.note(done)
    }
}

/// A value of this name.
struct Value<'r, 'n> {
    reading: &'r mut Reading,
    name: &'n str,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.reading.leaf(self.name, "")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.reading.leaf(self.name, if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.reading.leaf(self.name, &value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.reading.leaf(self.name, &value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        // As JSON writes it: 1.0, not 1.
        self.reading.leaf(self.name, &serde_json::Value::from(value).to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.reading.leaf(self.name, value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let reading = self.reading;
        reading.begin(self.name)?;
        while items.next_element_seed(Value { reading, name: "" })?.is_some() {}
        reading.end()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let reading = self.reading;
        reading.begin(self.name)?;
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            members.next_value_seed(Value { reading, name: &name })?;
        }
        reading.end()
    }
}
