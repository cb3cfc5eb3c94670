//! Privileges: the names a credential grants, and the operations each name stands for.

/// The operations that the calls of the AM API need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// ListResources without a slice: any valid credential of the caller will do.
    ListResources,
    /// Describe (v2 ListResources of a slice).
    GetSliceResources,
    /// Status (v2 SliverStatus).
    SliverStatus,
    /// Allocate, Provision, PerformOperationalAction, Update (v2 CreateSliver).
    CreateSliver,
    /// Renew (v2 RenewSliver).
    RenewSliver,
    /// Delete, Cancel (v2 DeleteSliver); `deleteslice` grants it too.
    DeleteSliver,
    /// Shutdown.
    Shutdown,
}

/// The privileges of a credential: names, each with its right to be delegated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Privileges(Vec<(String, bool)>);

impl Privileges {
    /// Whether one of the privileges grants the operation.
    #[must_use]
    pub fn allows(&self, operation: Operation) -> bool {
        unimplemented!("{operation:?}")
    }

    /// The privileges by name, each with whether it can be delegated; `*` is already expanded.
    pub fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.iter().map(|(name, can_delegate)| (name.as_str(), *can_delegate))
    }
}
