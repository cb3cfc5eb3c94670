//! What a request says: its parameters, wherever it puts them.
//!
//! They come in the query (`?name=x`), in the body (form or [`multipart`](crate::multipart)), and between semicolons in
//! the path (`/api;driver=mock/instances;image_id=img1`), as the links that the API itself advertises do. The body
//! wins over the query, the query over the path. Reading costs as much as there is to read, and no more: each name is
//! looked up in a map, and their number is bounded.

use crate::errors::{MOST_PARAMETERS, Refusal};
use bytes::Bytes;
use indexmap::IndexMap;
use percent_encoding::percent_decode_str;

/// One value, with what a multipart body says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The content. Text, except for an uploaded file.
    pub value: Bytes,
    /// Media type of an uploaded file.
    pub content_type: Option<String>,
}

/// The parameters of a request, in the order in which they came, each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    fields: IndexMap<String, Field>,
}

/// A path taken apart: its segments, decoded, and the parameters between semicolons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path {
    /// The segments, decoded. An empty one at the end stands for a slash there.
    pub segments: Vec<String>,
    /// What stood after semicolons.
    pub matrix: Params,
}

/// Values that must not be repeated in an error.
const SECRETS: [&str; 6] = ["user_data", "password", "private_key", "public_key", "user_files", "user_iso"];

impl Params {
    /// Reads `name=value&name=value`, percent-encoded, as queries and forms have it.
    ///
    /// # Errors
    /// [`Refusal::TooManyParameters`].
    pub fn urlencoded(text: &[u8]) -> Result<Self, Refusal> {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(text) {
            let value = Bytes::from(value.into_owned());
            params.set(name.into_owned(), Field { value, content_type: None })?;
        }
        Ok(params)
    }

    /// Sets a parameter; of several values under one name the last counts.
    pub(super) fn set(&mut self, name: String, field: Field) -> Result<(), Refusal> {
        self.fields.insert(name, field);
        self.bounded()
    }

    /// Adds what `other` has and this does not.
    ///
    /// # Errors
    /// [`Refusal::TooManyParameters`].
    pub fn fall_back_to(&mut self, other: Self) -> Result<(), Refusal> {
        for (name, field) in other.fields {
            self.fields.entry(name).or_insert(field);
        }
        self.bounded()
    }

    fn bounded(&self) -> Result<(), Refusal> {
        if self.fields.len() > MOST_PARAMETERS { Err(Refusal::TooManyParameters) } else { Ok(()) }
    }

    /// The parameter with all that is known about it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// The parameter as text; absent when it is not there or empty, as an untouched field of a form is.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.field(name)
            .and_then(|field| std::str::from_utf8(&field.value).ok())
            .filter(|text| !text.is_empty())
    }

    /// The parameter, which the operation cannot do without.
    ///
    /// # Errors
    /// [`Refusal::Missing`].
    pub fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::Missing { parameter: name, given: self.names() })
    }

    /// As [`Params::get`], owned.
    #[must_use]
    pub fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A number.
    ///
    /// # Errors
    /// [`drivers::DriverError::Invalid`] when it is there and no such number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        self.get(name)
            .map(|text| {
                text.trim().parse().map_err(|_| {
                    drivers::DriverError::invalid(name, format!("{text:?} is not a number that can be taken"))
                        .into()
                })
            })
            .transpose()
    }

    /// The values of `stem1`, `stem2`, … in that order, and of `stem` itself, which may hold several between
    /// commas.
    ///
    /// # Errors
    /// [`Refusal::TooManyParameters`].
    pub fn numbered(&self, stem: &str) -> Result<Vec<(usize, String)>, Refusal> {
        let mut found: Vec<(usize, String)> = self
            .fields
            .iter()
            .filter_map(|(name, _)| {
                let number = name.strip_prefix(stem)?.parse().ok()?;
                Some((number, self.owned(name)?))
            })
            .collect();
        found.sort();
        if let Some(several) = self.get(stem) {
            let all = several.split(',').map(str::trim).filter(|one| !one.is_empty());
            found.extend(all.take(MOST_PARAMETERS + 1).map(|one| (0, one.to_owned())));
        }
        if found.len() > MOST_PARAMETERS { Err(Refusal::TooManyParameters) } else { Ok(found) }
    }

    /// Names and values of those whose name begins with `prefix`, which is taken off.
    pub fn prefixed<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
        self.fields.iter().filter_map(move |(name, _)| {
            let rest = name.strip_prefix(prefix)?;
            Some((rest.to_owned(), self.owned(name)?))
        })
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }

    /// Names and values fit for an error's list of parameters: no secrets, nothing long.
    #[must_use]
    pub fn told(&self) -> Vec<(String, String)> {
        const LONGEST: usize = 200;
        self.fields
            .iter()
            .map(|(name, field)| {
                let text = match std::str::from_utf8(&field.value) {
                    _ if SECRETS.contains(&name.as_str()) => "(not repeated)",
                    Ok(text) if text.len() <= LONGEST => text,
                    _ => "(not repeated)",
                };
                (name.clone(), text.to_owned())
            })
            .collect()
    }
}

