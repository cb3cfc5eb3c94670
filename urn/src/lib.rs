//! GENI identifiers: `urn:publicid:IDN+<authority>+<type>+<name>`.
//!
//! Everything in a GENI federation is named by such a URN: users, slices, slivers, nodes,
//! authorities. Two of them are often the same although their bytes differ: authorities, slice names
//! and user names compare without regard to case, yet must be given back as they were written. [`Urn`]
//! therefore keeps the text as given and compares by a folded key ([`Urn::key`]), which is also what a
//! database should index.
//!
//! Source of the rules: the GENI identifiers page (`GeniApiIdentifiers`), the AM API v3 common
//! concepts, and change set O1 of the AM API v4 draft (sliver names).
//!
//! ```
//! use urn::Urn;
//! let a: Urn = "urn:publicid:IDN+ch.example.org:lab+slice+Demo".parse()?;
//! let b: Urn = "URN:PublicId:idn+CH.Example.org:LAB+slice+demo".parse()?;
//! assert_eq!(a, b);
//! assert_eq!(a.to_string(), "urn:publicid:IDN+ch.example.org:lab+slice+Demo");
//! # Ok::<(), urn::UrnError>(())
//! ```

mod authority;
mod characters;
mod names;
mod transcribe;

pub use authority::Authority;
pub use characters::is_hidden;
pub use names::{
    MAX_SLICE_NAME, NameError, is_sliver_name, is_tool_name, slice_name, sliver_name, user_name,
};
pub use transcribe::{from_urn_text, to_urn_text};

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// What every GENI URN starts with (compared without regard to case).
const PREFIX: &str = "urn:publicid:IDN+";

/// The longest URN accepted, in bytes. Real ones stay below 200; the bound keeps hostile ones cheap.
pub const MAX_LENGTH: usize = 2048;

/// The `<type>` part of a URN, for the types an aggregate has to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `slice`: an experiment's container, named by a slice authority.
    Slice,
    /// `sliver`: what one aggregate gives to one slice.
    Sliver,
    /// `user`: a person.
    User,
    /// `tool`: a program that acts for people.
    Tool,
    /// `authority`: an aggregate, slice authority, member authority or clearinghouse.
    Authority,
    /// `node`: an advertised component.
    Node,
    /// Any other type (`image`, `interface`, `link`…).
    Other,
}

/// Why a text is not a GENI URN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrnError {
    /// It does not start with `urn:publicid:IDN+`.
    #[error("{0:?} is not a GENI URN: it must start with urn:publicid:IDN+")]
    Prefix(String),
    /// One of authority, type and name is missing or empty.
    #[error(
        "{0:?} is not a GENI URN: it must have the form urn:publicid:IDN+<authority>+<type>+<name>, no part empty"
    )]
    Parts(String),
    /// A character that no URN may hold.
    #[error("{text:?} is not a GENI URN: character {character:?} is not allowed")]
    Character {
        /// The offending text, shortened.
        text: String,
        /// The character.
        character: char,
    },
    /// Longer than [`MAX_LENGTH`].
    #[error("a URN of {0} bytes is too long: {MAX_LENGTH} at most")]
    Length(usize),
    /// A URN, but not of the wanted type.
    #[error("{urn} is a {found} URN where a {wanted} URN is needed")]
    WrongKind {
        /// The URN.
        urn: String,
        /// The type it has.
        found: String,
        /// The type that was needed.
        wanted: &'static str,
    },
    /// The name breaks the rules for its type.
    #[error("{urn}: {source}")]
    Name {
        /// The URN.
        urn: String,
        /// What is wrong with the name.
        source: NameError,
    },
}

/// A GENI URN, kept as written and compared by the rules of its type.
///
/// Two URNs are equal when their authorities agree without regard to ASCII case, their types agree,
/// and their names agree: without regard to case for slices and users, exactly for everything else.
#[derive(Clone)]
pub struct Urn {
    /// Shared, since slices are handed around whole; most often the key is the very text.
    text: Arc<str>,
    key: Arc<str>,
    /// Byte range of the authority in `text`.
    authority: (usize, usize),
    /// Byte range of the type in `text`.
    kind: (usize, usize),
}

