//! What a call lets go is free once, and what it does not is the sliver's own.

use super::*;
use crate::inventory::volumes_resource;
use crate::placement::volumes::tests::{inventory_of, node};
use chrono::DateTime;
use state::{Allocation, Availability, Pending, Power, Revision};
use std::sync::Arc;
use urn::Authority;

/// What there is of volumes at the driver, in GB.
const TOTAL: u64 = 10;

fn urn() -> Urn {
    Urn::parse("urn:publicid:IDN+am.example.net+sliver+a").unwrap()
}

fn sliver(allocation: Allocation) -> Sliver {
    Sliver {
        urn: urn(),
        resource: ResourceKind::Node,
        created: DateTime::UNIX_EPOCH,
        creator: urn(),
        expires: DateTime::UNIX_EPOCH,
        allocation,
        power: Power::Stopped,
        wanted: Revision::default(),
        suspended: false,
        instance: None,
        error: None,
    }
}

/// A node at this component with volumes of these sizes.
fn asked(component: &str, sizes: &[u32]) -> Node {
    let volumes: String = sizes.iter().map(|size| format!("<b name='v{size}' size='{size}GB'/>")).collect();
    node(&format!("<node client_id='n' component_id='{component}'>{volumes}</node>"))
}

/// A ledger with room for instances, in which `held` GB are held for volumes.
fn ledger(inventory: &Inventory, held: u64) -> Ledger {
    let mut shares: BTreeMap<String, Availability> = inventory
        .components
        .iter()
        .map(|component| (component.resource.clone(), Availability { total: 5, held: 1 }))
        .collect();
    shares.insert(volumes_resource("lab"), Availability { total: TOTAL, held });
    Ledger::new(shares)
}

#[tokio::test]
async fn storage_is_counted_once_whether_it_is_let_go_or_kept() {
    let inventory = inventory_of(&["lab"]).await;
    let authority = Authority::parse("am.example.net").unwrap();
    let [here, there, ..] = &inventory.components[..] else { panic!("two realms are needed") };
    let (here, there) = (here.urn.to_string(), there.urn.to_string());
    let fresh = |at: &str, sizes: &[u32]| {
        let ledger = ledger(&inventory, 0);
        let mut placement = Placement::new(&inventory, &authority, &ledger, 1..=1);
        Arc::new(placement.node(&asked(at, sizes), &urn(), None).unwrap())
    };
    let updating = |granted, change| Allocation::Updating { granted, pending: Pending::Change(change) };
    let (none, three, nine) = (fresh(&here, &[]), fresh(&here, &[3]), fresh(&here, &[9]));
    for (what, allocation, at) in [
        ("an allocated one moves", Allocation::Allocated(Arc::clone(&nine)), &there),
        ("an allocated one stays", Allocation::Allocated(Arc::clone(&nine)), &here),
        ("only the pending change has some", updating(none, Arc::clone(&nine)), &here),
        ("the pending change has more", updating(three, nine), &here),
    ] {
        let sliver = sliver(allocation);
        let room = |sizes: &[u32]| {
            let ledger = ledger(&inventory, sliver_holdings(&sliver)[volumes_resource("lab").as_str()]);
            let mut placement = Placement::new(&inventory, &authority, &ledger, 1..=1);
            let node = asked(at, sizes);
            let released = let_go(&inventory, &sliver, Some(Some(&node))).unwrap();
            placement.release(&released);
            let (_, Grant::Node(has)) = current(&sliver).unwrap() else { panic!("it is a node") };
            let pending = pending_node(&sliver).unwrap();
            let held = still_held(&sliver, &released);
            let kept = Existing { grant: &has, pending: pending.as_deref(), held: &held };
            placement.node(&node, &sliver.urn, Some(kept)).map(|_| ()).map_err(|error| error.code())
        };
        assert_eq!(room(&[9, 1]), Ok(()), "{what}: all there is");
        assert_eq!(room(&[9, 2]), Err(GeniCode::TooBig), "{what}: more than there is");
    }
}
