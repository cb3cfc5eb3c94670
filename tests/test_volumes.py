"""Storage volumes of nodes: asked for with Emulab's `blockstore`, made, attached, changed and gone again."""

import json
import subprocess
from pathlib import Path

import pytest

from harness import Server, edit, poll, rspec
from harness.codes import BADARGS, TOOBIG, UNSUPPORTED
from harness.home import FAST
from harness.rspec import EMULAB, blockstore


def one(*volumes, **attributes):
    return rspec.request(rspec.node("a", *volumes, **attributes))


def volumes(slice):
    return {it.name.rsplit("-", 1)[1]: it for it in slice.server.mock.volumes(slice.slivers())}


def machine(slice):
    (found,) = slice.instances().values()
    return found


def changed(slice, change):
    """The node's own element, changed and sent back as the slice's description."""
    return slice.manifest().edited(lambda root: change(edit.node(root, "a")))


def put(slice, document):
    """Updated and provisioned; the guarantee that Update gave."""
    promised = edit.guarantees(slice.update(document).ok()["geni_rspec"])["a"]
    slice.provision().ok()
    slice.wait("geni_ready")
    return promised


def test_volumes_come_with_their_node_and_go_with_it(slice):
    document = one(blockstore("data", "30GB", "/data"), blockstore("scratch", "1TB"))
    answer = slice.allocate(document).ok()
    rspec.validate(answer["geni_rspec"], "manifest")
    assert slice.manifest().devices("a") == {"data": None, "scratch": None}
    assert volumes(slice) == {}, "nothing is built for what is merely allocated"
    slice.provision().ok()
    slice.wait("geni_notready")
    slice.action("geni_start").ok()
    slice.wait("geni_ready")

    instance, made = machine(slice), volumes(slice)
    assert {name: it.capacity for name, it in made.items()} == {"v0": 30, "v1": 1000}
    assert {(it.instance, it.realm) for it in made.values()} == {(instance.id, instance.realm)}
    manifest = slice.manifest()
    assert manifest.devices("a") == {"data": made["v0"].device, "scratch": made["v1"].device}
    assert [it.get("size") for it in manifest.find(manifest.nodes["a"], "e:blockstore")] == ["30GB", "1TB"]
    # Only the one with a mount point is mounted, as the device that it is.
    mounts = [line for line in instance.user_data.splitlines() if "/etc/fstab" in line]
    assert len(mounts) == 1 and f'"mount","{made["v0"].device}","/data"]' in mounts[0]

    urns = list(slice.slivers())
    slice.delete().ok()
    poll.until(lambda: not slice.server.mock.volumes(urns), "the volumes going")
    assert not slice.server.mock.by_sliver(urns)


def test_a_manifest_sent_back_changes_nothing(slice):
    slice.provisioned(one(blockstore("data", mountpoint="/data")))
    before, calls = volumes(slice), slice.server.mock.last_call()
    assert put(slice, slice.manifest().document) == "geni_no_disruption"
    assert volumes(slice) == before
    assert not [it for it in slice.server.mock.calls(calls) if it.operation.startswith("storage_volumes")]


def test_a_running_node_gets_and_loses_volumes_undisturbed(slice):
    slice.provisioned(one(blockstore("old")))
    instance, (old,) = machine(slice), volumes(slice).values()

    def exchange(node):
        node.remove(node.find(f"{{{EMULAB}}}blockstore"))
        edit.add(node, blockstore("new", "5GB", "/new"))

    assert put(slice, changed(slice, exchange)) == "geni_no_disruption"
    now = volumes(slice)
    assert list(now) == ["v1"] and now["v1"].capacity == 5 and now["v1"].instance == instance.id
    after = machine(slice)
    assert (after.id, after.boot_count, after.disk_id) == (instance.id, instance.boot_count, instance.disk_id)
    assert after.user_data == instance.user_data, "where to mount it is told to fresh disks only"
    assert slice.manifest().devices("a") == {"new": now["v1"].device}
    # A fresh disk is told.
    assert put(slice, slice.manifest().edited(lambda root: edit.set_image(root, "a", "fedora-41"))) == "geni_none"
    assert volumes(slice) == now, "what a volume holds outlives another image"
    assert f'"mount","{now["v1"].device}","/new"]' in machine(slice).user_data


