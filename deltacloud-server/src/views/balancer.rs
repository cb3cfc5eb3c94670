//! Load balancers.

use super::{Scene, View, action, json_reference, reference, time};
use crate::xml::Element;
use drivers::LoadBalancer;
use serde_json::{Value, json};

impl View for LoadBalancer {
    const ONE: &'static str = "load_balancer";
    const MANY: &'static str = "load_balancers";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        let to = |verb: &str| scene.links.to(&["load_balancers", &self.id, verb]);
        let listeners = self.listeners.iter().map(|listener| {
            Element::new("listener")
                .attr("protocol", &listener.protocol)
                .with(Element::leaf("load_balancer_port", listener.balancer_port.to_string()))
                .with(Element::leaf("instance_port", listener.instance_port.to_string()))
        });
        let instances = self.instances.iter().map(|id| {
            let leave = Element::new("link").attr("href", to("unregister")).attr("rel", "unregister");
            reference("instance", "instances", id, scene).with(leave)
        });
        reference("load_balancer", "load_balancers", &self.id, scene)
            .with(
                Element::new("actions")
                    .with(action("destroy", "delete", scene.links.to(&["load_balancers", &self.id])))
                    .with(action("register", "post", to("register"))),
            )
            .with(
                Element::new("public_addresses")
                    .with_all(self.public_addresses.iter().map(|address| Element::leaf("address", address))),
            )
            .with_all(self.created.map(|at| Element::leaf("created_at", time(at))))
            .with_all(self.realm_id.as_ref().map(|id| reference("realm", "realms", id, scene)))
            .with(Element::new("listeners").with_all(listeners))
            .with(Element::new("instances").with_all(instances))
    }

    fn json(&self, scene: &Scene) -> Value {
        let references = |rel: &str, collection: &str, ids: &mut dyn Iterator<Item = &String>| -> Value {
            ids.map(|id| json_reference(rel, collection, id, scene)).collect()
        };
        let listeners: Vec<_> = self
            .listeners
            .iter()
            .map(|listener| {
                json!({
                    "id": null,
                    "protocol": listener.protocol,
                    "load_balancer_port": listener.balancer_port,
                    "instance_port": listener.instance_port,
                })
            })
            .collect();
        let mut shown = json!({
            "id": self.id,
            "href": scene.links.to(&["load_balancers", &self.id]),
            "realms": references("realm", "realms", &mut self.realm_id.iter()),
            "listeners": listeners,
            "instances": references("instance", "instances", &mut self.instances.iter()),
            "public_addresses": self.public_addresses,
        });
        if let Some(at) = self.created {
            shown["created_at"] = json!(time(at));
        }
        shown
    }
}
