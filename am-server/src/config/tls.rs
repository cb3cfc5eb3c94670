//! The server's certificate and the roots it trusts.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `[tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// Server certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Folder of trusted root certificates, PEM, `*.pem` and `*.crt`.
    pub trusted_roots: PathBuf,
    /// Accept certificates signed with SHA-1.
    #[serde(default)]
    pub allow_sha1_certificates: bool,
    /// Accept RSA keys of 1024 to 2047 bits.
    #[serde(default)]
    pub allow_1024_bit_keys: bool,
    /// Accept credentials signed with RSA-SHA1 or over SHA-1 digests.
    #[serde(default = "yes")]
    pub allow_sha1_credentials: bool,
    /// Accept roots whose certificates name no URN; such a root may vouch for any authority.
    #[serde(default)]
    pub allow_authorities_without_urn: bool,
    /// The names of authorities that may sign credentials without being a CA, by trusted root.
    #[serde(default)]
    pub credential_signers: BTreeMap<String, Vec<String>>,
}

fn yes() -> bool {
    true
}

impl TlsSection {
    /// The same with paths that start from `folder`.
    pub(super) fn within(mut self, folder: &Path) -> Self {
        for path in [&mut self.certificate, &mut self.key, &mut self.trusted_roots] {
            *path = folder.join(&*path);
        }
        self
    }

    pub(super) fn check(&self, problems: &mut Vec<String>) {
        for (name, path) in [("certificate", &self.certificate), ("key", &self.key)] {
            if !path.is_file() {
                problems.push(format!("tls.{name}: there is no file {}", path.display()));
            }
        }
        if !self.trusted_roots.is_dir() {
            problems.push(format!("tls.trusted_roots: there is no folder {}", self.trusted_roots.display()));
        }
    }
}
