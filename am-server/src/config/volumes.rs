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

    /// The most volumes a node may be allowed to have: devices are needed for those that it has, for those of a pending
    /// change, and for those that another change would give it instead.
    fn most_per_node() -> usize {
        Self::LETTERS.count() / 3
    }

    pub(super) fn check(&self, problems: &mut Vec<String>) {
        let most = Self::most_per_node();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_devices_for_what_is_for_what_is_promised_and_for_what_is_asked() {
        let problems = |per_node| {
            let mut problems = Vec::new();
            VolumesSection { per_node, ..VolumesSection::default() }.check(&mut problems);
            problems
        };
        let most = VolumesSection::most_per_node();
        assert!(3 * most <= VolumesSection::LETTERS.count());
        assert_eq!(problems(most), [""; 0]);
        assert_eq!(problems(most + 1), ["volumes.per_node: 9 is more than 8, for which there are devices"]);
        assert_eq!(problems(VolumesSection::default().per_node), [""; 0]);
    }
}
