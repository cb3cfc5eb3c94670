//! Buckets and blobs.

use super::{Links, Scene, View, json_reference, reference, time};
use crate::xml::Element;
use drivers::{Blob, Bucket};
use serde_json::{Value, json};

impl View for Bucket {
    const ONE: &'static str = "bucket";
    const MANY: &'static str = "buckets";

    fn id(&self) -> &str {
        &self.id
    }

    fn xml(&self, scene: &Scene) -> Element {
        let blobs = self.blobs.iter().map(|id| {
            Element::new("blob").attr("href", scene.links.to(&["buckets", &self.id, id])).attr("id", id)
        });
        reference("bucket", "buckets", &self.id, scene)
            .with(Element::leaf("name", &self.name))
            .with(Element::leaf("size", self.blobs.len().to_string()))
            .with_all(self.location.as_ref().map(|place| Element::leaf("location", place)))
            .with_all(blobs)
    }

    fn json(&self, scene: &Scene) -> Value {
        let blobs: Vec<_> = self
            .blobs
            .iter()
            .map(|id| json!({ "rel": "blob", "href": scene.links.to(&["buckets", &self.id, id]), "id": id }))
            .collect();
        json!({
            "id": self.id,
            "href": scene.links.to(&["buckets", &self.id]),
            "name": self.name,
            "size": self.blobs.len(),
            "blob_list": blobs,
        })
    }
}

impl View for Blob {
    const ONE: &'static str = "blob";
    const MANY: &'static str = "blobs";

    fn id(&self) -> &str {
        &self.id
    }

    fn href(&self, links: &Links) -> String {
        links.to(&["buckets", &self.bucket_id, &self.id])
    }

    fn xml(&self, scene: &Scene) -> Element {
        let entries =
            self.user_metadata.iter().map(|(key, value)| Element::cdata("entry", value).attr("key", key));
        Element::new("blob")
            .attr("href", scene.links.to(&["buckets", &self.bucket_id, &self.id]))
            .attr("id", &self.id)
            .with(Element::leaf("bucket", &self.bucket_id))
            .with(Element::leaf("content_length", self.content_length.to_string()))
            .with(Element::leaf("content_type", &self.content_type))
            .with(Element::leaf("last_modified", time(self.last_modified)))
            .with(Element::new("user_metadata").with_all(entries))
            .with(
                Element::new("content")
                    .attr("href", scene.links.to(&["buckets", &self.bucket_id, &self.id, "content"]))
                    .attr("rel", "blob_content"),
            )
    }

    fn json(&self, scene: &Scene) -> Value {
        json!({
            "id": self.id,
            "href": scene.links.to(&["buckets", &self.bucket_id, &self.id]),
            "bucket": json_reference("bucket", "buckets", &self.bucket_id, scene),
            "content_length": self.content_length,
            "content_type": self.content_type,
            "last_modified": time(self.last_modified),
            "user_metadata": self.user_metadata,
        })
    }
}
