//! How each thing is shown: as an XML element and as a JSON object, which the API models differently.

mod balancer;
mod blob;
mod firewall;
mod image;
mod instance;
mod key;
mod metric;
mod network;
mod place;
mod storage;

use crate::xml::Element;
use drivers::HardwareProfile;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::collections::HashMap;

/// What stands for itself in a path segment; everything else is encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'+');
/// What a client may have put into a Host header is not taken as it is.
const HOST: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'\'').add(b'<').add(b'>').add(b'&').add(b'/').add(b'\\');

/// Makes links, absolute ones as the API has them.
#[derive(Debug, Clone, Default)]
pub struct Links {
    base: String,
}

impl Links {
    /// Links below `<scheme>://<host>/api`.
    #[must_use]
    pub fn new(scheme: &str, host: &str) -> Self {
        Self { base: format!("{scheme}://{}/api", utf8_percent_encode(host, HOST)) }
    }

    /// The entry point.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// To what lies at these segments below the entry point.
    #[must_use]
    pub fn to(&self, segments: &[&str]) -> String {
        let mut link = self.base.clone();
        for segment in segments {
            link.push('/');
            link.extend(utf8_percent_encode(segment, SEGMENT));
        }
        link
    }

    /// To a collection with a parameter in the path, as links to creations have it.
    #[must_use]
    pub fn with_matrix(&self, collection: &str, name: &str, value: &str) -> String {
        self.add_matrix(self.to(&[collection]), name, value)
    }

    /// A link with a parameter in the path.
    #[must_use]
    pub fn add_matrix(&self, link: String, name: &str, value: &str) -> String {
        format!("{link};{name}={}", utf8_percent_encode(value, SEGMENT))
    }
}

/// What views need beside the thing they show.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The links.
    pub links: Links,
    /// The driver's hardware profiles, for units and for images that run on all.
    pub profiles: Vec<HardwareProfile>,
    /// The devices of attached volumes, by the volumes' ids.
    pub devices: HashMap<String, String>,
    /// Whether images can be made of instances.
    pub makes_images: bool,
    /// Whether commands can be run on instances.
    pub runs: bool,
    /// Whether images can be destroyed.
    pub destroys_images: bool,
}

/// Something that has a representation.
pub trait View {
    /// Name of its element and of its JSON member.
    const ONE: &'static str;
    /// Name of a list of them; also their collection.
    const MANY: &'static str;

    /// Its identity in its collection.
    fn id(&self) -> &str;

    /// Its page.
    fn href(&self, links: &Links) -> String {
        links.to(&[Self::MANY, self.id()])
    }

    /// As XML.
    fn xml(&self, scene: &Scene) -> Element;

    /// As JSON, without the member that wraps it.
    fn json(&self, scene: &Scene) -> Value;
}

/// `<name href='…' id='…'/>`, a reference to something in a collection.
fn reference(name: &'static str, collection: &str, id: &str, scene: &Scene) -> Element {
    Element::new(name).attr("href", scene.links.to(&[collection, id])).attr("id", id)
}

/// The same in JSON.
fn json_reference(rel: &str, collection: &str, id: &str, scene: &Scene) -> Value {
    json!({ "id": id, "href": scene.links.to(&[collection, id]), "rel": rel })
}

/// `<link href method rel/>`, something that can be done.
fn action(rel: &'static str, method: &'static str, href: String) -> Element {
    Element::new("link").attr("href", href).attr("method", method).attr("rel", rel)
}

fn time(moment: chrono::DateTime<chrono::Utc>) -> String {
    moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_hold_whatever_an_id_holds() {
        let links = Links::new("http", "h:1");
        assert_eq!(links.to(&["buckets", "a/b c", "d?e"]), "http://h:1/api/buckets/a%2Fb%20c/d%3Fe");
        assert_eq!(
            links.with_matrix("images", "instance_id", "i;1"),
            "http://h:1/api/images;instance_id=i%3B1"
        );
    }

    #[test]
    fn a_host_header_cannot_leave_its_place() {
        assert_eq!(Links::new("http", "a'/><b").base(), "http://a%27%2F%3E%3Cb/api");
    }
}
