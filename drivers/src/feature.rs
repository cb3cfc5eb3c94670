//! Features: optional parameters of operations.

use std::fmt;

use crate::operation::{Collection, Operation, Verb};

named! {
    /// An optional parameter that a cloud may or may not know, by its Deltacloud name.
    Feature {
        /// Instances take a name.
        UserName = "user_name",
        /// Instances take user data.
        UserData = "user_data",
        /// Instances take files to put in.
        UserFiles = "user_files",
        /// Instances take a disk image of user data.
        UserIso = "user_iso",
        /// Instances take firewalls.
        Firewalls = "firewalls",
        /// Instances take a key.
        AuthenticationKey = "authentication_key",
        /// Instances take or give a password.
        AuthenticationPassword = "authentication_password",
        /// Images say which hardware profiles fit.
        HardwareProfiles = "hardware_profiles",
        /// Instances join a load balancer on creation.
        RegisterToLoadBalancer = "register_to_load_balancer",
        /// Several instances at once.
        InstanceCount = "instance_count",
        /// A volume made from a snapshot and attached on creation.
        AttachSnapshot = "attach_snapshot",
        /// Sandbox instances.
        Sandboxing = "sandboxing",
        /// Measurements.
        Metrics = "metrics",
        /// Instances can be listed by realm.
        RealmFilter = "realm_filter",
        /// Images can be listed by owner.
        OwnerId = "owner_id",
        /// Images take a name.
        ImageName = "image_name",
        /// Images take a description.
        ImageDescription = "image_description",
        /// Buckets take a location.
        BucketLocation = "bucket_location",
        /// Keys can be imported.
        ImportKey = "import_key",
        /// Volumes take a name.
        VolumeName = "volume_name",
        /// Volumes take a description.
        VolumeDescription = "volume_description",
    }
}

impl Feature {
    /// The operation it belongs to.
    #[must_use]
    pub fn operation(self) -> Operation {
        use Collection::*;
        let (collection, verb) = match self {
            Self::RealmFilter => (Instances, Verb::Index),
            Self::OwnerId => (Images, Verb::Index),
            Self::ImageName | Self::ImageDescription => (Images, Verb::Create),
            Self::BucketLocation => (Buckets, Verb::Create),
            Self::ImportKey => (Keys, Verb::Create),
            Self::VolumeName | Self::VolumeDescription => (StorageVolumes, Verb::Create),
            _ => (Instances, Verb::Create),
        };
        Operation::new(collection, verb)
    }

    /// The parameter it adds; `None` for a feature without one.
    #[must_use]
    pub fn parameter(self) -> Option<&'static str> {
        Some(match self {
            Self::UserName | Self::ImageName | Self::VolumeName => "name",
            Self::UserData => "user_data",
            Self::UserFiles => "user_files",
            Self::UserIso => "user_iso",
            Self::Firewalls => "firewalls",
            Self::AuthenticationKey => "keyname",
            Self::AuthenticationPassword => "password",
            Self::HardwareProfiles => return None,
            Self::RegisterToLoadBalancer => "load_balancer_id",
            Self::InstanceCount => "instance_count",
            Self::AttachSnapshot => "snapshot_id",
            Self::Sandboxing => "sandbox",
            Self::Metrics => "metrics",
            Self::RealmFilter => "realm_id",
            Self::OwnerId => "owner_id",
            Self::ImageDescription | Self::VolumeDescription => "description",
            Self::BucketLocation => "location",
            Self::ImportKey => "public_key",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_belongs_to_an_operation_that_exists() {
        for feature in Feature::ALL {
            assert!(Operation::all().any(|o| o == feature.operation()), "{feature}");
        }
    }
}
