"""While a change is pending the old and the new are both held; afterwards only one of them (AM API v4 draft, change
set C)."""

from datetime import datetime, timedelta, timezone

from harness import edit, poll, rspec
from harness.codes import SEARCHFAILED, TOOBIG
from harness.rspec import Manifest

MACHINES = {"realms": [{"id": "pc{n}", "count": 2, "exclusive": True, "hardware_profiles": ["raw-pc"]}]}


def machine(server, number) -> str:
    """The component_id of a machine."""
    document = server.client().call(
        "ListResources", [{"geni_type": "geni_sfa", "geni_version": "3", "geni_value": server.home.user_credential("alice")}],
        {"geni_rspec_version": {"type": "GENI", "version": "3"}},
    ).ok()
    found = [it.get("component_id") for it in rspec.parse(document).iter("{*}node")]
    return sorted(found)[number]


def on(component, name="a"):
    return rspec.nodes(name, sliver_type="raw-pc", exclusive="true", component_id=component)


def move(slice, component):
    return slice.manifest().edited(lambda root: edit.node(root, "a").set("component_id", component))


def soon(**delta):
    return (datetime.now(timezone.utc) + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def moving(start_server):
    """A slice whose whole machine is about to be changed for another one."""
    server = start_server(mock=MACHINES)
    first, second = machine(server, 0), machine(server, 1)
    slice = server.slice().provisioned(on(first))
    return server, slice, first, second, server.slice(owner="bob")


def test_cancel_frees_the_new_machine(start_server):
    server, slice, first, second, other = moving(start_server)
    before = slice.state()
    slice.update(move(slice, second)).ok()
    for component in (first, second):
        other.allocate(on(component)).refused(TOOBIG)
    # Again, and to and fro: what is held for the pending change is there for its replacement.
    slice.update(move(slice, second)).ok()
    slice.update(move(slice, first)).ok()
    slice.update(move(slice, second)).ok()
    slice.cancel().ok()
    assert slice.state() == before
    other.allocate(on(first)).refused(TOOBIG)
    other.allocate(on(second)).ok()


def test_provision_frees_the_old_machine(start_server):
    server, slice, first, second, other = moving(start_server)
    (urn,) = slice.slivers()
    old = slice.instances()[urn]
    assert edit.guarantees(slice.update(move(slice, second)).ok()["geni_rspec"]) == {"a": "geni_none"}
    slice.provision().ok()
    slice.wait("geni_ready")
    new = slice.instances()[urn]
    assert new.realm != old.realm and new.id != old.id and len(server.mock.instances()) == 1
    other.allocate(on(second)).refused(TOOBIG)
    other.provisioned(on(first))


def test_expiry_of_an_updating_sliver_frees_both(start_server):
    server, slice, first, second, other = moving(start_server)
    slice.renew(soon(hours=1)).ok()
    slice.update(move(slice, second)).ok()
    server.set_clock_ahead(3700)
    slice.status().refused(SEARCHFAILED)
    slice.cancel().refused(SEARCHFAILED)
    poll.until(lambda: not server.mock.instances(), "the expired machine going")
    other.allocate(on(first)).ok()
    other.allocate(on(second, "b")).ok()


def test_delete_of_an_updating_sliver_frees_both(start_server):
    server, slice, first, second, other = moving(start_server)
    slice.update(move(slice, second)).ok()
    slice.delete().ok()
    other.allocate(on(first)).ok()
    other.allocate(on(second, "b")).ok()


def test_an_allocated_sliver_that_moves_frees_its_place_at_once(start_server):
    server = start_server(mock=MACHINES)
    first, second = machine(server, 0), machine(server, 1)
    slice, other = server.slice(), server.slice(owner="bob")
    slice.allocate(on(first)).ok()
    slice.update(move(slice, second)).ok()
    other.allocate(on(first)).ok()
    slice.update(move(slice, first)).refused(TOOBIG)
    # Its place is there for what comes instead of it.
    slice.update(on(second, "instead")).ok()
    assert set(slice.manifest().nodes) == {"instead"}


def test_tags_of_links_are_held_until_the_change_is_made(start_server):
    server = start_server(links={"first_vlan": 100, "last_vlan": 100})
    slice, other = server.slice().provisioned(rspec.pair()), server.slice(owner="bob")
    slice.update(slice.manifest().edited(lambda root: edit.drop(root, "lan"))).ok()
    other.allocate(rspec.pair()).refused(24)
    slice.cancel().ok()
    slice.update(slice.manifest().edited(lambda root: edit.drop(root, "lan"))).ok()
    slice.provision().ok()
    other.allocate(rspec.pair()).ok()


def test_nothing_is_left_of_many_changes(start_server):
    server, slice, first, second, other = moving(start_server)
    for _ in range(3):
        moved = move(slice, second)
        for request in (moved, rspec.request(), moved):
            slice.update(request).ok()
        slice.cancel().ok()
        slice.update(rspec.request()).ok()
        slice.update(moved).ok()
        slice.provision().ok()
        first, second = second, first
    slice.wait("geni_ready")
    slice.delete().ok()
    poll.until(lambda: not server.mock.instances(), "the machine going")
    assert Manifest(other.allocate(on(first)).ok()["geni_rspec"]).nodes
    other.allocate(on(second, "b")).ok()
