//! Instances.

use super::{Scene, View, action, json_reference, reference, time};
use crate::xml::Element;
use drivers::{Instance, InstanceAction, InstanceAddress};
use serde_json::{Map, Value, json};

/// What can be done with an instance: name, HTTP method and where.
fn actions(instance: &Instance, scene: &Scene) -> Vec<(&'static str, &'static str, String)> {
    let mut offered: Vec<_> = instance
        .actions
        .iter()
        .filter_map(|action| {
            let (method, href) = match action {
                InstanceAction::Create => return None,
                InstanceAction::Destroy => ("delete", scene.links.to(&["instances", &instance.id])),
                other => ("post", scene.links.to(&["instances", &instance.id, other.as_str()])),
            };
            Some((action.as_str(), method, href))
        })
        .collect();
    if scene.runs {
        let run = scene.links.to(&["instances", &instance.id, "run"]);
        offered.push(("run", "post", scene.links.add_matrix(run, "id", &instance.id)));
    }
    if scene.makes_images && instance.can_create_image {
        offered.push((
            "create_image",
            "post",
            scene.links.with_matrix("images", "instance_id", &instance.id),
        ));
    }
    offered
}

fn state(instance: &Instance) -> String {
    instance.state.as_str().to_uppercase()
}

fn addresses_xml(name: &'static str, addresses: &[InstanceAddress]) -> Element {
    Element::new(name).with_all(addresses.iter().map(|address| {
        let shown = Element::leaf("address", &address.value).attr("type", address.kind.as_str());
        match address.port {
            Some(port) => shown.attr("port", port.to_string()),
            None => shown,
        }
    }))
}

fn addresses_json(addresses: &[InstanceAddress]) -> Value {
    addresses
        .iter()
        .map(|address| {
            let mut shown = json!({ "address": address.value, "type": address.kind.as_str() });
            if let Some(port) = address.port {
                shown["port"] = json!(port);
            }
            shown
        })
        .collect()
}

/// The unit of a property, as its profile has it.
fn unit(instance: &Instance, property: &str, scene: &Scene) -> String {
    scene
        .profiles
        .iter()
        .find(|profile| profile.id == instance.hardware_profile.id)
        .and_then(|profile| profile.property(property))
        .map_or_else(|| "label".to_owned(), |property| property.unit.clone())
}

impl View for Instance {
    const ONE: &'static str = "instance";
    const MANY: &'static str = "instances";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        let chosen = self.hardware_profile.values.iter().map(|(name, value)| {
            Element::new("property")
                .attr("kind", "fixed")
                .attr("name", name)
                .attr("unit", unit(self, name, scene))
                .attr("value", value)
        });
        let volumes = self.storage_volumes.iter().map(|id| {
            let shown = reference("storage_volume", "storage_volumes", id, scene);
            match scene.devices.get(id) {
                Some(device) => shown.attr("device", device),
                None => shown,
            }
        });
        let login =
            self.keyname.as_ref().map(|key| Element::new("login").with(Element::leaf("keyname", key)));
        let firewalls = (!self.firewalls.is_empty()).then(|| {
            Element::new("firewalls")
                .with_all(self.firewalls.iter().map(|id| reference("firewall", "firewalls", id, scene)))
        });
        let interfaces = Element::new("network_interfaces").with_all(
            self.network_interfaces
                .iter()
                .map(|id| reference("network_interface", "network_interfaces", id, scene)),
        );
        reference("instance", "instances", &self.id, scene)
            .with(Element::leaf("name", &self.name))
            .with(Element::leaf("owner_id", &self.owner_id))
            .with(reference("image", "images", &self.image_id, scene))
            .with(reference("realm", "realms", &self.realm_id, scene))
            .with(Element::leaf("state", state(self)))
            .with(
                reference("hardware_profile", "hardware_profiles", &self.hardware_profile.id, scene)
                    .with_all(chosen),
            )
            .with(Element::new("actions").with_all(
                actions(self, scene).into_iter().map(|(rel, method, href)| action(rel, method, href)),
            ))
            .with_all(self.launch_time.map(|at| Element::leaf("launch_time", time(at))))
            .with(addresses_xml("public_addresses", &self.public_addresses))
            .with(addresses_xml("private_addresses", &self.private_addresses))
            .with_all(firewalls)
            .with(Element::new("storage_volumes").with_all(volumes))
            .with(Element::new("authentication").attr("type", "key").with_all(login))
            .with(interfaces)
    }

    fn json(&self, scene: &Scene) -> Value {
        let chosen: Map<String, Value> =
            self.hardware_profile.values.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut profile =
            json_reference("hardware_profile", "hardware_profiles", &self.hardware_profile.id, scene);
        profile["properties"] = Value::Object(chosen);
        let volumes: Vec<_> = self
            .storage_volumes
            .iter()
            .map(|id| json_reference("storage_volume", "storage_volumes", id, scene))
            .collect();
        let actions: Vec<_> = actions(self, scene)
            .into_iter()
            .map(|(rel, method, href)| json!({ "href": href, "rel": rel, "method": method }))
            .collect();
        let mut shown = json!({
            "id": self.id,
            "href": scene.links.to(&["instances", &self.id]),
            "name": self.name,
            "state": state(self),
            "owner": self.owner_id,
            "image": json_reference("image", "images", &self.image_id, scene),
            "realm": json_reference("realm", "realms", &self.realm_id, scene),
            "actions": actions,
            "hardware_profile": profile,
            "public_addresses": addresses_json(&self.public_addresses),
            "private_addresses": addresses_json(&self.private_addresses),
            "storage_volumes": volumes,
            "authentication_type": "key",
        });
        if scene.makes_images && self.can_create_image {
            shown["create_image"] = json!(true);
        }
        if let Some(key) = &self.keyname {
            shown["authentication"] = json!({ "keyname": key });
        }
        if let Some(at) = self.launch_time {
            shown["launch_time"] = json!(time(at));
        }
        let list = |rel: &str, collection: &str, ids: &[String]| -> Value {
            ids.iter().map(|id| json_reference(rel, collection, id, scene)).collect()
        };
        if !self.firewalls.is_empty() {
            shown["firewalls"] = list("firewall", "firewalls", &self.firewalls);
        }
        if !self.network_interfaces.is_empty() {
            shown["network_interfaces"] =
                list("network_interface", "network_interfaces", &self.network_interfaces);
        }
        shown
    }
}
