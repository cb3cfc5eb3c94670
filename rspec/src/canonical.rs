//! Comparable forms of what we do not understand.

/// The element of ours in which an extension stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(pub(crate) &'static str);

impl Place {
    /// The element's name, such as `node` or `sliver_type`.
    #[must_use]
    pub fn element(self) -> &'static str {
        self.0
    }
}

/// An element or attribute the reader does not act upon, in a form that compares: two of them are equal when
/// they differ in nothing but attribute order, prefixes, and white space between elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// In which element it stands.
    pub place: Place,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its local name.
    pub name: String,
    /// Its content in canonical form: names with their namespace in braces, attributes sorted.
    pub canonical: String,
}
