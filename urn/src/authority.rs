//! Authorities and their hierarchy: `toplevel(:sub)*`.

use crate::{UrnError, is_hidden};
use std::fmt;
use std::hash::{Hash, Hasher};

/// The authority part of a URN, such as `ch.example.org:lab`: kept as written, compared without
/// regard to ASCII case.
#[derive(Clone)]
pub struct Authority(String);

impl Authority {
    /// Reads an authority: components of letters, digits, `.`, `-`, `_`, `%` and non-ASCII characters, separated by
    /// single colons.
    ///
    /// # Errors
    /// [`UrnError`] when the text is empty, has an empty component or another character.
    pub fn parse(text: &str) -> Result<Self, UrnError> {
        if text.is_empty() || text.split(':').any(str::is_empty) {
            return Err(UrnError::Parts(text.chars().take(80).collect()));
        }
        if let Some(character) = text.chars().find(|c| {
            c.is_whitespace()
                || is_hidden(*c)
                || (c.is_ascii() && !c.is_ascii_alphanumeric() && !".-_:%".contains(*c))
        }) {
            return Err(UrnError::Character { text: text.chars().take(80).collect(), character });
        }
        Ok(Self(text.to_owned()))
    }

    /// For the authority part of an already checked URN.
    pub(crate) fn from_checked(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The authority as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this authority has rights over `other`: it is the same, or its components are a prefix
    /// of the other's. `a:b` covers `a:b:c`; `a` covers neither `ab` nor `a.b`, since dots are part of a
    /// component.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let mut theirs = other.0.split(':');
        self.0.split(':').all(|mine| theirs.next().is_some_and(|their| mine.eq_ignore_ascii_case(their)))
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Authority {}

impl Hash for Authority {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_follow_whole_components() {
        let covers = |a: &str, b: &str| Authority::parse(a).unwrap().covers(&Authority::parse(b).unwrap());
        assert!(covers("a:b", "a:b"));
        assert!(covers("a:b", "a:b:c"));
        assert!(covers("A:b", "a:B:c"));
        assert!(!covers("a:b:c", "a:b"));
        assert!(!covers("a", "ab"));
        assert!(!covers("a", "a.b"));
        assert!(!covers("a:b", "a:bc"));
    }

    #[test]
    fn odd_authorities_are_refused() {
        for bad in ["", ":", "a:", ":a", "a::b", "a b", "a+b", "a/b", "a\n", "a\u{202e}", "a\u{200b}b"] {
            assert!(Authority::parse(bad).is_err(), "{bad:?}");
        }
    }
}
