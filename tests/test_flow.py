"""An experiment from GetVersion to Delete with Python's own XML-RPC client, on every URL."""

import base64
import re
import zlib
from datetime import datetime, timedelta, timezone

import pytest

from harness import poll, rspec
from harness.client import KEY, credential, ed25519_key, options, users
from harness.codes import SEARCHFAILED
from harness.rspec import Manifest, canonical

PATHS = [("/am/3.0", 3), ("/", 3), ("/am/4.0", 4)]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
# Draft change set O: the form of types, versions and operational states.
TOKEN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_.:]*")
SLIVER_MEMBERS = {
    "geni_sliver_urn",
    "geni_allocation_status",
    "geni_next_allocation_status",
    "geni_operational_status",
    "geni_expires",
    "geni_error",
}


def moment(text: str) -> datetime:
    assert TIME.fullmatch(text), text
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def check_slivers(slivers, allocation, operational, following=""):
    """AM API v3, per-sliver return struct; the fourth state member is the v4 draft's."""
    assert slivers
    for sliver in slivers:
        assert set(sliver) == SLIVER_MEMBERS
        assert all(isinstance(value, str) for value in sliver.values())
        assert sliver["geni_allocation_status"] == allocation
        assert sliver["geni_operational_status"] in operational
        assert sliver["geni_next_allocation_status"] == following
        assert sliver["geni_error"] == ""
        moment(sliver["geni_expires"])


@pytest.mark.parametrize("path, api", PATHS)
def test_get_version_tells_everything_a_client_asks_for(server, path, api):
    # AM API v3, GetVersion; v4 draft, change sets N (am_type, code version) and O (forms of strings).
    answer = server.client(path=path).call("GetVersion")
    value = answer.ok()
    assert answer.raw["geni_api"] == value["geni_api"] == api and type(value["geni_api"]) is int
    assert value["geni_api_versions"] == {"3": server.url(3), "4": server.url(4)}
    for url_api, url in value["geni_api_versions"].items():
        there = server.client(path=url.removeprefix(server.base_url)).call("GetVersion").ok()
        assert there["geni_api"] == int(url_api)
    for kind in ("request", "ad"):
        for version in value[f"geni_{kind}_rspec_versions"]:
            assert {name: type(it) for name, it in version.items()} == {
                "type": str,
                "version": str,
                "schema": str,
                "namespace": str,
                "extensions": list,
            }
            assert TOKEN.fullmatch(version["type"]) and TOKEN.fullmatch(version["version"])
            assert version["schema"] == f"{rspec.RSPEC}/{kind}.xsd"
            assert all(isinstance(extension, str) for extension in version["extensions"])
        assert ("GENI", "3") in {(it["type"].upper(), it["version"]) for it in value[f"geni_{kind}_rspec_versions"]}
    assert {(it["geni_type"], it["geni_version"]) for it in value["geni_credential_types"]} >= {
        ("geni_sfa", "2"),
        ("geni_sfa", "3"),
    }
    # The acceptance tests for version 3 take nothing but an integer; the text says boolean.
    assert value["geni_single_allocation"] in (0, False)
    assert type(value["geni_single_allocation"]) is (int if api == 3 else bool)
    assert value["geni_allocate"] == "geni_many"
    assert isinstance(value["geni_am_type"], list) and value["geni_am_type"]
    assert all(re.fullmatch(r"[a-zA-Z0-9]+", kind) for kind in value["geni_am_type"])
    assert answer.raw["code"]["am_type"] in value["geni_am_type"]
    assert re.fullmatch(r"[a-zA-Z0-9\-.:#_+()]+", value["geni_am_code_version"])
    assert value["geni_unicode_compliant"] is False and value["geni_handles_speaksfor"] is False
    assert value["geni_urn"] == value["urn"] == server.home.urn


def test_get_version_takes_no_argument_or_any_options(server):
    # AM API v3, GetVersion: the options may be left out; unknown ones are ignored.
    client = server.client()
    first = client.call("GetVersion").ok()
    assert client.call("GetVersion", {}).ok() == first
    assert client.call("GetVersion", {"geni_nothing": [1, {"a": True}]}).ok() == first


