"""Update and Cancel, state by state (AM API v4 draft, change set C)."""

from datetime import datetime, timedelta, timezone

import pytest

from harness import edit, poll, rspec
from harness.codes import ALREADYEXISTS, BADARGS, BADVERSION, INPROGRESS, SEARCHFAILED, TOOBIG, UNSUPPORTED
from harness.rspec import Manifest


def stamp(**delta) -> str:
    return (datetime.now(timezone.utc) + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def entries(answer) -> dict[str, dict]:
    """The per-sliver structs by sliver URN; each sliver is there once."""
    found = {it["geni_sliver_urn"]: it for it in answer.ok()["geni_slivers"]}
    assert len(found) == len(answer.value["geni_slivers"])
    return found


def states(answer) -> dict[str, tuple[str, str]]:
    return {
        urn: (it["geni_allocation_status"], it.get("geni_next_allocation_status", ""))
        for urn, it in entries(answer).items()
    }


ALLOCATED = ("geni_allocated", "geni_provisioned")
PROVISIONED = ("geni_provisioned", "")
CHANGING = ("geni_updating", "geni_provisioned")
GOING = ("geni_updating", "geni_unallocated")
GONE = ("geni_unallocated", "")


def other_image(manifest: Manifest, *client_ids) -> str:
    def change(root):
        for client_id in client_ids:
            edit.set_image(root, client_id, "fedora-41")

    return manifest.edited(change)


# Update


def test_update_of_an_allocated_sliver_changes_it_at_once(slice):
    slice.allocate(rspec.nodes("a"), geni_end_time=stamp(minutes=2)).ok()
    manifest = slice.manifest()
    (urn, before), = slice.slivers().items()
    answer = slice.update(other_image(manifest, "a"))
    assert states(answer) == {urn: ALLOCATED}
    assert entries(answer)[urn]["geni_expires"] > before["geni_expires"], "as by a new Allocate"
    assert "fedora-41" in Manifest(answer.rspec).document and edit.guarantees(answer.rspec) == {}
    assert "fedora-41" in slice.manifest().document
    # There is no way back: Cancel is its end.
    assert states(slice.cancel()) == {urn: GONE}
    assert slice.slivers() == {}


def test_update_of_a_provisioned_sliver_waits_for_provision(slice):
    slice.provisioned(rspec.nodes("a"))
    manifest = slice.manifest()
    (urn, before), = slice.slivers().items()
    machine, calls = slice.instances()[urn], slice.server.mock.last_call()
    answer = slice.update(other_image(manifest, "a"), geni_end_time=stamp(minutes=1))
    assert answer.value["geni_urn"] == slice.urn
    assert states(answer) == {urn: CHANGING}
    after = slice.slivers()[urn]
    assert after["geni_operational_status"] == before["geni_operational_status"] == "geni_ready"
    assert after["geni_expires"] == before["geni_expires"]
    rspec.validate(answer.rspec, "manifest")
    assert slice.instances()[urn] == machine and slice.server.mock.last_call() == calls, "nothing runs otherwise yet"
    answer = slice.provision()
    assert states(answer) == {urn: PROVISIONED}
    assert entries(answer)[urn]["geni_expires"] == before["geni_expires"], "only geni_end_time changes it"
    slice.wait("geni_ready")
    assert slice.instances()[urn].image == "fedora-41"


def test_update_replaces_what_is_pending(slice):
    slice.provisioned(rspec.nodes("a"))
    manifest, original = slice.manifest(), slice.state()
    (urn,) = slice.slivers()
    slice.update(other_image(manifest, "a")).ok()
    answer = slice.update(manifest.edited(lambda root: edit.set_type(root, "a", "medium")))
    assert states(answer) == {urn: CHANGING}
    assert "fedora-41" not in answer.rspec and 'name="medium"' in answer.rspec
    assert states(slice.update(rspec.request())) == {urn: GOING}
    assert states(slice.update(manifest.document)) == {urn: CHANGING}
    # Cancel goes back to what was provisioned last, however many Updates there were.
    assert states(slice.cancel()) == {urn: PROVISIONED}
    assert slice.state() == original


def test_what_is_left_out_of_the_description_goes(slice):
    slice.provisioned(rspec.nodes("a", "b"))
    ids = slice.manifest().sliver_ids
    new = Manifest(slice.allocate(rspec.nodes("c")).ok()["geni_rspec"]).sliver_ids
    machines = slice.instances()
    manifest = slice.manifest().edited(lambda root: edit.drop(root, "b", "c"))
    answer = slice.update(manifest)
    assert states(answer) == {ids["a"]: CHANGING, ids["b"]: GOING, new["c"]: GONE}
    assert set(Manifest(answer.rspec).nodes) == {"a"}
    assert slice.slivers()[ids["b"]]["geni_operational_status"] == "geni_ready", "it runs until Provision"
    assert slice.instances() == machines
    slice.status([new["c"]]).refused(SEARCHFAILED)
    answer = slice.provision()
    assert states(answer) == {ids["a"]: PROVISIONED, ids["b"]: GONE}
    slice.wait("geni_ready")
    poll.until(lambda: not slice.server.mock.by_sliver([ids["b"]]), "the instance going")
    slice.status([ids["b"]]).refused(SEARCHFAILED)


def test_an_empty_description_marks_all_for_removal_and_cancel_keeps_all(slice):
    slice.provisioned(rspec.pair())
    original = slice.state()
    answer = slice.update(rspec.request())
    assert set(states(answer).values()) == {GOING}
    assert Manifest(answer.rspec).sliver_ids == {}
    assert set(Manifest(slice.describe(geni_cancelled=True).ok()["geni_rspec"]).sliver_ids) == {"a", "b", "lan"}
    assert states(slice.cancel()) == {urn: PROVISIONED for urn in original["slivers"]}
    assert slice.state() == original


def test_what_is_neither_named_nor_described_stays_untouched(slice):
    slice.provisioned(rspec.nodes("a", "b"))
    ids = slice.manifest().sliver_ids
    before = slice.slivers()[ids["b"]]
    manifest = other_image(slice.manifest(), "a")
    only_a = Manifest(manifest).edited(lambda root: edit.keep(root, "a"))
    assert states(slice.update(only_a, [ids["a"]])) == {ids["a"]: CHANGING}
    assert slice.slivers()[ids["b"]] == before


def test_resources_without_sliver_id_are_new_and_allocated(slice):
    slice.provisioned(rspec.nodes("a"))
    ids = slice.manifest().sliver_ids
    request = slice.manifest().edited(lambda root: edit.add(root, rspec.node("n")))
    answer = slice.update(request)
    new = Manifest(answer.rspec).sliver_ids["n"]
    assert states(answer) == {ids["a"]: CHANGING, new: ALLOCATED}
    assert states(slice.cancel()) == {ids["a"]: PROVISIONED, new: GONE}


def test_update_of_a_slice_without_slivers_behaves_like_allocate(slice):
    slice.update(rspec.request()).refused(BADARGS)
    slice.update(rspec.nodes("a"), geni_end_time="soon").refused(BADARGS)
    foreign = rspec.node("a", component_manager_id="urn:publicid:IDN+else.example+authority+am")
    slice.update(rspec.request(foreign)).refused(SEARCHFAILED, "other aggregates")
    # A sliver_id in it means nothing here.
    unknown = f"urn:publicid:IDN+{slice.server.home.authority}+sliver+nobody"
    answer = slice.update(rspec.request(rspec.node("a", sliver_id=unknown)))
    (urn,) = states(answer)
    assert urn != unknown and states(answer) == {urn: ALLOCATED}


def test_unknown_and_foreign_sliver_ids_are_new_resources(new_slice):
    slice, other = new_slice(), new_slice()
    slice.allocate(rspec.nodes("a")).ok()
    foreign = Manifest(other.allocate(rspec.nodes("x")).ok()["geni_rspec"]).sliver_ids["x"]
    before = other.state()
    unknown = "urn:publicid:IDN+else.example+sliver+1"
    request = slice.manifest().edited(
        lambda root: [
            edit.add(root, rspec.node("n", sliver_id=unknown)),
            edit.add(root, rspec.node("m", sliver_id=foreign)),
        ]
    )
    answer = slice.update(request)
    assert set(states(answer).values()) == {ALLOCATED} and len(states(answer)) == 3
    assert not {unknown, foreign} & set(states(answer))
    assert other.state() == before


def test_a_described_sliver_has_to_be_named(slice):
    slice.provisioned(rspec.nodes("a", "b"))
    before, ids = slice.state(), slice.manifest().sliver_ids
    slice.update(slice.manifest().document, [ids["a"]]).refused(BADARGS, ids["b"].rsplit("+", 1)[1])
    slice.update(slice.manifest().document, [ids["a"]], geni_best_effort=True).refused(BADARGS)
    assert slice.state() == before


def test_wrong_documents_change_nothing(slice):
    slice.provisioned(rspec.pair())
    before, ids = slice.state(), slice.manifest().sliver_ids
    twice = rspec.request(rspec.node("x", sliver_id=ids["a"]), rspec.node("y", sliver_id=ids["a"]))
    slice.update(twice).refused(BADARGS, "sliver_id")
    slice.update(rspec.request(rspec.node("x", sliver_id=ids["lan"]))).refused(BADARGS, "is a link")
    slice.update(rspec.request(rspec.node("x", sliver_id=ids["lan"], interfaces=["x:0"]),
                               rspec.link("l", "x:0", sliver_id=ids["a"]))).refused(BADARGS)
    slice.update("").refused(BADARGS)
    slice.update("<rspec").refused(BADARGS)
    slice.update(rspec.request(kind="advertisement")).refused(BADARGS)
    slice.update(rspec.nodes("a").replace("rspec/3", "rspec/2")).refused(BADVERSION)
    slice.update(rspec.nodes("n", image="no-such-image")).refused(BADARGS, "debian-12")
    clash = slice.manifest().edited(lambda root: edit.add(root, rspec.node("a")))
    slice.update(clash).refused(BADARGS, "client_id")
    only_b = slice.manifest().edited(lambda root: edit.keep(root, "b"))
    renamed = only_b.replace('client_id="b"', 'client_id="a"')
    slice.update(renamed, [ids["b"]]).refused(ALREADYEXISTS)
    slice.update(rspec.nodes("n"), []).refused(BADARGS)
    assert slice.state() == before


def test_all_or_nothing_unless_best_effort(slice):
    slice.provisioned(rspec.nodes("a", "b"))
    before, ids = slice.state(), slice.manifest().sliver_ids

    def change(root):
        edit.set_image(root, "a", "fedora-41")
        edit.node(root, "b").set("component_id", "urn:publicid:IDN+nowhere.example+node+pc1")

    request = slice.manifest().edited(change)
    slice.update(request).refused(SEARCHFAILED, '"b"')
    assert slice.state() == before
    answer = slice.update(request, geni_best_effort=True)
    assert states(answer) == {ids["a"]: CHANGING, ids["b"]: PROVISIONED}
    assert "pc1" in entries(answer)[ids["b"]]["geni_error"]
    assert not entries(answer)[ids["a"]].get("geni_error")
    slice.cancel().ok()
    assert slice.state() == before


def test_unknown_slivers_are_refused_or_reported(slice):
    slice.provisioned(rspec.nodes("a"))
    before, ids = slice.state(), slice.manifest().sliver_ids
    unknown = f"urn:publicid:IDN+{slice.server.home.authority}+sliver+0123456789abcdef0123456789abcdef"
    request = slice.manifest().document
    for call in (lambda **extra: slice.update(request, [ids["a"], unknown], **extra),
                 lambda **extra: slice.cancel([ids["a"], unknown], **extra)):
        call().refused(SEARCHFAILED, "0123456789abcdef")
        assert slice.state() == before
        answer = call(geni_best_effort=True)
        assert set(entries(answer)) == {ids["a"], unknown}
        assert entries(answer)[unknown]["geni_error"]
        slice.cancel().ok()
        assert slice.state() == before


def test_an_urn_named_twice_counts_once(slice):
    slice.provisioned(rspec.nodes("a"))
    (urn,) = slice.slivers()
    assert states(slice.update(slice.manifest().document, [urn, urn])) == {urn: CHANGING}
    assert states(slice.cancel([urn, urn])) == {urn: PROVISIONED}


def test_other_calls_while_updating(slice):
    slice.provisioned(rspec.nodes("a"))
    (urn, before), = slice.slivers().items()
    slice.update(other_image(slice.manifest(), "a")).ok()
    for action in ("geni_stop", "geni_restart", "geni_start"):
        slice.action(action).refused(INPROGRESS, "Cancel|Provision")
    (struct,) = slice.action("geni_stop", geni_best_effort=True).ok()
    assert struct["geni_error"] and struct["geni_operational_status"] == "geni_ready"
    until = stamp(days=3)
    (struct,) = slice.renew(until).ok()
    assert (struct["geni_expires"], struct["geni_next_allocation_status"]) == (until, "geni_provisioned")
    # A Renew in between is no part of the change: Cancel keeps the new time.
    assert entries(slice.cancel())[urn]["geni_expires"] == until
    slice.update(other_image(slice.manifest(), "a")).ok()
    (struct,) = slice.delete().ok()
    assert struct["geni_allocation_status"] == "geni_unallocated"
    slice.cancel().refused(SEARCHFAILED)


def test_provision_and_cancel_ignore_what_has_nothing_pending(slice):
    slice.provisioned(rspec.nodes("a"))
    before = slice.state()
    (urn,) = before["slivers"]
    assert states(slice.cancel()) == {urn: PROVISIONED}
    assert states(slice.provision()) == {urn: PROVISIONED}
    assert slice.state() == before


def test_a_part_can_be_provisioned_and_the_rest_cancelled(slice):
    slice.provisioned(rspec.nodes("a", "b"))
    ids = slice.manifest().sliver_ids
    slice.update(other_image(slice.manifest(), "a", "b")).ok()
    assert states(slice.provision([ids["a"]])) == {ids["a"]: PROVISIONED}
    assert states(slice.cancel([ids["b"]])) == {ids["b"]: PROVISIONED}
    slice.wait("geni_ready")
    machines = slice.instances()
    assert (machines[ids["a"]].image, machines[ids["b"]].image) == ("fedora-41", "debian-12")


def test_cancel_needs_a_slice_with_slivers(slice):
    slice.cancel().refused(SEARCHFAILED)
    slice.cancel([]).refused(BADARGS)


def test_describe_shows_both_sides(slice):
    slice.provisioned(rspec.nodes("a", "b"))
    ids = slice.manifest().sliver_ids

    def change(root):
        edit.set_image(root, "a", "fedora-41")
        edit.drop(root, "b")
        edit.add(root, rspec.node("n"))

    before = slice.state()
    slice.update(slice.manifest().edited(change)).ok()
    answer = slice.describe()
    assert set(Manifest(answer.rspec).nodes) == {"a", "n"} and "fedora-41" in answer.rspec
    new = Manifest(answer.rspec).sliver_ids["n"]
    assert states(answer) == {ids["a"]: CHANGING, ids["b"]: GOING, new: ALLOCATED}
    answer = slice.describe(geni_cancelled=True)
    assert states(answer) == {ids["a"]: PROVISIONED, ids["b"]: PROVISIONED}
    assert rspec.canonical(answer.rspec, without=["generated"]) == before["manifest, cancelled=True"]


def test_single_allocation_moves_slices_whole(start_server):
    server = start_server(policy={"single_allocation": True})
    slice = server.slice()
    slice.provisioned(rspec.nodes("a", "b"))
    before, ids = slice.state(), slice.manifest().sliver_ids
    manifest = slice.manifest()
    slice.update(manifest.document, [ids["a"]]).refused(UNSUPPORTED)
    slice.update(manifest.edited(lambda root: edit.keep(root, "a")), [ids["a"]]).refused(UNSUPPORTED)
    slice.update(manifest.document, list(ids.values())).ok()
    slice.cancel([ids["a"]]).refused(UNSUPPORTED)
    slice.provision([ids["a"]]).refused(UNSUPPORTED)
    slice.cancel(list(ids.values())).ok()
    assert slice.state() == before
    slice.update(other_image(manifest, "a")).ok()
    assert set(states(slice.provision()).values()) == {PROVISIONED}


def test_without_room_nothing_changes(start_server):
    server = start_server(mock={"realms": [{"id": "host", "capacity": 2}]})
    slice = server.slice()
    slice.provisioned(rspec.nodes("a"))
    before = slice.state()

    def add(*names):
        return slice.manifest().edited(lambda root: [edit.add(root, rspec.node(name)) for name in names])

    slice.update(add("b", "c")).refused(TOOBIG)
    assert slice.state() == before
    slice.update(add("b")).ok()
    # A second Update takes the place of the first, and may use what that one held.
    slice.update(slice.manifest().edited(lambda root: [edit.drop(root, "b"), edit.add(root, rspec.node("d"))])).ok()
    assert set(slice.manifest().nodes) == {"a", "d"}
    slice.cancel().ok()
    assert slice.state() == before
    slice.allocate(rspec.nodes("e")).ok()


@pytest.mark.parametrize("api", [3, 4])
def test_both_versions_offer_update_and_cancel(new_slice, api):
    slice = new_slice(api=api)
    slice.provisioned(rspec.nodes("a"), started=False)
    assert set(states(slice.update(slice.manifest().document)).values()) == {CHANGING}
    assert set(states(slice.cancel()).values()) == {PROVISIONED}
