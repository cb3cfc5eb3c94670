//! SSH public keys as people send them: a line of `authorized_keys` without options.
//!
//! The text names an algorithm and holds a blob in base64 (RFC 4253, section 6.6); the blob names its algorithm again and
//! holds fields that each begin with their length. A key whose blob does not agree with its text lets nobody in, and
//! nobody would learn why. It is refused while the person who sent it is still there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest public key taken, in bytes of text; RSA keys of 16384 bits stay below 3000.
const MAX_KEY: usize = 16 << 10;
/// The shortest RSA modulus that sshd lets in (`RequiredRSASize`), in bits.
const MIN_RSA_BITS: usize = 1024;

/// Why a line is no SSH public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not of the form `<type> <base64> [comment]`.
    #[error("it must read `<type> <base64> [comment]` on one line, without options")]
    Form,
    /// Longer than any real key.
    #[error("its {0} bytes are more than the {MAX_KEY} taken for one key")]
    TooLong(usize),
    /// A control character other than the white space between its parts.
    #[error("it holds the control character U+{0:04X}")]
    Control(u32),
    /// The second part is not base64.
    #[error("its second part is not base64: characters are missing or damaged")]
    NotBase64,
    /// The blob ends in the middle of a field, or goes on after the last one.
    #[error("its base64 part is not a whole {kind} key: {reason}")]
    Broken {
        /// The algorithm.
        kind: String,
        /// What is wrong with the blob.
        reason: &'static str,
    },
    /// Text and blob name two algorithms.
    #[error("it says {said} in front, but its base64 part holds a key of type {inside}")]
    TwoTypes {
        /// What the text says.
        said: String,
        /// What the blob says.
        inside: String,
    },
    /// An RSA key that sshd refuses.
    #[error("its RSA key has {0} bits; sshd lets in {MIN_RSA_BITS} or more")]
    Short(usize),
}

/// The lines of an entry that hold something: a byte order mark, comments and empty lines are dropped; lines end as on
/// any system.
pub(super) fn lines(entry: &str) -> impl Iterator<Item = &str> {
    entry
        .split(['\n', '\r'])
        .map(|line| line.trim_start_matches('\u{feff}').trim())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A line as `authorized_keys` takes it: type, base64 and comment with one space between them.
///
/// # Errors
/// [`KeyError`], which quotes nothing of the key but the names of algorithms.
pub(super) fn canonical(line: &str) -> Result<String, KeyError> {
    if line.len() > MAX_KEY {
        return Err(KeyError::TooLong(line.len()));
    }
    if let Some(bad) = line.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(KeyError::Control(u32::from(bad)));
    }
    let mut words = line.split_whitespace();
    let (Some(kind), Some(data)) = (words.next(), words.next()) else { return Err(KeyError::Form) };
    let named = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| kind.starts_with(start));
    // Anything else in front would be options, and those could run commands.
    if !named || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"-@._".contains(&b)) {
        return Err(KeyError::Form);
    }
    let blob = STANDARD.decode(data).map_err(|_| KeyError::NotBase64)?;
    check(kind, &blob)?;
    let mut text = format!("{kind} {data}");
    for word in words {
        text.push(' ');
        text.push_str(word);
    }
    Ok(text)
}

