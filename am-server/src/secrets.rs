//! Passwords, read from where they are kept: a file or the environment, never the configuration itself.

use drivers::Secret;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where a password is kept; part of a section that needs one.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PasswordSource {
    /// A file that holds nothing else; a line break at its end does not count.
    pub password_file: Option<PathBuf>,
    /// An environment variable.
    pub password_env: Option<String>,
}

/// Why there is no password. Says nothing of the password itself.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The file cannot be read.
    #[error("password_file: {}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The environment does not have it.
    #[error("password_env: there is no environment variable {0:?} with text")]
    Variable(String),
    /// Two places are named.
    #[error("give password_file or password_env, not both")]
    Both,
    /// No place is named.
    #[error("give password_file or password_env")]
    Neither,
    /// Nothing is kept there.
    #[error("the password is empty")]
    Empty,
}

impl PasswordSource {
    /// The password; `folder` is what a relative path starts from.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn read(&self, folder: &Path) -> Result<Secret, PasswordError> {
        let text = match (&self.password_file, &self.password_env) {
            (Some(file), None) => {
                let file = folder.join(file);
                std::fs::read_to_string(&file).map_err(|source| PasswordError::File { file, source })?
            }
            (None, Some(name)) => std::env::var(name).map_err(|_| PasswordError::Variable(name.clone()))?,
            (Some(_), Some(_)) => return Err(PasswordError::Both),
            (None, None) => return Err(PasswordError::Neither),
        };
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() { Err(PasswordError::Empty) } else { Ok(Secret::new(password)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_its_line_break() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p"), "se cret\n").unwrap();
        let source = PasswordSource { password_file: Some("p".into()), password_env: None };
        assert_eq!(source.read(folder.path()).unwrap().expose(), "se cret");
    }

    #[test]
    fn exactly_one_place_must_be_named() {
        let source = |file: Option<&str>, variable: Option<&str>| PasswordSource {
            password_file: file.map(PathBuf::from),
            password_env: variable.map(str::to_owned),
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("empty"), "\r\n").unwrap();
        for (source, words) in [
            (source(None, None), "give password_file or password_env"),
            (source(Some("p"), Some("P")), "not both"),
            (source(Some("missing"), None), "missing"),
            (source(None, Some("NO_SUCH=VARIABLE")), "\"NO_SUCH=VARIABLE\""),
            (source(Some("empty"), None), "is empty"),
        ] {
            let error = source.read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(words), "{words:?} is not in {error:?}");
        }
    }
}
