"""A slice as its experimenter sees it."""

import re

from . import poll
from .client import KEY, Answer, Client, credential, options, users
from .codes import SEARCHFAILED, SUCCESS
from .rspec import Manifest, canonical


class Slice:
    """A slice, a credential for it, and who calls. Every call takes other urns, credentials or options.

    The calls return an `Answer`, whatever it says: `.ok()` insists on success.
    """

    def __init__(self, server, name, owner="alice", api=3, days=30, caller=None, xml=None):
        self.server = server
        self.name = name
        self.owner = owner
        self.urn = server.home.slice_urn(name)
        self.credential = xml or server.home.slice_credential(name, owner, days)
        self.client: Client = caller or server.client(owner, api)

    @property
    def credentials(self) -> list[dict]:
        return [credential(self.credential)]

    def reconnect(self):
        """Calls the server where it listens now: after a restart the port is another."""
        path = re.sub(r"^https://[^/]+", "", self.client.url)
        self.client = Client(self.server.base_url + path, self.client.tls)
        return self

    def _on_slivers(self, method, urns, credentials, *rest) -> Answer:
        urns = [self.urn] if urns is None else urns
        return self.client.call(method, urns, self.credentials if credentials is None else credentials, *rest)

    def allocate(self, rspec: str, credentials=None, **extra) -> Answer:
        credentials = self.credentials if credentials is None else credentials
        return self.client.call("Allocate", self.urn, credentials, rspec, options(**extra))

    def provision(self, urns=None, credentials=None, with_users=True, **extra) -> Answer:
        if with_users:
            extra.setdefault("geni_users", users((self.server.home.user_urn(self.owner), [KEY])))
        return self._on_slivers("Provision", urns, credentials, options(**extra))

    def describe(self, urns=None, credentials=None, **extra) -> Answer:
        return self._on_slivers("Describe", urns, credentials, options(**extra))

    def status(self, urns=None, credentials=None, **extra) -> Answer:
        return self._on_slivers("Status", urns, credentials, extra)

    def renew(self, until: str, urns=None, credentials=None, **extra) -> Answer:
        return self._on_slivers("Renew", urns, credentials, until, extra)

    def action(self, action: str, urns=None, credentials=None, **extra) -> Answer:
        return self._on_slivers("PerformOperationalAction", urns, credentials, action, extra)

    def delete(self, urns=None, credentials=None, **extra) -> Answer:
        return self._on_slivers("Delete", urns, credentials, extra)

    def update(self, rspec: str, urns=None, credentials=None, **extra) -> Answer:
        return self._on_slivers("Update", urns, credentials, rspec, extra)

    def cancel(self, urns=None, credentials=None, **extra) -> Answer:
        return self._on_slivers("Cancel", urns, credentials, extra)

    def shutdown(self, credentials=None) -> Answer:
        credentials = self.credentials if credentials is None else credentials
        return self.client.call("Shutdown", self.urn, credentials, {})

    # Looking

    def manifest(self, **extra) -> Manifest:
        return Manifest(self.describe(**extra).ok()["geni_rspec"])

    def slivers(self) -> dict[str, dict]:
        """Status by sliver URN; empty when there is none."""
        answer = self.status()
        if answer.code == SEARCHFAILED:
            return {}
        return {sliver["geni_sliver_urn"]: sliver for sliver in answer.ok()["geni_slivers"]}

    def state(self):
        """All that can be seen of the slice, to be compared: that nothing changed is that this is equal.

        Status of each sliver, and both manifests (as it will be, and as it was before pending changes)
        in canonical form without the moment they were written.
        """
        picture = {"slivers": self.slivers()}
        for cancelled in (False, True):
            answer = self.describe(geni_cancelled=cancelled)
            seen = canonical(answer.rspec, without=["generated"]) if answer.code == SUCCESS else answer.code
            picture[f"manifest, cancelled={cancelled}"] = seen
        return picture

    def instances(self) -> dict:
        """The pretended cloud's instances of this slice, by sliver URN."""
        return self.server.mock.by_sliver(self.slivers())

    # Waiting

    def wait(self, operational: str, urns=None) -> dict[str, dict]:
        """Until the named slivers (or all) are in an operational state; then Status by URN."""

        def look():
            slivers = self.slivers()
            named = [slivers[urn] for urn in (urns or slivers)]
            return slivers if all(it["geni_operational_status"] == operational for it in named) else None

        try:
            return poll.until(look, f"{self.name} becoming {operational}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.slivers()}") from None

    def provisioned(self, rspec: str, started=True, **extra):
        """Allocated, provisioned, and (unless `started=False`) running; returns the slice."""
        self.allocate(rspec).ok()
        self.provision(**extra).ok()
        self.wait("geni_notready")
        if started:
            self.action("geni_start").ok()
            self.wait("geni_ready")
        return self