def test_a_volume_of_another_size_is_another_and_that_is_said(slice):
    slice.provisioned(one(blockstore("data"), blockstore("other")))
    before, instance = volumes(slice), machine(slice)
    larger = changed(slice, lambda node: node.find(f"{{{EMULAB}}}blockstore").set("size", "20GB"))
    assert edit.guarantees(slice.update(larger).ok()["geni_rspec"])["a"] == "geni_none"
    assert volumes(slice) == before
    slice.cancel().ok()
    assert volumes(slice) == before
    assert put(slice, larger) == "geni_none"
    after = volumes(slice)
    assert set(after) == {"v1", "v2"} and after["v1"] == before["v1"]
    assert after["v2"].capacity == 20 and machine(slice).boot_count == instance.boot_count


def test_cancel_leaves_volumes_as_they_were(slice):
    slice.provisioned(one(blockstore("data")))
    before, state = volumes(slice), slice.state()
    slice.update(changed(slice, lambda node: edit.add(node, blockstore("more")))).ok()
    slice.cancel().ok()
    assert slice.state() == state and volumes(slice) == before


def test_a_moved_node_gets_fresh_volumes_where_it_goes(start_server):
    server = start_server(mock={"realms": [{"id": "r1", "capacity": 4}, {"id": "r2", "capacity": 4}]})
    slice = server.slice().provisioned(one(blockstore("data")))
    (before,) = volumes(slice).values()
    there = "r2" if before.realm == "r1" else "r1"
    component = slice.manifest().nodes["a"].get("component_id")
    moved = component.replace(before.realm, there)
    assert put(slice, changed(slice, lambda node: node.set("component_id", moved))) == "geni_none"
    (after,) = volumes(slice).values()
    assert (after.realm, after.instance) == (there, machine(slice).id) and after.id != before.id


@pytest.mark.parametrize("cost", ["must_be_stopped", "next_boot", "reboots"])
def test_a_cloud_that_cannot_do_it_running_reboots_the_node_and_says_so(start_server, cost):
    server = start_server(mock={"costs": {"storage_volume": cost}})
    slice = server.slice().provisioned(one(blockstore("data")))
    before = machine(slice)
    more = changed(slice, lambda node: edit.add(node, blockstore("more")))
    assert put(slice, more) == "geni_persistent_state"
    after = machine(slice)
    assert (after.id, after.disk_id) == (before.id, before.disk_id)
    assert {it.instance for it in volumes(slice).values()} == {after.id} and len(volumes(slice)) == 2


def test_shutdown_keeps_volumes(start_server):
    server = start_server()
    slice = server.slice().provisioned(one(blockstore("data")))
    before = server.mock.volumes()
    slice.shutdown().ok()
    poll.until(lambda: server.mock.instances()[0].state == "stopped", "the instance being stopped")
    assert server.mock.volumes() == before and before[0].instance == server.mock.instances()[0].id


