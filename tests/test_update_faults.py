"""A change is put in place although the cloud fails, answers get lost, or the service is killed; and what Update
promised is kept all the same."""

import random
import time

from harness import edit, poll, rspec

NAMES = [f"n{number}" for number in range(6)]
INSTANCES = ["create", "start", "stop", "reboot", "destroy", "resize", "set_user_data", "rebuild"]


def faults(kind, probability, seed=7, **more):
    return {"seed": seed, "random": [
        {"operation": f"instances/{verb}", "probability": probability, "fault": {"kind": kind, **more}}
        for verb in INSTANCES
    ]}


def larger(slice):
    return slice.manifest().edited(lambda root: [edit.set_type(root, name, "large") for name in NAMES])


def assert_resized_once(before, after):
    """Stopped, resized and started, each once: the same machines with the same disks, booted one time more."""
    assert set(before) == set(after)
    for urn, machine in before.items():
        now = after[urn]
        assert (now.id, now.disk_id, now.profile) == (machine.id, machine.disk_id, "large")
        assert now.boot_count == machine.boot_count + 1


def test_lost_answers_do_nothing_twice(start_server):
    server = start_server()
    slice = server.slice().provisioned(rspec.nodes(*NAMES))
    before = slice.instances()
    server.stop()
    server.home.configure(mock={"faults": faults("lost_answer", 0.25)})
    server.start()
    slice.reconnect()
    assert set(edit.guarantees(slice.update(larger(slice)).ok()["geni_rspec"]).values()) == {"geni_persistent_state"}
    slice.provision().ok()
    slice.wait("geni_ready")
    assert_resized_once(before, slice.instances())
    assert len(server.mock.instances()) == len(NAMES)


def test_a_new_image_needs_one_new_disk_even_when_the_answer_is_lost(start_server):
    server = start_server(mock={"faults": {"seed": 3, "random": [
        {"operation": "instances/rebuild", "probability": 0.6, "fault": {"kind": "lost_answer"}}]}})
    slice = server.slice().provisioned(rspec.nodes(*NAMES))
    calls = server.mock.last_call()
    slice.update(slice.manifest().edited(
        lambda root: [edit.set_image(root, name, "fedora-41") for name in NAMES])).ok()
    slice.provision().ok()
    slice.wait("geni_ready")
    assert {it.image for it in slice.instances().values()} == {"fedora-41"}
    rebuilt = [call.subject for call in server.mock.calls(after=calls) if call.operation == "instances/rebuild"]
    assert sorted(rebuilt) == sorted({it.id for it in slice.instances().values()})


def test_provision_waits_for_a_cloud_that_is_down(start_server):
    server = start_server()
    slice = server.slice().provisioned(rspec.nodes(*NAMES))
    before = slice.instances()
    server.stop()
    server.home.configure(mock={"faults": faults("unavailable", 1.0)})
    server.start()
    slice.reconnect()
    # Neither call needs the cloud.
    slice.update(larger(slice)).ok()
    slice.provision().ok()
    poll.until(lambda: all("cloud" in it["geni_error"] for it in slice.slivers().values()), "a word on the cloud")
    assert {it["geni_operational_status"] for it in slice.slivers().values()} == {"geni_configuring"}
    assert slice.instances() == before
    server.stop()
    server.home.configure(mock={"faults": {"random": []}})
    server.start()
    slice.reconnect()
    slivers = slice.wait("geni_ready")
    assert {it["geni_error"] for it in slivers.values()} == {""}
    assert_resized_once(before, slice.instances())


def test_killed_while_the_change_is_put_in_place(start_server):
    chance = random.Random(5)
    server = start_server(mock={"lifecycle": {"start_ms": 150, "stop_ms": 150}})
    slice = server.slice().provisioned(rspec.nodes(*NAMES))
    before = slice.instances()
    slice.update(larger(slice)).ok()
    slice.provision().ok()
    for _ in range(6):
        time.sleep(chance.uniform(0, 0.12))
        server.restart()
    slice.reconnect().wait("geni_ready")
    assert_resized_once(before, slice.instances())


def test_killed_while_slivers_go_and_move(start_server):
    chance = random.Random(6)
    server = start_server()
    slice = server.slice().provisioned(rspec.nodes(*NAMES))
    ids, before = slice.manifest().sliver_ids, slice.instances()

    def change(root):
        edit.drop(root, "n0", "n1")
        for name in ("n2", "n3"):
            node = edit.node(root, name)
            here = node.get("component_id")
            node.set("component_id", here[:-1] + ("2" if here.endswith("1") else "1"))

    slice.update(slice.manifest().edited(change)).ok()
    slice.provision().ok()
    for _ in range(5):
        time.sleep(chance.uniform(0, 0.08))
        server.restart()
    slice.reconnect().wait("geni_ready")
    poll.until(lambda: len(server.mock.instances()) == 4, "four machines being left")
    after = slice.instances()
    for name in ("n2", "n3"):
        assert after[ids[name]].realm != before[ids[name]].realm
    for name in ("n4", "n5"):
        assert after[ids[name]] == before[ids[name]]
