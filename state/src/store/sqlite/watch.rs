//! Whether the files are still those that were opened, and what is known of how well they are.

use super::examine::Examination;
use super::lock::FileId;
use super::quarantine::Quarantine;
use crate::store::{Condition, StoreError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

/// Watches over the files of one store.
#[derive(Debug)]
pub(super) struct Watch {
    /// The database and its log: the name, and the file that had to be there when it was opened.
    files: [(PathBuf, FileId); 2],
    lost: watch::Sender<Option<StoreError>>,
    failed_commit: Mutex<Option<(Instant, String)>>,
    findings: Mutex<Vec<String>>,
    quarantine: Quarantine,
}

impl Watch {
    /// Watches `name`, as the store was told it, and the log beside the file that it leads to. Both are there: the
    /// connections are open.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub(super) fn new(name: &Path, real: &Path, database: FileId) -> Result<Self, StoreError> {
        let failed = |path: &Path, error: &std::io::Error| StoreError::File {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        // Wherever the process goes, the name means what it meant when it was given.
        let name = std::path::absolute(name).map_err(|error| failed(name, &error))?;
        let mut log = real.as_os_str().to_owned();
        log.push("-wal");
        let log = PathBuf::from(log);
        let metadata = std::fs::metadata(&log).map_err(|error| failed(&log, &error))?;
        Ok(Self {
            files: [(name, database), (log, FileId::of(&metadata))],
            lost: watch::Sender::new(None),
            failed_commit: Mutex::default(),
            findings: Mutex::default(),
            quarantine: Quarantine::default(),
        })
    }

    /// Looks whether the files are still there under their names. Once they are not, they are lost for good: what was
    /// written to them last may be missing in whatever is put back.
    ///
    /// # Errors
    /// [`StoreError::Lost`]; [`StoreError::File`] if that cannot be told.
    pub(super) fn verify(&self) -> Result<(), StoreError> {
        if let Some(lost) = &*self.lost.borrow() {
            return Err(lost.clone());
        }
        for (path, id) in &self.files {
            let how = match std::fs::metadata(path) {
                Ok(metadata) if FileId::of(&metadata) == *id => continue,
                Ok(_) => "replaced by another file",
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    "removed"
                }
                Err(error) => {
                    return Err(StoreError::File { path: path.clone(), reason: error.to_string() });
                }
            };
            let lost = StoreError::Lost { path: path.clone(), how };
            tracing::error!(error = %lost, "the database is lost: nothing more is written");
            self.lost.send_replace(Some(lost.clone()));
            return Err(lost);
        }
        Ok(())
    }

    /// Whether somebody put another log in the place of the store's own.
    pub(super) fn has_foreign_log(&self) -> bool {
        let [_, (log, id)] = &self.files;
        std::fs::metadata(log).is_ok_and(|metadata| FileId::of(&metadata) != *id)
    }

    pub(super) fn lost(&self) -> watch::Receiver<Option<StoreError>> {
        self.lost.subscribe()
    }

    pub(super) fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// Remembers that a commit failed.
    pub(super) fn commit_failed(&self, error: &StoreError) {
        *self.failed_commit.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), error.to_string()));
    }

    /// Remembers what an examination found, in place of what the one before it did.
    pub(super) fn examined(&self, found: Examination) {
        self.quarantine.replace(found.unreadable);
        let findings: Vec<String> = found.damage.into_iter().chain(found.violations).collect();
        let mut known = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != findings {
            for finding in &findings {
                tracing::error!(finding, "the database file is damaged");
            }
            if findings.is_empty() {
                tracing::info!("nothing is wrong with the database file any more");
            }
        }
        *known = findings;
    }

    pub(super) fn condition(&self) -> Condition {
        let failed = self.failed_commit.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let [(path, _), _] = &self.files;
        let disk = path.parent().and_then(|folder| rustix::fs::statvfs(folder).ok());
        Condition {
            failed_commit: failed.map(|(at, why)| (at.elapsed(), why)),
            findings: self.findings.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            unreadable: self.quarantine.list(),
            free_bytes: disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
        }
    }
}
