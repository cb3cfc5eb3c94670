//! The Deltacloud REST API over the aggregate's drivers, as the service mounts it.

use crate::api::kind::{ApiError, ApiKind, ApiSettings, Mount, Section, SettingsFrom};
use crate::cloud::Cloud;
use crate::secrets::{PasswordError, PasswordSource};
use credentials::TrustRoots;
use deltacloud_server::auth::Users;
use deltacloud_server::{Face, NamedDriver, server_config};
use drivers::Secret;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tracing::info;

/// The Deltacloud API.
pub(super) const KIND: ApiKind = ApiKind { section: SECTION, settings: SettingsFrom::Section(read) };

const SECTION: &str = "deltacloud";

/// `[deltacloud]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeltacloudSection {
    /// Address and port to listen on.
    listen: SocketAddr,
    /// Certificate chain, PEM. Without one the address must be one of this machine's own.
    certificate: Option<PathBuf>,
    /// Its private key, PEM.
    key: Option<PathBuf>,
    /// Who may use it.
    users: Vec<UserSection>,
}

/// One of `[[deltacloud.users]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "WrittenUser")]
struct UserSection {
    /// The name the user logs in by.
    name: String,
    /// Where the password is kept.
    password: PasswordSource,
}

/// A user as written: a flattened member would take anything that is not known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUser {
    name: String,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
}

impl From<WrittenUser> for UserSection {
    fn from(WrittenUser { name, password_file, password_env }: WrittenUser) -> Self {
        Self { name, password: PasswordSource { password_file, password_env } }
    }
}

fn read(mut section: Section<'_>) -> Option<Arc<dyn ApiSettings>> {
    let settings = section.read::<DeltacloudSection>()?.within(section.folder);
    settings.check(section.problems);
    Some(Arc::new(settings))
}

impl ApiSettings for DeltacloudSection {
    fn listen(&self) -> SocketAddr {
        self.listen
    }

    fn open(&self, _roots: &Arc<TrustRoots>) -> Result<Mount, ApiError> {
        let passwords = self.passwords().map_err(ApiError::of(SECTION))?;
        let users = Users::new(passwords.iter().map(|(name, password)| (*name, password.expose())));
        let tls = self.tls()?;
        Ok(Box::new(move |parts| {
            let named = |cloud: Cloud| NamedDriver { name: cloud.name, driver: cloud.driver };
            let drivers = parts.clouds.into_iter().map(named).collect();
            let face = Arc::new(Face::new(drivers, users, parts.limits, tls));
            Box::pin(face.serve(parts.listener, parts.stop))
        }))
    }

    fn problem(&self, _roots: Option<&Arc<TrustRoots>>) -> Option<ApiError> {
        // The passwords were read when the section was checked.
        self.tls().err()
    }

    fn announce(&self, address: SocketAddr) {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        info!(url = format!("{scheme}://{address}/api"), "serving the Deltacloud API");
    }

    fn certificate(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }

    fn secret_files(&self) -> Vec<(String, PathBuf)> {
        let key = self.key.iter().map(|path| (format!("{SECTION}.key"), path.clone()));
        let users = self.users.iter().filter_map(|user| {
            Some((format!("{SECTION}.users {}", user.name), user.password.password_file.clone()?))
        });
        key.chain(users).collect()
    }
}

impl DeltacloudSection {
    /// The users' names and passwords.
    fn passwords(&self) -> Result<Vec<(&str, Secret)>, PasswordError> {
        self.users.iter().map(|user| Ok((user.name.as_str(), user.password.read(Path::new(""))?))).collect()
    }

    /// The server's certificate and key, where it has them.
    fn tls(&self) -> Result<Option<TlsAcceptor>, ApiError> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else { return Ok(None) };
        let config = server_config(certificate, key).map_err(ApiError::of(SECTION))?;
        Ok(Some(TlsAcceptor::from(config)))
    }

    /// The same with paths that start from `folder`.
    fn within(mut self, folder: &Path) -> Self {
        let files = self.users.iter_mut().map(|user| &mut user.password.password_file);
        for path in files.chain([&mut self.certificate, &mut self.key]).flatten() {
            *path = folder.join(&*path);
        }
        self
    }

    fn check(&self, problems: &mut Vec<String>) {
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
        let mut seen = BTreeSet::new();
        for user in &self.users {
            if !seen.insert(&user.name) {
                problems.push(format!("deltacloud.users: the name {:?} is used twice", user.name));
            }
            if user.name.is_empty() || user.name.contains(':') || user.name.contains(char::is_control) {
                problems.push(format!("deltacloud.users: {:?} cannot be a user's name", user.name));
            }
            if let Err(problem) = user.password.read(Path::new("")) {
                problems.push(format!("deltacloud.users {}: {problem}", user.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_and_passwords_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p"), "secret\n").unwrap();
        let problems = |names: &[&str], file: &str| {
            let users = names.iter().map(|name| UserSection {
                name: (*name).to_owned(),
                password: PasswordSource { password_file: Some(file.into()), password_env: None },
            });
            let section = DeltacloudSection {
                listen: "127.0.0.1:0".parse().unwrap(),
                certificate: None,
                key: None,
                users: users.collect(),
            };
            let mut problems = Vec::new();
            section.within(folder.path()).check(&mut problems);
            problems
        };
        assert_eq!(problems(&["ann", "bob"], "p"), [""; 0]);
        assert_eq!(problems(&["ann", "ann"], "p"), ["deltacloud.users: the name \"ann\" is used twice"]);
        assert_eq!(problems(&["a:b"], "p"), ["deltacloud.users: \"a:b\" cannot be a user's name"]);
        assert!(problems(&["ann"], "missing")[0].starts_with("deltacloud.users ann: password_file: "));
        let read = |text: &str| toml::from_str::<UserSection>(text).map(|user| user.password.password_env);
        assert_eq!(read("name = 'ann'\npassword_env = 'P'"), Ok(Some("P".to_owned())));
        let error = read("name = 'ann'\npassword = 'in the clear'").unwrap_err().to_string();
        assert!(error.contains("unknown field `password`"), "{error}");
        assert_eq!(problems(&[], "p"), ["deltacloud.users: without users nobody could use it"]);
    }
}
