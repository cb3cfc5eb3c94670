//! The server as a driver: each operation of the trait as the requests it takes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine;

use super::calls::{MadeBy, entity};
use super::http::unreadable;
use super::{DeltacloudDriver, decode, token};
use crate::capability::{Capabilities, Collection, Operation, Verb};
use crate::driver::{Answer, ComputeDriver};
use crate::error::DriverError;
use crate::model::{
    Address, Blob, BlobStream, Bucket, CommandOutput, CreateBucket, CreateFirewall, CreateImage,
    CreateInstance, CreateKey, CreateLoadBalancer, CreateNetwork, CreateNetworkInterface, CreateSnapshot,
    CreateSubnet, CreateVolume, Firewall, FirewallRule, HardwareProfile, Image, Instance, Key, LoadBalancer,
    Metric, Network, NetworkInterface, NewRule, PutBlob, Realm, RuleSource, RunCommand, Snapshot, Subnet,
    Volume,
};
use crate::states::{InstanceAction, StateMachine};

/// A form of the parameters that there are.
fn form<'a>(fields: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Vec<(&'a str, &'a str)> {
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

impl DeltacloudDriver {
    /// The form of an instance's creation, under the name that the server shall know it by.
    fn creation(&self, request: &CreateInstance, name: &str) -> Vec<(String, String)> {
        let mut fields =
            vec![("image_id".to_owned(), request.image_id.clone()), ("name".to_owned(), name.to_owned())];
        let mut add = |name: String, value: Option<&str>| fields.extend(value.map(|v| (name, v.to_owned())));
        add("realm_id".into(), request.realm_id.as_deref());
        add("hwp_id".into(), request.hardware_profile_id.as_deref());
        for (property, value) in &request.values {
            add(format!("hwp_{property}"), Some(value));
        }
        add("keyname".into(), request.keyname.as_deref());
        // In base64 no text can be mistaken for the base64 of another.
        let data = request.user_data.as_ref().map(|d| base64::engine::general_purpose::STANDARD.encode(d));
        add("user_data".into(), data.as_deref());
        for (number, firewall) in request.firewalls.iter().enumerate() {
            add(format!("firewalls{}", number + 1), Some(firewall));
        }
        fields
    }

    /// The instance that the server has under this name, as it shows it.
    async fn instance_on_wire(&self, name: &str) -> Answer<Option<Instance>> {
        let mut url = self.collection(Collection::Instances, Verb::Index).await?;
        // A server that knows this filter saves both sides a listing; any other lists all.
        url.query_pairs_mut().append_pair("name", name);
        let root = self.server.get(&url, Operation::new(Collection::Instances, Verb::Index), "").await?;
        let found = root.fields().find(|node| node.text(&["name"]) == Some(name));
        found.map(|node| entity(Some(node), decode::instance)).transpose()
    }

