//! Who makes the calls, and the slices they have credentials for.

use crate::Failure;
use crate::xmlrpc::escape;
use am_server::development::{Folder, SLICE_PRIVILEGES};
use chrono::{TimeDelta, Utc};
use credentials::Certificate;
use credentials::mint::{KeyPair, NewCredential, Subject};
use std::collections::VecDeque;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use urn::Urn;

/// A slice, and the right to it.
#[derive(Debug, Clone)]
pub struct SliceAccess {
    /// Its URN.
    pub urn: String,
    /// A credential for it, escaped for XML.
    pub credential: String,
}

/// Slices that are handed out one after the other, each to one client at a time.
#[derive(Debug)]
pub struct Slices {
    all: Vec<SliceAccess>,
    /// Those that nobody has, the one that was given back longest ago first.
    free: Mutex<VecDeque<usize>>,
}

/// A slice that a client has for itself, until this is dropped.
#[derive(Debug)]
pub struct Taken<'a> {
    slices: &'a Slices,
    number: usize,
}

impl Deref for Taken<'_> {
    type Target = SliceAccess;

    fn deref(&self) -> &SliceAccess {
        &self.slices.all[self.number]
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.slices.free().push_back(self.number);
    }
}

impl Slices {
    /// These slices.
    ///
    /// # Errors
    /// There is none.
    pub fn new(all: Vec<SliceAccess>) -> Result<Self, Failure> {
        if all.is_empty() {
            return Err(Failure::new("there is no slice credential to work with"));
        }
        let free = Mutex::new((0..all.len()).collect());
        Ok(Self { all, free })
    }

    fn free(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one that nobody has.
    ///
    /// # Errors
    /// There are more clients than slices.
    pub fn take(&self) -> Result<Taken<'_>, Failure> {
        let number = self.free().pop_front();
        let number = number.ok_or_else(|| Failure::new("there are more clients than slices"))?;
        Ok(Taken { slices: self, number })
    }

    /// The one of client `number`.
    #[must_use]
    pub fn of(&self, number: usize) -> &SliceAccess {
        &self.all[number % self.all.len()]
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none: never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// What a folder of credentials holds, read from the credentials themselves.
#[derive(Debug, Default)]
pub struct Held {
    /// A credential of the caller, over a user or anything else, escaped for XML.
    pub user: Option<String>,
    /// Slices, in the order of the files' names.
    pub slices: Vec<SliceAccess>,
}

/// Reads every `*.xml` file of a folder as a credential.
///
/// # Errors
/// The folder or a file cannot be read, or a file is no credential.
pub fn read_folder(folder: &Path) -> Result<Held, Failure> {
    let entries = std::fs::read_dir(folder).map_err(Failure::when(folder.display().to_string()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "xml"))
        .collect();
    files.sort();
    let mut held = Held::default();
    for file in files {
        let xml = std::fs::read_to_string(&file).map_err(Failure::when(file.display().to_string()))?;
        let urn = target_of(&xml).ok_or_else(|| {
            Failure::new(format!("{}: it is no credential with a target_urn", file.display()))
        })?;
        let credential = escape(&xml);
        if urn.kind() == urn::Kind::Slice {
            held.slices.push(SliceAccess { urn: urn.as_str().to_owned(), credential });
        } else {
            held.user.get_or_insert(credential);
        }
    }
    Ok(held)
}

fn target_of(xml: &str) -> Option<Urn> {
    let document = roxmltree::Document::parse(xml).ok()?;
    let target = document.descendants().find(|node| node.has_tag_name("target_urn"))?;
    Urn::parse(target.text()?.trim()).ok()
}

/// Mints credentials of a development authority's user alice over `count` new slices. The slices' certificates share
/// one key, which nobody uses.
///
/// # Errors
/// The folder's authority or user cannot be read.
pub fn mint(folder: &Folder, prefix: &str, count: usize) -> Result<Vec<(String, String)>, Failure> {
    let failed = Failure::when::<am_server::development::DevelopmentError>;
    let minting = Failure::when::<credentials::mint::MintError>;
    let authority = folder.authority().map_err(failed("the development authority"))?;
    let alice = folder.user("alice").join("cert.pem");
    let alice = std::fs::read_to_string(&alice).map_err(Failure::when(alice.display().to_string()))?;
    let owner = Certificate::chain_from_pem(&alice).map_err(Failure::when("alice's certificate"))?;
    let key = KeyPair::generate().map_err(minting("a key"))?;
    let (start, end) = (Utc::now() - TimeDelta::hours(1), Utc::now() + TimeDelta::days(30));
    (0..count)
        .map(|n| {
            let urn = folder.slice_urn(&format!("{prefix}{n}")).map_err(failed("a slice name"))?;
            let certificate = authority
                .issue(&Subject::new(urn.clone()), &key, start, end)
                .map_err(minting("a slice certificate"))?;
            let target: Vec<_> =
                std::iter::once(certificate).chain(authority.chain().iter().cloned()).collect();
            let credential = authority
                .credential(&NewCredential {
                    owner: &owner,
                    target: &target,
                    privileges: &SLICE_PRIVILEGES,
                    expires: end,
                })
                .map_err(minting("a slice credential"))?;
            Ok((urn.as_str().to_owned(), credential))
        })
        .collect()
}

/// [`mint`], ready to be sent.
///
/// # Errors
/// As [`mint`].
pub fn mint_access(folder: &Folder, prefix: &str, count: usize) -> Result<Vec<SliceAccess>, Failure> {
    let minted = mint(folder, prefix, count)?;
    Ok(minted.into_iter().map(|(urn, xml)| SliceAccess { urn, credential: escape(&xml) }).collect())
}
