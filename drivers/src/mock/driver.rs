//! The mock cloud as a driver: each operation of the trait, handed to a session on the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::MockDriver;
use super::blobs::{Cutter, Upload, read_content};
use super::session::Session;
use crate::capability::Capabilities;
use crate::driver::{Answer, ComputeDriver};
use crate::error::DriverError;
use crate::model::{
    Address, Blob, BlobStream, Bucket, CommandOutput, CreateBucket, CreateFirewall, CreateImage,
    CreateInstance, CreateKey, CreateLoadBalancer, CreateNetwork, CreateNetworkInterface, CreateSnapshot,
    CreateSubnet, CreateVolume, Firewall, FirewallRule, HardwareProfile, Image, Instance, Key, LoadBalancer,
    Metric, Network, NetworkInterface, NewRule, ProfileChoice, PutBlob, Realm, RunCommand, Snapshot, Subnet,
    Volume,
};
use crate::operation::{Collection, Operation, Verb};
use crate::states::StateMachine;

impl MockDriver {
    /// Stores content piece by piece as it comes; gives its length.
    async fn send_pieces(&self, number: i64, content: BlobStream) -> Answer<u64> {
        let mut cutter = Cutter::new(content);
        let mut length = 0;
        let mut place = 0;
        while let Some(piece) = cutter.next().await? {
            length += piece.len() as u64;
            self.quietly(move |s| s.write_piece(number, place, &piece)).await?;
            place += 1;
        }
        Ok(length)
    }
}

/// The shapes that most operations have. What a job needs is given to it, for it is done on another thread.
impl MockDriver {
    async fn index<T: Send + 'static>(
        &self,
        collection: Collection,
        job: impl FnOnce(&Session<'_>) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.look(Operation::new(collection, Verb::Index), job).await
    }

    async fn show<T: Send + 'static>(
        &self,
        collection: Collection,
        id: &str,
        job: impl FnOnce(&Session<'_>, &str) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let own = id.to_owned();
        self.look(Operation::new(collection, Verb::Show), move |s| job(s, &own)).await
    }

    async fn create<R: Clone + Send + 'static, T: Send + 'static>(
        &self,
        collection: Collection,
        subject: &str,
        request: &R,
        job: impl FnOnce(&Session<'_>, &R) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let wanted = request.clone();
        self.change(Operation::new(collection, Verb::Create), subject, move |s| job(s, &wanted)).await
    }

    async fn act<T: Send + 'static>(
        &self,
        collection: Collection,
        verb: Verb,
        id: &str,
        job: impl FnOnce(&Session<'_>, &str) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let own = id.to_owned();
        self.change(Operation::new(collection, verb), id, move |s| job(s, &own)).await
    }
}

#[async_trait]
impl ComputeDriver for MockDriver {
    fn name(&self) -> &str {
        &self.world.config.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.world.capabilities
    }

    fn instance_states(&self) -> &StateMachine {
        &self.world.machine
    }

    async fn realms(&self) -> Answer<Vec<Realm>> {
        let realms = Arc::clone(&self.world);
        self.look(Operation::new(Collection::Realms, Verb::Index), move |_| Ok(realms.realms.clone())).await
    }

    async fn realm(&self, id: &str) -> Answer<Realm> {
        self.show(Collection::Realms, id, |s, id| {
            s.world.realm(id).cloned().ok_or_else(|| DriverError::not_found(Collection::Realms, id))
        })
        .await
    }

    async fn hardware_profiles(&self) -> Answer<Vec<HardwareProfile>> {
        self.index(Collection::HardwareProfiles, |s| Ok(s.world.config.hardware_profiles.clone())).await
    }

    async fn images(&self) -> Answer<Vec<Image>> {
        self.index(Collection::Images, |s| s.images()).await
    }

    async fn create_image(&self, request: &CreateImage) -> Answer<Image> {
        self.create(Collection::Images, &request.instance_id, request, |s, wanted| s.create_image(wanted))
            .await
    }

