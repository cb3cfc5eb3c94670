//! The texts that a new folder gets: the service's configuration, Omni's, and a first request.

use super::{Folder, Place};
use std::fs;
use std::path::PathBuf;

/// `am.toml`. The driver's section is the last one, so that settings can be added to it at the end.
pub(super) fn am_toml(place: &Place) -> String {
    let Place { authority, listen } = place;
    let url = match place.name() {
        Some(name) => format!(
            "# Where clients reach the service; GetVersion tells them.\nurl = \"https://{name}:{}\"\n",
            listen.port()
        ),
        None => String::new(),
    };
    format!(
        r#"# Configuration of the aggregate manager. Paths are relative to this file's folder.
# Every setting and its default is described in docs/configuration.md.

[aggregate]
authority = "{authority}"
listen = "{listen}"
{url}database = "am.sqlite"
# URNs of users who may act on every slice:
operators = []

[tls]
certificate = "server-cert.pem"
key = "server-key.pem"
# Put the root certificates of the clearinghouses you trust into this folder.
trusted_roots = "trusted_roots"

# Names experimenters use for hardware profiles; "default-vm" is what a node without a sliver type gets.
[sliver_types]
default-vm = "small"

# A pretended cloud, to try the service with: put the one you have in its place (docs/drivers.md).
[[drivers]]
name = "lab"
kind = "mock"
database = "mock.sqlite"
"#
    )
}

/// Omni's configuration for alice.
pub(super) fn omni_config(folder: &Folder, authority: &str, url: &str) -> String {
    let alice = folder.user("alice");
    let absolute = |path: PathBuf| fs::canonicalize(&path).unwrap_or(path).display().to_string();
    format!(
        "# Configuration for Omni, the command line client of the GENI tools.\n\
         # There is no clearinghouse behind the development authority: give credentials with\n\
         # --slicecredfile and --usercredfile, as `am-server credential slice` writes them.\n\
         \n\
         [omni]\n\
         default_cf = development\n\
         users = alice\n\
         \n\
         [development]\n\
         type = gcf\n\
         authority = {authority}\n\
         ch = {url}\n\
         cert = {cert}\n\
         key = {key}\n\
         \n\
         [alice]\n\
         urn = urn:publicid:IDN+{authority}+user+alice\n\
         # One or more files with SSH public keys, comma separated.\n\
         keys = ~/.ssh/id_ed25519.pub\n\
         \n\
         [aggregate_nicknames]\n\
         am = urn:publicid:IDN+{authority}+authority+am,{url}/am/3.0\n",
        cert = absolute(alice.join("cert.pem")),
        key = absolute(alice.join("key.pem")),
    )
}

/// A first request: two virtual machines and a link between them.
pub(super) const REQUEST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rspec type="request" xmlns="http://www.geni.net/resources/rspec/3"
       xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
       xsi:schemaLocation="http://www.geni.net/resources/rspec/3 http://www.geni.net/resources/rspec/3/request.xsd">
  <node client_id="server" exclusive="false">
    <sliver_type name="default-vm"/>
    <interface client_id="server:if0"><ip address="10.10.1.1" netmask="255.255.255.0" type="ipv4"/></interface>
  </node>
  <node client_id="client" exclusive="false">
    <sliver_type name="default-vm"/>
    <interface client_id="client:if0"><ip address="10.10.1.2" netmask="255.255.255.0" type="ipv4"/></interface>
  </node>
  <link client_id="lan">
    <interface_ref client_id="server:if0"/>
    <interface_ref client_id="client:if0"/>
  </link>
</rspec>
"#;
