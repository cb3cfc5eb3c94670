"""Killed without warning, and started again: what was acknowledged is there, and nothing else.

Several callers work on slices of their own and note every answer. At some moment the process is killed
(SIGKILL). After the restart each slice must be as its last answer said; only the one call that was under way
in it may have happened, and then as a whole.
"""

import http.client
import random
import threading
from datetime import datetime, timedelta, timezone

import pytest

from harness import poll, rspec
from harness.codes import SEARCHFAILED, SUCCESS
from harness.rspec import Manifest

CALLERS = 4
ROUNDS = 5
# What a call ends with when the server dies under it.
CUT_OFF = (OSError, http.client.HTTPException)


def seen(slice) -> dict[str, tuple[str, str]]:
    """Allocation state and expiry by sliver URN."""
    return {urn: (it["geni_allocation_status"], it["geni_expires"]) for urn, it in slice.slivers().items()}


def entries(slivers) -> dict[str, tuple[str, str]]:
    return {it["geni_sliver_urn"]: (it["geni_allocation_status"], it["geni_expires"]) for it in slivers}


class Caller:
    """Works on one slice; knows what was acknowledged, and what the call under way would do."""

    def __init__(self, slice, seed):
        self.slice = slice
        self.random = random.Random(seed)
        self.acknowledged: dict[str, tuple[str, str]] = {}
        self.under_way = None
        self.names = 0
        self.answers = 0
        self.failure = None

    def work(self):
        try:
            while True:
                self.step()
                self.answers += 1
        except CUT_OFF:
            pass
        except BaseException as failure:  # handed to the main thread
            self.failure = failure

    def step(self):
        live = self.acknowledged
        allocated = [urn for urn, (state, _) in live.items() if state == "geni_allocated"]
        choices = ["allocate"] if len(live) < 12 else []
        choices += ["provision", "provision"] if allocated else []
        choices += ["renew", "delete"] if live else []
        call = self.random.choice(choices)
        if call == "allocate":
            self.names += 2
            document = rspec.nodes(f"n{self.names}", f"n{self.names + 1}")
            self.under_way = ("allocate", {f"n{self.names}", f"n{self.names + 1}"})
            live.update(entries(self.slice.allocate(document).ok()["geni_slivers"]))
        elif call == "provision":
            urns = self.random.sample(allocated, self.random.randint(1, len(allocated)))
            self.under_way = ("provision", urns)
            live.update(entries(self.slice.provision(urns).ok()["geni_slivers"]))
        elif call == "renew":
            urns = self.random.sample(sorted(live), self.random.randint(1, len(live)))
            until = (datetime.now(timezone.utc) + timedelta(minutes=self.random.randint(2, 9))).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.under_way = ("renew", urns, until)
            live.update(entries(self.slice.renew(until, urns).ok()))
        else:
            urns = self.random.sample(sorted(live), self.random.randint(1, min(2, len(live))))
            self.under_way = ("delete", urns)
            self.slice.delete(urns).ok()
            for urn in urns:
                del live[urn]
        self.under_way = None

    def check(self):
        """The slice is as acknowledged, or as acknowledged and then the call that was under way."""
        found = seen(self.slice)
        if found != self.acknowledged:
            assert self.under_way, f"{found} instead of {self.acknowledged}"
            self.check_done(found)
        self.acknowledged, self.under_way = found, None
        if found:
            manifest = self.slice.manifest()
            assert set(manifest.sliver_ids.values()) == set(found)

    def check_done(self, found):
        call, *rest = self.under_way
        before = self.acknowledged
        if call == "allocate":
            new = set(found) - set(before)
            assert {urn: found[urn] for urn in before} == before
            ids = self.slice.manifest().sliver_ids
            assert {name for name, urn in ids.items() if urn in new} == rest[0]
            assert all(found[urn][0] == "geni_allocated" for urn in new)
        elif call == "provision":
            assert set(found) == set(before)
            assert all(found[urn][0] == "geni_provisioned" for urn in rest[0])
            assert all(found[urn] == before[urn] for urn in before if urn not in rest[0])
        elif call == "renew":
            assert found == {**before, **{urn: (before[urn][0], rest[1]) for urn in rest[0]}}
        else:
            assert found == {urn: it for urn, it in before.items() if urn not in rest[0]}


