"""A large slice of which a little is changed costs what that little costs."""

import time

import pytest

from harness import edit, rspec
from harness.rspec import Manifest

HOSTS = {"realms": [{"id": "host-{n}", "count": 4, "capacity": 500}], "addresses": {
    "kind": "blocks", "public": "198.18.0.0/16", "private": "10.128.0.0/16"}}


def clock(measured, name):
    """Notes how long the body takes."""
    class Watch:
        def __enter__(self):
            self.start = time.monotonic()

        def __exit__(self, *_):
            measured[name] = round((time.monotonic() - self.start) * 1000)

    return Watch()


@pytest.mark.parametrize("size, changed", [(200, 20)])
def test_a_change_of_some_nodes_touches_only_these(start_server, capsys, size, changed):
    server = start_server(mock=HOSTS, reconcile={"busy_seconds": 0.1, "full_seconds": 60.0})
    slice = server.slice()
    names = [f"n{number}" for number in range(size)]
    times = {}
    with clock(times, "Allocate"):
        slice.allocate(rspec.nodes(*names)).ok()
    with clock(times, "Provision"):
        slice.provision().ok()
    slice.wait("geni_notready")
    slice.action("geni_start").ok()
    slice.wait("geni_ready")
    manifest, machines, calls = slice.manifest(), slice.instances(), server.mock.last_call()
    ids = manifest.sliver_ids
    some = names[:: size // changed]
    assert len(some) == changed

    def change(root):
        for name in some:
            edit.set_type(root, name, "medium")

    request = manifest.edited(change)
    with clock(times, "Update"):
        answer = slice.update(request)
    promised = edit.guarantees(answer.ok()["geni_rspec"])
    assert len(promised) == size
    assert {name for name, it in promised.items() if it != "geni_no_disruption"} == set(some)
    assert server.mock.last_call() == calls
    with clock(times, "Cancel"):
        slice.cancel().ok()
    assert rspec.canonical(slice.manifest().document, ["generated"]) == rspec.canonical(manifest.document, ["generated"])
    slice.update(request).ok()
    with clock(times, "Provision of the change"):
        slice.provision().ok()
    slice.wait("geni_ready")
    steps = server.mock.calls(after=calls)
    # Each is stopped, resized and started; no other machine is asked for anything.
    expected = ["instances/resize", "instances/start", "instances/stop"]
    by_machine = {}
    for step in steps:
        assert step.refusal is None, step
        by_machine.setdefault(step.subject, []).append(step.operation)
    wanted = {machines[ids[name]].id for name in some}
    assert set(by_machine) == wanted
    assert all(sorted(operations) == expected for operations in by_machine.values())
    after = slice.instances()
    for name, urn in ids.items():
        kept, now = machines[urn], after[urn]
        assert (kept.id, kept.disk_id) == (now.id, now.disk_id)
        assert now.profile == ("medium" if name in some else "small")
        assert (now.boot_count == kept.boot_count) == (name not in some)
    with capsys.disabled():
        took = ", ".join(f"{name} {ms} ms" for name, ms in times.items())
        print(f"\n{size} nodes, {changed} of them changed: {len(steps)} driver steps; {took}")


def test_a_thousand_slivers_stay_quick(start_server, capsys):
    server = start_server(mock=HOSTS, reconcile={"busy_seconds": 0.5, "full_seconds": 60.0})
    slice = server.slice()
    pairs = range(350)
    slice.allocate(rspec.request(
        *(rspec.node(f"n{n}-{side}", interfaces=[f"n{n}-{side}:0"]) for n in pairs for side in "ab"),
        *(rspec.link(f"l{n}", f"n{n}-a:0", f"n{n}-b:0") for n in pairs),
    )).ok()
    slice.provision().ok()
    slice.wait("geni_notready")
    calls, manifest, times = server.mock.last_call(), slice.manifest(), {}
    with clock(times, "Update"):
        slice.update(manifest.document).ok()
    with clock(times, "Describe"):
        slice.describe().ok()
    with clock(times, "Cancel"):
        slice.cancel().ok()
    slice.update(manifest.document).ok()
    with clock(times, "Provision"):
        slice.provision().ok()
    slice.wait("geni_notready")
    assert server.mock.last_call() == calls
    after = Manifest(slice.describe().rspec)
    assert rspec.canonical(after.document, ["generated"]) == rspec.canonical(manifest.document, ["generated"])
    with capsys.disabled():
        took = ", ".join(f"{name} {ms} ms" for name, ms in times.items())
        print(f"\n{len(after.sliver_ids)} slivers, nothing changed: {took}")
