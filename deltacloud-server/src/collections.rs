//! What is done in each collection but buckets.

use crate::call::Call;
use crate::errors::Refusal;
use crate::format::Format;
use crate::params::Params;
use crate::reply::Reply;
use crate::{extras, operations};
use base64::Engine;
use drivers::{
    Collection, CreateFirewall, CreateImage, CreateInstance, CreateKey, CreateNetwork,
    CreateNetworkInterface, CreateSnapshot, CreateSubnet, CreateVolume, DriverError, Feature, Firewall,
    HardwareProfile, Instance, Key, NewRule, Operation, RuleSource, Verb,
};
use hyper::{Method, StatusCode};

type Answer = Result<Reply, Refusal>;

/// Whether a filter of a listing lets this value through.
fn passes(filter: Option<&str>, value: &str) -> bool {
    filter.is_none_or(|wanted| wanted == value)
}

/// Whether instances of a profile have this architecture; `None` where the profile does not say.
fn suits(profile: &HardwareProfile, architecture: &str) -> Option<bool> {
    Some(profile.property("architecture")?.allowed().iter().any(|allowed| allowed == architecture))
}

pub(super) async fn realms(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => {
            let mut all = call.driver.realms().await?;
            if let Some(wanted) = call.asked.params.get("architecture") {
                // Where a profile of this architecture is offered; a profile that says nothing suits all.
                let profiles = call.driver.hardware_profiles().await?;
                let suits = |profile: &&HardwareProfile| suits(profile, wanted).unwrap_or(true);
                let suiting: Vec<_> = profiles.iter().filter(suits).collect();
                all.retain(|realm| suiting.iter().any(|profile| realm.offers(&profile.id)));
            }
            Ok(call.list(all).await)
        }
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.realm(id).await?)),
        _ => Err(Refusal::NoRoute),
    }
}

pub(super) async fn hardware_profiles(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => {
            let mut all = call.driver.hardware_profiles().await?;
            if let Some(wanted) = call.asked.params.get("architecture") {
                all.retain(|profile| suits(profile, wanted).unwrap_or(false));
            }
            Ok(call.list(all).await)
        }
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.hardware_profile(id).await?)),
        _ => Err(Refusal::NoRoute),
    }
}

