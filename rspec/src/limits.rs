//! Bounds on what is read.

/// Bounds on a document, checked before anything is built from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document.
    pub max_bytes: usize,
    /// Elements inside each other, the root counted.
    pub max_depth: usize,
    /// Elements in all.
    pub max_elements: usize,
    /// Attributes of one element, namespace declarations counted.
    pub max_attributes: usize,
}

impl Default for Limits {
    /// 16 MiB, 64 deep, 500,000 elements (some 40,000 nodes), 256 attributes on one element.
    fn default() -> Self {
        Self { max_bytes: 16 << 20, max_depth: 64, max_elements: 500_000, max_attributes: 256 }
    }
}