def test_killed_in_the_middle_of_calls(start_server):
    # Durability: an answer is a promise; a call is one transaction.
    server = start_server()
    callers = [Caller(server.slice(f"crash{n}"), seed=n) for n in range(CALLERS)]
    chance = random.Random(42)
    total = 0
    for _ in range(ROUNDS):
        machines = {it.name: it for it in server.mock.instances()}
        before = sum(caller.answers for caller in callers)
        enough = before + chance.randint(15, 40)
        threads = [threading.Thread(target=caller.work) for caller in callers]
        for thread in threads:
            thread.start()
        poll.until(
            lambda: sum(it.answers for it in callers) >= enough or any(it.failure for it in callers), "enough answers"
        )
        server.kill()
        for thread in threads:
            thread.join()
        for caller in callers:
            if caller.failure:
                raise caller.failure
        total = sum(caller.answers for caller in callers)
        server.start()
        for caller in callers:
            caller.slice.reconnect()
            caller.check()

        # Every provisioned node gets its machine, every machine has its sliver, and none is made twice.
        wanted = {
            urn.rsplit("+", 1)[1]
            for caller in callers
            for urn, (state, _) in caller.acknowledged.items()
            if state == "geni_provisioned"
        }

        def settled():
            there = [it.name.rsplit("-", 1)[1] for it in server.mock.instances()]
            return sorted(there) == sorted(wanted)

        poll.until(settled, "machines matching slivers")
        for caller in callers:
            for urn, it in caller.slice.slivers().items():
                assert it["geni_error"] == "" and it["geni_operational_status"] != "geni_failed"
        kept = {it.name: it for it in server.mock.instances() if it.name in machines}
        assert all(it.id == machines[name].id and it.disk_id == machines[name].disk_id for name, it in kept.items())
    assert total > ROUNDS * 15
    for caller in callers:
        assert caller.slice.delete().code in (SUCCESS, SEARCHFAILED)
    poll.until(lambda: not server.mock.instances(), "the cloud being empty")


def test_names_are_never_given_again(start_server):
    # AM API v3: a sliver URN is unique over time, also after Delete and a restart.
    server = start_server()
    slice = server.slice()
    names = set()
    for _ in range(3):
        ids = set(Manifest(slice.allocate(rspec.nodes("a", "b")).ok()["geni_rspec"]).sliver_ids.values())
        assert not ids & names
        names |= ids
        slice.delete().ok()
        server.restart()
        slice.reconnect()
        slice.status(sorted(ids)).refused(SEARCHFAILED)


def test_what_expired_while_it_was_down_is_gone_at_the_first_answer(start_server):
    # AM API v3: a sliver past its expiry is not there, whether or not anybody has cleaned up yet.
    machines = [{"id": "only", "exclusive": True}, {"id": "host", "capacity": 4, "hardware_profiles": ["small"]}]
    server = start_server(mock={"realms": machines})
    held = server.slice("held")
    held.allocate(rspec.nodes("a", sliver_type="raw-pc", exclusive="true")).ok()
    kept = server.slice("kept").provisioned(rspec.nodes("k"), started=False)
    before = kept.state()
    server.kill()
    server.set_clock_ahead(11 * 60)
    server.start()
    # The first call of all: the machine is free again.
    other = server.slice("other")
    other.allocate(rspec.nodes("b", sliver_type="raw-pc", exclusive="true")).ok()
    assert held.reconnect().slivers() == {}
    assert held.describe().ok()["geni_slivers"] == []
    assert kept.reconnect().state() == before
    # A week later what was provisioned has expired as well, and its machine goes.
    server.set_clock_ahead(8 * 24 * 3600)
    kept.status().refused(SEARCHFAILED)
    poll.until(lambda: not server.mock.instances(), "the machine going")


@pytest.mark.parametrize("when", ["while it is made", "once it is made"])
def test_a_machine_is_made_once_whenever_the_server_dies(start_server, when):
    # One reconciler, idempotent steps: dying between asking the cloud and noting its answer makes nothing twice.
    server = start_server(mock={"lifecycle": {"create_ms": 300}})
    slice = server.slice()
    slice.allocate(rspec.nodes("a", "b")).ok()
    slice.provision().ok()
    asked_for = lambda: [it for it in server.mock.calls() if it.operation == "instances/create"]
    if when == "while it is made":
        poll.until(asked_for, "the first creation")
    else:
        slice.wait("geni_notready")
    server.restart()
    slice.reconnect().wait("geni_notready")
    machines = server.mock.instances()
    assert len(machines) == 2 == len(slice.instances())
    assert len({it.id for it in machines}) == 2
    assert sorted(int(it.disk_id.removeprefix("disk")) for it in machines) == [0, 1], "no third disk was ever made"
    slice.action("geni_start").ok()
    slice.wait("geni_ready")
