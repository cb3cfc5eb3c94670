"""Many callers and one pool of machines: capacity, races, and who may do what to whose slice."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

from harness import poll, rspec
from harness.client import options
from harness.codes import (
    ALREADYEXISTS,
    BADARGS,
    BUSY,
    FORBIDDEN,
    INPROGRESS,
    SEARCHFAILED,
    SUCCESS,
    TOOBIG,
    UNSUPPORTED,
)
from harness.rspec import Manifest
from harness.slice import Slice

HOSTS = [{"id": "host", "capacity": 6, "hardware_profiles": ["small"]}]
MACHINES = [{"id": "pc{n}", "name": "PC {n}", "count": 4, "exclusive": True, "hardware_profiles": ["raw-pc"]}]


def at_once(calls):
    """Starts all at the same time, and gives their answers."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return [it.result() for it in [threads.submit(call) for call in calls]]


@pytest.fixture(scope="module")
def server(new_home):
    """Six places for virtual machines, and four whole machines."""
    from harness import Server

    server = Server(new_home(), mock={"realms": HOSTS + MACHINES})
    yield server
    try:
        server.stop()
    finally:
        server.kill()


def machine(name="m", **more):
    return rspec.request(rspec.node(name, sliver_type="raw-pc", exclusive="true", **more))


def test_sixteen_callers_and_four_machines(server, new_slice):
    # AM API v3, Allocate: what is allocated to one is nobody else's.
    slices = [new_slice() for _ in range(16)]
    answers = at_once([lambda it=it: it.allocate(machine()) for it in slices])
    won = [it for it in answers if it.code == SUCCESS]
    assert len(won) == 4
    assert {it.code for it in answers} == {SUCCESS, TOOBIG}
    components = [Manifest(it.rspec).nodes["m"].get("component_id") for it in won]
    assert len(set(components)) == 4
    # What nobody got left nothing behind, and what is given back can be had at once.
    for slice, answer in zip(slices, answers):
        assert bool(slice.slivers()) == (answer.code == SUCCESS)
    winner = slices[answers.index(won[0])]
    winner.delete().ok()
    loser = slices[next(n for n, it in enumerate(answers) if it.code == TOOBIG)]
    granted = Manifest(loser.allocate(machine()).ok()["geni_rspec"])
    assert granted.nodes["m"].get("component_id") == components[0]


def test_sixteen_callers_and_one_machine_they_all_name(server, new_slice):
    slices = [new_slice() for _ in range(16)]
    answers = at_once([lambda it=it: it.allocate(machine(component_id="lab-pc2")) for it in slices])
    assert sorted(it.code for it in answers) == [SUCCESS] + [TOOBIG] * 15
    assert all("lab-pc2" in it.output for it in answers if it.code == TOOBIG)


def test_all_or_nothing_under_pressure(server, new_slice):
    # Eight callers want three machines each of four: one of them gets all three, no one gets a part.
    three = rspec.request(*(rspec.node(f"m{n}", sliver_type="raw-pc", exclusive="true") for n in range(3)))
    slices = [new_slice() for _ in range(8)]
    answers = at_once([lambda it=it: it.allocate(three) for it in slices])
    assert [it.code for it in answers].count(SUCCESS) <= 1
    for slice, answer in zip(slices, answers):
        assert len(slice.slivers()) == (3 if answer.code == SUCCESS else 0)
    for slice in slices:
        slice.delete()
    slices[0].allocate(three).ok()


def test_deleting_frees_what_was_held(slice):
    # Six places: the seventh is refused until one is given back, however far the slivers have come.
    slice.allocate(rspec.nodes(*(f"n{n}" for n in range(6)))).ok()
    ids = slice.manifest().sliver_ids
    slice.provision([ids["n0"], ids["n1"]]).ok()
    slice.wait("geni_notready", [ids["n0"], ids["n1"]])
    before = slice.state()
    slice.allocate(rspec.nodes("more")).refused(TOOBIG, "no room")
    assert slice.state() == before
    for name in ("n0", "n5"):
        slice.delete([ids[name]]).ok()
        slice.allocate(rspec.nodes(f"instead-of-{name}")).ok()
    slice.allocate(rspec.nodes("more")).refused(TOOBIG, "no room")