/// Whether it is a segment that clients take out of an address before they send it (RFC 3986 section 5.2.4).
pub(super) fn is_dots(name: &str) -> bool {
    matches!(name, "." | "..")
}

impl Path {
    /// Takes a path apart.
    ///
    /// # Errors
    /// [`Refusal::NoRoute`] when it is not valid percent-encoded UTF-8, [`Refusal::Malformed`] when a segment is `.` or
    /// `..`, [`Refusal::TooManyParameters`].
    pub fn parse(path: &str) -> Result<Self, Refusal> {
        let decoded = |text: &str| {
            percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| Refusal::NoRoute)
        };
        let mut parsed = Self::default();
        for segment in path.strip_prefix('/').ok_or(Refusal::NoRoute)?.split('/') {
            let mut parts = segment.split(';');
            let name = decoded(parts.next().unwrap_or_default())?;
            if is_dots(&name) {
                return Err(Refusal::Malformed("no segment of a path here can be . or .."));
            }
            parsed.segments.push(name);
            for part in parts {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                let value = Bytes::from(decoded(value)?);
                parsed.matrix.set(decoded(name)?, Field { value, content_type: None })?;
            }
        }
        Ok(parsed)
    }

    /// The segments after `/api`; `None` for another path. Slashes in a row are one, and the entry point may have one at
    /// its end, as with the real server; elsewhere an empty last segment stays.
    #[must_use]
    pub fn collection_segments(&self) -> Option<Vec<String>> {
        let last = self.segments.len().checked_sub(1)?;
        let whole = |(at, segment): &(usize, &String)| *at == last || !segment.is_empty();
        let mut segments = self.segments.iter().enumerate().filter(whole).map(|(_, segment)| segment.clone());
        if segments.next()? != "api" {
            return None;
        }
        let rest: Vec<String> = segments.collect();
        match rest.split_last() {
            Some((last, [])) if last.is_empty() => Some(Vec::new()),
            // The documentation is also known under an address with a slash at its end.
            Some((last, before)) if last.is_empty() && before != ["docs"] => None,
            _ => Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameters_between_semicolons_belong_to_no_segment() {
        let path = Path::parse("/api;driver=mock;provider=eu%2D1/images;instance_id=i%2F1").unwrap();
        assert_eq!(path.segments, ["api", "images"]);
        assert_eq!(path.matrix.get("driver"), Some("mock"));
        assert_eq!(path.matrix.get("provider"), Some("eu-1"));
        assert_eq!(path.matrix.get("instance_id"), Some("i/1"));
    }

    #[test]
    fn slashes_in_a_row_are_one() {
        let segments = |path: &str| Path::parse(path).unwrap().collection_segments();
        for entry in ["/api", "/api/", "/api//", "//api", "/api;driver=mock/"] {
            assert_eq!(segments(entry), Some(Vec::new()), "{entry}");
        }
        for path in ["/api/buckets/b/x", "//api//buckets///b/x", "/api//buckets/b//x"] {
            assert_eq!(segments(path).unwrap(), ["buckets", "b", "x"], "{path}");
        }
        assert_eq!(segments("/api/docs/").unwrap(), ["docs", ""]);
        assert_eq!(segments("/api/buckets/a%2F%2Fb").unwrap(), ["buckets", "a//b"]);
        for dots in ["/api/buckets/b/.", "/api/buckets/%2e%2E/x", "/api/..", "/./api"] {
            assert!(matches!(Path::parse(dots), Err(Refusal::Malformed(_))), "{dots}");
        }
        assert_eq!(segments("/api/buckets/b/...").unwrap(), ["buckets", "b", "..."]);
        for other in ["/", "//", "/apis", "/other/api", "/api/realms/", "/api/docs/keys/"] {
            assert_eq!(segments(other), None, "{other}");
        }
    }

    #[test]
    fn errors_do_not_repeat_secrets() {
        let params = Params::urlencoded(b"image_id=img1&user_data=aGVsbG8%3D&password=p").unwrap();
        let told = params.told();
        assert_eq!(told[0], ("image_id".to_owned(), "img1".to_owned()));
        assert!(told[1..].iter().all(|(_, value)| value == "(not repeated)"));
    }

    #[test]
    fn numbered_parameters_come_in_their_order() {
        let params = Params::urlencoded(b"firewalls2=b&firewalls1=a&firewallsx=no").unwrap();
        assert_eq!(params.numbered("firewalls").unwrap(), [(1, "a".to_owned()), (2, "b".to_owned())]);
        let params = Params::urlencoded(b"firewalls=a,,%20b,").unwrap();
        assert_eq!(params.numbered("firewalls").unwrap(), [(0, "a".to_owned()), (0, "b".to_owned())]);
    }

    #[test]
    fn more_parameters_than_are_read_are_refused_wherever_they_stand() {
        let many = |count: usize, between: &str| {
            (0..count).map(|n| format!("p{n}=")).collect::<Vec<_>>().join(between)
        };
        assert_eq!(
            Params::urlencoded(many(MOST_PARAMETERS, "&").as_bytes()).unwrap().names().len(),
            MOST_PARAMETERS
        );
        let too_many = Err(Refusal::TooManyParameters);
        assert_eq!(Params::urlencoded(many(MOST_PARAMETERS + 1, "&").as_bytes()), too_many.clone());
        assert!(Path::parse(&format!("/api;{}", many(MOST_PARAMETERS, ";"))).is_ok());
        assert!(Path::parse(&format!("/api;{}", many(MOST_PARAMETERS + 1, ";"))).is_err());
        let mut all = Params::urlencoded(many(MOST_PARAMETERS, "&").as_bytes()).unwrap();
        assert!(all.fall_back_to(all.clone()).is_ok(), "the same names are no more of them");
        assert_eq!(all.fall_back_to(Params::urlencoded(b"one=more").unwrap()).map(|()| all), too_many);
        let listed =
            Params::urlencoded(format!("firewalls={}", "f,".repeat(MOST_PARAMETERS + 1)).as_bytes()).unwrap();
        assert_eq!(listed.numbered("firewalls"), Err(Refusal::TooManyParameters));
    }

    #[test]
    fn of_several_values_the_last_counts_at_the_place_of_the_first() {
        let params = Params::urlencoded(b"a=1&b=2&a=3").unwrap();
        assert_eq!((params.get("a"), params.names().join("")), (Some("3"), "ab".to_owned()));
    }

    proptest! {
        #[test]
        fn no_query_and_no_path_makes_it_panic(text: Vec<u8>, path in "/.{0,40}") {
            let _ = Params::urlencoded(&text);
            let _ = Path::parse(&path);
        }
    }
}
