//! Trusted roots, and whom a verified certificate names.

use crate::algorithm::Scheme;
use crate::chain::{self, Chain, ChainError, Purpose};
use crate::effort::{MAX_CHAIN_STEPS, Meter};
use crate::known::Known;
use crate::{Certificate, CertificateError};
use aws_lc_rs::digest;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use urn::{Kind, Urn};
use uuid::Uuid;

/// What an operator may relax. MD5 signatures and RSA keys below 1024 bits are refused whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Accept certificates signed with SHA-1.
    pub allow_sha1_certificates: bool,
    /// Accept RSA keys of 1024 to 2047 bits.
    pub allow_1024_bit: bool,
    /// Accept authorities at the top of a chain that name no URN. Such a root may vouch for any authority,
    /// since nothing says which ones are its own.
    pub allow_authorities_without_urn: bool,
    /// Accept credentials that are signed with RSA-SHA1, or over SHA-1 digests. On unless it is switched off: the
    /// clearinghouses in use sign so.
    pub allow_sha1_credentials: bool,
    /// The names of the authorities below a root that may sign credentials although their certificates are not those of
    /// a CA, in place of `sa`, `ma`, `ch`, `ca` and `root`. The root is named by its URN, by the URN's authority
    /// (`ch.example.org`) or, where it has no URN, by its subject.
    pub credential_signers: BTreeMap<String, Vec<String>>,
}

impl Default for Policy {
    /// Strict in everything but SHA-1 in credentials.
    fn default() -> Self {
        Self {
            allow_sha1_certificates: false,
            allow_1024_bit: false,
            allow_authorities_without_urn: false,
            allow_sha1_credentials: true,
            credential_signers: BTreeMap::new(),
        }
    }
}

/// The names of authorities that sign credentials, in any case. Aggregates (`am`, `cm`) and other services have
/// certificates of type authority as well; those vouch for themselves alone.
const CREDENTIAL_SIGNERS: [&str; 5] = ["sa", "ma", "ch", "ca", "root"];

/// Why trusted roots cannot be read. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not hold certificates.
    #[error("{}: {source}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CertificateError,
    },
    /// The policy names a root that is not there.
    #[error("credential signers are named for {0:?}, which is none of the trusted roots; the roots are {1}")]
    UnknownRoot(String, String),
    /// A certificate that the policy refuses.
    #[error("{}: {source}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ChainError,
    },
}

/// Whom a verified certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The GENI URN.
    pub urn: Urn,
    /// The UUID, where the certificate has one.
    pub uuid: Option<Uuid>,
    /// The e-mail address, where the certificate has one.
    pub email: Option<String>,
    /// The SubjectPublicKeyInfo as DER.
    pub spki: Vec<u8>,
    /// When the chain ceases to hold: the earliest end of its certificates.
    pub expires: DateTime<Utc>,
}

/// The certificates that everything must chain to, with the policy for chains. Never changes: a new set
/// is built and put in its place.
#[derive(Debug)]
pub struct TrustRoots {
    roots: Vec<Certificate>,
    policy: Policy,
    generation: u64,
    known: Known,
}