    async fn destroy_image(&self, id: &str) -> Answer<()> {
        self.act(Collection::Images, Verb::Destroy, id, |s, id| s.destroy_image(id)).await
    }

    async fn instances(&self) -> Answer<Vec<Instance>> {
        self.index(Collection::Instances, |s| s.instances()).await
    }

    async fn instance(&self, id: &str) -> Answer<Instance> {
        self.show(Collection::Instances, id, |s, id| s.instance(id)).await
    }

    async fn instance_named(&self, name: &str) -> Answer<Option<Instance>> {
        let own = name.to_owned();
        self.index(Collection::Instances, move |s| s.instance_named(&own)).await
    }

    async fn create_instance(&self, request: &CreateInstance) -> Answer<Instance> {
        self.create(Collection::Instances, &request.name, request, |s, wanted| s.create_instance(wanted))
            .await
    }

    async fn start_instance(&self, id: &str) -> Answer<Instance> {
        self.act(Collection::Instances, Verb::Start, id, |s, id| s.start_instance(id)).await
    }

    async fn stop_instance(&self, id: &str) -> Answer<Instance> {
        self.act(Collection::Instances, Verb::Stop, id, |s, id| s.stop_instance(id)).await
    }

    async fn reboot_instance(&self, id: &str) -> Answer<Instance> {
        self.act(Collection::Instances, Verb::Reboot, id, |s, id| s.reboot_instance(id)).await
    }

    async fn destroy_instance(&self, id: &str) -> Answer<()> {
        self.act(Collection::Instances, Verb::Destroy, id, |s, id| s.destroy_instance(id)).await
    }

    async fn resize_instance(&self, id: &str, size: &ProfileChoice) -> Answer<Instance> {
        let size = size.clone();
        self.act(Collection::Instances, Verb::Resize, id, move |s, id| s.resize_instance(id, &size)).await
    }

    async fn set_user_data(&self, id: &str, user_data: Option<&str>) -> Answer<Instance> {
        let data = user_data.map(str::to_owned);
        self.act(Collection::Instances, Verb::SetUserData, id, move |s, id| s.set_user_data(id, data)).await
    }

    async fn rebuild_instance(&self, id: &str, image_id: &str) -> Answer<Instance> {
        let image = image_id.to_owned();
        self.act(Collection::Instances, Verb::Rebuild, id, move |s, id| s.rebuild_instance(id, &image)).await
    }

    async fn keys(&self) -> Answer<Vec<Key>> {
        self.index(Collection::Keys, |s| {
            Ok(s.all(Collection::Keys)?.into_iter().map(Session::shown_key).collect())
        })
        .await
    }

    async fn key(&self, id: &str) -> Answer<Key> {
        self.show(Collection::Keys, id, |s, id| s.get(Collection::Keys, id).map(Session::shown_key)).await
    }

    async fn create_key(&self, request: &CreateKey) -> Answer<Key> {
        self.create(Collection::Keys, &request.name, request, |s, wanted| s.create_key(wanted)).await
    }

    async fn destroy_key(&self, id: &str) -> Answer<()> {
        self.act(Collection::Keys, Verb::Destroy, id, |s, id| s.remove(Collection::Keys, id)).await
    }

    async fn addresses(&self) -> Answer<Vec<Address>> {
        self.index(Collection::Addresses, |s| s.all(Collection::Addresses)).await
    }

    async fn address(&self, id: &str) -> Answer<Address> {
        self.show(Collection::Addresses, id, |s, id| s.get(Collection::Addresses, id)).await
    }

    async fn create_address(&self) -> Answer<Address> {
        self.change(Operation::new(Collection::Addresses, Verb::Create), "", move |s| s.create_address())
            .await
    }

    async fn associate_address(&self, id: &str, instance_id: &str) -> Answer<Address> {
        let instance = instance_id.to_owned();
        self.act(Collection::Addresses, Verb::Associate, id, move |s, id| s.associate_address(id, &instance))
            .await
    }

