//! User data: the `#cloud-config` document through which logins and commands reach an instance.
//!
//! cloud-init, which nearly every cloud image carries, reads it as YAML at first boot. What goes in comes
//! from experimenters, so nothing may slip out of its place: every list entry is written as one line of
//! JSON, which is also YAML, with all that YAML readers disagree on (control characters, line separators,
//! everything outside ASCII up to U+FFFF) escaped. URLs, paths and commands are handed over as arguments,
//! never pasted into a shell text.

use serde::{Deserialize, Serialize};

/// The first line, by which cloud-init knows the document.
const HEADER: &str = "#cloud-config";

/// Fetches `$1` and puts it into the directory `$2`: archives unpacked, anything else under its own name.
/// curl or wget, whichever the image has.
const INSTALL: &str = r#"set -e; mkdir -p -- "$2"; f=$(mktemp); if command -v curl >/dev/null; then curl -fsSL -o "$f" -- "$1"; else wget -qO "$f" -- "$1"; fi; p=${1%%[?#]*}; case "$p" in *.tar|*.tar.*|*.tgz|*.tbz2|*.txz) tar -xf "$f" -C "$2"; rm -f "$f";; *) mv "$f" "$2/$(basename -- "$p")";; esac"#;

/// Has the disk `$1` mounted at `$2`, from the first use on and after every boot: the disk may come to the machine when
/// this has long been run. It is given a file system only if it has none.
const MOUNT: &str = r#"set -e; mkdir -p -- "$2"; printf '%s %s ext4 noauto,nofail,x-systemd.automount,x-systemd.makefs,x-systemd.device-timeout=5min 0 2\n' "$1" "$2" >>/etc/fstab; systemctl daemon-reload; systemctl start "$(systemd-escape --path --suffix=automount -- "$2")""#;

/// Someone who can log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginUser {
    /// Login name: a letter or `_`, then letters, digits, `_`, `-`; at most 32; lower case.
    pub name: String,
    /// Public keys, each one line as in `authorized_keys`.
    pub keys: Vec<String>,
}

/// Something to fetch and unpack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// From where: `http`, `https` or `ftp`.
    pub url: String,
    /// Into which directory, as an absolute path.
    pub path: String,
}

/// A disk beside the machine's own, and the directory it is found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The device, as `/dev/vdb`.
    pub device: String,
    /// The directory, as an absolute path.
    pub path: String,
}

/// Something to run, once all is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execute {
    /// The shell: `sh`, `bash`, or a path.
    pub shell: String,
    /// What it runs.
    pub command: String,
}

/// What an instance is told at its first boot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CloudInit {
    /// Who can log in.
    pub users: Vec<LoginUser>,
    /// Mounted before anything is fetched.
    pub mounts: Vec<Mount>,
    /// Fetched then, in this order.
    pub install: Vec<Install>,
    /// Run last, in this order, as root.
    pub execute: Vec<Execute>,
}

/// Why something cannot be put into user data, or be read from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudInitError {
    /// No login name of a Unix system.
    #[error(
        "{name:?} is no login name: a lower-case letter or _, then up to 31 lower-case letters, digits, _ or -"
    )]
    LoginName {
        /// The name.
        name: String,
    },
    /// A login name twice, which would let one user's keys replace another's.
    #[error("login name {name:?} is given twice")]
    LoginTwice {
        /// The name.
        name: String,
    },
    /// Not one line of `authorized_keys`.
    #[error("key {number} of {name:?} is no public key: one line, as in authorized_keys, is wanted")]
    Key {
        /// Whose.
        name: String,
        /// Which, counted from 1.
        number: usize,
    },
    /// Not to be fetched.
    #[error("{url:?} is no URL to install from: http, https or ftp, without spaces, is wanted")]
    Url {
        /// The URL.
        url: String,
    },
    /// Not to be unpacked into.
    #[error("{path:?} is no absolute path")]
    Path {
        /// The path.
        path: String,
    },
    /// Not to be mounted, or not there.
    #[error(
        "{device:?} cannot be mounted at {path:?}: absolute paths of letters, digits and ./_- are wanted"
    )]
    Mount {
        /// The device.
        device: String,
        /// The directory.
        path: String,
    },
    /// Not to be run by.
    #[error("{shell:?} is no shell: a name as sh or a path as /bin/sh is wanted")]
    Shell {
        /// The shell.
        shell: String,
    },
    /// A command with a zero byte, which no system can run.
    #[error("command {number} holds a zero byte")]
    Command {
        /// Which, counted from 1.
        number: usize,
    },
    /// Not a document of this module's writing.
    #[error("line {line} of the user data is not as this program writes it")]
    Foreign {
        /// Which, counted from 1.
        line: usize,
    },
}

