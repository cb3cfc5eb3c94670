"""What Update promises is what Provision keeps, shown by the machines themselves (AM API v4 draft, change set C, state
guarantees): same instance and disk for geni_persistent_state, not booted for geni_dynamic_state, not touched for
geni_no_disruption."""

import re
import sqlite3

import pytest

from harness import Server, edit, rspec
from harness.client import KEY, users
from harness.rspec import Manifest

LEVELS = ["geni_none", "geni_persistent_state", "geni_dynamic_state", "geni_no_disruption"]
CHANGES = {
    "image": lambda root: edit.set_image(root, "a", "fedora-41"),
    "type": lambda root: edit.set_type(root, "a", "large"),
    "command": lambda root: edit.set_command(root, "a", "uptime"),
    "type and command": lambda root: [edit.set_type(root, "a", "large"), edit.set_command(root, "a", "uptime")],
    "interface": lambda root: edit.add(edit.node(root, "a"), '<interface client_id="a:9"/>'),
    "nothing": lambda root: None,
}
CLOUDS = {
    "careful": {},
    "live": {"costs": {"resize": "none", "set_user_data": "none", "rebuild": "reboots"}},
    "rebooting": {"costs": {"resize": "reboots", "set_user_data": "reboots", "rebuild": "must_be_stopped"}},
    "plain": {"lacks": ["instances/resize", "instances/set_user_data", "instances/rebuild"]},
}
PROMISES = {
    ("careful", "image"): "geni_none",
    ("careful", "type"): "geni_persistent_state",
    ("careful", "command"): "geni_persistent_state",
    ("careful", "type and command"): "geni_persistent_state",
    ("live", "image"): "geni_none",
    ("live", "type"): "geni_dynamic_state",
    ("live", "command"): "geni_dynamic_state",
    ("live", "type and command"): "geni_dynamic_state",
    ("rebooting", "image"): "geni_none",
    ("rebooting", "type"): "geni_persistent_state",
    ("rebooting", "command"): "geni_persistent_state",
    ("rebooting", "type and command"): "geni_persistent_state",
    ("plain", "image"): "geni_none",
    ("plain", "type"): "geni_none",
    ("plain", "command"): "geni_none",
    ("plain", "type and command"): "geni_none",
}


@pytest.fixture(scope="module", params=list(CLOUDS))
def cloud(request, new_home):
    """A server over each sort of cloud."""
    server = Server(new_home(), mock=CLOUDS[request.param])
    server.kind = request.param
    yield server
    server.stop()


def kept(before, after, level):
    """Whether what the level promises is so."""
    if level == "geni_none":
        return True
    same = (before.id, before.disk_id) == (after.id, after.disk_id)
    return same and (level == "geni_persistent_state" or before.boot_count == after.boot_count)


@pytest.mark.parametrize("other_users", [False, True])
@pytest.mark.parametrize("change", list(CHANGES))
def test_the_promise_is_kept(cloud, change, other_users):
    slice = cloud.slice().provisioned(rspec.nodes("a", "b", interfaces=()))
    ids, machines, calls = slice.manifest().sliver_ids, slice.instances(), cloud.mock.last_call()
    promised = edit.guarantees(slice.update(slice.manifest().edited(CHANGES[change])).ok()["geni_rspec"])
    assert promised["b"] == "geni_no_disruption"
    level = promised["a"]
    assert level == PROMISES.get((cloud.kind, change), "geni_no_disruption")
    assert cloud.mock.last_call() == calls
    people = [(cloud.home.user_urn("alice"), [KEY])] + [(cloud.home.user_urn("bob"), [KEY])] * other_users
    answer = slice.provision(geni_users=users(*people))
    answer.ok()
    # Whose new accounts would need a boot that was promised not to be is told.
    undisturbed = [name for name in ids if promised[name] in ("geni_dynamic_state", "geni_no_disruption")]
    told = re.findall(r"promised not to disturb (.+), whose accounts", answer.output)
    assert told == ([", ".join(undisturbed)] if other_users and undisturbed and cloud.kind != "live" else []), answer.output
    slice.wait("geni_ready")
    after = slice.instances()
    for name, urn in ids.items():
        assert kept(machines[urn], after[urn], promised[name]), (name, promised, machines[urn], after[urn])
    if level == "geni_no_disruption" and not other_users:
        assert cloud.mock.last_call() == calls
    wanted = {"image": ("fedora-41", None), "type": (None, "large"), "type and command": (None, "large")}
    image, profile = wanted.get(change, (None, None))
    machine = after[ids["a"]]
    assert machine.image == (image or "debian-12") and machine.profile == (profile or "small")
    if "command" in change:
        assert "uptime" in machine.user_data
    # What had been promised for that change is no more said once it is made.
    assert edit.guarantees(slice.manifest().document) == {}
    slice.delete().ok()


def test_the_promise_is_about_what_is_granted_not_about_what_was_pending(slice):
    slice.provisioned(rspec.nodes("a"))
    manifest = slice.manifest()
    first = slice.update(manifest.edited(CHANGES["image"])).ok()["geni_rspec"]
    assert edit.guarantees(first) == {"a": "geni_none"}
    # Only the size differs from what runs.
    second = slice.update(manifest.edited(CHANGES["type"])).ok()["geni_rspec"]
    assert edit.guarantees(second) == {"a": "geni_persistent_state"}
    # Both do.
    third = slice.update(Manifest(second).edited(CHANGES["image"])).ok()["geni_rspec"]
    assert edit.guarantees(third) == {"a": "geni_none"}
    assert edit.guarantees(slice.update(manifest.document).ok()["geni_rspec"]) == {"a": "geni_no_disruption"}


def test_nothing_is_promised_for_what_is_not_built(slice):
    slice.allocate(rspec.pair()).ok()
    assert edit.guarantees(slice.update(slice.manifest().document).ok()["geni_rspec"]) == {}


def test_links_are_promised_too(slice):
    slice.provisioned(rspec.pair())
    ids = slice.manifest().sliver_ids
    shaped = slice.manifest().edited(
        lambda root: edit.add(edit.link(root, "lan"), '<property source_id="a:0" dest_id="b:0" capacity="100"/>')
    )
    promised = edit.guarantees(slice.update(shaped).ok()["geni_rspec"])
    assert promised == {"a": "geni_no_disruption", "b": "geni_no_disruption", "lan": "geni_dynamic_state"}
    tag = slice.manifest().links["lan"].get("vlantag")
    slice.provision().ok()
    after = slice.manifest()
    assert after.sliver_ids == ids and after.links["lan"].get("vlantag") == tag
    assert 'capacity="100"' in after.document


def test_a_machine_that_failed_is_built_anew_by_update_and_provision(start_server):
    server = start_server()
    slice = server.slice().provisioned(rspec.nodes("a"))
    (urn,) = slice.slivers()
    before = slice.instances()[urn]
    # Somebody takes it away behind the aggregate's back.
    server.kill()
    with sqlite3.connect(server.home.folder / "mock.sqlite") as file:
        file.execute("DELETE FROM instance WHERE id = ?", [before.id])
    server.start()
    slice.reconnect()
    slivers = slice.wait("geni_failed")
    assert "vanished" in slivers[urn]["geni_error"]
    promised = edit.guarantees(slice.update(slice.manifest().document).ok()["geni_rspec"])
    assert promised == {"a": "geni_none"}
    slice.provision().ok()
    slice.wait("geni_ready")
    assert slice.instances()[urn].id != before.id
    assert slice.slivers()[urn]["geni_error"] == ""
