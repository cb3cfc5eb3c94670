//! Bounds on storage volumes.

use serde::Deserialize;

/// `[volumes]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolumesSection {
    /// The most volumes a node may have.
    pub per_node: usize,
    /// The largest volume, in GB.
    pub largest_gigabytes: u32,
    /// What all volumes of one driver may hold together, in GB.
    pub total_gigabytes: u32,
    /// What devices are called, but for the letter at the end.
    pub devices: String,
}

impl Default for VolumesSection {
    fn default() -> Self {
        Self { per_node: 8, largest_gigabytes: 1000, total_gigabytes: 100_000, devices: "/dev/vd".to_owned() }
    }
}

impl VolumesSection {
    /// The letters of devices; the first, `a`, is the machine's own disk.
    pub const LETTERS: std::ops::RangeInclusive<char> = 'b'..='z';

    pub(super) fn check(&self, problems: &mut Vec<String>) {
        // While volumes are exchanged, a node has the old and the new ones.
        let most = Self::LETTERS.count() / 2;
        if self.per_node > most {
            problems.push(format!(
                "volumes.per_node: {} is more than {most}, for which there are devices",
                self.per_node
            ));
        }
        if self.largest_gigabytes == 0 {
            problems.push("volumes.largest_gigabytes: must be at least 1; to offer no volumes, set volumes.per_node to 0".to_owned());
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'/';
        if !self.devices.starts_with("/dev/") || !self.devices.bytes().all(plain) {
            problems
                .push(format!("volumes.devices: {:?} must begin with /dev/, as /dev/vd does", self.devices));
        }
    }
}
