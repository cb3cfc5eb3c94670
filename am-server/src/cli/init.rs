//! `am-server init`.

use super::Failure;
use crate::config::{Config, DriverSection};
use crate::development::{Folder, Place};
use crate::inspection::Findings;
use crate::setup::Setup;
use crate::trust::{self, TrustError};
use chrono::Utc;
use clap::Args;
use credentials::Certificate;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Authority of a folder for which none is named.
pub(super) const DEFAULT_AUTHORITY: &str = "am.localhost";
/// Address of a folder for which none is named.
pub(super) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 12369);

/// Make a folder with a configuration and certificates, and say what is left to do.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Where; made if it is not there. What is in it already is not changed.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The authority in the aggregate's URNs: the DNS name by which clients reach it.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_AUTHORITY)]
    authority: String,
    /// Where the service will listen.
    #[arg(long, value_name = "ADDR:PORT", default_value_t = DEFAULT_LISTEN)]
    listen: SocketAddr,
    /// Make a development authority with the users alice and bob, and trust it. A service that listens on a loopback
    /// address gets one unasked.
    #[arg(long)]
    development: bool,
}

impl Init {
    #[allow(clippy::print_stdout, reason = "the command's answer")]
    pub(super) fn run(self) -> Result<(), Failure> {
        let folder = Folder::at(&self.dir);
        let place = Place { authority: self.authority, listen: self.listen };
        let made = folder.init(&place, self.development, Utc::now())?;
        for path in &made.files {
            println!("made {}", path.display());
        }
        if made.files.is_empty() {
            println!("{} is complete already; nothing was changed", self.dir.display());
        }
        println!("\n{}", next_steps(&folder, made.development));
        Ok(())
    }
}

/// What the person who made the folder does now.
fn next_steps(folder: &Folder, development: bool) -> String {
    let (file, dir) = (folder.config(), folder.path(""));
    let dir = dir.display().to_string();
    let dir = dir.trim_end_matches('/');
    let setup = match Setup::load(&file) {
        Ok(setup) => setup,
        Err(error) => return format!("{error}\n"),
    };
    let config = &setup.config;
    let mut steps = to_do(folder, &setup, dir);
    steps.push(format!("See whether everything is well:\n     am-server check --config {}", file.display()));
    steps.push(format!("Start the service:\n     am-server serve --config {}", file.display()));
    if development {
        steps.push(format!(
            "Call it as alice or bob of the development authority, with credentials as this makes them:\n     \
             am-server credential slice --dir {dir} --slice myslice --owner alice --out {dir}/myslice.xml"
        ));
    }
    let mut text = "What is left to do:\n".to_owned();
    for (number, step) in (1..).zip(&steps) {
        text.push_str(&format!("  {number}. {step}\n"));
    }
    if config.aggregate.public_name().is_some() && !config.aggregate.listen.ip().is_loopback() {
        text.push_str(&particulars(config));
    }
    text
}

/// What keeps the service from its work, or will stand in its way.
fn to_do(folder: &Folder, setup: &Setup, dir: &str) -> Vec<String> {
    let config = &setup.config;
    let mut steps = Vec::new();
    let Findings { mut problems, warnings } = Findings::of(setup, &folder.config(), Utc::now());
    if let Err(error @ TrustError::NoRoots(_)) = trust::roots(config) {
        // Said in other words here: this is no mistake, but the next step.
        problems.retain(|problem| *problem != error.to_string());
        steps.push(format!(
            "Put the root certificates (PEM) of the federations whose users may call into {}. Until then nobody can call, \
             and the service does not start. To try it before, make users of your own:\n     \
             am-server init --dir {dir} --development",
            config.tls.trusted_roots.display()
        ));
    }
    if config.drivers.iter().filter_map(DriverSection::read).any(|driver| driver.is_simulated())
        && !config.aggregate.listen.ip().is_loopback()
    {
        steps.push(format!(
            "Name your clouds under [[drivers]] in {} (docs/drivers.md): those of kind \"mock\" only pretend to have machines.",
            folder.config().display()
        ));
    }
    steps.extend(problems.into_iter().chain(warnings).map(|finding| format!("Mend this: {finding}")));
    steps
}

/// What a federation asks for when the aggregate joins.
fn particulars(config: &Config) -> String {
    let file = &config.tls.certificate;
    let fingerprint = std::fs::read_to_string(file)
        .ok()
        .and_then(|text| Certificate::chain_from_pem(&text).ok())
        .and_then(|chain| chain.first().map(|own| Sha256::digest(own.der())))
        .map(|digest| digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"));
    format!(
        "What a federation asks for:\n  URN          urn:publicid:IDN+{}+authority+am\n  URL          {}/am/3.0\n  \
         certificate  {}\n  SHA-256      {}\n",
        config.aggregate.authority,
        config.base_url(),
        file.display(),
        fingerprint.unwrap_or_else(|| "the certificate cannot be read".to_owned())
    )
}
