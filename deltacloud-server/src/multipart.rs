//! Bodies of the type `multipart/form-data` (RFC 7578): parts between lines that no part holds.
//!
//! The whole body is searched once for each of these lines, one after the other, and the headers of a part within the
//! part alone, so that the cost is that of reading the body.

use crate::errors::{MOST_PARAMETERS, Refusal};
use crate::params::{Field, Params};
use bytes::Bytes;
use memchr::memmem;

/// The longest boundary (RFC 2046 section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;
/// The most bytes of headers that a part may have; browsers send two short ones.
const MOST_HEADERS: usize = 8 * 1024;

/// Reads a body. `content_type` is the header, which names the boundary.
///
/// # Errors
/// [`Refusal::Malformed`] when it is not such a body, [`Refusal::TooManyParameters`].
pub fn read(content_type: &str, body: &Bytes) -> Result<Params, Refusal> {
    let boundary = attribute(content_type, "boundary").unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY || !boundary.bytes().all(fits) {
        return Err(Refusal::Malformed("the boundary of a multipart body must have 1 to 70 characters"));
    }
    let wrong = || Refusal::Malformed("the multipart body is not well formed");
    let delimiter = format!("--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let mut params = Params::default();
    let mut at = next(&finder, body, 0).ok_or_else(wrong)? + delimiter.len();
    let mut parts = 0;
    while !body[at..].starts_with(b"--") {
        parts += 1;
        if parts > MOST_PARAMETERS {
            return Err(Refusal::TooManyParameters);
        }
        let start = after_line_break(body, at).ok_or_else(wrong)?;
        let end = next(&finder, body, start).ok_or_else(wrong)?;
        let (name, field) = part(&body.slice(start..end)).ok_or_else(wrong)?;
        params.set(name, field)?;
        at = end + delimiter.len();
    }
    Ok(params)
}

/// The place of the next delimiter that begins a line.
fn next(finder: &memmem::Finder<'_>, body: &[u8], from: usize) -> Option<usize> {
    let begins_line = |at: &usize| *at == 0 || body[at - 1] == b'\n';
    finder.find_iter(&body[from..]).map(|at| from + at).find(begins_line)
}

/// The place after the line break at `at`, before which white space may stand.
fn after_line_break(body: &[u8], at: usize) -> Option<usize> {
    let blank = body[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = &body[at + blank..];
    let broken = [b"\r\n".as_slice(), b"\n"].into_iter().find(|end| rest.starts_with(end))?;
    Some(at + blank + broken.len())
}

/// A part: its name and what it holds. The line break at its end belongs to the line after it.
fn part(part: &Bytes) -> Option<(String, Field)> {
    let head = &part[..part.len().min(MOST_HEADERS)];
    let crlf = memmem::find(head, b"\r\n\r\n").map(|at| (at, at + 4));
    let lf = memmem::find(head, b"\n\n").map(|at| (at, at + 2));
    let (end, content) = [crlf, lf].into_iter().flatten().min()?;
    let headers = std::str::from_utf8(&part[..end]).ok()?;
    let name = attribute(&header(headers, "content-disposition")?, "name")?;
    let content = part.slice(content..);
    let kept = content.strip_suffix(b"\r\n").or_else(|| content.strip_suffix(b"\n")).map_or(0, <[u8]>::len);
    let field = Field { value: content.slice(..kept), content_type: header(headers, "content-type") };
    Some((name, field))
}

fn header(headers: &str, name: &str) -> Option<String> {
    headers.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// The value of `name="value"` or `name=value` among what a header's value has after semicolons. What stands between
/// quotation marks is one value, whatever it holds.
fn attribute(value: &str, name: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (found, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (plain, after) = after.split_once(';').unwrap_or((after, ""));
                (plain.trim().to_owned(), after)
            }
        };
        // A word without a value may stand before the name.
        let key = key.rsplit(';').next().unwrap_or_default().trim();
        if key.eq_ignore_ascii_case(name) {
            return Some(found);
        }
        rest = after;
    }
}

/// What stands before the closing quotation mark, and what comes after it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((found, &text[at + 1..])),
            // A backslash before anything else stands for itself: older browsers send paths so.
            '\\' if text[at + 1..].starts_with(['"', '\\']) => found.extend(letters.next().map(|(_, c)| c)),
            other => found.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(content_type: &str, body: &[u8]) -> Result<Params, Refusal> {
        super::read(content_type, &Bytes::copy_from_slice(body))
    }

    #[test]
    fn a_form_with_a_file_reads_as_it_was_written() {
        let body = b"--XX\r\nContent-Disposition: form-data; name=\"blob_id\"\r\n\r\nb3\r\n--XX\r\n\
            Content-Disposition: form-data; name=\"blob_data\"; filename=\"f.bin\"\r\n\
            Content-Type: text/plain\r\n\r\none\r\n\r\ntwo --XX\r\n--XX--\r\n";
        let params = read("multipart/form-data; boundary=XX", body).unwrap();
        assert_eq!(params.get("blob_id"), Some("b3"));
        let file = params.field("blob_data").unwrap();
        assert_eq!(file.value, b"one\r\n\r\ntwo --XX".as_slice());
        assert_eq!(file.content_type.as_deref(), Some("text/plain"));
    }

    #[test]
    fn a_boundary_has_at_most_70_characters() {
        let with = |boundary: &str| {
            let body =
                format!("--{boundary}\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--{boundary}--");
            read(&format!("multipart/form-data; boundary=\"{boundary}\""), body.as_bytes())
        };
        assert_eq!(with(&"b".repeat(70)).unwrap().get("a"), Some("b"));
        for wrong in [String::new(), "b".repeat(71), "b".repeat(500_000), "b\u{7f}".to_owned()] {
            assert!(with(&wrong).is_err());
        }
    }

    #[test]
    fn more_parts_than_are_read_are_refused_also_under_one_name() {
        let part = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
        let with = |count: usize| {
            read("multipart/form-data; boundary=b", format!("{}--b--", part.repeat(count)).as_bytes())
        };
        assert!(with(MOST_PARAMETERS).is_ok());
        assert_eq!(with(MOST_PARAMETERS + 1), Err(Refusal::TooManyParameters));
    }

    #[test]
    fn what_is_quoted_is_one_value() {
        let header = "form-data; filename=\"a; name=\\\"evil\\\"\"; name=blob_data";
        assert_eq!(attribute(header, "name").as_deref(), Some("blob_data"));
        assert_eq!(attribute(header, "filename").as_deref(), Some("a; name=\"evil\""));
        assert_eq!(attribute("form-data; word; name=\"C:\\x\"", "name").as_deref(), Some("C:\\x"));
        for none in ["form-data", "form-data; name", "form-data; name=\"open", "name=a"] {
            assert_eq!(attribute(none, "name"), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>, header in ".{0,40}") {
            let _ = read("multipart/form-data; boundary=-", &body);
            let _ = read(&format!("multipart/form-data; {header}"), &body);
        }

        #[test]
        fn any_value_survives(value in "[^-]{0,60}", name in "[a-z_]{1,9}") {
            let body = format!(
                "--b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--b0--\r\n"
            );
            let params = read("multipart/form-data; boundary=\"b0\"", body.as_bytes()).unwrap();
            prop_assert_eq!(params.field(&name).map(|f| f.value.to_vec()), Some(value.into_bytes()));
        }
    }
}
