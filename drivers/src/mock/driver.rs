//! The mock cloud as a driver: each operation of the trait, handed to a session on the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::MockDriver;
use super::blobs::{Cutter, Upload, read_content};
use crate::capability::{Capabilities, Collection, Operation, Verb};
use crate::driver::{Answer, ComputeDriver};
use crate::error::DriverError;
use crate::model::{
    Address, Blob, BlobStream, Bucket, CommandOutput, CreateBucket, CreateFirewall, CreateImage,
    CreateInstance, CreateKey, CreateLoadBalancer, CreateNetwork, CreateNetworkInterface, CreateSnapshot,
    CreateSubnet, CreateVolume, Firewall, FirewallRule, HardwareProfile, Image, Instance, Key, LoadBalancer,
    Metric, Network, NetworkInterface, NewRule, ProfileChoice, PutBlob, Realm, RunCommand, Snapshot, Subnet,
    Volume,
};
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
        let own = id.to_owned();
        self.look(Operation::new(Collection::Realms, Verb::Show), move |s| {
            s.world.realm(&own).cloned().ok_or_else(|| DriverError::not_found(Collection::Realms, own))
        })
        .await
    }

    async fn hardware_profiles(&self) -> Answer<Vec<HardwareProfile>> {
        self.look(Operation::new(Collection::HardwareProfiles, Verb::Index), move |s| {
            Ok(s.world.config.hardware_profiles.clone())
        })
        .await
    }

    async fn images(&self) -> Answer<Vec<Image>> {
        self.look(Operation::new(Collection::Images, Verb::Index), move |s| s.images()).await
    }

    async fn create_image(&self, request: &CreateImage) -> Answer<Image> {
        let wanted = request.clone();
        self.change(Operation::new(Collection::Images, Verb::Create), &request.instance_id, move |s| {
            s.create_image(&wanted)
        })
        .await
    }

    async fn destroy_image(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Images, Verb::Destroy), id, move |s| s.destroy_image(&own))
            .await
    }

    async fn instances(&self) -> Answer<Vec<Instance>> {
        self.look(Operation::new(Collection::Instances, Verb::Index), move |s| s.instances()).await
    }

    async fn instance(&self, id: &str) -> Answer<Instance> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::Instances, Verb::Show), move |s| s.instance(&own)).await
    }

    async fn instance_named(&self, name: &str) -> Answer<Option<Instance>> {
        let own = name.to_owned();
        self.look(Operation::new(Collection::Instances, Verb::Index), move |s| s.instance_named(&own)).await
    }

    async fn create_instance(&self, request: &CreateInstance) -> Answer<Instance> {
        let wanted = request.clone();
        self.change(Operation::new(Collection::Instances, Verb::Create), &request.name, move |s| {
            s.create_instance(&wanted)
        })
        .await
    }

    async fn start_instance(&self, id: &str) -> Answer<Instance> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Instances, Verb::Start), id, move |s| s.start_instance(&own))
            .await
    }

    async fn stop_instance(&self, id: &str) -> Answer<Instance> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Instances, Verb::Stop), id, move |s| s.stop_instance(&own))
            .await
    }

    async fn reboot_instance(&self, id: &str) -> Answer<Instance> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Instances, Verb::Reboot), id, move |s| s.reboot_instance(&own))
            .await
    }

    async fn destroy_instance(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Instances, Verb::Destroy), id, move |s| {
            s.destroy_instance(&own)
        })
        .await
    }

    async fn resize_instance(&self, id: &str, size: &ProfileChoice) -> Answer<Instance> {
        let (own, size) = (id.to_owned(), size.clone());
        self.change(Operation::new(Collection::Instances, Verb::Resize), id, move |s| {
            s.resize_instance(&own, &size)
        })
        .await
    }

    async fn set_user_data(&self, id: &str, user_data: Option<&str>) -> Answer<Instance> {
        let (own, data) = (id.to_owned(), user_data.map(str::to_owned));
        self.change(Operation::new(Collection::Instances, Verb::SetUserData), id, move |s| {
            s.set_user_data(&own, data)
        })
        .await
    }

    async fn rebuild_instance(&self, id: &str, image_id: &str) -> Answer<Instance> {
        let (own, image) = (id.to_owned(), image_id.to_owned());
        self.change(Operation::new(Collection::Instances, Verb::Rebuild), id, move |s| {
            s.rebuild_instance(&own, &image)
        })
        .await
    }

    async fn keys(&self) -> Answer<Vec<Key>> {
        self.look(Operation::new(Collection::Keys, Verb::Index), move |s| s.all(Collection::Keys)).await
    }

    async fn key(&self, id: &str) -> Answer<Key> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::Keys, Verb::Show), move |s| s.get(Collection::Keys, &own)).await
    }

    async fn create_key(&self, request: &CreateKey) -> Answer<Key> {
        let wanted = request.clone();
        self.change(Operation::new(Collection::Keys, Verb::Create), &request.name, move |s| {
            s.create_key(&wanted)
        })
        .await
    }

    async fn destroy_key(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Keys, Verb::Destroy), id, move |s| {
            s.remove(Collection::Keys, &own)
        })
        .await
    }

    async fn addresses(&self) -> Answer<Vec<Address>> {
        self.look(Operation::new(Collection::Addresses, Verb::Index), move |s| s.all(Collection::Addresses))
            .await
    }

    async fn address(&self, id: &str) -> Answer<Address> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::Addresses, Verb::Show), move |s| {
            s.get(Collection::Addresses, &own)
        })
        .await
    }

    async fn create_address(&self) -> Answer<Address> {
        self.change(Operation::new(Collection::Addresses, Verb::Create), "", move |s| s.create_address())
            .await
    }

    async fn associate_address(&self, id: &str, instance_id: &str) -> Answer<Address> {
        let (own, instance) = (id.to_owned(), instance_id.to_owned());
        self.change(Operation::new(Collection::Addresses, Verb::Associate), id, move |s| {
            s.associate_address(&own, &instance)
        })
        .await
    }

    async fn disassociate_address(&self, id: &str) -> Answer<Address> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Addresses, Verb::Disassociate), id, move |s| {
            s.disassociate_address(&own)
        })
        .await
    }

    async fn destroy_address(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Addresses, Verb::Destroy), id, move |s| {
            s.destroy_address(&own)
        })
        .await
    }

    async fn firewalls(&self) -> Answer<Vec<Firewall>> {
        self.look(Operation::new(Collection::Firewalls, Verb::Index), move |s| s.all(Collection::Firewalls))
            .await
    }

    async fn firewall(&self, id: &str) -> Answer<Firewall> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::Firewalls, Verb::Show), move |s| {
            s.get(Collection::Firewalls, &own)
        })
        .await
    }

    async fn create_firewall(&self, request: &CreateFirewall) -> Answer<Firewall> {
        let wanted = request.clone();
        self.change(Operation::new(Collection::Firewalls, Verb::Create), &request.name, move |s| {
            s.create_firewall(&wanted)
        })
        .await
    }

    async fn destroy_firewall(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Firewalls, Verb::Destroy), id, move |s| {
            s.destroy_firewall(&own)
        })
        .await
    }

    async fn add_firewall_rule(&self, firewall_id: &str, rule: &NewRule) -> Answer<FirewallRule> {
        let (own, rule) = (firewall_id.to_owned(), rule.clone());
        self.change(Operation::new(Collection::Firewalls, Verb::AddRule), firewall_id, move |s| {
            s.add_firewall_rule(&own, &rule)
        })
        .await
    }

    async fn remove_firewall_rule(&self, firewall_id: &str, rule_id: &str) -> Answer<()> {
        let (own, rule) = (firewall_id.to_owned(), rule_id.to_owned());
        self.change(Operation::new(Collection::Firewalls, Verb::RemoveRule), firewall_id, move |s| {
            s.remove_firewall_rule(&own, &rule)
        })
        .await
    }

    async fn storage_volumes(&self) -> Answer<Vec<Volume>> {
        self.look(Operation::new(Collection::StorageVolumes, Verb::Index), move |s| {
            s.all(Collection::StorageVolumes)
        })
        .await
    }

    async fn storage_volume(&self, id: &str) -> Answer<Volume> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::StorageVolumes, Verb::Show), move |s| {
            s.get(Collection::StorageVolumes, &own)
        })
        .await
    }

    async fn create_storage_volume(&self, request: &CreateVolume) -> Answer<Volume> {
        let wanted = request.clone();
        self.change(
            Operation::new(Collection::StorageVolumes, Verb::Create),
            request.name.as_deref().unwrap_or_default(),
            move |s| s.create_volume(&wanted),
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
        let own = id.to_owned();
        self.change(Operation::new(Collection::StorageVolumes, Verb::Detach), id, move |s| {
            s.detach_volume(&own)
        })
        .await
    }

    async fn destroy_storage_volume(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::StorageVolumes, Verb::Destroy), id, move |s| {
            s.destroy_volume(&own)
        })
        .await
    }

    async fn storage_snapshots(&self) -> Answer<Vec<Snapshot>> {
        self.look(Operation::new(Collection::StorageSnapshots, Verb::Index), move |s| {
            s.all(Collection::StorageSnapshots)
        })
        .await
    }

    async fn storage_snapshot(&self, id: &str) -> Answer<Snapshot> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::StorageSnapshots, Verb::Show), move |s| {
            s.get(Collection::StorageSnapshots, &own)
        })
        .await
    }

    async fn create_storage_snapshot(&self, request: &CreateSnapshot) -> Answer<Snapshot> {
        let wanted = request.clone();
        self.change(
            Operation::new(Collection::StorageSnapshots, Verb::Create),
            &request.volume_id,
            move |s| s.create_snapshot(&wanted),
        )
        .await
    }

    async fn destroy_storage_snapshot(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::StorageSnapshots, Verb::Destroy), id, move |s| {
            s.remove(Collection::StorageSnapshots, &own)
        })
        .await
    }

    async fn buckets(&self) -> Answer<Vec<Bucket>> {
        self.look(Operation::new(Collection::Buckets, Verb::Index), move |s| s.buckets()).await
    }

    async fn bucket(&self, id: &str) -> Answer<Bucket> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::Buckets, Verb::Show), move |s| s.bucket(&own)).await
    }

    async fn create_bucket(&self, request: &CreateBucket) -> Answer<Bucket> {
        let wanted = request.clone();
        self.change(Operation::new(Collection::Buckets, Verb::Create), &request.name, move |s| {
            s.create_bucket(&wanted)
        })
        .await
    }

    async fn destroy_bucket(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Buckets, Verb::Destroy), id, move |s| s.destroy_bucket(&own))
            .await
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
        self.look(Operation::new(Collection::Networks, Verb::Index), move |s| s.networks()).await
    }

    async fn network(&self, id: &str) -> Answer<Network> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::Networks, Verb::Show), move |s| s.network(&own)).await
    }

    async fn create_network(&self, request: &CreateNetwork) -> Answer<Network> {
        let wanted = request.clone();
        self.change(Operation::new(Collection::Networks, Verb::Create), &request.name, move |s| {
            s.create_network(&wanted)
        })
        .await
    }

    async fn destroy_network(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Networks, Verb::Destroy), id, move |s| s.destroy_network(&own))
            .await
    }

    async fn subnets(&self) -> Answer<Vec<Subnet>> {
        self.look(Operation::new(Collection::Subnets, Verb::Index), move |s| s.all(Collection::Subnets)).await
    }

    async fn subnet(&self, id: &str) -> Answer<Subnet> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::Subnets, Verb::Show), move |s| s.get(Collection::Subnets, &own))
            .await
    }

    async fn create_subnet(&self, request: &CreateSubnet) -> Answer<Subnet> {
        let wanted = request.clone();
        self.change(
            Operation::new(Collection::Subnets, Verb::Create),
            request.name.as_deref().unwrap_or_default(),
            move |s| s.create_subnet(&wanted),
        )
        .await
    }

    async fn destroy_subnet(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::Subnets, Verb::Destroy), id, move |s| s.destroy_subnet(&own))
            .await
    }

    async fn network_interfaces(&self) -> Answer<Vec<NetworkInterface>> {
        self.look(Operation::new(Collection::NetworkInterfaces, Verb::Index), move |s| {
            s.all(Collection::NetworkInterfaces)
        })
        .await
    }

    async fn network_interface(&self, id: &str) -> Answer<NetworkInterface> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::NetworkInterfaces, Verb::Show), move |s| {
            s.get(Collection::NetworkInterfaces, &own)
        })
        .await
    }

    async fn create_network_interface(&self, request: &CreateNetworkInterface) -> Answer<NetworkInterface> {
        let wanted = request.clone();
        self.change(Operation::new(Collection::NetworkInterfaces, Verb::Create), &request.name, move |s| {
            s.create_network_interface(&wanted)
        })
        .await
    }

    async fn destroy_network_interface(&self, id: &str) -> Answer<()> {
        let own = id.to_owned();
        self.change(Operation::new(Collection::NetworkInterfaces, Verb::Destroy), id, move |s| {
            s.destroy_network_interface(&own)
        })
        .await
    }

    async fn run_on_instance(&self, id: &str, command: &RunCommand) -> Answer<CommandOutput> {
        let (own, command) = (id.to_owned(), command.clone());
        self.change(Operation::new(Collection::Instances, Verb::Run), id, move |s| {
            s.run_command(&own, &command)
        })
        .await
    }

    async fn load_balancers(&self) -> Answer<Vec<LoadBalancer>> {
        let collection = Collection::LoadBalancers;
        self.look(Operation::new(collection, Verb::Index), move |s| s.all(collection)).await
    }

    async fn load_balancer(&self, id: &str) -> Answer<LoadBalancer> {
        let (collection, own) = (Collection::LoadBalancers, id.to_owned());
        self.look(Operation::new(collection, Verb::Show), move |s| s.get(collection, &own)).await
    }

    async fn create_load_balancer(&self, request: &CreateLoadBalancer) -> Answer<LoadBalancer> {
        let wanted = request.clone();
        self.change(Operation::new(Collection::LoadBalancers, Verb::Create), &request.name, move |s| {
            s.create_load_balancer(&wanted)
        })
        .await
    }

    async fn register_instance(&self, id: &str, instance_id: &str) -> Answer<LoadBalancer> {
        let (own, instance) = (id.to_owned(), instance_id.to_owned());
        self.change(Operation::new(Collection::LoadBalancers, Verb::Register), id, move |s| {
            s.register_instance(&own, &instance)
        })
        .await
    }

    async fn unregister_instance(&self, id: &str, instance_id: &str) -> Answer<LoadBalancer> {
        let (own, instance) = (id.to_owned(), instance_id.to_owned());
        self.change(Operation::new(Collection::LoadBalancers, Verb::Unregister), id, move |s| {
            s.unregister_instance(&own, &instance)
        })
        .await
    }

    async fn destroy_load_balancer(&self, id: &str) -> Answer<()> {
        let (collection, own) = (Collection::LoadBalancers, id.to_owned());
        self.change(Operation::new(collection, Verb::Destroy), id, move |s| s.remove(collection, &own)).await
    }

    async fn metrics(&self) -> Answer<Vec<Metric>> {
        self.look(Operation::new(Collection::Metrics, Verb::Index), move |s| s.metrics()).await
    }

    async fn metric(&self, id: &str) -> Answer<Metric> {
        let own = id.to_owned();
        self.look(Operation::new(Collection::Metrics, Verb::Show), move |s| s.metric(&own)).await
    }
}
