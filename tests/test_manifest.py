"""What stands in a manifest: RSpec v3, manifest, and what experimenters' tools read from it."""

import pytest
from lxml import etree

from harness import rspec
from harness.client import KEY, options, users
from harness.rspec import RSPEC, Manifest, c14n_by_xmllint, canonical

EXTENSION = "http://example.net/ext/unheard-of/1"
OTHER = "urn:publicid:IDN+other.example.org+authority+cm"

# Extensions on every level, of a namespace nobody here knows; attributes in odd order, CDATA, entities, comments.
RICH = f"""<?xml version="1.0" encoding="UTF-8"?>
<rspec type="request" xmlns="{RSPEC}" xmlns:x="{EXTENSION}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
       xsi:schemaLocation="{RSPEC} {RSPEC}/request.xsd" x:top="yes">
  <x:note z="1" a="2"><x:deep>caf&#233; &amp; <![CDATA[<raw>]]></x:deep></x:note>
  <node client_id="mine" exclusive="false" x:colour="gr&#252;n">
    <sliver_type name="default-vm"><x:tuning level="9"/></sliver_type>
    <services>
      <install url="http://example.net/one.tgz" install_path="/opt"/>
      <execute shell="bash" command="echo &quot;1 &lt; 2&quot; &amp;&amp; true"/>
      <x:boot order="2"/>
    </services>
    <interface client_id="mine:0" x:speed="fast"><ip address="10.0.0.1" netmask="255.255.255.0" type="ipv4"/><x:mtu>9000</x:mtu></interface>
    <x:box><plain xmlns="" attribute="kept">text</plain><y:inner xmlns:y="urn:y"/></x:box>
  </node>
  <node client_id="theirs" component_manager_id="{OTHER}" exclusive="true">
    <sliver_type name="raw"/>
    <interface client_id="theirs:0"/>
    <x:foreign>left alone</x:foreign>
  </node>
  <link client_id="across">
    <component_manager name="{OTHER}"/>
    <component_manager name="urn:publicid:IDN+am.test.example+authority+am"/>
    <interface_ref client_id="mine:0"/><interface_ref client_id="theirs:0"/>
    <property source_id="mine:0" dest_id="theirs:0" capacity="1000" latency="5" packet_loss="0.01"/>
    <x:vlan wish="7"/>
  </link>
  <link client_id="elsewhere"><component_manager name="{OTHER}"/><interface_ref client_id="theirs:0"/></link>
</rspec>
"""

X = {"x": EXTENSION, **rspec.NS}


def pieces(document: str) -> dict[str, str]:
    """What must come through unchanged, in canonical form as xmllint makes it."""
    root = rspec.parse(document)
    paths = {
        "top": "x:note",
        "sliver_type": "r:node[@client_id='mine']/r:sliver_type/x:tuning",
        "install": "r:node[@client_id='mine']/r:services/r:install",
        "execute": "r:node[@client_id='mine']/r:services/r:execute",
        "services": "r:node[@client_id='mine']/r:services/x:boot",
        "interface": "r:node[@client_id='mine']/r:interface/x:mtu",
        "ip": "r:node[@client_id='mine']/r:interface/r:ip",
        "node": "r:node[@client_id='mine']/x:box",
        "foreign node": "r:node[@client_id='theirs']",
        "foreign link": "r:link[@client_id='elsewhere']",
        "property": "r:link[@client_id='across']/r:property",
        "link": "r:link[@client_id='across']/x:vlan",
    }
    found = {}
    for name, path in paths.items():
        (element,) = root.xpath(path, namespaces=X)
        # Exclusive canonical form of the part: namespaces in scope but not used do not count.
        part = etree.tostring(element, method="c14n", exclusive=True, with_tail=False).decode()
        found[name] = c14n_by_xmllint(part)
    attributes = ["@x:top", "r:node[@client_id='mine']/@x:colour", "r:node/r:interface/@x:speed"]
    for path in attributes:
        found[path] = root.xpath(f"string({path})", namespaces=X)
    return found


