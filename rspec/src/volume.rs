//! Storage volumes of a node: the `blockstore` element of Emulab's extension, which experimenters' tools write.
//!
//! Of what the extension has, an aggregate here gives empty disks of a node's own that go with the node. Everything
//! else that a `blockstore` can ask for (data sets that last, disks over the network, copies, the system's disk) is an
//! error with its place, not something to pass over: an experiment would lose or miss data by it.

use crate::Position;

/// A volume that a node asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The experimenter's name for it, unique in its node.
    pub name: String,
    /// Its size in GB (10^9 bytes).
    pub gigabytes: u64,
    /// The directory it shall be mounted at, absolute.
    pub mountpoint: Option<String>,
    /// Where the start tag stands.
    pub position: Position,
}

/// The longest name of a volume, in characters.
pub(crate) const MAX_NAME: usize = 64;
/// The longest size, in characters: more than that is no size of a disk.
const MAX_SIZE: usize = 16;
/// The longest mount point, in bytes.
const MAX_MOUNTPOINT: usize = 255;

/// A size as the extension writes it: a whole number with the unit GB or TB. More than can be counted is no size.
pub(crate) fn gigabytes(text: &str) -> Option<u64> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    if text.len() > MAX_SIZE {
        return None;
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &text[digits.len()..] {
        "GB" => 1,
        "TB" => 1000,
        _ => return None,
    };
    // What parses with a sign is no number of the extension's.
    let number: u64 = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
    number.checked_mul(factor).filter(|size| *size > 0)
}

/// Whether a volume can be mounted there: an absolute path of plain characters that is not the root and goes nowhere
/// by way of `.` or `..`.
pub(crate) fn is_mountpoint(text: &str) -> bool {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    text.len() <= MAX_MOUNTPOINT && text.strip_prefix('/').is_some_and(|path| path.split('/').all(plain))
}

/// Whether it can name a volume.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_gigabytes() {
        for (text, size) in [("30GB", 30), (" 1GB ", 1), ("2TB", 2000), ("007GB", 7)] {
            assert_eq!(gigabytes(text), Some(size), "{text}");
        }
        for text in [
            "",
            "GB",
            "30",
            "0GB",
            "-1GB",
            "+1GB",
            "1.5GB",
            "30gb",
            "30GiB",
            "30MB",
            "3 0GB",
            "é",
            "30é",
            "99999999999999999999GB",
            "18446744073709551615TB",
        ] {
            assert_eq!(gigabytes(text), None, "{text}");
        }
    }

    #[test]
    fn mount_points_are_plain_absolute_paths() {
        for text in ["/data", "/mnt/a-b_c.d", "/a/b/c"] {
            assert!(is_mountpoint(text), "{text}");
        }
        let long = format!("/{}", "x".repeat(255));
        for text in ["", "/", "data", "/a/", "//a", "/a/../b", "/.", "/a b", "/a\nb", "/ä", "/$(x)", &long] {
            assert!(!is_mountpoint(text), "{text}");
        }
    }
}
