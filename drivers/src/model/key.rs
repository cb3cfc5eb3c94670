//! Keys: how people log in to instances.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text that must not reach a log: its `Debug` says only that it is there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// A key pair.
    Key,
    /// A user name and a password.
    Password,
}

/// Credentials for logging in to instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Identity within the driver.
    pub id: String,
    /// For people; what [`crate::CreateInstance::keyname`] refers to.
    pub name: String,
    /// A key pair or a password.
    pub kind: KeyKind,
    /// Colon-separated hexadecimal digest, for key pairs.
    pub fingerprint: Option<String>,
    /// The public half, when the cloud tells.
    pub public_key: Option<String>,
    /// The private half; most clouds tell it only in the answer to its creation.
    pub private_key: Option<Secret>,
}

/// A request for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateKey {
    /// Name and token.
    pub name: String,
    /// One line as in `authorized_keys`, to import; `None`: the cloud makes a pair.
    pub public_key: Option<String>,
}
