//! The trait that every compute driver implements.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::capability::Capabilities;
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

/// What every operation gives.
pub type Answer<T> = Result<T, DriverError>;

fn unsupported<T>(collection: Collection, verb: Verb) -> Answer<T> {
    Err(DriverError::Unsupported { operation: Operation::new(collection, verb) })
}

/// The one of this identity in a listing.
fn pick<T>(all: Vec<T>, collection: Collection, id: &str, identity: impl Fn(&T) -> &str) -> Answer<T> {
    all.into_iter().find(|one| identity(one) == id).ok_or_else(|| DriverError::not_found(collection, id))
}

/// A cloud, in the vocabulary of the Deltacloud API.
///
/// A driver serves one account of one cloud. It implements what its cloud has, says so in
/// [`ComputeDriver::capabilities`], and leaves the rest to the default bodies here, which answer
/// [`DriverError::Unsupported`]. The smallest driver has realms, hardware profiles, images and
/// instances to list, create and destroy.
///
/// # The contract
/// - **Names are tokens.** Everything created under a name can be asked for again: while something of
///   that name exists and was asked for by an equal request, a second creation gives that one back;
///   if the requests differ, it is [`DriverError::Conflict`]. A driver whose cloud has no such rule
///   looks for the name first. What is created without a name (addresses) has no such protection.
/// - **Destroying** something that does not exist is [`DriverError::NotFound`]; a caller that wants it gone
///   takes that as success.
/// - **Actions answer at once** with the instance as it then is; it goes on by itself through the states
///   the driver declares.
/// - **Nothing half done**: an error for which [`DriverError::may_have_happened`] is false means that
///   nothing changed.
/// - A dropped future may or may not have acted, as with [`DriverError::TimedOut`].
#[async_trait]
pub trait ComputeDriver: Send + Sync {
    /// What it calls itself: `mock`, `deltacloud`, …
    fn name(&self) -> &str;

    /// What it can do. Does not change once the driver has answered for the first time; one that has yet to meet its
    /// cloud can do nothing.
    fn capabilities(&self) -> &Capabilities;

    /// The life of its instances, as [`ComputeDriver::capabilities`].
    fn instance_states(&self) -> &StateMachine;

    /// All realms.
    async fn realms(&self) -> Answer<Vec<Realm>>;

    /// One realm.
    async fn realm(&self, id: &str) -> Answer<Realm> {
        pick(self.realms().await?, Collection::Realms, id, |r| &r.id)
    }

    /// All hardware profiles; the first is what an instance gets that asks for none.
    async fn hardware_profiles(&self) -> Answer<Vec<HardwareProfile>>;

    /// One hardware profile.
    async fn hardware_profile(&self, id: &str) -> Answer<HardwareProfile> {
        pick(self.hardware_profiles().await?, Collection::HardwareProfiles, id, |p| &p.id)
    }

    /// All images the account can use.
    async fn images(&self) -> Answer<Vec<Image>>;

    /// One image.
    async fn image(&self, id: &str) -> Answer<Image> {
        pick(self.images().await?, Collection::Images, id, |i| &i.id)
    }

    /// Makes an image of an instance's disk.
    async fn create_image(&self, _request: &CreateImage) -> Answer<Image> {
        unsupported(Collection::Images, Verb::Create)
    }

