//! Turning arbitrary text into the characters a URN may hold, and back (RFC 3151, section 2, as the GENI
//! identifiers page applies it).

/// Writes `text` with the characters a URN may hold: surrounding white space dropped, inner runs of it as
/// `+`, `//` as `:`, `::` as `;`, and the characters with a meaning in URNs as percent escapes.
#[must_use]
pub fn to_urn_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some(c) = rest.chars().next() {
        let (taken, written): (usize, &str) = match c {
            c if c.is_whitespace() => (rest.len() - rest.trim_start().len(), "+"),
            '/' if rest.starts_with("//") => (2, ":"),
            ':' if rest.starts_with("::") => (2, ";"),
            '+' => (1, "%2B"),
            ':' => (1, "%3A"),
            '/' => (1, "%2F"),
            ';' => (1, "%3B"),
            '\'' => (1, "%27"),
            '?' => (1, "%3F"),
            '#' => (1, "%23"),
            '%' => (1, "%25"),
            c => (c.len_utf8(), &rest[..c.len_utf8()]),
        };
        out.push_str(written);
        rest = &rest[taken..];
    }
    out
}

/// The reverse of [`to_urn_text`]; white space comes back as single spaces. Percent escapes other than
/// the eight of the transcription stay as they are.
#[must_use]
pub fn from_urn_text(text: &str) -> String {
    const ESCAPES: [(&str, char); 8] = [
        ("%2B", '+'),
        ("%3A", ':'),
        ("%2F", '/'),
        ("%3B", ';'),
        ("%27", '\''),
        ("%3F", '?'),
        ("%23", '#'),
        ("%25", '%'),
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '+' => out.push(' '),
            ':' => out.push_str("//"),
            ';' => out.push_str("::"),
            '%' => {
                let known = ESCAPES
                    .iter()
                    .find(|(escape, _)| rest.get(..3).is_some_and(|head| head.eq_ignore_ascii_case(escape)));
                match known {
                    Some((_, character)) => {
                        out.push(*character);
                        taken = 3;
                    }
                    None => out.push('%'),
                }
            }
            c => out.push(c),
        }
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcription_follows_rfc_3151() {
        assert_eq!(to_urn_text("  a b \t c "), "a+b+c");
        assert_eq!(to_urn_text("a//b::c"), "a:b;c");
        assert_eq!(to_urn_text("a+b:c/d;e'f?g#h%"), "a%2Bb%3Ac%2Fd%3Be%27f%3Fg%23h%25");
        assert_eq!(from_urn_text("a+b:c;d%2B%zz"), "a b//c::d+%zz");
    }
}