/// A user as cloud-init wants it.
#[derive(Serialize, Deserialize)]
struct UserEntry {
    name: String,
    lock_passwd: bool,
    shell: String,
    sudo: String,
    ssh_authorized_keys: Vec<String>,
}

/// Writes the document.
///
/// # Errors
/// One of [`CloudInitError`] for the first thing that has no safe place in it.
pub fn build(wanted: &CloudInit) -> Result<String, CloudInitError> {
    check(wanted)?;
    let mut document = format!("{HEADER}\n");
    // An empty list would still create the image's default user; "users: []" creates nobody.
    if wanted.users.is_empty() {
        document.push_str("users: []\n");
    } else {
        document.push_str("users:\n");
    }
    for user in &wanted.users {
        push_entry(
            &mut document,
            &UserEntry {
                name: user.name.clone(),
                lock_passwd: true,
                shell: "/bin/bash".into(),
                sudo: "ALL=(ALL) NOPASSWD:ALL".into(),
                ssh_authorized_keys: user.keys.iter().map(|k| k.trim().to_owned()).collect(),
            },
        );
    }
    if !wanted.mounts.is_empty() || !wanted.install.is_empty() || !wanted.execute.is_empty() {
        document.push_str("runcmd:\n");
    }
    for Mount { device, path } in &wanted.mounts {
        push_entry(&mut document, &["sh", "-c", MOUNT, "mount", device, path]);
    }
    for install in &wanted.install {
        push_entry(&mut document, &["sh", "-c", INSTALL, "install", &install.url, &install.path]);
    }
    for execute in &wanted.execute {
        push_entry(&mut document, &[execute.shell.as_str(), "-c", &execute.command]);
    }
    Ok(document)
}

fn check(wanted: &CloudInit) -> Result<(), CloudInitError> {
    let mut names = std::collections::HashSet::new();
    for user in &wanted.users {
        if !is_login_name(&user.name) {
            return Err(CloudInitError::LoginName { name: user.name.clone() });
        }
        if !names.insert(user.name.as_str()) {
            return Err(CloudInitError::LoginTwice { name: user.name.clone() });
        }
        for (i, key) in user.keys.iter().enumerate() {
            let key = key.trim();
            if key.is_empty() || key.starts_with('#') || key.chars().any(char::is_control) {
                return Err(CloudInitError::Key { name: user.name.clone(), number: i + 1 });
            }
        }
    }
    for Mount { device, path } in &wanted.mounts {
        // They stand in a table with a line for each, its columns parted by spaces.
        let plain = |text: &str| {
            text.len() > 1
                && text.starts_with('/')
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./_-".contains(&b))
        };
        if !plain(device) || !plain(path) {
            return Err(CloudInitError::Mount { device: device.clone(), path: path.clone() });
        }
    }
    for Install { url, path } in &wanted.install {
        let known = ["http://", "https://", "ftp://"].iter().any(|s| {
            url.get(..s.len()).is_some_and(|start| start.eq_ignore_ascii_case(s)) && url.len() > s.len()
        });
        if !known || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(CloudInitError::Url { url: url.clone() });
        }
        if !path.starts_with('/') || path.chars().any(char::is_control) {
            return Err(CloudInitError::Path { path: path.clone() });
        }
    }
    for (i, Execute { shell, command }) in wanted.execute.iter().enumerate() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
        if shell.is_empty() || shell.starts_with('-') || !shell.chars().all(plain) {
            return Err(CloudInitError::Shell { shell: shell.clone() });
        }
        if command.contains('\0') {
            return Err(CloudInitError::Command { number: i + 1 });
        }
    }
    Ok(())
}

