//! Names that say which request made an instance.
//!
//! A server that knows no rule about names keeps them for us all the same. To the caller's token a digest of the
//! whole request is added, so that an instance found under the token tells whether an equal request made it,
//! also where (as with user data) the server does not show what was asked for.

use sha2::{Digest, Sha256};

use crate::model::CreateInstance;

/// What stands between the token and the digest.
const MARK: &str = "--r";
/// Digits of the digest.
const DIGITS: usize = 8;

/// The name under which the server is asked for the instance.
pub(super) fn wire_name(request: &CreateInstance) -> String {
    // A request that cannot be written as JSON does not exist: it is made of texts.
    let written = serde_json::to_vec(request).unwrap_or_default();
    let digest: String = Sha256::digest(&written).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}{MARK}{}", request.name, &digest[..DIGITS])
}

/// The token in a name that the server shows.
pub(super) fn token(name: &str) -> &str {
    match name.rsplit_once(MARK) {
        Some((token, digest))
            if digest.len() == DIGITS
                && digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) =>
        {
            token
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_its_name() {
        let request = CreateInstance::new("geni-1", "img1");
        let name = wire_name(&request);
        assert_eq!(token(&name), "geni-1");
        let other = CreateInstance { user_data: Some("x".into()), ..request };
        assert_ne!(wire_name(&other), name);
        assert_eq!(token(&wire_name(&other)), "geni-1");
    }

    #[test]
    fn names_of_others_stay_as_they_are() {
        for name in ["AnotherInstance", "a--r", "a--r1234567g", "a--r123456789"] {
            assert_eq!(token(name), name);
        }
    }
}
