//! The server as a driver: each operation of the trait as the requests it takes, with those that take more than one
//! in a file for their collections.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::calls::{MadeBy, form};
use super::{DeltacloudDriver, decode};
use crate::capability::Capabilities;
use crate::driver::{Answer, ComputeDriver};
use crate::error::DriverError;
use crate::model::{
    Address, Blob, BlobStream, Bucket, CommandOutput, CreateBucket, CreateFirewall, CreateImage,
    CreateInstance, CreateKey, CreateLoadBalancer, CreateNetwork, CreateNetworkInterface, CreateSnapshot,
    CreateSubnet, CreateVolume, Firewall, FirewallRule, HardwareProfile, Image, Instance, Key, LoadBalancer,
    Metric, Network, NetworkInterface, NewRule, PutBlob, Realm, RunCommand, Snapshot, Subnet, Volume,
};
use crate::operation::{Collection, Verb};
use crate::states::{InstanceAction, StateMachine};

#[async_trait]
impl ComputeDriver for DeltacloudDriver {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.found_so_far().capabilities
    }

    fn instance_states(&self) -> &StateMachine {
        &self.found_so_far().states
    }

    async fn realms(&self) -> Answer<Vec<Realm>> {
        self.list(Collection::Realms, decode::realm).await
    }

    async fn realm(&self, id: &str) -> Answer<Realm> {
        self.show(Collection::Realms, id, decode::realm).await
    }

    async fn hardware_profiles(&self) -> Answer<Vec<HardwareProfile>> {
        self.list(Collection::HardwareProfiles, decode::hardware_profile).await
    }

    async fn hardware_profile(&self, id: &str) -> Answer<HardwareProfile> {
        self.show(Collection::HardwareProfiles, id, decode::hardware_profile).await
    }

    async fn images(&self) -> Answer<Vec<Image>> {
        self.list(Collection::Images, decode::image).await
    }

    async fn image(&self, id: &str) -> Answer<Image> {
        self.show(Collection::Images, id, decode::image).await
    }

    async fn create_image(&self, request: &CreateImage) -> Answer<Image> {
        self.make_image(request).await
    }

    async fn destroy_image(&self, id: &str) -> Answer<()> {
        self.remove(Collection::Images, &[id], Verb::Destroy).await
    }

    async fn instances(&self) -> Answer<Vec<Instance>> {
        self.list(Collection::Instances, decode::instance).await
    }

    async fn instance(&self, id: &str) -> Answer<Instance> {
        let instance = self.show(Collection::Instances, id, decode::instance).await?;
        // Some clouds show for a while what is gone.
        match instance.state {
            crate::InstanceState::Finish => Err(DriverError::not_found(Collection::Instances, id)),
            _ => Ok(instance),
        }
    }

    async fn instance_named(&self, name: &str) -> Answer<Option<Instance>> {
        if self.found().await?.capabilities.unique_names {
            return self.instance_on_wire(name).await;
        }
        Ok(self.instances().await?.into_iter().find(|instance| instance.name == name))
    }

    async fn create_instance(&self, request: &CreateInstance) -> Answer<Instance> {
        self.make_instance(request).await
    }

    async fn start_instance(&self, id: &str) -> Answer<Instance> {
        self.go(id, InstanceAction::Start, Verb::Start).await
    }

    async fn stop_instance(&self, id: &str) -> Answer<Instance> {
        self.go(id, InstanceAction::Stop, Verb::Stop).await
    }

    async fn reboot_instance(&self, id: &str) -> Answer<Instance> {
        self.go(id, InstanceAction::Reboot, Verb::Reboot).await
    }

    async fn destroy_instance(&self, id: &str) -> Answer<()> {
        self.end_instance(id).await
    }

    async fn keys(&self) -> Answer<Vec<Key>> {
        self.list(Collection::Keys, decode::key).await
    }

    async fn key(&self, id: &str) -> Answer<Key> {
        self.show(Collection::Keys, id, decode::key).await
    }

    async fn create_key(&self, request: &CreateKey) -> Answer<Key> {
        let fields =
            form([("name", Some(request.name.as_str())), ("public_key", request.public_key.as_deref())]);
        let made_by = |key: &Key| MadeBy::judge(key.name == request.name, true);
        self.make(Collection::Keys, &fields, &request.name, decode::key, made_by).await
    }

    async fn destroy_key(&self, id: &str) -> Answer<()> {
        self.remove(Collection::Keys, &[id], Verb::Destroy).await
    }

    async fn addresses(&self) -> Answer<Vec<Address>> {
        self.list(Collection::Addresses, decode::address).await
    }

    async fn address(&self, id: &str) -> Answer<Address> {
        self.show(Collection::Addresses, id, decode::address).await
    }

    async fn create_address(&self) -> Answer<Address> {
        let told = self.post(Collection::Addresses, &[], "", false).await?;
        told.entity(decode::address)
    }

    async fn associate_address(&self, id: &str, instance_id: &str) -> Answer<Address> {
        self.give_address(id, instance_id).await
    }

    async fn disassociate_address(&self, id: &str) -> Answer<Address> {
        self.take_address(id).await
    }

    async fn destroy_address(&self, id: &str) -> Answer<()> {
        self.remove(Collection::Addresses, &[id], Verb::Destroy).await
    }

    async fn firewalls(&self) -> Answer<Vec<Firewall>> {
        self.list(Collection::Firewalls, decode::firewall).await
    }

    async fn firewall(&self, id: &str) -> Answer<Firewall> {
        self.show(Collection::Firewalls, id, decode::firewall).await
    }

    async fn create_firewall(&self, request: &CreateFirewall) -> Answer<Firewall> {
        self.make_firewall(request).await
    }

    async fn destroy_firewall(&self, id: &str) -> Answer<()> {
        self.remove(Collection::Firewalls, &[id], Verb::Destroy).await
    }

    async fn add_firewall_rule(&self, firewall_id: &str, rule: &NewRule) -> Answer<FirewallRule> {
        self.add_rule(firewall_id, rule).await
    }

    async fn remove_firewall_rule(&self, firewall_id: &str, rule_id: &str) -> Answer<()> {
        self.remove(Collection::Firewalls, &[firewall_id, rule_id], Verb::RemoveRule).await
    }

    async fn storage_volumes(&self) -> Answer<Vec<Volume>> {
        self.list(Collection::StorageVolumes, decode::volume).await
    }

    async fn storage_volume(&self, id: &str) -> Answer<Volume> {
        self.show(Collection::StorageVolumes, id, decode::volume).await
    }

    async fn storage_volume_named(&self, name: &str) -> Answer<Option<Volume>> {
        self.volume_on_wire(name).await
    }

    async fn create_storage_volume(&self, request: &CreateVolume) -> Answer<Volume> {
        self.make_volume(request).await
    }

    async fn attach_storage_volume(
        &self,
        id: &str,
        instance_id: &str,
        device: Option<&str>,
    ) -> Answer<Volume> {
        self.attach_volume(id, instance_id, device).await
    }

    async fn detach_storage_volume(&self, id: &str) -> Answer<Volume> {
        self.act(Collection::StorageVolumes, Verb::Detach, id, &[]).await?;
        self.storage_volume(id).await
    }

    async fn destroy_storage_volume(&self, id: &str) -> Answer<()> {
        self.remove(Collection::StorageVolumes, &[id], Verb::Destroy).await
    }

    async fn storage_snapshots(&self) -> Answer<Vec<Snapshot>> {
        self.list(Collection::StorageSnapshots, decode::snapshot).await
    }

    async fn storage_snapshot(&self, id: &str) -> Answer<Snapshot> {
        self.show(Collection::StorageSnapshots, id, decode::snapshot).await
    }

    async fn create_storage_snapshot(&self, request: &CreateSnapshot) -> Answer<Snapshot> {
        self.make_snapshot(request).await
    }

    async fn destroy_storage_snapshot(&self, id: &str) -> Answer<()> {
        self.remove(Collection::StorageSnapshots, &[id], Verb::Destroy).await
    }

    async fn buckets(&self) -> Answer<Vec<Bucket>> {
        self.list(Collection::Buckets, decode::bucket).await
    }

    async fn bucket(&self, id: &str) -> Answer<Bucket> {
        self.show(Collection::Buckets, id, decode::bucket).await
    }

    async fn create_bucket(&self, request: &CreateBucket) -> Answer<Bucket> {
        let fields = form([("name", Some(request.name.as_str())), ("location", request.location.as_deref())]);
        let made_by = |bucket: &Bucket| MadeBy::judge(bucket.name == request.name, true);
        self.make(Collection::Buckets, &fields, &request.name, decode::bucket, made_by).await
    }

    async fn destroy_bucket(&self, id: &str) -> Answer<()> {
        self.remove(Collection::Buckets, &[id], Verb::Destroy).await
    }

    async fn blob(&self, bucket_id: &str, id: &str) -> Answer<Blob> {
        self.blob_of(bucket_id, id).await
    }

    async fn put_blob(&self, bucket_id: &str, request: &PutBlob, content: BlobStream) -> Answer<Blob> {
        self.put(bucket_id, request, content).await
    }

    async fn blob_content(&self, bucket_id: &str, id: &str) -> Answer<BlobStream> {
        self.content(bucket_id, id).await
    }

    async fn set_blob_metadata(
        &self,
        bucket_id: &str,
        id: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Answer<Blob> {
        self.put_metadata(bucket_id, id, metadata).await
    }

    async fn destroy_blob(&self, bucket_id: &str, id: &str) -> Answer<()> {
        self.remove(Collection::Blobs, &[bucket_id, id], Verb::Destroy).await
    }

    async fn networks(&self) -> Answer<Vec<Network>> {
        self.list(Collection::Networks, decode::network).await
    }

    async fn network(&self, id: &str) -> Answer<Network> {
        self.show(Collection::Networks, id, decode::network).await
    }

    async fn create_network(&self, request: &CreateNetwork) -> Answer<Network> {
        self.make_network(request).await
    }

    async fn destroy_network(&self, id: &str) -> Answer<()> {
        self.remove(Collection::Networks, &[id], Verb::Destroy).await
    }

    async fn subnets(&self) -> Answer<Vec<Subnet>> {
        self.list(Collection::Subnets, decode::subnet).await
    }

    async fn subnet(&self, id: &str) -> Answer<Subnet> {
        self.show(Collection::Subnets, id, decode::subnet).await
    }

    async fn create_subnet(&self, request: &CreateSubnet) -> Answer<Subnet> {
        self.make_subnet(request).await
    }

    async fn destroy_subnet(&self, id: &str) -> Answer<()> {
        self.remove(Collection::Subnets, &[id], Verb::Destroy).await
    }

    async fn network_interfaces(&self) -> Answer<Vec<NetworkInterface>> {
        self.list(Collection::NetworkInterfaces, decode::network_interface).await
    }

    async fn network_interface(&self, id: &str) -> Answer<NetworkInterface> {
        self.show(Collection::NetworkInterfaces, id, decode::network_interface).await
    }

    async fn create_network_interface(&self, request: &CreateNetworkInterface) -> Answer<NetworkInterface> {
        self.make_interface(request).await
    }

    async fn destroy_network_interface(&self, id: &str) -> Answer<()> {
        self.remove(Collection::NetworkInterfaces, &[id], Verb::Destroy).await
    }

    async fn run_on_instance(&self, id: &str, command: &RunCommand) -> Answer<CommandOutput> {
        self.run(id, command).await
    }

    async fn load_balancers(&self) -> Answer<Vec<LoadBalancer>> {
        self.list(Collection::LoadBalancers, decode::load_balancer).await
    }

    async fn load_balancer(&self, id: &str) -> Answer<LoadBalancer> {
        self.show(Collection::LoadBalancers, id, decode::load_balancer).await
    }

    async fn create_load_balancer(&self, request: &CreateLoadBalancer) -> Answer<LoadBalancer> {
        self.make_balancer(request).await
    }

    async fn register_instance(&self, id: &str, instance_id: &str) -> Answer<LoadBalancer> {
        self.balance(Verb::Register, id, instance_id).await
    }

    async fn unregister_instance(&self, id: &str, instance_id: &str) -> Answer<LoadBalancer> {
        self.balance(Verb::Unregister, id, instance_id).await
    }

    async fn destroy_load_balancer(&self, id: &str) -> Answer<()> {
        self.remove(Collection::LoadBalancers, &[id], Verb::Destroy).await
    }

    async fn metrics(&self) -> Answer<Vec<Metric>> {
        self.list(Collection::Metrics, decode::metric).await
    }

    async fn metric(&self, id: &str) -> Answer<Metric> {
        let metric = self.show(Collection::Metrics, id, decode::metric).await?;
        // A real server answers with those of its first instance, whichever is asked for.
        if metric.id == id { Ok(metric) } else { Err(DriverError::not_found(Collection::Metrics, id)) }
    }
}
