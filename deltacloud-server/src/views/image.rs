//! Images.

use super::{Scene, View, action, json_reference, reference, time};
use crate::xml::Element;
use drivers::Image;
use serde_json::{Value, json};

/// The profiles an image runs on: those it names, or all there are.
fn profiles<'a>(image: &'a Image, scene: &'a Scene) -> Vec<&'a str> {
    if image.hardware_profiles.is_empty() {
        scene.profiles.iter().map(|profile| profile.id.as_str()).collect()
    } else {
        image.hardware_profiles.iter().map(String::as_str).collect()
    }
}

impl View for Image {
    const ONE: &'static str = "image";
    const MANY: &'static str = "images";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        let profiles = profiles(self, scene);
        let create = scene.links.with_matrix("instances", "image_id", &self.id);
        let destroy = scene.destroys_images.then(|| scene.links.to(&["images", &self.id]));
        reference("image", "images", &self.id, scene)
            .with(Element::leaf("name", &self.name))
            .with(Element::leaf("description", &self.description))
            .with(Element::leaf("owner_id", &self.owner_id))
            .with(Element::leaf("architecture", &self.architecture))
            .with(Element::leaf("state", &self.state))
            .with_all(self.creation_time.map(|at| Element::leaf("creation_time", time(at))))
            .with(Element::new("hardware_profiles").with_all(profiles.into_iter().map(|id| {
                reference("hardware_profile", "hardware_profiles", id, scene).attr("rel", "hardware_profile")
            })))
            .with_all(self.root_type.as_ref().map(|kind| Element::leaf("root_type", kind)))
            .with(
                Element::new("actions")
                    .with(action("create_instance", "post", create))
                    .with_all(destroy.map(|href| action("destroy_image", "delete", href))),
            )
    }

    fn json(&self, scene: &Scene) -> Value {
        let profiles = profiles(self, scene);
        let mut shown = json!({
            "id": self.id,
            "href": scene.links.to(&["images", &self.id]),
            "name": self.name,
            "description": self.description,
            "owner": self.owner_id,
            "architecture": self.architecture,
            "state": self.state,
            "hardware_profiles": profiles
                .into_iter()
                .map(|id| json_reference("hardware_profile", "hardware_profiles", id, scene))
                .collect::<Vec<_>>(),
        });
        if let Some(kind) = &self.root_type {
            shown["root_type"] = json!(kind);
        }
        if let Some(at) = self.creation_time {
            shown["creation_time"] = json!(time(at));
        }
        shown
    }
}
