"""A cloud that is away, forgets, or has what nobody asked for: experimenters wait, and nothing of theirs is lost.

The cloud is a Deltacloud server of ours with a file, so that it can be stopped and come back as the same cloud.
"""

import json
import re
import signal

import pytest

from harness import Server, poll, rspec
from harness.client import options
from harness.cloud import DeltacloudServer
from harness.codes import BUSY, SEARCHFAILED
from harness.rspec import NS

FORM = {"Content_Type": "application/x-www-form-urlencoded"}


class Cloud:
    """A Deltacloud server that goes away and comes back, at one address."""

    def __init__(self, file):
        self.file = str(file)
        self.server = DeltacloudServer("--database", self.file)
        self.url = self.server.url

    def goes(self):
        self.server.stop()
        self.server = None

    def returns(self):
        address = self.url.removeprefix("http://").removesuffix("/api")
        self.server = DeltacloudServer("--database", self.file, listen=address)

    def call(self, *arguments, **headers):
        return self.server.call(*arguments, **headers)

    def ours(self):
        """The instances that the cloud did not have from the start, by id."""
        status, _, body = self.call("GET", "/instances")
        assert status == 200, body
        first = {"inst0", "inst1", "inst2", "inst3"}
        return {one["id"]: one for one in json.loads(body)["instances"] if one["id"] not in first}


@pytest.fixture
def cloud(tmp_path):
    cloud = Cloud(tmp_path / "cloud.sqlite")
    yield cloud
    if cloud.server:
        cloud.goes()


@pytest.fixture
def home(new_home, cloud):
    """The folder of an aggregate whose only driver is a client of the Deltacloud server."""
    home = new_home()
    home.over_deltacloud(cloud.url)
    return home


@pytest.fixture
def start(home):
    """Starts the aggregate; what is still running is stopped in the end."""
    started = []

    def begin():
        started.append(Server(home, pace=None))
        return started[-1]

    yield begin
    for server in started:
        try:
            server.stop()
        finally:
            server.kill()


def advertised(slice) -> set[str]:
    answer = slice.client.call("ListResources", slice.credentials, options())
    return {node.get("component_name") for node in rspec.parse(answer.ok()).findall("r:node", NS)}


def waits_for(slice, driver="dc") -> bool:
    """Whether each sliver says which driver it waits for, since when and until when, and has not failed."""
    said = slice.slivers().values()
    assert all(one["geni_operational_status"] != "geni_failed" for one in said), said
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    form = rf"waiting for the cloud: driver {driver} is not answering since {time} \(.+\); it is (tried again at {time}|being tried again now)"
    return all(re.fullmatch(form, one["geni_error"]) for one in said)


def gone(slice, cloud):
    slice.delete().ok()
    poll.until(lambda: not cloud.ours(), "the cloud without our instances")


def test_a_cloud_that_is_away_at_the_first_start_is_lent_once_it_is_there(start, cloud):
    cloud.goes()
    aggregate = start()
    slice = aggregate.slice()
    assert advertised(slice) == set()
    slice.allocate(rspec.nodes("a")).refused(BUSY, "default-vm", "driver dc has not said yet what it has", "is not answering since", "known so far: none")
    bound = rspec.request(rspec.node("a", component_id="dc-us"))
    slice.allocate(bound).refused(SEARCHFAILED, "dc-us", "driver dc has not said yet what it has")
    cloud.returns()
    poll.until(lambda: advertised(slice) == {"dc-us", "dc-eu"}, "the cloud being advertised")
    slice.provisioned(rspec.nodes("a"))
    assert len(cloud.ours()) == 1
    gone(slice, cloud)


def test_a_start_while_the_cloud_is_away_is_as_if_there_had_been_none(start, cloud):
    aggregate = start()
    slice = aggregate.slice().provisioned(rspec.nodes("a"))
    before, nodes = slice.state(), advertised(slice)
    machines = {id: one["name"] for id, one in cloud.ours().items()}
    assert nodes == {"dc-us", "dc-eu"}
    other = aggregate.slice()
    other.allocate(rspec.nodes("x")).ok()
    aggregate.stop()
    cloud.goes()
    aggregate.start()
    slice.reconnect()
    other.reconnect()
    # What is as it should be has nothing to wait for.
    assert slice.state() == before
    assert advertised(slice) == nodes
    # What was allocated before, and what is allocated now, is provisioned and waits.
    other.allocate(rspec.nodes("y")).ok()
    other.provision().ok()
    poll.until(lambda: waits_for(other), "the slivers saying what they wait for")
    described = other.describe().ok()["geni_slivers"]
    assert all("driver dc is not answering since" in one["geni_error"] for one in described)
    assert {one["geni_operational_status"] for one in described} == {"geni_pending_allocation"}
    cloud.returns()
    slivers = other.wait("geni_notready")
    assert [one["geni_error"] for one in slivers.values()] == ["", ""]
    assert slice.state() == before
    assert {id: cloud.ours()[id]["name"] for id in machines} == machines and len(cloud.ours()) == 3
    slice.delete().ok()
    gone(other, cloud)


