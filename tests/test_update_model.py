"""Random calls against a small model of what they should do, with the process killed at random moments.

The model knows nothing of instances, RSpecs or databases: a slice is a set of named nodes, each with the image it
was granted and the one that is pending (AM API v4 draft, change set C). After every call the real slice must look
like the model's: states, expiries, and the manifest on both sides of a pending change. A call under way when the
process is killed happened as a whole, or not at all.
"""

import copy
import http.client
import os
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest

from harness import poll, rspec
from harness.codes import BADARGS, SEARCHFAILED, SUCCESS, TOOBIG, UNSUPPORTED
from harness.rspec import NS, Manifest

IMAGES = ["debian-12", "ubuntu-24.04", "fedora-41"]
ROOM = 14
# For each of the two runs; a longer hunt is a matter of the environment.
SECONDS = float(os.environ.get("AM_MODEL_SECONDS", "25"))
CUT_OFF = (OSError, http.client.HTTPException)
ALLOCATED, PROVISIONED, UPDATING = "geni_allocated", "geni_provisioned", "geni_updating"
REMOVAL = "removal"


@dataclass
class Sliver:
    """A node: granted is None while merely allocated, pending is None when there is nothing to provision."""

    granted: str | None
    pending: str | None
    expires: tuple[int, int]

    @property
    def state(self):
        if self.granted is None:
            return ALLOCATED
        return PROVISIONED if self.pending is None else UPDATING

    @property
    def next(self):
        if self.pending is None:
            return ""
        return "geni_unallocated" if self.pending == REMOVAL else PROVISIONED


@dataclass
class World:
    """All slices."""

    together: bool
    slices: list[dict[str, Sliver]] = field(default_factory=list)

    def room(self):
        return ROOM - sum(len(slivers) for slivers in self.slices)

    def expire(self, now):
        for slivers in self.slices:
            for name in [name for name, it in slivers.items() if it.expires[1] <= now]:
                del slivers[name]


@dataclass
class Call:
    """A call as the model sees it."""

    kind: str
    slice: int
    names: list[str] | None = None  # None: the slice itself
    unknown: bool = False
    best_effort: bool = False
    images: dict[str, str] = field(default_factory=dict)  # of the named ones that are described
    bad: str | None = None  # the named one that is sent to a component that does not exist
    new: dict[str, str] = field(default_factory=dict)
    until: int = 0

    def apply(self, world: World, soon, late) -> int:
        """Changes the world and gives the geni_code; a refusal changes nothing."""
        slivers = world.slices[self.slice]
        named = list(slivers) if self.names is None else self.names
        if self.kind == "allocate" or (self.kind == "update" and not slivers):
            if not self.new:
                return BADARGS
            if len(self.new) > world.room():
                return TOOBIG
            slivers.update({name: Sliver(None, image, soon) for name, image in self.new.items()})
            return SUCCESS
        if not slivers:
            return SEARCHFAILED
        if self.unknown and not self.best_effort:
            return SEARCHFAILED
        if world.together and self.names is not None and self.left_out(slivers, named):
            return UNSUPPORTED
        return getattr(self, "_" + self.kind)(world, slivers, named, soon, late)

    def left_out(self, slivers, named):
        """Slivers that have to be named too where a slice's slivers go together."""
        states = {slivers[name].state for name in named}
        match self.kind:
            case "update":
                together = slivers
            case "provision" | "cancel":
                together = [name for name, it in slivers.items() if it.state != PROVISIONED]
            case _:
                together = [name for name, it in slivers.items() if it.state in states]
        return set(together) - set(named)

    def _update(self, world, slivers, named, soon, late):
        if self.bad and not self.best_effort:
            return SEARCHFAILED
        goes = [name for name in named if name not in self.images and slivers[name].granted is None]
        if len(self.new) > world.room() + len(goes):
            return TOOBIG
        for name in named:
            sliver = slivers[name]
            if name == self.bad:
                continue
            if sliver.granted is None:
                if name in goes:
                    del slivers[name]
                else:
                    slivers[name] = Sliver(None, self.images[name], soon)
            else:
                sliver.pending = self.images.get(name, REMOVAL)
        slivers.update({name: Sliver(None, image, soon) for name, image in self.new.items()})
        return SUCCESS

    def _provision(self, world, slivers, named, soon, late):
        for name in named:
            sliver = slivers[name]
            if sliver.pending == REMOVAL:
                del slivers[name]
            elif sliver.pending is not None:
                expires = late if sliver.granted is None else sliver.expires
                slivers[name] = Sliver(sliver.pending, None, expires)
        return SUCCESS

    def _cancel(self, world, slivers, named, soon, late):
        for name in named:
            if slivers[name].granted is None:
                del slivers[name]
            else:
                slivers[name].pending = None
        return SUCCESS

    def _delete(self, world, slivers, named, soon, late):
        for name in named:
            del slivers[name]
        return SUCCESS

    def _renew(self, world, slivers, named, soon, late):
        for name in named:
            slivers[name].expires = (self.until, self.until)
        return SUCCESS


