"""The same experiment with geni-lib, a client many experimenters' scripts are written with.

The request is built with geni.rspec.pg, the calls are made by geni.aggregate.apis.AMAPIv3 and
geni.minigcf.amapi3, the manifest is read by geni.rspec.pgmanifest.
"""

import datetime
import xmlrpc.client

import pytest

from harness import poll
from harness.client import KEY, RSPEC_VERSION, users

amapi3 = pytest.importorskip("geni.minigcf.amapi3")
from geni.aggregate.apis import AllocateError, AMAPIv3, POAError, ProvisionError  # noqa: E402
from geni.aggregate.frameworks import Framework  # noqa: E402
from geni.minigcf.util import _rpcpost  # noqa: E402
import geni.rspec.igext  # noqa: E402, F401 (gives nodes their blockstores)
from geni.rspec import pg  # noqa: E402
from geni.rspec.pgmanifest import Manifest  # noqa: E402


class SliceInfo:
    """What geni-lib knows of a slice: its URN, and its credential in a file."""

    def __init__(self, urn, path):
        self.urn = urn
        self.path = str(path)
        self.type = "geni_sfa"
        self.version = "3"
        self.expires = datetime.datetime.now() + datetime.timedelta(days=30)


class Context:
    """geni-lib's context, with credentials from files instead of a clearinghouse."""

    def __init__(self, home, slices):
        self.cf = Framework("local")
        # The setters would copy the key to decrypt it; it has no passphrase.
        self.cf._cert = str(home.user("alice") / "cert.pem")
        self.cf._key = str(home.user("alice") / "key.pem")
        self.usercred_path = str(home.user("alice") / "user-cred.xml")
        self._slices = slices

    def getSliceInfo(self, name):
        return self._slices[name]


def request():
    """Two machines and a LAN, as an experimenter's script builds them."""
    rspec = pg.Request()
    lan = pg.LAN("lan")
    for number in (1, 2):
        machine = pg.Node(f"vm{number}", "default-vm", exclusive=False)
        machine.disk_image = "debian-12"
        machine.addService(pg.Execute(shell="sh", command="echo ready > /tmp/ready"))
        interface = machine.addInterface("if0", pg.IPv4Address(f"10.10.1.{number}", "255.255.255.0"))
        lan.addInterface(interface)
        rspec.addResource(machine)
    rspec.addResource(lan)
    return rspec


def text(rspec) -> str:
    written = rspec.toXMLString(pretty_print=True)
    return written.decode() if isinstance(written, bytes) else written


def get_version(url, context):
    """geni-lib's own getversion hands its options to xmlrpc's dumps as a dict, which Python 3 refuses."""
    call = xmlrpc.client.dumps(({},), methodname="GetVersion")
    return _rpcpost(url, call, (context.cf.cert, context.cf.key), False)


@pytest.fixture
def experiment(server, tmp_path):
    slice = server.slice()
    file = tmp_path / "slice-cred.xml"
    file.write_text(slice.credential)
    yield slice, Context(server.home, {slice.name: SliceInfo(slice.urn, file)})
    slice.delete()


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_experiment_with_geni_lib(server, experiment):
    slice, context = experiment
    url = server.url(3)

    version = get_version(url, context)
    assert version["code"]["geni_code"] == 0 and version["geni_api"] == 3

    answer = AMAPIv3.allocate(context, url, slice.name, text(request()))
    states = {it["geni_sliver_urn"]: it["geni_allocation_status"] for it in answer["value"]["geni_slivers"]}
    assert len(states) == 3 and set(states.values()) == {"geni_allocated"}

    options = {
        "geni_rspec_version": RSPEC_VERSION,
        "geni_users": users((server.home.user_urn("alice"), [KEY])),
    }
    answer = AMAPIv3.provision(context, url, slice.name, options=options)
    assert {it["geni_allocation_status"] for it in answer["value"]["geni_slivers"]} == {"geni_provisioned"}

    slice.wait("geni_notready")
    started = AMAPIv3.poa(context, url, slice.name, "geni_start")
    assert {it["geni_sliver_urn"] for it in started} == set(states)
    slice.wait("geni_ready")

    manifest = Manifest(xml=slice.manifest().document)
    machines = {instance.public: instance for instance in slice.instances().values()}
    assert len(machines) == 2
    found = {node.name: node for node in manifest.nodes}
    assert set(found) == {"vm1", "vm2"}
    for node in found.values():
        assert node.sliver_id in states
        assert node.component_id.startswith(f"urn:publicid:IDN+{server.home.authority}+node+")
        (login,) = node.logins
        assert (login.username, login.port) == ("alice", 22) and login.hostname in machines
        assert node.hostipv4 in machines
        (interface,) = node.interfaces
        assert interface.sliver_id and interface.mac_address
    (lan,) = manifest.links
    assert lan.client_id == "lan" and lan.sliver_id in states and lan.vlan
    assert len(lan.interface_refs) == 2

    # Starting what runs is done already; what is not possible says what would be.
    assert len(AMAPIv3.poa(context, url, slice.name, "geni_start")) == 3
    with pytest.raises(POAError, match="geni_restart"):
        AMAPIv3.poa(context, url, slice.name, "geni_reload")
    gone = AMAPIv3.delete(context, url, slice.name, [slice.urn])
    assert {it["geni_allocation_status"] for it in gone["value"]} == {"geni_unallocated"}
    poll.until(lambda: not server.mock.by_sliver(states), "the instances going")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_blockstore_as_geni_lib_writes_it(server, experiment):
    slice, context = experiment
    url = server.url(3)

    def with_disk(**settings):
        rspec = pg.Request()
        machine = pg.Node("vm", "default-vm", exclusive=False)
        disk = machine.Blockstore("data", "/data")
        disk.size = "30GB"
        for name, value in settings.items():
            setattr(disk, name, value)
        rspec.addResource(machine)
        return text(rspec)

    with pytest.raises(AllocateError, match="dataset=.*is not done here"):
        AMAPIv3.allocate(context, url, slice.name, with_disk(dataset="urn:publicid:IDN+emulab.net:p+ltdataset+d"))
    AMAPIv3.allocate(context, url, slice.name, with_disk())
    slice.provision().ok()
    slice.wait("geni_notready")
    (volume,) = server.mock.volumes(slice.slivers())
    assert volume.capacity == 30 and volume.instance == next(iter(slice.instances().values())).id
    assert Manifest(xml=slice.manifest().document).nodes
    assert slice.manifest().devices("vm") == {"data": volume.device}
    remote = pg.Request()
    remote.RemoteBlockstore("far", "/far").size = "30GB"
    with pytest.raises(AllocateError, match='class="remote" is not done here'):
        AMAPIv3.allocate(context, url, slice.name, text(remote))


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_geni_lib_shows_our_words_in_its_exceptions(server, experiment):
    # geni-lib raises with `output`, so that has to be a string that helps.
    slice, context = experiment
    url = server.url(3)
    with pytest.raises(AllocateError, match="line 1, column 1"):
        AMAPIv3.allocate(context, url, slice.name, "no rspec")
    with pytest.raises(ProvisionError, match="geni_rspec_version"):
        AMAPIv3.provision(context, url, slice.name)
    with pytest.raises(AllocateError, match="quantum"):
        broken = text(request()).replace("default-vm", "quantum")
        AMAPIv3.allocate(context, url, slice.name, broken)
    assert slice.slivers() == {}