@pytest.mark.parametrize(
    "asked, code, words",
    [
        (blockstore("a", "much"), BADARGS, "size=\"much\" should be a whole number of GB or TB"),
        (blockstore("a") + blockstore("a"), BADARGS, "two blockstores of the node have the name \"a\""),
        (blockstore("a", mountpoint="data"), BADARGS, "mountpoint=\"data\" should be an absolute path"),
        (blockstore("a", dataset="urn:publicid:IDN+x:p+ltdataset+d"), UNSUPPORTED, "dataset="),
        (blockstore("a", **{"class": "remote"}), UNSUPPORTED, "class=\"remote\" is not done here"),
        (blockstore("a", "1001GB"), TOOBIG, "larger than the 1000 GB"),
        ("".join(blockstore(f"v{n}") for n in range(9)), TOOBIG, "9 volumes, more than the 8"),
    ],
)
def test_what_cannot_be_had_is_refused_with_its_place(slice, asked, code, words):
    answer = slice.allocate(one(asked))
    assert answer.code == code and words in answer.output and "line 3, column " in answer.output, answer.output
    assert slice.slivers() == {}
    # A change is refused in the same words and leaves everything as it was.
    slice.provisioned(one(blockstore("first")))
    state = slice.state()
    first = slice.manifest().document
    answer = slice.update(first.replace("<services", asked + "<services", 1))
    assert answer.code == code and words.replace("9 volumes", "10 volumes") in answer.output, answer.output
    assert slice.state() == state


def test_a_driver_without_volumes_says_so_and_is_not_chosen(start_server):
    server = start_server(mock={"lacks": ["storage_volumes/attach"]})
    slice = server.slice()
    answer = slice.allocate(one(blockstore("data")))
    assert answer.code == UNSUPPORTED and "blockstore" in answer.output, answer.output
    slice.provisioned(one())
    answer = slice.update(changed(slice, lambda node: edit.add(node, blockstore("data"))))
    assert answer.code == UNSUPPORTED and "storage volumes (blockstore)" in answer.output, answer.output


def test_an_operator_may_offer_none(start_server):
    server = start_server(volumes={"per_node": 0})
    assert EMULAB not in server.client().call("GetVersion").ok()["geni_request_rspec_versions"][0]["extensions"]
    answer = server.slice().allocate(one(blockstore("data")))
    assert answer.code == UNSUPPORTED and "blockstore" in answer.output, answer.output


def test_what_there_is_is_advertised_and_counted(start_server):
    server = start_server(volumes={"total_gigabytes": 50, "largest_gigabytes": 40})
    version = server.client().call("GetVersion").ok()
    assert EMULAB in version["geni_request_rspec_versions"][0]["extensions"]
    slice, other = server.slice(), server.slice()
    answer = slice.client.call(
        "ListResources", slice.credentials, {"geni_rspec_version": {"type": "GENI", "version": "3"}}
    ).ok()
    offered = rspec.parse(answer).xpath("r:node/e:blockstore", namespaces=rspec.NS)
    assert {(it.get("class"), it.get("size")) for it in offered} == {("local", "40GB")}
    slice.provisioned(one(blockstore("data", "30GB")))
    answer = other.allocate(one(blockstore("data", "21GB")))
    assert answer.code == TOOBIG and "20 GB are left" in answer.output, answer.output
    other.allocate(one(blockstore("data", "20GB"))).ok()
    slice.delete().ok()
    server.slice().allocate(one(blockstore("data", "30GB"))).ok()


def storage_faults(kind, probability, *verbs, **more):
    return {"faults": {"seed": 5, "random": [
        {"operation": f"storage_volumes/{verb}", "probability": probability, "fault": {"kind": kind, **more}}
        for verb in verbs or ["create", "attach", "detach", "destroy"]
    ]}}


def done(server, operation):
    """The things to which this was done."""
    return [it.subject for it in server.mock.calls() if it.operation == operation and it.refusal is None]


@pytest.mark.parametrize("kind", ["lost_answer", "unavailable", "error_after"])
def test_a_failing_cloud_gets_each_volume_made_once_and_none_left(start_server, kind):
    server = start_server(mock=storage_faults(kind, 0.3))
    slice = server.slice().provisioned(rspec.request(
        *(rspec.node(f"n{n}", blockstore("data"), blockstore("more", "1GB")) for n in range(4))
    ))
    made = server.mock.volumes()
    assert len(made) == 8 and len({it.name for it in made}) == 8
    machines = {it.id for it in slice.instances().values()}
    assert {it.instance for it in made} == machines
    slice.delete().ok()
    poll.until(lambda: not server.mock.volumes(), "the volumes going")


