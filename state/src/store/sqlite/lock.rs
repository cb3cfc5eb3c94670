//! One store at a time has a database, by whatever name the file was given.
//!
//! The lock is on the file itself: a symbolic link or a second hard link leads to the same lock. It is an advisory
//! lock of the whole file (`flock`), which does not meet the record locks that SQLite takes on the same file.
//!
//! Two properties of Unix shape this module:
//! - A child process holds a copy of every open file until it runs another program. Closing the file here would leave
//!   the lock with that child for a moment. So the lock is given up by name before the file is closed.
//! - Closing any handle on a file drops all record locks that the process has on it, SQLite's too. So this process
//!   never opens the file a second time: it remembers which files it has.

use crate::store::StoreError;
use std::collections::BTreeSet;
use std::fs::{File, Metadata, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Only the owner may read what experimenters have.
const PRIVATE: u32 = 0o600;

/// The databases that this process has open.
static OPEN: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());

/// A file apart from its names: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64, u64);

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

/// The lock of one database. Dropping it lets others have the database, so every connection is closed before.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    id: FileId,
    database: Option<File>,
    beside: Option<File>,
}

impl Lock {
    /// Takes the lock, making the file if it is not there.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Linked`] and [`StoreError::File`].
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let in_use = || StoreError::InUse { path: path.to_owned() };
        let mut open = registry();
        if std::fs::metadata(path).is_ok_and(|metadata| open.contains(&FileId::of(&metadata))) {
            return Err(in_use());
        }
        let database = private_file(path)?;
        exclusive(&database, path, path)?;
        // SQLite keeps its log beside the real file; so does everything else that belongs to the database.
        let real = path.canonicalize().map_err(|error| failed(path, &error))?;
        let metadata = database.metadata().map_err(|error| failed(path, &error))?;
        if metadata.nlink() > 1 {
            return Err(StoreError::Linked { path: real, names: metadata.nlink() });
        }
        // Earlier versions of this program lock a file beside the database: an old one and a new one exclude each
        // other, too. It also keeps a second service off a name whose file was just moved away.
        let mut beside = real.clone().into_os_string();
        beside.push(".lock");
        let beside = PathBuf::from(beside);
        let file = private_file(&beside)?;
        exclusive(&file, &beside, path)?;
        let id = FileId::of(&metadata);
        open.insert(id);
        Ok(Self { path: real, id, database: Some(database), beside: Some(file) })
    }

    /// The database file, without symbolic links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that is locked.
    pub(super) fn id(&self) -> FileId {
        self.id
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Held to the end: another store of this process may not open the file before this handle on it is closed.
        let mut open = registry();
        for file in [self.beside.take(), self.database.take()].into_iter().flatten() {
            if let Err(error) = file.unlock() {
                tracing::warn!(path = %self.path.display(), %error, "the lock of the database could not be given up");
            }
        }
        open.remove(&self.id);
    }
}

fn registry() -> MutexGuard<'static, BTreeSet<FileId>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::File { path: path.to_owned(), reason: error.to_string() }
}

/// Locks a file for this store alone; `database` is what a refusal names.
fn exclusive(file: &File, path: &Path, database: &Path) -> Result<(), StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: database.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(path, &error)),
    }
}

/// Opens a file, making it if need be, and keeps everybody else out of it.
fn private_file(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path)
        .map_err(|error| failed(path, &error))?;
    file.set_permissions(Permissions::from_mode(PRIVATE)).map_err(|error| failed(path, &error))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_has_not_started_its_program_yet_holds_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let lock = Lock::take(&path).unwrap();
        // A child process between fork and exec has the same open files: copies, which share the lock.
        let copies = [&lock.database, &lock.beside].map(|file| file.as_ref().unwrap().try_clone().unwrap());
        drop(lock);
        Lock::take(&path).unwrap();
        drop(copies);
    }

    #[test]
    fn every_name_of_the_file_leads_to_one_lock() {
        let folder = tempfile::tempdir().unwrap();
        let [path, symbolic, hard] =
            ["state.db", "symbolic.db", "hard.db"].map(|name| folder.path().join(name));
        let lock = Lock::take(&path).unwrap();
        std::os::unix::fs::symlink(&path, &symbolic).unwrap();
        std::fs::hard_link(&path, &hard).unwrap();
        for name in [&path, &symbolic, &hard] {
            let error = Lock::take(name).unwrap_err();
            assert!(matches!(&error, StoreError::InUse { path } if path == name), "{error}");
        }
        drop(lock);
        // A file with several names is refused even when nobody has it: each name would get a log of its own.
        for name in [&path, &symbolic, &hard] {
            let error = Lock::take(name).unwrap_err();
            assert!(matches!(error, StoreError::Linked { names: 2, .. }), "{error}");
            assert!(error.to_string().contains("hard link"), "{error}");
        }
        std::fs::remove_file(&hard).unwrap();
        assert_eq!(Lock::take(&symbolic).unwrap().path(), path.canonicalize().unwrap());
    }
}
