//! Load balancers, metrics and commands of the mock cloud.

use sha2::{Digest, Sha256};

use super::config::AddressScheme;
use super::instances::unknown;
use super::session::Session;
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{CommandOutput, CreateLoadBalancer, LoadBalancer, Measure, Metric, RunCommand, Sample};
use crate::operation::{Collection, Verb};
use crate::states::InstanceState;

/// What a load balancer can listen for.
const PROTOCOLS: [&str; 3] = ["HTTP", "HTTPS", "TCP"];
/// How many samples there are of each measure, one a second.
const SAMPLES: i64 = 6;

impl Session<'_> {
    pub(super) fn create_load_balancer(&self, request: &CreateLoadBalancer) -> Answer<LoadBalancer> {
        let listener = &request.listener;
        if self.world.realm(&request.realm_id).is_none() {
            let allowed = self.world.realms.iter().map(|r| r.id.clone()).collect();
            return Err(unknown("realm_id", "realm", &request.realm_id, allowed));
        }
        if !PROTOCOLS.contains(&listener.protocol.as_str()) {
            return Err(DriverError::Invalid {
                parameter: "listener_protocol".into(),
                why: format!("{:?} cannot be listened for", listener.protocol),
                allowed: PROTOCOLS.map(String::from).to_vec(),
            });
        }
        for (parameter, port) in [
            ("listener_balancer_port", listener.balancer_port),
            ("listener_instance_port", listener.instance_port),
        ] {
            if port == 0 {
                return Err(DriverError::invalid(parameter, "must be 1 to 65535"));
            }
        }
        self.make(Collection::LoadBalancers, Some(&request.name), None, request, |id| {
            Ok(LoadBalancer {
                id: id.to_owned(),
                realm_id: Some(request.realm_id.clone()),
                created: Some(self.second()),
                public_addresses: vec![match self.world.config.addresses {
                    AddressScheme::Hostnames => "lb.mock.example".to_owned(),
                    AddressScheme::Blocks { .. } => format!("{id}.lb.mock.example"),
                }],
                listeners: vec![listener.clone()],
                instances: Vec::new(),
            })
        })
    }

    pub(super) fn register_instance(&self, id: &str, instance_id: &str) -> Answer<LoadBalancer> {
        let mut balancer: LoadBalancer = self.get(Collection::LoadBalancers, id)?;
        let instance = self.stood(instance_id).map_err(|error| match error {
            DriverError::NotFound { id, .. } => unknown("instance_id", "instance", &id, Vec::new()),
            other => other,
        })?;
        if balancer.realm_id.as_ref().is_some_and(|realm| *realm != instance.realm_id) {
            let why = format!("instance {} is in realm {}", instance.id, instance.realm_id);
            return Err(DriverError::conflict(Collection::LoadBalancers, id, why));
        }
        if !balancer.instances.contains(&instance.id) {
            balancer.instances.push(instance.id);
            self.put(Collection::LoadBalancers, id, None, &balancer)?;
        }
        Ok(balancer)
    }

    pub(super) fn unregister_instance(&self, id: &str, instance_id: &str) -> Answer<LoadBalancer> {
        let mut balancer: LoadBalancer = self.get(Collection::LoadBalancers, id)?;
        let before = balancer.instances.len();
        balancer.instances.retain(|known| known != instance_id);
        if balancer.instances.len() < before {
            self.put(Collection::LoadBalancers, id, None, &balancer)?;
        }
        Ok(balancer)
    }

    /// Takes an instance that ends from behind all load balancers.
    pub(super) fn unregister_everywhere(&self, instance_id: &str) -> Answer<()> {
        for balancer in self.all::<LoadBalancer>(Collection::LoadBalancers)? {
            self.unregister_instance(&balancer.id, instance_id)?;
        }
        Ok(())
    }

    pub(super) fn metrics(&self) -> Answer<Vec<Metric>> {
        let unmeasured = || Measure::ALL.iter().map(|measure| (*measure, Vec::new())).collect();
        let all = self.instances()?.into_iter();
        Ok(all.map(|i| Metric { id: i.id, entity: i.name, series: unmeasured() }).collect())
    }

    /// Samples of the last seconds, for an instance that runs. There is no machine, so they come from a digest of
    /// the instance, the measure and the second: as irregular as real ones, and the same whenever asked for.
    pub(super) fn metric(&self, id: &str) -> Answer<Metric> {
        let missing = |error| match error {
            DriverError::NotFound { id, .. } => DriverError::not_found(Collection::Metrics, id),
            other => other,
        };
        let instance = self.stood(id).map_err(missing)?;
        let count = if instance.state == InstanceState::Running { SAMPLES } else { 0 };
        let series = Measure::ALL.iter().map(|measure| {
            let samples = (0..count).map(|back| {
                let at = self.second() - chrono::TimeDelta::seconds(back);
                let drawn = Sha256::digest(format!("{}/{measure}/{}", instance.id, at.timestamp()));
                let (low, high) = (drawn[0] % 50, 50 + drawn[1] % 50);
                let scale = if *measure == Measure::CpuUtilization { 100.0 } else { 1.0 };
                Sample {
                    minimum: f64::from(low) / scale,
                    maximum: f64::from(high) / scale,
                    average: f64::from((low + high) / 2) / scale,
                    at,
                    unit: measure.unit().to_owned(),
                }
            });
            (*measure, samples.collect())
        });
        Ok(Metric { series: series.collect(), entity: instance.name.clone(), id: instance.id.clone() })
    }

    /// Says what would have been run: there is no machine to run it.
    pub(super) fn run_command(&self, id: &str, command: &RunCommand) -> Answer<CommandOutput> {
        let instance = self.stood(id)?;
        if instance.state != InstanceState::Running {
            return Err(DriverError::WrongState { id: instance.id, state: instance.state, verb: Verb::Run });
        }
        let public_address = match &command.ip {
            Some(ip) => ip.clone(),
            None => {
                self.show(instance)?.public_addresses.into_iter().next().map_or_else(String::new, |a| a.value)
            }
        };
        let output = format!("A machine would have run here: {}\n", command.command);
        Ok(CommandOutput { public_address, command: command.command.clone(), output })
    }
}
