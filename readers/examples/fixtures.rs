//! Makes `fixtures/` anew: a root authority, and a credential that it issued. The keys are thrown away.

use std::error::Error;
use std::path::Path;

use chrono::{DateTime, Utc};
use credentials::mint::{Authority, KeyPair, NewCredential, Subject};

fn main() -> Result<(), Box<dyn Error>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse()?;
    let end: DateTime<Utc> = "2056-01-01T00:00:00Z".parse()?;
    let authority = Authority::self_signed(
        "urn:publicid:IDN+ch.example.org+authority+sa".parse()?,
        KeyPair::generate()?,
        start,
        end,
    )?;
    let issue = |urn: &str| -> Result<_, Box<dyn Error>> {
        Ok(authority.issue(&Subject::new(urn.parse()?), &KeyPair::generate()?, start, end)?)
    };
    let credential = authority.credential(&NewCredential {
        owner: &[issue("urn:publicid:IDN+ch.example.org+user+alice")?],
        target: &[issue("urn:publicid:IDN+ch.example.org+slice+demo")?],
        privileges: &[("*", true)],
        expires: "2055-01-01T00:00:00Z".parse()?,
    })?;
    let root: String = authority.chain().iter().map(credentials::Certificate::to_pem).collect();
    std::fs::write(fixtures.join("root.pem"), root)?;
    std::fs::write(fixtures.join("credential.xml"), credential)?;
    Ok(())
}
