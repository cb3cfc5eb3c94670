//! `geni_users`: the people who may log in, and the accounts they get.

use super::ssh_key::{self, KeyError};
use crate::error::CallError;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use urn::{Urn, UrnError};

/// The most keys taken for one user.
const MAX_KEYS: usize = 100;

/// One person's account on the instances of a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The URN given with the keys.
    pub urn: String,
    /// The account's name, made from the name in the URN.
    pub login: String,
    /// SSH public keys, a line each.
    pub keys: Vec<String>,
}

/// The most users taken in one call.
pub const MAX_USERS: usize = 500;
/// The most bytes of keys taken in one call, of all users together.
const MAX_KEY_BYTES: usize = 256 << 10;
/// Accounts that images bring along; a person does not get one of them.
const SYSTEM_ACCOUNTS: [&str; 18] = [
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy",
    "www-data", "backup", "list", "irc", "nobody", "sshd",
];

/// Why an entry of `geni_users` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The `urn` is none.
    #[error("urn: {0}")]
    Urn(#[from] UrnError),
    /// Too many users.
    #[error("{0} users are more than the {MAX_USERS} taken in one call")]
    TooManyUsers(usize),
    /// Too many bytes of keys.
    #[error("{0} bytes of keys are more than the {MAX_KEY_BYTES} taken for all users together")]
    TooMuch(usize),
    /// Too many keys.
    #[error("{0} keys are more than the {MAX_KEYS} taken for one user")]
    TooMany(usize),
    /// A key that is no SSH public key.
    #[error("keys[{index}] is not an SSH public key: {source}")]
    NotAKey {
        /// Its place in `keys`, from 0.
        index: usize,
        /// What is wrong with it.
        source: KeyError,
    },
}

impl User {
    /// An account for the person named by `urn`. An entry of `keys` may hold several lines, as a file of
    /// public keys does; empty lines and comments are dropped.
    ///
    /// # Errors
    /// [`UserError`].
    pub fn new(urn: &str, keys: Vec<String>) -> Result<Self, UserError> {
        let parsed = Urn::parse(urn)?;
        if parsed.kind() != urn::Kind::User {
            return Err(parsed.wrong_kind("user").into());
        }
        let mut lines = Vec::new();
        for (index, entry) in keys.iter().enumerate() {
            for line in ssh_key::lines(entry) {
                let key = ssh_key::canonical(line).map_err(|source| UserError::NotAKey { index, source })?;
                lines.push(key);
            }
        }
        if lines.len() > MAX_KEYS {
            return Err(UserError::TooMany(lines.len()));
        }
        Ok(Self { urn: urn.to_owned(), login: login_name(parsed.name()), keys: lines })
    }
}

/// Gives every person one account with a name of its own: entries for the same URN are put together, and where
/// two people would get the same name the later one's is numbered.
///
/// # Errors
/// More users, or more keys, than the nodes of a slice are told.
pub fn accounts(users: Vec<User>) -> Result<Vec<User>, UserError> {
    if users.len() > MAX_USERS {
        return Err(UserError::TooManyUsers(users.len()));
    }
    // Every node's configuration holds all of them.
    let bytes: usize = users.iter().flat_map(|user| &user.keys).map(String::len).sum();
    if bytes > MAX_KEY_BYTES {
        return Err(UserError::TooMuch(bytes));
    }
    let mut accounts: Vec<User> = Vec::with_capacity(users.len());
    let mut by_person: HashMap<Urn, usize> = HashMap::new();
    let mut logins: HashSet<String> = HashSet::new();
    for mut user in users {
        let person = Urn::parse(&user.urn)?;
        if let Some(known) = by_person.get(&person).and_then(|at| accounts.get_mut(*at)) {
            for key in user.keys {
                if !known.keys.contains(&key) {
                    known.keys.push(key);
                }
            }
            if known.keys.len() > MAX_KEYS {
                return Err(UserError::TooMany(known.keys.len()));
            }
            continue;
        }
        let plain: String = user.login.chars().take(28).collect();
        let mut number = 2;
        while !logins.insert(user.login.clone()) {
            user.login = format!("{plain}{number}");
            number += 1;
        }
        by_person.insert(person, accounts.len());
        accounts.push(user);
    }
    Ok(accounts)
}

