//! Addresses, volumes, snapshots, buckets and blobs.

use std::collections::BTreeMap;

use super::{name, time_of};
use crate::deltacloud::wire::Node;
use crate::model::{Address, Blob, Bucket, Snapshot, Volume, VolumeState};

pub(in super::super) fn address(node: Node<'_>) -> Option<Address> {
    let id = node.id()?;
    let instance_id = node.reference("instance").or_else(|| node.text(&["instance_id"]).map(str::to_owned));
    Some(Address { ip: node.text(&["ip"]).unwrap_or(&id).to_owned(), id, instance_id })
}

pub(in super::super) fn volume(node: Node<'_>) -> Option<Volume> {
    let mount = node.field("mount");
    let instance_id =
        mount.and_then(|mount| mount.reference("instance")).or_else(|| node.reference("instance"));
    let device = mount.and_then(|m| m.field("device")).and_then(|device| device.text(&["name"]));
    let state = node.words(&["state"]).to_ascii_uppercase();
    Some(Volume {
        id: node.id()?,
        name: node.text(&["name"]).map(str::to_owned),
        description: node.text(&["description"]).map(str::to_owned),
        created: time_of(node, "created"),
        capacity: node.text(&["capacity"]).and_then(|c| c.parse::<f64>().ok()).map_or(0, whole),
        realm_id: node
            .text(&["realm_id"])
            .map(str::to_owned)
            .or_else(|| node.field("realm")?.text(&["id"]).map(str::to_owned)),
        state: match state.as_str() {
            "AVAILABLE" => VolumeState::Available,
            "IN-USE" | "IN_USE" => VolumeState::InUse,
            _ => VolumeState::Other(state),
        },
        device: device
            .or_else(|| node.text(&["device"]))
            .filter(|_| instance_id.is_some())
            .map(str::to_owned),
        instance_id,
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded before")]
fn whole(number: f64) -> u64 {
    number.clamp(0.0, 9.0e15) as u64
}

pub(in super::super) fn snapshot(node: Node<'_>) -> Option<Snapshot> {
    Some(Snapshot {
        id: node.id()?,
        name: node.text(&["name"]).map(str::to_owned),
        description: node.text(&["description"]).map(str::to_owned),
        created: time_of(node, "created"),
        volume_id: node.reference("storage_volume").unwrap_or_default(),
        state: node.text(&["state"]).map(str::to_owned),
    })
}

pub(in super::super) fn bucket(node: Node<'_>) -> Option<Bucket> {
    let id = node.id()?;
    let of_xml = node.fields().filter(|field| field.name() == "blob").filter_map(Node::id);
    let mut blobs: Vec<String> = of_xml.chain(node.list("blob_list").filter_map(Node::id)).collect();
    blobs.sort();
    Some(Bucket { name: name(node, &id), id, location: node.text(&["location"]).map(str::to_owned), blobs })
}

pub(in super::super) fn blob(node: Node<'_>) -> Option<Blob> {
    let bucket = node.field("bucket")?;
    let entries = node.list("user_metadata").map(|entry| {
        let key = entry.text(&["key"]).unwrap_or(entry.name());
        // One cloud behind real servers puts its own prefix before the keys.
        let key = key.strip_prefix("x-amz-meta-").unwrap_or(key);
        (key.to_owned(), entry.own_text().unwrap_or_default().to_owned())
    });
    Some(Blob {
        id: node.id()?,
        bucket_id: bucket.own_text().map(str::to_owned).or_else(|| bucket.id())?,
        content_length: node.text(&["content_length"]).and_then(|length| length.parse().ok()).unwrap_or(0),
        content_type: node.words(&["content_type"]),
        last_modified: time_of(node, "last_modified"),
        user_metadata: entries.collect::<BTreeMap<_, _>>(),
    })
}
