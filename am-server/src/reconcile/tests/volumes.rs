//! Volumes of the sliver: made once, kept apart from strangers, cleared away.

use super::*;
use crate::grant::VolumeGrant;
use drivers::{CreateVolume, Volume};
use rspec::Guarantee;
use state::{Proposal, Update};

fn volume(number: u32, name: &str) -> VolumeGrant {
    VolumeGrant {
        name: name.to_owned(),
        number,
        gigabytes: 3,
        device: format!("/dev/vd{}", char::from(b'b' + u8::try_from(number).unwrap())),
        mountpoint: None,
    }
}

/// A sliver that is granted these volumes, of as many as it ever had.
fn granted(volumes: Vec<VolumeGrant>, volumes_ever: u32) -> NodeGrant {
    NodeGrant { volumes, volumes_ever, ..grant("lab") }
}

fn storage(verb: Verb) -> Operation {
    Operation::new(Collection::StorageVolumes, verb)
}

impl World {
    /// The volumes at `lab` that the cloud did not have from the start.
    async fn volumes(&self) -> Vec<Volume> {
        let all = self.lab.storage_volumes().await.unwrap();
        all.into_iter().filter(|it| !["vol1", "vol2", "vol3"].contains(&it.id.as_str())).collect()
    }

    async fn stray_volume(&self, name: String) {
        let request = CreateVolume { name: Some(name), capacity: Some(1), ..CreateVolume::default() };
        self.lab.create_storage_volume(&request).await.unwrap();
    }

    /// Updates and provisions the sliver to this grant.
    pub(super) async fn becomes(&self, grant: NodeGrant) {
        let detail = Grant::Node(Box::new(grant)).to_detail();
        let configuration = Configuration::new("a".into(), NODE.into(), detail, Vec::new());
        let later = self.reconciler.now() + TimeDelta::days(30);
        self.does(Event::Update(Update {
            selection: Selection::Slice,
            changes: [(urn("sliver", "a"), Proposal::Configuration(configuration))].into(),
            new: Vec::new(),
            frame: None,
            creator: urn("user", "alice"),
            best_effort: false,
            end_time: None,
            credential_expires: later,
        }))
        .await;
        self.does(Event::Provision(Provision {
            selection: Selection::Slice,
            provisioning: BTreeMap::new(),
            best_effort: false,
            end_time: None,
            credential_expires: later,
        }))
        .await;
    }

    /// A person destroys the only volume behind our back.
    async fn loses_volume(&self) -> Volume {
        let lost = self.volumes().await.remove(0);
        self.lab.detach_storage_volume(&lost.id).await.unwrap();
        self.lab.destroy_storage_volume(&lost.id).await.unwrap();
        lost
    }

