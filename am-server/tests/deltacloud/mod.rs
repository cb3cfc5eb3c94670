//! What the tests of the Deltacloud face share.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use am_server::cloud::Cloud;
use am_server::config::LimitsSection;
use am_server::faces::deltacloud::Face;
use am_server::faces::deltacloud::auth::Users;
use am_server::service;
use am_server::time::system_clock;
use drivers::ComputeDriver;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// A face over one driver, for the user that the real mock has.
pub fn face(driver: Arc<dyn ComputeDriver>) -> Arc<Face> {
    let cloud = Cloud::new("mock", driver, system_clock(), Arc::default());
    let users = Users::new([("mockuser", "mockpassword")]);
    Arc::new(Face::new(vec![cloud], users, service::limits(&LimitsSection::default()), None))
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
