"""What a request asks for is met, refused, or said to be left undone in the manifest: nothing is passed over."""

from datetime import datetime, timedelta, timezone

import pytest

from harness import edit, rspec
from harness.codes import BADARGS, REFUSED, SEARCHFAILED, SUCCESS, TOOBIG, UNSUPPORTED, VLAN_UNAVAILABLE
from harness.rspec import EMULAB, Manifest

LEASES = "http://nitlab.inf.uth.gr/schema/sfa/rspec/1"
SHARED = "http://www.geni.net/resources/rspec/ext/shared-vlan/1"


def hardware(*names):
    return "".join(f'<hardware_type name="{name}"/>' for name in names)


def names(manifest, client_id, path):
    return manifest.find(manifest.nodes[client_id], path)


def allocated(slice, *parts) -> Manifest:
    return Manifest(slice.allocate(rspec.request(*parts)).ok()["geni_rspec"])


# Hardware types


def test_a_hardware_type_is_obeyed(slice):
    # RSpec v3, hardware_type: the default pretended cloud has two.
    manifest = allocated(
        slice,
        rspec.node("vm", hardware("shared-host")),
        rspec.node("pc", hardware("whole-machine"), sliver_type="raw-pc", exclusive=None),
    )
    assert names(manifest, "vm", "r:hardware_type/@name") == ["shared-host"]
    assert names(manifest, "pc", "r:hardware_type/@name") == ["whole-machine"]
    assert "lab-host" in manifest.nodes["vm"].get("component_id") and "lab-machine" in manifest.nodes["pc"].get("component_id")


@pytest.mark.parametrize("where", [{}, {"component_id": "lab-host-1"}])
def test_a_hardware_type_that_is_not_here_is_refused_with_those_that_are(slice, where):
    asked = rspec.request(rspec.node("a", hardware("pc999"), **where))
    slice.allocate(asked).refused(SEARCHFAILED, "pc999", "shared-host, whole-machine", r"line \d+")
    asked = rspec.request(rspec.node("a", hardware("whole-machine"), **where))
    slice.allocate(asked).refused(REFUSED, "whole-machine", "shared-host")
    assert slice.slivers() == {}


def test_a_node_keeps_its_hardware_and_another_is_refused(slice):
    slice.provisioned(rspec.nodes("a"), started=False)
    manifest, before = slice.manifest(), slice.state()

    def other(root):
        edit.node(root, "a").find("r:hardware_type", rspec.NS).set("name", "whole-machine")

    slice.update(manifest.edited(other)).refused(REFUSED, "whole-machine", "shared-host", "another component")
    assert slice.state() == before
    # Naming what it has, alone or among others, is no change.
    for wanted in (["shared-host"], ["whole-machine", "shared-host"]):
        def same(root):
            node = edit.node(root, "a")
            node.remove(node.find("r:hardware_type", rspec.NS))
            for name in wanted:
                edit.add(node, hardware(name))

        answer = slice.update(manifest.edited(same))
        assert edit.guarantees(answer.ok()["geni_rspec"]) == {"a": "geni_no_disruption"}
        assert names(Manifest(answer.rspec), "a", "r:hardware_type/@name") == ["shared-host"]


def test_a_node_moves_to_other_hardware_by_its_component(start_server):
    # A manifest sent back with another component_id alone: the hardware type it had is no demand.
    realms = [{"id": "old", "hardware_type": "old"}, {"id": "new", "hardware_type": "new"}, {"id": "bare"}]
    slice = start_server(mock={"realms": realms}).slice()
    manifest = allocated(slice, rspec.node("a", hardware("old")))
    for realm, expected in (("new", ["new"]), ("bare", []), ("old", ["old"])):
        def moved(root):
            node = edit.node(root, "a")
            node.set("component_id", node.get("component_id").rsplit("-", 1)[0] + "-" + realm)

        answer = slice.update(manifest.edited(moved))
        manifest = Manifest(answer.ok()["geni_rspec"])
        assert names(manifest, "a", "r:hardware_type/@name") == expected
        assert manifest.nodes["a"].get("component_name") == f"lab-{realm}"


# Alternatives


