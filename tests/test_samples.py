"""Real RSpecs: requests, manifests and advertisements of many projects, good and broken.

The collection is not part of the project; where it is not there, these tests are skipped. The aggregate
here offers the sliver types and images that the samples ask for.
"""

import re

import pytest

from harness import Home, Server, rspec
from harness.binary import WORKSPACE
from harness.codes import BADARGS, BADVERSION, SEARCHFAILED, SUCCESS, UNSUPPORTED
from harness.rspec import Manifest

SAMPLES = WORKSPACE.parent / "shared" / "spec" / "samples"
OURS = "urn:publicid:IDN+am.example.net+authority+cm"
OUR_NAMES = {OURS.lower(), OURS.lower().removesuffix("cm") + "am"}

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of sample RSpecs is not here")

# What Allocate says to a file as it is, and to the same file addressed to this aggregate. Where only one answer
# stands, both get it. The patterns are what the message has to hold.
PLACE = r"line \d+, column \d+"
GOOD = (SUCCESS, "")
FOREIGN = (SEARCHFAILED, "other aggregates")
ANOTHER_TYPE = (BADARGS, "advertisement")
MANIFEST = (BADARGS, "manifest")
ANOTHER_VERSION = (BADVERSION, PLACE + ".*namespace")
BROKEN = (BADARGS, PLACE)
ROUTABLE = (UNSUPPORTED, PLACE + ".*routable_control_ip")  # a wish that is known and not done

