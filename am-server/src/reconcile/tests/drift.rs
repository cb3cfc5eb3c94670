//! Instances that somebody changed in their cloud.

use super::*;
use drivers::ProfileChoice;

impl World {
    /// A person gives the stopped instance another size behind our back.
    async fn is_resized(&self, profile: &str) {
        let machine = self.machine().await.unwrap();
        let size = ProfileChoice { id: profile.into(), values: BTreeMap::new() };
        self.lab.resize_instance(&machine.id, &size).await.unwrap();
    }

    fn drifts(&self) -> String {
        let text = self.reconciler.metrics.counted();
        let lines = text.lines().filter(|line| line.starts_with("am_sliver_drifts_total{"));
        lines.map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn an_instance_that_was_changed_in_its_cloud_is_told_and_put_right_when_asked() {
    let world = World::of("lab", NODE).await;
    world.looks_until(Operational::NotReady).await;
    world.compares().await;
    assert_eq!(world.sliver().await.error, None);
    let before = world.machine().await.unwrap();
    world.is_resized("m1-large").await;
    world.compares().await;
    let sliver = world.sliver().await;
    assert_eq!(sliver.operational(), Operational::NotReady, "it is there and usable");
    let told = sliver.error.unwrap();
    assert!(told.contains("hardware profile m1-large instead of m1-small"), "{told}");
    assert_eq!(world.drifts(), r#"am_sliver_drifts_total{driver="lab"} 1"#);
    // Nothing is done about it unasked, and it is not counted again.
    for _ in 0..3 {
        world.compares().await;
        world.look().await;
    }
    assert_eq!(world.machine().await.unwrap().hardware_profile.id, "m1-large");
    assert_eq!(world.drifts(), r#"am_sliver_drifts_total{driver="lab"} 1"#);
    world.operate("geni_start").await;
    world.looks_until(Operational::Ready).await;
    assert_eq!(world.sliver().await.error.as_deref(), Some(told.as_str()), "it is still so");
    world.becomes(grant("lab")).await;
    world.looks_until(Operational::Ready).await;
    let after = world.machine().await.unwrap();
    assert_eq!(world.sliver().await.error, None);
    assert_eq!((after.hardware_profile.id.as_str(), &after.disk_id), ("m1-small", &before.disk_id));
}

#[tokio::test]
async fn an_instance_that_is_changed_back_is_as_it_was() {
    let world = World::of("lab", NODE).await;
    world.looks_until(Operational::NotReady).await;
    world.is_resized("m1-large").await;
    world.compares().await;
    assert!(world.sliver().await.error.is_some());
    world.is_resized("m1-small").await;
    world.compares().await;
    assert_eq!(world.sliver().await.error, None);
}

#[tokio::test]
async fn each_shape_of_an_instance_is_compared_once() {
    let world = World::of("lab", NODE).await;
    world.looks_until(Operational::NotReady).await;
    world.compares().await;
    let version = world.version().await;
    let compared = world.reconciler.compared.lock().unwrap().clone();
    assert_eq!(compared.len(), 1);
    world.compares().await;
    assert_eq!(world.version().await, version);
    assert_eq!(*world.reconciler.compared.lock().unwrap(), compared);
    // One that is being worked on is no settled sliver.
    world.operate("geni_start").await;
    world.compares().await;
    assert!(world.reconciler.compared.lock().unwrap().is_empty());
}