class Player:
    """Makes up calls, sends them, and compares."""

    def __init__(self, server, together, seed):
        self.server = server
        self.random = random.Random(seed)
        self.slices = [server.slice() for _ in range(3)]
        self.world = World(together, [{} for _ in self.slices])
        self.urns: list[dict[str, str]] = [{} for _ in self.slices]
        self.ahead = 0
        self.made = 0
        self.counts: dict[str, int] = {}
        self.kills = 0

    def now(self):
        return int(time.time()) + self.ahead

    def make(self) -> Call:
        chance = self.random
        at = chance.randrange(len(self.slices))
        names = list(self.world.slices[at])
        kinds = ["allocate", "update", "update", "update", "provision", "provision", "cancel", "renew", "delete"]
        call = Call(chance.choice(kinds), at)
        if names and chance.random() < 0.5:
            call.names = chance.sample(names, chance.randint(1, len(names)))
        if names and chance.random() < 0.15:
            call.names, call.unknown = call.names or names, True
            if self.world.together:
                call.names = names
        if call.kind in ("update", "cancel", "delete", "provision", "renew"):
            call.best_effort = chance.random() < 0.3
        if call.kind == "update":
            for name in call.names or names:
                if chance.random() < 0.7:
                    call.images[name] = chance.choice(IMAGES)
            described = [name for name in call.images if not call.unknown]
            if described and chance.random() < 0.15:
                call.bad = chance.choice(described)
        if call.kind in ("allocate", "update") and not call.bad and not call.unknown:
            for _ in range(chance.choice([0, 0, 1, 1, 2, 4]) if call.kind == "update" else chance.randint(1, 4)):
                self.made += 1
                call.new[f"n{self.made}"] = chance.choice(IMAGES)
        call.until = self.now() + 500
        return call

    def send(self, call: Call):
        slice = self.slices[call.slice]
        known = self.urns[call.slice]
        urns = None if call.names is None else [known[name] for name in call.names]
        if call.unknown:
            urns = [*(urns or []), f"urn:publicid:IDN+{self.server.home.authority}+sliver+{'f' * 32}"]
        extra = {"geni_best_effort": True} if call.best_effort else {}
        nowhere = "urn:publicid:IDN+nowhere.example+node+pc1"
        nodes = [rspec.node(name, image=image, sliver_id=known[name], component_id=nowhere if name == call.bad else None)
                 for name, image in call.images.items()]
        nodes += [rspec.node(name, image=image) for name, image in call.new.items()]
        match call.kind:
            case "allocate":
                return slice.allocate(rspec.request(*nodes))
            case "update":
                return slice.update(rspec.request(*nodes), urns, **extra)
            case "renew":
                until = datetime.fromtimestamp(call.until, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
                return slice.renew(until, urns, **extra)
            case kind:
                return getattr(slice, kind)(urns, **extra)

    def expected(self, call: Call, begun, ended):
        """The world after the call, and its geni_code; expiries as the span they may lie in."""
        world = copy.deepcopy(self.world)
        minutes, days = 10 * 60, 7 * 86_400
        code = call.apply(world, (begun + minutes, ended + minutes), (begun + days, ended + days))
        return world, code

    def look(self, at):
        """What can be seen of a slice, by name; and the names' URNs."""
        slice = self.slices[at]
        status = slice.slivers()
        views = []
        for cancelled in (False, True):
            nodes = Manifest(slice.describe(geni_cancelled=cancelled).ok()["geni_rspec"]).nodes
            images = {name: it.xpath("r:sliver_type/r:disk_image/@name", namespaces=NS)[0].rsplit("+", 1)[1]
                      for name, it in nodes.items()}
            views.append((images, {name: it.get("sliver_id") for name, it in nodes.items()}))
        urns = {**views[0][1], **views[1][1]}
        seen = {}
        for name, urn in urns.items():
            it = status[urn]
            expires = int(datetime.fromisoformat(it["geni_expires"].replace("Z", "+00:00")).timestamp())
            seen[name] = (it["geni_allocation_status"], it["geni_next_allocation_status"],
                          views[0][0].get(name), views[1][0].get(name), expires)
        assert len(urns) == len(status)
        return seen, urns

    def agrees(self, world: World, at, seen) -> bool:
        slivers = world.slices[at]
        if set(seen) != set(slivers):
            return False
        for name, (state, following, future, cancelled, expires) in seen.items():
            it = slivers[name]
            wanted_future = it.granted if it.pending is None else (None if it.pending == REMOVAL else it.pending)
            if (state, following, future, cancelled) != (it.state, it.next, wanted_future, it.granted):
                return False
            if not it.expires[0] <= expires <= it.expires[1]:
                return False
        return True

    def settle_on(self, worlds, at, why):
        """Takes the first of the worlds that looks like the real slice."""
        seen, urns = self.look(at)
        for world in worlds:
            if self.agrees(world, at, seen):
                self.world = world
                for name, (*_, expires) in seen.items():
                    world.slices[at][name].expires = (expires, expires)
                self.urns[at].update(urns)
                return
        raise AssertionError(f"{why}: seen {seen}, expected one of {[world.slices[at] for world in worlds]}")

    def pass_time(self):
        """Lets some time pass, and never looks at a moment at which something is just expiring."""
        if self.random.random() < 0.08:
            self.ahead += self.random.randint(30, 400)
        while any(abs(moment - self.now()) < 4 for it in self.every() for moment in it.expires):
            self.ahead += 6
        self.server.set_clock_ahead(self.ahead)
        self.world.expire(self.now())

    def every(self):
        return [it for slivers in self.world.slices for it in slivers.values()]

    def step(self):
        self.pass_time()
        call = self.make()
        self.counts[call.kind] = self.counts.get(call.kind, 0) + 1
        if self.random.random() < 0.08:
            return self.step_and_kill(call)
        begun = self.now() - 1
        answer = self.send(call)
        world, code = self.expected(call, begun, self.now() + 1)
        assert answer.code == code, f"{call}: geni_code {answer.code}: {answer.output}; {self.world.slices[call.slice]}"
        self.settle_on([world], call.slice, call)

    def step_and_kill(self, call):
        """The call is under way when the process is killed."""
        self.kills += 1
        begun, answers = self.now() - 1, []

        def run():
            try:
                answers.append(self.send(call))
            except CUT_OFF:
                pass

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(self.random.choice([0, 0.002, 0.005, 0.01, 0.02, 0.05]))
        self.server.kill()
        thread.join()
        self.server.start()
        for slice in self.slices:
            slice.reconnect()
        world, code = self.expected(call, begun, self.now() + 1)
        if answers:
            assert answers[0].code == code
        self.settle_on([world] if answers else [world, self.world], call.slice, f"killed in {call}")
        for at in range(len(self.slices)):
            self.settle_on([self.world], at, "after the restart")

    def instances_match(self):
        """Exactly one machine for each provisioned sliver, of the image that was granted."""
        wanted = {self.urns[at][name].rsplit("+", 1)[1]: it.granted
                  for at, slivers in enumerate(self.world.slices) for name, it in slivers.items() if it.granted}

        def look():
            found = [(it.name.rsplit("-", 1)[1], it.image) for it in self.server.mock.instances()]
            return len(found) == len(wanted) and dict(found) == wanted or None

        poll.until(look, "machines matching the slivers")


@pytest.mark.parametrize("together", [False, True])
def test_random_calls_and_kills_agree_with_the_model(start_server, capsys, together):
    server = start_server(policy={"single_allocation": together},
                          mock={"realms": [{"id": "host", "capacity": ROOM}]})
    player = Player(server, together, seed=20261121 + together)
    end, steps = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        player.step()
        steps += 1
        if steps % 25 == 0:
            player.pass_time()
            player.instances_match()
    player.pass_time()
    player.instances_match()
    for slice in player.slices:
        slice.delete()
    poll.until(lambda: not server.mock.instances(), "the cloud being empty")
    # Nothing has leaked: all the room is there.
    player.slices[0].allocate(rspec.nodes(*(f"last{n}" for n in range(ROOM)))).ok()
    player.slices[1].allocate(rspec.nodes("one-more")).refused(TOOBIG)
    with capsys.disabled():
        print(f"\nmodel (together={together}): {steps} calls agree, {player.kills} kills, {player.counts}")
