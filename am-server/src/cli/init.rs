//! `am-server init`.

use super::Failure;
use crate::development::Folder;
use chrono::Utc;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Authority of a folder for which none is named.
pub(super) const DEFAULT_AUTHORITY: &str = "am.localhost";
/// Address of a folder for which none is named.
pub(super) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 12369);

/// Make a folder with a configuration, certificates and a development authority.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Where; made if it is not there. What is in it already is not changed.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The authority in the aggregate's URNs, by convention a DNS name.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_AUTHORITY)]
    authority: String,
    /// Where the service will listen.
    #[arg(long, value_name = "ADDR:PORT", default_value_t = DEFAULT_LISTEN)]
    listen: SocketAddr,
}

impl Init {
    #[allow(clippy::print_stdout, reason = "the command's answer")]
    pub(super) fn run(self) -> Result<(), Failure> {
        let made = Folder::at(&self.dir).init(&self.authority, self.listen, Utc::now())?;
        for path in &made {
            println!("made {}", path.display());
        }
        if made.is_empty() {
            println!("{} is complete already; nothing was changed", self.dir.display());
        }
        Ok(())
    }
}
