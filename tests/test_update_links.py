"""Interfaces and links under Update: added, taken away, renamed, tied to what the call does not name (AM API v4 draft,
change set C)."""

from harness import edit, rspec
from harness.codes import BADARGS, UNSUPPORTED
from harness.rspec import NS, Manifest

MANAGER = "urn:publicid:IDN+{}+authority+am"


def ends(manifest: Manifest, link: str) -> dict[str, str]:
    """sliver_id of the interface by client_id, for each end of a link."""
    return {it.get("client_id"): it.get("sliver_id") for it in manifest.links[link].findall("r:interface_ref", NS)}


def interfaces(manifest: Manifest, node: str) -> dict[str, tuple]:
    return {
        it.get("client_id"): (it.get("sliver_id"), it.get("mac_address"))
        for it in manifest.nodes[node].findall("r:interface", NS)
    }


def test_interfaces_come_go_and_keep_what_they_are(slice):
    slice.provisioned(rspec.request(rspec.node("a", interfaces=["a:0", "a:1"])))
    before, calls = interfaces(slice.manifest(), "a"), slice.server.mock.last_call()

    def change(root):
        node = edit.node(root, "a")
        node.remove(node.find("r:interface[@client_id='a:1']", NS))
        edit.add(node, '<interface client_id="a:2"/>')

    answer = slice.update(slice.manifest().edited(change))
    after = interfaces(Manifest(answer.ok()["geni_rspec"]), "a")
    assert set(after) == {"a:0", "a:2"} and after["a:0"] == before["a:0"]
    assert after["a:2"] not in before.values()
    slice.provision().ok()
    # The name of the one that went is never used again.
    add = slice.manifest().edited(lambda root: edit.add(edit.node(root, "a"), '<interface client_id="a:1"/>'))
    third = interfaces(Manifest(slice.update(add).ok()["geni_rspec"]), "a")
    assert third["a:1"][0] not in {name for name, _ in [*before.values(), *after.values()]}
    assert slice.server.mock.last_call() == calls, "interfaces are kept by the aggregate: no machine is touched"


def test_a_renamed_interface_keeps_its_link_and_addresses(slice):
    slice.provisioned(rspec.pair())
    before, state = slice.manifest(), slice.state()
    answer = slice.update(before.document.replace('client_id="a:0"', 'client_id="a:eth"'))
    after = Manifest(answer.ok()["geni_rspec"])
    assert interfaces(after, "a") == {"a:eth": interfaces(before, "a")["a:0"]}
    assert ends(after, "lan") == {"a:eth": ends(before, "lan")["a:0"], "b:0": ends(before, "lan")["b:0"]}
    assert set(edit.guarantees(answer.rspec).values()) == {"geni_no_disruption"}
    slice.cancel().ok()
    assert slice.state() == state


def test_a_link_between_an_old_and_a_new_node(slice):
    slice.provisioned(rspec.nodes("a"))

    def change(root):
        edit.add(edit.node(root, "a"), '<interface client_id="a:0"/>')
        edit.add(root, rspec.node("n", interfaces=["n:0"]))
        edit.add(root, rspec.link("lan", "a:0", "n:0"))

    before = slice.state()
    answer = slice.update(slice.manifest().edited(change))
    after = Manifest(answer.ok()["geni_rspec"])
    assert ends(after, "lan") == {
        "a:0": interfaces(after, "a")["a:0"][0],
        "n:0": interfaces(after, "n")["n:0"][0],
    }
    rspec.validate(answer.rspec, "manifest")
    slice.cancel().ok()
    assert slice.state() == before
    slice.update(slice.manifest().edited(change)).ok()
    slice.provision().ok()
    slice.wait("geni_ready", [slice.manifest().sliver_ids["a"]])
    assert set(slice.manifest().links) == {"lan"}


def test_a_new_link_to_an_unnamed_node_that_has_the_interface(slice):
    slice.provisioned(rspec.request(rspec.node("a", interfaces=["a:0"]), rspec.node("b")))
    ids = slice.manifest().sliver_ids
    before = slice.slivers()[ids["a"]]

    def change(root):
        edit.keep(root, "b")
        edit.add(edit.node(root, "b"), '<interface client_id="b:0"/>')
        edit.add(root, rspec.link("lan", "a:0", "b:0"))

    answer = slice.update(slice.manifest().edited(change), [ids["b"]])
    assert set(ends(Manifest(answer.ok()["geni_rspec"]), "lan")) == {"a:0", "b:0"}
    assert slice.slivers()[ids["a"]] == before
    # The link is a sliver, and nothing else: not a second time among what belongs to nobody.
    assert slice.manifest().foreign == []


def test_a_link_that_needs_an_interface_on_an_unnamed_node(slice):
    slice.provisioned(rspec.pair())
    before, ids = slice.state(), slice.manifest().sliver_ids

    def change(root):
        edit.keep(root, "lan")
        edit.add(edit.link(root, "lan"), '<interface_ref client_id="a:7"/>')

    request = slice.manifest().edited(change)
    slice.update(request, [ids["lan"]]).refused(UNSUPPORTED, '"a:7"', "urns")
    assert slice.state() == before
    answer = slice.update(request, [ids["lan"]], geni_best_effort=True)
    (struct,) = answer.ok()["geni_slivers"]
    assert struct["geni_error"] and struct["geni_allocation_status"] == "geni_provisioned"
    assert slice.state() == before
    # Where everything is named, the interface is simply not there.
    slice.update(slice.manifest().edited(
        lambda root: edit.add(edit.link(root, "lan"), '<interface_ref client_id="a:7"/>')
    )).refused(BADARGS, '"a:7"')
    # And a new link that needs it cannot be reported for a sliver: the call as a whole is refused.
    new = rspec.request(rspec.node("n", interfaces=["n:0"]), rspec.link("l", "n:0", "a:7"))
    slice.update(new, [ids["lan"]], geni_best_effort=True).refused(UNSUPPORTED)
    assert slice.state() == before