    async fn disassociate_address(&self, id: &str) -> Answer<Address> {
        self.act(Collection::Addresses, Verb::Disassociate, id, |s, id| s.disassociate_address(id)).await
    }

    async fn destroy_address(&self, id: &str) -> Answer<()> {
        self.act(Collection::Addresses, Verb::Destroy, id, |s, id| s.destroy_address(id)).await
    }

    async fn firewalls(&self) -> Answer<Vec<Firewall>> {
        self.index(Collection::Firewalls, |s| s.all(Collection::Firewalls)).await
    }

    async fn firewall(&self, id: &str) -> Answer<Firewall> {
        self.show(Collection::Firewalls, id, |s, id| s.get(Collection::Firewalls, id)).await
    }

    async fn create_firewall(&self, request: &CreateFirewall) -> Answer<Firewall> {
        self.create(Collection::Firewalls, &request.name, request, |s, wanted| s.create_firewall(wanted))
            .await
    }

    async fn destroy_firewall(&self, id: &str) -> Answer<()> {
        self.act(Collection::Firewalls, Verb::Destroy, id, |s, id| s.destroy_firewall(id)).await
    }

    async fn add_firewall_rule(&self, firewall_id: &str, rule: &NewRule) -> Answer<FirewallRule> {
        let rule = rule.clone();
        self.act(Collection::Firewalls, Verb::AddRule, firewall_id, move |s, id| {
            s.add_firewall_rule(id, &rule)
        })
        .await
    }

    async fn remove_firewall_rule(&self, firewall_id: &str, rule_id: &str) -> Answer<()> {
        let rule = rule_id.to_owned();
        self.act(Collection::Firewalls, Verb::RemoveRule, firewall_id, move |s, id| {
            s.remove_firewall_rule(id, &rule)
        })
        .await
    }

    async fn storage_volumes(&self) -> Answer<Vec<Volume>> {
        self.index(Collection::StorageVolumes, |s| s.all(Collection::StorageVolumes)).await
    }

    async fn storage_volume(&self, id: &str) -> Answer<Volume> {
        self.show(Collection::StorageVolumes, id, |s, id| s.get(Collection::StorageVolumes, id)).await
    }

    async fn storage_volume_named(&self, name: &str) -> Answer<Option<Volume>> {
        let own = name.to_owned();
        self.index(Collection::StorageVolumes, move |s| s.named(Collection::StorageVolumes, &own)).await
    }

    async fn create_storage_volume(&self, request: &CreateVolume) -> Answer<Volume> {
        self.create(
            Collection::StorageVolumes,
            request.name.as_deref().unwrap_or_default(),
            request,
            |s, wanted| s.create_volume(wanted),
        )
        .await
    }

    async fn attach_storage_volume(
        &self,
        id: &str,
        instance_id: &str,
        device: Option<&str>,
    ) -> Answer<Volume> {
        let (own, instance, device) = (id.to_owned(), instance_id.to_owned(), device.map(str::to_owned));
        self.change(Operation::new(Collection::StorageVolumes, Verb::Attach), id, move |s| {
            s.attach_volume(&own, &instance, device.as_deref())
        })
        .await
    }

    async fn detach_storage_volume(&self, id: &str) -> Answer<Volume> {
        self.act(Collection::StorageVolumes, Verb::Detach, id, |s, id| s.detach_volume(id)).await
    }

    async fn destroy_storage_volume(&self, id: &str) -> Answer<()> {
        self.act(Collection::StorageVolumes, Verb::Destroy, id, |s, id| s.destroy_volume(id)).await
    }

    async fn storage_snapshots(&self) -> Answer<Vec<Snapshot>> {
        self.index(Collection::StorageSnapshots, |s| s.all(Collection::StorageSnapshots)).await
    }

    async fn storage_snapshot(&self, id: &str) -> Answer<Snapshot> {
        self.show(Collection::StorageSnapshots, id, |s, id| s.get(Collection::StorageSnapshots, id)).await
    }