def test_of_several_wishes_the_first_that_can_be_had_is_granted_and_shown_alone(slice):
    def types(*pairs):
        return "".join(f'<sliver_type name="{name}">{images}</sliver_type>' for name, images in pairs)

    images = '<disk_image name="windows" os="Windows"/><!-- else --><disk_image name="fedora-41" os="Fedora"/>'
    manifest = allocated(
        slice,
        rspec.node("a", types(("huge", images), ("medium", images), ("small", "")), sliver_type=None),
        rspec.node("b", hardware("pc999", "whole-machine", "shared-host"), types(("small", ""), ("raw-pc", "")), sliver_type=None),
        rspec.node("c", hardware("whole-machine", "pc999"), types(("small", ""), ("raw-pc", "")), sliver_type=None, exclusive=None),
    )
    assert names(manifest, "a", "r:sliver_type/@name") == ["medium"]
    assert names(manifest, "a", "r:sliver_type/r:disk_image/@name") == [f"urn:publicid:IDN+{slice.server.home.authority}+image+fedora-41"]
    assert names(manifest, "a", "r:sliver_type/r:disk_image/@os") == ["Fedora"]
    assert names(manifest, "b", "r:sliver_type/@name") == ["small"]
    assert names(manifest, "b", "r:hardware_type/@name") == ["shared-host"]
    assert names(manifest, "c", "r:sliver_type/@name") == ["raw-pc"]
    assert names(manifest, "c", "r:hardware_type/@name") == ["whole-machine"]
    rspec.validate(manifest.document, "manifest")
    # The manifest sent back asks for nothing new.
    slice.provision().ok()
    slice.wait("geni_notready")
    calls = slice.server.mock.last_call()
    answer = slice.update(slice.manifest().document)
    assert set(edit.guarantees(answer.ok()["geni_rspec"]).values()) == {"geni_no_disruption"}
    slice.provision().ok()
    slice.wait("geni_notready")
    assert slice.server.mock.last_call() == calls


def test_a_second_choice_is_taken_when_the_first_is_full(start_server):
    realms = [
        {"id": "new", "capacity": 1, "hardware_type": "new", "hardware_profiles": ["small"]},
        {"id": "old", "capacity": 9, "hardware_type": "old", "hardware_profiles": ["small"]},
    ]
    slice = start_server(mock={"realms": realms}).slice()
    manifest = allocated(slice, *(rspec.node(name, hardware("new", "old")) for name in "abc"))
    assert sorted(names(manifest, name, "r:hardware_type/@name")[0] for name in "abc") == ["new", "old", "old"]
    slice.allocate(rspec.request(rspec.node("d", hardware("new")))).refused(TOOBIG, "no room")


def test_nothing_of_what_would_do_is_known(slice):
    none = rspec.node("a", '<sliver_type name="x1"/><sliver_type name="x2"/>', sliver_type=None)
    slice.allocate(rspec.request(none)).refused(BADARGS, '"x1" or "x2"', "default-vm")
    images = '<sliver_type name="small"><disk_image name="i1"/><disk_image name="i2"/></sliver_type>'
    slice.allocate(rspec.request(rspec.node("a", images, sliver_type=None))).refused(BADARGS, '"i1" or "i2"', "debian")
    many = rspec.node("a", hardware(*(f"h{n}" for n in range(17))))
    slice.allocate(rspec.request(many)).refused(TOOBIG, "17 hardware types; 16 at most")


# Components


def test_a_component_name_is_obeyed(slice):
    manifest = allocated(slice, rspec.node("a", component_name="lab-host-2"), rspec.node("b", component_name="lab-host-2"))
    assert {it.get("component_name") for it in manifest.nodes.values()} == {"lab-host-2"}
    slice.allocate(rspec.request(rspec.node("c", component_name="nowhere"))).refused(SEARCHFAILED, "nowhere")
    both = rspec.node("c", component_id="lab-host-1", component_name="lab-host-2")
    slice.allocate(rspec.request(both)).refused(BADARGS, "component_id", "component_name")
    # Update moves by name where no component_id is given, and by component_id whatever name was left standing.
    for change in ({"component_id": None, "component_name": "lab-host-1"}, {"component_id": manifest.nodes["a"].get("component_id").replace("host-2", "host-1")}):
        def moved(root):
            for name, value in change.items():
                node = edit.node(root, "a")
                node.set(name, value) if value else node.attrib.pop(name)

        after = Manifest(slice.update(manifest.edited(moved)).ok()["geni_rspec"])
        assert after.nodes["a"].get("component_name") == "lab-host-1" and after.nodes["b"].get("component_name") == "lab-host-2"
        slice.update(manifest.document).ok()


