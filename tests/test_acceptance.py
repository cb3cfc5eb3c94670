"""GENI's acceptance tests for version 3 of the AM API: what they ask of an aggregate, against the default pretended cloud.

The order of calls and what is demanded of each answer are those of the suite that aggregates are accepted with
(am_api_accept, as Omni calls): types exactly as Python's xmlrpc.client gives them, and no answer that it does not take.
"""

import base64
import re
import zlib
from datetime import datetime, timedelta, timezone

import pytest

from harness import Home, Server, rspec
from harness.client import credential, options, users, KEY
from harness.codes import SUCCESS, UNSUPPORTED

SLIVER = re.compile(r"urn:publicid:IDN\+[^+]+\+sliver\+[^+]+")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server as `init` leaves it: the pretended cloud and the reconciler at their own pace."""
    server = Server(Home(tmp_path_factory.mktemp("acceptance")), pace=None)
    yield server
    try:
        server.stop()
    finally:
        server.kill()


@pytest.fixture
def slice(server):
    slice = server.slice()
    yield slice
    slice.delete()


def moment(text):
    assert type(text) is str
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def check_sliver(entry, states=("geni_unallocated", "geni_allocated", "geni_provisioned"), operational=True):
    """One entry of geni_slivers."""
    assert SLIVER.fullmatch(entry["geni_sliver_urn"])
    moment(entry["geni_expires"])
    assert entry["geni_allocation_status"] in states
    if operational:
        assert type(entry["geni_operational_status"]) is str
    assert type(entry.get("geni_error", "")) is str
    return entry


def check_rspec(document, kind):
    """A document of RSpec version 3 that says which schema it follows."""
    assert type(document) is str
    root = rspec.parse(document)
    assert root.tag == f"{{{rspec.RSPEC}}}rspec" and root.get("type") == kind
    location = root.get("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation").split()
    schema = {"advertisement": "ad", "manifest": "manifest"}[kind]
    assert dict(zip(location[::2], location[1::2]))[rspec.RSPEC].endswith(f"/3/{schema}.xsd")
    rspec.validate(document, schema)
    return root


def client_ids(document):
    return {it.get("client_id") for it in rspec.parse(document).findall("r:node", rspec.NS)}


def user_credentials(server, kind="geni_sfa", change=lambda xml: xml):
    return [credential(change(server.home.user_credential("alice")), kind)]


def test_get_version(server):
    answer = server.client().call("GetVersion", {})
    value = answer.ok()
    assert type(answer.raw["geni_api"]) is int and answer.raw["geni_api"] == value["geni_api"] == 3
    assert type(value["geni_api_versions"]) is dict and type(value["geni_api_versions"]["3"]) is str
    for name in ("geni_request_rspec_versions", "geni_ad_rspec_versions"):
        assert ("geni", "3") in {(it["type"].lower(), it["version"]) for it in value[name]}
        for it in value[name]:
            assert all(type(it[key]) is str for key in ("type", "version", "schema", "namespace"))
            assert type(it["extensions"]) is list
    types = {(it["geni_type"], it["geni_version"]) for it in value["geni_credential_types"]}
    assert ("geni_sfa", "2") in types or ("geni_sfa", "3") in types
    assert type(value["geni_single_allocation"]) is int and value["geni_single_allocation"] in (0, 1)
    assert value["geni_allocate"] in ("geni_single", "geni_disjoint", "geni_many")


@pytest.mark.parametrize("more", [{}, {"geni_compressed": True}, {"geni_available": True}, {"arbitrary_option": True}])
def test_list_resources(server, more):
    document = server.client().call("ListResources", user_credentials(server), options(**more)).ok()
    if more.get("geni_compressed"):
        document = zlib.decompress(base64.b64decode(document)).decode()
    root = check_rspec(document, "advertisement")
    available = root.xpath("r:node/r:available/@now", namespaces=rspec.NS)
    assert len(available) == len(root.findall("r:node", rspec.NS)) > 0
    if more.get("geni_available"):
        assert set(available) == {"true"}


def test_list_resources_with_bad_credentials(server, tmp_path):
    def altered(xml):
        return re.sub(r"(<signed-credential[^>]*>)", r"\1<foo/>", xml, count=1)

    untrusted = Home(tmp_path / "elsewhere").user_credential("alice")
    for wrong in (
        user_credentials(server, change=lambda xml: xml[1:]),
        user_credentials(server, change=altered),
        user_credentials(server, kind="geni_sfaBROKEN"),
        [credential(untrusted)],
    ):
        assert server.client().call("ListResources", wrong, options()).code != SUCCESS


@pytest.mark.parametrize("document", ["", "<rspec>"])
def test_a_bad_request_rspec_makes_no_sliver(slice, document):
    good = rspec.nodes("a")
    answer = slice.allocate(document and good.replace("</rspec>", document))
    assert answer.code != SUCCESS and answer.output
    nothing_here(slice)


def nothing_here(slice):
    """What a slice without slivers answers: an error, or no slivers."""
    for answer in (slice.status(), slice.describe(), slice.delete()):
        assert answer.code != SUCCESS or answer.slivers == []
    described = slice.describe()
    if described.code == SUCCESS:
        assert len(check_rspec(described.rspec, "manifest")) == 0


def test_a_slice_that_never_was(slice):
    nothing_here(slice)


def act(slice, action):
    """An action of which the suite takes no other answer than that it is done or that it is not supported."""
    answer = slice.action(action)
    assert answer.code in (SUCCESS, UNSUPPORTED), f"{action}: {answer.code} {answer.output}"
    if answer.code == SUCCESS:
        assert [check_sliver(it) for it in answer.value]


def create(slice, asked):
    """Allocate, Provision and the actions, one right after the other."""
    answer = slice.allocate(asked)
    value = answer.ok()
    check_rspec(value["geni_rspec"], "manifest")
    assert [check_sliver(it, ["geni_allocated"], operational=False) for it in value["geni_slivers"]]
    people = users((slice.server.home.user_urn("alice"), [KEY]))
    value = slice.client.call("Provision", [slice.urn], slice.credentials, options(geni_users=people)).ok()
    check_rspec(value["geni_rspec"], "manifest")
    assert [check_sliver(it, ["geni_provisioned"]) for it in value["geni_slivers"]]
    for action in ("geni_start", "geni_restart", "geni_stop"):
        act(slice, action)
    for action in ("", "random_action"):
        assert slice.action(action).code not in (SUCCESS,)
    return value


def in_isoformat(**delta):
    return (datetime.now(timezone.utc).replace(microsecond=0) + timedelta(**delta)).isoformat()


def test_the_life_of_a_sliver(server, slice):
    component = server.client().call("ListResources", user_credentials(server), options(geni_available=True)).ok()
    (bound, *_) = rspec.parse(component).xpath("r:node[@exclusive='false']/@component_id", namespaces=rspec.NS)
    asked = rspec.request(rspec.node("a", component_id=bound, component_manager_id=server.home.urn))
    value = create(slice, asked)
    assert client_ids(value["geni_rspec"]) == {"a"}
    (node,) = rspec.parse(value["geni_rspec"]).findall("r:node", rspec.NS)
    assert node.get("component_id") == bound
    slivers = [it["geni_sliver_urn"] for it in value["geni_slivers"]]

    status = slice.status().ok()
    assert status["geni_urn"] == slice.urn and [check_sliver(it) for it in status["geni_slivers"]]
    assert all(type(it["geni_error"]) is str for it in status["geni_slivers"])
    described = slice.describe().ok()
    check_rspec(described["geni_rspec"], "manifest")
    assert client_ids(described["geni_rspec"]) == {"a"}
    compressed = slice.describe(geni_compressed=True).ok()["geni_rspec"]
    check_rspec(zlib.decompress(base64.b64decode(compressed)).decode(), "manifest")

    # A user credential is none for a slice; ListResources is not for slices; Describe needs URNs.
    assert slice.describe(credentials=user_credentials(server)).code != SUCCESS
    of_slice = slice.client.call("ListResources", slice.credentials, options(geni_slice_urn=slice.urn))
    assert of_slice.code != SUCCESS
    assert slice.describe([]).code != SUCCESS

    # Single slivers.
    assert len(slice.status(slivers[:1]).ok()["geni_slivers"]) == 1
    assert len(slice.describe(slivers[:1]).ok()["geni_slivers"]) == 1
    for urn in (slivers[0].replace("+sliver+", "+node+"), re.sub(r"\+sliver\+.*", "+sliver+INVALID", slivers[0])):
        assert slice.describe([urn]).code != SUCCESS

    # Renew: not beyond the slice, else exactly to the time asked for.
    assert slice.renew(in_isoformat(days=32)).code != SUCCESS
    for delta in ({"minutes": 5}, {"days": 2}, {"days": 5}):
        until = in_isoformat(**delta)
        for it in slice.renew(until).ok():
            assert moment(check_sliver(it)["geni_expires"]) == moment(until)
        assert {moment(it["geni_expires"]) for it in slice.status().slivers} == {moment(until)}

    deleted = slice.delete().ok()
    assert [check_sliver(it, ["geni_unallocated"], operational=False) for it in deleted]
    nothing_here(slice)


def test_several_slices_are_apart(server):
    slices = [server.slice() for _ in range(3)]
    for number, slice in enumerate(slices):
        create(slice, rspec.nodes(*(f"n{at}" for at in range(number + 1))))
    for number, slice in enumerate(slices):
        other = slices[(number + 1) % len(slices)]
        assert slice.describe([other.urn]).code != SUCCESS
        assert client_ids(slice.describe().ok()["geni_rspec"]) == {f"n{at}" for at in range(number + 1)}
        for delta in ({"days": 2}, {"days": 5}):
            slice.renew(in_isoformat(**delta)).ok()
    for slice in slices:
        slice.delete().ok()
        nothing_here(slice)


def test_every_sliver_is_ready_in_time(server, slice):
    # The monitoring variant of the suite: start, then Status until every sliver is geni_ready.
    slice.allocate(rspec.pair()).ok()
    slice.provision().ok()
    slice.wait("geni_notready")
    act(slice, "geni_start")
    slice.wait("geni_ready")
    # Starting it again (as clients do that log in) is success and changes nothing.
    before = slice.state()
    assert slice.action("geni_start").ok()
    assert slice.state() == before