    /// Removes an image. Instances made from it go on.
    async fn destroy_image(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::Images, Verb::Destroy)
    }

    /// All instances of the account, whoever made them.
    async fn instances(&self) -> Answer<Vec<Instance>>;

    /// One instance. One that has reached `finish` is not found.
    async fn instance(&self, id: &str) -> Answer<Instance> {
        pick(self.instances().await?, Collection::Instances, id, |i| &i.id)
    }

    /// The instance of this name (the caller's token), if there is one.
    async fn instance_named(&self, name: &str) -> Answer<Option<Instance>> {
        Ok(self.instances().await?.into_iter().find(|i| i.name == name))
    }

    /// Creates an instance, or gives back the one that an equal request has created under this name.
    ///
    /// # Errors
    /// [`DriverError::Invalid`] for a wrong parameter, [`DriverError::Capacity`] when the realm is
    /// full, [`DriverError::Conflict`] when the name belongs to an instance of another request.
    async fn create_instance(&self, request: &CreateInstance) -> Answer<Instance>;

    /// Starts a stopped instance.
    async fn start_instance(&self, _id: &str) -> Answer<Instance> {
        unsupported(Collection::Instances, Verb::Start)
    }

    /// Stops a running instance; its disk is kept.
    async fn stop_instance(&self, _id: &str) -> Answer<Instance> {
        unsupported(Collection::Instances, Verb::Stop)
    }

    /// Reboots a running instance; its disk is kept.
    async fn reboot_instance(&self, _id: &str) -> Answer<Instance> {
        unsupported(Collection::Instances, Verb::Reboot)
    }

    /// Runs a command on an instance, logged in as its default user. Not protected by a token: what was asked for
    /// may have been run when no answer came.
    async fn run_on_instance(&self, _id: &str, _command: &RunCommand) -> Answer<CommandOutput> {
        unsupported(Collection::Instances, Verb::Run)
    }

    /// Ends an instance. What was attached to it is free again, its name and place too once it is gone.
    ///
    /// # Errors
    /// [`DriverError::WrongState`] where the cloud wants it stopped first.
    async fn destroy_instance(&self, id: &str) -> Answer<()>;

    /// Gives an instance another hardware profile or other values in it; the disk is kept. The cost is
    /// [`crate::ChangeCosts::resize`]. Asking for the size it has changes nothing. Beyond Deltacloud.
    async fn resize_instance(&self, _id: &str, _size: &ProfileChoice) -> Answer<Instance> {
        unsupported(Collection::Instances, Verb::Resize)
    }

    /// Replaces an instance's user data (`None`: takes it away). The cost is
    /// [`crate::ChangeCosts::set_user_data`]. Beyond Deltacloud.
    async fn set_user_data(&self, _id: &str, _user_data: Option<&str>) -> Answer<Instance> {
        unsupported(Collection::Instances, Verb::SetUserData)
    }

    /// Puts a fresh disk made from an image under an instance, which keeps its identity, name, realm,
    /// size and addresses. The cost is [`crate::ChangeCosts::rebuild`]. Beyond Deltacloud.
    async fn rebuild_instance(&self, _id: &str, _image_id: &str) -> Answer<Instance> {
        unsupported(Collection::Instances, Verb::Rebuild)
    }

    /// All keys.
    async fn keys(&self) -> Answer<Vec<Key>> {
        unsupported(Collection::Keys, Verb::Index)
    }

    /// One key.
    async fn key(&self, id: &str) -> Answer<Key> {
        pick(self.keys().await?, Collection::Keys, id, |k| &k.id)
    }

    /// Imports a public key, or has the cloud make a pair.
    async fn create_key(&self, _request: &CreateKey) -> Answer<Key> {
        unsupported(Collection::Keys, Verb::Create)
    }

    /// Removes a key. Instances that have it keep it.
    async fn destroy_key(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::Keys, Verb::Destroy)
    }

    /// All addresses the account holds.
    async fn addresses(&self) -> Answer<Vec<Address>> {
        unsupported(Collection::Addresses, Verb::Index)
    }

    /// One address.
    async fn address(&self, id: &str) -> Answer<Address> {
        pick(self.addresses().await?, Collection::Addresses, id, |a| &a.id)
    }

    /// Takes one more address from the cloud. Not protected by a token: after a lost answer look for
    /// an address without an instance.
    async fn create_address(&self) -> Answer<Address> {
        unsupported(Collection::Addresses, Verb::Create)
    }

    /// Gives an address to an instance; giving it to the one that has it changes nothing.
    async fn associate_address(&self, _id: &str, _instance_id: &str) -> Answer<Address> {
        unsupported(Collection::Addresses, Verb::Associate)
    }

    /// Takes an address from its instance.
    async fn disassociate_address(&self, _id: &str) -> Answer<Address> {
        unsupported(Collection::Addresses, Verb::Disassociate)
    }

    /// Gives an address back to the cloud. One that an instance has is a [`DriverError::Conflict`].
    async fn destroy_address(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::Addresses, Verb::Destroy)
    }

    /// All firewalls.
    async fn firewalls(&self) -> Answer<Vec<Firewall>> {
        unsupported(Collection::Firewalls, Verb::Index)
    }

    /// One firewall.
    async fn firewall(&self, id: &str) -> Answer<Firewall> {
        pick(self.firewalls().await?, Collection::Firewalls, id, |f| &f.id)
    }

    /// Makes a firewall without rules.
    async fn create_firewall(&self, _request: &CreateFirewall) -> Answer<Firewall> {
        unsupported(Collection::Firewalls, Verb::Create)
    }

    /// Removes a firewall. One that instances stand behind is a [`DriverError::Conflict`].
    async fn destroy_firewall(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::Firewalls, Verb::Destroy)
    }

    /// Adds a rule, or gives back the equal one that is there.
    async fn add_firewall_rule(&self, _firewall_id: &str, _rule: &NewRule) -> Answer<FirewallRule> {
        unsupported(Collection::Firewalls, Verb::AddRule)
    }

    /// Removes a rule.
    async fn remove_firewall_rule(&self, _firewall_id: &str, _rule_id: &str) -> Answer<()> {
        unsupported(Collection::Firewalls, Verb::RemoveRule)
    }

    /// All volumes.
    async fn storage_volumes(&self) -> Answer<Vec<Volume>> {
        unsupported(Collection::StorageVolumes, Verb::Index)
    }

    /// One volume.
    async fn storage_volume(&self, id: &str) -> Answer<Volume> {
        pick(self.storage_volumes().await?, Collection::StorageVolumes, id, |v| &v.id)
    }

    /// The volume of this name (the caller's token), if there is one. Of several, as a lost answer leaves them where names
    /// are not unique, it is always the same one: [`Volume::of_several`].
    async fn storage_volume_named(&self, name: &str) -> Answer<Option<Volume>> {
        let all = self.storage_volumes().await?;
        Ok(Volume::of_several(all.into_iter().filter(|v| v.name.as_deref() == Some(name))))
    }

    /// Makes a volume, empty or from a snapshot.
    async fn create_storage_volume(&self, _request: &CreateVolume) -> Answer<Volume> {
        unsupported(Collection::StorageVolumes, Verb::Create)
    }

    /// Attaches a volume to an instance of its realm, as this device (`None`: the cloud chooses).
    /// Attaching it where it is changes nothing.
    async fn attach_storage_volume(
        &self,
        _id: &str,
        _instance_id: &str,
        _device: Option<&str>,
    ) -> Answer<Volume> {
        unsupported(Collection::StorageVolumes, Verb::Attach)
    }

    /// Detaches a volume.
    async fn detach_storage_volume(&self, _id: &str) -> Answer<Volume> {
        unsupported(Collection::StorageVolumes, Verb::Detach)
    }

    /// Removes a volume. One that is attached is a [`DriverError::Conflict`].
    async fn destroy_storage_volume(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::StorageVolumes, Verb::Destroy)
    }

    /// All snapshots.
    async fn storage_snapshots(&self) -> Answer<Vec<Snapshot>> {
        unsupported(Collection::StorageSnapshots, Verb::Index)
    }

    /// One snapshot.
    async fn storage_snapshot(&self, id: &str) -> Answer<Snapshot> {
        pick(self.storage_snapshots().await?, Collection::StorageSnapshots, id, |s| &s.id)
    }

    /// Takes a snapshot of a volume.
    async fn create_storage_snapshot(&self, _request: &CreateSnapshot) -> Answer<Snapshot> {
        unsupported(Collection::StorageSnapshots, Verb::Create)
    }

    /// Removes a snapshot. Volumes made from it go on.
    async fn destroy_storage_snapshot(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::StorageSnapshots, Verb::Destroy)
    }

    /// All buckets.
    async fn buckets(&self) -> Answer<Vec<Bucket>> {
        unsupported(Collection::Buckets, Verb::Index)
    }

    /// One bucket, with the ids of its blobs.
    async fn bucket(&self, id: &str) -> Answer<Bucket> {
        pick(self.buckets().await?, Collection::Buckets, id, |b| &b.id)
    }

    /// Makes a bucket.
    async fn create_bucket(&self, _request: &CreateBucket) -> Answer<Bucket> {
        unsupported(Collection::Buckets, Verb::Create)
    }

    /// Removes a bucket. One that holds blobs is a [`DriverError::Conflict`].
    async fn destroy_bucket(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::Buckets, Verb::Destroy)
    }

    /// What is known about a blob.
    async fn blob(&self, _bucket_id: &str, _id: &str) -> Answer<Blob> {
        unsupported(Collection::Blobs, Verb::Show)
    }

    /// Writes a blob, in place of one that may be there. Until the content has ended well, readers see what
    /// was there before.
    async fn put_blob(&self, _bucket_id: &str, _request: &PutBlob, _content: BlobStream) -> Answer<Blob> {
        unsupported(Collection::Blobs, Verb::Put)
    }

    /// Reads a blob's content.
    async fn blob_content(&self, _bucket_id: &str, _id: &str) -> Answer<BlobStream> {
        unsupported(Collection::Blobs, Verb::Content)
    }

    /// Replaces all of a blob's metadata.
    async fn set_blob_metadata(
        &self,
        _bucket_id: &str,
        _id: &str,
        _metadata: &BTreeMap<String, String>,
    ) -> Answer<Blob> {
        unsupported(Collection::Blobs, Verb::SetMetadata)
    }

    /// Removes a blob.
    async fn destroy_blob(&self, _bucket_id: &str, _id: &str) -> Answer<()> {
        unsupported(Collection::Blobs, Verb::Destroy)
    }

    /// All networks.
    async fn networks(&self) -> Answer<Vec<Network>> {
        unsupported(Collection::Networks, Verb::Index)
    }

    /// One network.
    async fn network(&self, id: &str) -> Answer<Network> {
        pick(self.networks().await?, Collection::Networks, id, |n| &n.id)
    }

    /// Makes a network.
    async fn create_network(&self, _request: &CreateNetwork) -> Answer<Network> {
        unsupported(Collection::Networks, Verb::Create)
    }

    /// Removes a network. One with subnets is a [`DriverError::Conflict`].
    async fn destroy_network(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::Networks, Verb::Destroy)
    }

    /// All subnets.
    async fn subnets(&self) -> Answer<Vec<Subnet>> {
        unsupported(Collection::Subnets, Verb::Index)
    }

    /// One subnet.
    async fn subnet(&self, id: &str) -> Answer<Subnet> {
        pick(self.subnets().await?, Collection::Subnets, id, |s| &s.id)
    }

    /// Makes a subnet of a network.
    async fn create_subnet(&self, _request: &CreateSubnet) -> Answer<Subnet> {
        unsupported(Collection::Subnets, Verb::Create)
    }

    /// Removes a subnet. One with interfaces is a [`DriverError::Conflict`].
    async fn destroy_subnet(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::Subnets, Verb::Destroy)
    }

    /// All network interfaces.
    async fn network_interfaces(&self) -> Answer<Vec<NetworkInterface>> {
        unsupported(Collection::NetworkInterfaces, Verb::Index)
    }

    /// One network interface.
    async fn network_interface(&self, id: &str) -> Answer<NetworkInterface> {
        pick(self.network_interfaces().await?, Collection::NetworkInterfaces, id, |n| &n.id)
    }

    /// Ties an instance to a subnet: attaches an interface. The cost is
    /// [`crate::ChangeCosts::network_interface`].
    async fn create_network_interface(&self, _request: &CreateNetworkInterface) -> Answer<NetworkInterface> {
        unsupported(Collection::NetworkInterfaces, Verb::Create)
    }

    /// Unties an instance from a subnet: detaches and removes an interface.
    async fn destroy_network_interface(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::NetworkInterfaces, Verb::Destroy)
    }

    /// All load balancers.
    async fn load_balancers(&self) -> Answer<Vec<LoadBalancer>> {
        unsupported(Collection::LoadBalancers, Verb::Index)
    }

    /// One load balancer.
    async fn load_balancer(&self, id: &str) -> Answer<LoadBalancer> {
        pick(self.load_balancers().await?, Collection::LoadBalancers, id, |b| &b.id)
    }

    /// Makes a load balancer with nothing behind it.
    async fn create_load_balancer(&self, _request: &CreateLoadBalancer) -> Answer<LoadBalancer> {
        unsupported(Collection::LoadBalancers, Verb::Create)
    }

    /// Puts an instance behind a load balancer; one that is there already stays.
    async fn register_instance(&self, _id: &str, _instance_id: &str) -> Answer<LoadBalancer> {
        unsupported(Collection::LoadBalancers, Verb::Register)
    }

    /// Takes an instance from behind a load balancer; one that is not there changes nothing.
    async fn unregister_instance(&self, _id: &str, _instance_id: &str) -> Answer<LoadBalancer> {
        unsupported(Collection::LoadBalancers, Verb::Unregister)
    }

    /// Removes a load balancer. What stood behind it goes on.
    async fn destroy_load_balancer(&self, _id: &str) -> Answer<()> {
        unsupported(Collection::LoadBalancers, Verb::Destroy)
    }

    /// What is measured of all instances, without samples.
    async fn metrics(&self) -> Answer<Vec<Metric>> {
        unsupported(Collection::Metrics, Verb::Index)
    }

    /// What is measured of the instance of this identity.
    async fn metric(&self, _id: &str) -> Answer<Metric> {
        unsupported(Collection::Metrics, Verb::Show)
    }
}
