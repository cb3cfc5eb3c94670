//! The versions of the AM API, each at its own path.

/// A version of the AM API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Version 3, with Update and Cancel, which the draft of version 4 allows a version 3 aggregate to offer.
    V3,
    /// The draft of version 4: change sets C, N and O.
    V4,
}

impl Version {
    /// All versions served, oldest first.
    pub const ALL: [Self; 2] = [Self::V3, Self::V4];

    /// The version served at a URL's path; the bare URL is version 3, which every client speaks.
    ///
    /// Many XML-RPC libraries send a call for a URL without a path to `/RPC2`, the path of the first XML-RPC servers.
    /// Monitors read the version from the path, and know those of the aggregates that serve `/xmlrpc/am/3.0`.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        match path.trim_end_matches('/') {
            "" | "/RPC2" | "/am/3.0" | "/xmlrpc/am/3.0" => Some(Self::V3),
            "/am/4.0" | "/xmlrpc/am/4.0" => Some(Self::V4),
            _ => None,
        }
    }

    /// Its number, as in `geni_api`.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    /// The path it is served at.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::V3 => "/am/3.0",
            Self::V4 => "/am/4.0",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_answers_at_the_path_it_names() {
        for version in Version::ALL {
            assert_eq!(Version::at(version.path()), Some(version));
            assert_eq!(Version::at(&format!("{}/", version.path())), Some(version));
        }
        for path in ["/", "/RPC2", "/xmlrpc/am/3.0", "/xmlrpc/am/3.0/"] {
            assert_eq!(Version::at(path), Some(Version::V3), "{path}");
        }
        assert_eq!(Version::at("/xmlrpc/am/4.0"), Some(Version::V4));
        assert_eq!(Version::at("/rpc2"), None);
        assert_eq!(Version::at("/RPC2/am/3.0"), None);
        assert_eq!(Version::at("/am/5.0"), None);
    }
}
