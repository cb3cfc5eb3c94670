//! Networks, subnets, interfaces and firewalls: creations with more than one field.

use super::DeltacloudDriver;
use super::calls::{MadeBy, form};
use super::decode;
use super::http::unreadable;
use crate::driver::{Answer, ComputeDriver};
use crate::error::DriverError;
use crate::model::{
    CreateFirewall, CreateNetwork, CreateNetworkInterface, CreateSubnet, Firewall, FirewallRule, Network,
    NetworkInterface, NewRule, RuleSource, Subnet,
};
use crate::operation::{Collection, Operation, Verb};

impl DeltacloudDriver {
    /// Makes a firewall.
    pub(super) async fn make_firewall(&self, request: &CreateFirewall) -> Answer<Firewall> {
        // The API wants a description, if only a blank one.
        let description = if request.description.is_empty() { " " } else { &request.description };
        let fields = [("name", request.name.as_str()), ("description", description)];
        let made_by = |firewall: &Firewall| {
            let same = firewall.description.trim() == request.description.trim();
            MadeBy::judge(firewall.name == request.name, same)
        };
        self.make(Collection::Firewalls, &fields, &request.name, decode::firewall, made_by).await
    }

    /// Adds a rule, if there is none like it, and sees to it that it is there.
    pub(super) async fn add_rule(&self, firewall_id: &str, rule: &NewRule) -> Answer<FirewallRule> {
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

    /// Makes a network.
    pub(super) async fn make_network(&self, request: &CreateNetwork) -> Answer<Network> {
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

    /// Makes a subnet.
    pub(super) async fn make_subnet(&self, request: &CreateSubnet) -> Answer<Subnet> {
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
                told.entity(decode::subnet)
            }
        }
    }

    /// Ties an instance to a subnet.
    pub(super) async fn make_interface(&self, request: &CreateNetworkInterface) -> Answer<NetworkInterface> {
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
}
