//! What is done with instances of the mock cloud once they are there.

use chrono::TimeDelta;

use super::instances::{Stood, unknown};
use super::session::Session;
use super::store::Stored;
use crate::capability::Disruption;
use crate::driver::Answer;
use crate::error::DriverError;
use crate::model::{Instance, ProfileChoice};
use crate::operation::Verb;
use crate::states::{InstanceAction, InstanceState};

impl Session<'_> {
    /// Sets an instance on its way; a way that takes no time is at its end at once.
    pub(super) fn go(&self, instance: &mut Stood, milliseconds: u32, way: InstanceState, end: InstanceState) {
        if milliseconds == 0 {
            (instance.state, instance.next) = (end, None);
        } else {
            let due = self.now + TimeDelta::milliseconds(i64::from(milliseconds));
            (instance.state, instance.next) = (way, Some((end, due.timestamp_millis())));
        }
    }

    /// Boots an instance, which then knows the user data it has now.
    pub(super) fn boot(&self, instance: &mut Stood, milliseconds: u32) -> Answer<()> {
        instance.record.boot_count += 1;
        instance.record.booted_user_data.clone_from(&instance.record.user_data);
        if !self.boot_fails {
            self.go(instance, milliseconds, InstanceState::Pending, InstanceState::Running);
        } else if self.world.config.lifecycle.can_fail {
            // The declared way to failure goes through pending, so it takes a moment in any case.
            self.go(instance, milliseconds.max(1), InstanceState::Pending, InstanceState::Failed);
        } else {
            let message = format!("instance {} did not come up", instance.id);
            return Err(DriverError::Backend { status: Some(409), message });
        }
        Ok(())
    }

    /// The instance, if its state allows the action.
    fn ready_for(&self, id: &str, action: InstanceAction, verb: Verb) -> Answer<Stood> {
        let instance = self.stood(id)?;
        if self.world.machine.allows(&instance.state, action) {
            Ok(instance)
        } else {
            Err(wrong_state(instance, verb))
        }
    }

    pub(super) fn start_instance(&self, id: &str) -> Answer<Instance> {
        let mut instance = self.ready_for(id, InstanceAction::Start, Verb::Start)?;
        self.boot(&mut instance, self.world.config.lifecycle.start_ms)?;
        self.store(&instance)?;
        self.show(instance)
    }

    pub(super) fn stop_instance(&self, id: &str) -> Answer<Instance> {
        let mut instance = self.ready_for(id, InstanceAction::Stop, Verb::Stop)?;
        let takes = self.world.config.lifecycle.stop_ms;
        self.go(&mut instance, takes, InstanceState::Stopping, InstanceState::Stopped);
        self.store(&instance)?;
        self.show(instance)
    }

    pub(super) fn reboot_instance(&self, id: &str) -> Answer<Instance> {
        let mut instance = self.ready_for(id, InstanceAction::Reboot, Verb::Reboot)?;
        self.boot(&mut instance, self.world.config.lifecycle.reboot_ms)?;
        self.store(&instance)?;
        self.show(instance)
    }

    pub(super) fn destroy_instance(&self, id: &str) -> Answer<()> {
        self.sweep()?;
        let instance = self.stood(id)?;
        if matches!(instance.next, Some((InstanceState::Finish, _))) {
            return Ok(());
        }
        let mut instance = self.ready_for(id, InstanceAction::Destroy, Verb::Destroy)?;
        self.release(id)?;
        let takes = self.world.config.lifecycle.destroy_ms;
        self.go(&mut instance, takes, InstanceState::Stopping, InstanceState::Finish);
        if instance.state == InstanceState::Finish {
            self.connection
                .prepare_cached("DELETE FROM instance WHERE number = ?1")
                .stored()?
                .execute([instance.number])
                .stored()?;
            return Ok(());
        }
        self.store(&instance)
    }

    pub(super) fn resize_instance(&self, id: &str, size: &ProfileChoice) -> Answer<Instance> {
        let mut instance = self.stood(id)?;
        let image = self.usable_image(&instance.record.image_id)?;
        let (profile, values) = self.size(Some(&size.id), &size.values, &image)?;
        let wanted = ProfileChoice { id: profile.id.clone(), values };
        if instance.record.hardware_profile == wanted {
            return self.show(instance);
        }
        if let Some(realm) = self.world.realm(&instance.realm_id)
            && !realm.offers(&profile.id)
        {
            let what = format!("hardware profile of realm {}", realm.id);
            return Err(unknown("hwp_id", &what, &profile.id, realm.hardware_profiles.clone()));
        }
        self.pay(&mut instance, self.world.config.costs.resize, Verb::Resize)?;
        instance.record.hardware_profile = wanted;
        self.store(&instance)?;
        self.show(instance)
    }

    pub(super) fn set_user_data(&self, id: &str, user_data: Option<String>) -> Answer<Instance> {
        self.check_user_data(user_data.as_deref())?;
        let mut instance = self.stood(id)?;
        if instance.record.user_data == user_data {
            return self.show(instance);
        }
        instance.record.user_data = user_data;
        let cost = self.world.config.costs.set_user_data;
        self.pay(&mut instance, cost, Verb::SetUserData)?;
        if cost == Disruption::None {
            instance.record.booted_user_data.clone_from(&instance.record.user_data);
        }
        self.store(&instance)?;
        self.show(instance)
    }

    pub(super) fn rebuild_instance(&self, id: &str, image_id: &str) -> Answer<Instance> {
        let mut instance = self.stood(id)?;
        let image = self.usable_image(image_id)?;
        self.size(Some(&instance.record.hardware_profile.id), &Default::default(), &image)?;
        let must_be_stopped = self.world.config.costs.rebuild == Disruption::MustBeStopped;
        match instance.state {
            InstanceState::Stopped => {}
            InstanceState::Running | InstanceState::Failed if !must_be_stopped => {
                self.boot(&mut instance, self.world.config.lifecycle.create_ms)?;
            }
            _ => return Err(wrong_state(instance, Verb::Rebuild)),
        }
        instance.record.image_id = image.id;
        instance.record.disk_id = self.new_disk()?;
        self.store(&instance)?;
        self.show(instance)
    }

    /// Lets an instance bear what a change costs, or refuses the change in a state that does not
    /// allow it.
    fn pay(&self, instance: &mut Stood, cost: Disruption, verb: Verb) -> Answer<()> {
        match (cost, &instance.state) {
            (_, InstanceState::Stopped) => Ok(()),
            (Disruption::None | Disruption::NextBoot, InstanceState::Running | InstanceState::Pending) => {
                Ok(())
            }
            (Disruption::Reboots, InstanceState::Running) => {
                self.boot(instance, self.world.config.lifecycle.reboot_ms)
            }
            (_, state) => {
                Err(DriverError::WrongState { id: instance.id.clone(), state: state.clone(), verb })
            }
        }
    }
}

fn wrong_state(instance: Stood, verb: Verb) -> DriverError {
    DriverError::WrongState { id: instance.id, state: instance.state, verb }
}