    /// Says where there is no room and for how many there is.
    async fn with_limit(&self, error: DriverError, realm: Option<&str>) -> DriverError {
        let DriverError::Capacity { collection, .. } = error else { return error };
        let found = match realm {
            Some(id) => self.realm(id).await.ok(),
            None => None,
        };
        let limit = found.and_then(|realm| realm.limit).unwrap_or_default();
        DriverError::Capacity { collection, realm: realm.map(str::to_owned), limit: u64::from(limit) }
    }
}

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
        let fields = form([
            ("instance_id", Some(request.instance_id.as_str())),
            ("name", request.name.as_deref()),
            ("description", request.description.as_deref()),
        ]);
        match &request.name {
            Some(name) => {
                let made_by = |image: &Image| MadeBy::judge(image.name == *name, true);
                self.make(Collection::Images, &fields, name, decode::image, made_by).await
            }
            None => {
                let told = self.post(Collection::Images, &fields, "", false).await?;
                entity(told.document().as_ref(), decode::image)
            }
        }
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
        self.collection(Collection::Instances, Verb::Create).await?;
        let unique = self.found().await?.capabilities.unique_names;
        let name = if unique { request.name.clone() } else { token::wire_name(request) };
        if !unique {
            if let Some(before) = self.instance_on_wire(&name).await? {
                return Ok(before);
            }
            if self.instance_named(&request.name).await?.is_some() {
                let why = "the name is taken by an instance of another request";
                return Err(DriverError::conflict(Collection::Instances, &request.name, why));
            }
        }
        let fields = self.creation(request, &name);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let made = match self.post(Collection::Instances, &fields, &request.name, unique).await {
            Ok(told) => entity(told.document().as_ref(), decode::instance),
            Err(error) => Err(self.with_limit(error, request.realm_id.as_deref()).await),
        };
        match made {
            Err(error) if error.may_have_happened() && !unique => {
                self.instance_on_wire(&name).await?.ok_or(error)
            }
            other => other,
        }
    }

    async fn start_instance(&self, id: &str) -> Answer<Instance> {
        match self.act_on_instance(id, InstanceAction::Start, Verb::Start, decode::instance).await? {
            Some(instance) => Ok(instance),
            None => self.instance(id).await,
        }
    }

    async fn stop_instance(&self, id: &str) -> Answer<Instance> {
        match self.act_on_instance(id, InstanceAction::Stop, Verb::Stop, decode::instance).await? {
            Some(instance) => Ok(instance),
            None => self.instance(id).await,
        }
    }

    async fn reboot_instance(&self, id: &str) -> Answer<Instance> {
        match self.act_on_instance(id, InstanceAction::Reboot, Verb::Reboot, decode::instance).await? {
            Some(instance) => Ok(instance),
            None => self.instance(id).await,
        }
    }

    async fn destroy_instance(&self, id: &str) -> Answer<()> {
        match self.act_on_instance(id, InstanceAction::Destroy, Verb::Destroy, decode::instance).await {
            Ok(_) => Ok(()),
            Err(error) if error.may_have_happened() => match self.instance(id).await {
                Err(DriverError::NotFound { .. }) => Ok(()),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
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
        entity(told.document().as_ref(), decode::address)
    }

    async fn associate_address(&self, id: &str, instance_id: &str) -> Answer<Address> {
        // Servers answer with nothing, and some with a failure where it is so already.
        let fields = [("instance_id", instance_id)];
        let acted = self.act(Collection::Addresses, Verb::Associate, id, &fields).await;
        let now = self.address(id).await?;
        if now.instance_id.as_deref() == Some(instance_id) { Ok(now) } else { acted.and(Ok(now)) }
    }

    async fn disassociate_address(&self, id: &str) -> Answer<Address> {
        let acted = self.act(Collection::Addresses, Verb::Disassociate, id, &[]).await;
        let now = self.address(id).await?;
        if now.instance_id.is_none() { Ok(now) } else { acted.and(Ok(now)) }
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
        // The API wants a description, if only a blank one.
        let description = if request.description.is_empty() { " " } else { &request.description };
        let fields = [("name", request.name.as_str()), ("description", description)];
        let made_by = |firewall: &Firewall| {
            let same = firewall.description.trim() == request.description.trim();
            MadeBy::judge(firewall.name == request.name, same)
        };
        self.make(Collection::Firewalls, &fields, &request.name, decode::firewall, made_by).await
    }

    async fn destroy_firewall(&self, id: &str) -> Answer<()> {
        self.remove(Collection::Firewalls, &[id], Verb::Destroy).await
    }

    async fn add_firewall_rule(&self, firewall_id: &str, rule: &NewRule) -> Answer<FirewallRule> {
        let there = |firewall: Firewall| firewall.rules.into_iter().find(|known| known.allow == *rule);
        if let Some(before) = there(self.firewall(firewall_id).await?) {
            return Ok(before);
        }
        let mut fields = vec![
            ("protocol".to_owned(), rule.protocol.clone()),
            ("port_from".to_owned(), rule.port_from.to_string()),
            ("port_to".to_owned(), rule.port_to.to_string()),
        ];
        for (number, source) in rule.sources.iter().enumerate() {
            let number = number + 1;
            match source {
                RuleSource::Address { address, prefix } => {
                    fields.push((format!("ip_address{number}"), format!("{address}/{prefix}")));
                }
                RuleSource::Group { name, owner } => {
                    fields.push((format!("group{number}"), name.clone()));
                    fields.push((format!("group{number}owner"), owner.clone()));
                }
            }
        }
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let url = self.member(Collection::Firewalls, Verb::AddRule, &[firewall_id, "rules"]).await?;
        let operation = Operation::new(Collection::Firewalls, Verb::AddRule);
        let added =
            self.server.change(reqwest::Method::POST, &url, &fields, operation, firewall_id, false).await;
        match added {
            Err(error) if !error.may_have_happened() => Err(error),
            other => match there(self.firewall(firewall_id).await?) {
                Some(rule) => Ok(rule),
                None => Err(other
                    .err()
                    .unwrap_or_else(|| unreadable("the rule is not there although it was added"))),
            },
        }
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

    async fn create_storage_volume(&self, request: &CreateVolume) -> Answer<Volume> {
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
                entity(told.document().as_ref(), decode::volume)
            }
        }
    }

    async fn attach_storage_volume(
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
        let fields = form([
            ("volume_id", Some(request.volume_id.as_str())),
            ("name", request.name.as_deref()),
            ("description", request.description.as_deref()),
        ]);
        // Real servers give names of their own, so a name protects only where names are unique.
        let harmless = self.found().await?.capabilities.unique_names && request.name.is_some();
        let told = self.post(Collection::StorageSnapshots, &fields, &request.volume_id, harmless).await?;
        entity(told.document().as_ref(), decode::snapshot)
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
        let fields = form([
            ("name", Some(request.name.as_str())),
            ("address_block", request.address_block.as_deref()),
        ]);
        let made_by = |network: &Network| {
            let same =
                request.address_block.as_ref().is_none_or(|block| network.address_blocks.contains(block));
            MadeBy::judge(network.name == request.name, same)
        };
        self.make(Collection::Networks, &fields, &request.name, decode::network, made_by).await
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
        let fields = form([
            ("name", request.name.as_deref()),
            ("network_id", Some(request.network_id.as_str())),
            ("address_block", Some(request.address_block.as_str())),
        ]);
        match &request.name {
            Some(name) => {
                let made_by = |subnet: &Subnet| {
                    let same = subnet.network_id == request.network_id
                        && subnet.address_block == request.address_block;
                    MadeBy::judge(subnet.name == *name, same)
                };
                self.make(Collection::Subnets, &fields, name, decode::subnet, made_by).await
            }
            None => {
                let told = self.post(Collection::Subnets, &fields, "", false).await?;
                entity(told.document().as_ref(), decode::subnet)
            }
        }
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
        // The API's text has `network`, real servers read `subnet`: both are told.
        let subnet = self.subnet(&request.subnet_id).await.map_err(|error| match error {
            DriverError::NotFound { .. } => {
                DriverError::invalid("subnet", format!("there is no subnet {:?}", request.subnet_id))
            }
            other => other,
        })?;
        let fields = form([
            ("name", Some(request.name.as_str())),
            ("instance", Some(request.instance_id.as_str())),
            ("network", Some(subnet.network_id.as_str())),
            ("subnet", Some(request.subnet_id.as_str())),
            ("ip_address", request.ip_address.as_deref()),
        ]);
        let made_by = |interface: &NetworkInterface| {
            MadeBy::judge(interface.name == request.name, interface.instance_id == request.instance_id)
        };
        let collection = Collection::NetworkInterfaces;
        self.make(collection, &fields, &request.name, decode::network_interface, made_by).await
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
        let ports = (request.listener.balancer_port.to_string(), request.listener.instance_port.to_string());
        let fields = [
            ("name", request.name.as_str()),
            ("realm_id", request.realm_id.as_str()),
            ("listener_protocol", request.listener.protocol.as_str()),
            ("listener_balancer_port", ports.0.as_str()),
            ("listener_instance_port", ports.1.as_str()),
        ];
        // Its name is its identity.
        let made_by = |balancer: &LoadBalancer| {
            MadeBy::judge(balancer.id == request.name, balancer.listeners.contains(&request.listener))
        };
        self.make(Collection::LoadBalancers, &fields, &request.name, decode::load_balancer, made_by).await
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
