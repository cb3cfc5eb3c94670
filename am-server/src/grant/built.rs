//! An instance as a grant has it built, in a form that can be stored and compared.

use super::NodeGrant;
use drivers::cloud_init::{self, CloudInit, CloudInitError, Execute, Install, LoginUser, Mount};
use rspec::Node;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Everything about an instance that a change of configuration can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The driver's name.
    pub driver: String,
    /// The realm it is in.
    pub realm: String,
    /// The image its disk was made from.
    pub image: String,
    /// Its hardware profile.
    pub profile: String,
    /// SHA-256 of its user data, hexadecimal: the text itself holds keys. Without what mounts volumes.
    pub user_data: String,
    /// The same of what mounts volumes; empty if nothing does. Only a fresh disk learns of it, so that a difference in
    /// it alone is nothing to be done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mounts: String,
    /// The numbers of the volumes that it has.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes: BTreeSet<u32>,
}

impl Built {
    /// What an instance for this grant is built as.
    #[must_use]
    pub fn of(grant: &NodeGrant, user_data: &str) -> Self {
        let (user_data, mounts) = cloud_init::split_mounts(user_data);
        Self {
            driver: grant.driver.clone(),
            realm: grant.realm.clone(),
            image: grant.image.clone(),
            profile: grant.profile.clone(),
            user_data: digest(&user_data),
            mounts: if mounts.is_empty() { mounts } else { digest(&mounts) },
            volumes: grant.volumes.iter().map(|volume| volume.number).collect(),
        }
    }

    /// Whether nothing is to be done to make of it an instance built as `to`.
    #[must_use]
    pub fn is_as_good_as(&self, to: &Self) -> bool {
        Self { mounts: to.mounts.clone(), ..self.clone() } == *to
    }

    /// The same with the accounts of `other`, and with its volumes beside its own: those that it should have are given
    /// to it again, and none is taken away.
    pub(crate) fn with_accounts_of(&self, other: &Self) -> Self {
        Self {
            user_data: other.user_data.clone(),
            mounts: other.mounts.clone(),
            volumes: self.volumes.union(&other.volumes).copied().collect(),
            ..self.clone()
        }
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The user data of a node's instance: accounts and mounted volumes from the grant, install and execute services from
/// the RSpec.
///
/// # Errors
/// Something in it cannot be put into a cloud-init document.
pub fn user_data(node: &Node, grant: &NodeGrant) -> Result<String, CloudInitError> {
    cloud_init::build(&CloudInit {
        users: grant
            .users
            .iter()
            .map(|user| LoginUser { name: user.login.clone(), keys: user.keys.clone() })
            .collect(),
        mounts: grant
            .volumes
            .iter()
            .filter_map(|volume| {
                Some(Mount { device: volume.device.clone(), path: volume.mountpoint.clone()? })
            })
            .collect(),
        install: node
            .services
            .installs
            .iter()
            .map(|it| Install { url: it.url.clone(), path: it.install_path.clone() })
            .collect(),
        execute: node
            .services
            .executes
            .iter()
            .map(|it| Execute { shell: it.shell.clone(), command: it.command.clone() })
            .collect(),
    })
}
