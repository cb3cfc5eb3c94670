//! What becomes of wishes in extensions of RSpecs that are known and not done.

use serde::Deserialize;

/// `[extensions]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtensionsSection {
    /// What is said to a request that asks for reservations, routable addresses or shared VLANs.
    pub unsupported: Unsupported,
}

/// The answer to a wish that is known and not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unsupported {
    /// geni_code 13, naming the element.
    #[default]
    Refuse,
    /// The element is echoed in the manifest, as one that nobody knows.
    Ignore,
}
