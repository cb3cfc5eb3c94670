use super::*;
use crate::development::{Folder, Place};
use crate::inspection::Findings;
use crate::setup::Setup;
use credentials::mint::{Authority, KeyPair, Subject};
use std::fs;
use tempfile::TempDir;
use urn::Urn;

fn now() -> DateTime<Utc> {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn days(number: i64) -> TimeDelta {
    TimeDelta::days(number)
}

/// A folder as `init` makes it for an aggregate on this machine, or for one that others reach.
fn folder(listen: &str) -> (TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::at(dir.path());
    let place = Place { authority: "am.example.net".to_owned(), listen: listen.parse().unwrap() };
    folder.init(&place, false, now()).unwrap();
    (dir, folder)
}

fn found(folder: &Folder, at: DateTime<Utc>) -> Findings {
    Findings::of(&Setup::load(&folder.config()).unwrap(), &folder.config(), at)
}

#[track_caller]
fn one(sentences: &[String], words: &[&str]) {
    let fits = |sentence: &&String| words.iter().all(|word| sentence.contains(word));
    assert_eq!(sentences.iter().filter(fits).count(), 1, "{words:?} in {sentences:#?}");
}

fn authority(name: &str, from: DateTime<Utc>, until: DateTime<Utc>) -> Authority {
    let urn = Urn::parse(&format!("urn:publicid:IDN+{name}+authority+ca")).unwrap();
    Authority::self_signed(urn, KeyPair::generate().unwrap(), from, until).unwrap()
}

#[test]
fn a_fresh_folder_on_this_machine_is_good() {
    let (_dir, folder) = folder("127.0.0.1:12369");
    assert_eq!(found(&folder, now()), Findings::default());
}

#[test]
fn a_fresh_folder_for_others_wants_roots_and_nothing_else() {
    let (_dir, folder) = folder("192.0.2.7:12369");
    let Findings { problems, warnings } = found(&folder, now());
    one(&problems, &["tls.trusted_roots", "holds no certificate"]);
    assert_eq!((problems.len(), warnings), (1, Vec::new()));
    assert!(!folder.path("authority").exists() && !folder.path("users").exists());
    let chain = read(&folder.path("server-cert.pem")).unwrap();
    assert!(names(&chain, "am.example.net"));
    for other in ["localhost", "127.0.0.1", "::1", "192.0.2.7"] {
        assert!(!names(&chain, other), "{other}");
    }
}

#[test]
fn certificates_are_warned_of_before_at_and_after_their_end() {
    let (_dir, folder) = folder("127.0.0.1:12369");
    let certificate = &read(&folder.path("server-cert.pem")).unwrap()[0];
    let end = certificate.not_after();
    for (at, words) in [
        (end - days(30) + TimeDelta::seconds(1), "expires at"),
        (end - days(3), "in 3 days"),
        (end, "expired at"),
        (certificate.not_before() - TimeDelta::seconds(1), "is not valid before"),
    ] {
        let warnings = found(&folder, at).warnings;
        one(&warnings, &["tls.certificate", "+authority+am", words]);
        one(&warnings, &["tls.trusted_roots", "development.pem", "+authority+sa", words]);
    }
    let early = found(&folder, end - days(30)).warnings;
    assert!(!early.iter().any(|it| it.contains("expires at")), "{early:?}");
}

#[test]
fn roots_that_can_vouch_for_nobody_are_named() {
    let (_dir, folder) = folder("127.0.0.1:12369");
    let put = |name: &str, certificate: &Certificate| {
        fs::write(folder.path("trusted_roots").join(name), certificate.to_pem()).unwrap();
    };
    let good = authority("good.example.net", now() - days(1), now() + days(365));
    let user = Subject::new(Urn::parse("urn:publicid:IDN+good.example.net+user+bob").unwrap());
    let user = good.issue(&user, &KeyPair::generate().unwrap(), now() - days(1), now() + days(90)).unwrap();
    put("good.pem", &good.chain()[0]);
    put("bob.crt", &user);
    put("old.pem", &authority("old.example.net", now() - days(9), now() - days(2)).chain()[0]);
    put("young.pem", &authority("young.example.net", now() + days(2), now() + days(90)).chain()[0]);
    put("missed.cer", &good.chain()[0]);
    let warnings = found(&folder, now()).warnings;
    one(&warnings, &["bob.crt", "+user+bob", "CA:TRUE"]);
    one(
        &warnings,
        &["old.pem", "+old.example.net+", "expired at 2026-05-30T12:00:00Z", "everybody below it is refused"],
    );
    one(&warnings, &["young.pem", "+young.example.net+", "not valid before 2026-06-03T12:00:00Z"]);
    one(&warnings, &["missed.cer", "is not read"]);
    assert!(!warnings.iter().any(|it| it.contains("good.pem")), "{warnings:?}");
}

#[test]
fn a_chain_in_the_wrong_order_and_a_strange_key_are_said() {
    let (_dir, folder) = folder("127.0.0.1:12369");
    let chain = read(&folder.path("server-cert.pem")).unwrap();
    let other = authority("other.example.net", now() - days(1), now() + days(365));
    let wrong = [&chain[0], &other.chain()[0]].map(Certificate::to_pem).concat();
    fs::write(folder.path("server-cert.pem"), wrong).unwrap();
    one(
        &found(&folder, now()).warnings,
        &["tls.certificate", "+other.example.net+", "did not issue the one before it"],
    );
    fs::write(folder.path("server-key.pem"), other.key().to_pkcs8_pem().as_bytes()).unwrap();
    one(&found(&folder, now()).problems, &["server-key.pem", "does not belong", "server-cert.pem"]);
    for (text, words) in [
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n", "encrypted"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES-128-CBC,00\r\n\r\nMIIB\r\n-----END RSA PRIVATE KEY-----\r\n",
            "encrypted",
        ),
        ("nothing", "holds no private key"),
    ] {
        fs::write(folder.path("server-key.pem"), text).unwrap();
        one(&found(&folder, now()).problems, &["server-key.pem", words]);
    }
}

#[test]
fn a_development_authority_that_others_reach_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::at(dir.path());
    let place = Place { authority: "am.example.net".to_owned(), listen: "0.0.0.0:12369".parse().unwrap() };
    folder.init(&place, true, now()).unwrap();
    let Findings { problems, warnings } = found(&folder, now());
    assert_eq!(problems, [""; 0]);
    one(&warnings, &["development.pem", "development authority", "authority/key.pem"]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    // Taken away, it stays away.
    fs::remove_file(folder.path("trusted_roots/development.pem")).unwrap();
    folder.init(&place, false, now()).unwrap();
    assert!(!folder.path("trusted_roots/development.pem").exists());
}

#[test]
fn what_is_watched_is_what_is_used() {
    let (_dir, folder) = folder("127.0.0.1:12369");
    let Setup { config, apis } = Setup::load(&folder.config()).unwrap();
    let seen: Vec<_> =
        watched(&config, &apis).into_iter().map(|it| (it.purpose, it.file, it.subject)).collect();
    let urn = |name: &str| format!("urn:publicid:IDN+am.example.net+authority+{name}");
    assert_eq!(
        seen,
        [
            ("server", "server-cert.pem".to_owned(), urn("am")),
            ("root", "development.pem".to_owned(), urn("sa")),
        ]
    );
}
