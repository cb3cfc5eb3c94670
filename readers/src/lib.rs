//! The readers of foreign bytes, in one table.
//!
//! Anybody on the network may send these bytes, or a cloud may answer with them. A reader must therefore never panic,
//! never recurse as deep as its input nests, and never work or remember more than in proportion to its input's length.
//! One table serves three checks of this:
//!
//! - **Fuzz targets** (`fuzz/` in this repository): each has one line, which calls [`Reader::read`].
//! - **Replayed corpora** (`tests/corpus.rs`): every file of `fuzz/corpus/NAME` runs through the reader NAME.
//! - **Counted cost** (`tests/cost.rs`): each [`Growth`] makes inputs of n, 2n and 4n parts. The program `cost` reads them
//!   under callgrind, which counts the instructions. Counts do not depend on the machine's load, times would.
//!
//! # Adding a reader or a way to grow
//! A reader is a constant in one of the modules, and a line in [`all`]. It needs a target in `fuzz/fuzz_targets`, an entry
//! in `fuzz/Cargo.toml`, and at least one seed in `fuzz/corpus/NAME`; `tests/corpus.rs` names what is missing. A
//! further way in which input can grow is one more [`Growth`] in the reader's list. Say with it whether the reader takes the
//! input or refuses it, so that an early refusal cannot pass for cheap reading.

mod certificates;
mod credential;
mod deltacloud;
mod names;
mod rspecs;
mod xml;
mod xmlrpc;

pub mod judge;

pub use certificates::{CERTIFICATE_DER, CERTIFICATE_PEM};
pub use credential::{C14N, CREDENTIAL};
pub use deltacloud::{
    DELTACLOUD_ACCEPT, DELTACLOUD_ANSWER, DELTACLOUD_MULTIPART, DELTACLOUD_PATH, DELTACLOUD_QUERY,
};
pub use names::{SSH_KEYS, URN, URN_TEXT};
pub use rspecs::{RSPEC_COMPARE, RSPEC_MANIFEST, RSPEC_REQUEST};
pub use xmlrpc::XMLRPC;

/// A function that reads foreign bytes.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// The name of its fuzz target and of its corpus.
    pub name: &'static str,
    /// Reads the bytes and drops the result. Gives whether they were taken.
    pub read: fn(&[u8]) -> bool,
    /// The ways in which its input can grow.
    pub growths: &'static [Growth],
}

/// A way in which input can grow.
#[derive(Debug, Clone, Copy)]
pub struct Growth {
    /// Its parts, such as `elements`.
    pub name: &'static str,
    /// The number of parts in the smallest input; the others have two and four times as many.
    pub n: usize,
    /// Makes an input of that many parts.
    pub input: fn(usize) -> Vec<u8>,
    /// What the reader says to each of the inputs.
    pub end: End,
}

/// How a reading ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The reader takes the inputs of all sizes.
    Taken,
    /// The reader refuses the inputs of all sizes: they are malformed, or beyond a bound.
    Refused,
    /// The reader takes the smallest input, and refuses the largest as beyond a bound.
    Bounded,
}

impl Reader {
    /// Reads the bytes and drops the result, as a fuzz target does.
    pub fn run(&self, bytes: &[u8]) {
        let _ = (self.read)(bytes);
    }

    /// The reader of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        all().into_iter().find(|reader| reader.name == name)
    }
}

/// Every reader there is.
#[must_use]
pub fn all() -> Vec<Reader> {
    vec![
        XMLRPC,
        CREDENTIAL,
        C14N,
        CERTIFICATE_DER,
        CERTIFICATE_PEM,
        RSPEC_REQUEST,
        RSPEC_MANIFEST,
        RSPEC_COMPARE,
        DELTACLOUD_ANSWER,
        DELTACLOUD_QUERY,
        DELTACLOUD_PATH,
        DELTACLOUD_MULTIPART,
        DELTACLOUD_ACCEPT,
        URN,
        URN_TEXT,
        SSH_KEYS,
    ]
}

/// Two readers that show that the check of the cost works: one is linear, the other compares each byte with every other.
pub const CONTROLS: [Reader; 2] = [
    Reader {
        name: "linear control",
        read: |bytes| bytes.iter().fold(0, |sum: u32, byte| sum.wrapping_add((*byte).into())) > 0,
        growths: &[taken("bytes", 1000, |n| vec![1; n])],
    },
    Reader {
        name: "quadratic control",
        read: |bytes| bytes.iter().any(|one| bytes.iter().any(|other| *one == !*other)),
        growths: &[refused("bytes", 500, |n| {
            (0..n).map(|i| u8::try_from(i & 0x7f).unwrap_or_default()).collect()
        })],
    },
];

/// The bytes as text, for readers whose callers have checked that already.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The parts of all numbers below `n`, one after the other.
fn parts(n: usize, part: impl Fn(usize) -> String) -> String {
    (0..n).map(part).collect()
}

/// A growth whose inputs are taken.
const fn taken(name: &'static str, n: usize, input: fn(usize) -> Vec<u8>) -> Growth {
    Growth { name, n, input, end: End::Taken }
}

/// A growth whose inputs are refused.
const fn refused(name: &'static str, n: usize, input: fn(usize) -> Vec<u8>) -> Growth {
    Growth { name, n, input, end: End::Refused }
}

/// A growth that passes a bound on its way.
const fn bounded(name: &'static str, n: usize, input: fn(usize) -> Vec<u8>) -> Growth {
    Growth { name, n, input, end: End::Bounded }
}
