//! Realms and hardware profiles.

use super::{Scene, View};
use crate::xml::Element;
use drivers::{HardwareProfile, Property, PropertyValue, Realm, number_text};
use serde_json::{Map, Value, json};

impl View for Realm {
    const ONE: &'static str = "realm";
    const MANY: &'static str = "realms";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        super::reference("realm", "realms", &self.id, scene)
            .with(Element::leaf("name", &self.name))
            .with(Element::leaf("state", self.state.as_str()))
            // Older clients look for the element and not for what it says.
            .with(Element::leaf("limit", self.limit.map_or_else(String::new, |limit| limit.to_string())))
    }

    fn json(&self, scene: &Scene) -> Value {
        json!({
            "id": self.id,
            "href": scene.links.to(&["realms", &self.id]),
            "name": self.name,
            "state": self.state.as_str(),
            "limit": self.limit.map_or_else(|| json!("unlimited"), |limit| json!(limit)),
        })
    }
}

impl View for HardwareProfile {
    const ONE: &'static str = "hardware_profile";
    const MANY: &'static str = "hardware_profiles";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        super::reference("hardware_profile", "hardware_profiles", &self.id, scene)
            .with(Element::leaf("id", &self.id))
            .with(Element::leaf("name", &self.name))
            .with_all(self.properties.iter().map(|property| property_xml(property, scene)))
    }

    fn json(&self, scene: &Scene) -> Value {
        let mut shown = json!({
            "id": self.id,
            "href": scene.links.to(&["hardware_profiles", &self.id]),
            "name": self.name,
        });
        // A profile that tells nothing about itself has no such member at all.
        if !self.properties.is_empty() {
            let values = self.properties.iter().map(|p| (p.name.clone(), json!(p.default_value())));
            shown["properties"] = Value::Object(values.collect::<Map<_, _>>());
        }
        shown
    }
}

fn property_xml(property: &Property, scene: &Scene) -> Element {
    let kind = match property.value {
        PropertyValue::Fixed { .. } => "fixed",
        PropertyValue::Range { .. } => "range",
        PropertyValue::Enum { .. } => "enum",
    };
    let parameter = property.parameter().map(|name| {
        Element::new("param")
            .attr("href", scene.links.to(&["instances"]))
            .attr("method", "post")
            .attr("name", name)
            .attr("operation", "create")
    });
    let values = match &property.value {
        PropertyValue::Fixed { .. } => None,
        PropertyValue::Range { first, last, .. } => {
            Some(Element::new("range").attr("first", number_text(*first)).attr("last", number_text(*last)))
        }
        PropertyValue::Enum { entries, .. } => Some(
            Element::new("enum")
                .with_all(entries.iter().map(|entry| Element::new("entry").attr("value", entry))),
        ),
    };
    Element::new("property")
        .attr("kind", kind)
        .attr("name", &property.name)
        .attr("unit", &property.unit)
        .attr("value", property.default_value())
        .with_all(parameter)
        .with_all(values)
}
