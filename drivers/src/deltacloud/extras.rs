//! Load balancers, and commands on instances.

use super::DeltacloudDriver;
use super::calls::{MadeBy, form};
use super::decode;
use super::http::of_reading;
use super::wire::Unreadable;
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{CommandOutput, CreateLoadBalancer, LoadBalancer, RunCommand, Secret};
use crate::operation::{Collection, Operation, Verb};

impl DeltacloudDriver {
    /// Runs a command by the link that the instance shows for it. The API tells in no other way whether it can be
    /// done; of an instance without the link it cannot.
    pub(super) async fn run(&self, id: &str, command: &RunCommand) -> Answer<CommandOutput> {
        let operation = Operation::new(Collection::Instances, Verb::Run);
        let shown = self.member(Collection::Instances, Verb::Show, &[id]).await?;
        let tree = self.server.get(&shown, Operation::new(Collection::Instances, Verb::Show), id).await?;
        let link = tree.root().list("actions").find(|link| link.text(&["rel"]) == Some(Verb::Run.as_str()));
        let link = link.ok_or(DriverError::Unsupported { operation })?;
        let url = self.server.follow(&link.words(&["href"]))?;
        let port = command.port.map(|port| port.to_string());
        let fields = form([
            ("cmd", Some(command.command.as_str())),
            ("private_key", command.private_key.as_ref().map(Secret::expose)),
            ("password", command.password.as_ref().map(Secret::expose)),
            ("ip", command.ip.as_deref()),
            ("port", port.as_deref()),
        ]);
        let told = self.server.change(reqwest::Method::POST, &url, &fields, operation, id, false).await;
        match told {
            Ok(told) => told.entity(decode::command_output),
            Err(DriverError::Backend { status: Some(405), .. }) => {
                let shown =
                    decode::instance(tree.root()).ok_or_else(|| of_reading(Unreadable::Unexpected))?;
                Err(DriverError::WrongState { id: id.to_owned(), state: shown.state, verb: Verb::Run })
            }
            Err(error) => Err(error),
        }
    }

    /// Puts an instance behind a load balancer or takes it away. Of a doubtful end the load balancer itself tells.
    pub(super) async fn balance(&self, verb: Verb, id: &str, instance_id: &str) -> Answer<LoadBalancer> {
        let acted = self.act(Collection::LoadBalancers, verb, id, &[("instance_id", instance_id)]).await;
        match acted {
            Err(error) if !error.may_have_happened() => Err(error),
            other => {
                // The real server fails to show one in JSON, but lists all.
                let all = self.list(Collection::LoadBalancers, decode::load_balancer).await?;
                let now = all.into_iter().find(|balancer| balancer.id == id);
                let now = now.ok_or_else(|| DriverError::not_found(Collection::LoadBalancers, id))?;
                let there = now.instances.iter().any(|known| known == instance_id);
                if there == (verb == Verb::Register) { Ok(now) } else { other.and(Ok(now)) }
            }
        }
    }

    /// Makes a load balancer.
    pub(super) async fn make_balancer(&self, request: &CreateLoadBalancer) -> Answer<LoadBalancer> {
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
}
