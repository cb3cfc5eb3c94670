//! The `xmlsec1` program as a second opinion: on what is minted here, on the same with random damage, and on
//! what it signs itself in the older and rarer forms.
//!
//! `xmlsec1` judges signatures only, not who may sign what; and it would take a key from a KeyValue, which is
//! why nothing minted here holds one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::*;
use credentials::CredentialError;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const ALL: &[(&str, bool)] = &[("*", true)];
/// The time of the tests, as the program wants it.
const NOW: &str = "2026-06-01 12:00:00";

struct Program {
    folder: TempDir,
}

impl Program {
    /// The program with the trusted root and the keys in a folder; `None` where it is not installed.
    fn start() -> Option<Self> {
        if !available("xmlsec1") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.pem"), WORLD.root.chain()[0].to_pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), WORLD.lab.key().to_pkcs8_pem().as_bytes()).unwrap();
        for (number, certificate) in WORLD.lab.chain().iter().enumerate() {
            std::fs::write(folder.path().join(format!("chain{number}.pem")), certificate.to_pem()).unwrap();
        }
        Some(Self { folder })
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn text(path: &Path) -> String {
        path.display().to_string()
    }

    /// Whether the program accepts the signature with this id.
    fn accepts(&self, xml: &str, signature: &str) -> bool {
        let file = self.path("document.xml");
        std::fs::write(&file, xml).unwrap();
        let output = Command::new("xmlsec1")
            .args(["--verify", "--enabled-key-data", "x509", "--node-id", signature])
            .args(["--verification-gmt-time", NOW, "--trusted-pem"])
            .args([self.path("root.pem"), file])
            .output()
            .unwrap();
        output.status.success()
    }

    /// Fills the empty signature of a template with the key of the lab.
    fn sign(&self, template: &str) -> String {
        let (file, signed) = (self.path("template.xml"), self.path("signed.xml"));
        std::fs::write(&file, template).unwrap();
        let key = format!(
            "{},{},{}",
            Self::text(&self.path("key.pem")),
            Self::text(&self.path("chain0.pem")),
            Self::text(&self.path("chain1.pem"))
        );
        let output = Command::new("xmlsec1")
            .args(["--sign", "--privkey-pem", &key, "--output", &Self::text(&signed), &Self::text(&file)])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(signed).unwrap()
    }
}

#[test]
fn minted_credentials_are_accepted() {
    let Some(program) = Program::start() else { return };
    assert!(program.accepts(&WORLD.credential(ALL), "Sig_ref0"));
    let delegated = WORLD.delegated();
    assert!(program.accepts(&delegated, "Sig_ref0"));
    assert!(program.accepts(&delegated, "Sig_ref1"));
    let strange = WORLD.credential(ALL).replace("2026-07-01", "2027-07-01");
    assert!(!program.accepts(&strange, "Sig_ref0"), "the program does notice");
}

/// Cuts, doubles or changes one place of the text.
fn damage(xml: &str, at: usize, kind: u8, letter: char) -> String {
    let mut characters: Vec<char> = xml.chars().collect();
    let at = at % characters.len();
    match kind {
        0 => {
            characters.remove(at);
        }
        1 => characters.insert(at, characters[at]),
        2 => characters[at] = letter,
        _ => characters.insert(at, letter),
    }
    characters.into_iter().collect()
}

#[test]
fn damaged_credentials_get_the_same_verdict() {
    let Some(program) = Program::start() else { return };
    let verifier = WORLD.verifier();
    let whole = WORLD.credential(ALL);
    // Most of the text is base64 of certificates; the rest gets its share of the damage.
    let places: Vec<usize> = {
        let tail = whole.find("<target_urn>").unwrap();
        let signature_value = whole.find("<SignatureValue>").unwrap();
        (0..400).chain(tail..signature_value + 60).collect()
    };
    let strategy = (
        prop::bool::ANY,
        any::<usize>(),
        0..4u8,
        prop::sample::select(vec!['a', 'Z', '0', ' ', '\n', '=', '\r']),
    );
    let mut runner = TestRunner::deterministic();
    let (mut good, mut bad) = (0, 0);
    for _ in 0..160 {
        let (anywhere, number, kind, letter) = strategy.new_tree(&mut runner).unwrap().current();
        let at = if anywhere { number % whole.len() } else { places[number % places.len()] };
        let xml = damage(&whole, at, kind, letter);
        // White space before the declaration, which some programs send, is forgiven here.
        let xml = xml.trim_start().to_owned();
        match verifier.verify(&xml, now()) {
            Ok(_) => {
                good += 1;
                assert!(
                    program.accepts(&xml, "Sig_ref0"),
                    "accepted here only: damage {kind} at {at}: {xml}"
                );
            }
            Err(CredentialError::Signature { reason, .. })
                if reason.contains("digest differs") || reason.contains("has the key that made it") =>
            {
                bad += 1;
                assert!(
                    !program.accepts(&xml, "Sig_ref0"),
                    "refused here only: damage {kind} at {at}: {xml}"
                );
            }
            // Not well-formed, or of a form that is not accepted here: the program is more generous.
            Err(_) => {}
        }
    }
    eprintln!("{good} accepted by both, {bad} refused by both");
    assert!(good > 0 && bad > 20, "{good} {bad}: the damage is not telling");
}

/// A minted credential with an empty signature of another form.
fn template(change: impl Fn(String) -> String) -> String {
    let xml = WORLD.credential(ALL);
    let empty = |xml: String, name: &str| {
        let (start, end) =
            (xml.find(&format!("<{name}>")).unwrap(), xml.find(&format!("</{name}>")).unwrap());
        format!("{}<{name}>{}", &xml[..start], &xml[end..])
    };
    let xml = ["DigestValue", "SignatureValue", "X509Data"].iter().fold(xml, |xml, name| empty(xml, name));
    let changed = change(xml.clone());
    assert_ne!(changed, xml, "the change must apply");
    changed
}

const ENVELOPED: &str = "<Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";

type Change = Box<dyn Fn(String) -> String>;

#[test]
fn signatures_of_other_forms_are_accepted() {
    let Some(program) = Program::start() else { return };
    let old = |xml: String| {
        xml.replace(
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        )
        .replace("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1")
    };
    let listed = format!(
        "<Transform Algorithm=\"{EXCLUSIVE}\"><InclusiveNamespaces xmlns=\"{EXCLUSIVE}\" PrefixList=\"xsi #default unused\"/></Transform>"
    );
    let forms: [(&str, Change); 8] = [
        ("RSA-SHA1, SHA-1", Box::new(old)),
        (
            "RSA-SHA1, with KeyValue and empty names",
            Box::new(move |xml| {
                old(xml).replace(
                    "<X509Data></X509Data>",
                    "<X509Data><X509SubjectName/><X509IssuerSerial/><X509Certificate/></X509Data><KeyValue/>",
                )
            }),
        ),
        ("no transforms", Box::new(|xml| xml.replace(&format!("<Transforms>{ENVELOPED}</Transforms>"), ""))),
        (
            "exclusive SignedInfo",
            Box::new(|xml| {
                xml.replace(
                    &format!("<CanonicalizationMethod Algorithm=\"{INCLUSIVE}\"/>"),
                    &format!("<CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>"),
                )
            }),
        ),
        (
            "exclusive transform",
            Box::new(|xml| {
                xml.replace(ENVELOPED, &format!("{ENVELOPED}<Transform Algorithm=\"{EXCLUSIVE}\"/>"))
            }),
        ),
        ("prefix list", Box::new(move |xml| xml.replace(ENVELOPED, &format!("{ENVELOPED}{listed}")))),
        (
            "inclusive transform alone",
            Box::new(|xml| xml.replace(ENVELOPED, &format!("<Transform Algorithm=\"{INCLUSIVE}\"/>"))),
        ),
        (
            "prefixes, namespaces and white space everywhere",
            Box::new(|xml| {
                xml.replace("<signed-credential ", "<signed-credential xmlns:ds=\"urn:ds\" xmlns:z=\"urn:z\"\n  xml:lang=\"en\" ")
                    .replace("<uuid/>", "<uuid z:b='1' a = \"2\"  z:a='&#13;&lt;\n'/>\n<extensions xmlns='urn:d'><x xmlns=''>&#13;]]&gt;<![CDATA[<&]]></x><?pi  x ?><!-- c --></extensions>")
            }),
        ),
    ];
    for (name, change) in forms {
        let signed = program.sign(&template(change));
        assert!(program.accepts(&signed, "Sig_ref0"), "{name}: refused by its own maker");
        let credential =
            WORLD.verifier().verify(&signed, now()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(credential.owner, *WORLD.alice.urn(), "{name}");
        let spoilt = signed.replacen("2026-07-01", "2026-08-01", 1);
        let error = WORLD.verifier().verify(&spoilt, now()).unwrap_err().to_string();
        assert!(error.contains("digest differs"), "{name}: {error}");
    }
}

#[test]
fn certificates_are_good_for_openssl() {
    if !available("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("root.pem"), WORLD.root.chain()[0].to_pem()).unwrap();
    std::fs::write(path("lab.pem"), WORLD.lab.chain()[0].to_pem()).unwrap();
    std::fs::write(path("alice.pem"), WORLD.alice.chain[0].to_pem()).unwrap();
    let time = now().timestamp().to_string();
    let output = Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose", "sslclient", "-attime", &time, "-CAfile"])
        .args([path("root.pem"), "-untrusted".into(), path("lab.pem"), path("alice.pem")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
