//! What is known of an instance, and what the next step makes of it.

use super::*;
use drivers::{ChangeCosts, Collection, Operation, Verb};

fn built(image: &str, profile: &str, user_data: &str) -> Built {
    Built {
        driver: "lab".to_owned(),
        realm: "r".to_owned(),
        image: image.to_owned(),
        profile: profile.to_owned(),
        user_data: user_data.to_owned(),
        mounts: String::new(),
        volumes: Default::default(),
    }
}

pub(in crate::reconcile) fn machine(image: &str, profile: &str) -> Machine {
    Machine {
        id: "i1".to_owned(),
        name: "n".to_owned(),
        owner_id: String::new(),
        image_id: image.to_owned(),
        realm_id: "r".to_owned(),
        hardware_profile: ProfileChoice { id: profile.to_owned(), values: Default::default() },
        state: InstanceState::Running,
        actions: Vec::new(),
        can_create_image: false,
        public_addresses: Vec::new(),
        private_addresses: Vec::new(),
        keyname: None,
        user_data: Some("new".to_owned()),
        launch_time: None,
        firewalls: Vec::new(),
        storage_volumes: Vec::new(),
        network_interfaces: Vec::new(),
        boot_count: None,
        disk_id: None,
    }
}

fn capabilities(resize: Disruption) -> Capabilities {
    let verbs = [Verb::Resize, Verb::SetUserData, Verb::Rebuild];
    let mut all = Capabilities::new(verbs.map(|verb| Operation::new(Collection::Instances, verb)), []);
    all.costs = ChangeCosts { resize, ..ChangeCosts::default() };
    all
}

// An answer got lost, or the service was killed before it could write it down.
#[test]
fn what_the_cloud_shows_as_done_is_not_asked_for_again() {
    let (noted, target) = (built("old", "small", "old"), built("new", "large", "new"));
    let seen =
        |machine: &Machine, resize| already_done(noted.clone(), machine, &target, &capabilities(resize));
    assert_eq!(seen(&machine("old", "small"), Disruption::None), noted);
    assert_eq!(seen(&machine("new", "small"), Disruption::None), built("new", "small", "old"));
    assert_eq!(seen(&machine("new", "large"), Disruption::Reboots), built("new", "large", "old"));
    // A size that only a boot makes real is asked for again, so that the boot follows; so is user data.
    assert_eq!(seen(&machine("old", "large"), Disruption::NextBoot), noted);
}

#[test]
fn what_the_cloud_spells_otherwise_is_taken_as_noted() {
    let noted = built("old", "small", "old");
    let odd = machine("image-of-another-spelling", "");
    assert_eq!(already_done(noted.clone(), &odd, &noted, &capabilities(Disruption::None)), noted);
}

#[test]
fn each_modification_brings_the_record_up_to_date() {
    let (from, to) = (built("old", "small", "old"), built("new", "large", "new"));
    assert_eq!(modified(&from, &to, Modify::Resize), built("old", "large", "old"));
    assert_eq!(modified(&from, &to, Modify::SetUserData), built("old", "small", "new"));
    assert_eq!(modified(&from, &to, Modify::Rebuild), built("new", "small", "old"));
    assert_eq!(modified(&from, &to, Modify::Replace), from);
}
