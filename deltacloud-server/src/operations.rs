//! The operations of the drivers as requests of this API: verb, path and parameters. Forms and the documentation are
//! made of this one table.

use drivers::{Capabilities, Collection, Feature, Operation, Verb};

/// A parameter of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) required: bool,
    /// What it is, for people.
    pub(super) what: &'static str,
}

const fn needs(name: &'static str, what: &'static str) -> Parameter {
    Parameter { name, required: true, what }
}

const fn takes(name: &'static str, what: &'static str) -> Parameter {
    Parameter { name, required: false, what }
}

const NAME: Parameter = needs("name", "its name, which no other may have");
const DESCRIPTION: Parameter = takes("description", "for people");
const ONLY_ID: Parameter = takes("id", "only the one of this id");
const ARCHITECTURE: Parameter = takes("architecture", "only those for this architecture, such as i386");
const INSTANCE: Parameter = needs("instance_id", "the instance");

/// Whether this face passes on what a feature is about. A driver may have more than the API's requests can say here.
pub(super) fn carries_out(feature: Feature) -> bool {
    match feature {
        Feature::UserName
        | Feature::UserData
        | Feature::Firewalls
        | Feature::AuthenticationKey
        | Feature::HardwareProfiles
        | Feature::RealmFilter
        | Feature::OwnerId
        | Feature::ImageName
        | Feature::ImageDescription
        | Feature::BucketLocation
        | Feature::ImportKey
        | Feature::VolumeName
        | Feature::VolumeDescription => true,
        Feature::UserFiles
        | Feature::UserIso
        | Feature::AuthenticationPassword
        | Feature::RegisterToLoadBalancer
        | Feature::InstanceCount
        | Feature::AttachSnapshot
        | Feature::Sandboxing
        | Feature::Metrics => false,
    }
}

/// The features of a driver that clients of this face can use.
pub(super) fn features(capabilities: &Capabilities) -> impl Iterator<Item = Feature> {
    capabilities.features().filter(|feature| carries_out(*feature))
}

/// What an operation does, for people.
pub(super) fn purpose(operation: Operation) -> &'static str {
    match operation.verb() {
        Verb::Index => "Lists all there are, or those that the parameters ask for.",
        Verb::Show => "Tells about one.",
        Verb::Create => "Makes one.",
        Verb::Destroy => "Destroys one.",
        Verb::Start => "Starts an instance that is stopped.",
        Verb::Stop => "Stops an instance that is running.",
        Verb::Reboot => "Boots a running instance again.",
        Verb::Run => "Runs a command on an instance and tells what it has written.",
        Verb::Attach => "Makes a volume a disk of an instance.",
        Verb::Detach => "Takes a volume from its instance.",
        Verb::Associate => "Gives an address to an instance.",
        Verb::Disassociate => "Takes an address from its instance.",
        Verb::AddRule => "Lets something through a firewall.",
        Verb::RemoveRule => "Lets it through no longer.",
        Verb::Register => "Puts an instance behind a load balancer.",
        Verb::Unregister => "Takes an instance from behind a load balancer.",
        Verb::Put => "Writes a blob, of any length.",
        Verb::Content => "Gives a blob's content.",
        Verb::SetMetadata => "Replaces a blob's metadata by that of the headers.",
        Verb::Resize => "Gives an instance another hardware profile.",
        Verb::SetUserData => "Gives an instance other user data.",
        Verb::Rebuild => "Puts a fresh disk under an instance.",
    }
}

/// What a collection is, for people.
pub(super) fn about(collection: Collection) -> &'static str {
    match collection {
        Collection::Realms => "Places where instances can live, each with a limit of its own.",
        Collection::HardwareProfiles => "Sizes of instances: fixed values, ranges and choices.",
        Collection::Images => "Disks with a system on them, which instances are made from.",
        Collection::InstanceStates => "The states of an instance's life, and what leads from one to another.",
        Collection::Instances => "The machines.",
        Collection::Keys => "Credentials for logging in to instances.",
        Collection::Firewalls => "Rules about what may reach an instance.",
        Collection::Addresses => "Addresses that outlive instances and move between them.",
        Collection::StorageVolumes => "Disks that outlive instances and move between them.",
        Collection::StorageSnapshots => "What volumes held at a moment.",
        Collection::Buckets => "Sets of blobs.",
        Collection::Blobs => "Named bytes of any length in buckets.",
        Collection::Networks => "Networks apart from others.",
        Collection::Subnets => "Parts of networks, with addresses of their own.",
        Collection::NetworkInterfaces => "What ties an instance to a subnet.",
        Collection::LoadBalancers => "Addresses in front of several instances.",
        Collection::Metrics => "What is measured of instances.",
    }
}

