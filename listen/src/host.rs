//! Which host a request is for.

use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, Version};

/// Why a request says not, or not clearly, which host it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// HTTP/1.1 demands the header.
    #[error("the request has no Host header")]
    Missing,
    /// Programs disagree about which of two would count.
    #[error("the request has more than one Host header")]
    Several,
    /// It is no host, with or without a port.
    #[error("the request's Host header names no host")]
    Malformed,
}

/// The host a request is for, as its one Host header has it; `None` only in HTTP/1.0, which has no such header.
///
/// Source: RFC 9112, section 3.2: a request in HTTP/1.1 without Host, with several, or with one that is not valid is
/// answered with 400.
///
/// # Errors
/// [`HostError`].
pub fn host<B>(request: &Request<B>) -> Result<Option<&str>, HostError> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        return if request.version() < Version::HTTP_11 { Ok(None) } else { Err(HostError::Missing) };
    };
    if hosts.next().is_some() {
        return Err(HostError::Several);
    }
    let text = host.to_str().map_err(|_| HostError::Malformed)?;
    match text.parse::<Authority>() {
        Ok(authority) if !authority.host().is_empty() && text.bytes().all(is_plain) => Ok(Some(text)),
        _ => Err(HostError::Malformed),
    }
}

/// Host names, addresses and ports hold no other characters; a comma is what joins two Host headers on the way.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_:[]%~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(hosts: &[&str], version: Version) -> Request<()> {
        let mut request = Request::builder().version(version).uri("/");
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn a_request_names_one_host() {
        for good in ["am.example.net", "am.example.net:12369", "127.0.0.1:1", "[::1]:12369", "x"] {
            assert_eq!(host(&request(&[good], Version::HTTP_11)), Ok(Some(good)));
        }
        for bad in ["", "a b", "user@am.example.net", "a/b", "a,b", ":80"] {
            assert_eq!(host(&request(&[bad], Version::HTTP_11)), Err(HostError::Malformed), "{bad:?}");
        }
        assert_eq!(host(&request(&[], Version::HTTP_11)), Err(HostError::Missing));
        assert_eq!(host(&request(&[], Version::HTTP_10)), Ok(None));
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert_eq!(host(&request(&["a", "a"], version)), Err(HostError::Several));
        }
    }
}
