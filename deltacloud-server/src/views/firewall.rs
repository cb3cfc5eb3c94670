//! Firewalls and their rules.

use super::{Scene, View, action, reference};
use crate::xml::Element;
use drivers::{Firewall, FirewallRule, RuleSource};
use serde_json::{Value, json};

fn family(address: &str) -> &'static str {
    if address.contains(':') { "ipv6" } else { "ipv4" }
}

fn source_xml(source: &RuleSource) -> Element {
    match source {
        RuleSource::Address { address, prefix } => Element::new("source")
            .attr("address", address)
            .attr("family", family(address))
            .attr("prefix", prefix.to_string())
            .attr("type", "address"),
        RuleSource::Group { name, owner } => {
            Element::new("source").attr("name", name).attr("owner", owner).attr("type", "group")
        }
    }
}

fn source_json(source: &RuleSource) -> Value {
    match source {
        RuleSource::Address { address, prefix } => json!({
            "type": "address", "family": family(address), "address": address, "prefix": prefix.to_string(),
        }),
        RuleSource::Group { name, owner } => json!({ "type": "group", "name": name, "owner": owner }),
    }
}

fn rule_xml(firewall: &str, rule: &FirewallRule, scene: &Scene) -> Element {
    let href = scene.links.to(&["firewalls", firewall, &rule.id]);
    Element::new("rule")
        .attr("href", href.clone())
        .attr("id", &rule.id)
        .with(Element::new("actions").with(action("destroy", "delete", href)))
        .with(Element::leaf("allow_protocol", &rule.allow.protocol))
        .with(Element::leaf("port_from", rule.allow.port_from.to_string()))
        .with(Element::leaf("port_to", rule.allow.port_to.to_string()))
        .with(Element::leaf("direction", "ingress"))
        .with(Element::new("rule_action"))
        .with(Element::new("log_rule"))
        .with(Element::new("sources").with_all(rule.allow.sources.iter().map(source_xml)))
}

impl View for Firewall {
    const ONE: &'static str = "firewall";
    const MANY: &'static str = "firewalls";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        let own = scene.links.to(&["firewalls", &self.id]);
        let rules = scene.links.to(&["firewalls", &self.id, "rules"]);
        reference("firewall", "firewalls", &self.id, scene)
            .with(
                Element::new("actions")
                    .with(action("destroy", "delete", own))
                    .with(action("update", "post", rules)),
            )
            .with(Element::cdata("name", &self.name))
            .with(Element::cdata("description", &self.description))
            .with(Element::leaf("owner_id", &self.owner_id))
            .with(
                Element::new("rules").with_all(self.rules.iter().map(|rule| rule_xml(&self.id, rule, scene))),
            )
    }

    fn json(&self, scene: &Scene) -> Value {
        let rules: Vec<_> = self
            .rules
            .iter()
            .map(|rule| {
                json!({
                    "id": rule.id,
                    "allow_protocol": rule.allow.protocol,
                    "port_from": rule.allow.port_from.to_string(),
                    "port_to": rule.allow.port_to.to_string(),
                    "sources": rule.allow.sources.iter().map(source_json).collect::<Vec<_>>(),
                    "direction": "ingress",
                })
            })
            .collect();
        json!({
            "id": self.id,
            "href": scene.links.to(&["firewalls", &self.id]),
            "name": self.name,
            "description": self.description,
            "owner_id": self.owner_id,
            "rules": rules,
        })
    }
}
