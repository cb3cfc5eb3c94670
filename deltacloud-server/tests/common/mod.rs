//! What the tests of the Deltacloud face share.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use deltacloud_server::auth::Users;
use deltacloud_server::{Face, NamedDriver};
use drivers::{
    Capabilities, Collection, ComputeDriver, CreateInstance, DriverError, HardwareProfile, Image, Instance,
    Realm, StateMachine,
};
use listen::Limits;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Where the tests' requests come from.
pub const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The limits of a service with nothing else configured.
pub fn limits() -> Limits {
    Limits {
        body: 16 << 20,
        connections: 8192,
        per_address: Limits::share(8192),
        per_caller: Limits::share(8192),
        request: Duration::from_secs(30),
        idle: Duration::from_secs(300),
    }
}

/// A face over one driver, for the user that the real mock has.
pub fn face(driver: Arc<dyn ComputeDriver>) -> Arc<Face> {
    face_with(driver, limits())
}

/// As [`face`], within these limits.
pub fn face_with(driver: Arc<dyn ComputeDriver>, limits: Limits) -> Arc<Face> {
    let named = NamedDriver { name: "mock".to_owned(), driver };
    let users = Users::new([("mockuser", "mockpassword")]);
    Arc::new(Face::new(vec![named], users, limits, None))
}

/// A face that listens; it stops when the sender is dropped or sends true.
pub async fn serve(driver: Arc<dyn ComputeDriver>) -> (SocketAddr, watch::Sender<bool>) {
    let face = face(driver);
    let listener = face.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(face.serve(listener, stopped));
    (address, stop)
}

/// A driver that declares things and has nothing.
pub struct Declares(Capabilities, StateMachine);

impl Declares {
    pub fn new(capabilities: Capabilities) -> Self {
        Self(capabilities, StateMachine::new([]))
    }
}

#[async_trait::async_trait]
impl ComputeDriver for Declares {
    fn name(&self) -> &str {
        "mock"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0
    }

    fn instance_states(&self) -> &StateMachine {
        &self.1
    }

    async fn realms(&self) -> Result<Vec<Realm>, DriverError> {
        Ok(Vec::new())
    }

    async fn hardware_profiles(&self) -> Result<Vec<HardwareProfile>, DriverError> {
        Ok(Vec::new())
    }

    async fn images(&self) -> Result<Vec<Image>, DriverError> {
        Ok(Vec::new())
    }

    async fn instances(&self) -> Result<Vec<Instance>, DriverError> {
        Ok(Vec::new())
    }

    async fn create_instance(&self, request: &CreateInstance) -> Result<Instance, DriverError> {
        Err(DriverError::conflict(Collection::Instances, &request.name, "there is no room"))
    }

    async fn destroy_instance(&self, id: &str) -> Result<(), DriverError> {
        Err(DriverError::not_found(Collection::Instances, id))
    }
}
