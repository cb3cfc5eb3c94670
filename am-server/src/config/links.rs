//! VLAN tags given to links.

use serde::Deserialize;

/// `[links]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinksSection {
    /// First VLAN tag to give out.
    pub first_vlan: u16,
    /// Last VLAN tag to give out.
    pub last_vlan: u16,
}

impl Default for LinksSection {
    fn default() -> Self {
        Self { first_vlan: 100, last_vlan: 3999 }
    }
}

impl LinksSection {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        let (first, last) = (self.first_vlan, self.last_vlan);
        if first < 1 || last > 4094 || first > last {
            problems.push(format!("links: VLAN tags {first} to {last} are not a range within 1 to 4094"));
        }
    }
}
