//! Load balancers, metrics, and commands on instances.

use crate::call::Call;
use crate::errors::Refusal;
use crate::format::Language;
use crate::html;
use crate::reply::{Page, Reply};
use crate::xml::Element;
use drivers::{
    Collection, CommandOutput, CreateLoadBalancer, DriverError, Listener, Operation, RunCommand, Secret, Verb,
};
use hyper::{Method, StatusCode};
use serde_json::json;

type Answer = Result<Reply, Refusal>;

pub(super) async fn load_balancers(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => Ok(call.list(call.driver.load_balancers().await?).await),
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.load_balancer(id).await?)),
        (&Method::POST, []) => {
            let balancer = call.driver.create_load_balancer(&creation(call)?).await?;
            Ok(call.made(&balancer))
        }
        (&Method::POST, [id, "register"]) => {
            let instance = call.required("instance_id")?;
            Ok(call.changed(StatusCode::OK, &call.driver.register_instance(id, &instance).await?))
        }
        (&Method::POST, [id, "unregister"]) => {
            let instance = call.required("instance_id")?;
            Ok(call.changed(StatusCode::OK, &call.driver.unregister_instance(id, &instance).await?))
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_load_balancer(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["load_balancers"]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

fn creation(call: &Call<'_>) -> Result<CreateLoadBalancer, Refusal> {
    let (name, realm_id) = (call.required("name")?, call.required("realm_id")?);
    let protocol = call.required("listener_protocol")?;
    let port = |name: &'static str| {
        call.required(name)?;
        let none = || DriverError::invalid(name, "is not a port");
        call.asked.params.number(name)?.ok_or_else(|| Refusal::from(none()))
    };
    let (balancer_port, instance_port) = (port("listener_balancer_port")?, port("listener_instance_port")?);
    Ok(CreateLoadBalancer { name, realm_id, listener: Listener { protocol, balancer_port, instance_port } })
}

pub(super) async fn metrics(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => Ok(call.list(call.driver.metrics().await?).await),
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.metric(id).await?)),
        _ => Err(Refusal::NoRoute),
    }
}

/// `POST /api/instances/:id/run`.
pub(super) async fn run(call: &Call<'_>, id: &str) -> Answer {
    call.driver.capabilities().require(Operation::new(Collection::Instances, Verb::Run))?;
    let command = RunCommand {
        command: call.required("cmd")?,
        private_key: call.param("private_key").map(Secret::new),
        password: call.param("password").map(Secret::new),
        ip: call.param("ip"),
        port: call.asked.params.number("port")?,
    };
    let output = call.driver.run_on_instance(id, &command).await.map_err(|error| match error {
        DriverError::NotFound { collection: Collection::Instances, .. } => {
            Refusal::NoSuchInstance(id.to_owned())
        }
        other => Refusal::Driver(other),
    })?;
    Ok(Reply::page(StatusCode::OK, shown(call, id, output)))
}

/// What a command has written, which the API shows as a kind of instance.
fn shown(call: &Call<'_>, id: &str, told: CommandOutput) -> Page {
    let href = call.scene.links.to(&["instances", id]);
    if call.format.language() == Language::Xml {
        return Page::Xml(
            Element::new("instance")
                .attr("href", href)
                .attr("id", id)
                .with(Element::leaf("public_address", told.public_address))
                .with(Element::leaf("command", told.command))
                .with(Element::cdata("output", told.output)),
        );
    }
    let value = json!({
        "id": id,
        "public_address": told.public_address,
        "command": told.command,
        "output": told.output,
    });
    match call.format.language() {
        Language::Html => Page::Html(html::view("output", &value)),
        _ => Page::Json(json!({ "instance": value })),
    }
}
