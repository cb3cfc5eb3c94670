//! The mock cloud: a whole cloud in one file, for development, demonstration and proof.
//!
//! It makes no machines, but it keeps books as a cloud would: realms with capacity, instances with a
//! life, disks with an identity, addresses nobody else has. Time comes from a [`Clock`], chance from
//! a seed, so that the same calls at the same times give the same answers. Its state lies in an
//! SQLite file and survives the program.
//!
//! Its user can make it misbehave ([`MockDriver::faults`]), read what it was asked to change
//! ([`MockDriver::calls`]), and ask who could log in to an instance ([`MockDriver::logins`]).

mod blobs;
mod block;
mod config;
mod creation;
mod driver;
mod extras;
mod faults;
mod instances;
mod life;
mod networks;
mod presets;
mod resources;
mod session;
mod storage;
mod store;
mod world;

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::TransactionBehavior;

pub use self::block::{BadBlock, Block};
pub use self::config::{
    AddressScheme, AfterCreate, ConfigProblem, FirstBlob, FirstData, FirstInstance, ImageConfig, Lifecycle,
    MAX_REALMS, MockConfig, RealmTemplate,
};
pub use self::faults::{Fault, FaultConfig, Faults, RandomFault};
pub use self::store::OpenError;

use self::session::Session;
use self::store::{Store, Stored, log_call};
use self::world::World;
use crate::clock::{Clock, SystemClock};
use crate::cloud_init::{self, LoginUser};
use crate::driver::Answer;
use crate::error::DriverError;
use crate::operation::Operation;

/// A mock cloud. Clones are the same cloud; it closes with the last of them.
#[derive(Debug, Clone)]
pub struct MockDriver {
    world: Arc<World>,
    store: Arc<Store>,
    faults: Faults,
}

/// A call that asked the mock cloud for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Counts up from 1 over the life of the file.
    pub number: i64,
    /// What was asked.
    pub operation: Operation,
    /// Of what: an identity, or the name for a creation.
    pub subject: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Why it was refused; `None`: it was done.
    pub refusal: Option<String>,
}

impl MockDriver {
    /// Opens a cloud by the machine's clock, in the file (which is made when it is not there).
    ///
    /// Reads and writes files: at start-up, not on an async thread that others wait for.
    ///
    /// # Errors
    /// A wrong configuration, or a file that cannot be used.
    pub fn open(path: &Path, config: MockConfig) -> Result<Self, OpenError> {
        Self::with_clock(Some(path), config, Arc::new(SystemClock))
    }