@pytest.mark.parametrize("moment", ["create", "attach"])
def test_killed_while_a_volume_is_made_it_is_made_once(start_server, moment):
    server = start_server(mock=storage_faults("delay", 1.0, moment, milliseconds=3_600_000))
    slice = server.slice()
    slice.allocate(one(blockstore("data"))).ok()
    slice.provision().ok()
    if moment == "attach":
        # It is there, and nobody has it.
        poll.until(server.mock.volumes, "the volume")
        assert server.mock.volumes()[0].instance is None
    else:
        poll.until(server.mock.instances, "the instance")
    server.kill()
    server.home.configure(mock={"faults": {"random": []}})
    server.start()
    slice.reconnect()
    slice.wait("geni_notready")
    (volume,) = server.mock.volumes()
    assert volume.instance == machine(slice).id and volume.name.endswith("-v0")
    assert len(done(server, "storage_volumes/create")) <= 2
    assert slice.manifest().devices("a") == {"data": volume.device}


def test_killed_between_the_making_and_the_end_of_a_slice_nothing_is_left(start_server):
    server = start_server(mock=storage_faults("delay", 1.0, "attach", milliseconds=3_600_000))
    slice = server.slice()
    slice.allocate(one(blockstore("data"))).ok()
    slice.provision().ok()
    poll.until(server.mock.volumes, "the volume")
    slice.delete().ok()
    server.kill()
    server.home.configure(mock={"faults": {"random": []}})
    server.start()
    poll.until(lambda: not server.mock.volumes() and not server.mock.instances(), "everything going")


def test_a_volume_of_ours_that_nobody_has_is_destroyed(start_server):
    server = start_server()
    slice = server.slice().provisioned(one(blockstore("data")))
    (own,) = server.mock.volumes()
    server.stop()
    # As if a volume had been made for an Update whose making was forgotten, one for a sliver, and somebody else's.
    stem = own.name.removesuffix("-v0")
    for name in (f"{stem}-v7", f"{stem[:-3]}abc-v0", "somebody-elses-v0"):
        server.mock.add_volume(name, like=own)
    server.start()
    slice.reconnect()
    left = {own.name, "somebody-elses-v0"}
    poll.until(lambda: {it.name for it in server.mock.volumes()} == left, "the strays going")
    assert server.mock.volumes()[0] == own and list(slice.slivers().values())[0]["geni_error"] == ""


def test_a_volume_that_vanished_is_not_replaced_by_an_empty_one_without_a_word(start_server):
    server = start_server()
    slice = server.slice().provisioned(one(blockstore("data")))
    server.mock.lose_volume(server.mock.volumes()[0].id)
    slice.action("geni_stop").ok()
    slice.wait("geni_failed")
    (sliver,) = slice.slivers().values()
    assert 'its volume "data" vanished' in sliver["geni_error"]
    assert server.mock.volumes() == []
    promised = edit.guarantees(slice.update(slice.manifest().document).ok()["geni_rspec"])
    assert promised == {"a": "geni_none"}
    slice.provision().ok()
    slice.wait("geni_notready")
    (fresh,) = server.mock.volumes()
    assert fresh.instance == machine(slice).id