def test_nodes_that_shall_stand_together_do(slice):
    manifest = allocated(slice, *(rspec.node(name, colocate="x") for name in "abc"), rspec.node("d", colocate="y", component_id="lab-host-2"), rspec.node("e", colocate="y"))
    at = {name: node.get("component_name") for name, node in manifest.nodes.items()}
    assert at["a"] == at["b"] == at["c"] and at["d"] == at["e"] == "lab-host-2"
    apart = [rspec.node("f", colocate="z", component_id="lab-host-1"), rspec.node("g", colocate="z", component_id="lab-host-2")]
    slice.allocate(rspec.request(*apart)).refused(REFUSED, 'colocate "z"', "lab-host-1", "lab-host-2")
    machines = [rspec.node(name, colocate="m", sliver_type="raw-pc", exclusive="true") for name in "fg"]
    slice.allocate(rspec.request(*machines)).refused(TOOBIG, 'the 2 nodes with colocate "m"')


def test_an_interface_is_bound_to_the_one_it_gets_or_refused(slice):
    urn = f"urn:publicid:IDN+{slice.server.home.authority}+interface+lab-host-1:eth"

    def bound(*numbers):
        inside = "".join(f'<interface client_id="i{at}" component_id="{urn}{n}"/>' for at, n in enumerate(numbers))
        return rspec.request(rspec.node("a", inside, component_id="lab-host-1"))

    slice.allocate(bound(0, 2)).refused(REFUSED, 'interface "i1"', "eth2", "eth1")
    slice.allocate(bound(0, 1)).ok()


# Links


def test_a_wanted_vlan_tag_is_given_or_refused(start_server):
    slice = start_server(links={"first_vlan": 200, "last_vlan": 203}).slice()
    nodes = [rspec.node("a", interfaces=[f"a:{n}" for n in range(6)]), rspec.node("b", interfaces=[f"b:{n}" for n in range(6)])]
    # Links that leave the choice are given other tags than those that others ask for, whoever comes first.
    free = [rspec.link(f"l{n}", f"a:{n}", f"b:{n}") for n in range(2)]
    manifest = allocated(slice, *nodes, *free, rspec.link("mine", "a:2", "b:2", vlantag="203"), rspec.link("any", "a:3", "b:3", vlantag="any"))
    assert manifest.links["mine"].get("vlantag") == "203"
    assert {it.get("vlantag") for it in manifest.links.values()} == {"200", "201", "202", "203"}
    for tag, code, words in (("203", VLAN_UNAVAILABLE, "203 is taken"), ("204", VLAN_UNAVAILABLE, "200 to 203"), ("4095", BADARGS, "1 to 4094"), ("few", BADARGS, "few")):
        slice.allocate(rspec.request(rspec.link("more", "a:4", "b:4", vlantag=tag))).refused(code, words)
    # Update: another tag is given if it is free; the manifest's own is no change.
    slice.delete([manifest.sliver_ids["l0"]]).ok()
    gone = manifest.links["l0"].get("vlantag")
    slice.provision().ok()
    manifest = slice.manifest()

    def tagged(tag):
        return manifest.edited(lambda root: edit.link(root, "mine").set("vlantag", tag))

    slice.update(tagged(manifest.links["l1"].get("vlantag"))).refused(VLAN_UNAVAILABLE, "is taken")
    answer = slice.update(tagged(gone))
    assert Manifest(answer.ok()["geni_rspec"]).links["mine"].get("vlantag") == gone
    assert edit.guarantees(answer.rspec)["mine"] == "geni_dynamic_state"
    assert Manifest(slice.cancel().ok()["geni_rspec"]).links["mine"].get("vlantag") == "203"
    answer = slice.update(manifest.document)
    assert edit.guarantees(answer.ok()["geni_rspec"])["mine"] == "geni_no_disruption"


def test_links_are_of_a_kind_there_is(slice):
    nodes = [rspec.node("a", interfaces=["a:0"]), rspec.node("b", interfaces=["b:0"])]

    def of(*kinds):
        return rspec.link("l", "a:0", "b:0", inside="".join(f'<link_type name="{kind}"/>' for kind in kinds))

    slice.allocate(rspec.request(*nodes, of("gre-tunnel", "egre-tunnel"))).refused(UNSUPPORTED, '"gre-tunnel" or "egre-tunnel"', "lan, vlan")
    manifest = allocated(slice, *nodes, of("gre-tunnel", "VLAN", "lan"))
    assert manifest.find(manifest.links["l"], "r:link_type/@name") == ["VLAN"]
    slice.provision().ok()
    answer = slice.update(slice.manifest().document)
    assert edit.guarantees(answer.ok()["geni_rspec"])["l"] == "geni_no_disruption"