pub(super) async fn images(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    if call.asked.method != Method::DELETE {
        call.scene.profiles = call.driver.hardware_profiles().await?;
        let capabilities = call.driver.capabilities();
        call.scene.destroys_images = capabilities.supports(Collection::Images, Verb::Destroy);
    }
    match (&call.asked.method, rest) {
        (&Method::GET, []) => {
            let params = &call.asked.params;
            let owner = params.get("owner_id").map(|owner| match (owner, call.user) {
                ("self", Some(user)) => user,
                _ => owner,
            });
            let mut all = call.driver.images().await?;
            all.retain(|image| {
                passes(owner, &image.owner_id) && passes(params.get("architecture"), &image.architecture)
            });
            Ok(call.list(all).await)
        }
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.image(id).await?)),
        (&Method::POST, []) => {
            let request = CreateImage {
                instance_id: call.required("instance_id")?,
                name: call.param("name"),
                description: call.param("description"),
            };
            let image = call.driver.create_image(&request).await.map_err(|error| match error {
                DriverError::Invalid { parameter, .. } if parameter == "instance_id" => {
                    DriverError::not_found(Collection::Instances, &request.instance_id)
                }
                other => other,
            })?;
            Ok(call.made(&image))
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_image(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["images"]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

/// Fetches what the views of these instances need beside them.
async fn set_scene(call: &mut Call<'_>, shown: &[Instance]) -> Result<(), Refusal> {
    let capabilities = call.driver.capabilities();
    call.scene.makes_images = capabilities.supports(Collection::Images, Verb::Create);
    call.scene.runs = capabilities.supports(Collection::Instances, Verb::Run);
    if shown.iter().any(|instance| !instance.hardware_profile.values.is_empty()) {
        call.scene.profiles = call.driver.hardware_profiles().await?;
    }
    if shown.iter().any(|instance| !instance.storage_volumes.is_empty())
        && capabilities.supports(Collection::StorageVolumes, Verb::Index)
    {
        let all = call.driver.storage_volumes().await?;
        call.scene.devices = all.into_iter().filter_map(|volume| Some((volume.id, volume.device?))).collect();
    }
    Ok(())
}

/// User data as it was meant. Half of the real drivers take it as text and half in base64, so both are taken:
/// what reads as base64 of some text is that text.
fn user_data(given: &str) -> String {
    base64::engine::general_purpose::STANDARD
        .decode(given.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_else(|| given.to_owned())
}

/// Refuses what a client asks of a feature that this face does not carry out: it must not believe to have it.
fn refuse_features(params: &Params) -> Result<(), Refusal> {
    let creation = Operation::new(Collection::Instances, Verb::Create);
    let lacking = Feature::ALL.iter().filter(|f| f.operation() == creation && !operations::carries_out(**f));
    for feature in lacking {
        let given = feature.parameter().and_then(|name| Some((name, params.get(name)?)));
        let Some((name, value)) = given else { continue };
        // One instance is what everybody gets.
        if *feature != Feature::InstanceCount || value != "1" {
            let why =
                format!("the feature {feature} is not offered here (the entry point lists those that are)");
            return Err(DriverError::invalid(name, why).into());
        }
    }
    Ok(())
}

fn creation(call: &Call<'_>) -> Result<CreateInstance, Refusal> {
    let params = &call.asked.params;
    refuse_features(params)?;
    let image_id = call.required("image_id")?;
    // Drivers want a name, which makes a creation that is repeated harmless; a client that gives none
    // does without that.
    let name = call.param("name").unwrap_or_else(|| format!("i-{}", uuid::Uuid::new_v4().simple()));
    Ok(CreateInstance {
        realm_id: call.param("realm_id"),
        hardware_profile_id: call.param("hwp_id"),
        values: params.prefixed("hwp_").filter(|(property, _)| property != "id").collect(),
        keyname: call.param("keyname"),
        user_data: params.get("user_data").map(user_data),
        firewalls: params.numbered("firewalls")?.into_iter().map(|(_, id)| id).collect(),
        ..CreateInstance::new(name, image_id)
    })
}

pub(super) async fn instances(call: &mut Call<'_>, rest: &[&str]) -> Answer {
    // An instance that is not there may not be acted on: 403, as the API has it.
    let forbidden = |id: &str| {
        let id = id.to_owned();
        move |error| match error {
            DriverError::NotFound { collection: Collection::Instances, .. } => Refusal::NoSuchInstance(id),
            other => Refusal::Driver(other),
        }
    };
    match (&call.asked.method, rest) {
        (&Method::GET, []) => {
            let params = &call.asked.params;
            // Beyond the API: a client that looks for its token need not read everything.
            let mut all = match params.get("name") {
                Some(name) => call.driver.instance_named(name).await?.into_iter().collect(),
                None => call.driver.instances().await?,
            };
            all.retain(|instance| {
                passes(params.get("realm_id"), &instance.realm_id)
                    && passes(params.get("owner_id"), &instance.owner_id)
                    && params.get("state").is_none_or(|state| instance.state == state.into())
            });
            set_scene(call, &all).await?;
            Ok(call.list(all).await)
        }
        (&Method::GET, [id]) => {
            let instance = call.driver.instance(id).await?;
            set_scene(call, std::slice::from_ref(&instance)).await?;
            Ok(call.one(StatusCode::OK, &instance))
        }
        (&Method::POST, []) => {
            let request = creation(call)?;
            let instance = call.driver.create_instance(&request).await?;
            set_scene(call, std::slice::from_ref(&instance)).await?;
            Ok(call.made(&instance))
        }
        (&Method::POST, [id, action @ ("start" | "stop" | "reboot")]) => {
            let instance = match *action {
                "start" => call.driver.start_instance(id).await,
                "stop" => call.driver.stop_instance(id).await,
                _ => call.driver.reboot_instance(id).await,
            }
            .map_err(forbidden(id))?;
            set_scene(call, std::slice::from_ref(&instance)).await?;
            Ok(call.bare(StatusCode::ACCEPTED, &instance))
        }
        (&Method::POST, [id, "run"]) => extras::run(call, id).await,
        (&Method::DELETE, [id]) => {
            call.driver.destroy_instance(id).await.map_err(forbidden(id))?;
            Ok(call.done(StatusCode::NO_CONTENT, &["instances"]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

/// A private key is shown once, to those who have it made.
fn without_secret(key: Key) -> Key {
    Key { private_key: None, ..key }
}

pub(super) async fn keys(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => {
            Ok(call.list(call.driver.keys().await?.into_iter().map(without_secret).collect()).await)
        }
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &without_secret(call.driver.key(id).await?))),
        (&Method::POST, []) => {
            let request = CreateKey { name: call.required("name")?, public_key: call.param("public_key") };
            let key = call.driver.create_key(&request).await?;
            // The page of the key does not show what is shown but once.
            match call.format {
                Format::Html if key.private_key.is_some() => Ok(call.one(StatusCode::CREATED, &key)),
                _ => Ok(call.made(&key)),
            }
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_key(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["keys"]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

/// The rule that the parameters describe: `ip_address1=10.0.0.0/8`, `group1=name` with `group1owner=account`.
fn rule(call: &Call<'_>) -> Result<NewRule, Refusal> {
    let params = &call.asked.params;
    let mut sources = Vec::new();
    for (_, block) in params.numbered("ip_address")? {
        let wrong = || DriverError::invalid("ip_address", format!("{block:?} is not like 10.0.0.0/8"));
        let (address, prefix) = block.split_once('/').ok_or_else(wrong)?;
        let prefix = prefix.parse().map_err(|_| wrong())?;
        sources.push(RuleSource::Address { address: address.to_owned(), prefix });
    }
    for (number, name) in params.numbered("group")? {
        let owner = call.param(&format!("group{number}owner")).unwrap_or_default();
        sources.push(RuleSource::Group { name, owner });
    }
    if sources.is_empty() {
        return Err(Refusal::Malformed("No sources. Specify at least one source ip address or group."));
    }
    let protocol = call.required("protocol")?;
    call.required("port_from")?;
    call.required("port_to")?;
    Ok(NewRule {
        protocol,
        port_from: params.number("port_from")?.unwrap_or_default(),
        port_to: params.number("port_to")?.unwrap_or_default(),
        sources,
    })
}

pub(super) async fn firewalls(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => Ok(call.list(call.driver.firewalls().await?).await),
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.firewall(id).await?)),
        (&Method::POST, []) => {
            let request =
                CreateFirewall { name: call.required("name")?, description: call.required("description")? };
            let firewall = call.driver.create_firewall(&request).await?;
            Ok(call.made(&firewall))
        }
        (&Method::POST, [id, "rules"]) => {
            call.driver.add_firewall_rule(id, &rule(call)?).await?;
            let firewall: Firewall = call.driver.firewall(id).await?;
            Ok(call.changed(StatusCode::CREATED, &firewall))
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_firewall(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["firewalls"]))
        }
        (&Method::DELETE, [id, rule]) => {
            call.driver.remove_firewall_rule(id, rule).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["firewalls", id]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

fn told_of_address(call: &Call<'_>, id: &str) -> Reply {
    let media_type = call.format.media_type();
    call.done(StatusCode::ACCEPTED, &["addresses", id]).header("content-type", media_type)
}

pub(super) async fn addresses(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => Ok(call.list(call.driver.addresses().await?).await),
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.address(id).await?)),
        (&Method::POST, []) => {
            let address = call.driver.create_address().await?;
            Ok(call.made(&address))
        }
        (&Method::POST, [id, "associate"]) => {
            call.driver.associate_address(id, &call.required("instance_id")?).await?;
            Ok(told_of_address(call, id))
        }
        (&Method::POST, [id, "disassociate"]) => {
            call.driver.disassociate_address(id).await?;
            Ok(told_of_address(call, id))
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_address(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["addresses"]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

pub(super) async fn storage_volumes(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => {
            // As for instances.
            let all = match call.asked.params.get("name") {
                Some(name) => call.driver.storage_volume_named(name).await?.into_iter().collect(),
                None => call.driver.storage_volumes().await?,
            };
            Ok(call.list(all).await)
        }
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.storage_volume(id).await?)),
        (&Method::POST, []) => {
            let request = CreateVolume {
                name: call.param("name"),
                description: call.param("description"),
                capacity: call.asked.params.number("capacity")?,
                realm_id: call.param("realm_id"),
                snapshot_id: call.param("snapshot_id"),
            };
            let volume = call.driver.create_storage_volume(&request).await?;
            Ok(call.made(&volume))
        }
        (&Method::POST, [id, "attach"]) => {
            let (instance, device) = (call.required("instance_id")?, call.param("device"));
            let volume = call.driver.attach_storage_volume(id, &instance, device.as_deref()).await?;
            Ok(call.changed(StatusCode::ACCEPTED, &volume))
        }
        (&Method::POST, [id, "detach"]) => {
            let volume = call.driver.detach_storage_volume(id).await?;
            Ok(call.changed(StatusCode::ACCEPTED, &volume))
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_storage_volume(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["storage_volumes"]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

pub(super) async fn storage_snapshots(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => Ok(call.list(call.driver.storage_snapshots().await?).await),
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.storage_snapshot(id).await?)),
        (&Method::POST, []) => {
            let request = CreateSnapshot {
                volume_id: call.required("volume_id")?,
                name: call.param("name"),
                description: call.param("description"),
            };
            let snapshot = call.driver.create_storage_snapshot(&request).await?;
            Ok(call.made(&snapshot))
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_storage_snapshot(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["storage_snapshots"]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

// In the three collections of networks a creation answers 200, as the API has it.

pub(super) async fn networks(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => Ok(call.list(call.driver.networks().await?).await),
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.network(id).await?)),
        (&Method::POST, []) => {
            let request =
                CreateNetwork { name: call.required("name")?, address_block: call.param("address_block") };
            Ok(call.changed(StatusCode::OK, &call.driver.create_network(&request).await?))
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_network(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["networks"]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

pub(super) async fn subnets(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => Ok(call.list(call.driver.subnets().await?).await),
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.subnet(id).await?)),
        (&Method::POST, []) => {
            let request = CreateSubnet {
                name: call.param("name"),
                network_id: call.required("network_id")?,
                address_block: call.required("address_block")?,
            };
            Ok(call.changed(StatusCode::OK, &call.driver.create_subnet(&request).await?))
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_subnet(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["subnets"]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

pub(super) async fn network_interfaces(call: &Call<'_>, rest: &[&str]) -> Answer {
    match (&call.asked.method, rest) {
        (&Method::GET, []) => Ok(call.list(call.driver.network_interfaces().await?).await),
        (&Method::GET, [id]) => Ok(call.one(StatusCode::OK, &call.driver.network_interface(id).await?)),
        (&Method::POST, []) => {
            let instance_id = call.required("instance")?;
            let request = CreateNetworkInterface {
                name: call.param("name").unwrap_or_else(|| format!("nic-{}", uuid::Uuid::new_v4().simple())),
                subnet_id: subnet(call).await?,
                instance_id,
                ip_address: call.param("ip_address"),
            };
            Ok(call.changed(StatusCode::OK, &call.driver.create_network_interface(&request).await?))
        }
        (&Method::DELETE, [id]) => {
            call.driver.destroy_network_interface(id).await?;
            Ok(call.done(StatusCode::NO_CONTENT, &["network_interfaces"]))
        }
        _ => Err(Refusal::NoRoute),
    }
}

/// The subnet of a new interface. The API's text has a parameter `network` and real drivers read `subnet`:
/// where only a network is named, its first subnet is meant.
async fn subnet(call: &Call<'_>) -> Result<String, Refusal> {
    if let Some(subnet) = call.param("subnet") {
        return Ok(subnet);
    }
    let network = call.required("network")?;
    let found = call.driver.network(&network).await?;
    found.subnets.into_iter().next().ok_or_else(|| {
        DriverError::invalid(
            "network",
            format!("network {network:?} has no subnet that an interface could be in"),
        )
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_feature_that_is_not_offered_would_do_is_refused() {
        let refused = |form: &[u8]| refuse_features(&Params::urlencoded(form).unwrap());
        for form in ["", "instance_count=1", "instance_count=&snapshot_id=", "name=a&user_data=b&hwp_cpu=2"] {
            assert_eq!(refused(form.as_bytes()), Ok(()), "{form}");
        }
        for form in ["instance_count=2", "snapshot_id=s", "password=p", "user_files=f", "load_balancer_id=l"]
        {
            assert_eq!(refused(form.as_bytes()).unwrap_err().status(), 400, "{form}");
        }
    }

    #[test]
    fn user_data_is_taken_as_text_and_in_base64() {
        assert_eq!(user_data("aGVsbG8="), "hello");
        assert_eq!(user_data("#cloud-config\nusers: []\n"), "#cloud-config\nusers: []\n");
        assert_eq!(user_data("hello world"), "hello world");
        // Base64 of bytes that are no text is left alone.
        assert_eq!(user_data("/////w=="), "/////w==");
    }
}