@pytest.mark.parametrize("path, api", PATHS)
def test_the_whole_flow(server, path, api):
    # AM API v3: the calls in the order of a first experiment, and what each answers.
    slice = server.slice(caller=server.client(path=path))
    client = slice.client
    user_credential = [credential(server.home.user_credential("alice"))]

    ad = client.call("ListResources", user_credential, options()).ok()
    packed = client.call("ListResources", user_credential, options(geni_compressed=True)).ok()
    assert canonical(zlib.decompress(base64.b64decode(packed)).decode(), ["generated"]) == canonical(ad, ["generated"])
    assert rspec.parse(ad).xpath("count(r:node)", namespaces=rspec.NS) == 6
    rspec.validate(ad, "ad")

    # Allocate: a short lease, nothing built.
    before = server.mock.last_call()
    asked = rspec.pair()
    answer = slice.allocate(asked)
    value = answer.ok()
    assert set(value) == {"geni_rspec", "geni_urn", "geni_slivers"} and value["geni_urn"] == slice.urn
    check_slivers(answer.slivers, "geni_allocated", {"geni_pending_allocation"}, "geni_provisioned")
    now = datetime.now(timezone.utc)
    assert all(now < moment(it["geni_expires"]) <= now + timedelta(minutes=11) for it in answer.slivers)
    manifest = Manifest(answer.rspec)
    rspec.validate(answer.rspec, "manifest")
    assert set(manifest.nodes) == {"a", "b"} and set(manifest.links) == {"lan"}
    assert set(manifest.sliver_ids.values()) == {it["geni_sliver_urn"] for it in answer.slivers}
    assert server.mock.last_call() == before and not slice.instances()

    # Provision: a long lease, at once; the machines follow by themselves and are not started.
    answer = slice.provision(geni_users=users((server.home.user_urn("alice"), [KEY])))
    check_slivers(answer.slivers, "geni_provisioned", {"geni_pending_allocation", "geni_notready"})
    assert all(moment(it["geni_expires"]) > now + timedelta(days=6) for it in answer.slivers)
    assert answer.slivers[0]["geni_expires"] in answer.output
    rspec.validate(answer.rspec, "manifest")
    slice.wait("geni_notready")
    check_slivers(slice.status().slivers, "geni_provisioned", {"geni_notready"})
    assert {it.state for it in slice.instances().values()} == {"stopped"}

    # Describe, plain and compressed: the answer's RSpec alone is packed.
    answer = slice.describe()
    check_slivers(answer.slivers, "geni_provisioned", {"geni_notready"})
    packed = slice.describe(geni_compressed=True)
    assert packed.slivers == answer.slivers and packed.value["geni_urn"] == slice.urn
    unpacked = zlib.decompress(base64.b64decode(packed.rspec)).decode()
    assert canonical(unpacked, ["generated"]) == canonical(answer.rspec, ["generated"])
    rspec.validate(answer.rspec, "manifest")

    # Renew: exactly the time asked for, in the form Omni sends it, and said again in words.
    until = (datetime.now(timezone.utc) + timedelta(days=9)).replace(microsecond=0)
    answer = slice.renew(until.strftime("%Y-%m-%dT%H:%M:%S+00:00"))
    check_slivers(answer.ok(), "geni_provisioned", {"geni_notready"})
    assert {moment(it["geni_expires"]) for it in answer.slivers} == {until}
    assert until.strftime("%Y-%m-%dT%H:%M:%SZ") in answer.output
    assert slice.manifest().root.get("expires") == until.strftime("%Y-%m-%dT%H:%M:%SZ")

    # PerformOperationalAction: start, restart, stop.
    answer = slice.action("geni_start")
    check_slivers(answer.ok(), "geni_provisioned", {"geni_configuring", "geni_ready"})
    slice.wait("geni_ready")
    assert {it.state for it in slice.instances().values()} == {"running"}
    boots = {urn: it.boot_count for urn, it in slice.instances().items()}
    check_slivers(slice.action("geni_restart").ok(), "geni_provisioned", {"geni_configuring", "geni_ready"})
    slice.wait("geni_ready")
    assert all(it.boot_count == boots[urn] + 1 for urn, it in slice.instances().items())
    check_slivers(slice.action("geni_stop").ok(), "geni_provisioned", {"geni_stopping", "geni_notready"})
    slice.wait("geni_notready")
    assert {it.state for it in slice.instances().values()} == {"stopped"}

    # Delete: gone at once for the experimenter, and soon in the cloud.
    held = slice.instances()
    answer = slice.delete()
    check_slivers(answer.ok(), "geni_unallocated", {"geni_pending_allocation"})
    slice.status().refused(SEARCHFAILED, "no slivers")
    slice.delete().refused(SEARCHFAILED, "no slivers")
    assert slice.describe().ok()["geni_slivers"] == []
    assert Manifest(slice.describe().rspec).nodes == {}
    poll.until(lambda: not slice.server.mock.by_sliver(held), "the instances going")

    # Shutdown of a slice that has nothing here is done as well.
    assert slice.shutdown().ok() is True


