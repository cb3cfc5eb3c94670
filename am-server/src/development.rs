//! A development authority: everything a first aggregate and its first experimenters need, in one folder.
//!
//! `init` makes an authority with its key, a server certificate, two users with their credentials, and
//! configuration files that fit together. It is what the tests and the demonstration run on, and it shows an
//! operator what the pieces look like before a real clearinghouse takes the authority's place.

use chrono::{DateTime, TimeDelta, Utc};
use credentials::mint::{Authority, KeyPair, MintError, NewCredential, Subject, delegate};
use credentials::{Certificate, CertificateError, ChainError, CredentialError, Policy, TrustRoots, Verifier};
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use urn::{Urn, UrnError};
use uuid::Uuid;

/// The users every development folder has.
pub const USERS: [&str; 2] = ["alice", "bob"];
/// How long the folder's certificates are valid.
const CERTIFICATES_FOR: TimeDelta = TimeDelta::days(365 * 5);
/// How long a user's credential is valid.
const USER_CREDENTIAL_FOR: TimeDelta = TimeDelta::days(365);
/// The privileges a clearinghouse gives the owner of a slice, all of which may be delegated.
pub const SLICE_PRIVILEGES: [(&str, bool); 5] =
    [("refresh", true), ("embed", true), ("bind", true), ("control", true), ("info", true)];

