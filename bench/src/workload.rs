//! Workloads: the calls a client makes in one turn.

use crate::experimenter::{SliceAccess, Slices};
use crate::wire::{Client, Connections, Endpoint};
use crate::xmlrpc::{self, CallBuilder};
use crate::{Failure, documents};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One turn's work.
#[derive(Debug)]
pub enum Workload {
    /// The same call again and again.
    Call(Bytes),
    /// Allocate, Provision and Delete of one node on a slice that has nothing.
    Cycle(Arc<Slices>),
    /// Allocate of one node; the Delete after it is not timed.
    Allocate(Arc<Slices>),
    /// Update that adds a node to the client's own slice, and Cancel.
    UpdateCancel {
        /// The slices, one per client.
        slices: Arc<Slices>,
        /// Their manifests with the additional node, in the same order.
        wanted: Vec<String>,
    },
}

impl Workload {
    /// GetVersion.
    #[must_use]
    pub fn get_version() -> Self {
        Self::Call(CallBuilder::new("GetVersion").options(&[]).finish())
    }

    /// ListResources with this credential.
    #[must_use]
    pub fn list_resources(credential: &str, compressed: bool) -> Self {
        let flags: &[&str] = if compressed { &["geni_compressed"] } else { &[] };
        Self::Call(CallBuilder::new("ListResources").credential(credential).options(flags).finish())
    }

    /// Status of a slice.
    #[must_use]
    pub fn status(slice: &SliceAccess) -> Self {
        Self::Call(
            CallBuilder::new("Status")
                .strings(&[&slice.urn])
                .credential(&slice.credential)
                .options(&[])
                .finish(),
        )
    }

    /// Durable calls in one turn.
    #[must_use]
    pub fn durable_calls(&self) -> u32 {
        match self {
            Self::Call(_) => 0,
            Self::Allocate(_) => 1,
            Self::UpdateCancel { .. } => 2,
            Self::Cycle(_) => 3,
        }
    }

    /// How many slices it changes, one after the other or one for each client; `None` when it changes none.
    #[must_use]
    pub fn slices(&self) -> Option<usize> {
        match self {
            Self::Call(_) => None,
            Self::Cycle(slices) | Self::Allocate(slices) | Self::UpdateCancel { slices, .. } => {
                Some(slices.len())
            }
        }
    }

    /// Takes one turn as client `number`; the time it took.
    ///
    /// # Errors
    /// A call did not go well.
    pub async fn turn(&self, client: &mut Client, number: usize) -> Result<Duration, Failure> {
        let start = Instant::now();
        match self {
            Self::Call(body) => {
                client.call(body.clone()).await?;
            }
            Self::Cycle(slices) => {
                let slice = &*slices.take()?;
                client.call(allocate(slice, &documents::one_node())).await?;
                client.call(provision(slice)).await?;
                client.call(delete(slice)).await?;
            }
            Self::Allocate(slices) => {
                let slice = &*slices.take()?;
                client.call(allocate(slice, &documents::one_node())).await?;
                let took = start.elapsed();
                client.call(delete(slice)).await?;
                return Ok(took);
            }
            Self::UpdateCancel { slices, wanted } => {
                let slice = slices.of(number);
                client.call(update(slice, &wanted[number % wanted.len()])).await?;
                client.call(on_slice("Cancel", slice)).await?;
            }
        }
        Ok(start.elapsed())
    }

    /// Provisions a node on each of these slices and makes the workload that updates them, which is tried on the first.
    ///
    /// # Errors
    /// A call did not go well.
    pub async fn update_cancel(endpoint: &Endpoint, slices: Arc<Slices>) -> Result<Self, Failure> {
        let mut client = Client::new(endpoint.clone(), Connections::Kept);
        let mut wanted = Vec::with_capacity(slices.len());
        for number in 0..slices.len() {
            let slice = slices.of(number);
            client.call(allocate(slice, &documents::one_node())).await?;
            let answer = client.call(provision(slice)).await?;
            let more = documents::with_one_more(&xmlrpc::member(&answer, "geni_rspec")?);
            if number == 0 {
                client.call(update(slice, &more)).await?;
                client.call(on_slice("Cancel", slice)).await?;
            }
            wanted.push(more);
        }
        Ok(Self::UpdateCancel { slices, wanted })
    }
}

/// Allocate.
#[must_use]
pub fn allocate(slice: &SliceAccess, rspec: &str) -> Bytes {
    CallBuilder::new("Allocate")
        .string(&slice.urn)
        .credential(&slice.credential)
        .string(rspec)
        .options(&[])
        .finish()
}

/// Provision of a whole slice.
#[must_use]
pub fn provision(slice: &SliceAccess) -> Bytes {
    on_slice("Provision", slice)
}

/// Delete of a whole slice.
#[must_use]
pub fn delete(slice: &SliceAccess) -> Bytes {
    on_slice("Delete", slice)
}

fn on_slice(method: &str, slice: &SliceAccess) -> Bytes {
    CallBuilder::new(method).strings(&[&slice.urn]).credential(&slice.credential).options(&[]).finish()
}

fn update(slice: &SliceAccess, rspec: &str) -> Bytes {
    CallBuilder::new("Update")
        .strings(&[&slice.urn])
        .credential(&slice.credential)
        .string(rspec)
        .options(&[])
        .finish()
}