def test_what_is_not_understood_is_kept(slice):
    # RSpec v3: extensions of other namespaces may stand on every level, and other aggregates' resources are theirs.
    wanted = pieces(RICH)
    answer = slice.allocate(RICH)
    assert pieces(answer.ok()["geni_rspec"]) == wanted
    rspec.validate(answer.rspec, "manifest")
    assert pieces(slice.provision().ok()["geni_rspec"]) == wanted
    slice.wait("geni_notready")
    slice.server.restart()
    slice.reconnect()
    described = slice.describe().ok()["geni_rspec"]
    assert pieces(described) == wanted
    manifest = Manifest(described)
    assert set(manifest.nodes) == {"mine"} and set(manifest.links) == {"across"}
    assert {it.get("client_id") for it in manifest.foreign} == {"theirs", "elsewhere"}


def test_every_resource_has_its_names(slice):
    # RSpec v3 manifest: client_id from the request, sliver_id and component_id from the aggregate.
    slice.provisioned(rspec.pair())
    answer = slice.describe()
    manifest = Manifest(answer.ok()["geni_rspec"])
    home = slice.server.home
    assert set(manifest.sliver_ids.values()) == {it["geni_sliver_urn"] for it in answer.slivers}
    for name, node in manifest.nodes.items():
        assert node.get("component_manager_id") == home.urn
        assert node.get("component_id").startswith(f"urn:publicid:IDN+{home.authority}+node+lab-")
        assert node.get("sliver_id").startswith(f"urn:publicid:IDN+{home.authority}+sliver+")
        assert node.get("exclusive") == "false"
        assert manifest.find(node, "r:sliver_type/@name") == ["default-vm"]
        assert manifest.find(node, "r:sliver_type/r:disk_image/@name")
        (interface,) = manifest.find(node, "r:interface")
        assert interface.get("client_id") == f"{name}:0"
        assert interface.get("component_id") and interface.get("mac_address") and interface.get("sliver_id")
        assert manifest.find(interface, "r:ip/@address")
    (link,) = manifest.links.values()
    refs = manifest.find(link, "r:interface_ref")
    assert {it.get("client_id") for it in refs} == {"a:0", "b:0"}
    ends = {it.get("client_id"): it.get("sliver_id") for node in manifest.nodes.values() for it in manifest.find(node, "r:interface")}
    assert {it.get("client_id"): it.get("sliver_id") for it in refs} == ends
    assert 1 <= int(link.get("vlantag")) <= 4094


def test_logins_hosts_and_users_are_those_of_the_machines(slice):
    # RSpec v3 services/login and host, user/1; geni-lib reads the port with int().
    slice.provisioned(rspec.nodes("a"))
    manifest = slice.manifest()
    (machine,) = slice.instances().values()
    (login,) = manifest.logins("a")
    assert login.get("authentication") == "ssh-keys" and login.get("username") == "alice"
    assert int(login.get("port")) == 22
    assert login.get("hostname") == machine.public
    (host,) = manifest.find(manifest.nodes["a"], "r:host")
    assert host.get("name") and host.get("ipv4") == machine.public
    (user,) = manifest.find(manifest.nodes["a"], "r:services/u:services_user")
    assert user.get("login") == "alice" and user.get("user_urn") == slice.server.home.user_urn("alice")
    assert manifest.find(user, "u:public_key/text()") == [KEY]
    assert KEY in machine.user_data


def test_provision_without_users_is_legal(slice):
    # AM API v3, Provision: geni_users may be left out, and keys may be an empty list.
    slice.allocate(rspec.nodes("a")).ok()
    slice.provision(with_users=False).ok()
    slice.wait("geni_notready")
    assert slice.manifest().logins("a") == []
    other = slice.server.slice()
    other.allocate(rspec.nodes("a")).ok()
    other.provision(geni_users=users((slice.server.home.user_urn("alice"), []))).ok()
    other.delete().ok()


