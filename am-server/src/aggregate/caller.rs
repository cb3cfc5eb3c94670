//! Who is calling, and what they brought to show for it.

use credentials::Identity;
use std::net::SocketAddr;
use std::sync::Arc;
use urn::Urn;
use uuid::Uuid;

/// The caller of one request: the identity comes from the verified client certificate and from nowhere else.
#[derive(Debug, Clone)]
pub struct Caller {
    identity: Arc<Identity>,
    /// Where the connection comes from, for the log.
    pub peer: SocketAddr,
    /// Names this request in the log and in the answer to an internal error.
    pub request: Uuid,
}

impl Caller {
    /// The caller of a new request.
    #[must_use]
    pub fn new(identity: Arc<Identity>, peer: SocketAddr) -> Self {
        Self { identity, peer, request: Uuid::new_v4() }
    }

    /// Their URN.
    #[must_use]
    pub fn urn(&self) -> &Urn {
        &self.identity.urn
    }

    /// Everything the certificate says of them.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// One element of a call's `credentials`, not yet looked into.
#[derive(Clone)]
pub struct CredentialText {
    /// `geni_type`.
    pub kind: String,
    /// `geni_value`.
    pub xml: String,
}

impl std::fmt::Debug for CredentialText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The text is as good as a key to whoever reads the log.
        write!(f, "CredentialText({}, {} bytes)", self.kind, self.xml.len())
    }
}