def test_a_manifest_made_over_one_url_is_seen_over_the_others(server, new_slice):
    # AM API v3: the versions are ways to call one aggregate.
    slice = new_slice(api=3)
    slice.allocate(rspec.nodes("a")).ok()
    over_v4 = server.slice(slice.name, api=4)
    assert over_v4.state() == slice.state()


def test_only_available_nodes_are_listed_on_request(start_server):
    # AM API v3, ListResources, geni_available; booleans as several clients write them.
    server = start_server(mock={"realms": [{"id": "free", "exclusive": True}, {"id": "taken", "exclusive": True}]})
    slice = server.slice()
    slice.allocate(rspec.request(rspec.node("x", component_id="lab-taken", exclusive="true"))).ok()
    user = [credential(server.home.user_credential("alice"))]

    def listed(**wish):
        ad = server.client().call("ListResources", user, options(**wish)).ok()
        found = rspec.parse(ad).xpath("r:node", namespaces=rspec.NS)
        return {it.get("component_name"): it.xpath("string(r:available/@now)", namespaces=rspec.NS) for it in found}

    for wish in (True, 1, "true"):
        assert listed(geni_available=wish) == {"lab-free": "true"}
    for wish in (False, 0, "false"):
        assert listed(geni_available=wish) == {"lab-free": "true", "lab-taken": "false"}
    slice.delete().ok()
    assert listed(geni_available=True) == {"lab-free": "true", "lab-taken": "true"} == listed()


def test_the_advertisement_shows_types_images_places_and_states(server):
    # RSpec v3 advertisement; opstate/1 for what an experimenter may do in which state.
    user = [credential(server.home.user_credential("alice"))]
    ad = server.client().call("ListResources", user, options()).ok()
    rspec.validate(ad, "ad")
    root = rspec.parse(ad)
    assert root.get("type") == "advertisement" and "ad.xsd" in ad
    for node in root.xpath("r:node", namespaces=rspec.NS):
        find = lambda path: node.xpath(path, namespaces=rspec.NS)
        assert node.get("component_manager_id") == server.home.urn
        assert node.get("component_id").startswith(f"urn:publicid:IDN+{server.home.authority}+node+")
        assert node.get("exclusive") in ("true", "false")
        assert find("r:hardware_type/@name") and find("r:location/@country") and find("r:sliver_type/@name")
        assert find("r:sliver_type/r:disk_image/@name")
    states = root.xpath("o:rspec_opstate", namespaces=rspec.NS)
    assert states
    for opstate in states:
        assert opstate.get("aggregate_manager_id") == server.home.urn
        declared = set(opstate.xpath("o:state/@name", namespaces=rspec.NS))
        named = set(opstate.xpath("o:state/*/@next | @start", namespaces=rspec.NS)) - {"geni_pending_allocation"}
        assert named <= declared
        assert {"geni_notready", "geni_ready"} <= declared
        advertised = set(opstate.xpath("o:sliver_type/@name", namespaces=rspec.NS))
        assert set(root.xpath("r:node/r:sliver_type/@name", namespaces=rspec.NS)) <= advertised


def test_other_keys_reach_a_running_machine(slice):
    # AM API v3, geni_update_users: replaces the keys of those named, leaves the others alone.
    slice.provisioned(rspec.nodes("a"))
    home = slice.server.home
    bob = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIG2N9j80sbaY1nmljEToRcN55XktyW4TR4LTP2exYzp bob@test"
    slice.action("geni_update_users", geni_users=users((home.user_urn("bob"), [bob]))).ok()
    slice.wait("geni_ready")
    (machine,) = slice.instances().values()
    assert bob in machine.user_data and KEY in machine.user_data
    found = {it.get("username") for it in slice.manifest().logins("a")}
    assert found == {"alice", "bob"}


