"""A manifest sent back asks for nothing new, whatever has been added to it (AM API v4 draft, change set C)."""

import re

import pytest
from lxml import etree

from harness import edit, rspec
from harness.client import KEY, users
from harness.rspec import NS, RSPEC, Manifest

REQUEST = rspec.request(
    rspec.node("a", '<services><execute shell="sh" command="date"/></services>',
               '<x:tag xmlns:x="http://tool.example/1" x:n="1"> kept <x:as/> is </x:tag>',
               interfaces=[("a:0", "10.10.1.1"), "a:1"]),
    rspec.node("b", sliver_type=None, interfaces=[("b:0", "10.10.1.2")]),
    rspec.node("else", component_manager_id="urn:publicid:IDN+else.example+authority+am"),
    rspec.link("lan", "a:0", "b:0", inside='<link_type name="lan"/>'),
    '<y:plan xmlns:y="http://tool.example/2"/>',
    attributes='xmlns:z="http://tool.example/3" z:mark="7"',
)


def pinned(manifest):
    """Everything that the aggregate chose, said by the experimenter: component, type and image as URN."""
    return manifest.document


def bare(manifest):
    """Only what an experimenter has to say: the aggregate's choices taken out again."""

    def change(root):
        for element in root.iter("{*}node"):
            if element.get("sliver_id"):
                for name in ("component_id", "component_name", "component_manager_id", "exclusive"):
                    element.attrib.pop(name, None)
                for path in ("r:sliver_type", "r:hardware_type", "r:host"):
                    for child in element.findall(path, NS):
                        element.remove(child)

    return manifest.edited(change)


def reformatted(manifest):
    """Other prefixes, other white space, other order of attributes."""
    text = manifest.document.replace(f'xmlns="{RSPEC}"', f'xmlns="{RSPEC}" xmlns:g="{RSPEC}"', 1)
    for name in ("node", "link", "interface", "sliver_type", "disk_image", "services", "execute", "interface_ref"):
        text = re.sub(rf"<(/?){name}(?=[\s/>])", rf"<\1g:{name}", text)
    text = re.sub(r">\s*<(?!/?(?:x:|.{0,40}kept))", ">\n\n   <", text)
    root = rspec.parse(text)
    for element in root.iter():
        if isinstance(element.tag, str):
            items = list(element.attrib.items())[::-1]
            element.attrib.clear()
            element.attrib.update(items)
    return etree.tostring(root, encoding="unicode")


def as_request(manifest):
    """The same, called a request."""
    return manifest.edited(lambda root: root.set("type", "request"))


@pytest.mark.parametrize("form", [pinned, bare, reformatted, as_request])
@pytest.mark.parametrize("with_users", [True, False])
def test_our_manifest_sent_back_is_no_change(slice, form, with_users):
    slice.provisioned(REQUEST, with_users=with_users)
    before, machines, calls = slice.state(), slice.instances(), slice.server.mock.last_call()
    back = form(slice.manifest())
    answer = slice.update(back)
    assert set(edit.guarantees(answer.ok()["geni_rspec"]).values()) == {"geni_no_disruption"}
    assert set(edit.guarantees(answer.rspec)) == {"a", "b", "lan"}
    assert {it["geni_allocation_status"] for it in answer.slivers} == {"geni_updating"}
    # Cancel: as if nothing had been.
    slice.cancel().ok()
    assert slice.state() == before
    # Provision: nothing is touched, and nothing is different.
    slice.update(back).ok()
    slice.provision(with_users=with_users).ok()
    slice.wait("geni_ready")
    assert slice.server.mock.last_call() == calls
    assert slice.instances() == machines
    if form is reformatted:
        # The other aggregates' parts are the experimenter's text, and that now reads as it was sent.
        assert slice.slivers() == before["slivers"]
    else:
        assert slice.state() == before


def test_what_update_answered_can_be_sent_back_too(slice):
    slice.provisioned(REQUEST)
    changed = slice.manifest().edited(lambda root: edit.set_image(root, "a", "fedora-41"))
    first = slice.update(changed).ok()["geni_rspec"]
    state = slice.state()
    # The promise in the document is an answer, not a wish.
    second = slice.update(first).ok()["geni_rspec"]
    assert rspec.canonical(second, ["generated"]) == rspec.canonical(first, ["generated"])
    assert slice.state() == state


