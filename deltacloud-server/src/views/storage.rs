//! Addresses, volumes and snapshots.

use super::{Scene, View, action, json_reference, reference, time};
use crate::xml::Element;
use drivers::{Address, Snapshot, Volume};
use serde_json::{Value, json};

impl View for Address {
    const ONE: &'static str = "address";
    const MANY: &'static str = "addresses";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        let to = |verb: &str| scene.links.to(&["addresses", &self.id, verb]);
        let move_it = match self.instance_id {
            Some(_) => action("disassociate", "post", to("disassociate")),
            None => action("associate", "post", to("associate")),
        };
        reference("address", "addresses", &self.id, scene)
            .with(Element::leaf("ip", &self.ip))
            .with(
                Element::new("actions")
                    .with(action("destroy", "delete", scene.links.to(&["addresses", &self.id])))
                    .with(move_it),
            )
            .with_all(self.instance_id.as_ref().map(|id| reference("instance", "instances", id, scene)))
    }

    fn json(&self, scene: &Scene) -> Value {
        let mut shown = json!({
            "id": self.id,
            "href": scene.links.to(&["addresses", &self.id]),
            "associated": self.instance_id.is_some(),
        });
        if let Some(id) = &self.instance_id {
            shown["instance_id"] = json!(id);
        }
        shown
    }
}

impl View for Volume {
    const ONE: &'static str = "storage_volume";
    const MANY: &'static str = "storage_volumes";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        let mount = self.instance_id.as_ref().map(|id| {
            let device = self.device.as_ref().map(|device| Element::new("device").attr("name", device));
            Element::new("mount").with(reference("instance", "instances", id, scene)).with_all(device)
        });
        reference("storage_volume", "storage_volumes", &self.id, scene)
            .with(Element::leaf("created", time(self.created)))
            .with(Element::leaf("capacity", self.capacity.to_string()).attr("unit", "GB"))
            .with(Element::leaf("name", self.name.as_ref().unwrap_or(&self.id)))
            .with_all(self.description.as_ref().map(|text| Element::leaf("description", text)))
            // Empty where there is none, as the API's text has it: older clients look for the elements.
            .with(Element::leaf("device", self.device.as_deref().unwrap_or_default()))
            .with_all(self.realm_id.as_ref().map(|id| reference("realm", "realms", id, scene)))
            .with_all(self.realm_id.as_ref().map(|id| Element::leaf("realm_id", id)))
            .with(Element::leaf("state", self.state.as_str()))
            .with(mount.unwrap_or_else(|| Element::new("instance")))
    }

    fn json(&self, scene: &Scene) -> Value {
        json!({
            "id": self.id,
            "href": scene.links.to(&["storage_volumes", &self.id]),
            "name": self.name,
            "description": self.description,
            "state": self.state.as_str(),
            "created": time(self.created),
            "realm": match &self.realm_id {
                Some(id) => json_reference("realm", "realms", id, scene),
                None => json!({ "id": null, "href": scene.links.to(&["realms"]), "rel": "realm" }),
            },
            "device": self.device,
            "kind": null,
            "capacity": self.capacity,
            "actions": [],
            "instance": match &self.instance_id {
                Some(id) => json_reference("instance", "instances", id, scene),
                None => json!({}),
            },
        })
    }
}

impl View for Snapshot {
    const ONE: &'static str = "storage_snapshot";
    const MANY: &'static str = "storage_snapshots";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        reference("storage_snapshot", "storage_snapshots", &self.id, scene)
            .with(Element::leaf("name", self.name.as_ref().unwrap_or(&self.id)))
            .with_all(self.description.as_ref().map(|text| Element::leaf("description", text)))
            .with(Element::leaf("created", time(self.created)))
            .with(Element::leaf("state", self.state.as_deref().unwrap_or_default()))
            .with(reference("storage_volume", "storage_volumes", &self.volume_id, scene))
    }

    fn json(&self, scene: &Scene) -> Value {
        json!({
            "id": self.id,
            "href": scene.links.to(&["storage_snapshots", &self.id]),
            "state": self.state.as_deref().unwrap_or("COMPLETED"),
            "storage_volume":
                json_reference("storage_volume", "storage_volumes", &self.volume_id, scene),
            "created": time(self.created),
        })
    }
}