def test_keys_as_editors_and_web_pages_leave_them_are_taken(slice):
    # Byte order mark, tabs, line ends of another system; the machine gets plain lines.
    slice.allocate(rspec.nodes("a")).ok()
    kind, data, comment = KEY.split(" ")
    file = f"\ufeff# my keys\r\n{kind}\t{data}\t{comment}\r\n\r\n{ed25519_key(1)} two words\r\n"
    slice.provision(geni_users=users((slice.server.home.user_urn("alice"), [file]))).ok()
    slice.wait("geni_notready")
    (machine,) = slice.instances().values()
    assert KEY in machine.user_data and f"{ed25519_key(1)} two words" in machine.user_data
    assert "\\t" not in machine.user_data and "\ufeff" not in machine.user_data


def test_a_second_allocate_adds_to_the_slice(slice):
    # AM API v3, geni_allocate: a geni_many aggregate takes any number of Allocates per slice.
    first = Manifest(slice.allocate(rspec.nodes("a")).ok()["geni_rspec"])
    second = Manifest(slice.allocate(rspec.nodes("b")).ok()["geni_rspec"])
    assert set(second.nodes) == {"b"}, "the manifest of Allocate holds what it allocated"
    assert slice.manifest().sliver_ids == {**first.sliver_ids, **second.sliver_ids}


def test_slivers_go_their_own_ways(slice):
    # AM API v3: urns may name single slivers of a slice.
    ids = Manifest(slice.allocate(rspec.nodes("a", "b")).ok()["geni_rspec"]).sliver_ids
    answer = slice.provision([ids["a"]])
    assert set(Manifest(answer.rspec).nodes) == {"a"}
    states = {urn: it["geni_allocation_status"] for urn, it in slice.slivers().items()}
    assert states == {ids["a"]: "geni_provisioned", ids["b"]: "geni_allocated"}
    named_twice = slice.describe([ids["b"], ids["b"]])
    assert len(named_twice.slivers) == 1 and set(Manifest(named_twice.rspec).nodes) == {"b"}
    # A mixed Provision leaves what is provisioned as it is (v4 draft, Provision).
    before = slice.slivers()[ids["a"]]
    slice.provision().ok()
    assert slice.slivers()[ids["a"]]["geni_expires"] == before["geni_expires"]
    [gone] = slice.delete([ids["a"]]).ok()
    assert gone["geni_sliver_urn"] == ids["a"] and gone["geni_allocation_status"] == "geni_unallocated"
    assert set(slice.slivers()) == {ids["b"]}


def test_provision_again_changes_nothing(slice):
    # v4 draft, Provision: slivers that are neither allocated nor updating are ignored; a retry is harmless.
    slice.allocate(rspec.pair()).ok()
    slice.provision().ok()
    slice.wait("geni_notready")
    before = slice.state()
    last = slice.server.mock.last_call()
    slice.provision().ok()
    assert slice.state() == before
    assert slice.server.mock.last_call() == last


def test_best_effort_does_what_can_be_done(slice):
    # AM API v3, geni_best_effort: the good slivers go through, each other has its geni_error.
    ids = Manifest(slice.allocate(rspec.nodes("a")).ok()["geni_rspec"]).sliver_ids
    nobody = ids["a"] + "x"
    slice.delete([ids["a"], nobody]).refused(SEARCHFAILED, re.escape(nobody))
    assert ids["a"] in slice.slivers()
    entries = {it["geni_sliver_urn"]: it for it in slice.delete([ids["a"], nobody], geni_best_effort=True).ok()}
    assert entries[ids["a"]]["geni_error"] == "" and "no sliver" in entries[nobody]["geni_error"]
    assert slice.slivers() == {}


def test_renewal_as_long_as_possible(slice):
    # geni_extend_alap, as GENI's own aggregates offer it: the latest time allowed instead of an error.
    slice.allocate(rspec.nodes("a")).ok()
    slice.provision().ok()
    answer = slice.renew("2099-01-01T00:00:00Z", geni_extend_alap=True)
    (sliver,) = answer.ok()
    limit = datetime.now(timezone.utc) + timedelta(days=30)
    assert limit - timedelta(minutes=10) < moment(sliver["geni_expires"]) <= limit
    assert sliver["geni_expires"] in answer.output


def test_a_sooner_expiry_is_granted(slice):
    # AM API v3, Renew: the new time may be sooner; the acceptance tests renew to five minutes from now.
    slice.allocate(rspec.nodes("a")).ok()
    slice.provision().ok()
    until = (datetime.now(timezone.utc) + timedelta(minutes=5)).replace(microsecond=0)
    (sliver,) = slice.renew(until.isoformat()).ok()
    assert moment(sliver["geni_expires"]) == until
