//! Where nodes go that name no component.

use super::*;
use crate::placement::volumes::tests::{inventory_of, node};
use state::Availability;
use std::collections::BTreeMap;

#[tokio::test]
async fn a_node_with_volumes_goes_where_there_is_room_for_them() {
    let inventory = inventory_of(&["lab", "far"]).await;
    let authority = Authority::parse("am.example.net").unwrap();
    let urn = Urn::parse("urn:publicid:IDN+am.example.net+sliver+a").unwrap();
    // By far the most instances can be had where there is hardly any room for volumes.
    let room = |at: &Component| if inventory.offers[at.offer].cloud.name == "lab" { 1000 } else { 2 };
    let mut shares: BTreeMap<String, Availability> = inventory
        .components
        .iter()
        .map(|at| (at.resource.clone(), Availability { total: room(at), held: 0 }))
        .collect();
    shares.insert(volumes_resource("lab"), Availability { total: 10, held: 8 });
    shares.insert(volumes_resource("far"), Availability { total: 10, held: 0 });
    let ledger = Ledger::new(shares);
    let mut placement = Placement::new(&inventory, &authority, &ledger, 1..=1);
    let mut place = |volumes: &str| {
        let node = node(&format!("<node client_id='n'>{volumes}</node>"));
        placement.node(&node, &urn, None).map(|configuration| match Grant::of(&configuration) {
            Ok(Grant::Node(grant)) => grant.driver,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(place("").unwrap(), "lab");
    assert_eq!(place("<b name='a' size='2GB'/>").unwrap(), "lab", "just as much as there is");
    assert_eq!(place("<b name='a' size='1GB'/><b name='b' size='4GB'/>").unwrap(), "far");
    assert_eq!(place("<b name='a' size='5GB'/>").unwrap(), "far");
    let refused = place("<b name='a' size='1GB'/>").unwrap_err();
    assert_eq!(refused.code(), GeniCode::TooBig);
    assert!(refused.to_string().contains("its volumes need 1 GB, and 0 GB are left"), "{refused}");
}
