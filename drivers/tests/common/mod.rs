//! What several test files need.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::sync::Arc;

use chrono::DateTime;
use drivers::mock::{MockConfig, MockDriver, RealmTemplate};
use drivers::{CreateInstance, ManualClock, RealmState};

pub(crate) fn clock() -> ManualClock {
    ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap())
}

pub(crate) fn in_memory(config: MockConfig) -> (MockDriver, ManualClock) {
    let clock = clock();
    (MockDriver::with_clock(None, config, Arc::new(clock.clone())).unwrap(), clock)
}

pub(crate) fn realm(id: &str, capacity: Option<u32>) -> RealmTemplate {
    RealmTemplate {
        id: id.into(),
        name: None,
        count: None,
        capacity,
        exclusive: false,
        state: RealmState::Available,
        hardware_type: None,
        location: None,
        hardware_profiles: Vec::new(),
    }
}

pub(crate) fn request(name: &str) -> CreateInstance {
    CreateInstance::new(name, "debian-12")
}
