//! What does not change while a mock cloud lives, worked out once from its configuration.

use std::collections::HashMap;
use std::sync::Arc;

use super::config::{AfterCreate, Lifecycle, MockConfig};
use crate::capability::Capabilities;
use crate::clock::Clock;
use crate::feature::Feature;
use crate::model::{Image, Realm};
use crate::operation::{Collection, Operation, Verb};
use crate::states::{InstanceAction, InstanceState, StateMachine};

/// The most user data an instance is handed, in bytes.
const USER_DATA_LIMIT: usize = 64 * 1024;

/// The fixed part of a mock cloud.
#[derive(Debug)]
pub(super) struct World {
    pub(super) config: MockConfig,
    pub(super) realms: Vec<Realm>,
    realm_places: HashMap<String, usize>,
    pub(super) images: Vec<Image>,
    pub(super) machine: StateMachine,
    pub(super) capabilities: Capabilities,
    pub(super) clock: Arc<dyn Clock>,
}

impl World {
    pub(super) fn new(config: MockConfig, clock: Arc<dyn Clock>) -> Self {
        let realms: Vec<Realm> = config
            .realms
            .iter()
            .flat_map(|template| {
                template.expand().map(|(id, name)| Realm {
                    id,
                    name,
                    state: template.state,
                    limit: if template.exclusive { Some(1) } else { template.capacity },
                    exclusive: template.exclusive,
                    hardware_type: template.hardware_type.clone(),
                    location: template.location.clone(),
                    hardware_profiles: template.hardware_profiles.clone(),
                })
            })
            .collect();
        Self {
            realm_places: realms.iter().enumerate().map(|(at, realm)| (realm.id.clone(), at)).collect(),
            images: config.images.iter().map(|image| image.image(&config.owner)).collect(),
            machine: machine(&config),
            capabilities: capabilities(&config),
            realms,
            config,
            clock,
        }
    }

    /// The realm of this identity.
    pub(super) fn realm(&self, id: &str) -> Option<&Realm> {
        self.realm_places.get(id).and_then(|at| self.realms.get(*at))
    }
}

fn capabilities(config: &MockConfig) -> Capabilities {
    use Feature::*;
    let features = [
        UserName,
        UserData,
        Firewalls,
        AuthenticationKey,
        RealmFilter,
        ImageName,
        ImageDescription,
        OwnerId,
        BucketLocation,
        ImportKey,
        VolumeName,
        VolumeDescription,
    ];
    let lacks = |collection, verb| config.lacks.contains(&Operation::new(collection, verb));
    let lacking = |feature: Feature| match feature {
        // A parameter that names something needs a collection to name it from.
        Feature::Firewalls => lacks(Collection::Firewalls, Verb::Index),
        Feature::AuthenticationKey => lacks(Collection::Keys, Verb::Index),
        other => config.lacks.contains(&other.operation()),
    };
    let mut capabilities = Capabilities::new(
        Operation::all().filter(|o| !config.lacks.contains(o)),
        features.into_iter().filter(|feature| !lacking(*feature)),
    );
    capabilities.costs = config.costs;
    capabilities.user_data_limit = Some(USER_DATA_LIMIT);
    capabilities.unique_names = true;
    capabilities
}

/// The declared life of instances: a step that takes no time leads straight to its end, and what the cloud lacks leads
/// nowhere.
fn machine(config: &MockConfig) -> StateMachine {
    let lacks = |action| {
        let verb = match action {
            InstanceAction::Create => Verb::Create,
            InstanceAction::Start => Verb::Start,
            InstanceAction::Stop => Verb::Stop,
            InstanceAction::Reboot => Verb::Reboot,
            InstanceAction::Destroy => Verb::Destroy,
        };
        config.lacks.contains(&Operation::new(Collection::Instances, verb))
    };
    let ways = ways(&config.lifecycle).into_iter();
    StateMachine::new(ways.filter(|(_, action, _)| !action.is_some_and(lacks)))
}

/// What leads from one state to another in a cloud that lacks nothing.
fn ways(life: &Lifecycle) -> Vec<(InstanceState, Option<InstanceAction>, InstanceState)> {
    use InstanceAction::{Create, Destroy, Reboot, Start, Stop};
    use InstanceState::{Failed, Finish, Pending, Running, Stopped, Stopping};
    let by_way_of = |ms: u32, way: InstanceState, end: InstanceState| if ms > 0 { way } else { end };
    let end = by_way_of(life.destroy_ms, Stopping, Finish);
    let mut ways = vec![(InstanceState::Start, Some(Create), Pending), (Pending, None, Running)];
    if life.after_create == AfterCreate::Stopped {
        ways.push((Pending, None, Stopped));
    }
    if life.can_fail {
        ways.push((Pending, None, Failed));
    }
    ways.push((Running, Some(Reboot), by_way_of(life.reboot_ms, Pending, Running)));
    ways.push((Running, Some(Stop), by_way_of(life.stop_ms, Stopping, Stopped)));
    if life.stop_ms > 0 {
        ways.push((Stopping, None, Stopped));
    }
    ways.push((Stopped, Some(Start), by_way_of(life.start_ms, Pending, Running)));
    ways.push((Stopped, Some(Destroy), end.clone()));
    if life.can_fail {
        ways.push((Failed, Some(Destroy), end.clone()));
    }
    if life.destroy_anytime {
        ways.push((Pending, Some(Destroy), end.clone()));
        ways.push((Running, Some(Destroy), end.clone()));
        if life.stop_ms > 0 {
            ways.push((Stopping, Some(Destroy), end.clone()));
        }
    }
    if life.destroy_ms > 0 {
        ways.push((Stopping, None, Finish));
    }
    ways
}