def test_expiry_frees_what_was_held(start_server):
    # AM API v3: an allocated sliver that is not provisioned in time, and a provisioned one at its expiry, are freed.
    server = start_server(mock={"realms": HOSTS})
    slice = server.slice()
    slice.allocate(rspec.nodes("kept")).ok()
    slice.provision().ok()
    slice.wait("geni_notready")
    slice.allocate(rspec.nodes(*(f"n{n}" for n in range(5)))).ok()
    server.set_clock_ahead(11 * 60)
    other = server.slice()
    other.allocate(rspec.nodes(*(f"o{n}" for n in range(5)))).ok()
    assert set(slice.manifest().nodes) == {"kept"}
    server.set_clock_ahead(8 * 24 * 3600)
    other.allocate(rspec.nodes(*(f"p{n}" for n in range(6)))).ok()
    assert slice.slivers() == {}
    poll.until(lambda: not server.mock.instances(), "the expired machine going")


def test_a_renewal_just_before_expiry_holds(start_server):
    # AM API v3, Renew: accepted before, it holds; after, there is nothing to renew.
    server = start_server()
    slice = server.slice()
    slice.allocate(rspec.nodes("a")).ok()
    server.set_clock_ahead(9 * 60)
    until = (datetime.now(timezone.utc) + timedelta(minutes=18)).strftime("%Y-%m-%dT%H:%M:%SZ")
    slice.renew(until).ok()
    server.set_clock_ahead(12 * 60)
    assert slice.slivers()
    server.set_clock_ahead(19 * 60)
    slice.renew(until).refused(SEARCHFAILED)


def test_an_expired_credential_stops_working_while_the_server_runs(start_server):
    # Credentials are remembered, their expiry is looked at on every call.
    server = start_server()
    slice = server.slice(days=1)
    slice.allocate(rspec.nodes("a")).ok()
    server.set_clock_ahead(25 * 3600)
    answer = slice.status()
    answer.refused(FORBIDDEN, "expired")
    assert answer.am_code == 21


# Calls on one slice at the same time


def test_calls_on_one_slice_come_one_after_the_other(server, slice):
    answers = at_once([lambda n=n: slice.allocate(rspec.nodes(f"n{n}")) for n in range(6)])
    assert {it.code for it in answers} <= {SUCCESS, BUSY}
    given = {name for it in answers if it.code == SUCCESS for name in Manifest(it.rspec).nodes}
    assert set(slice.manifest().nodes) == given


def test_one_name_is_given_once(slice):
    answers = at_once([lambda: slice.allocate(rspec.nodes("same")) for _ in range(8)])
    assert sorted(it.code for it in answers) == [SUCCESS] + [ALREADYEXISTS] * 7
    assert len(slice.slivers()) == 1


