//! Whether files are open to users of the machine who have no business with them.

use crate::config::Config;
use crate::registry::DriverSettings;
use crate::setup::Setup;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Everybody may read.
const READ_BY_ALL: u32 = 0o004;
/// Everybody may write.
const WRITTEN_BY_ALL: u32 = 0o002;

/// Warns of secrets that every user can read, and of files and folders of the configuration that every user can change.
pub(super) fn permissions(setup: &Setup, file: &Path, warnings: &mut Vec<String>) {
    let config = &setup.config;
    for (setting, path) in secrets(setup, file) {
        secret(&setting, &path, warnings);
    }
    let plain = [
        ("the configuration".to_owned(), file.to_owned()),
        ("tls.certificate".to_owned(), config.tls.certificate.clone()),
        ("tls.trusted_roots".to_owned(), config.tls.trusted_roots.clone()),
    ];
    let roots = std::fs::read_dir(&config.tls.trusted_roots).into_iter().flatten().flatten();
    let roots = roots.map(|entry| ("tls.trusted_roots".to_owned(), entry.path()));
    for (setting, path) in secrets(setup, file).into_iter().chain(plain).chain(roots) {
        if mode(&path) & WRITTEN_BY_ALL != 0 {
            warnings.push(format!(
                "{setting}: every user of this machine can change {path}; `chmod o-w {path}` ends that",
                path = path.display()
            ));
        }
    }
}

/// Warns of a secret that every user can read.
pub(super) fn secret(setting: &str, path: &Path, warnings: &mut Vec<String>) {
    if mode(path) & READ_BY_ALL != 0 {
        warnings.push(format!(
            "{setting}: every user of this machine can read {path}; `chmod 600 {path}` ends that",
            path = path.display()
        ));
    }
}

/// The databases, of which each needs a folder, and what is there already must be a database.
pub(super) fn databases(config: &Config, problems: &mut Vec<String>) {
    let drivers = driver_files(config, |settings| settings.databases());
    let own = ("aggregate.database".to_owned(), config.aggregate.database.clone());
    for (setting, path) in std::iter::once(own).chain(drivers) {
        if path.parent().is_some_and(|parent| !parent.as_os_str().is_empty() && !parent.is_dir()) {
            let parent = path.parent().unwrap_or(&path).display();
            problems.push(format!("{setting}: there is no folder {parent} for {}", path.display()));
        } else if path.is_dir() {
            problems.push(format!("{setting}: {} is a folder, not a file", path.display()));
        } else if is_something_else(&path) {
            problems.push(format!("{setting}: {} is there and is no SQLite database", path.display()));
        }
    }
}

/// Whether a file is there that does not begin as SQLite's do (SQLite's file format, section 1.3). An empty one is a
/// database without tables.
fn is_something_else(path: &Path) -> bool {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let mut begin = Vec::with_capacity(MAGIC.len());
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut begin));
    read.is_ok() && !begin.is_empty() && begin != MAGIC
}

/// The files with secrets, each with the setting that names it.
fn secrets(setup: &Setup, file: &Path) -> Vec<(String, PathBuf)> {
    let config = &setup.config;
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let mut secrets = vec![
        ("tls.key".to_owned(), config.tls.key.clone()),
        // It holds users' keys and what they send to their machines.
        ("aggregate.database".to_owned(), config.aggregate.database.clone()),
    ];
    // Whoever reads it can make users, where its certificate is trusted.
    let authority = folder.join("authority/key.pem");
    if config.tls.trusted_roots.join("development.pem").exists() {
        secrets.push(("the development authority".to_owned(), authority));
    }
    secrets.extend(driver_files(config, |settings| settings.secret_files()));
    secrets.extend(setup.apis.iter().flat_map(|api| api.settings.secret_files()));
    secrets
}