    async fn create_storage_snapshot(&self, request: &CreateSnapshot) -> Answer<Snapshot> {
        self.create(Collection::StorageSnapshots, &request.volume_id, request, |s, wanted| {
            s.create_snapshot(wanted)
        })
        .await
    }

    async fn destroy_storage_snapshot(&self, id: &str) -> Answer<()> {
        self.act(Collection::StorageSnapshots, Verb::Destroy, id, |s, id| {
            s.remove(Collection::StorageSnapshots, id)
        })
        .await
    }

    async fn buckets(&self) -> Answer<Vec<Bucket>> {
        self.index(Collection::Buckets, |s| s.buckets()).await
    }

    async fn bucket(&self, id: &str) -> Answer<Bucket> {
        self.show(Collection::Buckets, id, |s, id| s.bucket(id)).await
    }

    async fn create_bucket(&self, request: &CreateBucket) -> Answer<Bucket> {
        self.create(Collection::Buckets, &request.name, request, |s, wanted| s.create_bucket(wanted)).await
    }

    async fn destroy_bucket(&self, id: &str) -> Answer<()> {
        self.act(Collection::Buckets, Verb::Destroy, id, |s, id| s.destroy_bucket(id)).await
    }

    async fn blob(&self, bucket_id: &str, id: &str) -> Answer<Blob> {
        let (bucket, own) = (bucket_id.to_owned(), id.to_owned());
        self.look(Operation::new(Collection::Blobs, Verb::Show), move |s| s.blob(&bucket, &own)).await
    }

    async fn put_blob(&self, bucket_id: &str, request: &PutBlob, content: BlobStream) -> Answer<Blob> {
        let put = Operation::new(Collection::Blobs, Verb::Put);
        self.world.capabilities.require(put)?;
        let (bucket, id) = (bucket_id.to_owned(), request.id.clone());
        let number = self.quietly(move |s| s.begin_upload(&bucket, &id)).await?;
        let _upload = Upload { store: Arc::clone(&self.store), number };
        let length = self.send_pieces(number, content).await?;
        let (bucket, wanted) = (bucket_id.to_owned(), request.clone());
        self.change(put, &request.id, move |s| s.end_upload(&bucket, &wanted, number, length)).await
    }

    async fn blob_content(&self, bucket_id: &str, id: &str) -> Answer<BlobStream> {
        let (bucket, own) = (bucket_id.to_owned(), id.to_owned());
        let (length, content) = self
            .look(Operation::new(Collection::Blobs, Verb::Content), move |s| s.blob_to_read(&bucket, &own))
            .await?;
        Ok(read_content(Arc::clone(&self.store), Arc::clone(&self.world), length, content))
    }