def test_everything_at_once_on_one_slice(slice):
    # Whatever wins, each answer is one of the API's, and the end is one that some order of the calls leads to.
    slice.allocate(rspec.nodes("a", "b", "c")).ok()
    ids = slice.manifest().sliver_ids
    until = (datetime.now(timezone.utc) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    calls = [
        lambda: slice.provision([ids["a"]]),
        lambda: slice.provision(),
        lambda: slice.renew(until, [ids["b"]]),
        lambda: slice.delete([ids["c"]]),
        lambda: slice.delete([ids["c"]]),
        lambda: slice.status(),
        lambda: slice.describe(),
        lambda: slice.action("geni_start", [ids["a"]]),
    ]
    answers = at_once(calls * 2)
    assert {it.code for it in answers} <= {SUCCESS, SEARCHFAILED, INPROGRESS, UNSUPPORTED, BUSY}
    assert [it.code for it in answers if it.method == "Delete"].count(SUCCESS) == 1
    states = {urn: it["geni_allocation_status"] for urn, it in slice.slivers().items()}
    assert states == {ids["a"]: "geni_provisioned", ids["b"]: "geni_provisioned"}
    poll.until(lambda: len(slice.instances()) == 2, "two machines")


# Whose slice it is


def delegated(server, slice, to="bob", xml=None, giver=None, **limits) -> Slice:
    """The slice in the hands of somebody it was delegated to."""
    handed_on = server.home.delegate(xml or slice.credential, giver or slice.owner, to, **limits)
    return Slice(server, slice.name, owner=to, xml=handed_on, caller=server.client(to))


def test_bob_cannot_touch_alices_slice(server, slice, new_slice):
    # AM API v3, credentials: a slice is for those who hold its credential, whatever they know of it.
    slice.allocate(rspec.nodes("a")).ok()
    ids = list(slice.slivers())
    bob = new_slice(owner="bob")
    bob.allocate(rspec.nodes("mine")).ok()
    before = slice.state()
    until = (datetime.now(timezone.utc) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for urns in ([slice.urn], ids, ids + list(bob.slivers())):
        for call in (bob.status, bob.describe, bob.provision, bob.delete, bob.cancel):
            assert call(urns).code == FORBIDDEN
        assert bob.renew(until, urns).code == FORBIDDEN
        assert bob.action("geni_start", urns).code == FORBIDDEN
        assert bob.update(rspec.nodes("a"), urns).code == FORBIDDEN
    shutdown = bob.client.call("Shutdown", slice.urn, bob.credentials, {})
    assert shutdown.code == FORBIDDEN
    assert slice.state() == before


def test_a_refusal_does_not_tell_whether_a_sliver_exists(server, slice, new_slice):
    # No oracle: to bob, alice's sliver, her deleted sliver and one that never was look the same but for the name.
    slice.allocate(rspec.nodes("there", "gone")).ok()
    ids = slice.manifest().sliver_ids
    slice.delete([ids["gone"]]).ok()
    bob = new_slice(owner="bob")
    urns = [ids["there"], ids["gone"], ids["there"] + "0"]

    def told(urn, answer):
        """What an answer says beside the request's number and the sliver's name."""
        return re.sub(r" \(request [0-9a-f-]{36}\)$", "", answer.output).replace(urn, "URN")

    unusable = [{"geni_type": "geni_sfa", "geni_version": "3", "geni_value": "none"}]
    for credentials, code in ([], BADARGS), (unusable, FORBIDDEN):
        answers = [bob.client.call("Status", [urn], credentials, {}) for urn in urns]
        assert {it.code for it in answers} == {code}
        assert len({told(urn, it) for urn, it in zip(urns, answers)}) == 1
    # Whoever holds a credential for some slice hears the same words of slivers that are not his and of none.
    answers = [bob.status([urn]) for urn in urns]
    assert [it.code for it in answers] == [FORBIDDEN, FORBIDDEN, SEARCHFAILED]
    assert len({told(urn, it) for urn, it in zip(urns, answers)}) == 1
    assert not any("+slice+" in it.output for it in answers)
    # Who holds one for the slice that does not suffice is told so.
    info = delegated(server, slice, privileges=["info"])
    info.delete([ids["there"]]).refused(FORBIDDEN, "does not grant")


def test_a_delegated_credential_gives_the_whole_slice(server, slice):
    # GENI credentials, delegation: with all privileges bob does what alice may.
    bob = delegated(server, slice)
    bob.provisioned(rspec.nodes("a"))
    assert set(slice.manifest().nodes) == {"a"}
    bob.delete().ok()
    assert slice.slivers() == {}


def test_a_delegated_credential_gives_no_more_than_it_says(server, slice):
    slice.allocate(rspec.nodes("a")).ok()
    until = (datetime.now(timezone.utc) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = slice.state()
    # "info" is for looking at what the aggregate offers, "control" for all but shutting the slice down.
    bob = delegated(server, slice, privileges=["info"])
    assert bob.client.call("ListResources", bob.credentials, options()).ok()
    refused = [bob.allocate(rspec.nodes("b")), bob.provision(), bob.delete(), bob.renew(until), bob.shutdown()]
    bob = delegated(server, slice, privileges=["control"])
    assert bob.status().ok() and bob.describe().ok()
    refused.append(bob.shutdown())
    for answer in refused:
        answer.refused(FORBIDDEN, "does not grant", "info|control")
        assert answer.am_code == 22
    assert slice.state() == before
    bob.delete().ok()


def test_what_is_lent_ends_with_the_delegated_credential(server, slice):
    # AM API v3: a sliver does not outlive the credential that authorised it.
    bob = delegated(server, slice, days=1)
    bob.allocate(rspec.nodes("a")).ok()
    (sliver,) = bob.provision().slivers
    end = datetime.strptime(sliver["geni_expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert end <= datetime.now(timezone.utc) + timedelta(days=1)
    slice.renew((end + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")).ok()


def test_a_delegated_credential_is_for_the_one_who_got_it(server, slice):
    bob = delegated(server, slice)
    answer = Slice(server, slice.name, xml=bob.credential, caller=server.client("alice")).status()
    answer.refused(FORBIDDEN, "\\+user\\+bob")
    assert answer.am_code == 22


def test_a_credential_can_be_handed_on_twice(server, slice):
    # Delegation may go on as far as every hand allowed it.
    bob = delegated(server, slice)
    back = delegated(server, slice, to="alice", xml=bob.credential, giver="bob")
    back.allocate(rspec.nodes("a")).ok()
    with pytest.raises(AssertionError, match="deleg"):
        limited = delegated(server, slice, privileges=["info", "control"])
        delegated(server, slice, to="alice", xml=limited.credential, giver="bob")


# Shutdown


def test_a_shut_down_slice_is_frozen_for_its_experimenters(server):
    # AM API v3, Shutdown: cut off, kept for those who look into it, also over a restart.
    slice = server.slice("frozen").provisioned(rspec.nodes("a"))
    assert slice.shutdown().ok() is True
    assert slice.shutdown().ok() is True
    until = (datetime.now(timezone.utc) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def all_refused():
        for answer in (
            slice.status(),
            slice.describe(),
            slice.allocate(rspec.nodes("b")),
            slice.provision(),
            slice.renew(until),
            slice.action("geni_start"),
            slice.update(rspec.nodes("a")),
            slice.cancel(),
            slice.delete(),
        ):
            answer.refused(FORBIDDEN, "shut down")

    all_refused()
    # The machine is stopped, not destroyed: it may be evidence.
    poll.until(lambda: [it.state for it in server.mock.instances()] == ["stopped"], "the machine being cut off")
    server.restart()
    slice.reconnect()
    all_refused()
    assert [it.state for it in server.mock.instances()] == ["stopped"]


def test_a_refusal_can_be_found_in_the_log(server, slice):
    # Who asks an operator why, quotes what the answer says.
    slice.allocate(rspec.nodes("a")).ok()
    unusable = [{"geni_type": "geni_sfa", "geni_version": "3", "geni_value": "none"}]
    output = server.client("bob").call("Status", [slice.urn], unusable, {}).refused(FORBIDDEN)
    request = re.search(r" \(request ([0-9a-f-]{36})\)$", output)[1]
    lines = lambda: [line for line in server.log.read_text().splitlines() if request in line and "refused" in line]
    # The log is written beside the calls.
    (line,) = poll.until(lines, "the refusal in the log")
    assert "geni_code=3" in line and "+user+bob" in line
    # Where the caller can help themselves there is nothing to look for.
    assert "request" not in slice.allocate("no RSpec at all").refused(BADARGS)
