//! Who is calling, and what they brought to show for it.

use credentials::Identity;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use urn::Urn;
use uuid::{Builder, Uuid};

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
        Self { identity, peer, request: next_request() }
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

/// The name of the next request: half of it random and the same for all of this process, half counted. A random number
/// for each request would be a system call for each.
fn next_request() -> Uuid {
    static PROCESS: OnceLock<u64> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let process = *PROCESS.get_or_init(|| Uuid::new_v4().as_u64_pair().1);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Builder::from_custom_bytes(*Uuid::from_u64_pair(process, number).as_bytes()).into_uuid()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_requests_have_one_name() {
        let names: HashSet<Uuid> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).map(|_| next_request()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(names.len(), 4000);
        assert!(names.iter().all(|name| name.get_version_num() == 8));
    }
}
