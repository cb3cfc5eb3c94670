//! Reading and writing the folder's files: whole or not at all, and private where they hold keys.

use super::DevelopmentError;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub(super) fn read(path: &Path) -> Result<String, DevelopmentError> {
    fs::read_to_string(path).map_err(|source| DevelopmentError::File { path: path.to_owned(), source })
}

/// Writes a file unless it is there; its mode is right from the first byte on.
pub(super) fn write_new(
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
    // A file that was there keeps its permissions when it is opened.
    if file.metadata().map_err(failed)?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
    }
    file.write_all(content.as_bytes()).map_err(failed)
}
