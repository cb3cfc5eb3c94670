//! The bounds of a listener, from the configuration and from what the system allows.

use crate::config::LimitsSection;
use listen::{Limits, open_files};
use std::time::Duration;

/// The bounds of a listener.
#[must_use]
pub fn limits(section: &LimitsSection) -> Limits {
    Limits {
        body: section.body_bytes,
        connections: section.connections,
        per_address: section.connections_per_address.unwrap_or_else(|| Limits::share(section.connections)),
        per_caller: section.connections_per_caller.unwrap_or_else(|| Limits::share(section.connections)),
        request: Duration::from_secs(section.request_seconds),
        idle: Duration::from_secs(section.idle_seconds),
    }
}

/// The bounds of each of `listeners` listeners, after making room for so many open files and for `others`, which are
/// connections to listeners with bounds of their own. There are fewer connections where the system does not allow so many.
#[must_use]
pub fn limits_with_open_files(section: &LimitsSection, listeners: usize, others: usize) -> Limits {
    let limits = limits(section);
    let besides = open_files::BESIDES + others;
    let wanted = limits.connections.saturating_mul(listeners).saturating_add(besides);
    let there_are = open_files::make_room_for(wanted);
    if there_are >= wanted {
        return limits;
    }
    let limits = limits.within((there_are.saturating_sub(besides) / listeners.max(1)).max(1));
    tracing::warn!(
        wanted,
        allowed = there_are,
        connections = limits.connections,
        "limits.connections needs more open files than the system allows: raise the hard limit of open files \
         (LimitNOFILE= of a systemd unit), or there are fewer connections"
    );
    limits
}
