//! Changes to living instances, and everything beside instances.

use std::collections::BTreeMap;

use super::{Breach, Run, must, must_be_missing};
use crate::capability::Disruption;
use crate::error::DriverError;
use crate::model::{
    CreateBucket, CreateFirewall, CreateKey, CreateLoadBalancer, CreateNetwork, CreateNetworkInterface,
    CreateSubnet, CreateVolume, Listener, NewRule, PutBlob, RuleSource, collect_blob, stream_of,
};
use crate::operation::{Collection, Verb};
use crate::states::InstanceState;

impl Run<'_> {
    pub(super) async fn changes(&self) -> Result<(), Breach> {
        let (_, first) = self.create("changes").await?;
        let before = self.bring_alive(&first.id, &InstanceState::Running).await?;
        if self.has(Collection::Instances, Verb::SetUserData) {
            let data = Some("#cloud-config\nusers: []\n");
            let set = must("setting user data", self.driver.set_user_data(&first.id, data).await)?;
            ensure!(set.user_data.as_deref() == data, "the user data is not what was set");
            ensure!(set.disk_id == before.disk_id, "setting user data changed the disk");
        }
        if self.has(Collection::Instances, Verb::Resize) {
            let same = self.driver.resize_instance(&first.id, &before.hardware_profile).await;
            let same = must("resizing to the size it has", same)?;
            ensure!(same.boot_count == before.boot_count, "resizing to the same size booted it");
        }
        if self.has(Collection::Instances, Verb::Rebuild) {
            must("rebuilding", self.driver.rebuild_instance(&first.id, &before.image_id).await)?;
            let after = self.bring_alive(&first.id, &InstanceState::Running).await?;
            ensure!(after.disk_id.is_none() || after.disk_id != before.disk_id, "rebuilding kept the disk");
            let same = (&after.id, &after.name, &after.realm_id, &after.public_addresses);
            let was = (&before.id, &before.name, &before.realm_id, &before.public_addresses);
            ensure!(same == was, "rebuilding changed {was:?} to {same:?}");
        }
        self.end(&first.id).await
    }

    pub(super) async fn keys_and_firewalls(&self) -> Result<(), Breach> {
        if self.has(Collection::Keys, Verb::Create) {
            let public =
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkLm4NYwnBX58l5xQ0Pz6ZhEQN9ks0iFQ== conformance";
            let request = CreateKey { name: self.name("key"), public_key: Some(public.into()) };
            let key = must("importing a key", self.driver.create_key(&request).await)?;
            let again = must("importing it again", self.driver.create_key(&request).await)?;
            ensure!(key == again, "importing the same key twice made two");
            ensure!(
                must("key", self.driver.key(&key.id).await)?.name == request.name,
                "the key has another name"
            );
            must("destroying the key", self.driver.destroy_key(&key.id).await)?;
            must_be_missing("a destroyed key", Collection::Keys, self.driver.key(&key.id).await)?;
        }
        if self.has(Collection::Firewalls, Verb::Create) {
            let request = CreateFirewall { name: self.name("firewall"), description: "test".into() };
            let firewall = must("creating a firewall", self.driver.create_firewall(&request).await)?;
            let source = RuleSource::Address { address: "192.0.2.0".into(), prefix: 24 };
            let allow = NewRule { protocol: "tcp".into(), port_from: 22, port_to: 22, sources: vec![source] };
            let rule = must("adding a rule", self.driver.add_firewall_rule(&firewall.id, &allow).await)?;
            let again = must("adding it again", self.driver.add_firewall_rule(&firewall.id, &allow).await)?;
            ensure!(rule == again, "adding the same rule twice made two");
            let now = must("firewall", self.driver.firewall(&firewall.id).await)?;
            ensure!(now.rules == [rule.clone()], "the firewall has rules {:?}", now.rules);
            must("removing it", self.driver.remove_firewall_rule(&firewall.id, &rule.id).await)?;
            must("destroying the firewall", self.driver.destroy_firewall(&firewall.id).await)?;
            let gone = self.driver.firewall(&firewall.id).await;
            must_be_missing("a destroyed firewall", Collection::Firewalls, gone)?;
        }
        Ok(())
    }

    pub(super) async fn addresses_and_volumes(&self) -> Result<(), Breach> {
        let (_, instance) = self.create("holder").await?;
        let instance = self.bring_alive(&instance.id, &InstanceState::Running).await?;
        if self.has(Collection::Addresses, Verb::Create) {
            let address = must("taking an address", self.driver.create_address().await)?;
            must("associating it", self.driver.associate_address(&address.id, &instance.id).await)?;
            let now = must("instance", self.driver.instance(&instance.id).await)?;
            let shown = now.public_addresses.iter().any(|a| a.value == address.ip);
            ensure!(shown, "the instance does not show its address {}", address.ip);
            let held = self.driver.destroy_address(&address.id).await;
            ensure!(
                matches!(held, Err(DriverError::Conflict { .. })),
                "destroying a held address gave {held:?}"
            );
            must("disassociating it", self.driver.disassociate_address(&address.id).await)?;
            must("giving it back", self.driver.destroy_address(&address.id).await)?;
        }
        let mut volume = None;
        if self.has(Collection::StorageVolumes, Verb::Create) {
            let request = CreateVolume {
                name: Some(self.name("volume")),
                capacity: Some(1),
                realm_id: Some(instance.realm_id.clone()),
                ..CreateVolume::default()
            };
            let made = must("creating a volume", self.driver.create_storage_volume(&request).await)?;
            let again = must("creating it again", self.driver.create_storage_volume(&request).await)?;
            ensure!(made.id == again.id, "the same request made two volumes");
            let found = must("finding it", self.driver.storage_volume_named(&self.name("volume")).await)?;
            ensure!(
                found.as_ref().map(|it| &it.id) == Some(&made.id),
                "under its name it finds the volume {found:?}"
            );
            let none = must("finding none", self.driver.storage_volume_named(&self.name("none")).await)?;
            ensure!(none.is_none(), "under a name that was not given it finds {none:?}");
            must("attaching it", self.driver.attach_storage_volume(&made.id, &instance.id, None).await)?;
            let now = must("instance", self.driver.instance(&instance.id).await)?;
            ensure!(now.storage_volumes == [made.id.clone()], "it shows volumes {:?}", now.storage_volumes);
            let held = self.driver.destroy_storage_volume(&made.id).await;
            ensure!(
                matches!(held, Err(DriverError::Conflict { .. })),
                "destroying a held volume gave {held:?}"
            );
            volume = Some(made.id);
        }
        self.end(&instance.id).await?;
        if let Some(id) = volume {
            let freed = must("the volume after its instance", self.driver.storage_volume(&id).await)?;
            ensure!(freed.instance_id.is_none(), "the volume is attached to an instance that is gone");
            must("destroying the volume", self.driver.destroy_storage_volume(&id).await)?;
        }
        Ok(())
    }

    pub(super) async fn networks(&self) -> Result<(), Breach> {
        if !self.has(Collection::NetworkInterfaces, Verb::Create) {
            return Ok(());
        }
        let (_, instance) = self.create("networked").await?;
        let instance = self.bring_alive(&instance.id, &InstanceState::Running).await?;
        let wanted = CreateNetwork { name: self.name("net"), address_block: Some("10.77.0.0/16".into()) };
        let network = must("creating a network", self.driver.create_network(&wanted).await)?;
        let wanted = CreateSubnet {
            name: Some(self.name("subnet")),
            network_id: network.id.clone(),
            address_block: "10.77.1.0/24".into(),
        };
        let subnet = must("creating a subnet", self.driver.create_subnet(&wanted).await)?;
        let wanted = CreateNetworkInterface {
            name: self.name("nic"),
            instance_id: instance.id.clone(),
            subnet_id: subnet.id.clone(),
            ip_address: None,
        };
        let nic = must("attaching an interface", self.driver.create_network_interface(&wanted).await)?;
        let again = must("attaching it again", self.driver.create_network_interface(&wanted).await)?;
        ensure!(nic == again, "the same request made two interfaces");
        let now = must("instance", self.driver.instance(&instance.id).await)?;
        ensure!(now.network_interfaces == [nic.id.clone()], "it shows {:?}", now.network_interfaces);
        ensure!(
            now.boot_count == instance.boot_count
                || self.driver.capabilities().costs.network_interface == Disruption::Reboots,
            "attaching an interface booted it"
        );
        let held = self.driver.destroy_subnet(&subnet.id).await;
        ensure!(matches!(held, Err(DriverError::Conflict { .. })), "destroying a held subnet gave {held:?}");
        must("detaching it", self.driver.destroy_network_interface(&nic.id).await)?;
        must("destroying the subnet", self.driver.destroy_subnet(&subnet.id).await)?;
        must("destroying the network", self.driver.destroy_network(&network.id).await)?;
        must_be_missing("a destroyed network", Collection::Networks, self.driver.network(&network.id).await)?;
        self.end(&instance.id).await
    }

    pub(super) async fn blobs(&self) -> Result<(), Breach> {
        if !self.has(Collection::Blobs, Verb::Put) {
            return Ok(());
        }
        let wanted = CreateBucket { name: self.name("bucket"), location: None };
        let bucket = must("creating a bucket", self.driver.create_bucket(&wanted).await)?;
        let content: Vec<u8> = (0..700_000_u32).flat_map(u32::to_be_bytes).collect();
        let request = PutBlob {
            id: "blob".into(),
            content_type: "application/octet-stream".into(),
            content_length: Some(content.len() as u64),
            user_metadata: BTreeMap::from([("version".into(), "1".into())]),
        };
        let stream = stream_of(content.clone());
        let blob = must("writing a blob", self.driver.put_blob(&bucket.id, &request, stream).await)?;
        ensure!(blob.content_length == content.len() as u64, "the blob has {} bytes", blob.content_length);
        let stream = must("reading it", self.driver.blob_content(&bucket.id, "blob").await)?;
        let back = must("reading it whole", collect_blob(stream, content.len()).await)?;
        ensure!(back == content, "the blob does not read as it was written");
        let metadata = BTreeMap::from([("author".into(), "me".into())]);
        must("metadata", self.driver.set_blob_metadata(&bucket.id, "blob", &metadata).await)?;
        let now = must("blob", self.driver.blob(&bucket.id, "blob").await)?;
        ensure!(now.user_metadata == metadata, "the metadata is {:?}", now.user_metadata);
        let held = self.driver.destroy_bucket(&bucket.id).await;
        ensure!(matches!(held, Err(DriverError::Conflict { .. })), "destroying a full bucket gave {held:?}");
        must("destroying the blob", self.driver.destroy_blob(&bucket.id, "blob").await)?;
        must_be_missing("a destroyed blob", Collection::Blobs, self.driver.blob(&bucket.id, "blob").await)?;
        must("destroying the bucket", self.driver.destroy_bucket(&bucket.id).await)
    }

    pub(super) async fn balancers_and_metrics(&self) -> Result<(), Breach> {
        let (_, instance) = self.create("balanced").await?;
        let instance = self.bring_alive(&instance.id, &InstanceState::Running).await?;
        if self.has(Collection::Metrics, Verb::Show) {
            let metric = must("what is measured", self.driver.metric(&instance.id).await)?;
            ensure!(metric.id == instance.id, "the metric of {} is that of {}", instance.id, metric.id);
            let listed = must("listing what is measured", self.driver.metrics().await)?;
            ensure!(listed.iter().any(|m| m.id == instance.id), "a listing of metrics lacks the instance");
            let none = self.driver.metric(&self.name("nothing")).await;
            must_be_missing("an unknown metric", Collection::Metrics, none)?;
        }
        let mut made = None;
        if self.has(Collection::LoadBalancers, Verb::Create) {
            let listener = Listener { protocol: "HTTP".into(), balancer_port: 80, instance_port: 8080 };
            let request = CreateLoadBalancer {
                name: self.name("balancer"),
                realm_id: instance.realm_id.clone(),
                listener: listener.clone(),
            };
            let balancer = must("a load balancer", self.driver.create_load_balancer(&request).await)?;
            ensure!(balancer.listeners == [listener], "it listens for {:?}", balancer.listeners);
            let id = balancer.id.as_str();
            for _ in 0..2 {
                let now = must("registering", self.driver.register_instance(id, &instance.id).await)?;
                ensure!(now.instances == [instance.id.clone()], "behind it are {:?}", now.instances);
            }
            let again = must("asking for it again", self.driver.create_load_balancer(&request).await)?;
            ensure!(again.id == balancer.id, "the same request made two load balancers");
            for _ in 0..2 {
                let now = must("unregistering", self.driver.unregister_instance(id, &instance.id).await)?;
                ensure!(now.instances.is_empty(), "behind it are still {:?}", now.instances);
            }
            must("registering", self.driver.register_instance(id, &instance.id).await)?;
            made = Some(balancer.id);
        }
        self.end(&instance.id).await?;
        if let Some(id) = made {
            let now = must("the load balancer", self.driver.load_balancer(&id).await)?;
            ensure!(now.instances.is_empty(), "an instance that is gone stands behind a load balancer");
            must("destroying it", self.driver.destroy_load_balancer(&id).await)?;
            let gone = self.driver.load_balancer(&id).await;
            must_be_missing("a destroyed load balancer", Collection::LoadBalancers, gone)?;
        }
        Ok(())
    }
}
