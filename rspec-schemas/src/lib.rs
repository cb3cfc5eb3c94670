//! XML schemas of the RSpec documents an aggregate reads and writes.
//!
//! Each schema stands alone: none includes or imports another, so a validator needs nothing but the text. Elements of
//! other namespaces may stand in every element and are checked only where the validator has their schema;
//! attributes that no schema knows are accepted too, because tools in use write them.
//!
//! [`REQUEST`] and [`MANIFEST`] differ only in the root's `type`: with the AM API v4 draft (change set C) whatever stands
//! in a manifest may be sent back in a request.

/// `request.xsd`: requests, GENI RSpec version 3.
pub const REQUEST: &str = include_str!("../schemas/request.xsd");
/// `manifest.xsd`: manifests, GENI RSpec version 3.
pub const MANIFEST: &str = include_str!("../schemas/manifest.xsd");
/// `ad.xsd`: advertisements, GENI RSpec version 3.
pub const AD: &str = include_str!("../schemas/ad.xsd");
/// `preserve.xsd`: the preserve/1 extension of manifests.
pub const PRESERVE: &str = include_str!("../schemas/preserve.xsd");
/// `opstate.xsd`: the opstate/1 extension of advertisements.
pub const OPSTATE: &str = include_str!("../schemas/opstate.xsd");
/// `user.xsd`: the user/1 extension of manifests.
pub const USER: &str = include_str!("../schemas/user.xsd");

/// `blockstore.xsd`: of Emulab's extension (emulab/1), the storage volumes that nodes ask for and are given.
pub const BLOCKSTORE: &str = include_str!("../schemas/blockstore.xsd");
/// `blockstore-ad.xsd`: the storage volumes that an advertisement offers.
pub const BLOCKSTORE_AD: &str = include_str!("../schemas/blockstore-ad.xsd");

/// Every schema with its file name and target namespace.
pub const ALL: [(&str, &str, &str); 8] = [
    ("request.xsd", "http://www.geni.net/resources/rspec/3", REQUEST),
    ("manifest.xsd", "http://www.geni.net/resources/rspec/3", MANIFEST),
    ("ad.xsd", "http://www.geni.net/resources/rspec/3", AD),
    ("preserve.xsd", "http://www.geni.net/resources/rspec/ext/preserve/1", PRESERVE),
    ("opstate.xsd", "http://www.geni.net/resources/rspec/ext/opstate/1", OPSTATE),
    ("user.xsd", "http://www.geni.net/resources/rspec/ext/user/1", USER),
    ("blockstore.xsd", "http://www.protogeni.net/resources/rspec/ext/emulab/1", BLOCKSTORE),
    ("blockstore-ad.xsd", "http://www.protogeni.net/resources/rspec/ext/emulab/1", BLOCKSTORE_AD),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_hold_whatever_a_manifest_holds() {
        let body = |schema: &str, kind: &str| {
            let start = schema.find("<xs:schema").unwrap();
            schema[start..].replace(&format!("<xs:enumeration value=\"{kind}\"/>"), "")
        };
        assert_ne!(REQUEST, MANIFEST);
        assert_eq!(body(REQUEST, "request"), body(MANIFEST, "manifest"));
    }

    #[test]
    fn every_schema_stands_alone_and_has_its_namespace() {
        for (file, namespace, schema) in ALL {
            assert!(schema.contains(&format!("targetNamespace=\"{namespace}\"")), "{file}");
            for dependent in ["xs:include", "xs:import", "schemaLocation"] {
                assert!(!schema.contains(dependent), "{file} has {dependent}");
            }
        }
    }
}