impl Urn {
    /// Reads a URN.
    ///
    /// # Errors
    /// [`UrnError`] when the text is not of the form, holds white space, a character that is not seen
    /// ([`is_hidden`]), `#`, `?` or `/`, or percent escapes that are broken or stand for such a character, or is too
    /// long.
    pub fn parse(text: &str) -> Result<Self, UrnError> {
        if text.len() > MAX_LENGTH {
            return Err(UrnError::Length(text.len()));
        }
        if !text.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX)) {
            return Err(UrnError::Prefix(shorten(text)));
        }
        if let Some(character) = text
            .chars()
            .find(|c| c.is_whitespace() || is_hidden(*c) || matches!(c, '#' | '?' | '/' | '"' | '<' | '>'))
        {
            return Err(UrnError::Character { text: shorten(text), character });
        }
        check_escapes(text)?;
        let mut parts = text[PREFIX.len()..].splitn(3, '+');
        let (Some(authority), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(UrnError::Parts(shorten(text)));
        };
        if authority.is_empty()
            || kind.is_empty()
            || name.is_empty()
            || authority.split(':').any(str::is_empty)
        {
            return Err(UrnError::Parts(shorten(text)));
        }
        let authority_end = PREFIX.len() + authority.len();
        let kind_end = authority_end + 1 + kind.len();
        let folded = match kind {
            "slice" | "user" => name.to_ascii_lowercase(),
            _ => name.to_owned(),
        };
        let key = format!("{PREFIX}{}+{kind}+{folded}", authority.to_ascii_lowercase());
        let whole: Arc<str> = text.into();
        Ok(Self {
            key: if key == text { Arc::clone(&whole) } else { key.into() },
            text: whole,
            authority: (PREFIX.len(), authority_end),
            kind: (authority_end + 1, kind_end),
        })
    }

    /// Reads a slice URN and checks the slice's name (at most 19 letters, digits and hyphens).
    ///
    /// # Errors
    /// [`UrnError`] when it is not a URN, not a slice, or the name breaks the rules for slices.
    pub fn parse_slice(text: &str) -> Result<Self, UrnError> {
        let urn = Self::parse(text)?;
        if urn.kind() != Kind::Slice {
            return Err(urn.wrong_kind("slice"));
        }
        slice_name(urn.name()).map_err(|source| UrnError::Name { urn: urn.text.to_string(), source })?;
        Ok(urn)
    }

    /// Builds a URN from its parts; the parts must already be in URN form (see [`to_urn_text`]).
    ///
    /// # Errors
    /// As [`Urn::parse`].
    pub fn new(authority: &Authority, kind: &str, name: &str) -> Result<Self, UrnError> {
        Self::parse(&format!("{PREFIX}{authority}+{kind}+{name}"))
    }

    /// The URN as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The folded form: equal for two URNs exactly when the URNs are equal. Fit for a database index.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The authority part.
    #[must_use]
    pub fn authority(&self) -> Authority {
        Authority::from_checked(&self.text[self.authority.0..self.authority.1])
    }

    /// The type part as written.
    #[must_use]
    pub fn kind_str(&self) -> &str {
        &self.text[self.kind.0..self.kind.1]
    }

    /// The type part.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.kind_str() {
            "slice" => Kind::Slice,
            "sliver" => Kind::Sliver,
            "user" => Kind::User,
            "tool" => Kind::Tool,
            "authority" => Kind::Authority,
            "node" => Kind::Node,
            _ => Kind::Other,
        }
    }

    /// The name part as written; it may hold further `+`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text[self.kind.1 + 1..]
    }

    /// The error that says this URN is of another type than `wanted`.
    #[must_use]
    pub fn wrong_kind(&self, wanted: &'static str) -> UrnError {
        UrnError::WrongKind { urn: self.text.to_string(), found: self.kind_str().to_owned(), wanted }
    }

    /// Whether this names the aggregate manager of `authority`: both the `am` and the older `cm`
    /// spelling are in use for one and the same aggregate.
    #[must_use]
    pub fn is_manager_of(&self, authority: &Authority) -> bool {
        self.kind() == Kind::Authority && matches!(self.name(), "am" | "cm") && self.authority() == *authority
    }
}

/// A `%` must be followed by two hexadecimal digits, and must not hide what may not stand openly: neither one escape
/// nor several that are one character together.
fn check_escapes(text: &str) -> Result<(), UrnError> {
    if !text.contains('%') {
        return Ok(());
    }
    let wrong = || UrnError::Character { text: shorten(text), character: '%' };
    let mut meant = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first != b'%' {
            meant.push(*first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2).ok_or_else(wrong)?;
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        meant.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = after;
    }
    if String::from_utf8_lossy(&meant).chars().any(is_hidden) { Err(wrong()) } else { Ok(()) }
}

/// At most the first 80 characters, for messages.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl FromStr for Urn {
    type Err = UrnError;
    fn from_str(text: &str) -> Result<Self, UrnError> {
        Self::parse(text)
    }
}

impl fmt::Display for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Urn({})", self.text)
    }
}

impl PartialEq for Urn {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Urn {}

impl Hash for Urn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialOrd for Urn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Urn {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl serde::Serialize for Urn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Urn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urn(text: &str) -> Urn {
        text.parse().unwrap()
    }

