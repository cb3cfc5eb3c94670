//! An aggregate of ours with its experimenter, prepared and started for a measurement.

use super::Bench;
use crate::Failure;
use crate::server::{self, Lab, Server};
use crate::wire::Endpoint;
use crate::xmlrpc::escape;
use am_server::development::Folder;

/// Slivers of the slices whose Status is asked for.
pub(crate) const STATUS_SIZES: [usize; 3] = [1, 100, 1000];
/// An aggregate of ours with its experimenter.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) folder: Folder,
    pub(crate) endpoint: Endpoint,
}

/// Prepares and starts an aggregate in `dir/name`.
pub(crate) async fn site(bench: &Bench<'_>, name: &str, lab: Lab) -> Result<Site, Failure> {
    let folder = server::prepare(&bench.dir.join(name), lab)?;
    start(bench, folder).await
}

/// Starts the aggregate of a folder.
pub(crate) async fn start(bench: &Bench<'_>, folder: Folder) -> Result<Site, Failure> {
    let server = server::aggregate(&bench.program, &folder).await?;
    let endpoint = endpoint(&folder, &server.url)?;
    Ok(Site { server, folder, endpoint })
}

/// How the folder's user reaches a server at `url`.
pub(super) fn endpoint(folder: &Folder, url: &str) -> Result<Endpoint, Failure> {
    let alice = folder.user("alice");
    Endpoint::new(url, &alice.join("cert.pem"), &alice.join("key.pem"))
}

/// The credential of the folder's user over herself, escaped for XML.
pub(crate) fn user_credential(folder: &Folder) -> Result<String, Failure> {
    let file = folder.user("alice").join("user-cred.xml");
    std::fs::read_to_string(&file).map(|xml| escape(&xml)).map_err(Failure::when(file.display().to_string()))
}