def test_an_interface_that_an_unnamed_link_is_tied_to_stays(slice):
    slice.provisioned(rspec.pair())
    before, ids = slice.state(), slice.manifest().sliver_ids

    def without(root):
        edit.keep(root, "a")
        node = edit.node(root, "a")
        node.remove(node.find("r:interface", NS))

    only_a = slice.manifest().edited(without)
    renamed = slice.manifest().edited(lambda root: edit.keep(root, "a")).replace('"a:0"', '"a:eth"')
    for request in (only_a, renamed):
        slice.update(request, [ids["a"]]).refused(UNSUPPORTED, '"a:0"', '"lan"')
        (struct,) = slice.update(request, [ids["a"]], geni_best_effort=True).ok()["geni_slivers"]
        assert '"lan"' in struct["geni_error"]
        assert slice.state() == before


def test_a_link_loses_an_end_with_its_node(slice):
    slice.provisioned(rspec.pair())
    # Without the link's end in the description the request does not hold together.
    slice.update(slice.manifest().edited(lambda root: edit.drop(root, "b"))).refused(BADARGS, '"b:0"')

    def change(root):
        edit.drop(root, "b")
        link = edit.link(root, "lan")
        link.remove(link.find("r:interface_ref[@client_id='b:0']", NS))

    before = slice.state()
    answer = slice.update(slice.manifest().edited(change))
    assert set(ends(Manifest(answer.ok()["geni_rspec"]), "lan")) == {"a:0"}
    assert edit.guarantees(answer.rspec)["lan"] == "geni_dynamic_state"
    slice.cancel().ok()
    assert slice.state() == before


def test_a_manifest_with_an_end_whose_node_was_deleted_is_no_change(slice):
    slice.provisioned(rspec.pair())
    slice.delete([slice.manifest().sliver_ids["b"]]).ok()
    before = slice.state()
    slice.update(slice.manifest().document).ok()
    slice.cancel().ok()
    assert slice.state() == before


def test_a_shared_link_keeps_its_other_aggregate(slice):
    ours, other = slice.server.home.urn, MANAGER.format("else.example")
    managers = f'<component_manager name="{ours}"/><component_manager name="{other}"/>'
    slice.provisioned(rspec.request(
        rspec.node("a", interfaces=["a:0"]), rspec.link("wan", "a:0", "far:0", inside=managers)
    ))
    before = slice.state()
    answer = slice.update(slice.manifest().document)
    assert set(edit.guarantees(answer.ok()["geni_rspec"]).values()) == {"geni_no_disruption"}
    slice.cancel().ok()
    assert slice.state() == before


def test_a_node_that_moves_keeps_its_interfaces_and_its_link_follows(slice):
    slice.provisioned(rspec.pair(component_id=None))
    before, ids = slice.manifest(), slice.manifest().sliver_ids
    here = before.nodes["a"].get("component_id")
    there = here[:-1] + ("2" if here.endswith("1") else "1")

    def change(root):
        edit.keep(root, "a")
        edit.node(root, "a").set("component_id", there)

    state = slice.state()
    answer = slice.update(slice.manifest().edited(change), [ids["a"]])
    assert edit.guarantees(answer.ok()["geni_rspec"]) == {"a": "geni_none"}
    after = slice.manifest()
    assert after.nodes["a"].get("component_id") == there
    assert interfaces(after, "a") == interfaces(before, "a")
    (bound,) = after.links["lan"].xpath("r:interface_ref[@client_id='a:0']/@component_id", namespaces=NS)
    assert there.rsplit("+", 1)[1] in bound, "the link, though not named, is shown where its end will be"
    slice.cancel().ok()
    assert slice.state() == state
    slice.update(slice.manifest().edited(change), [ids["a"]]).ok()
    slice.provision().ok()
    slice.wait("geni_ready")
    assert there.endswith(slice.instances()[ids["a"]].realm)


def test_links_between_allocates_as_the_aggregate_allows(start_server):
    second = rspec.request(rspec.node("b", interfaces=["b:0"]), rspec.link("lan", "a:0", "b:0"))
    for mode, code in (("geni_many", 0), ("geni_disjoint", UNSUPPORTED)):
        slice = start_server(policy={"allocate": mode}).slice()
        slice.allocate(rspec.request(rspec.node("a", interfaces=["a:0"]))).ok()
        before = slice.state()
        answer = slice.allocate(second)
        assert answer.code == code, answer.output
        if code:
            assert slice.state() == before
            slice.allocate(rspec.nodes("c")).ok()
            slice.allocate(rspec.request(rspec.node("x", interfaces=["x:0"]), rspec.link("l", "x:0", "y:0"))).refused(
                BADARGS)
            # What Allocate may not link, Update may.
            described = Manifest(slice.describe().rspec).edited(
                lambda root: [edit.add(root, rspec.node("b", interfaces=["b:0"])),
                              edit.add(root, rspec.link("lan", "a:0", "b:0"))])
            slice.update(described).ok()
        assert set(ends(slice.manifest(), "lan")) == {"a:0", "b:0"}
        rspec.validate(slice.manifest().document, "manifest")
