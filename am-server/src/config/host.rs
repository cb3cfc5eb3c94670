//! Names of hosts: which of them other machines can use.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// What the name of a host is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// `localhost`, a name below it, or a loopback address: every machine takes it for itself.
    Local,
    /// An IP address.
    Address,
    /// A name without a dot, which means something in one network only.
    Short,
    /// A name below `test`, `example` or `invalid`, which the DNS never resolves (RFC 6761).
    Reserved,
    /// Not a host's name at all.
    Malformed,
    /// A name of the DNS.
    Name,
}

impl HostKind {
    /// What `host` is good for; an IPv6 address may stand in brackets.
    #[must_use]
    pub fn of(host: &str) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let mapped = matches!(address, IpAddr::V6(six) if six.to_ipv4_mapped().is_some_and(|four| four.is_loopback()));
            return if address.is_loopback() || mapped { Self::Local } else { Self::Address };
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Self::Malformed;
        }
        match name.rsplit_once('.').map_or(name.as_str(), |(_, last)| last) {
            "localhost" => Self::Local,
            "test" | "example" | "invalid" => Self::Reserved,
            _ if !name.contains('.') => Self::Short,
            _ => Self::Name,
        }
    }
}

/// An `https://` URL without a path: where a service is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    host: String,
    port: Option<u16>,
}

/// Why a text is no [`BaseUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} must be an https:// URL without a path")]
pub struct BadUrl(String);

impl BaseUrl {
    /// The URL of this host; without a port it is that of HTTPS, 443.
    pub(super) fn new(host: &str, port: Option<u16>) -> Self {
        Self { host: host.to_owned(), port }
    }

    /// The host: a name, or an address, an IPv6 one in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one is written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl From<SocketAddr> for BaseUrl {
    fn from(address: SocketAddr) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { host, port: Some(address.port()) }
    }
}

impl FromStr for BaseUrl {
    type Err = BadUrl;

    fn from_str(url: &str) -> Result<Self, BadUrl> {
        parts(url).map(|(host, port)| Self::new(host, port)).ok_or_else(|| BadUrl(url.to_owned()))
    }
}

impl fmt::Display for BaseUrl {
    /// Without a slash at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn parts(url: &str) -> Option<(&str, Option<u16>)> {
    let authority = url.strip_prefix("https://")?.trim_end_matches('/');
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
        _ => (authority, None),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    let plain = !host.is_empty()
        && !host.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#@[]:".contains(c));
    (bracketed || plain).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart() {
        for (host, kind) in [
            ("localhost", HostKind::Local),
            ("LOCALHOST.", HostKind::Local),
            ("am.localhost", HostKind::Local),
            ("127.0.0.1", HostKind::Local),
            ("127.9.9.9", HostKind::Local),
            ("[::1]", HostKind::Local),
            ("::ffff:127.0.0.1", HostKind::Local),
            ("192.0.2.7", HostKind::Address),
            ("[2001:db8::1]", HostKind::Address),
            ("am", HostKind::Short),
            ("am.test.example", HostKind::Reserved),
            ("am.example.net", HostKind::Name),
            ("localhost.example.net", HostKind::Name),
            ("am_.example.net", HostKind::Malformed),
            ("-am.example.net", HostKind::Malformed),
            ("am..net", HostKind::Malformed),
            ("", HostKind::Malformed),
        ] {
            assert_eq!(HostKind::of(host), kind, "{host:?}");
        }
    }

    #[test]
    fn a_url_is_taken_apart() {
        for (url, parts) in [
            ("https://am.example.net", Some(("am.example.net", None))),
            ("https://am.example.net:12369/", Some(("am.example.net", Some(12369)))),
            ("https://[::1]:443", Some(("[::1]", Some(443)))),
            ("https://[::1]", Some(("[::1]", None))),
            ("https://am.example.net/am/3.0", None),
            ("https://am.example.net:port", None),
            ("https://user@am.example.net", None),
            ("https://am example.net", None),
            ("https://", None),
            ("http://am.example.net", None),
        ] {
            let read: Result<BaseUrl, _> = url.parse();
            assert_eq!(read.as_ref().ok().map(|read| (read.host(), read.port())), parts, "{url:?}");
            if let Ok(read) = read {
                assert_eq!(read.to_string(), url.trim_end_matches('/'));
            }
        }
    }
}