/// Why the folder could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A name cannot be put into a URN.
    #[error(transparent)]
    Name(#[from] UrnError),
    /// A name breaks the rules for users or slices.
    #[error(transparent)]
    BadName(#[from] urn::NameError),
    /// A certificate or credential could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// A certificate without its key: nobody can use it, and it may be somebody's.
    #[error(
        "{certificate} is there without its key {key}: put that back, or remove the certificate to have both made anew"
    )]
    NoKey {
        /// The certificate.
        certificate: PathBuf,
        /// Where its key should be.
        key: PathBuf,
    },
    /// The folder's authority cannot be trusted.
    #[error("the development authority: {0}")]
    Authority(#[from] ChainError),
    /// The credential to be handed on is not good itself.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A certificate in the folder could not be read.
    #[error("{path}: {source}")]
    Certificate {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
}

/// A folder made by `init`.
#[derive(Debug, Clone)]
pub struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// The folder at `dir`.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// A path inside it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path("am.toml")
    }

    /// Where a user's files are.
    #[must_use]
    pub fn user(&self, name: &str) -> PathBuf {
        self.dir.join("users").join(name)
    }

    /// Makes everything that is not there yet; what is there stays as it is.
    ///
    /// # Errors
    /// [`DevelopmentError`].
    pub fn init(
        &self,
        authority: &str,
        listen: SocketAddr,
        now: DateTime<Utc>,
    ) -> Result<Vec<PathBuf>, DevelopmentError> {
        let mut made = Vec::new();
        for folder in ["trusted_roots", "authority", "users", "slices"] {
            let path = self.path(folder);
            fs::create_dir_all(&path).map_err(|source| DevelopmentError::File { path, source })?;
        }
        let authority = self.authority_or_new(authority, now, &mut made)?;
        let name = authority_name(&authority);
        let root = authority.chain().iter().map(Certificate::to_pem).collect::<String>();
        write_new(&self.path("trusted_roots/development.pem"), root.as_bytes(), 0o644, &mut made)?;
        self.server_certificate(&authority, &name, listen, now, &mut made)?;
        for user in USERS {
            self.add_user(&authority, user, now, &mut made)?;
        }
        write_new(&self.config(), am_toml(&name, listen).as_bytes(), 0o644, &mut made)?;
        write_new(&self.path("omni_config"), self.omni_config(&name, listen).as_bytes(), 0o644, &mut made)?;
        write_new(&self.path("request.rspec"), REQUEST.as_bytes(), 0o644, &mut made)?;
        Ok(made)
    }

    /// The folder's authority.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub fn authority(&self) -> Result<Authority, DevelopmentError> {
        let (cert, key) = (read(&self.path("authority/cert.pem"))?, read(&self.path("authority/key.pem"))?);
        Ok(Authority::from_pem(&cert, &key)?)
    }

    fn authority_or_new(
        &self,
        name: &str,
        now: DateTime<Utc>,
        made: &mut Vec<PathBuf>,
    ) -> Result<Authority, DevelopmentError> {
        let Some((certificate, key)) = half_made(&self.path("authority"), ["cert.pem", "key.pem"], made)?
        else {
            return self.authority();
        };
        let urn = Urn::new(&urn::Authority::parse(name)?, "authority", "sa")?;
        let authority = Authority::self_signed(urn, key, now - TimeDelta::hours(1), now + CERTIFICATES_FOR)?;
        let chain = authority.chain().iter().map(Certificate::to_pem).collect::<String>();
        write_new(&certificate, chain.as_bytes(), 0o644, made)?;
        Ok(authority)
    }

    fn server_certificate(
        &self,
        authority: &Authority,
        name: &str,
        listen: SocketAddr,
        now: DateTime<Utc>,
        made: &mut Vec<PathBuf>,
    ) -> Result<(), DevelopmentError> {
        let Some((file, key)) = half_made(&self.dir, ["server-cert.pem", "server-key.pem"], made)? else {
            return Ok(());
        };
        let mut subject = Subject::new(Urn::new(&urn::Authority::parse(name)?, "authority", "am")?);
        subject.uuid = Some(Uuid::new_v4());
        subject.common_name = Some(name.to_owned());
        subject.dns_names = vec!["localhost".to_owned()];
        if !name.contains([':', '_', '%']) {
            subject.dns_names.push(name.to_owned());
        }
        subject.ip_addresses = vec![[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()];
        if !listen.ip().is_loopback() && !listen.ip().is_unspecified() {
            subject.ip_addresses.push(listen.ip());
        }
        let certificate =
            authority.issue(&subject, &key, now - TimeDelta::hours(1), now + CERTIFICATES_FOR)?;
        write_new(&file, with_chain(&certificate, authority).as_bytes(), 0o644, made)
    }

    fn add_user(
        &self,
        authority: &Authority,
        user: &str,
        now: DateTime<Utc>,
        made: &mut Vec<PathBuf>,
    ) -> Result<(), DevelopmentError> {
        urn::user_name(user)?;
        let dir = self.user(user);
        fs::create_dir_all(&dir).map_err(|source| DevelopmentError::File { path: dir.clone(), source })?;
        if let Some((file, key)) = half_made(&dir, ["cert.pem", "key.pem"], made)? {
            let mut subject =
                Subject::new(Urn::new(&urn::Authority::parse(&authority_name(authority))?, "user", user)?);
            subject.uuid = Some(Uuid::new_v4());
            subject.email = Some(format!("{user}@example.net"));
            let certificate =
                authority.issue(&subject, &key, now - TimeDelta::hours(1), now + CERTIFICATES_FOR)?;
            write_new(&file, with_chain(&certificate, authority).as_bytes(), 0o644, made)?;
        }
        if dir.join("user-cred.xml").exists() {
            return Ok(());
        }
        let chain = chain_of(&dir.join("cert.pem"))?;
        let credential = authority.credential(&NewCredential {
            owner: &chain,
            target: &chain,
            privileges: &[("refresh", true), ("resolve", true), ("info", true)],
            expires: now + USER_CREDENTIAL_FOR,
        })?;
        write_new(&dir.join("user-cred.xml"), credential.as_bytes(), 0o600, made)
    }

    /// Mints a credential over the slice `slice` for a user of the folder. The slice's certificate is made
    /// on first use and kept, so that all credentials name one and the same slice.
    ///
    /// # Errors
    /// [`DevelopmentError`].
    pub fn slice_credential(
        &self,
        slice: &str,
        owner: &str,
        days: u32,
        now: DateTime<Utc>,
    ) -> Result<String, DevelopmentError> {
        let authority = self.authority()?;
        urn::slice_name(slice)?;
        let urn = self.slice_urn(slice)?;
        let file = self.path("slices").join(format!("{}-cert.pem", slice.to_ascii_lowercase()));
        if !file.exists() {
            let mut subject = Subject::new(urn);
            subject.uuid = Some(Uuid::new_v4());
            let certificate = authority.issue(
                &subject,
                &KeyPair::generate()?,
                now - TimeDelta::hours(1),
                now + CERTIFICATES_FOR,
            )?;
            write_new(&file, with_chain(&certificate, &authority).as_bytes(), 0o644, &mut Vec::new())?;
        }
        let (owner, target) = (self.user_chain(owner)?, chain_of(&file)?);
        Ok(authority.credential(&NewCredential {
            owner: &owner,
            target: &target,
            privileges: &SLICE_PRIVILEGES,
            expires: now + TimeDelta::days(i64::from(days)),
        })?)
    }

    /// Hands a credential of `from` on to `to`, both users of the folder, with those of its privileges
    /// that may be delegated, or just with `privileges`; until `expires`, or as long as it is valid itself.
    ///
    /// # Errors
    /// [`DevelopmentError`], also when the credential does not allow it.
    pub fn delegate(
        &self,
        credential: &str,
        from: &str,
        to: &str,
        privileges: Option<&[String]>,
        expires: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<String, DevelopmentError> {
        let (holder, receiver) = (self.user_chain(from)?, self.user_chain(to)?);
        let key = KeyPair::from_pem(&read(&self.user(from).join("key.pem"))?)?;
        let roots = TrustRoots::from_certificates(self.authority()?.chain().to_vec(), &Policy::default())?;
        let parent = Verifier::new(roots, 0).verify(credential, now)?;
        let expires = expires.min(parent.expires);
        let named: Vec<(&str, bool)> = match privileges {
            Some(names) => names.iter().map(|name| (name.as_str(), false)).collect(),
            None => SLICE_PRIVILEGES.to_vec(),
        };
        Ok(delegate(credential, (&holder, &key), &receiver, &named, expires)?)
    }

    /// The URN of a slice of the folder's authority.
    ///
    /// # Errors
    /// The name cannot be put into a URN, or the authority's files cannot be read.
    pub fn slice_urn(&self, slice: &str) -> Result<Urn, DevelopmentError> {
        let name = authority_name(&self.authority()?);
        Ok(Urn::new(&urn::Authority::parse(&name)?, "slice", slice)?)
    }

    fn user_chain(&self, user: &str) -> Result<Vec<Certificate>, DevelopmentError> {
        urn::user_name(user)?;
        chain_of(&self.user(user).join("cert.pem"))
    }

    fn omni_config(&self, authority: &str, listen: SocketAddr) -> String {
        let alice = self.user("alice");
        let absolute = |path: PathBuf| fs::canonicalize(&path).unwrap_or(path).display().to_string();
        format!(
            "# Configuration for Omni, the command line client of the GENI tools.\n\
             # There is no clearinghouse behind the development authority: give credentials with\n\
             # --slicecredfile and --usercredfile, as `am-server credential slice` writes them.\n\
             \n\
             [omni]\n\
             default_cf = development\n\
             users = alice\n\
             \n\
             [development]\n\
             type = gcf\n\
             authority = {authority}\n\
             ch = https://{listen}\n\
             cert = {cert}\n\
             key = {key}\n\
             \n\
             [alice]\n\
             urn = urn:publicid:IDN+{authority}+user+alice\n\
             # One or more files with SSH public keys, comma separated.\n\
             keys = ~/.ssh/id_ed25519.pub\n\
             \n\
             [aggregate_nicknames]\n\
             am = urn:publicid:IDN+{authority}+authority+am,https://{listen}/am/3.0\n",
            cert = absolute(alice.join("cert.pem")),
            key = absolute(alice.join("key.pem")),
        )
    }
}

/// The place of a certificate that is still to be made, and the key it is to be made for; None when both are there. The
/// key comes first, so that whatever `init` was broken off at, the next one goes on from there.
fn half_made(
    dir: &Path,
    [certificate, key]: [&str; 2],
    made: &mut Vec<PathBuf>,
) -> Result<Option<(PathBuf, KeyPair)>, DevelopmentError> {
    let (certificate, key) = (dir.join(certificate), dir.join(key));
    match (certificate.exists(), key.exists()) {
        (true, true) => Ok(None),
        (true, false) => Err(DevelopmentError::NoKey { certificate, key }),
        (false, true) => {
            let pair = KeyPair::from_pem(&read(&key)?)?;
            Ok(Some((certificate, pair)))
        }
        (false, false) => {
            let pair = KeyPair::generate()?;
            write_new(&key, pair.to_pkcs8_pem().as_bytes(), 0o600, made)?;
            Ok(Some((certificate, pair)))
        }
    }
}

fn authority_name(authority: &Authority) -> String {
    authority
        .chain()
        .first()
        .and_then(Certificate::urn)
        .map(|urn| urn.authority().as_str().to_owned())
        .unwrap_or_default()
}

fn with_chain(certificate: &Certificate, issuer: &Authority) -> String {
    std::iter::once(certificate).chain(issuer.chain()).map(Certificate::to_pem).collect()
}

fn chain_of(path: &Path) -> Result<Vec<Certificate>, DevelopmentError> {
    Certificate::chain_from_pem(&read(path)?)
        .map_err(|source| DevelopmentError::Certificate { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<String, DevelopmentError> {
    fs::read_to_string(path).map_err(|source| DevelopmentError::File { path: path.to_owned(), source })
}

/// Writes a file unless it is there; its mode is right from the first byte on.
fn write_new(
    path: &Path,
    content: &[u8],
    mode: u32,
    made: &mut Vec<PathBuf>,
) -> Result<(), DevelopmentError> {
    let failed = |source| DevelopmentError::File { path: path.to_owned(), source };
    if path.exists() {
        return Ok(());
    }
    // Under another name until it is whole: a file that is there is a file that can be used.
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let _ = fs::remove_file(&unfinished);
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished).map_err(failed)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(failed)?;
    made.push(path.to_owned());
    Ok(())
}

/// Writes a file's whole content, private to its owner; for credentials asked for by name.
///
/// # Errors
/// [`DevelopmentError::File`].
pub fn write_private(path: &Path, content: &str) -> Result<(), DevelopmentError> {
    let failed = |source| DevelopmentError::File { path: path.to_owned(), source };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)
}

fn am_toml(authority: &str, listen: SocketAddr) -> String {
    format!(
        r#"# Configuration of the aggregate manager. Paths are relative to this file's folder.
# Every setting and its default is described in docs/configuration.md.

[aggregate]
authority = "{authority}"
listen = "{listen}"
database = "am.sqlite"
# URNs of users who may act on every slice:
operators = []

[tls]
certificate = "server-cert.pem"
key = "server-key.pem"
# Put the root certificates of the clearinghouses you trust into this folder.
trusted_roots = "trusted_roots"

# Names experimenters use for hardware profiles; "default-vm" is what a node without a sliver type gets.
[sliver_types]
default-vm = "small"

[[drivers]]
name = "lab"
kind = "mock"
database = "mock.sqlite"
"#
    )
}

/// A first request: two virtual machines and a link between them.
const REQUEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rspec type="request" xmlns="http://www.geni.net/resources/rspec/3"
       xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
       xsi:schemaLocation="http://www.geni.net/resources/rspec/3 http://www.geni.net/resources/rspec/3/request.xsd">
  <node client_id="server" exclusive="false">
    <sliver_type name="default-vm"/>
    <interface client_id="server:if0"><ip address="10.10.1.1" netmask="255.255.255.0" type="ipv4"/></interface>
  </node>
  <node client_id="client" exclusive="false">
    <sliver_type name="default-vm"/>
    <interface client_id="client:if0"><ip address="10.10.1.2" netmask="255.255.255.0" type="ipv4"/></interface>
  </node>
  <link client_id="lan">
    <interface_ref client_id="server:if0"/>
    <interface_ref client_id="client:if0"/>
  </link>
</rspec>
"#;
