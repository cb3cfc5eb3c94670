//! Blocks of addresses.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A block of IPv4 addresses, written `10.0.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    network: Ipv4Addr,
    prefix: u8,
}

/// A text that is no block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no block of IPv4 addresses; one looks like 10.0.0.0/16, with a prefix of 8 to 30")]
pub struct BadBlock {
    /// The text.
    pub text: String,
}

impl Block {
    /// 10.0.0.0/8.
    pub(super) const PRIVATE: Self = Self { network: Ipv4Addr::new(10, 0, 0, 0), prefix: 8 };

    /// How many addresses hosts can have in it.
    #[must_use]
    pub fn hosts(self) -> u32 {
        (1_u32 << (32 - u32::from(self.prefix))) - 2
    }

    /// The host with this number, counted from 0 and around.
    #[must_use]
    pub fn host(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network) + 1 + number % self.hosts())
    }

    /// Whether the address is one that a host in it can have.
    #[must_use]
    pub fn holds(self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(u32::from(self.network));
        (1..=self.hosts()).contains(&offset)
    }

    /// Whether the other block lies within this one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.prefix <= other.prefix
            && u32::from(self.network) >> (32 - u32::from(self.prefix))
                == u32::from(other.network) >> (32 - u32::from(self.prefix))
    }
}

impl FromStr for Block {
    type Err = BadBlock;

    fn from_str(text: &str) -> Result<Self, BadBlock> {
        let bad = || BadBlock { text: text.to_owned() };
        let (address, prefix) = text.trim().split_once('/').ok_or_else(bad)?;
        let address: Ipv4Addr = address.parse().map_err(|_| bad())?;
        let prefix: u8 = prefix.parse().ok().filter(|p| (8..=30).contains(p)).ok_or_else(bad)?;
        let mask = u32::MAX << (32 - u32::from(prefix));
        Ok(Self { network: Ipv4Addr::from(u32::from(address) & mask), prefix })
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl Serialize for Block {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_counted_from_the_first_and_around() {
        let block: Block = "192.0.2.77/30".parse().unwrap();
        assert_eq!(block.to_string(), "192.0.2.76/30");
        assert_eq!(block.hosts(), 2);
        let hosts: Vec<String> = (0..3).map(|n| block.host(n).to_string()).collect();
        assert_eq!(hosts, ["192.0.2.77", "192.0.2.78", "192.0.2.77"]);
        assert!(block.holds(block.host(1)) && !block.holds(Ipv4Addr::new(192, 0, 2, 79)));
    }

    #[test]
    fn a_block_covers_itself_and_its_parts() {
        let block = |text: &str| text.parse::<Block>().unwrap();
        assert!(block("10.0.0.0/8").covers(block("10.255.0.0/16")));
        assert!(block("10.1.0.0/16").covers(block("10.1.0.0/16")));
        assert!(!block("10.1.0.0/16").covers(block("10.0.0.0/8")));
        assert!(!block("10.1.0.0/16").covers(block("10.2.0.0/24")));
    }

    #[test]
    fn other_texts_are_no_blocks() {
        for text in ["", "10.0.0.0", "10.0.0.0/7", "10.0.0.0/31", "10.0.0/8", "::/64", "10.0.0.0/-8"] {
            assert!(text.parse::<Block>().is_err(), "{text}");
        }
    }
}
