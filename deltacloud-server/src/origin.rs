//! Whose page a request comes from.
//!
//! A browser that has logged in here sends the password along with every request, also with those that the page of
//! another site makes it send. It says which page that is (Fetch Metadata, section 2.3 "Sec-Fetch-Site"; RFC 6454
//! section 7 "Origin"). Programs that are no browsers say nothing of the kind.

use hyper::Method;
use hyper::header::{HeaderMap, ORIGIN};

/// Whether the request asks for a change and comes from a page that this server has not sent. `host` is the address
/// that the client has used for this server.
pub(super) fn is_foreign_change(method: &Method, headers: &HeaderMap, host: &str) -> bool {
    if method.is_safe() {
        return false;
    }
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    headers.get_all(ORIGIN).iter().any(|origin| {
        let of_page = origin.to_str().ok().and_then(|text| text.split_once("://"));
        of_page.is_none_or(|(_, authority)| !authority.eq_ignore_ascii_case(host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_foreign(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        is_foreign_change(method, &headers.collect(), "cloud.example:3001")
    }

    #[test]
    fn only_own_pages_and_programs_change_anything() {
        for (headers, foreign) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "http://cloud.example:3001")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("origin", "https://Cloud.example:3001")], false),
            (&[("origin", "http://cloud.example")], true),
            (&[("origin", "http://evil.example")], true),
            (&[("origin", "null")], true),
        ] {
            for method in [Method::POST, Method::PUT, Method::DELETE] {
                assert_eq!(is_foreign(&method, headers), foreign, "{method} {headers:?}");
            }
            assert!(!is_foreign(&Method::GET, headers), "{headers:?}");
        }
    }
}