/// Files that settings of drivers name, each with its setting.
fn driver_files(
    config: &Config,
    named: impl Fn(&dyn DriverSettings) -> Vec<(&'static str, PathBuf)>,
) -> Vec<(String, PathBuf)> {
    let files = config.drivers.iter().map(|driver| (driver, driver.read().map(&named).unwrap_or_default()));
    files
        .flat_map(|(driver, files)| {
            files.into_iter().map(|(setting, path)| (format!("{}: {setting}", driver.place()), path))
        })
        .collect()
}

/// A file's permissions; none for one that is not there, which others complain of.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).map_or(0, |found| found.permissions().mode())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::development::{Folder, Place};
    use chrono::Utc;
    use std::fs::{Permissions, set_permissions, write};

    #[test]
    fn files_that_are_open_to_all_are_named_with_their_setting() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        let place = Place { authority: "am.test.example".to_owned(), listen: "127.0.0.1:0".parse().unwrap() };
        folder.init(&place, false, Utc::now()).unwrap();
        let mut text = std::fs::read_to_string(folder.config()).unwrap();
        text.push_str(
            "[[drivers]]\nname = \"far\"\nkind = \"deltacloud\"\nurl = \"https://x/api\"\nuser = \"u\"\npassword_file = \"far\"\n\
             [deltacloud]\nlisten = \"127.0.0.1:0\"\n[[deltacloud.users]]\nname = \"ann\"\npassword_file = \"ann\"\n",
        );
        write(folder.config(), text).unwrap();
        let mode =
            |name: &str, mode| set_permissions(folder.path(name), Permissions::from_mode(mode)).unwrap();
        for name in ["far", "ann", "am.sqlite", "mock.sqlite"] {
            // A database or not, it is a secret.
            write(folder.path(name), "secret\n").unwrap();
            mode(name, 0o640);
        }
        let warnings = || {
            let mut warnings = Vec::new();
            permissions(&Setup::load(&folder.config()).unwrap(), &folder.config(), &mut warnings);
            warnings
        };
        assert_eq!(warnings(), [""; 0]);
        for (name, open, setting) in [
            ("server-key.pem", 0o644, "tls.key"),
            ("authority/key.pem", 0o644, "the development authority"),
            ("far", 0o604, "[[drivers]] far: password_file"),
            ("ann", 0o644, "deltacloud.users ann"),
            ("am.sqlite", 0o644, "aggregate.database"),
            ("mock.sqlite", 0o644, "[[drivers]] lab: database"),
            ("am.toml", 0o646, "the configuration"),
            ("trusted_roots", 0o777, "tls.trusted_roots"),
            ("trusted_roots/development.pem", 0o666, "tls.trusted_roots"),
            ("server-cert.pem", 0o666, "tls.certificate"),
        ] {
            let before = std::fs::metadata(folder.path(name)).unwrap().permissions();
            mode(name, open);
            let found = warnings();
            let path = folder.path(name).display().to_string();
            assert!(
                matches!(found.as_slice(), [one] if one.starts_with(setting) && one.contains(&path)),
                "{name}: {found:?}"
            );
            set_permissions(folder.path(name), before).unwrap();
        }
    }

    #[test]
    fn databases_that_cannot_be_are_problems() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        let place = Place { authority: "am.test.example".to_owned(), listen: "127.0.0.1:0".parse().unwrap() };
        folder.init(&place, false, Utc::now()).unwrap();
        let text = std::fs::read_to_string(folder.config()).unwrap();
        for (name, content, words) in [
            ("new.sqlite", None, None),
            ("empty.sqlite", Some(&b""[..]), None),
            ("good.sqlite", Some(b"SQLite format 3\0 and so on"), None),
            ("text.sqlite", Some(b"hello"), Some("is no SQLite database")),
            ("trusted_roots", None, Some("is a folder")),
            ("gone/am.sqlite", None, Some("there is no folder")),
        ] {
            if let Some(content) = content {
                write(folder.path(name), content).unwrap();
            }
            for (setting, line) in
                [("aggregate.database", "am.sqlite"), ("[[drivers]] lab: database", "mock.sqlite")]
            {
                write(folder.config(), text.replace(&format!("\"{line}\""), &format!("{name:?}"))).unwrap();
                let mut problems = Vec::new();
                databases(&Setup::load(&folder.config()).unwrap().config, &mut problems);
                match words {
                    Some(words) => assert!(
                        matches!(problems.as_slice(), [one] if one.starts_with(setting) && one.contains(words)),
                        "{name}: {problems:?}"
                    ),
                    None => assert_eq!(problems, [""; 0], "{name}"),
                }
            }
        }
    }
}
