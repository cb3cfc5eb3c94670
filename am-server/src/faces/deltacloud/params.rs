//! What a request says: its parameters, wherever it puts them.
//!
//! They come in the query (`?name=x`), in the body (form or multipart), and between semicolons in the path
//! (`/api;driver=mock/instances;image_id=img1`), as the links that the API itself advertises do. The body
//! wins over the query, the query over the path.

use super::errors::Refusal;
use percent_encoding::percent_decode_str;

/// One value, with what a multipart body says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The content. Text, except for an uploaded file.
    pub value: Vec<u8>,
    /// Media type of an uploaded file.
    pub content_type: Option<String>,
}

/// The parameters of a request, in the order in which they came, each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    fields: Vec<(String, Field)>,
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
    #[must_use]
    pub fn urlencoded(text: &[u8]) -> Self {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(text) {
            params
                .set(name.into_owned(), Field { value: value.into_owned().into_bytes(), content_type: None });
        }
        params
    }

    /// Reads a multipart body.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is not one.
    pub fn multipart(content_type: &str, body: &[u8]) -> Result<Self, Refusal> {
        let wrong = || Refusal::Malformed("the multipart body is not well formed");
        let boundary = attribute(content_type, "boundary").filter(|b| !b.is_empty()).ok_or_else(wrong)?;
        let delimiter = [b"--", boundary.as_bytes()].concat();
        let mut params = Self::default();
        let mut rest = body;
        let start = find(rest, &delimiter).ok_or_else(wrong)?;
        rest = &rest[start + delimiter.len()..];
        while !rest.starts_with(b"--") {
            rest = after_line_break(rest).ok_or_else(wrong)?;
            let (headers, content) = split_headers(rest).ok_or_else(wrong)?;
            let end = find(content, &delimiter).ok_or_else(wrong)?;
            let value = before_line_break(&content[..end]);
            let disposition = header(headers, "content-disposition").ok_or_else(wrong)?;
            let name = attribute(&disposition, "name").ok_or_else(wrong)?;
            let content_type = header(headers, "content-type");
            params.set(name, Field { value: value.to_vec(), content_type });
            rest = &content[end + delimiter.len()..];
        }
        Ok(params)
    }

    fn set(&mut self, name: String, field: Field) {
        match self.fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = field,
            None => self.fields.push((name, field)),
        }
    }

    /// Adds what `other` has and this does not.
    pub fn fall_back_to(&mut self, other: Self) {
        for (name, field) in other.fields {
            if self.field(&name).is_none() {
                self.fields.push((name, field));
            }
        }
    }

    /// The parameter with all that is known about it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, field)| field)
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
    #[must_use]
    pub fn numbered(&self, stem: &str) -> Vec<(usize, String)> {
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
            found.extend(several.split(',').map(|one| (0, one.trim().to_owned())));
        }
        found
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
        self.fields.iter().map(|(name, _)| name.clone()).collect()
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

impl Path {
    /// Takes a path apart; `None` when it is not valid percent-encoded UTF-8.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
        let mut parsed = Self::default();
        for segment in path.strip_prefix('/')?.split('/') {
            let mut parts = segment.split(';');
            parsed.segments.push(decoded(parts.next().unwrap_or_default())?);
            for part in parts {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                parsed
                    .matrix
                    .set(decoded(name)?, Field { value: decoded(value)?.into_bytes(), content_type: None });
            }
        }
        Some(parsed)
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn after_line_break(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"\r\n").or_else(|| text.strip_prefix(b"\n"))
}

fn before_line_break(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n")).unwrap_or(text)
}

/// The headers of a part and what follows the empty line after them.
fn split_headers(text: &[u8]) -> Option<(&str, &[u8])> {
    let crlf = find(text, b"\r\n\r\n").map(|at| (at, at + 4));
    let lf = find(text, b"\n\n").map(|at| (at, at + 2));
    let (end, content) = [crlf, lf].into_iter().flatten().min()?;
    Some((std::str::from_utf8(&text[..end]).ok()?, &text[content..]))
}

fn header(headers: &str, name: &str) -> Option<String> {
    headers.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The value of `name="value"` or `name=value` among what a header's value has after semicolons.
fn attribute(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
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
        assert_eq!(Path::parse("/api/").unwrap().segments, ["api", ""]);
    }

    #[test]
    fn a_multipart_form_with_a_file_reads_as_it_was_written() {
        let body = b"--XX\r\nContent-Disposition: form-data; name=\"blob_id\"\r\n\r\nb3\r\n--XX\r\n\
            Content-Disposition: form-data; name=\"blob_data\"; filename=\"f.bin\"\r\n\
            Content-Type: text/plain\r\n\r\none\r\n\r\ntwo\r\n--XX--\r\n";
        let params = Params::multipart("multipart/form-data; boundary=XX", body).unwrap();
        assert_eq!(params.get("blob_id"), Some("b3"));
        let file = params.field("blob_data").unwrap();
        assert_eq!(file.value, b"one\r\n\r\ntwo");
        assert_eq!(file.content_type.as_deref(), Some("text/plain"));
    }

    #[test]
    fn errors_do_not_repeat_secrets() {
        let params = Params::urlencoded(b"image_id=img1&user_data=aGVsbG8%3D&password=p");
        let told = params.told();
        assert_eq!(told[0], ("image_id".to_owned(), "img1".to_owned()));
        assert!(told[1..].iter().all(|(_, value)| value == "(not repeated)"));
    }

    #[test]
    fn numbered_parameters_come_in_their_order() {
        let params = Params::urlencoded(b"firewalls2=b&firewalls1=a&firewallsx=no");
        assert_eq!(params.numbered("firewalls"), [(1, "a".to_owned()), (2, "b".to_owned())]);
    }

    proptest! {
        #[test]
        fn no_body_and_no_path_makes_it_panic(body: Vec<u8>, path in "/.{0,40}") {
            let _ = Params::multipart("multipart/form-data; boundary=-", &body);
            let _ = Params::urlencoded(&body);
            let _ = Path::parse(&path);
        }

        #[test]
        fn any_value_survives_a_multipart_body(value in "[^-]{0,60}", name in "[a-z_]{1,9}") {
            let body = format!(
                "--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--b0--\r\n"
            );
            let params = Params::multipart("multipart/form-data; boundary=\"b0\"", body.as_bytes()).unwrap();
            prop_assert_eq!(params.field(&name).map(|f| f.value.clone()), Some(value.into_bytes()));
        }
    }
}
