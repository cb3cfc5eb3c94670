//! The folder of an aggregate, as `init` makes it: configuration, server certificate, trusted roots.
//!
//! Where nobody else can call, or when it is asked for, it also gets a *development authority*: an authority with its key,
//! trusted by the service, and two users with credentials. The tests and the demonstration run on it, and it shows an
//! operator what the pieces look like before a real clearinghouse takes the authority's place. A service that others can
//! reach does not trust it unasked: whoever reads its key can make users.

mod files;
mod texts;

use crate::config::HostKind;
use chrono::{DateTime, TimeDelta, Utc};
use credentials::mint::{Authority, KeyPair, MintError, NewCredential, Subject, delegate};
use credentials::{Certificate, CertificateError, ChainError, CredentialError, Policy, TrustRoots, Verifier};
pub use files::write_private;
use files::{read, write_new};
use std::fs;
use std::io;
use std::net::SocketAddr;
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
    /// The folder's configuration does not say who the aggregate is.
    #[error(
        "{}: authority and listen cannot be read from its section [aggregate]; mend it first (`am-server check` says more), \
         so that what is made fits to it", .0.display()
    )]
    Unclear(PathBuf),
    /// The folder belongs to a service that trusts real authorities only, or is none at all.
    #[error(
        "{} has no development authority, so there is nobody to make users or credentials; \
         `am-server init --dir {} --development` makes one", .0.display(), .0.display()
    )]
    NoAuthority(PathBuf),
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

/// Who an aggregate is to be and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The authority of its URNs.
    pub authority: String,
    /// Address and port.
    pub listen: SocketAddr,
}

impl Place {
    /// As a configuration file says; `None` where there is none yet. One that does not say so is an error: guessing for
    /// it might trust a development authority where others can call.
    fn of(config: &Path) -> Result<Option<Self>, DevelopmentError> {
        if !config.exists() {
            return Ok(None);
        }
        let unclear = || DevelopmentError::Unclear(config.to_owned());
        let table: toml::Table = toml::from_str(&read(config)?).map_err(|_| unclear())?;
        let member = |name| table.get("aggregate").and_then(|it| it.get(name)).and_then(toml::Value::as_str);
        let (authority, listen) = member("authority").zip(member("listen")).ok_or_else(unclear)?;
        let listen = listen.parse().map_err(|_| unclear())?;
        Ok(Some(Self { authority: authority.to_owned(), listen }))
    }

    /// The host that the authority is named after.
    fn host(&self) -> &str {
        self.authority.split(':').next().unwrap_or_default()
    }

    /// The name by which other machines reach it; `None` when they do not, or when it has none.
    fn name(&self) -> Option<&str> {
        let host = self.host();
        (HostKind::of(host) == HostKind::Name && !self.listen.ip().is_loopback()).then_some(host)
    }

    /// The URL for clients, without a path.
    fn url(&self) -> String {
        match self.name() {
            Some(name) => format!("https://{name}:{}", self.listen.port()),
            None => format!("https://{}", self.listen),
        }
    }
}

/// What `init` did.
#[derive(Debug, Clone)]
pub struct Made {
    /// The files that were not there before.
    pub files: Vec<PathBuf>,
    /// Whether the folder has a development authority.
    pub development: bool,
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

    /// Makes everything that is not there yet; what is there stays as it is, and decides where `place` says otherwise. A
    /// development authority is made where there is one already, where only this machine can call, and when `development`
    /// asks for it.
    ///
    /// # Errors
    /// [`DevelopmentError`].
    pub fn init(
        &self,
        place: &Place,
        development: bool,
        now: DateTime<Utc>,
    ) -> Result<Made, DevelopmentError> {
        let configured = Place::of(&self.config())?;
        let place = configured.as_ref().unwrap_or(place);
        let has_authority = ["cert.pem", "key.pem"].iter().any(|it| self.path("authority").join(it).exists());
        let wanted =
            development || has_authority || (configured.is_none() && place.listen.ip().is_loopback());
        let mut made = Vec::new();
        self.make_folder("trusted_roots")?;
        if wanted {
            for folder in ["authority", "users", "slices"] {
                self.make_folder(folder)?;
            }
            let before = made.len();
            let authority = self.authority_or_new(&place.authority, now, &mut made)?;
            let is_new = made.len() > before;
            let name = authority_name(&authority);
            // An operator may have taken its root away: only a new one is trusted unasked.
            if is_new || development || configured.is_none() {
                let root = authority.chain().iter().map(Certificate::to_pem).collect::<String>();
                write_new(&self.path("trusted_roots/development.pem"), root.as_bytes(), 0o644, &mut made)?;
            }
            self.server_certificate(Some(&authority), &name, place, now, &mut made)?;
            for user in USERS {
                self.add_user(&authority, user, now, &mut made)?;
            }
            let omni = texts::omni_config(self, &name, &place.url());
            write_new(&self.path("omni_config"), omni.as_bytes(), 0o644, &mut made)?;
        } else {
            self.server_certificate(None, &place.authority, place, now, &mut made)?;
        }
        write_new(&self.path("request.rspec"), texts::REQUEST.as_bytes(), 0o644, &mut made)?;
        // Last: a folder with a configuration was made whole once.
        write_new(&self.config(), texts::am_toml(place).as_bytes(), 0o644, &mut made)?;
        Ok(Made { files: made, development: wanted })
    }

    fn make_folder(&self, name: &str) -> Result<(), DevelopmentError> {
        let path = self.path(name);
        fs::create_dir_all(&path).map_err(|source| DevelopmentError::File { path, source })
    }

    /// The folder's authority.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub fn authority(&self) -> Result<Authority, DevelopmentError> {
        if !self.path("authority").is_dir() {
            return Err(DevelopmentError::NoAuthority(self.dir.clone()));
        }
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

    /// The server's certificate, of the development authority where there is one, else signed by itself. A service that
    /// others reach has its DNS name in it and nothing else; one on this machine goes by all the machine's own names.
    fn server_certificate(
        &self,
        authority: Option<&Authority>,
        name: &str,
        place: &Place,
        now: DateTime<Utc>,
        made: &mut Vec<PathBuf>,
    ) -> Result<(), DevelopmentError> {
        let Some((file, key)) = half_made(&self.dir, ["server-cert.pem", "server-key.pem"], made)? else {
            return Ok(());
        };
        let mut subject = Subject::new(Urn::new(&urn::Authority::parse(name)?, "authority", "am")?);
        subject.uuid = Some(Uuid::new_v4());
        subject.common_name = Some(place.host().to_owned());
        if let Some(host) = place.name() {
            subject.dns_names = vec![host.to_owned()];
        } else {
            subject.dns_names = vec!["localhost".to_owned()];
            if !matches!(HostKind::of(place.host()), HostKind::Malformed | HostKind::Address) {
                subject.dns_names.push(place.host().to_owned());
            }
            subject.ip_addresses = vec![[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into()];
            let ip = place.listen.ip();
            if !ip.is_loopback() && !ip.is_unspecified() {
                subject.ip_addresses.push(ip);
            }
        }
        let (from, until) = (now - TimeDelta::hours(1), now + CERTIFICATES_FOR);
        let text = match authority {
            Some(authority) => with_chain(&authority.issue(&subject, &key, from, until)?, authority),
            None => subject.self_signed(&key, from, until)?.to_pem(),
        };
        write_new(&file, text.as_bytes(), 0o644, made)
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