    #[test]
    fn parts_are_read_and_the_text_is_kept() {
        let u = urn("urn:publicid:IDN+ch.Example.org:Lab+slice+Demo");
        assert_eq!(u.authority().as_str(), "ch.Example.org:Lab");
        assert_eq!(u.kind(), Kind::Slice);
        assert_eq!(u.name(), "Demo");
        assert_eq!(u.to_string(), "urn:publicid:IDN+ch.Example.org:Lab+slice+Demo");
    }

    #[test]
    fn the_name_keeps_further_plus_signs() {
        assert_eq!(urn("urn:publicid:IDN+a+image+b+c+d").name(), "b+c+d");
    }

    #[test]
    fn slices_and_users_compare_without_case_slivers_exactly() {
        assert_eq!(urn("urn:publicid:IDN+A.b+slice+Foo"), urn("urn:publicid:idn+a.B+slice+fOO"));
        assert_eq!(urn("urn:publicid:IDN+A.b+user+Al"), urn("urn:publicid:IDN+a.B+user+al"));
        assert_ne!(urn("urn:publicid:IDN+a+sliver+X"), urn("urn:publicid:IDN+a+sliver+x"));
        assert_ne!(urn("urn:publicid:IDN+a+slice+x"), urn("urn:publicid:IDN+a+user+x"));
    }

    #[test]
    fn what_is_no_urn_is_refused() {
        for bad in [
            "",
            "urn",
            "urn:publicid:IDN",
            "urn:publicid:IDN+",
            "urn:publicid:IDN+a",
            "urn:publicid:IDN+a+slice",
            "urn:publicid:IDN+a+slice+",
            "urn:publicid:IDN++slice+x",
            "urn:publicid:IDN+a++x",
            "urn:publicid:IDN+a::b+slice+x",
            "urn:publicid:IDN+a+slice+x y",
            "urn:publicid:IDN+a+slice+x\n",
            " urn:publicid:IDN+a+slice+x",
            "urn:publicid:IDN+a+slice+x#y",
            "urn:publicid:IDN+a/b+slice+x",
            "urn:publicid:IDN+a+slice+x?",
            "urn:publicid:IDN+a+slice+x\0",
            "urn:publicid:IDN+a+slice+%00",
            "urn:publicid:IDN+a+slice+%0a",
            "urn:publicid:IDN+a+user+admin\u{202e}",
            "urn:publicid:IDN+a+user+\u{200b}admin",
            "urn:publicid:IDN+a\u{ad}b+user+x",
            "urn:publicid:IDN+a+user+x\u{85}",
            "urn:publicid:IDN+a+user+x\u{2028}",
            "urn:publicid:IDN+a+user+%E2%80%AEx",
            "urn:publicid:IDN+a+user+\u{e2}%c2%85",
            "urn:publicid:IDN+a+slice+%zz",
            "urn:publicid:IDN+a+slice+%2",
            "urn:publicid:IDN+a+slice+%é",
            "https://example.org/slice",
        ] {
            assert!(Urn::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Urn::parse(&format!("{PREFIX}a+slice+{}", "x".repeat(3000))), Err(UrnError::Length(3025)));
    }

    #[test]
    fn visible_characters_of_all_scripts_are_taken() {
        for good in ["\u{e9}", "\u{4e2d}\u{6587}", "%20", "%C3%A9", "%ff", "a%2Bb"] {
            let text = format!("{PREFIX}a+user+{good}");
            assert_eq!(urn(&text).as_str(), text);
        }
    }

    #[test]
    fn slice_arguments_must_be_slices_with_good_names() {
        assert!(Urn::parse_slice("urn:publicid:IDN+a+slice+a-1").is_ok());
        for bad in
            ["user+a", "slice+-a", "slice+a_b", "slice+a%20b", "slice+abcdefghijklmnopqrst", "sliver+a"]
        {
            assert!(Urn::parse_slice(&format!("{PREFIX}auth+{bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn both_spellings_of_the_manager_are_ours() {
        let ours = Authority::parse("am.example.net").unwrap();
        assert!(urn("urn:publicid:IDN+AM.example.net+authority+am").is_manager_of(&ours));
        assert!(urn("urn:publicid:IDN+am.example.net+authority+cm").is_manager_of(&ours));
        assert!(!urn("urn:publicid:IDN+am.example.net+authority+sa").is_manager_of(&ours));
        assert!(!urn("urn:publicid:IDN+am.example.net:x+authority+am").is_manager_of(&ours));
    }

    #[test]
    fn serde_keeps_the_text() {
        let u = urn("urn:publicid:IDN+A+slice+B");
        let json = serde_json::to_string(&u).unwrap();
        assert_eq!(json, "\"urn:publicid:IDN+A+slice+B\"");
        assert_eq!(serde_json::from_str::<Urn>(&json).unwrap().as_str(), u.as_str());
        assert!(serde_json::from_str::<Urn>("\"nonsense\"").is_err());
    }
}