/// Whether the blob is a whole key of this kind: RFC 4253 (RSA, DSA), RFC 5656 (ECDSA), RFC 8709 (Ed25519), and
/// PROTOCOL.u2f of OpenSSH (security keys). Of other kinds only the name is known.
fn check(kind: &str, blob: &[u8]) -> Result<(), KeyError> {
    let broken = |reason| KeyError::Broken { kind: kind.to_owned(), reason };
    let mut fields = Fields { rest: blob };
    let inside = fields.next().ok_or_else(|| broken("it does not begin with a name"))?;
    if inside != kind.as_bytes() {
        let inside: String = String::from_utf8_lossy(inside)
            .chars()
            .take(64)
            .map(|c| if c.is_ascii_graphic() { c } else { '?' })
            .collect();
        return Err(KeyError::TwoTypes { said: kind.to_owned(), inside });
    }
    let cut = || broken("it ends in the middle");
    let wrong = || broken("a part of it has the wrong length");
    match kind {
        "ssh-rsa" => {
            let _exponent = fields.number().ok_or_else(cut)?;
            let modulus = fields.number().ok_or_else(cut)?;
            let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
            if bits < MIN_RSA_BITS {
                return Err(KeyError::Short(bits));
            }
        }
        "ssh-dss" => {
            for _ in 0..4 {
                fields.number().ok_or_else(cut)?;
            }
        }
        "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" => {
            if fields.next().ok_or_else(cut)?.len() != 32 {
                return Err(wrong());
            }
        }
        "ecdsa-sha2-nistp256"
        | "ecdsa-sha2-nistp384"
        | "ecdsa-sha2-nistp521"
        | "sk-ecdsa-sha2-nistp256@openssh.com" => {
            let curve = fields.next().ok_or_else(cut)?;
            let length = match curve {
                b"nistp256" => 65,
                b"nistp384" => 97,
                b"nistp521" => 133,
                _ => return Err(broken("it names a curve that is not known")),
            };
            let named = kind.trim_end_matches("@openssh.com");
            if !named.as_bytes().ends_with(curve) {
                return Err(broken("it names another curve than its type"));
            }
            let point = fields.next().ok_or_else(cut)?;
            if point.len() != length || point.first() != Some(&4) {
                return Err(wrong());
            }
        }
        _ if fields.rest.is_empty() => return Err(cut()),
        _ => return Ok(()),
    }
    if kind.starts_with("sk-") {
        let _application = fields.next().ok_or_else(cut)?;
    }
    if fields.rest.is_empty() { Ok(()) } else { Err(broken("something follows after its end")) }
}

