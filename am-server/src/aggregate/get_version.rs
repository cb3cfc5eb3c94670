//! GetVersion: who this aggregate is and what it speaks.

use super::Aggregate;
use rspec::namespaces::{EMULAB, OPSTATE};
use urn::Urn;

/// `am_type` of this aggregate: letters and digits only (AM API v4 draft, change set N2), and none of the
/// registered names, which would make clients expect another aggregate's habits.
pub const AM_TYPE: &str = "geniam";

/// What GetVersion tells; the same until the configuration changes.
#[derive(Debug, Clone)]
pub struct VersionInfo {
    /// The aggregate's URN.
    pub urn: Urn,
    /// Where it is reached, without a path.
    pub base_url: String,
    /// `geni_am_code_version` (change set N1), unless the operator keeps it to himself.
    pub code_version: Option<&'static str>,
    /// `geni_single_allocation`.
    pub single_allocation: bool,
    /// `geni_allocate`.
    pub allocate: &'static str,
    /// Extensions acted upon in requests.
    pub request_extensions: &'static [&'static str],
    /// Extensions used in advertisements.
    pub ad_extensions: &'static [&'static str],
}

impl Aggregate {
    /// GetVersion (AM API v3; change sets N and O of the v4 draft).
    #[must_use]
    pub fn get_version(&self) -> VersionInfo {
        // Whether it has any is known of a driver that has answered; this is told before.
        let volumes = self.config().volumes.per_node > 0;
        VersionInfo {
            urn: self.urn().clone(),
            base_url: self.config().base_url().to_string(),
            code_version: self.config().aggregate.show_version.then_some(env!("CARGO_PKG_VERSION")),
            single_allocation: self.policy().single_allocation,
            allocate: self.policy().allocate.as_str(),
            request_extensions: if volumes { &[EMULAB] } else { &[] },
            ad_extensions: if volumes { &[OPSTATE, EMULAB] } else { &[OPSTATE] },
        }
    }
}
