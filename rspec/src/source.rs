//! The text of an element, and how to change it without touching what need not change.

/// The text of one element with the namespaces in scope.
#[derive(Debug, Clone)]
pub(crate) struct Source;