def test_a_changed_node_keeps_what_the_description_leaves_open(slice):
    slice.provisioned(rspec.nodes("a", sliver_type="medium", image="ubuntu-24.04"))
    manifest = slice.manifest()
    (urn,) = slice.slivers()
    machine = slice.instances()[urn]
    # A change all the same: a command to run.
    described = rspec.request(
        rspec.node("a", '<services><execute shell="sh" command="uptime"/></services>',
                   sliver_type=None, exclusive=None, sliver_id=urn)
    )
    answer = slice.update(described)
    now, was = Manifest(answer.ok()["geni_rspec"]).nodes["a"], manifest.nodes["a"]
    assert now.get("component_id") == was.get("component_id")
    for path in ("r:sliver_type/@name", "r:sliver_type/r:disk_image/@name"):
        assert now.xpath(path, namespaces=NS) == was.xpath(path, namespaces=NS)
    assert edit.guarantees(answer.rspec) == {"a": "geni_persistent_state"}
    slice.provision().ok()
    slice.wait("geni_ready")
    after = slice.instances()[urn]
    assert (after.id, after.disk_id, after.image, after.profile) == (
        machine.id, machine.disk_id, "ubuntu-24.04", "medium")
    assert "uptime" in after.user_data


def test_a_changed_type_keeps_the_image(slice):
    slice.provisioned(rspec.nodes("a", image="ubuntu-24.04"))
    (urn,) = slice.slivers()
    answer = slice.update(rspec.request(rspec.node("a", sliver_type="large", sliver_id=urn)))
    node = Manifest(answer.ok()["geni_rspec"]).nodes["a"]
    assert node.xpath("r:sliver_type/@name", namespaces=NS) == ["large"]
    assert "ubuntu-24.04" in node.xpath("r:sliver_type/r:disk_image/@name", namespaces=NS)[0]


def test_a_sliver_can_get_another_name(slice):
    slice.provisioned(rspec.nodes("a"))
    before, calls = slice.state(), slice.server.mock.last_call()
    renamed = slice.manifest().document.replace('client_id="a"', 'client_id="z"')
    answer = slice.update(renamed)
    assert edit.guarantees(answer.ok()["geni_rspec"]) == {"z": "geni_no_disruption"}
    slice.cancel().ok()
    assert slice.state() == before
    slice.update(renamed).ok()
    slice.provision().ok()
    assert set(slice.manifest().nodes) == {"z"}
    assert slice.server.mock.last_call() == calls


def test_what_only_the_experimenter_understands_comes_back_changed(slice):
    slice.provisioned(REQUEST)
    before = slice.state()
    changed = slice.manifest().document.replace('n="1"', 'n="2"').replace('z:mark="7"', 'z:mark="8"')
    answer = slice.update(changed)
    assert 'n="2"' in answer.ok()["geni_rspec"] and 'mark="8"' in answer.rspec
    assert set(edit.guarantees(answer.rspec).values()) == {"geni_no_disruption"}
    slice.cancel().ok()
    assert slice.state() == before


def test_foreign_nodes_pass_through_an_update(slice):
    slice.provisioned(REQUEST)
    # Only one of our nodes is described and named: the others, and the foreign one, stay in the manifest of the slice.
    urn = slice.manifest().sliver_ids["a"]
    only = slice.manifest().edited(lambda root: edit.keep(root, "a"))
    slice.update(only, [urn]).ok()
    assert [it.get("client_id") for it in slice.manifest().foreign] == ["else"]


def test_other_users_at_provision_reach_a_node_that_may_not_be_disturbed_later(slice):
    slice.provisioned(rspec.nodes("a"))
    (urn,) = slice.slivers()
    machine = slice.instances()[urn]
    slice.update(slice.manifest().document).ok()
    bob = slice.server.home.user_urn("bob")
    slice.provision(geni_users=users((bob, [KEY]))).ok()
    slice.wait("geni_ready")
    after = slice.instances()[urn]
    assert (after.boot_count, after.disk_id, after.id) == (machine.boot_count, machine.disk_id, machine.id)
    assert [it.get("username") for it in slice.manifest().logins("a")] == ["bob"]
    slice.action("geni_restart").ok()
    slice.wait("geni_ready")
    after = slice.instances()[urn]
    assert after.boot_count == machine.boot_count + 1 and "bob" in after.user_data
