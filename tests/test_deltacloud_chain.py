"""An aggregate over a Deltacloud server: experimenters' calls → our driver → our API → the mock cloud."""

import base64
import json

import pytest

from harness import Server, edit, poll, rspec
from harness.cloud import DeltacloudServer


@pytest.fixture
def cloud_file(tmp_path):
    return str(tmp_path / "cloud.sqlite")


@pytest.fixture
def cloud(cloud_file):
    server = DeltacloudServer("--database", cloud_file)
    yield server
    server.stop()


@pytest.fixture
def aggregate(new_home, cloud):
    """An aggregate whose only driver is a client of the Deltacloud server."""
    home = new_home()
    home.over_deltacloud(cloud.url)
    server = Server(home, pace=None)
    yield server
    try:
        server.stop()
    finally:
        server.kill()


def ours(cloud):
    """The instances that the cloud did not have from the start, by id."""
    _, _, body = cloud.call("GET", "/instances")
    first = {"inst0", "inst1", "inst2", "inst3"}
    return {one["id"]: one for one in json.loads(body)["instances"] if one["id"] not in first}


def test_an_experiment_on_a_deltacloud_server(aggregate, cloud):
    slice = aggregate.slice()
    slice.allocate(rspec.nodes("a", "b")).ok()
    assert ours(cloud) == {}
    slice.provision().ok()
    slice.wait("geni_notready")
    slice.action("geni_start").ok()
    slice.wait("geni_ready")
    running = ours(cloud)
    assert len(running) == 2 and {one["state"] for one in running.values()} == {"RUNNING"}
    assert {one["hardware_profile"]["id"] for one in running.values()} == {"m1-small"}
    # The host names that the cloud gave are those that the experimenter logs in to.
    hosts = {one["public_addresses"][0]["address"] for one in running.values()}
    manifest = slice.manifest()
    assert {login.get("hostname") for name in ("a", "b") for login in manifest.logins(name)} == hosts

    slice.delete().ok()
    poll.until(lambda: not ours(cloud), "the cloud without our instances")


def test_a_restart_finds_what_there_is_and_makes_nothing_twice(aggregate, cloud):
    slice = aggregate.slice()
    slice.provisioned(rspec.nodes("a"))
    before = ours(cloud)
    assert len(before) == 1
    aggregate.restart()
    slice.reconnect()
    slice.wait("geni_ready")
    assert set(ours(cloud)) == set(before)
    slice.delete().ok()
    poll.until(lambda: not ours(cloud), "the cloud without our instances")


def test_a_cloud_that_is_away_makes_provision_wait_and_not_fail(aggregate, cloud, cloud_file):
    slice = aggregate.slice()
    slice.allocate(rspec.nodes("a")).ok()
    cloud.process.terminate()
    assert cloud.process.wait(timeout=60) == 0
    slice.provision().ok()
    states = {one["geni_operational_status"] for one in slice.slivers().values()}
    assert states <= {"geni_pending_allocation", "geni_configuring", "geni_notready"}, states
    # The same cloud again, at the same address.
    again = DeltacloudServer("--database", cloud_file, listen=cloud.url.removeprefix("http://").removesuffix("/api"))
    cloud.process = again.process
    slice.wait("geni_notready")
    assert len(ours(cloud)) == 1
    slice.delete().ok()
    poll.until(lambda: not ours(cloud), "the cloud without our instances")


def our_volumes(cloud):
    """The volumes that the cloud did not have from the start, by id."""
    _, _, body = cloud.call("GET", "/storage_volumes")
    first = {"vol1", "vol2", "vol3"}
    return {one["id"]: one for one in json.loads(body)["storage_volumes"] if one["id"] not in first}


def test_volumes_of_a_deltacloud_server(aggregate, cloud):
    slice = aggregate.slice()
    slice.provisioned(rspec.request(rspec.node("a", rspec.blockstore("data", "3GB", "/data"))))
    ((instance, _),) = ours(cloud).items()
    (volume,) = our_volumes(cloud).values()
    assert (volume["capacity"], volume["state"]) == (3, "IN-USE")
    assert slice.manifest().devices("a") == {"data": "/dev/vdb"}

    # One comes, one goes, and the machine runs on.
    def exchange(root):
        node = edit.node(root, "a")
        node.remove(node.find(f"{{{rspec.EMULAB}}}blockstore"))
        edit.add(node, rspec.blockstore("more", "5GB"))

    promised = edit.guarantees(slice.update(slice.manifest().edited(exchange)).ok()["geni_rspec"])
    assert promised == {"a": "geni_no_disruption"}
    slice.provision().ok()
    slice.wait("geni_ready")
    (after,) = our_volumes(cloud).values()
    assert after["capacity"] == 5 and after["id"] != volume["id"]
    assert ours(cloud)[instance]["state"] == "RUNNING"

    slice.delete().ok()
    poll.until(lambda: not ours(cloud) and not our_volumes(cloud), "the cloud without what was ours")


def test_what_no_sliver_knows_is_left_alone(aggregate, cloud):
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    cloud.call("POST", "/instances", b"image_id=img1&name=somebody-elses", **form)
    slice = aggregate.slice()
    slice.provisioned(rspec.nodes("a"))
    slice.delete().ok()
    poll.until(lambda: len(ours(cloud)) == 1, "the cloud with the stranger's instance alone")


def test_an_aggregates_own_drivers_are_served_by_the_api(new_home):
    home = new_home()
    (home.folder / "api-password").write_text("open sesame\n")
    users = [{"name": "operator", "password_file": "api-password"}]
    home.configure(deltacloud={"listen": "127.0.0.1:0", "users": users})
    server = Server(home)
    try:
        url = next(
            word.removeprefix("url=").strip('"')
            for word in server.log.read_text().replace("\x1b[0m", "").replace("\x1b[3m", "").replace("\x1b[2m", "").split()
            if word.startswith("url=")
        )
        slice = server.slice()
        slice.provisioned(rspec.nodes("a"))
        api = DeltacloudServer.__new__(DeltacloudServer)
        api.url = url
        login = {"Authorization": "Basic " + base64.b64encode(b"operator:open sesame").decode()}
        _, _, body = api.call("GET", "/instances", **login)
        shown = [one["id"] for one in json.loads(body)["instances"]]
        assert len(shown) == 1
        assert api.call("GET", "/instances")[0] == 401
        slice.delete().ok()
        server.stop()
        assert "open sesame" not in server.log.read_text()
    finally:
        server.kill()
