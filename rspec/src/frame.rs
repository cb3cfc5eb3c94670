//! The frame: what a request says that belongs to no sliver of ours.

use crate::RspecError;
use std::fmt;
use std::str::FromStr;

/// What belongs to no sliver of ours but must come back in every manifest: the root's extension attributes,
/// extension elements at the root, nodes and links of other aggregates.
///
/// A frame displays as one XML document and is read back from it, so it can be kept as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {}

impl Frame {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!()
    }
}

impl FromStr for Frame {
    type Err = RspecError;
    fn from_str(_: &str) -> Result<Self, RspecError> {
        unimplemented!()
    }
}