impl TrustRoots {
    /// Reads every `*.pem` and `*.crt` file of a folder; each may hold several certificates. An empty
    /// folder gives roots that trust nobody.
    ///
    /// # Errors
    /// [`RootsError`], naming the file.
    pub fn load_dir(dir: &Path, policy: &Policy) -> Result<Self, RootsError> {
        let io = |path: &Path, source| RootsError::Io { path: path.to_owned(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(|source| io(dir, source))? {
            let path = entry.map_err(|source| io(dir, source))?.path();
            let wanted = path.extension().is_some_and(|ending| ending == "pem" || ending == "crt");
            if wanted && path.is_file() {
                files.push(path);
            }
        }
        let mut roots = Vec::new();
        for path in files {
            let bytes = std::fs::read(&path).map_err(|source| io(&path, source))?;
            // Only the PEM blocks matter; comments around them may be in any encoding.
            let text = String::from_utf8_lossy(&bytes);
            let found = Certificate::chain_from_pem(&text)
                .map_err(|source| RootsError::Certificate { path: path.clone(), source })?;
            for root in &found {
                check_root(root, policy)
                    .map_err(|source| RootsError::Refused { path: path.clone(), source })?;
            }
            roots.extend(found);
        }
        let roots = Self::build(roots, policy);
        let named = |name: &&String| roots.roots.iter().any(|root| is_called(root, name));
        if let Some(name) = policy.credential_signers.keys().find(|name| !named(name)) {
            let known: Vec<String> = roots.roots.iter().map(Certificate::called).collect();
            return Err(RootsError::UnknownRoot(name.clone(), known.join(", ")));
        }
        Ok(roots)
    }

    /// Takes these certificates as the roots.
    ///
    /// # Errors
    /// [`ChainError::Weak`] when the policy refuses one.
    pub fn from_certificates(
        certificates: impl IntoIterator<Item = Certificate>,
        policy: &Policy,
    ) -> Result<Self, ChainError> {
        let roots: Vec<Certificate> = certificates.into_iter().collect();
        for root in &roots {
            check_root(root, policy)?;
        }
        Ok(Self::build(roots, policy))
    }

    fn build(mut roots: Vec<Certificate>, policy: &Policy) -> Self {
        roots.sort_by(|a, b| a.der().cmp(b.der()));
        roots.dedup();
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&[
            u8::from(policy.allow_sha1_certificates),
            u8::from(policy.allow_1024_bit),
            u8::from(policy.allow_authorities_without_urn),
            u8::from(policy.allow_sha1_credentials),
        ]);
        hash.update(format!("{:?}", policy.credential_signers).as_bytes());
        for root in &roots {
            hash.update(digest::digest(&digest::SHA256, root.der()).as_ref());
        }
        let generation =
            hash.finish().as_ref().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        Self { roots, policy: policy.clone(), generation, known: Known::new() }
    }

    /// A digest of the roots and the policy: different sets have different generations.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The policy for chains.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The roots, each once.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.roots
    }

    /// The roots' subject names as DER, for the hint list of a TLS server.
    #[must_use]
    pub fn subjects(&self) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = self.roots.iter().map(|root| root.subject_der().to_vec()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Follows the first of the presented certificates, a TLS client's, to a trusted root. The others may stand in any
    /// order, and may be more than are needed; the root may be among them or not.
    ///
    /// # Errors
    /// [`ChainError`]: of all ways tried, the reason of the one that came furthest. A chain that reaches no
    /// root is [`ChainError::UnknownAuthority`], even where its certificates have expired too.
    pub fn verify_chain(
        &self,
        presented: &[Certificate],
        now: DateTime<Utc>,
    ) -> Result<Identity, ChainError> {
        let leaf = presented.first().ok_or(ChainError::Empty)?;
        let meter = Meter::new(MAX_CHAIN_STEPS);
        Ok(self.chain(leaf, presented, Purpose::Client, now, &meter)?.identity())
    }

    /// As [`Certificate::from_der`]; but a certificate that was seen before is not read again, nor is the signature on
    /// it computed again when it is verified.
    ///
    /// # Errors
    /// As [`Certificate::from_der`].
    pub fn certificate(&self, der: &[u8]) -> Result<Certificate, CertificateError> {
        self.known.certificate(der, &Meter::unlimited())
    }

    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    pub(crate) fn chain(
        &self,
        leaf: &Certificate,
        pool: &[Certificate],
        purpose: Purpose,
        now: DateTime<Utc>,
        meter: &Meter,
    ) -> Result<Chain, ChainError> {
        chain::find((&self.roots, &self.policy), leaf, pool, purpose, now, meter)
    }

    /// Whether the end of this chain is an authority that signs credentials: a CA, or one with a name for it.
    pub(crate) fn signs_credentials(&self, signer: &Chain) -> bool {
        if signer.urn.kind() != Kind::Authority || signer.leaf.is_ca() {
            return signer.urn.kind() == Kind::Authority;
        }
        let is = |name: &str| name.eq_ignore_ascii_case(signer.urn.name());
        match self.policy.credential_signers.iter().find(|(root, _)| is_called(&signer.root, root)) {
            Some((_, names)) => names.iter().any(|name| is(name)),
            None => CREDENTIAL_SIGNERS.into_iter().any(is),
        }
    }
}

/// Whether an operator means this root by `name`.
fn is_called(root: &Certificate, name: &str) -> bool {
    match root.urn() {
        Some(urn) => {
            urn.as_str().eq_ignore_ascii_case(name) || urn.authority().to_string().eq_ignore_ascii_case(name)
        }
        None => root.subject() == name,
    }
}

/// A root must itself be strong enough.
fn check_root(root: &Certificate, policy: &Policy) -> Result<(), ChainError> {
    if *root.scheme() == Scheme::RsaMd {
        let reason = "it is signed with MD5; SHA-256 or better is needed".to_owned();
        return Err(ChainError::Weak { name: root.called(), reason });
    }
    chain::check_key(root, policy)
}
