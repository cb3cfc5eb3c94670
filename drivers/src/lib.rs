//! Compute drivers: machines of any cloud, in the vocabulary of the Deltacloud API.
//!
//! The layer knows nothing of who wants machines or why. It speaks of realms, hardware profiles,
//! images, instances and their states, keys, addresses, firewalls, volumes, snapshots, buckets and
//! networks, behind one trait, [`ComputeDriver`]. Three ideas carry it:
//!
//! - **A driver declares itself.** Which operations it has, what a change costs a running instance
//!   ([`Capabilities`]) and how its instances live ([`StateMachine`]) are data that a planner reads;
//!   what is lacking is a typed refusal.
//! - **Names are tokens.** A creation whose answer was lost is sent again under the same name and
//!   makes nothing twice. The contract stands at [`ComputeDriver`].
//! - **Errors say what to do**: whether the operation may have happened, whether to try again, what
//!   would have been allowed ([`DriverError`]).
//!
//! The [`deltacloud`] driver speaks to a server of the Deltacloud API.
//! The [`mock`] driver is a whole cloud in one file, with a clock, capacity and faults that its user
//! sets. [`cloud_init`] writes the user data through which logins and commands reach an instance.
//! [`conformance`] runs any driver through the contract.
//!
//! ```
//! use drivers::mock::{MockConfig, MockDriver};
//! use drivers::{ComputeDriver, CreateInstance, InstanceAction, InstanceState, Step};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let cloud = MockDriver::with_clock(None, MockConfig::deltacloud(), std::sync::Arc::new(drivers::SystemClock))?;
//! let request = CreateInstance::new("token-17", "img1");
//! let instance = cloud.create_instance(&request).await?;
//! assert_eq!(cloud.create_instance(&request).await?.id, instance.id);
//!
//! // This cloud wants an instance stopped before it is destroyed; its states say so.
//! let step = cloud.instance_states().step(&instance.state, &InstanceState::Finish);
//! assert_eq!(step, Step::Act(InstanceAction::Stop));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Source: the Deltacloud REST API (0.3.0) and the answers of Apache Deltacloud 1.1.3.

#[macro_use]
mod named;

mod capability;
mod clock;
pub mod cloud_init;
pub mod conformance;
pub mod deltacloud;
mod driver;
mod error;
mod feature;
pub mod mock;
mod model;
mod operation;
mod states;

pub use capability::{Capabilities, ChangeCosts, Disruption};
pub use clock::{Clock, ManualClock, SystemClock};
pub use driver::{Answer, ComputeDriver};
pub use error::DriverError;
pub use feature::Feature;
pub use model::*;
pub use operation::{Collection, Operation, UnknownOperation, Verb};
pub use states::{InstanceAction, InstanceState, StateMachine, Step, Transition};