def test_a_cloud_that_goes_away_makes_provision_start_and_delete_wait(start, cloud):
    aggregate = start()
    new, built, leaving = aggregate.slice(), aggregate.slice(), aggregate.slice()
    for slice in (built, leaving):
        slice.provisioned(rspec.nodes("a"), started=False)
    new.allocate(rspec.nodes("a")).ok()
    cloud.goes()
    new.provision().ok()
    built.action("geni_start").ok()
    leaving.delete().ok()
    for slice in (new, built):
        poll.until(lambda: waits_for(slice), "the sliver saying what it waits for")
    assert leaving.slivers() == {}
    cloud.returns()
    new.wait("geni_notready")
    slivers = built.wait("geni_ready")
    assert [one["geni_error"] for one in slivers.values()] == [""]
    poll.until(lambda: len(cloud.ours()) == 2, "the deleted sliver's instance going")
    built.delete().ok()
    gone(new, cloud)


def test_what_a_running_cloud_gets_new_is_advertised(start, cloud):
    aggregate = start()
    slice = aggregate.slice()
    answer = slice.client.call("ListResources", slice.credentials, options()).ok()
    assert "copy-of-it" not in answer
    slice.provisioned(rspec.nodes("a"))
    (machine,) = cloud.ours()
    status, _, body = cloud.call("POST", "/images", f"instance_id={machine}&name=copy-of-it".encode(), **FORM)
    assert status == 201, body
    poll.until(
        lambda: "copy-of-it" in slice.client.call("ListResources", slice.credentials, options()).ok(),
        "the new image being advertised",
    )
    gone(slice, cloud)


def test_instances_of_ours_without_a_sliver_are_destroyed(start, cloud):
    aggregate = start()
    slice = aggregate.slice().provisioned(rspec.nodes("a"))
    ((own, machine),) = cloud.ours().items()
    prefix = machine["name"].split("-")[0]
    for name in (f"{prefix}-nobodys", "somebody-elses"):
        status, _, body = cloud.call("POST", "/instances", f"image_id=img1&name={name}".encode(), **FORM)
        assert status == 201, body
    poll.until(
        lambda: sorted(one["name"] for one in cloud.ours().values()) == sorted([machine["name"], "somebody-elses"]),
        "the instance without a sliver going",
    )
    assert cloud.ours()[own]["state"] == "RUNNING"
    slice.delete().ok()


def test_a_sliver_whose_instance_vanished_fails_and_says_why(start, cloud):
    aggregate = start()
    slice = aggregate.slice().provisioned(rspec.nodes("a", "b"))
    names = {urn.rsplit("+", 1)[1]: urn for urn in slice.slivers()}
    lost, machine = next(iter(cloud.ours().items()))
    urn = names[machine["name"].split("-", 1)[1]]
    assert cloud.call("POST", f"/instances/{lost}/stop", b"", **FORM)[0] in (200, 202)
    assert cloud.call("DELETE", f"/instances/{lost}")[0] == 204
    slivers = slice.wait("geni_failed", [urn])
    assert "vanished from the cloud" in slivers[urn]["geni_error"]
    (other,) = set(slivers) - {urn}
    assert (slivers[other]["geni_operational_status"], slivers[other]["geni_error"]) == ("geni_ready", "")
    gone(slice, cloud)


def test_a_cloud_that_hangs_holds_up_neither_the_start_nor_the_others(start, cloud, home):
    # It takes connections and says nothing. The driver itself would wait for ten minutes.
    (settings,) = home.drivers()
    lab = {"name": "lab", "kind": "mock", "database": "mock.sqlite"}
    home.configure(drivers=[{**settings, "timeout": 600.0}, lab])
    cloud.server.process.send_signal(signal.SIGSTOP)
    try:
        aggregate = start()
        slice = aggregate.slice()
        assert {name.split("-")[0] for name in advertised(slice)} == {"lab"}
        slice.provisioned(rspec.nodes("a", "b", sliver_type="small"))
        slice.delete().ok()
    finally:
        cloud.server.process.send_signal(signal.SIGCONT)
    poll.until(lambda: {"dc-us", "dc-eu"} < advertised(slice), "the other cloud being advertised", patience=60)
