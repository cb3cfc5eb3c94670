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

impl PasswordSource {
    /// The password; `folder` is what a relative path starts from.
    ///
    /// # Errors
    /// What is wrong, without the password.
    pub fn read(&self, folder: &Path) -> Result<Secret, String> {
        let text = match (&self.password_file, &self.password_env) {
            (Some(file), None) => {
                let file = folder.join(file);
                std::fs::read_to_string(&file)
                    .map_err(|error| format!("password_file: {}: {error}", file.display()))?
            }
            (None, Some(name)) => std::env::var(name)
                .map_err(|_| format!("password_env: there is no environment variable {name:?} with text"))?,
            (Some(_), Some(_)) => return Err("give password_file or password_env, not both".to_owned()),
            (None, None) => return Err("give password_file or password_env".to_owned()),
        };
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() { Err("the password is empty".to_owned()) } else { Ok(Secret::new(password)) }
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
        for source in [
            PasswordSource::default(),
            PasswordSource { password_file: Some("p".into()), password_env: Some("P".into()) },
            PasswordSource { password_file: Some("missing".into()), password_env: None },
        ] {
            assert!(source.read(Path::new("/nonexistent")).is_err());
        }
    }
}
