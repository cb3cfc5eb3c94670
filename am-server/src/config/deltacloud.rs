//! The Deltacloud REST API over the aggregate's drivers.

use crate::secrets::PasswordSource;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `[deltacloud]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeltacloudSection {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Certificate chain, PEM. Without one the address must be one of this machine's own.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// Who may use it.
    pub users: Vec<UserSection>,
}

/// One of `[[deltacloud.users]]`.
#[derive(Debug, Clone, Deserialize)]
pub struct UserSection {
    /// The name the user logs in by.
    pub name: String,
    /// Where the password is kept.
    #[serde(flatten)]
    pub password: PasswordSource,
}

impl DeltacloudSection {
    /// The same with paths that start from `folder`.
    pub(super) fn within(mut self, folder: &Path) -> Self {
        let files = self.users.iter_mut().map(|user| &mut user.password.password_file);
        for path in files.chain([&mut self.certificate, &mut self.key]).flatten() {
            *path = folder.join(&*path);
        }
        self
    }

    pub(super) fn check(&self, problems: &mut Vec<String>) {
        if self.certificate.is_some() != self.key.is_some() {
            problems.push("deltacloud: certificate and key go together".to_owned());
        }
        if self.certificate.is_none() && !self.listen.ip().is_loopback() {
            problems.push(format!(
                "deltacloud.listen: {} can be reached from other machines: give it a certificate and a key, or \
                 listen on 127.0.0.1",
                self.listen
            ));
        }
        if self.users.is_empty() {
            problems.push("deltacloud.users: without users nobody could use it".to_owned());
        }
        for user in &self.users {
            if user.name.is_empty() || user.name.contains(':') || user.name.contains(char::is_control) {
                problems.push(format!("deltacloud.users: {:?} cannot be a user's name", user.name));
            }
            if let Err(problem) = user.password.read(Path::new("")) {
                problems.push(format!("deltacloud.users {}: {problem}", user.name));
            }
        }
    }
}
