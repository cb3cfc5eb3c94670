//! The smallest driver, as `docs/drivers.md` shows it, run through the contract.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

// The driver of the page begins here.
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use drivers::{
    Answer, Capabilities, Collection, ComputeDriver, CreateInstance, DriverError, Feature, HardwareProfile,
    Image, Instance, InstanceAction, InstanceState, Operation, ProfileChoice, Property, PropertyValue, Realm,
    RealmState, StateMachine, Verb,
};

/// A shelf of machines: one realm, one size, one image.
struct Shelf {
    capabilities: Capabilities,
    states: StateMachine,
    machines: Mutex<Machines>,
}

#[derive(Default)]
struct Machines {
    made: u32,
    /// Each with the request that made it.
    there: Vec<(CreateInstance, Instance)>,
}

impl Shelf {
    fn new() -> Self {
        use Collection::{HardwareProfiles, Images, Instances, Realms};
        let listed = [Realms, HardwareProfiles, Images, Instances]
            .into_iter()
            .flat_map(|collection| [Verb::Index, Verb::Show].map(|verb| Operation::new(collection, verb)));
        let changed = [Verb::Create, Verb::Destroy].map(|verb| Operation::new(Instances, verb));
        Self {
            // What is not declared here is never asked for.
            capabilities: Capabilities::new(listed.chain(changed), [Feature::UserName]),
            // How an instance lives: created it runs, destroyed it is gone.
            states: StateMachine::new([
                (InstanceState::Start, Some(InstanceAction::Create), InstanceState::Pending),
                (InstanceState::Pending, None, InstanceState::Running),
                (InstanceState::Running, Some(InstanceAction::Destroy), InstanceState::Finish),
            ]),
            machines: Mutex::default(),
        }
    }

    fn machines(&self) -> MutexGuard<'_, Machines> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ComputeDriver for Shelf {
    fn name(&self) -> &str {
        "shelf"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn instance_states(&self) -> &StateMachine {
        &self.states
    }

    async fn realms(&self) -> Answer<Vec<Realm>> {
        Ok(vec![Realm {
            id: "shelf".into(),
            name: "The shelf".into(),
            state: RealmState::Available,
            limit: Some(4),
            exclusive: false,
            hardware_type: None,
            location: None,
            hardware_profiles: Vec::new(),
        }])
    }

    async fn hardware_profiles(&self) -> Answer<Vec<HardwareProfile>> {
        let memory = Property {
            name: "memory".into(),
            unit: "MB".into(),
            value: PropertyValue::Fixed { value: "1024".into() },
        };
        Ok(vec![HardwareProfile { id: "board".into(), name: "Board".into(), properties: vec![memory] }])
    }

    async fn images(&self) -> Answer<Vec<Image>> {
        Ok(vec![Image {
            id: "debian".into(),
            name: "Debian".into(),
            description: String::new(),
            owner_id: "shelf".into(),
            architecture: "x86_64".into(),
            state: "AVAILABLE".into(),
            creation_time: None,
            os: Some("Debian".into()),
            version: Some("12".into()),
            hardware_profiles: Vec::new(),
            root_type: None,
        }])
    }

    async fn instances(&self) -> Answer<Vec<Instance>> {
        Ok(self.machines().there.iter().map(|(_, instance)| instance.clone()).collect())
    }

    async fn create_instance(&self, request: &CreateInstance) -> Answer<Instance> {
        let mut machines = self.machines();
        // The name is the caller's token: the same request again gives the same instance.
        if let Some((before, instance)) =
            machines.there.iter().find(|(before, _)| before.name == request.name)
        {
            let why = "the name is taken by an instance of another request";
            return if before == request {
                Ok(instance.clone())
            } else {
                Err(DriverError::conflict(Collection::Instances, &request.name, why))
            };
        }
        if request.image_id != "debian" {
            return Err(DriverError::invalid("image_id", "there is only debian"));
        }
        if machines.there.len() >= 4 {
            let realm = Some("shelf".into());
            return Err(DriverError::Capacity { collection: Collection::Instances, realm, limit: 4 });
        }
        machines.made += 1;
        let instance = Instance {
            // Counted up, so that no identity comes back.
            id: format!("board-{}", machines.made),
            name: request.name.clone(),
            owner_id: "shelf".into(),
            image_id: request.image_id.clone(),
            realm_id: "shelf".into(),
            hardware_profile: ProfileChoice { id: "board".into(), values: Default::default() },
            state: InstanceState::Running,
            actions: self.states.actions(&InstanceState::Running),
            can_create_image: false,
            public_addresses: Vec::new(),
            private_addresses: Vec::new(),
            keyname: None,
            user_data: request.user_data.clone(),
            launch_time: None,
            firewalls: Vec::new(),
            storage_volumes: Vec::new(),
            network_interfaces: Vec::new(),
            boot_count: None,
            disk_id: None,
        };
        machines.there.push((request.clone(), instance.clone()));
        Ok(instance)
    }

    async fn destroy_instance(&self, id: &str) -> Answer<()> {
        let mut machines = self.machines();
        let before = machines.there.len();
        machines.there.retain(|(_, instance)| instance.id != id);
        if machines.there.len() < before {
            Ok(())
        } else {
            Err(DriverError::not_found(Collection::Instances, id))
        }
    }
}
// The driver of the page ends here.

struct AtOnce;

#[async_trait]
impl drivers::conformance::Patience for AtOnce {
    async fn wait(&self) {}
}

#[tokio::test]
async fn the_smallest_driver_keeps_the_contract() {
    drivers::conformance::check(&Shelf::new(), &AtOnce, "conformance-").await.unwrap();
}

#[test]
fn the_page_shows_this_driver() {
    let page = include_str!("../../docs/drivers.md");
    let this = include_str!("smallest_driver.rs");
    let driver = this.split("// The driver of the page begins here.\n").nth(1).unwrap();
    let driver = driver.split("// The driver of the page ends here.").next().unwrap();
    assert!(page.contains(&format!("```rust\n{driver}```")), "docs/drivers.md shows another driver");
}
