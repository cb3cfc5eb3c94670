//! Keys.

use super::{Scene, View, action, reference};
use crate::xml::Element;
use drivers::{Key, KeyKind};
use serde_json::{Value, json};

fn kind(key: &Key) -> &'static str {
    match key.kind {
        KeyKind::Key => "key",
        KeyKind::Password => "password",
    }
}

impl View for Key {
    const ONE: &'static str = "key";
    const MANY: &'static str = "keys";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        let destroy = action("destroy", "delete", scene.links.to(&["keys", &self.id]));
        reference("key", "keys", &self.id, scene)
            .attr("type", kind(self))
            .with(Element::leaf("name", &self.name))
            .with(Element::new("actions").with(destroy))
            .with_all(self.fingerprint.as_ref().map(|text| Element::leaf("fingerprint", text)))
            .with_all(self.private_key.as_ref().map(|pem| Element::cdata("pem", pem.expose())))
            .with(Element::new("state"))
    }

    fn json(&self, scene: &Scene) -> Value {
        json!({
            "id": self.id,
            "href": scene.links.to(&["keys", &self.id]),
            "credential_type": kind(self),
            "username": null,
            "password": null,
            "state": null,
            "pem_rsa_key": self.private_key.as_ref().map(|pem| pem.expose()),
            "fingerprint": self.fingerprint,
        })
    }
}