    async fn set_blob_metadata(
        &self,
        bucket_id: &str,
        id: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Answer<Blob> {
        let (bucket, own) = (bucket_id.to_owned(), id.to_owned());
        let metadata = metadata.clone();
        self.change(Operation::new(Collection::Blobs, Verb::SetMetadata), id, move |s| {
            s.set_blob_metadata(&bucket, &own, metadata)
        })
        .await
    }

    async fn destroy_blob(&self, bucket_id: &str, id: &str) -> Answer<()> {
        let (bucket, own) = (bucket_id.to_owned(), id.to_owned());
        self.change(Operation::new(Collection::Blobs, Verb::Destroy), id, move |s| {
            s.destroy_blob(&bucket, &own)
        })
        .await
    }

    async fn networks(&self) -> Answer<Vec<Network>> {
        self.index(Collection::Networks, |s| s.networks()).await
    }

    async fn network(&self, id: &str) -> Answer<Network> {
        self.show(Collection::Networks, id, |s, id| s.network(id)).await
    }

    async fn create_network(&self, request: &CreateNetwork) -> Answer<Network> {
        self.create(Collection::Networks, &request.name, request, |s, wanted| s.create_network(wanted)).await
    }

    async fn destroy_network(&self, id: &str) -> Answer<()> {
        self.act(Collection::Networks, Verb::Destroy, id, |s, id| s.destroy_network(id)).await
    }

    async fn subnets(&self) -> Answer<Vec<Subnet>> {
        self.index(Collection::Subnets, |s| s.all(Collection::Subnets)).await
    }

    async fn subnet(&self, id: &str) -> Answer<Subnet> {
        self.show(Collection::Subnets, id, |s, id| s.get(Collection::Subnets, id)).await
    }

    async fn create_subnet(&self, request: &CreateSubnet) -> Answer<Subnet> {
        self.create(Collection::Subnets, request.name.as_deref().unwrap_or_default(), request, |s, wanted| {
            s.create_subnet(wanted)
        })
        .await
    }

    async fn destroy_subnet(&self, id: &str) -> Answer<()> {
        self.act(Collection::Subnets, Verb::Destroy, id, |s, id| s.destroy_subnet(id)).await
    }

    async fn network_interfaces(&self) -> Answer<Vec<NetworkInterface>> {
        self.index(Collection::NetworkInterfaces, |s| s.all(Collection::NetworkInterfaces)).await
    }

    async fn network_interface(&self, id: &str) -> Answer<NetworkInterface> {
        self.show(Collection::NetworkInterfaces, id, |s, id| s.get(Collection::NetworkInterfaces, id)).await
    }

    async fn create_network_interface(&self, request: &CreateNetworkInterface) -> Answer<NetworkInterface> {
        self.create(Collection::NetworkInterfaces, &request.name, request, |s, wanted| {
            s.create_network_interface(wanted)
        })
        .await
    }

    async fn destroy_network_interface(&self, id: &str) -> Answer<()> {
        self.act(Collection::NetworkInterfaces, Verb::Destroy, id, |s, id| s.destroy_network_interface(id))
            .await
    }

    async fn run_on_instance(&self, id: &str, command: &RunCommand) -> Answer<CommandOutput> {
        let command = command.clone();
        self.act(Collection::Instances, Verb::Run, id, move |s, id| s.run_command(id, &command)).await
    }

    async fn load_balancers(&self) -> Answer<Vec<LoadBalancer>> {
        self.index(Collection::LoadBalancers, |s| s.all(Collection::LoadBalancers)).await
    }

    async fn load_balancer(&self, id: &str) -> Answer<LoadBalancer> {
        self.show(Collection::LoadBalancers, id, |s, id| s.get(Collection::LoadBalancers, id)).await
    }

    async fn create_load_balancer(&self, request: &CreateLoadBalancer) -> Answer<LoadBalancer> {
        self.create(Collection::LoadBalancers, &request.name, request, |s, wanted| {
            s.create_load_balancer(wanted)
        })
        .await
    }

    async fn register_instance(&self, id: &str, instance_id: &str) -> Answer<LoadBalancer> {
        let instance = instance_id.to_owned();
        self.act(Collection::LoadBalancers, Verb::Register, id, move |s, id| {
            s.register_instance(id, &instance)
        })
        .await
    }

    async fn unregister_instance(&self, id: &str, instance_id: &str) -> Answer<LoadBalancer> {
        let instance = instance_id.to_owned();
        self.act(Collection::LoadBalancers, Verb::Unregister, id, move |s, id| {
            s.unregister_instance(id, &instance)
        })
        .await
    }

    async fn destroy_load_balancer(&self, id: &str) -> Answer<()> {
        let all = Collection::LoadBalancers;
        self.act(all, Verb::Destroy, id, move |s, id| s.remove(all, id)).await
    }

    async fn metrics(&self) -> Answer<Vec<Metric>> {
        self.index(Collection::Metrics, |s| s.metrics()).await
    }

    async fn metric(&self, id: &str) -> Answer<Metric> {
        self.show(Collection::Metrics, id, |s, id| s.metric(id)).await
    }
}