/// The fields of a blob: four bytes of length, most significant first, and as many bytes (RFC 4251, section 5).
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (field, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(field)
    }

    /// A positive number without the zero byte that keeps its sign.
    fn number(&mut self) -> Option<&'a [u8]> {
        match self.next()? {
            [0, number @ ..] | number if !number.is_empty() => Some(number),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(bytes: &[u8]) -> Vec<u8> {
        let mut field = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        field.extend_from_slice(bytes);
        field
    }

    fn line(kind: &str, fields: &[&[u8]]) -> String {
        let blob: Vec<u8> =
            std::iter::once(kind.as_bytes()).chain(fields.iter().copied()).flat_map(field).collect();
        format!("{kind} {}", STANDARD.encode(blob))
    }

    /// A whole Ed25519 key, another one for each number.
    pub(in crate::grant) fn ed25519(number: u16) -> String {
        let mut point = [7; 32];
        point[..2].copy_from_slice(&number.to_be_bytes());
        line("ssh-ed25519", &[&point])
    }

    /// A whole RSA key of this many bytes.
    pub(in crate::grant) fn rsa(bytes: usize) -> String {
        let mut modulus = vec![0x80; bytes];
        modulus.insert(0, 0);
        line("ssh-rsa", &[&[1, 0, 1], &modulus])
    }

    fn point(length: usize) -> Vec<u8> {
        let mut point = vec![9; length];
        point[0] = 4;
        point
    }

    fn whole() -> Vec<String> {
        vec![
            ed25519(0),
            rsa(128),
            rsa(2048),
            line("ssh-dss", &[&[1; 128], &[1; 20], &[1; 128], &[1; 128]]),
            line("ecdsa-sha2-nistp256", &[b"nistp256", &point(65)]),
            line("ecdsa-sha2-nistp384", &[b"nistp384", &point(97)]),
            line("ecdsa-sha2-nistp521", &[b"nistp521", &point(133)]),
            line("sk-ssh-ed25519@openssh.com", &[&[1; 32], b"ssh:"]),
            line("sk-ecdsa-sha2-nistp256@openssh.com", &[b"nistp256", &point(65), b"ssh:"]),
            line("ssh-future@example.net", &[b"anything"]),
        ]
    }

    #[test]
    fn whole_keys_of_every_kind_are_taken_as_they_are() {
        for key in whole() {
            assert_eq!(canonical(&key), Ok(key.clone()));
            let commented = format!("{key} Alice's key <a@b>");
            assert_eq!(canonical(&commented), Ok(commented.clone()));
        }
    }

    #[test]
    fn keys_made_by_ssh_keygen_are_taken() {
        for key in [
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPqTgh3IY9hXxNzOVF7IUnF5Iev2s3h0G6hCz4MmTT3q someone@example.org",
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFrKUwBXGs4ocbpbEpWuJDmGVd0GxTgcW8m4NJRuA0FWN575js0NAENGxNQVCZOWGG/Esn1mvNuwOPRnlVC8XCE= x",
        ] {
            assert_eq!(canonical(key), Ok(key.to_owned()));
        }
    }

    #[test]
    fn white_space_of_any_kind_stands_between_the_parts() {
        let key = ed25519(1);
        let file = format!(
            "\u{feff}# mine\r\n{}\tsomeone\t at home\r\n\r\n  {key}\r\u{feff}{key}\n",
            key.replace(' ', "\t")
        );
        let found: Vec<_> = lines(&file).map(canonical).collect();
        assert_eq!(found, [Ok(format!("{key} someone at home")), Ok(key.clone()), Ok(key)]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cut = line("ssh-ed25519", &[&[7; 8]]);
        let of_bob = ed25519(2).replace("ssh-ed25519 ", "ssh-rsa ");
        for (bad, words) in [
            ("hello", "`<type> <base64> [comment]`"),
            ("ssh-rsa", "`<type> <base64> [comment]`"),
            ("command=\"rm\" ssh-rsa AAAAAAAAAAAAAAAAAAAA", "without options"),
            ("ssh-rsa <script>aaaaaaaaaa", "not base64"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPqT cut-off@example.org", "it ends in the middle"),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPqTg", "not base64"),
            (&cut, "wrong length"),
            (&of_bob, "ssh-rsa in front, but its base64 part holds a key of type ssh-ed25519"),
            (&rsa(64), "512 bits"),
            (&line("ecdsa-sha2-nistp256", &[b"nistp384", &point(97)]), "another curve"),
            (&line("ecdsa-sha2-nistp256", &[b"nistp256", &point(64)]), "wrong length"),
            (&line("ssh-ed25519", &[&[7; 32], b""]), "something follows"),
            ("ssh-rsa AAAAAAAAAAAAAAAAAAAA\u{1}", "U+0001"),
            (&format!("ssh-rsa {}", "A".repeat(MAX_KEY)), "16384"),
        ] {
            let error = canonical(bad).unwrap_err().to_string();
            assert!(error.contains(words), "{words:?} is not in {error:?}, about {bad:?}");
        }
    }

    proptest! {
        /// A key that lost its end, or has something else in its place, is never taken for whole.
        #[test]
        fn no_part_of_a_key_is_a_key(which in 0..9_usize, keep in 0.0..1.0_f64, tail in prop::collection::vec(1..=255_u8, 0..3)) {
            let key = &whole()[which];
            let (kind, data) = key.split_once(' ').unwrap();
            let blob = STANDARD.decode(data).unwrap();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let mut part = blob[..(keep * blob.len() as f64) as usize].to_vec();
            part.extend_from_slice(&tail);
            // A part that happens to be as long is another key, not part of one.
            prop_assume!(part.len() != blob.len());
            let text = format!("{kind} {}", STANDARD.encode(part));
            prop_assert!(canonical(&text).is_err(), "{text}");
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            for line in lines(&text) {
                let _ = canonical(line);
            }
        }
    }
}
