//! Who may use the face: HTTP Basic against the configured users.

use base64::Engine;
use hyper::header::{AUTHORIZATION, HeaderMap};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::{Choice, ConstantTimeEq};

/// The users of a face. Passwords are kept as digests only.
#[derive(Clone, Default)]
pub struct Users(Vec<(String, [u8; 32])>);

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What a request's credentials are worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A user with the right password.
    User(String),
    /// None are shown.
    Nobody,
    /// They are wrong.
    Failed {
        /// The user they name, where there is one of this name. (Any other text may be a password in the wrong place.)
        known: Option<String>,
    },
}

fn digest(user: &str, password: &str) -> [u8; 32] {
    // The length keeps "a" + "bc" and "ab" + "c" apart.
    Sha256::new()
        .chain_update((user.len() as u64).to_be_bytes())
        .chain_update(user)
        .chain_update(password)
        .finalize()
        .into()
}

impl Users {
    /// Users with their passwords.
    #[must_use]
    pub fn new<'a>(users: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(users.into_iter().map(|(name, password)| (name.to_owned(), digest(name, password))).collect())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who sends these headers. Takes as long for a wrong password as for a right one, and looks at every
    /// user in any case.
    #[must_use]
    pub fn login(&self, headers: &HeaderMap) -> Login {
        if !headers.contains_key(AUTHORIZATION) {
            return Login::Nobody;
        }
        let Some((user, password)) = basic(headers) else { return Login::Failed { known: None } };
        let shown = digest(&user, &password);
        let right =
            self.0.iter().fold(Choice::from(0), |found, (_, known)| found | known.as_slice().ct_eq(&shown));
        if bool::from(right) {
            return Login::User(user);
        }
        let is_known = self.0.iter().any(|(name, _)| *name == user);
        Login::Failed { known: is_known.then_some(user) }
    }
}

/// User and password of a Basic header.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn login(value: &str) -> Login {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        Users::new([("mockuser", "mockpassword"), ("other", "a:b")]).login(&headers)
    }

    #[test]
    fn only_the_right_password_opens() {
        assert_eq!(login("Basic bW9ja3VzZXI6bW9ja3Bhc3N3b3Jk"), Login::User("mockuser".into()));
        assert_eq!(login("basic b3RoZXI6YTpi"), Login::User("other".into()));
        let known = Some("mockuser".to_owned());
        assert_eq!(login("Basic bW9ja3VzZXI6d3Jvbmc="), Login::Failed { known });
        for wrong in ["Basic c29tZWJvZHk6d3Jvbmc=", "Bearer x", "Basic", "Basic !", "Basic bW9jaw=="] {
            assert_eq!(login(wrong), Login::Failed { known: None }, "{wrong}");
        }
        assert_eq!(Users::new([("mockuser", "mockpassword")]).login(&HeaderMap::new()), Login::Nobody);
    }

    #[test]
    fn passwords_do_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", Users::new([("u", "secret")])), "[\"u\"]");
    }
}
