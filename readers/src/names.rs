//! Names and keys: URNs, and the public keys of `geni_users`.

use crate::{Growth, Reader, bounded, parts, refused, taken, text};
use am_server::grant::users::{User, accounts};

/// A GENI URN.
pub const URN: Reader = Reader {
    name: "urn",
    read: |bytes| text(bytes).is_some_and(|text| urn::Urn::parse(text).is_ok()),
    growths: URNS,
};

/// Any text, transcribed into URN form and back.
pub const URN_TEXT: Reader = Reader {
    name: "urn_text",
    read: |bytes| {
        text(bytes).is_some_and(|text| {
            let written = urn::to_urn_text(text);
            let _ = urn::from_urn_text(&written);
            let _ = urn::from_urn_text(text);
            true
        })
    },
    growths: URN_TEXTS,
};

/// Reads a file of keys for each user: the lines up to an empty one belong to one user.
pub const SSH_KEYS: Reader = Reader { name: "ssh_keys", read: read_users, growths: USERS };

const URNS: &[Growth] = &[
    taken("name", 400, |n| format!("urn:publicid:IDN+x+slice+{}", "a".repeat(n)).into_bytes()),
    taken("authorities", 250, |n| format!("urn:publicid:IDN+x{}+slice+a", ":a".repeat(n)).into_bytes()),
    taken("plus signs", 400, |n| format!("urn:publicid:IDN+x+image+a{}", "+".repeat(n)).into_bytes()),
    taken("escapes", 150, |n| format!("urn:publicid:IDN+x+image+a{}", "%41".repeat(n)).into_bytes()),
    bounded("too long", 1000, |n| {
        format!("urn:publicid:IDN+x+image+{}", "\u{e9}".repeat(n / 2)).into_bytes()
    }),
];

const URN_TEXTS: &[Growth] = &[
    taken("letters", 20_000, |n| "abc ".repeat(n / 4).into_bytes()),
    taken("signs", 1000, |n| ":;+/?#%".repeat(n).into_bytes()),
    taken("escapes", 1000, |n| "%41%c3%a9::".repeat(n).into_bytes()),
];

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFrMfEoqIwp6vHNm1jEGqzHSYtkdi6dZpWYqIIdPT1Jv";

const USERS: &[Growth] = &[
    taken("keys", 25, |n| format!("one\n{}", parts(n, |i| format!("{KEY} key-{i}\n"))).into_bytes()),
    taken("comments", 2000, |n| format!("one\n{}", "# no key\n \n".replace(' ', "#").repeat(n)).into_bytes()),
    taken("users", 100, |n| parts(n, |i| format!("user{i}\n{KEY}\n\n")).into_bytes()),
    refused("long lines", 20_000, |n| format!("one\n{KEY}{}", "A".repeat(n)).into_bytes()),
    refused("words", 10_000, |n| format!("one\n{}", "ssh-rsa ".repeat(n)).into_bytes()),
];

fn read_users(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    let users: Result<Vec<User>, _> = text
        .split("\n\n")
        .filter(|block| !block.is_empty())
        .map(|block| {
            let (name, keys) = block.split_once('\n').unwrap_or((block, ""));
            User::new(&format!("urn:publicid:IDN+x+user+{name}"), vec![keys.to_owned()])
        })
        .collect();
    users.and_then(accounts).is_ok()
}