/// The refusal of a whole list of users.
#[must_use]
pub fn too_many(error: UserError) -> CallError {
    CallError::bad_arguments(format!("geni_users: {error}"))
}

/// A Unix account name for the name in a user's URN: lower case, other characters as `_`, not starting with
/// a digit, not a system account's.
fn login_name(name: &str) -> String {
    let mut login: String = name
        .chars()
        .take(31)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c.to_ascii_lowercase() } else { '_' })
        .collect();
    if !login.starts_with(|c: char| c.is_ascii_lowercase()) || SYSTEM_ACCOUNTS.contains(&login.as_str()) {
        login.insert(0, 'u');
    }
    login
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::ssh_key::tests::{ed25519, rsa};

    #[test]
    fn keys_are_taken_line_by_line() {
        let (one, two) = (ed25519(1), ed25519(2));
        let file = format!("\u{feff}# mine\r\n{}\talice\r\n\r\n", one.replace(' ', "\t"));
        let user = User::new("urn:publicid:IDN+x+user+alice", vec![file, two.clone()]).unwrap();
        assert_eq!(user.keys, [format!("{one} alice"), two]);
        assert_eq!(user.login, "alice");
        assert!(User::new("urn:publicid:IDN+x+user+alice", Vec::new()).unwrap().keys.is_empty());
    }

    #[test]
    fn the_refusal_of_a_key_says_which_one_and_why() {
        let keys = vec![ed25519(1), "command=\"rm\" ssh-rsa AAAAAAAAAAAAAAAAAAAA".to_owned()];
        let error = User::new("urn:publicid:IDN+x+user+a", keys).unwrap_err();
        assert_eq!(
            error.to_string(),
            "keys[1] is not an SSH public key: it must read `<type> <base64> [comment]` on one line, without options"
        );
    }

    #[test]
    fn every_person_has_an_account_of_their_own() {
        let user = |name: &str, key: u16| {
            User::new(&format!("urn:publicid:IDN+x+user+{name}"), vec![ed25519(key)]).unwrap()
        };
        let all = accounts(vec![user("a.b", 1), user("a_b", 2), user("A.B", 3)]).unwrap();
        assert_eq!(
            all.iter().map(|user| (user.login.as_str(), user.keys.len())).collect::<Vec<_>>(),
            [("a_b", 2), ("a_b2", 1)]
        );
    }

    #[test]
    fn what_would_fill_every_node_is_refused() {
        let user = |n: usize, keys: usize| {
            User::new(&format!("urn:publicid:IDN+x+user+u{n}"), vec![rsa(2250); keys]).unwrap()
        };
        assert!(matches!(accounts(vec![user(1, 1); MAX_USERS + 1]), Err(UserError::TooManyUsers(_))));
        assert!(matches!(accounts((0..9).map(|n| user(n, 10)).collect()), Err(UserError::TooMuch(_))));
        let same = |range: std::ops::Range<u16>| {
            User::new("urn:publicid:IDN+x+user+same", range.map(ed25519).collect()).unwrap()
        };
        assert!(matches!(accounts(vec![same(0..60), same(60..120)]), Err(UserError::TooMany(120))));
        assert_eq!(accounts(vec![same(0..60), same(30..90)]).unwrap()[0].keys.len(), 90);
    }

    #[test]
    fn logins_are_unix_names() {
        for (name, login) in [
            ("Alice", "alice"),
            ("a.b", "a_b"),
            ("9x", "u9x"),
            ("root", "uroot"),
            ("www-data", "uwww-data"),
            ("é", "u_"),
        ] {
            assert_eq!(login_name(name), login);
        }
        assert!(User::new("urn:publicid:IDN+x+slice+a", Vec::new()).is_err());
    }
}
