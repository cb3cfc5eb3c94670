//! What a driver can do, declared beforehand.
//!
//! Clouds differ in their collections, in the operations on each, in optional parameters ("features"),
//! and in what a change costs a running instance. A caller that plans reads [`Capabilities`] and plans
//! without what is lacking; calling a lacking operation gives [`DriverError::Unsupported`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::DriverError;
use crate::feature::Feature;
use crate::operation::{Collection, Operation, Verb};

/// What a change costs an instance that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disruption {
    /// It goes on undisturbed, and the change is there at once.
    None,
    /// It goes on, and the change is there after its next boot.
    NextBoot,
    /// The driver boots it as part of the change.
    Reboots,
    /// It must be stopped for the change; the driver refuses otherwise.
    MustBeStopped,
}

/// What the changes to a living instance cost it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeCosts {
    /// Of another hardware profile or other values. The disk is kept.
    pub resize: Disruption,
    /// Of other user data.
    pub set_user_data: Disruption,
    /// Of a fresh disk from an image. Name, identity and addresses are kept.
    pub rebuild: Disruption,
    /// Of attaching or detaching a network interface.
    pub network_interface: Disruption,
    /// Of attaching or detaching a volume.
    pub storage_volume: Disruption,
}

impl Default for ChangeCosts {
    /// What a caller should assume of a cloud of which nothing is known.
    fn default() -> Self {
        Self {
            resize: Disruption::MustBeStopped,
            set_user_data: Disruption::NextBoot,
            rebuild: Disruption::Reboots,
            network_interface: Disruption::None,
            storage_volume: Disruption::None,
        }
    }
}

/// Everything a driver declares about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    operations: BTreeSet<Operation>,
    features: BTreeSet<Feature>,
    /// What changes cost.
    pub costs: ChangeCosts,
    /// The most user data an instance can be handed, in bytes; `None`: not known.
    pub user_data_limit: Option<usize>,
    /// The cloud itself refuses a second instance of the same name, so that a repeated creation is
    /// harmless without looking first.
    pub unique_names: bool,
}

impl Capabilities {
    /// Declares operations and features; the rest as for a cloud of which nothing is known.
    #[must_use]
    pub fn new(
        operations: impl IntoIterator<Item = Operation>,
        features: impl IntoIterator<Item = Feature>,
    ) -> Self {
        Self {
            operations: operations.into_iter().collect(),
            features: features.into_iter().collect(),
            costs: ChangeCosts::default(),
            user_data_limit: None,
            unique_names: false,
        }
    }

    /// Whether the driver offers the operation.
    #[must_use]
    pub fn supports(&self, collection: Collection, verb: Verb) -> bool {
        self.operations.contains(&Operation::new(collection, verb))
    }

    /// Whether the driver offers anything in the collection.
    #[must_use]
    pub fn has(&self, collection: Collection) -> bool {
        self.operations.iter().any(|o| o.collection() == collection)
    }

    /// Whether the driver knows the feature.
    #[must_use]
    pub fn has_feature(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Whether instances can be given volumes that are found again after a lost answer, and taken away with all they
    /// hold: everything to do with volumes, and names for them.
    #[must_use]
    pub fn gives_volumes(&self) -> bool {
        let verbs = [Verb::Index, Verb::Create, Verb::Attach, Verb::Detach, Verb::Destroy];
        verbs.into_iter().all(|verb| self.supports(Collection::StorageVolumes, verb))
            && self.has_feature(Feature::VolumeName)
    }

    /// All operations offered, by collection.
    pub fn operations(&self) -> impl Iterator<Item = Operation> {
        self.operations.iter().copied()
    }

    /// All features known.
    pub fn features(&self) -> impl Iterator<Item = Feature> {
        self.features.iter().copied()
    }

    /// Refuses what is lacking.
    ///
    /// # Errors
    /// [`DriverError::Unsupported`].
    pub fn require(&self, operation: Operation) -> Result<(), DriverError> {
        if self.operations.contains(&operation) {
            Ok(())
        } else {
            Err(DriverError::Unsupported { operation })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_need_all_that_handles_them_and_names() {
        let all = Operation::all().filter(|it| it.collection() == Collection::StorageVolumes);
        let all: Vec<_> = all.collect();
        assert!(Capabilities::new(all.clone(), [Feature::VolumeName]).gives_volumes());
        assert!(!Capabilities::new(all.clone(), []).gives_volumes());
        let without_detach = all.into_iter().filter(|it| it.verb() != Verb::Detach);
        assert!(!Capabilities::new(without_detach, [Feature::VolumeName]).gives_volumes());
    }

    #[test]
    fn what_is_not_declared_is_unsupported() {
        let capabilities =
            Capabilities::new([Operation::new(Collection::Realms, Verb::Index)], [Feature::UserName]);
        assert!(capabilities.supports(Collection::Realms, Verb::Index));
        assert!(capabilities.has(Collection::Realms) && !capabilities.has(Collection::Images));
        assert!(!capabilities.has_feature(Feature::UserData));
        let operation = Operation::new(Collection::Realms, Verb::Show);
        assert_eq!(capabilities.require(operation), Err(DriverError::Unsupported { operation }));
    }
}
