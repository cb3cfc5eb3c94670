//! Networks, subnets and network interfaces of the mock cloud.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use super::block::Block;
use super::instances::unknown;
use super::session::Session;
use super::store::NewResource;
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{
    CreateNetwork, CreateNetworkInterface, CreateSubnet, Network, NetworkInterface, NetworkState, Subnet,
};
use crate::operation::{Collection, Verb};

/// Networks for which no block is asked get one of these by turns; they may overlap, being apart.
const DEFAULT_BLOCKS: u32 = 256;

fn block(parameter: &str, text: &str) -> Answer<Block> {
    text.parse().map_err(|e: super::BadBlock| DriverError::invalid(parameter, e.to_string()))
}

impl Session<'_> {
    /// The network as stored, with the subnets it has now.
    fn with_subnets(&self, mut network: Network) -> Answer<Network> {
        let subnets: Vec<Subnet> = self.of_parent(Collection::Subnets, &network.id)?;
        network.subnets = subnets.into_iter().map(|s| s.id).collect();
        Ok(network)
    }

    pub(super) fn networks(&self) -> Answer<Vec<Network>> {
        self.all(Collection::Networks)?.into_iter().map(|n| self.with_subnets(n)).collect()
    }

    pub(super) fn network(&self, id: &str) -> Answer<Network> {
        self.with_subnets(self.get(Collection::Networks, id)?)
    }

    pub(super) fn create_network(&self, request: &CreateNetwork) -> Answer<Network> {
        let addresses = request.address_block.as_deref().map(|b| block("address_block", b)).transpose()?;
        let network = self.make(Collection::Networks, Some(&request.name), None, request, |id| {
            let addresses = match addresses {
                Some(block) => block.to_string(),
                None => format!("10.{}.0.0/16", self.count_up("network_block")? % DEFAULT_BLOCKS),
            };
            Ok(Network {
                id: id.to_owned(),
                name: request.name.clone(),
                state: NetworkState::Up,
                address_blocks: vec![addresses],
                subnets: Vec::new(),
            })
        })?;
        self.with_subnets(network)
    }

    pub(super) fn destroy_network(&self, id: &str) -> Answer<()> {
        if let Some(subnet) = self.of_parent::<Subnet>(Collection::Subnets, id)?.first() {
            let why = format!("subnet {} is part of it", subnet.id);
            return Err(DriverError::conflict(Collection::Networks, id, why));
        }
        self.remove(Collection::Networks, id)
    }

    pub(super) fn create_subnet(&self, request: &CreateSubnet) -> Answer<Subnet> {
        let Some(network) = self.find::<Network>(Collection::Networks, &request.network_id)? else {
            let allowed = self.all::<Network>(Collection::Networks)?.into_iter().map(|n| n.id).collect();
            return Err(unknown("network_id", "network", &request.network_id, allowed));
        };
        let wanted = block("address_block", &request.address_block)?;
        let within = |text: &String| text.parse::<Block>().is_ok_and(|outer| outer.covers(wanted));
        if !network.address_blocks.iter().any(within) {
            return Err(DriverError::Invalid {
                parameter: "address_block".into(),
                why: format!("{wanted} does not lie within network {}", network.id),
                allowed: network.address_blocks,
            });
        }
        let (name, of) = (request.name.as_deref(), Some(network.id.as_str()));
        self.make(Collection::Subnets, name, of, request, |id| {
            for beside in self.of_parent::<Subnet>(Collection::Subnets, &network.id)? {
                let other = block("address_block", &beside.address_block)?;
                if other.covers(wanted) || wanted.covers(other) {
                    let why = format!("its addresses {wanted} are those of subnet {}", beside.id);
                    return Err(DriverError::conflict(Collection::Subnets, id, why));
                }
            }
            Ok(Subnet {
                id: id.to_owned(),
                name: request.name.clone().unwrap_or_else(|| id.to_owned()),
                network_id: network.id.clone(),
                state: NetworkState::Up,
                address_block: wanted.to_string(),
            })
        })
    }

    pub(super) fn destroy_subnet(&self, id: &str) -> Answer<()> {
        let all: Vec<NetworkInterface> = self.all(Collection::NetworkInterfaces)?;
        if let Some(interface) = all.iter().find(|n| n.subnet_id == id) {
            let why = format!("network interface {} is in it", interface.id);
            return Err(DriverError::conflict(Collection::Subnets, id, why));
        }
        self.remove(Collection::Subnets, id)
    }

    pub(super) fn create_network_interface(
        &self,
        request: &CreateNetworkInterface,
    ) -> Answer<NetworkInterface> {
        let Some(subnet) = self.find::<Subnet>(Collection::Subnets, &request.subnet_id)? else {
            let allowed = self.all::<Subnet>(Collection::Subnets)?.into_iter().map(|s| s.id).collect();
            return Err(unknown("subnet_id", "subnet", &request.subnet_id, allowed));
        };
        let instance = self.stood(&request.instance_id)?;
        self.make(Collection::NetworkInterfaces, Some(&request.name), Some(&instance.id), request, |id| {
            let cost = self.world.config.costs.network_interface;
            self.open_for(&instance.id, cost, Verb::Attach)?;
            let number = self.count_up("mac")?;
            let [_, a, b, c] = number.to_be_bytes();
            Ok(NetworkInterface {
                id: id.to_owned(),
                name: request.name.clone(),
                instance_id: instance.id.clone(),
                subnet_id: subnet.id.clone(),
                ip_address: Some(self.free_address(&subnet, request.ip_address.as_deref())?.to_string()),
                // 52:54:00 is what virtual machines commonly have.
                mac_address: Some(format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")),
            })
        })
    }

    /// The wanted address, or the first that nobody in the subnet has.
    fn free_address(&self, subnet: &Subnet, wanted: Option<&str>) -> Answer<Ipv4Addr> {
        let addresses = block("address_block", &subnet.address_block)?;
        let taken: HashSet<Ipv4Addr> = self
            .all::<NetworkInterface>(Collection::NetworkInterfaces)?
            .into_iter()
            .filter(|n| n.subnet_id == subnet.id)
            .filter_map(|n| n.ip_address.and_then(|ip| ip.parse().ok()))
            .collect();
        match wanted {
            Some(text) => {
                let address = text.parse().ok().filter(|a| addresses.holds(*a)).ok_or_else(|| {
                    DriverError::invalid(
                        "ip_address",
                        format!("{text:?} is no host's address in {addresses}"),
                    )
                })?;
                if taken.contains(&address) {
                    let why = format!("the address is taken in subnet {}", subnet.id);
                    return Err(DriverError::conflict(Collection::NetworkInterfaces, text, why));
                }
                Ok(address)
            }
            // At most one more than are taken need to be tried.
            None => (0..addresses.hosts()).map(|n| addresses.host(n)).find(|a| !taken.contains(a)).ok_or(
                DriverError::Capacity {
                    collection: Collection::NetworkInterfaces,
                    realm: None,
                    limit: u64::from(addresses.hosts()),
                },
            ),
        }
    }

    pub(super) fn destroy_network_interface(&self, id: &str) -> Answer<()> {
        let interface: NetworkInterface = self.get(Collection::NetworkInterfaces, id)?;
        self.open_for(&interface.instance_id, self.world.config.costs.network_interface, Verb::Detach)?;
        self.remove(Collection::NetworkInterfaces, id)
    }

    /// Everything that is there when the file is new.
    pub(super) fn write_first_data(&self) -> Answer<()> {
        fn write<'x, T: serde::Serialize + 'x>(
            session: &Session<'_>,
            collection: Collection,
            all: &'x [T],
            id: impl Fn(&'x T) -> &'x str,
            parent: impl Fn(&'x T) -> Option<&'x str>,
        ) -> Answer<()> {
            for body in all {
                let (id, parent) = (id(body), parent(body));
                session.add(collection, &NewResource { id, name: Some(id), parent, request: None, body })?;
            }
            Ok(())
        }
        let first = &self.world.config.first;
        self.write_first_instances()?;
        write(self, Collection::Keys, &first.keys, |k| &k.id, |_| None)?;
        write(self, Collection::Addresses, &first.addresses, |a| &a.id, |a| a.instance_id.as_deref())?;
        write(self, Collection::StorageVolumes, &first.volumes, |v| &v.id, |v| v.instance_id.as_deref())?;
        write(self, Collection::StorageSnapshots, &first.snapshots, |s| &s.id, |s| Some(&s.volume_id))?;
        write(self, Collection::Buckets, &first.buckets, |b| &b.id, |_| None)?;
        write(self, Collection::Networks, &first.networks, |n| &n.id, |_| None)?;
        write(self, Collection::Subnets, &first.subnets, |s| &s.id, |s| Some(&s.network_id))?;
        write(
            self,
            Collection::NetworkInterfaces,
            &first.network_interfaces,
            |n| &n.id,
            |n| Some(&n.instance_id),
        )?;
        for blob in &first.blobs {
            self.write_first_blob(blob)?;
        }
        Ok(())
    }
}
