"""Nothing is destroyed that nobody asked to destroy, in whatever cloud (AM API v3: geni_stop keeps the disk; v4 draft,
change set C: what Update promised is kept)."""

import pytest

from harness import edit, rspec
from harness.poll import until

# Stopping and destroying both go by way of `stopping`, as the drivers of deployed clouds publish it.
SLOW = {"create_ms": 60, "start_ms": 40, "stop_ms": 40, "reboot_ms": 40, "destroy_ms": 40}


def destructions(server):
    return [call for call in server.mock.calls() if call.operation == "instances/destroy"]


@pytest.mark.parametrize("after_create", ["running", "stopped"])
def test_geni_stop_and_update_keep_the_instance_where_stopping_looks_like_destroying(start_server, after_create):
    server = start_server(mock={"lifecycle": SLOW | {"after_create": after_create}})
    slice = server.slice().provisioned(rspec.nodes("a"))
    (before,) = slice.instances().values()
    slice.action("geni_stop").ok()
    slice.wait("geni_notready")
    slice.action("geni_start").ok()
    slice.wait("geni_ready")
    larger = slice.manifest().edited(lambda root: edit.set_type(root, "a", "large"))
    assert set(edit.guarantees(slice.update(larger).ok()["geni_rspec"]).values()) == {"geni_persistent_state"}
    slice.provision().ok()
    slice.wait("geni_ready")
    (after,) = slice.instances().values()
    assert (after.id, after.disk_id, after.profile) == (before.id, before.disk_id, "large")
    assert destructions(server) == []
    slice.delete().ok()


def test_a_cloud_that_can_only_destroy_refuses_geni_stop_and_promises_nothing(start_server):
    server = start_server(mock={"lifecycle": SLOW, "lacks": ["instances/stop"]})
    slice = server.slice()
    slice.allocate(rspec.nodes("a")).ok()
    slice.provision().ok()
    slice.wait("geni_ready")
    (before,) = slice.instances().values()
    slice.action("geni_stop").ok()
    (sliver,) = slice.wait("geni_ready").values()
    assert "cannot be stopped" in sliver["geni_error"]
    assert list(slice.instances().values()) == [before]
    assert destructions(server) == []
    larger = slice.manifest().edited(lambda root: edit.set_type(root, "a", "large"))
    assert set(edit.guarantees(slice.update(larger).ok()["geni_rspec"]).values()) == {"geni_none"}
    slice.cancel().ok()
    slice.delete().ok()


def test_an_instance_that_was_changed_in_its_cloud_is_told_and_put_right_by_update(start_server):
    server = start_server()
    slice = server.slice().provisioned(rspec.nodes("a"))
    (before,) = slice.instances().values()
    server.mock.change_instance(before.id, hardware_profile={"id": "large", "values": {}})

    def told():
        (sliver,) = slice.status().ok()["geni_slivers"]
        return sliver["geni_error"]

    until(lambda: "large instead of" in told(), "the drift is told")
    assert destructions(server) == []
    # The same request again: what it costs to put it right is promised truly, and Provision does it.
    guarantees = edit.guarantees(slice.update(slice.manifest().edited(lambda root: None)).ok()["geni_rspec"])
    assert set(guarantees.values()) == {"geni_persistent_state"}
    slice.provision().ok()
    slice.wait("geni_ready")
    (after,) = slice.instances().values()
    assert (after.id, after.disk_id, after.profile) == (before.id, before.disk_id, before.profile)
    assert told() == ""