EXPECTED = {
    "ad-fiteagle-semantic.xml": [FOREIGN, GOOD],  # an advertisement by name only: its type says request
    "ad-gcf-am3-opstate.xml": [ANOTHER_TYPE],
    "ad-gcf-amapi2.xml": [ANOTHER_TYPE],
    "ad-gib-advert.xml": [(BADARGS, "line 17, column .*emulab")],
    "ad-opstate-full.xml": [ANOTHER_TYPE],
    "broken/01-empty.xml": [(BADARGS, PLACE + ".*empty")],
    "broken/02-not-closed.xml": [(BADARGS, PLACE + ".*closed")],
    "broken/03-no-client-id.xml": [(BADARGS, "line 2, column 1.*client_id")],
    "broken/04-duplicate-client-id.xml": [(BADARGS, "line 2, column 52.*client_id \"a\"")],
    "broken/05-type-advertisement.xml": [ANOTHER_TYPE],
    "broken/06-wrong-namespace.xml": [ANOTHER_VERSION],
    "broken/08-xxe.xml": [(BADARGS, PLACE + ".*document type")],
    "broken/10-unknown-node.xml": [(SEARCHFAILED, PLACE + ".*does-not-exist"), GOOD],
    "broken/12-bad-exclusive.xml": [(BADARGS, PLACE + ".*maybe.*true or false")],
    "broken/14-foreign-sliver-id-update.xml": [GOOD],  # in Allocate, a sliver_id says nothing
    "man-as-update-request.xml": [MANIFEST],
    "man-fiteagle-allocate-0.xml": [MANIFEST],
    "man-fiteagle-provision-0.xml": [MANIFEST],
    "man-gcf-amapi2.xml": [MANIFEST],
    "man-login-users.xml": [MANIFEST],
    "man-v4-update-preserve.xml": [MANIFEST],
    "req-accept-pgv2.xml": [ANOTHER_VERSION],
    "req-accept-request.xml": [FOREIGN, GOOD],
    "req-accept-request2.xml": [FOREIGN, GOOD],
    "req-empty.xml": [(BADARGS, "asks for nothing")],
    "req-fiteagle-http-cmid.xml": [FOREIGN],  # its manager is an http URL: that is nobody here
    "req-fiteagle-pnode.xml": [(BADARGS, "line 7, column .*client_id")],
    "req-fiteagle-rawpc.xml": [FOREIGN, (SEARCHFAILED, PLACE + ".*physicalnode-1")],
    "req-foreign-only.xml": [FOREIGN, GOOD],
    "req-gcf-amapi2.xml": [GOOD],
    "req-genilib-openflow-controller.xml": [FOREIGN, GOOD],
    "req-genilib-ps103.xml": [ANOTHER_VERSION],
    "req-genilib-rawpc-bound.xml": [FOREIGN, (SEARCHFAILED, PLACE + '.*hardware type "pc3000"')],
    "req-genilib-stitched-2am.xml": [FOREIGN, GOOD],
    "req-genilib-xen-exclusive-routable.xml": [ROUTABLE],
    "req-genilib-xen-lan3.xml": [FOREIGN, GOOD],
    "req-gib-click.xml": [ANOTHER_VERSION],
    "req-gib-four-nodes.xml": [FOREIGN, GOOD],
    "req-gib-install.xml": [FOREIGN, GOOD],
    "req-gib-three-nodes-lan.xml": [FOREIGN, GOOD],
    "req-gib-two-nodes-iperf.xml": [FOREIGN, GOOD],
    "req-gram-openflow-controller.xml": [GOOD],
    "req-gram-three-nodes-install.xml": [FOREIGN, GOOD],
    "req-mixed-am-unknown-ext.xml": [GOOD],
    "req-pigram-3rpi.xml": [GOOD],
    "req-scaleup-ring10.xml": [ROUTABLE],
    "req-scaleup-sharedvlan.xml": [(UNSUPPORTED, PLACE + ".*link_shared_vlan")],
    "req-stitch-2links.xml": [FOREIGN, GOOD],
    "req-stitch-ig-eg.xml": [FOREIGN, GOOD],
    "req-unicode.xml": [GOOD],
    "req-v4-update-with-sliver-ids.xml": [GOOD],
    "x-max-legacy.xml": [ANOTHER_VERSION],
    "x-sfa-legacy.xml": [ANOTHER_VERSION],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    names = set()
    for file in SAMPLES.glob("req-*.xml"):
        names.update(re.findall(r'disk_image [^>]*name="([^"]*)"', file.read_text()))
    images = [{"id": f"image-{number}", "name": name} for number, name in enumerate(sorted(names))]
    types = ["vm", "xen", "emulab-xen", "m1.small", "m1.smaller", "http://open-multinet.info/ontology/omn-domain-pc#PC"]
    realms = [{"id": "host", "capacity": 100, "hardware_profiles": ["small"]}]
    realms += [{"id": f"pc{n}", "exclusive": True} for n in range(1, 12)]
    server = Server(
        Home(tmp_path_factory.mktemp("samples"), authority="am.example.net"),
        sliver_types={name: "small" for name in types},
        mock={"images": [{"id": "std"}, *images], "realms": realms},
    )
    yield server
    try:
        server.stop()
    finally:
        server.kill()


def to_us(document: str) -> str:
    """The same request as if it had been written for this aggregate."""
    document = re.sub(r'(component_manager_id=")urn:[^"]*"', rf'\g<1>{OURS}"', document)
    document = re.sub(r'(<component_manager name=")urn:[^"]*"', rf'\g<1>{OURS}"', document)
    return re.sub(r'component_id="urn:[^"]*\+node\+[^"]*"', 'component_id="lab-pc1"', document)


def local_client_ids(document: str, kind: str) -> set[str]:
    """client_ids of what is for this aggregate, by the words of the RSpec."""
    found = set()
    for it in rspec.parse(document).xpath(f"r:{kind}", namespaces=rspec.NS):
        managers = it.xpath("@component_manager_id | r:component_manager/@name", namespaces=rspec.NS)
        if not managers or any(name.lower() in OUR_NAMES for name in managers):
            found.add(it.get("client_id"))
    return found


def test_every_sample_has_an_expected_answer():
    assert {str(file.relative_to(SAMPLES)) for file in SAMPLES.rglob("*.xml")} == set(EXPECTED)


@pytest.mark.parametrize("file", EXPECTED)
def test_a_sample_is_accepted_or_refused_as_it_should_be(server, slice, file):
    document = (SAMPLES / file).read_text()
    answers = EXPECTED[file]
    for document, (code, pattern) in zip((document, to_us(document)), (answers[0], answers[-1])):
        answer = slice.allocate(document)
        assert answer.code == code, answer.output
        if code != SUCCESS:
            assert re.search(pattern, answer.output), answer.output
            assert len(answer.output) < 600
            assert slice.slivers() == {}
            continue
        rspec.validate(answer.rspec, "manifest")
        manifest = Manifest(answer.rspec)
        assert set(manifest.nodes) == local_client_ids(document, "node")
        assert {it.get("client_id") for it in manifest.root.xpath("r:node", namespaces=rspec.NS)} == {
            it.get("client_id") for it in rspec.parse(document).xpath("r:node", namespaces=rspec.NS)
        }
        assert {it["geni_sliver_urn"] for it in answer.slivers} == set(manifest.sliver_ids.values())
        slice.delete().ok()
