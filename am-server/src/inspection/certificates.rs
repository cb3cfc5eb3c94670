//! Whether certificates can do what the configuration names them for.

use crate::config::{Config, HostKind};
use crate::metrics::Watched;
use crate::setup::ApiSection;
use chrono::{DateTime, TimeDelta, Utc};
use credentials::Certificate;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use std::path::{Path, PathBuf};
use urn::Kind;

/// How long before its end a certificate is warned of: time enough to ask a federation for a new one.
const SOON: TimeDelta = TimeDelta::days(30);

/// The certificates that the service works with: its own, and the trusted roots. Files that cannot be read are left out,
/// as are the certificates that stand behind a server's own in its file.
#[must_use]
pub fn watched(config: &Config, apis: &[ApiSection]) -> Vec<Watched> {
    let mut all = Vec::new();
    let mut watch = |purpose, path: &Path, certificates: &[Certificate]| {
        all.extend(certificates.iter().map(|certificate| Watched {
            purpose,
            file: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            subject: certificate.called(),
            not_after: certificate.not_after(),
        }));
    };
    let apis = apis.iter().map(|api| (api.name, api.settings.certificate()));
    for (purpose, path) in [("server", Some(&*config.tls.certificate))].into_iter().chain(apis) {
        if let Some(path) = path
            && let Ok(chain) = read(path)
        {
            watch(purpose, path, chain.get(..1).unwrap_or_default());
        }
    }
    for path in root_files(&config.tls.trusted_roots).0 {
        if let Ok(found) = read(&path) {
            watch("root", &path, &found);
        }
    }
    all
}

/// The certificate that GENI clients see.
pub(super) fn server(config: &Config, now: DateTime<Utc>, warnings: &mut Vec<String>) {
    let path = &config.tls.certificate;
    let Some(chain) = chain("tls.certificate", path, now, warnings) else { return };
    let url = config.base_url();
    let host = url.host();
    if HostKind::of(host) != HostKind::Malformed && !names(&chain, host) {
        warnings.push(format!(
            "tls.certificate: {} is not a certificate for {host}, by which clients are told to call ({url}); \
             clients that check names refuse it",
            path.display()
        ));
    }
}

/// The certificates in the sections of APIs.
pub(super) fn apis(apis: &[ApiSection], now: DateTime<Utc>, warnings: &mut Vec<String>) {
    for api in apis {
        if let Some(path) = api.settings.certificate() {
            chain(&format!("{}.certificate", api.name), path, now, warnings);
        }
    }
}

/// A server's chain, with what is wrong with its times and its order. Whether the key belongs to it, TLS says.
pub(super) fn chain(
    setting: &str,
    path: &Path,
    now: DateTime<Utc>,
    warnings: &mut Vec<String>,
) -> Option<Vec<Certificate>> {
    let shown = path.display();
    let chain = match read(path) {
        Ok(chain) => chain,
        Err(error) => {
            warnings.push(format!("{setting}: {shown} cannot be looked into: {error}"));
            return None;
        }
    };
    for certificate in &chain {
        if let Some(time) = time(certificate, now) {
            let consequence = if time.over { "; clients refuse it" } else { "" };
            warnings.push(format!(
                "{setting}: {shown}: the certificate of {} {}{consequence}",
                certificate.called(),
                time.said
            ));
        }
    }
    for pair in chain.windows(2) {
        if let [below, above] = pair
            && !below.is_signed_by(above)
        {
            warnings.push(format!(
                "{setting}: {shown}: the certificate of {} did not issue the one before it, of {}; the server's own comes \
                 first, then its issuer's, and so on",
                above.called(),
                below.called()
            ));
        }
    }
    Some(chain)
}

/// Whether clients that call a server by this name take the first certificate for the server's.
fn names(chain: &[Certificate], host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let Some(own) = chain.first() else { return false };
    let der = CertificateDer::from(own.der());
    let Ok(name) = ServerName::try_from(bare) else { return false };
    ParsedCertificate::try_from(&der).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

/// The trusted roots, one by one, and the files beside them.
pub(super) fn roots(config: &Config, file: &Path, now: DateTime<Utc>, warnings: &mut Vec<String>) {
    let (files, others) = root_files(&config.tls.trusted_roots);
    for path in others {
        warnings.push(format!(
            "tls.trusted_roots: {} is not read; only files *.pem and *.crt are",
            path.display()
        ));
    }
    let development = file.parent().map(|folder| folder.join("authority"));
    // The key lies beside the certificate: whoever reads it is the authority.
    let development = development
        .filter(|folder| folder.join("key.pem").exists())
        .and_then(|folder| read(&folder.join("cert.pem")).ok())
        .unwrap_or_default();
    for path in files {
        // A file that cannot be read is a problem, not a warning.
        let Ok(found) = read(&path) else { continue };
        for root in &found {
            let mut say = |what: &str| {
                warnings.push(format!(
                    "tls.trusted_roots: {}: the certificate of {} {what}",
                    path.display(),
                    root.called()
                ));
            };
            if let Some(time) = time(root, now) {
                say(&match time.over {
                    true => format!("{}; everybody below it is refused", time.said),
                    false => time.said,
                });
            }
            if let Some(why) = cannot_issue(root) {
                say(&format!("{why}; certificates that it signed are refused"));
            }
            if development.contains(root) && !config.aggregate.listen.ip().is_loopback() {
                say(&format!(
                    "belongs to the development authority, and the service can be reached from other machines: whoever \
                     reads {} can make users and credentials; take one of the two away",
                    file.parent()
                        .map(|folder| folder.join("authority/key.pem"))
                        .unwrap_or_default()
                        .display()
                ));
            }
        }
    }
}

/// Why nothing that this root signed can be good.
fn cannot_issue(root: &Certificate) -> Option<&'static str> {
    if !root.is_ca() {
        return Some("is not an authority's: its basic constraints do not say CA:TRUE");
    }
    if !root.may_sign_certificates() {
        return Some("excludes signing certificates in its key usage");
    }
    match root.urn() {
        Some(urn) if urn.kind() != Kind::Authority => Some("names a URN that is not of type authority"),
        _ => None,
    }
}

/// What is to be said of a certificate's time.
struct Time {
    said: String,
    /// Whether it cannot be used now.
    over: bool,
}

fn time(certificate: &Certificate, now: DateTime<Utc>) -> Option<Time> {
    let (from, until) = (certificate.not_before(), certificate.not_after());
    let at = crate::time::format;
    if now < from {
        return Some(Time { said: format!("is not valid before {}", at(from)), over: true });
    }
    if now >= until {
        return Some(Time { said: format!("expired at {}", at(until)), over: true });
    }
    let left = until - now;
    let wait = match left.num_days() {
        0 => "in less than a day".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    };
    (left < SOON).then(|| Time { said: format!("expires at {}, {wait}", at(until)), over: false })
}

/// The certificates of a PEM file.
fn read(path: &Path) -> Result<Vec<Certificate>, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    Certificate::chain_from_pem(&String::from_utf8_lossy(&bytes)).map_err(|error| error.to_string())
}

/// The files that trusted roots are read from, and those beside them that are not; each in the order of names.
fn root_files(folder: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.retain(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
    paths.into_iter().partition(|path| {
        path.is_file() && path.extension().is_some_and(|ending| ending == "pem" || ending == "crt")
    })
}

#[cfg(test)]
mod tests;