def test_the_manifest_expires_with_its_first_sliver(slice):
    # What experimenters asked of other aggregates: generated and expires, kept true in Describe.
    ids = Manifest(slice.allocate(rspec.nodes("a", "b")).ok()["geni_rspec"]).sliver_ids
    first = slice.manifest().root
    assert first.get("generated") <= first.get("expires")
    slice.provision([ids["a"]]).ok()
    slivers = slice.slivers()
    soonest = min(it["geni_expires"] for it in slivers.values())
    assert soonest == slivers[ids["b"]]["geni_expires"] == slice.manifest().root.get("expires")
    only = Manifest(slice.describe([ids["a"]]).ok()["geni_rspec"])
    assert only.root.get("expires") == slivers[ids["a"]]["geni_expires"]


def test_a_bound_request_gets_the_component_it_named(slice):
    # RSpec v3: component_id binds a node to an advertised component.
    urn = f"urn:publicid:IDN+{slice.server.home.authority}+node+lab-host-2"
    manifest = Manifest(slice.allocate(rspec.request(rspec.node("a", component_id=urn))).ok()["geni_rspec"])
    assert manifest.nodes["a"].get("component_id") == urn


def test_both_our_names_are_ours_in_any_case(slice):
    # RSpec v3: component_manager_id names the aggregate; +am and +cm are both usual, authorities compare in any case.
    home = slice.server.home
    for number, name in enumerate(
        [home.urn, home.urn.removesuffix("am") + "cm", home.urn.replace(home.authority, home.authority.upper()), None]
    ):
        document = rspec.request(rspec.node(f"n{number}", component_manager_id=name))
        assert set(Manifest(slice.allocate(document).ok()["geni_rspec"]).nodes) == {f"n{number}"}


def test_an_exclusive_machine_is_granted_as_such(slice):
    # RSpec v3: exclusive="true" is met or refused, and the manifest says what was granted.
    document = rspec.request(rspec.node("a", sliver_type="raw-pc", exclusive="true"))
    manifest = Manifest(slice.allocate(document).ok()["geni_rspec"])
    assert manifest.nodes["a"].get("exclusive") == "true"
    assert manifest.nodes["a"].get("component_id").rsplit("+", 1)[1].startswith("lab-machine-")


def test_text_in_all_the_worlds_scripts_comes_back(slice):
    # AM API v4 draft, change set O: whatever geni_unicode_compliant says, RSpec content is XML data.
    name = "nœud-日本-🚀"
    manifest = Manifest(slice.allocate(rspec.request(rspec.node(name))).ok()["geni_rspec"])
    assert set(manifest.nodes) == {name}


def test_the_answers_own_manifest_is_valid_in_every_state(slice):
    # Manifests validate against the published structure in every state they are shown in.
    rspec.validate(slice.describe().ok()["geni_rspec"], "manifest")
    slice.allocate(rspec.pair()).ok()
    rspec.validate(slice.describe().rspec, "manifest")
    slice.provision().ok()
    slice.wait("geni_notready")
    rspec.validate(slice.describe().rspec, "manifest")
    manifest = slice.manifest()
    rspec.validate(slice.update(manifest.document).ok()["geni_rspec"], "manifest")
    rspec.validate(slice.describe().rspec, "manifest")
    rspec.validate(slice.describe(geni_cancelled=True).rspec, "manifest")
    rspec.validate(slice.cancel().ok()["geni_rspec"], "manifest")


def test_our_manifest_is_a_valid_request(slice):
    # AM API v4 draft, change set C: a manifest may be handed in as a request.
    slice.provisioned(rspec.pair())
    document = slice.manifest().edited(lambda root: root.set("type", "request"))
    rspec.validate(document, "request")


@pytest.mark.parametrize("version", [{"type": "geni", "version": "3"}, {"type": " GENI ", "version": 3}])
def test_the_rspec_version_is_compared_leniently(slice, version):
    # AM API v3, geni_rspec_version: case-insensitive; clients also send the number as a number.
    answer = slice.client.call("Describe", [slice.urn], slice.credentials, {"geni_rspec_version": version})
    assert canonical(answer.ok()["geni_rspec"])
    assert options()["geni_rspec_version"] != version