def test_a_node_with_volumes_goes_where_they_can_be_had_and_moves_nowhere_else(new_home):
    home = new_home()
    home.configure(**FAST)
    (full,) = home.drivers()
    # It has by far the most room, and comes first.
    bare = {**full, "name": "bare", "database": "bare.sqlite", "lacks": ["storage_volumes/create"],
            "realms": [{"id": "wide", "capacity": 10_000}]}
    home.configure(drivers=[bare, full])
    server = Server(home)
    try:
        slice = server.slice().provisioned(rspec.request(rspec.node("a", blockstore("data")), rspec.node("b")))
        manifest = slice.manifest()
        where = {name: node.get("component_name") for name, node in manifest.nodes.items()}
        assert where["b"] == "bare-wide" and where["a"].startswith(full["name"] + "-")
        there = manifest.nodes["b"].get("component_id")
        answer = slice.update(changed(slice, lambda node: node.set("component_id", there)))
        assert answer.code == UNSUPPORTED and 'driver "bare" of component bare-wide cannot give' in answer.output
        # Without its volume it can go, and the volume is gone with what it leaves.

        def leave(node):
            node.set("component_id", there)
            node.remove(node.find(f"{{{EMULAB}}}blockstore"))

        assert put(slice, changed(slice, leave)) == "geni_none"
        poll.until(lambda: not server.mock.volumes() and not server.mock.instances(), "what is left behind going")
        server.stop()
    finally:
        server.kill()


def test_each_of_many_nodes_gets_its_own(start_server):
    server = start_server()
    count = 120
    slice = server.slice()
    slice.allocate(rspec.request(*(rspec.node(f"n{n}", blockstore("d", "1GB")) for n in range(count)))).ok()
    slice.provision().ok()
    slice.wait("geni_notready")
    assert len({it.instance for it in server.mock.volumes()}) == count
    operations = [it.operation for it in server.mock.calls()]
    assert operations.count("storage_volumes/create") == operations.count("storage_volumes/attach") == count
    slice.delete().ok()
    poll.until(lambda: not server.mock.volumes(), "the volumes going")


GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")


def test_what_a_machine_is_told_mounts_the_volume_at_every_boot(slice, tmp_path):
    slice.provisioned(one(blockstore("data", mountpoint="/data/my-disk")))
    (device,) = slice.manifest().devices("a").values()
    (line,) = [it for it in machine(slice).user_data.splitlines() if "/etc/fstab" in it]
    shell, option, script, *arguments = json.loads(line.removeprefix("  - "))
    assert arguments == ["mount", device, "/data/my-disk"]

    # Run as cloud-init would, in a folder, with a stand-in for the machine's systemd.
    table, log, tools = tmp_path / "fstab", tmp_path / "log", tmp_path / "bin"
    tools.mkdir()
    for tool, does in (("systemctl", f'echo "$*" >>{log}'), ("systemd-escape", "echo escaped.automount")):
        (tools / tool).write_text(f"#!/bin/sh\n{does}\n")
        (tools / tool).chmod(0o755)
    script = script.replace("/etc/fstab", str(table))
    arguments[2] = str(tmp_path / "data/my-disk")
    subprocess.run([shell, option, script, *arguments], check=True, env={"PATH": f"{tools}:/usr/bin:/bin"})
    assert (tmp_path / "data/my-disk").is_dir()
    assert log.read_text().splitlines() == ["daemon-reload", "start escaped.automount"]

    # What systemd makes of the table: mounted on first use, given a file system if it has none, waited for.
    if not GENERATOR.exists():
        pytest.skip("there is no systemd here to read the table")
    table.write_text(table.read_text().replace(str(tmp_path), ""))
    units = [tmp_path / name for name in ("normal", "early", "late")]
    for folder in units:
        folder.mkdir()
    subprocess.run([GENERATOR, *units], check=True, env={"SYSTEMD_FSTAB": str(table)})
    made = {str(it.relative_to(units[0])) for it in units[0].rglob("*")}
    name = subprocess.run(["systemd-escape", "--path", "/data/my-disk"], capture_output=True, text=True).stdout.strip()
    disk = device.removeprefix("/").replace("/", "-")
    assert f"local-fs.target.wants/{name}.automount" in made
    assert f"{name}.mount.requires/systemd-makefs@{disk}.service" in made
    assert f"local-fs.target.requires/{name}.mount" not in made, "a boot never fails for want of it"
    mount = (units[0] / f"{name}.mount").read_text()
    assert f"What={device}\nWhere=/data/my-disk\nType=ext4\n" in mount
