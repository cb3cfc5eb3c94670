//! The namespaces of RSpecs and their extensions, and where their schemas are said to be.

/// GENI RSpec version 3.
pub const GENI: &str = "http://www.geni.net/resources/rspec/3";
/// Schema of requests.
pub const REQUEST_SCHEMA: &str = "http://www.geni.net/resources/rspec/3/request.xsd";
/// Schema of advertisements.
pub const AD_SCHEMA: &str = "http://www.geni.net/resources/rspec/3/ad.xsd";
/// Accounts and keys on a node.
pub const USER: &str = "http://www.geni.net/resources/rspec/ext/user/1";
/// What a pending change keeps (AM API v4 draft, change set C).
pub const PRESERVE: &str = "http://www.geni.net/resources/rspec/ext/preserve/1";
/// What a node or link asks for and nothing here puts in force: this project's own extension of manifests.
pub const UNENFORCED: &str = "urn:geniam:rspec:ext:unenforced:1";
/// Storage volumes of nodes (`blockstore`); what else Emulab's extension holds is not acted upon.
pub const EMULAB: &str = "http://www.protogeni.net/resources/rspec/ext/emulab/1";
/// Operational states.
pub const OPSTATE: &str = "http://www.geni.net/resources/rspec/ext/opstate/1";
