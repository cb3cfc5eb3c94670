//! The name rules per type (GENI identifiers page; change set O1 of the v4 draft for slivers).

/// The longest slice name, in characters.
pub const MAX_SLICE_NAME: usize = 19;

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a slice name.
    #[error(
        "{0:?} is not a slice name: 1 to {MAX_SLICE_NAME} letters, digits and hyphens, not starting with a hyphen"
    )]
    Slice(String),
    /// Not a sliver name.
    #[error("{0:?} is not a sliver name: letters, digits, hyphen, underscore and period only")]
    Sliver(String),
    /// Not a user name.
    #[error("{0:?} is not a user name: a letter, then up to 7 letters, digits and underscores")]
    User(String),
}

/// Checks a slice name: `[a-zA-Z0-9][-a-zA-Z0-9]{0,18}`.
///
/// # Errors
/// [`NameError::Slice`].
pub fn slice_name(name: &str) -> Result<(), NameError> {
    let good = (1..=MAX_SLICE_NAME).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if good { Ok(()) } else { Err(NameError::Slice(name.chars().take(80).collect())) }
}

/// Checks a sliver name: `[a-zA-Z0-9-_.]+` (change set O1).
///
/// # Errors
/// [`NameError::Sliver`].
pub fn sliver_name(name: &str) -> Result<(), NameError> {
    if is_sliver_name(name) { Ok(()) } else { Err(NameError::Sliver(name.chars().take(80).collect())) }
}

/// Whether a sliver may bear this name.
#[must_use]
pub fn is_sliver_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Checks the name of a user that we mint ourselves: `[a-zA-Z]\w{0,7}`. Names issued by trusted
/// authorities may be longer and are not put through this.
///
/// # Errors
/// [`NameError::User`].
pub fn user_name(name: &str) -> Result<(), NameError> {
    let good = (1..=8).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if good { Ok(()) } else { Err(NameError::User(name.chars().take(80).collect())) }
}

/// Whether a tool may bear this name: `[a-zA-Z][a-zA-Z0-9\-_@.]{0,63}`.
#[must_use]
pub fn is_tool_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_@.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slice_names() {
        for good in ["a", "9", "a-", "abcdefghijklmnopqrs"] {
            assert!(slice_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a_b", "a.b", "a b", "a\n", "é", "abcdefghijklmnopqrst"] {
            assert!(slice_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn other_names() {
        assert!(is_sliver_name("a.b_c-9"));
        assert!(!is_sliver_name("") && !is_sliver_name("a+b") && !is_sliver_name("a\n"));
        assert!(user_name("alice").is_ok() && user_name("alice_12").is_ok());
        assert!(user_name("alice_123").is_err() && user_name("1a").is_err() && user_name("").is_err());
        assert!(is_tool_name("omni@x.org") && !is_tool_name("1"));
    }
}
