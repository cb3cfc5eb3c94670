//! One call at work on the mock's file.

use chrono::{DateTime, SubsecRound, Utc};
use rusqlite::Connection;

use super::world::World;

/// Everything a call works with: an open transaction, the fixed part of the cloud, and one moment that
/// holds for the whole call.
pub(super) struct Session<'a> {
    pub(super) connection: &'a Connection,
    pub(super) world: &'a World,
    pub(super) now: DateTime<Utc>,
    /// An instance that this call boots will not come up.
    pub(super) boot_fails: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(connection: &'a Connection, world: &'a World, now: DateTime<Utc>) -> Self {
        Self { connection, world, now, boot_fails: false }
    }

    /// The moment of the call, to the second, as it is stored and shown.
    pub(super) fn second(&self) -> DateTime<Utc> {
        self.now.trunc_subsecs(0)
    }
}