/// A document that [`build`] has written, without what mounts disks, and that: only a fresh machine learns where to
/// mount something, so another mount makes no other machine. Any other document has nothing of the kind.
#[must_use]
pub fn split_mounts(document: &str) -> (String, String) {
    let mut start = String::new();
    push_entry(&mut start, &["sh", "-c", MOUNT, "mount"]);
    let start = start.trim_end().trim_end_matches(']');
    let (mounts, rest): (Vec<&str>, Vec<&str>) =
        document.split_inclusive('\n').partition(|line| line.starts_with(start));
    let mut rest = rest.concat();
    if !mounts.is_empty()
        && let Some(nothing_else) = rest.strip_suffix("runcmd:\n")
    {
        rest = nothing_else.to_owned();
    }
    (rest, mounts.concat())
}

/// Whether `useradd` takes it as a login name.
#[must_use]
pub fn is_login_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && name.len() <= 32
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
}

/// One list entry, as a line of JSON that every YAML reader reads alike.
fn push_entry(document: &mut String, entry: &impl Serialize) {
    // Texts, lists of texts and a struct of them always have a JSON form.
    let json = serde_json::to_string(entry).unwrap_or_default();
    document.push_str("  - ");
    for c in json.chars() {
        // Beyond U+FFFF JSON would need two escapes that YAML does not join; YAML takes those as they are.
        if c.is_ascii() && !c.is_ascii_control() || c > '\u{ffff}' {
            document.push(c);
        } else {
            document.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    document.push('\n');
}

/// Reads a document that [`build`] has written, for tests and for clouds that only pretend.
///
/// # Errors
/// [`CloudInitError::Foreign`] for any other document.
pub fn read(document: &str) -> Result<CloudInit, CloudInitError> {
    let mut found = CloudInit::default();
    let mut section = "";
    for (i, line) in document.lines().enumerate() {
        let foreign = || CloudInitError::Foreign { line: i + 1 };
        if i == 0 {
            if line != HEADER {
                return Err(foreign());
            }
        } else if let Some(entry) = line.strip_prefix("  - ") {
            match section {
                "users:" => {
                    let user: UserEntry = serde_json::from_str(entry).map_err(|_| foreign())?;
                    found.users.push(LoginUser { name: user.name, keys: user.ssh_authorized_keys });
                }
                "runcmd:" => {
                    let words: Vec<String> = serde_json::from_str(entry).map_err(|_| foreign())?;
                    match <[String; 6]>::try_from(words) {
                        Ok([_, _, script, _, url, path]) if script == INSTALL => {
                            found.install.push(Install { url, path });
                        }
                        Ok([_, _, script, _, device, path]) if script == MOUNT => {
                            found.mounts.push(Mount { device, path });
                        }
                        Err(words) => match <[String; 3]>::try_from(words) {
                            Ok([shell, _, command]) => found.execute.push(Execute { shell, command }),
                            Err(_) => return Err(foreign()),
                        },
                        Ok(_) => return Err(foreign()),
                    }
                }
                _ => return Err(foreign()),
            }
        } else if matches!(line, "users:" | "runcmd:" | "users: []") {
            section = line;
        } else {
            return Err(foreign());
        }
    }
    if document.is_empty() { Err(CloudInitError::Foreign { line: 1 }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> CloudInit {
        CloudInit {
            users: vec![LoginUser { name: "alice".into(), keys: vec!["ssh-ed25519 AAAA alice@home".into()] }],
            mounts: vec![Mount { device: "/dev/vdb".into(), path: "/data".into() }],
            install: vec![Install {
                url: "https://example.org/a b".replace(' ', "_"),
                path: "/opt/x".into(),
            }],
            execute: vec![Execute { shell: "sh".into(), command: "echo 'it: \"works\"' # \\ \n%{x}".into() }],
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let document = build(&example()).unwrap();
        assert!(document.starts_with("#cloud-config\nusers:\n  - {\"name\":\"alice\","), "{document}");
        assert_eq!(read(&document).unwrap(), example());
        let nobody = build(&CloudInit::default()).unwrap();
        assert_eq!(nobody, "#cloud-config\nusers: []\n");
        assert_eq!(read(&nobody).unwrap(), CloudInit::default());
    }

    #[test]
    fn mounts_can_be_told_from_the_rest() {
        let all = build(&example()).unwrap();
        let without = |change: fn(&mut CloudInit)| {
            let mut wanted = CloudInit { mounts: Vec::new(), ..example() };
            change(&mut wanted);
            build(&wanted).unwrap()
        };
        let (rest, mounts) = split_mounts(&all);
        assert_eq!(rest, without(|_| {}));
        assert_eq!((mounts.lines().count(), mounts.contains("/dev/vdb")), (1, true));
        let alone = CloudInit { mounts: example().mounts, ..CloudInit::default() };
        assert_eq!(split_mounts(&build(&alone).unwrap()).0, build(&CloudInit::default()).unwrap());
        assert_eq!(split_mounts("runcmd:\n"), ("runcmd:\n".to_owned(), String::new()));
    }

    #[test]
    fn what_has_no_safe_place_is_refused() {
        let with = |change: fn(&mut CloudInit)| {
            let mut wanted = example();
            change(&mut wanted);
            build(&wanted).unwrap_err()
        };
        assert!(matches!(with(|c| c.users[0].name = "Root;".into()), CloudInitError::LoginName { .. }));
        assert!(matches!(
            with(|c| c.users.push(c.users[0].clone())),
            CloudInitError::LoginTwice { name } if name == "alice"
        ));
        assert!(matches!(
            with(|c| c.users[0].keys.push("ssh-rsa A\nssh-rsa B".into())),
            CloudInitError::Key { number: 2, .. }
        ));
        for url in ["file:///etc/passwd", "http://", "https://x/ y", "-o/etc/x"] {
            let mut wanted = example();
            wanted.install[0].url = url.into();
            assert!(matches!(build(&wanted), Err(CloudInitError::Url { .. })), "{url}");
        }
        for (device, path) in [("vdb", "/data"), ("/dev/vdb", "/"), ("/dev/vdb", "/a b"), ("/dev/v\nb", "/a")]
        {
            let mut wanted = example();
            wanted.mounts[0] = Mount { device: device.into(), path: path.into() };
            assert!(matches!(build(&wanted), Err(CloudInitError::Mount { .. })), "{device} {path}");
        }
        assert!(matches!(with(|c| c.install[0].path = "opt".into()), CloudInitError::Path { .. }));
        for shell in ["", "-c", "sh -x", "sh;reboot"] {
            let mut wanted = example();
            wanted.execute[0].shell = shell.into();
            assert!(matches!(build(&wanted), Err(CloudInitError::Shell { .. })), "{shell}");
        }
        assert!(matches!(
            with(|c| c.execute[0].command = "a\0b".into()),
            CloudInitError::Command { number: 1 }
        ));
    }

    #[test]
    fn other_peoples_documents_are_not_guessed_at() {
        for document in
            ["", "#!/bin/sh\ntrue\n", "#cloud-config\npackages: [git]\n", "#cloud-config\n  - {}\n"]
        {
            assert!(matches!(read(document), Err(CloudInitError::Foreign { .. })), "{document}");
        }
    }
}