def test_the_manifest_names_what_nobody_puts_in_force(slice):
    # No driver configures networks: addresses and what a link shall be like are kept, shown, and said to be no more.
    shape = '<property source_id="a:0" dest_id="b:0" capacity="1000" packet_loss="0.1"/>'
    xen = f'<sliver_type name="default-vm"><xen xmlns="{EMULAB}" ram="4096"/></sliver_type>'
    asked = rspec.request(
        rspec.node("a", xen, sliver_type=None, interfaces=[("a:0", "10.0.0.1")]),
        rspec.node("b", interfaces=["b:0"]),
        rspec.link("l", "a:0", "b:0", inside=shape),
    )
    slice.allocate(asked).ok()
    slice.provision().ok()

    def said(document):
        manifest = Manifest(document)
        rspec.validate(document, "manifest")
        path = "*[namespace-uri()='urn:geniam:rspec:ext:unenforced:1' and local-name()='unenforced']/@demands"
        return {name: manifest.find(it, path) for name, it in {**manifest.nodes, **manifest.links}.items()}

    expected = {"a": ["ip xen"], "b": [], "l": ["capacity packet_loss"]}
    manifest = slice.manifest()
    assert said(manifest.document) == expected
    # Sent back it is no change, and stands there once.
    answer = slice.update(manifest.document)
    assert set(edit.guarantees(answer.ok()["geni_rspec"]).values()) == {"geni_no_disruption"}
    assert said(answer.rspec) == expected


# Wishes that are known and not done

WISHES = {
    "routable_control_ip": rspec.request(rspec.node("a", f'<routable_control_ip xmlns="{EMULAB}"/>')),
    "routable_pool": rspec.request(rspec.node("a"), f'<routable_pool xmlns="{EMULAB}" client_id="p" count="2" type="any"/>'),
    "lease": rspec.request(rspec.node("a"), f'<lease xmlns="{LEASES}" client_id="l" valid_from="2030-01-01T00:00:00Z"/>'),
    "lease_ref": rspec.request(rspec.node("a", f'<lease_ref xmlns="{LEASES}" id_ref="l"/>')),
    "link_shared_vlan": rspec.request(
        rspec.node("a", interfaces=["a:0"]), rspec.link("l", "a:0", inside=f'<link_shared_vlan xmlns="{SHARED}" name="v"/>')
    ),
}


@pytest.mark.parametrize("wish", WISHES)
def test_known_wishes_that_are_not_done_are_refused_by_name(slice, wish):
    slice.allocate(WISHES[wish]).refused(UNSUPPORTED, f"{wish} ")
    slice.update(WISHES[wish]).refused(UNSUPPORTED, f"{wish} ")
    assert slice.slivers() == {}


def test_wishes_for_others_are_theirs(slice):
    other = "urn:publicid:IDN+other.example.org+authority+cm"
    pool = f'<routable_pool xmlns="{EMULAB}" client_id="p" count="2" component_manager_id="{other}"/>'
    lease = f'<lease xmlns="{LEASES}" client_id="l"/>'
    control = f'<routable_control_ip xmlns="{EMULAB}"/>'
    slice.allocate(rspec.request(rspec.node("a"), rspec.node("b", control, component_manager_id=other), pool, lease)).ok()
    ours = pool.replace(other, slice.server.home.urn)
    slice.allocate(rspec.request(rspec.node("c"), rspec.node("d", component_manager_id=other), ours)).refused(UNSUPPORTED, "routable_pool")


def test_nothing_is_reserved_for_later(slice):
    # GCF's option geni_start_time.
    now = datetime.now(timezone.utc)
    soon, before = ((now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (1, -1))
    slice.allocate(rspec.nodes("a"), geni_start_time=soon).refused(UNSUPPORTED, "geni_start_time", soon)
    slice.allocate(rspec.nodes("a"), geni_start_time="soon").refused(BADARGS, "geni_start_time")
    slice.allocate(rspec.nodes("a"), geni_start_time=before).ok()
    slice.update(rspec.nodes("b"), geni_start_time=soon).refused(UNSUPPORTED, "geni_start_time")


def test_wishes_are_echoed_where_the_operator_says_so(start_server):
    server = start_server(extensions={"unsupported": "ignore"})
    for wish, asked in WISHES.items():
        slice = server.slice()
        answer = slice.allocate(asked, geni_start_time="2090-01-01T00:00:00Z")
        assert answer.code == SUCCESS and wish in answer.rspec
        slice.delete().ok()