    /// Opens a cloud by a clock of the caller's; `None` as the path: in memory, gone with the driver.
    ///
    /// # Errors
    /// As [`MockDriver::open`].
    pub fn with_clock(
        path: Option<&Path>,
        config: MockConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(OpenError::Config { problems });
        }
        let faults = Faults::new(&config.faults);
        let world = Arc::new(World::new(config, clock));
        let store = Arc::new(Store::open(path, &world)?);
        Ok(Self { world, store, faults })
    }

    /// Its faults, to be changed while it runs.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// The calls that asked for a change since the one with this number (0: all that are kept),
    /// oldest first. Calls that a fault kept from the cloud are not among them.
    ///
    /// # Errors
    /// [`DriverError::Backend`] when the file fails.
    pub async fn calls(&self, since: i64) -> Answer<Vec<Call>> {
        self.store
            .run(move |connection| {
                let mut statement = connection
                    .prepare_cached(
                        "SELECT number, operation, subject, at, refusal FROM call WHERE number > ?1
                         ORDER BY number",
                    )
                    .stored()?;
                let mut rows = statement.query([since]).stored()?;
                let mut calls = Vec::new();
                while let Some(row) = rows.next().stored()? {
                    let operation: String = row.get(1).stored()?;
                    let broken = |message: String| DriverError::Backend { status: None, message };
                    calls.push(Call {
                        number: row.get(0).stored()?,
                        operation: operation.parse().map_err(|e| broken(format!("{e}")))?,
                        subject: row.get(2).stored()?,
                        at: DateTime::from_timestamp(row.get(3).stored()?, 0).unwrap_or_default(),
                        refusal: row.get(4).stored()?,
                    });
                }
                Ok(calls)
            })
            .await
    }

    /// Who could log in to an instance: the users of the user data it booted with, as far as
    /// [`cloud_init::build`] wrote it.
    ///
    /// # Errors
    /// [`DriverError::NotFound`]; [`DriverError::Invalid`] for user data of another writer.
    pub async fn logins(&self, instance_id: &str) -> Answer<Vec<LoginUser>> {
        let id = instance_id.to_owned();
        let user_data = self.quietly(move |s| s.booted_user_data(&id)).await?;
        match user_data {
            None => Ok(Vec::new()),
            Some(document) => cloud_init::read(&document)
                .map(|told| told.users)
                .map_err(|e| DriverError::invalid("user_data", e.to_string())),
        }
    }

    /// Work on the file that is no call of its own: neither a fault's business nor the call log's.
    async fn quietly<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Session<'_>) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let world = Arc::clone(&self.world);
        self.store
            .run(move |connection| {
                let transaction = connection.transaction().stored()?;
                let answer = job(&Session::new(&transaction, &world, world.clock.now()))?;
                transaction.commit().stored()?;
                Ok(answer)
            })
            .await
    }

    /// A call that changes nothing.
    async fn look<T: Send + 'static>(
        &self,
        operation: Operation,
        job: impl FnOnce(&Session<'_>) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.world.capabilities.require(operation)?;
        let fault = self.faults.next(operation);
        before(operation, fault).await?;
        let world = Arc::clone(&self.world);
        let answer = self
            .store
            .run(move |connection| {
                // One transaction, so that one listing shows one moment.
                let transaction = connection.transaction().stored()?;
                job(&Session::new(&transaction, &world, world.clock.now()))
            })
            .await;
        after(operation, fault, answer)
    }

    /// A call that asks for a change: one transaction, done whole or not at all, and written down.
    async fn change<T: Send + 'static>(
        &self,
        operation: Operation,
        subject: &str,
        job: impl FnOnce(&Session<'_>) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        self.world.capabilities.require(operation)?;
        let fault = self.faults.next(operation);
        before(operation, fault).await?;
        let world = Arc::clone(&self.world);
        let subject = subject.to_owned();
        let answer = self
            .store
            .run(move |connection| {
                let mut transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate).stored()?;
                let mut attempt = transaction.savepoint().stored()?;
                let answer = job(&Session {
                    boot_fails: fault == Some(Fault::BootFails),
                    ..Session::new(&attempt, &world, world.clock.now())
                });
                if answer.is_err() {
                    attempt.rollback().stored()?;
                }
                attempt.commit().stored()?;
                log_call(&transaction, &world, operation, &subject, answer.as_ref().err())?;
                transaction.commit().stored()?;
                answer
            })
            .await;
        after(operation, fault, answer)
    }
}

/// What a fault does before the cloud is reached.
async fn before(operation: Operation, fault: Option<Fault>) -> Answer<()> {
    match fault {
        Some(Fault::Unavailable) => {
            Err(DriverError::Unavailable { why: "told to be by a fault".into(), retry_after: None })
        }
        Some(Fault::Error { status }) => {
            Err(DriverError::Backend { status: Some(status), message: "told to by a fault".into() })
        }
        Some(Fault::TimeOut) => Err(DriverError::TimedOut { operation }),
        Some(Fault::Delay { milliseconds }) => {
            tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
            Ok(())
        }
        Some(Fault::LostAnswer | Fault::ErrorAfter | Fault::BootFails) | None => Ok(()),
    }
}

/// What a fault does to the answer.
fn after<T>(operation: Operation, fault: Option<Fault>, answer: Answer<T>) -> Answer<T> {
    match fault {
        Some(Fault::LostAnswer) => Err(DriverError::TimedOut { operation }),
        Some(Fault::ErrorAfter) => answer.and_then(|_| {
            Err(DriverError::Backend { status: Some(500), message: "told to by a fault".into() })
        }),
        _ => answer,
    }
}
