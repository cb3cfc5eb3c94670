//! The least work that could do the same job, without a server around it.

use crate::Failure;
use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use quick_xml::NsReader;
use quick_xml::events::Event;
use rusqlite::{Connection, params};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

/// Durable commits of one row each, one after the other: write-ahead log, `synchronous=FULL`.
pub struct Commits {
    connection: Connection,
    row: String,
    written: u64,
}

impl Commits {
    /// A new database in `folder`, for rows of `bytes` bytes.
    ///
    /// # Errors
    /// The database cannot be made.
    pub fn new(folder: &Path, bytes: usize) -> Result<Self, Failure> {
        let failed = Failure::when::<rusqlite::Error>;
        let connection =
            Connection::open(folder.join("commits.sqlite")).map_err(failed("the baseline's database"))?;
        connection
            .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
            .and_then(|()| connection.pragma_update(None, "synchronous", "full"))
            .and_then(|()| {
                connection.execute_batch("CREATE TABLE kept (key TEXT PRIMARY KEY, body TEXT) STRICT")
            })
            .map_err(failed("the baseline's database"))?;
        Ok(Self { connection, row: "x".repeat(bytes), written: 0 })
    }

    /// Commits for `time`; commits per second.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn per_second(&mut self, time: Duration) -> Result<f64, Failure> {
        let start = Instant::now();
        let before = self.written;
        while start.elapsed() < time {
            self.connection
                .prepare_cached("INSERT INTO kept VALUES (?1, ?2)")
                .and_then(|mut insert| insert.execute(params![format!("row {}", self.written), self.row]))
                .map_err(Failure::when("the baseline's database"))?;
            self.written += 1;
        }
        Ok((self.written - before) as f64 / start.elapsed().as_secs_f64())
    }
}

/// One RSA verification (2048 bits, SHA-256) and two digests over the bytes of one credential.
pub struct Verification {
    public: Vec<u8>,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Verification {
    /// A key of its own, and a signature over `signed_info`, the size of what is signed in a credential.
    ///
    /// # Errors
    /// No key can be made.
    pub fn new(signed_info: &[u8]) -> Result<Self, Failure> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(Failure::when("a key"))?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed_info, &mut signature)
            .map_err(Failure::when("a signature"))?;
        let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
            pair.public_key().as_der().map_err(Failure::when("a key"))?;
        Ok(Self { public: public.as_ref().to_vec(), signed: signed_info.to_vec(), signature })
    }

    /// Does it once over `credential`.
    #[must_use]
    pub fn once(&self, credential: &[u8]) -> bool {
        black_box(digest::digest(&digest::SHA256, credential));
        black_box(digest::digest(&digest::SHA256, credential));
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public)
            .verify(&self.signed, &self.signature)
            .is_ok()
    }
}

/// Reads a document event by event with its namespaces and attribute values, as anything that understands it must;
/// the number of events.
///
/// # Errors
/// It is not well-formed.
pub fn read_raw(xml: &str) -> Result<usize, Failure> {
    let failed = Failure::when::<quick_xml::Error>;
    let mut reader = NsReader::from_str(xml);
    let mut events = 0;
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(failed("the document"))?;
        black_box(namespace);
        match event {
            Event::Start(element) | Event::Empty(element) => {
                for attribute in element.attributes() {
                    let attribute = attribute.map_err(Failure::when("an attribute"))?;
                    black_box(&attribute.value);
                }
            }
            Event::Eof => return Ok(events),
            _ => {}
        }
        events += 1;
    }
}

/// Reads a document event by event and looks into none of them; the number of events.
///
/// # Errors
/// It is not well-formed.
pub fn read_events(xml: &str) -> Result<usize, Failure> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut events = 0;
    loop {
        match reader.read_event().map_err(Failure::when("the document"))? {
            Event::Eof => return Ok(events),
            event => {
                black_box(&event);
                events += 1;
            }
        }
    }
}

/// The median time of one run of `work`, which is run again and again for `time` and at least three times; letting go of
/// what it made is not counted.
pub fn median_time<T>(time: Duration, mut work: impl FnMut() -> T) -> Duration {
    let mut taken = Vec::new();
    let end = Instant::now() + time;
    while taken.len() < 3 || Instant::now() < end {
        let start = Instant::now();
        let made = black_box(work());
        taken.push(start.elapsed());
        drop(made);
    }
    taken.sort_unstable();
    taken[taken.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baselines_do_what_they_say() {
        let verification = Verification::new(b"signed").unwrap();
        assert!(verification.once(b"a credential"));
        let broken = Verification { signed: b"other".to_vec(), ..verification };
        assert!(!broken.once(b"a credential"));
        assert_eq!(read_raw("<a xmlns='x' b='c'><d/></a>").unwrap(), 3);
        assert_eq!(read_events("<a><d/></a>").unwrap(), 3);
        assert!(read_raw("<a><b></a>").is_err());
        let folder = tempfile::tempdir().unwrap();
        assert!(Commits::new(folder.path(), 100).unwrap().per_second(Duration::ZERO).unwrap() >= 0.0);
    }
}
