//! Addresses, volumes and snapshots: what is attached to instances.

use super::DeltacloudDriver;
use super::calls::{MadeBy, form};
use super::decode;
use super::http::of_reading;
use super::wire::Node;
use crate::driver::{Answer, ComputeDriver};
use crate::model::{Address, CreateSnapshot, CreateVolume, Snapshot, Volume};
use crate::operation::{Collection, Operation, Verb};

impl DeltacloudDriver {
    /// Gives an address to an instance.
    pub(super) async fn give_address(&self, id: &str, instance_id: &str) -> Answer<Address> {
        // Servers answer with nothing, and some with a failure where it is so already.
        let fields = [("instance_id", instance_id)];
        let acted = self.act(Collection::Addresses, Verb::Associate, id, &fields).await;
        let now = self.address(id).await?;
        if now.instance_id.as_deref() == Some(instance_id) { Ok(now) } else { acted.and(Ok(now)) }
    }

    /// Takes an address from its instance.
    pub(super) async fn take_address(&self, id: &str) -> Answer<Address> {
        let acted = self.act(Collection::Addresses, Verb::Disassociate, id, &[]).await;
        let now = self.address(id).await?;
        if now.instance_id.is_none() { Ok(now) } else { acted.and(Ok(now)) }
    }

    /// The volume that the server has under this name.
    pub(super) async fn volume_on_wire(&self, name: &str) -> Answer<Option<Volume>> {
        let index = Operation::new(Collection::StorageVolumes, Verb::Index);
        let mut url = self.collection(Collection::StorageVolumes, Verb::Index).await?;
        // A server that knows this filter saves both sides a listing; any other lists all.
        url.query_pairs_mut().append_pair("name", name);
        let told = self.server.fetch(&url, index, "").await?;
        let mut all: Vec<Volume> = Vec::new();
        let take = |node: Node<'_>| {
            if node.text(&["name"]) == Some(name) {
                all.push(decode::volume(node)?);
            }
            Some(())
        };
        told.list(take).map_err(of_reading)?;
        Ok(Volume::of_several(all))
    }

    /// Makes a volume.
    pub(super) async fn make_volume(&self, request: &CreateVolume) -> Answer<Volume> {
        let capacity = request.capacity.map(|gigabytes| gigabytes.to_string());
        let fields = form([
            ("name", request.name.as_deref()),
            ("description", request.description.as_deref()),
            ("capacity", capacity.as_deref()),
            ("realm_id", request.realm_id.as_deref()),
            ("snapshot_id", request.snapshot_id.as_deref()),
        ]);
        match &request.name {
            Some(name) => {
                let made_by = |volume: &Volume| {
                    let same = request.capacity.is_none_or(|wanted| wanted == volume.capacity);
                    MadeBy::judge(volume.name.as_deref() == Some(name), same)
                };
                self.make(Collection::StorageVolumes, &fields, name, decode::volume, made_by).await
            }
            None => {
                let told = self.post(Collection::StorageVolumes, &fields, "", false).await?;
                told.entity(decode::volume)
            }
        }
    }

    /// Attaches a volume.
    pub(super) async fn attach_volume(
        &self,
        id: &str,
        instance_id: &str,
        device: Option<&str>,
    ) -> Answer<Volume> {
        let before = self.storage_volume(id).await?;
        if before.instance_id.as_deref() == Some(instance_id) {
            return Ok(before);
        }
        // Real servers insist on a device.
        let fields = form([
            ("instance_id", Some(instance_id)),
            (
                "device",
                device.or(if self.found().await?.capabilities.unique_names {
                    None
                } else {
                    Some("/dev/sdc")
                }),
            ),
        ]);
        self.act(Collection::StorageVolumes, Verb::Attach, id, &fields).await?;
        self.storage_volume(id).await
    }

    /// Takes a snapshot.
    pub(super) async fn make_snapshot(&self, request: &CreateSnapshot) -> Answer<Snapshot> {
        let fields = form([
            ("volume_id", Some(request.volume_id.as_str())),
            ("name", request.name.as_deref()),
            ("description", request.description.as_deref()),
        ]);
        // Real servers give names of their own, so a name protects only where names are unique.
        let harmless = self.found().await?.capabilities.unique_names && request.name.is_some();
        let told = self.post(Collection::StorageSnapshots, &fields, &request.volume_id, harmless).await?;
        told.entity(decode::snapshot)
    }
}