    async fn names(&self) -> HashSet<String> {
        self.volumes().await.into_iter().filter_map(|it| it.name).collect()
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_volume() {
    let world = World::with(granted(vec![volume(0, "data")], 1), NODE).await;
    world.faults.once(storage(Verb::Create), Fault::LostAnswer);
    world.faults.once(storage(Verb::Attach), Fault::ErrorAfter);
    for _ in 0..12 {
        world.look().await;
        if world.reconciler.inventory.clouds()[0].breaker.state() != crate::cloud::breaker::State::Closed {
            world.lab_answers_again().await;
        }
    }
    assert_eq!(world.sliver().await.operational(), Operational::NotReady);
    let volumes = world.volumes().await;
    let [only] = &volumes[..] else { panic!("{volumes:?}") };
    assert_eq!(only.instance_id, Some(world.machine().await.unwrap().id));
    let noted = InstanceDetail::of(&world.sliver().await).unwrap();
    assert_eq!(noted.volumes[0].device.as_deref(), Some("/dev/vdb"));
    assert_eq!(noted.built.volumes, [0].into());
}

#[tokio::test]
async fn a_volume_that_an_instance_before_it_still_holds_is_taken_over() {
    let world = World::with(granted(vec![volume(0, "data")], 1), NODE).await;
    let other = stray(&world.lab, "somebody-elses").await;
    let name = Some(format!("{}-v0", world.token()));
    let request = CreateVolume {
        name,
        capacity: Some(3),
        realm_id: Some(other.realm_id.clone()),
        ..CreateVolume::default()
    };
    let held = world.lab.create_storage_volume(&request).await.unwrap();
    world.lab.attach_storage_volume(&held.id, &other.id, None).await.unwrap();
    world.looks_until(Operational::NotReady).await;
    let volumes = world.volumes().await;
    assert_eq!(volumes.len(), 1);
    assert_eq!(
        (&volumes[0].id, &volumes[0].instance_id),
        (&held.id, &Some(world.machine().await.unwrap().id))
    );
}

// A cloud that has not let go of another volume yet, or whose operator attached one by hand.
#[tokio::test]
async fn a_device_that_is_taken_is_waited_for() {
    let world = World::with(granted(vec![volume(0, "data")], 1), NODE).await;
    world.look().await;
    let machine = world.machine().await.unwrap();
    let request = CreateVolume { realm_id: Some(machine.realm_id.clone()), ..CreateVolume::default() };
    let other = world.lab.create_storage_volume(&request).await.unwrap();
    world.lab.attach_storage_volume(&other.id, &machine.id, Some("/dev/vdb")).await.unwrap();
    for _ in 0..3 {
        world.look().await;
    }
    let waits = world.sliver().await;
    assert_ne!(waits.operational(), Operational::Failed);
    assert!(waits.error.unwrap().contains("another volume as this device"));
    world.lab.detach_storage_volume(&other.id).await.unwrap();
    world.looks_until(Operational::NotReady).await;
    assert_eq!(world.sliver().await.error, None);
}

#[tokio::test]
async fn stray_volumes_are_destroyed_when_two_comparisons_find_them() {
    let world = World::with(granted(vec![volume(1, "data")], 2), NODE).await;
    world.looks_until(Operational::NotReady).await;
    let own = format!("{}-v1", world.token());
    let theirs = format!("{}theirs-v0", token_prefix("am.example.net", "another"));
    for name in
        [format!("{}-v0", world.token()), format!("{}stranger-v0", world.reconciler.prefix), theirs.clone()]
    {
        world.stray_volume(name).await;
    }
    world.compares().await;
    assert_eq!(world.volumes().await.len(), 4, "one comparison is not believed");
    world.compares().await;
    assert_eq!(world.names().await, [own, theirs].into());
    assert!(world.sliver().await.is_settled());
}

#[tokio::test]
async fn a_lost_volume_fails_its_node_until_it_is_there_again() {
    let world = World::with(granted(vec![volume(0, "data")], 1), NODE).await;
    world.looks_until(Operational::NotReady).await;
    let machine = world.machine().await.unwrap();
    let lost = world.loses_volume().await;
    assert_eq!(world.look().await.operational(), Operational::NotReady, "one look may be wrong");
    world.pause().await;
    let failed = world.look().await;
    assert_eq!(failed.operational(), Operational::Failed);
    assert!(failed.error.unwrap().contains("volume \"data\" vanished"));
    assert_eq!(world.volumes().await, [], "no empty one in its place");

    let request = CreateVolume {
        name: lost.name.clone(),
        capacity: Some(3),
        realm_id: Some(machine.realm_id.clone()),
        ..CreateVolume::default()
    };
    world.lab.create_storage_volume(&request).await.unwrap();
    world.looks_until(Operational::NotReady).await;
    assert_eq!(world.volumes().await[0].instance_id, Some(machine.id));
    assert_eq!(world.sliver().await.error, None);
}

#[tokio::test]
async fn a_volume_lost_before_another_change_is_not_replaced_without_a_word() {
    let world = World::with(granted(vec![volume(0, "data")], 1), NODE).await;
    world.looks_until(Operational::NotReady).await;
    world.loses_volume().await;
    let more = granted(vec![volume(0, "data"), volume(1, "scratch")], 2);
    world.becomes(NodeGrant { preserve: Some(Guarantee::NoDisruption), ..more.clone() }).await;
    assert!(world.look().await.error.unwrap().contains("volume \"data\" is not to be seen"));
    world.pause().await;
    let failed = world.look().await;
    assert_eq!(failed.operational(), Operational::Failed);
    assert!(failed.error.unwrap().contains("volume \"data\" vanished"));
    assert_eq!(world.volumes().await, [], "no empty one in its place");

    // Now it was told.
    world.becomes(NodeGrant { preserve: Some(Guarantee::None), ..more }).await;
    world.looks_until(Operational::NotReady).await;
    let both = [0, 1].map(|number| format!("{}-v{number}", world.token()));
    assert_eq!(world.names().await, both.into());
    assert_eq!(world.sliver().await.error, None);
}

#[tokio::test]
async fn a_lost_volume_that_the_next_change_takes_away_is_no_failure() {
    let world = World::with(granted(vec![volume(0, "data")], 1), NODE).await;
    world.looks_until(Operational::NotReady).await;
    world.loses_volume().await;
    world.becomes(granted(vec![volume(1, "scratch")], 2)).await;
    world.looks_until(Operational::NotReady).await;
    assert_eq!(world.names().await, [format!("{}-v1", world.token())].into());
}

#[tokio::test]
async fn a_slice_that_is_shut_down_keeps_volumes_that_an_update_was_about_to_take() {
    let world = World::with(granted(vec![volume(0, "data")], 1), NODE).await;
    world.looks_until(Operational::NotReady).await;
    world.becomes(granted(Vec::new(), 1)).await;
    world.shut_down().await;
    for _ in 0..4 {
        world.compares().await;
    }
    let [kept] = &world.volumes().await[..] else { panic!("it is gone, or has become more") };
    assert_eq!(kept.instance_id, Some(world.machine().await.unwrap().id));

    world.does(Event::Restore(Restore)).await;
    world.looks_until(Operational::NotReady).await;
    assert_eq!(world.volumes().await, []);
}

#[tokio::test]
async fn a_sliver_that_goes_takes_all_its_volumes_along_noted_or_not() {
    let world = World::with(granted(vec![volume(1, "data")], 2), NODE).await;
    world.looks_until(Operational::NotReady).await;
    world.stray_volume(format!("{}-v0", world.token())).await;
    world.stray_volume("somebody-elses-v0".to_owned()).await;
    let delete = state::Delete { selection: Selection::Slice, best_effort: false, operator: false };
    world.does(Event::Delete(delete)).await;
    world.faults.once(storage(Verb::Destroy), Fault::Error { status: 400 });
    for _ in 0..12 {
        world.passes().await;
        world.pause().await;
    }
    assert_eq!(world.names().await, ["somebody-elses-v0".to_owned()].into());
    assert_eq!(world.reconciler.slices.store().departed(None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_sliver_without_volumes_asks_for_none() {
    let world = World::of("lab", NODE).await;
    world.faults.once(storage(Verb::Index), Fault::Unavailable);
    world.looks_until(Operational::NotReady).await;
    assert!(world.lab.storage_volumes().await.is_err(), "the fault was not met before");
}