/// HTTP verb and path of an operation; `None`: this API has no request for it.
pub(super) fn request(operation: Operation) -> Option<(&'static str, String)> {
    let collection = operation.collection();
    if collection == Collection::Blobs {
        let blob = "/api/buckets/:id/:blob_id".to_owned();
        return Some(match operation.verb() {
            Verb::Show => ("GET", blob),
            Verb::Put => ("PUT", blob),
            Verb::Content => ("GET", blob + "/content"),
            Verb::SetMetadata => ("POST", blob),
            Verb::Destroy => ("DELETE", blob),
            _ => return None,
        });
    }
    let all = format!("/api/{collection}");
    let one = format!("{all}/:id");
    Some(match operation.verb() {
        Verb::Index => ("GET", all),
        Verb::Create => ("POST", all),
        Verb::Show => ("GET", one),
        Verb::Destroy => ("DELETE", one),
        Verb::AddRule => ("POST", one + "/rules"),
        Verb::RemoveRule => ("DELETE", one + "/:rule_id"),
        verb @ (Verb::Start
        | Verb::Stop
        | Verb::Reboot
        | Verb::Run
        | Verb::Attach
        | Verb::Detach
        | Verb::Associate
        | Verb::Disassociate
        | Verb::Register
        | Verb::Unregister) => ("POST", format!("{one}/{verb}")),
        Verb::Resize | Verb::SetUserData | Verb::Rebuild | Verb::Put | Verb::Content | Verb::SetMetadata => {
            return None;
        }
    })
}

/// What an operation takes, in the order in which a form asks for it.
pub(super) fn parameters(operation: Operation) -> Vec<Parameter> {
    use Collection::*;
    match (operation.collection(), operation.verb()) {
        (Realms | HardwareProfiles, Verb::Index) => vec![ARCHITECTURE, ONLY_ID],
        (Images, Verb::Index) => {
            vec![takes("owner_id", "only those of this account; self is the caller"), ARCHITECTURE, ONLY_ID]
        }
        (Images, Verb::Create) => vec![INSTANCE, takes("name", "its name"), DESCRIPTION],
        (Instances, Verb::Index) => vec![
            takes("state", "only those in this state"),
            takes("realm_id", "only those in this realm"),
            takes("owner_id", "only those of this account"),
            takes("name", "only the one of this name"),
            ONLY_ID,
        ],
        (Instances, Verb::Create) => vec![
            needs("image_id", "what it is made from"),
            takes("name", "its name, which no other may have"),
            takes("realm_id", "where it shall live"),
            takes("hwp_id", "its hardware profile; hwp_cpu, hwp_memory and so on choose within it"),
            takes("keyname", "the key for logging in"),
            takes("user_data", "what it is handed at its first boot, as text or in base64"),
            takes("firewalls", "its firewalls between commas; also firewalls1, firewalls2 and so on"),
        ],
        (Instances, Verb::Run) => vec![
            needs("cmd", "the command"),
            takes("private_key", "for logging in"),
            takes("password", "for logging in"),
            takes("ip", "where to log in, if not at its first public address"),
            takes("port", "port for logging in, if not 22"),
        ],
        (Keys, Verb::Create) => vec![NAME, takes("public_key", "one line as in authorized_keys, to import")],
        (Firewalls, Verb::Create) => vec![NAME, needs("description", "for people")],
        (Firewalls, Verb::AddRule) => vec![
            needs("protocol", "tcp, udp or icmp"),
            needs("port_from", "first port"),
            needs("port_to", "last port"),
            takes("ip_address1", "a source as address/prefix; also ip_address2 and so on"),
            takes("group1", "a firewall as source, of the account group1owner; also group2 and so on"),
        ],
        (Addresses, Verb::Associate) => vec![INSTANCE],
        (StorageVolumes, Verb::Index) => vec![takes("name", "only the one of this name"), ONLY_ID],
        (StorageVolumes, Verb::Create) => vec![
            takes("name", "its name"),
            takes("capacity", "GB"),
            takes("realm_id", "where it shall live"),
            takes("snapshot_id", "what it is filled with"),
            DESCRIPTION,
        ],
        (StorageVolumes, Verb::Attach) => vec![INSTANCE, takes("device", "its name within the instance")],
        (StorageSnapshots, Verb::Create) => {
            vec![needs("volume_id", "the volume"), takes("name", "its name"), DESCRIPTION]
        }
        (Buckets, Verb::Create) => vec![NAME, takes("location", "where it shall be kept")],
        (Networks, Verb::Create) => vec![NAME, takes("address_block", "its addresses, as address/prefix")],
        (Subnets, Verb::Create) => vec![
            takes("name", "its name"),
            needs("network_id", "the network"),
            needs("address_block", "its addresses, as address/prefix"),
        ],
        (NetworkInterfaces, Verb::Create) => vec![
            takes("name", "its name"),
            needs("instance", "the instance"),
            needs("network", "the network, in whose first subnet it shall be"),
            takes("subnet", "the subnet; network is not needed then"),
            takes("ip_address", "its address in the subnet"),
        ],
        (LoadBalancers, Verb::Create) => vec![
            NAME,
            needs("realm_id", "where it stands"),
            needs("listener_protocol", "HTTP, HTTPS or TCP"),
            needs("listener_balancer_port", "its port"),
            needs("listener_instance_port", "the port of the instances"),
        ],
        (LoadBalancers, Verb::Register | Verb::Unregister) => vec![INSTANCE],
        (InstanceStates, _) => Vec::new(),
        (_, Verb::Index) => vec![ONLY_ID],
        _ => Vec::new(),
    }
}
