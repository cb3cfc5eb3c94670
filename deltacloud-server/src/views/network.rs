//! Networks, subnets and network interfaces.

use super::{Scene, View, action, reference};
use crate::xml::Element;
use drivers::{Network, NetworkInterface, Subnet};
use serde_json::{Value, json};

fn destroy(collection: &str, id: &str, scene: &Scene) -> Element {
    Element::new("actions").with(action("destroy", "delete", scene.links.to(&[collection, id])))
}

/// A reference in JSON as this part of the API has it, without `rel`.
fn plain(collection: &str, id: &str, scene: &Scene) -> Value {
    json!({ "id": id, "href": scene.links.to(&[collection, id]) })
}

impl View for Network {
    const ONE: &'static str = "network";
    const MANY: &'static str = "networks";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        let blocks = self.address_blocks.iter().map(|block| Element::leaf("address_block", block));
        let subnets = self.subnets.iter().map(|id| reference("subnet", "subnets", id, scene));
        reference("network", "networks", &self.id, scene)
            .with(Element::leaf("name", &self.name))
            .with(Element::leaf("state", self.state.as_str()))
            .with(Element::new("address_blocks").with_all(blocks))
            .with(Element::new("subnets").with_all(subnets))
            .with(destroy("networks", &self.id, scene))
    }

    fn json(&self, scene: &Scene) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "href": scene.links.to(&["networks", &self.id]),
            "state": self.state.as_str(),
            "address_blocks": self.address_blocks,
            "subnets": self.subnets.iter().map(|id| plain("subnets", id, scene)).collect::<Vec<_>>(),
        })
    }
}

impl View for Subnet {
    const ONE: &'static str = "subnet";
    const MANY: &'static str = "subnets";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        reference("subnet", "subnets", &self.id, scene)
            .with(Element::leaf("name", &self.name))
            .with(Element::leaf("state", self.state.as_str()))
            .with(Element::leaf("address_block", &self.address_block))
            .with(Element::leaf("network", &self.network_id))
            .with(destroy("subnets", &self.id, scene))
    }

    fn json(&self, scene: &Scene) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "href": scene.links.to(&["subnets", &self.id]),
            "type": "PRIVATE",
            "state": self.state.as_str(),
            "address_block": self.address_block,
            "network": plain("networks", &self.network_id, scene),
        })
    }
}

impl View for NetworkInterface {
    const ONE: &'static str = "network_interface";
    const MANY: &'static str = "network_interfaces";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        // The API calls this a network, but what an interface is in is a subnet.
        let subnet = Element::leaf("network", &self.subnet_id)
            .attr("href", scene.links.to(&["subnets", &self.subnet_id]))
            .attr("id", &self.subnet_id)
            .attr("rel", "subnet");
        let instance = Element::leaf("instance", &self.instance_id)
            .attr("href", scene.links.to(&["instances", &self.instance_id]))
            .attr("id", &self.instance_id);
        reference("network_interface", "network_interfaces", &self.id, scene)
            .with(Element::leaf("name", &self.name))
            .with_all(self.ip_address.as_ref().map(|ip| Element::leaf("ip_address", ip)))
            .with_all(self.mac_address.as_ref().map(|mac| Element::leaf("mac_address", mac)))
            .with(subnet)
            .with(instance)
            .with(destroy("network_interfaces", &self.id, scene))
    }

    fn json(&self, scene: &Scene) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "href": scene.links.to(&["network_interfaces", &self.id]),
            "network": plain("subnets", &self.subnet_id, scene),
            "instance": plain("instances", &self.instance_id, scene),
            "ip_address": self.ip_address,
        })
    }
}
