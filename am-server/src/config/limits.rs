//! Bounds on what one caller may cost.

use super::at_least_one;
use serde::Deserialize;

/// `[limits]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Largest request body, in bytes, also after decompression.
    pub body_bytes: usize,
    /// Connections at once; one that does nothing is closed when another one needs its place.
    pub connections: usize,
    /// Connections at once from one address; a quarter of all if absent.
    pub connections_per_address: Option<usize>,
    /// Connections at once of one caller; a quarter of all if absent.
    pub connections_per_caller: Option<usize>,
    /// Seconds a handshake or a request's body may each take.
    pub request_seconds: u64,
    /// Seconds until a connection has sent the headers of its next request, or taken the next part of an answer.
    pub idle_seconds: u64,
    /// Verified credentials remembered.
    pub remembered_credentials: usize,
    /// Nodes and links one RSpec may ask for.
    pub slivers_per_call: usize,
    /// The share of one processor, in percent, that verifying the new credentials of one caller may take.
    pub caller_processor_percent: u8,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            connections: 8192,
            connections_per_address: None,
            connections_per_caller: None,
            request_seconds: 30,
            idle_seconds: 300,
            remembered_credentials: 4096,
            slivers_per_call: 20_000,
            caller_processor_percent: 25,
        }
    }
}

impl LimitsSection {
    pub(super) fn check(&self, problems: &mut Vec<String>) {
        if self.body_bytes < 64 << 10 {
            problems.push(format!(
                "limits.body_bytes: {} is too small for real credentials; 65536 at least",
                self.body_bytes
            ));
        }
        at_least_one("limits.connections", self.connections, problems);
        for (name, share) in [
            ("limits.connections_per_address", self.connections_per_address),
            ("limits.connections_per_caller", self.connections_per_caller),
        ] {
            let Some(share) = share else { continue };
            at_least_one(name, share, problems);
            if share > self.connections {
                problems.push(format!(
                    "{name}: {share} is more than limits.connections, which is {}",
                    self.connections
                ));
            }
        }
        at_least_one("limits.slivers_per_call", self.slivers_per_call, problems);
        at_least_one("limits.remembered_credentials", self.remembered_credentials, problems);
        if !(1..=100).contains(&self.caller_processor_percent) {
            problems.push(format!(
                "limits.caller_processor_percent: {} is no share of a processor; 1 to 100",
                self.caller_processor_percent
            ));
        }
        at_least_one("limits.request_seconds", self.request_seconds, problems);
        at_least_one("limits.idle_seconds", self.idle_seconds, problems);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_connections_is_at_most_all_of_them() {
        let problems = |text: &str| {
            let section: LimitsSection = toml::from_str(text).unwrap();
            let mut problems = Vec::new();
            section.check(&mut problems);
            problems
        };
        assert!(
            problems("connections = 10\nconnections_per_address = 10\nconnections_per_caller = 1").is_empty()
        );
        for wrong in ["connections_per_address", "connections_per_caller"] {
            for value in [0, 11] {
                let found = problems(&format!("connections = 10\n{wrong} = {value}"));
                assert!(found.len() == 1 && found[0].starts_with(&format!("limits.{wrong}:")), "{found:?}");
            }
        }
    }
}
